//! Small files that a crash leaves whole: the old content or the new one.
//!
//! They lie in a folder that an unprivileged account may own, and root writes there too. So the new file is always
//! made, never found: a symbolic link that somebody put in its place leads nowhere.

use std::fs::{File, remove_file, rename};
use std::io::{self, Write};
use std::path::Path;

/// Gives the file this content.
///
/// # Errors
/// Those of the file system.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = Path::new(&part);
    remove(part)?;
    File::create_new(part)?.write_all(content)?;
    rename(part, path)
}

/// Removes the file, if it is there.
///
/// # Errors
/// Those of the file system.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_link_in_its_way_is_replaced_and_not_followed() {
        let folder = std::env::temp_dir().join(format!("directord-replace-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (file, other) = (folder.join("a.held"), folder.join("other"));
        std::fs::write(&other, "dear").unwrap();
        for link in ["a.held.part", "a.held"] {
            symlink(&other, folder.join(link)).unwrap();
        }
        replace(&file, b"new").unwrap();
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "dear");
        replace(&file, b"newer").unwrap();
        remove(&file).unwrap();
        remove(&file).unwrap();
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

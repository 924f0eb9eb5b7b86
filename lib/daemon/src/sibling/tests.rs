use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::scratch::Scratch;

fn place(folder: &Scratch, name: &str, mode: u32) -> PathBuf {
    let path = folder.path(name);
    std::fs::write(&path, "#!/bin/sh\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path
}

#[test]
fn the_first_folder_that_has_an_executable_file_wins() {
    let (first, second) = (Scratch::new(), Scratch::new());
    let folders = || [first.folder().to_path_buf(), second.folder().to_path_buf()].into_iter();
    assert_eq!(find_in(folders(), "directord"), None);

    let in_second = place(&second, "directord", 0o755);
    assert_eq!(find_in(folders(), "directord"), Some(in_second.clone()));
    place(&first, "directord", 0o644);
    assert_eq!(
        find_in(folders(), "directord"),
        Some(in_second),
        "a file that is not executable is passed over"
    );
    let in_first = place(&first, "directord", 0o755);
    assert_eq!(find_in(folders(), "directord"), Some(in_first));

    std::fs::create_dir(first.path("folder")).unwrap();
    assert_eq!(find_in(folders(), "folder"), None);
}

#[test]
fn only_plain_names_are_looked_for() {
    let folders = || ["/bin", "/"].iter().map(PathBuf::from);
    assert!(find_in(folders(), "sh").is_some());
    for name in ["", ".", "..", "/bin/sh", "../bin/sh", "bin/sh", "s\0h"] {
        assert_eq!(find_in(folders(), name), None, "{name:?}");
    }
}

#[test]
fn the_running_executable_is_beside_itself() {
    let own = std::env::current_exe().unwrap();
    let name = own.file_name().unwrap().to_str().unwrap();
    assert_eq!(find(name).map(|path| path.canonicalize().unwrap()), Some(own.canonicalize().unwrap()));
    assert_eq!(find("no-such-program-of-the-suite"), None);
}

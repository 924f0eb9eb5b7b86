//! Where the other programs of the suite are.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where the programs are installed, in the order in which they are looked for. The last two are the
/// old packages' places for programs that other programs call.
const INSTALLED: [&str; 4] = ["/usr/sbin", "/usr/bin", "/usr/libexec/heartbeat", "/usr/share/heartbeat"];

/// The path of `program` (a plain file name): beside the running executable first, so that a build
/// tree or an installation under another prefix uses its own programs, then in `/usr/sbin`,
/// `/usr/bin`, `/usr/libexec/heartbeat` and `/usr/share/heartbeat`.
///
/// `None` if no executable file of that name is there, or if `program` is not a plain file name.
pub fn find(program: &str) -> Option<PathBuf> {
    // After an upgrade the kernel calls the executable "/usr/sbin/NAME (deleted)"; its folder is still right.
    let beside = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_path_buf));
    find_in(beside.into_iter().chain(INSTALLED.iter().map(PathBuf::from)), program)
}

fn find_in(folders: impl Iterator<Item = PathBuf>, program: &str) -> Option<PathBuf> {
    if program.is_empty() || program == "." || program == ".." || program.contains(['/', '\0']) {
        return None;
    }
    folders.map(|folder| folder.join(program)).find(|path| is_executable(path))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests;

//! Which configuration, under which name, with which pid file and socket; and whether its daemon runs.

use crate::claim::Claim;
use std::path::{Path, PathBuf};

/// A configuration and its daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// `ldirectord`, or the file name of the configuration as it was given, its ending included.
    pub name: String,
    /// The configuration: an absolute path, or the word itself if no such file was found.
    pub config: PathBuf,
    /// Whether it was found.
    pub found: bool,
    /// Where the daemon's process id stands.
    pub pid_file: PathBuf,
    /// Where the daemon answers.
    pub socket: PathBuf,
    /// Where the daemon remembers servers that are drained.
    pub drained: PathBuf,
    /// What it has placed in the kernel's table.
    pub claim: Claim,
}

/// Whether the daemon of an instance runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Running {
    /// Yes, as this process.
    Ours(u32),
    /// The old program runs as this process.
    Old(u32),
    /// No, but there is a pid file of one that ended without removing it.
    Stale,
    /// No.
    No,
}

impl Running {
    /// The process, if one runs.
    pub fn pid(self) -> Option<u32> {
        match self {
            Running::Ours(pid) | Running::Old(pid) => Some(pid),
            Running::Stale | Running::No => None,
        }
    }
}

impl Instance {
    /// Looks for the configuration like ldirectord: in the folder, in its `conf`, then where the word says.
    pub fn new(word: Option<&str>, config_dir: &Path, run_dir: &Path) -> Instance {
        let file = word.unwrap_or("ldirectord.cf");
        let inside = file.trim_start_matches('/');
        let places = [config_dir.join(inside), config_dir.join("conf").join(inside), PathBuf::from(file)];
        let found = places.into_iter().find(|path| path.is_file());
        // Absolute, since the daemon changes its folder to / and reads the file again later.
        let config = found
            .as_ref()
            .map_or(PathBuf::from(file), |path| std::path::absolute(path).unwrap_or(path.clone()));
        let name = match word {
            None => "ldirectord".to_owned(),
            Some(word) => Path::new(word)
                .file_name()
                .map_or(word.to_owned(), |name| name.to_string_lossy().into_owned()),
        };
        Instance {
            config,
            found: found.is_some(),
            pid_file: run_dir.join(format!("ldirectord.{name}.pid")),
            socket: run_dir.join("directord").join(format!("{name}.sock")),
            drained: run_dir.join("directord").join(format!("{name}.drained")),
            claim: Claim::at(run_dir.join("directord").join(format!("{name}.held"))),
            name,
        }
    }

    /// Whether its daemon runs, or has left something in the kernel's table.
    pub fn is_alive_or_held(&self) -> bool {
        self.running().pid().is_some() || self.claim.read().is_some()
    }

    /// Whether its daemon runs.
    pub fn running(&self) -> Running {
        if let Some(pid) = daemon::pidfile::running(&self.pid_file) {
            return Running::Ours(pid);
        }
        match daemon::pidfile::read(&self.pid_file) {
            Some(pid) if is_old_daemon(pid) => Running::Old(pid),
            Some(_) => Running::Stale,
            None if self.pid_file.exists() => Running::Stale,
            None => Running::No,
        }
    }
}

/// Whether this process is the Perl program, which does not lock its pid file.
fn is_old_daemon(pid: u32) -> bool {
    let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = String::from_utf8_lossy(&arguments);
    text.contains("perl") && text.contains("ldirectord")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_places_as_ldirectord_has_them() {
        let run = Path::new("/run");
        let plain = Instance::new(None, Path::new("/nonexistent"), run);
        assert_eq!((plain.name.as_str(), plain.found), ("ldirectord", false));
        assert_eq!(plain.pid_file, Path::new("/run/ldirectord.ldirectord.pid"));
        let named = Instance::new(Some("/etc/ha.d/second.cf"), Path::new("/nonexistent"), run);
        assert_eq!(named.name, "second.cf");
        assert_eq!(named.pid_file, Path::new("/run/ldirectord.second.cf.pid"));
        assert_eq!(named.socket, Path::new("/run/directord/second.cf.sock"));
    }

    #[test]
    fn the_folder_comes_first_and_the_path_becomes_absolute() {
        let folder = std::env::temp_dir().join(format!("directord-instance-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("conf")).unwrap();
        std::fs::write(folder.join("conf/x.cf"), "").unwrap();
        let found = Instance::new(Some("x.cf"), &folder, Path::new("/run"));
        assert_eq!(found.config, folder.join("conf/x.cf"));
        std::fs::write(folder.join("x.cf"), "").unwrap();
        assert_eq!(Instance::new(Some("x.cf"), &folder, Path::new("/run")).config, folder.join("x.cf"));
        let relative = Instance::new(Some("Cargo.toml"), &folder, Path::new("/run"));
        assert!(relative.found && relative.config.is_absolute());
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_pid_file_nobody_holds_is_stale() {
        let folder = std::env::temp_dir().join(format!("directord-stale-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let instance = Instance::new(Some("x.cf"), Path::new("/nonexistent"), &folder);
        assert_eq!(instance.running(), Running::No);
        std::fs::write(&instance.pid_file, format!("{}\n", std::process::id())).unwrap();
        assert_eq!(instance.running(), Running::Stale);
        let held = daemon::pidfile::create(&instance.pid_file).unwrap();
        assert_eq!(instance.running(), Running::Ours(std::process::id()));
        drop(held);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

//! Which configuration, under which name, with which pid file and socket; and whether its daemon runs.

use crate::claim::Claim;
use crate::config::Plan;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

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
    /// Where pid files and sockets are.
    run_dir: PathBuf,
    /// Where configurations are.
    config_dir: PathBuf,
}

/// Tells the program for which instances it is called by `execute`: their names, each in the one before it.
const EXECUTED_BY: &str = "DIRECTORD_EXECUTED_BY";

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
            run_dir: std::path::absolute(run_dir).unwrap_or_else(|_| run_dir.to_path_buf()),
            config_dir: std::path::absolute(config_dir).unwrap_or_else(|_| config_dir.to_path_buf()),
        }
    }

    /// Whether its daemon runs, or has left something in the kernel's table.
    pub fn is_alive_or_held(&self) -> bool {
        self.running().pid().is_some() || self.claim.read().is_some()
    }

    /// Another instance of the same folders.
    pub fn sibling(&self, config: &str) -> Instance {
        Instance::new(Some(config), &self.config_dir, &self.run_dir)
    }

    /// This program with a verb, for an instance of the same folders.
    ///
    /// # Errors
    /// The program's file is not known.
    pub fn program(&self, config: Option<&str>, verb: &str) -> Result<Command, String> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        // After an upgrade the kernel calls the old file "NAME (deleted)"; the new one has its name.
        let mut command = Command::new(program.to_string_lossy().trim_end_matches(" (deleted)"));
        command.arg0(std::env::args_os().next().unwrap_or_else(|| "directord".into()));
        command.arg("--run-dir").arg(&self.run_dir).arg("--config-dir").arg(&self.config_dir);
        command.args(config).arg(verb);
        Ok(command)
    }

    /// [`Instance::program`] for an instance that this one executes, on behalf of those `above`.
    ///
    /// # Errors
    /// It is this one, or one that executes this one: calls would have no end.
    pub fn other(&self, config: &str, verb: &str, above: &str) -> Result<Command, String> {
        let started_by = executed_by();
        let above = [started_by.as_str(), above, &self.name];
        let chain: Vec<&str> = above.into_iter().filter(|names| !names.is_empty()).collect();
        self.executed(config, verb, &chain.join("/"))
    }

    fn executed(&self, config: &str, verb: &str, chain: &str) -> Result<Command, String> {
        let name = Path::new(config).file_name().unwrap_or_default();
        if chain.split('/').any(|known| name == known) {
            return Err(format!("it executes this one ({})", chain.replace('/', ", ")));
        }
        let mut command = self.program(Some(config), verb)?;
        command.env(EXECUTED_BY, chain);
        Ok(command)
    }

    /// Whether no other instance holds a service of this plan in the same table: two daemons with different pictures of a server
    /// would undo each other's edits for ever.
    ///
    /// # Errors
    /// The other instance, its process and the service.
    pub fn is_alone_with(&self, plan: &Plan) -> Result<(), String> {
        let folder = self.socket.parent().unwrap_or(Path::new("/"));
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            let name =
                path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".held"));
            let Some(name) = name.filter(|name| *name != self.name) else { continue };
            let pid_file = self.run_dir.join(format!("ldirectord.{name}.pid"));
            let Some(pid) = daemon::pidfile::running(&pid_file) else { continue };
            let held = Claim::at(path.clone()).read().unwrap_or_default();
            if let Some(service) = plan.services.iter().find(|service| held.contains(&service.service.key)) {
                return Err(format!(
                    "{} is in the kernel's table already: the instance {name} holds it (process {pid}); use that one \
                     by the name it was started with, or stop it first",
                    service.id()
                ));
            }
        }
        Ok(())
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

/// The instances that have called this process by `execute`, each in the one before it, separated by `/`.
pub fn executed_by() -> String {
    std::env::var(EXECUTED_BY).unwrap_or_default()
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
    fn instances_that_execute_each_other_come_to_an_end() {
        let instance = Instance::new(Some("b.cf"), Path::new("/nonexistent"), Path::new("/run"));
        let command = instance.executed("/etc/ha.d/c.cf", "start", "a.cf/b.cf").unwrap();
        let words: Vec<_> = command.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
        assert_eq!(words, ["--run-dir", "/run", "--config-dir", "/nonexistent", "/etc/ha.d/c.cf", "start"]);
        let chain = command.get_envs().find(|(name, _)| *name == EXECUTED_BY).unwrap().1.unwrap();
        assert_eq!(chain, "a.cf/b.cf");
        for config in ["a.cf", "/etc/ha.d/a.cf", "b.cf"] {
            assert!(instance.executed(config, "start", "a.cf/b.cf").is_err(), "{config}");
        }
        assert!(instance.other("b.cf", "status", "").is_err(), "itself");
        assert!(instance.other("a.cf", "reload", "a.cf").is_err(), "who has asked for it");
        assert!(instance.other("a.cf", "reload", "c.cf").is_ok());
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

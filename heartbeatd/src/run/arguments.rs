//! The command line of heartbeat 3.0.6 (heartbeat(8)), and the directories.

use clap::{ArgAction, Parser};
use std::path::PathBuf;

/// Heartbeat daemon: who is alive, and who holds which resource group.
#[derive(Clone, Debug, Parser)]
#[command(name = "heartbeatd", disable_version_flag = true)]
pub struct Arguments {
    /// More debugging output; may be repeated
    #[arg(short = 'd', action = ArgAction::Count)]
    pub debug: u8,
    /// Print the directives of ha.cf with their defaults and end
    #[arg(short = 'D')]
    pub defaults: bool,
    /// Stay in the foreground
    #[arg(short = 'f')]
    pub foreground: bool,
    /// Stop the running daemon: its resources are released; returns when it has ended
    #[arg(short = 'k')]
    pub kill: bool,
    /// No real-time priority, no locked memory
    #[arg(short = 'l')]
    pub low_priority: bool,
    /// No resource management: no script is ever called
    #[arg(short = 'M')]
    pub no_resources: bool,
    /// Make the running daemon read its configuration again
    #[arg(short = 'r')]
    pub reload: bool,
    /// Say whether the daemon is running
    #[arg(short = 's')]
    pub status: bool,
    /// Accepted for old scripts
    #[arg(short = 'v', action = ArgAction::Count)]
    pub verbose: u8,
    /// Print the version and end
    #[arg(short = 'V', long = "version")]
    pub version: bool,
    /// Print the directives of ha.cf with their defaults as a table and end
    #[arg(short = 'W')]
    pub wiki: bool,
    /// Internal: the daemon starts itself anew and keeps its resources
    #[arg(short = 'R', hide = true)]
    pub restart: bool,
    /// Internal in heartbeat; accepted and ignored
    #[arg(short = 'C', hide = true)]
    pub internal: bool,
    /// Check the configuration files, print everything that is wrong with them, and end
    #[arg(long)]
    pub check: bool,
    /// The directory of ha.cf, authkeys and haresources
    #[arg(long, value_name = "DIR", default_value = "/etc/ha.d")]
    pub config_dir: PathBuf,
    /// The directory of hb_uuid and hb_generation
    #[arg(long, value_name = "DIR", default_value = "/var/lib/heartbeat")]
    pub state_dir: PathBuf,
    /// The directory of the control socket; the pid file is beside it, with ".pid" appended
    #[arg(long, value_name = "DIR", default_value = "/run/heartbeat")]
    pub run_dir: PathBuf,
}

impl Arguments {
    /// The pid file: `/run/heartbeat.pid` for the run directory `/run/heartbeat`.
    pub fn pid_file(&self) -> PathBuf {
        let mut name = self.run_dir.clone().into_os_string();
        name.push(".pid");
        PathBuf::from(name)
    }

    /// With directories that do not depend on the working directory.
    pub fn absolute(mut self) -> std::io::Result<Arguments> {
        for directory in [&mut self.config_dir, &mut self.state_dir, &mut self.run_dir] {
            *directory = std::path::absolute(&*directory)?;
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn old_command_lines_work() {
        Arguments::command().debug_assert();
        let arguments =
            Arguments::try_parse_from(["heartbeatd", "-ddf", "-l", "-M", "-v", "-R", "-C"]).unwrap();
        assert_eq!(arguments.debug, 2);
        assert!(arguments.foreground && arguments.low_priority && arguments.no_resources);
        assert_eq!(arguments.pid_file(), PathBuf::from("/run/heartbeat.pid"));
        assert_eq!(Arguments::try_parse_from(["heartbeatd", "-x"]).unwrap_err().exit_code(), 2);
    }
}

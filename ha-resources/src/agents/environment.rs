//! The environment that resource scripts find: that of heartbeat's `ResourceManager`.

use super::Settings;
use std::process::Command;

/// Variables by which systemd knows the daemon that called us, not the scripts.
const PRIVATE: [&str; 6] =
    ["NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"];

/// As `ResourceManager` did: the rule for `status` looks for English words.
const LOCALE: [&str; 2] = ["LC_ALL", "LANGUAGE"];

/// Set unless the caller (heartbeatd, which exports every directive of ha.cf) has set them already.
const USUAL: [(&str, &str); 9] = [
    ("HA_BIN", "/usr/libexec/heartbeat"),
    ("HA_SBIN_DIR", "/usr/sbin"),
    ("HA_NOARCHBIN", "/usr/share/heartbeat"),
    ("HA_DATEFMT", "%Y/%m/%d_%T\t"),
    ("HA_DOCDIR", "/usr/share/doc/heartbeat"),
    ("HA_FIFO", "/var/lib/heartbeat/fifo"),
    ("OCF_ROOT", "/usr/lib/ocf"),
    ("OCF_AGENTS", "/usr/lib/ocf/resource.d/heartbeat/"),
    ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
];

impl Settings {
    /// Gives a command the variables that resource scripts rely on.
    pub(super) fn environment(&self, command: &mut Command) {
        for name in PRIVATE.iter().chain(&LOCALE) {
            command.env_remove(name);
        }
        for (name, value) in USUAL {
            if std::env::var_os(name).is_none_or(|set| set.is_empty()) {
                command.env(name, value);
            }
        }
        let dir = &self.config_dir;
        command
            .env("HA_DIR", dir)
            .env("HA_FUNCS", dir.join("shellfuncs"))
            .env("HA_RCDIR", dir.join("rc.d"))
            .env("HA_RESOURCEDIR", dir.join("resource.d"))
            .env("HA_CF", dir.join("ha.cf"))
            .env("HA_VARRUN", &self.run_dir)
            .env("HA_RSCTMP", self.run_dir.join("rsctmp"))
            .env("HA_CURHOST", &self.node);
    }
}

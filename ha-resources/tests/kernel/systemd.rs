//! Units: a systemd in namespaces and a control group of its own, with a few units.

use crate::lab::{Lab, Ran, ran};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Its process 1 inside; everything ends with it.
const BOOT: &str = r#"set -e
mount -t tmpfs none /run
mkdir -p /run/lock /run/systemd/system /run/group
mount -t cgroup2 none /run/group
mkdir -p "/run/group/$1"
echo $$ >"/run/group/$1/cgroup.procs"
unit() { printf '[Unit]\nDefaultDependencies=no\n[Service]\n%b\n' "$2" >"/run/systemd/system/$1.service"; }
printf '[Unit]\nDescription=laboratory\n' >/run/systemd/system/lab.target
unit good 'ExecStart=/bin/sleep 1000'
unit bad 'Type=oneshot\nExecStart=/bin/false'
unit slow 'Type=oneshot\nExecStart=/bin/sleep 1000\nTimeoutStartSec=900'
unit stays 'Type=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\nExecStop=/bin/sleep 1000\nTimeoutStopSec=900'
export container=lab
exec unshare --cgroup --mount sh -c 'mkdir -p /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup; exec /lib/systemd/systemd --system --unit=lab.target --log-target=null'"#;

struct Systemd {
    outer: Child,
    init: u32,
    group: String,
}

impl Systemd {
    fn boot() -> Systemd {
        let group = format!("ha-resources-{}", std::process::id());
        let outer = Command::new("unshare")
            .args([
                "--pid",
                "--fork",
                "--kill-child=KILL",
                "--mount",
                "--net",
                "--ipc",
                "--uts",
                "--mount-proc",
            ])
            .args(["sh", "-c", BOOT, "sh", &group])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let children = format!("/proc/{0}/task/{0}/children", outer.id());
        let child =
            || std::fs::read_to_string(&children).ok()?.split_whitespace().next()?.parse::<u32>().ok();
        let until = Instant::now() + Duration::from_secs(60);
        let init = loop {
            match child() {
                Some(init) => break init,
                None => assert!(Instant::now() < until, "unshare starts nothing"),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let systemd = Systemd { init, outer, group };
        let runs = || systemd.run(Command::new("systemctl").arg("is-system-running")).out.trim() == "running";
        while !runs() {
            assert!(Instant::now() < until, "systemd does not come up");
            std::thread::sleep(Duration::from_millis(100));
        }
        systemd
    }

    /// Runs a command inside.
    fn run(&self, command: &Command) -> Ran {
        let mut inside = Command::new("nsenter");
        inside.args(["--target", &self.init.to_string()]);
        inside.args(["--pid", "--mount", "--net", "--ipc", "--uts", "--cgroup"]).arg(command.get_program());
        inside.args(command.get_args()).env("HA_CURHOST", "alpha").stdin(Stdio::null());
        ran(&mut inside)
    }
}

impl Drop for Systemd {
    fn drop(&mut self) {
        let _ = self.outer.kill(); // its child is killed with it, and all others with that one
        let _ = self.outer.wait();
        // The control groups outlive what was in them; the deepest go first.
        let line = format!(
            "mkdir -p /run/ha-group && mount -t cgroup2 none /run/ha-group && cd /run/ha-group && for n in $(seq 50); do \
             [ -d {0} ] || break; find {0} -depth -type d -exec rmdir {{}} + 2>/dev/null; sleep 0.1; done",
            self.group
        );
        let _ = Command::new("unshare").args(["--mount", "sh", "-c", &line]).status();
    }
}

#[test]
fn units_start_stop_and_end_at_their_limit() {
    let lab = Lab::new();
    let systemd = Systemd::boot();
    lab.haresources("alpha systemd::good\nalpha systemd::bad\nalpha systemd::slow\nalpha systemd::nosuch\nalpha systemd::stays\n");
    let run = |limit: &str, words: &str| {
        let mut command = lab.command();
        systemd.run(command.args(["--json", "--script-limit", limit]).args(words.split(' ')))
    };
    assert_eq!(run("60", "takegroup systemd::good").steps(), ["systemd::good start done"]);
    assert_eq!(run("60", "status systemd::good").code, 0);
    assert_eq!(run("60", "takegroup systemd::good").steps(), ["systemd::good start already"]);
    assert_eq!(run("60", "givegroup systemd::good").steps(), ["systemd::good stop done"]);
    assert_eq!(run("60", "status systemd::good").code, 3);

    let bad = run("60", "takegroup systemd::bad");
    assert_eq!(bad.steps(), ["systemd::bad start failed", "systemd::bad stop done"]);
    assert!(bad.detail().ends_with("; bad.service is failed (exit-code)"), "{}", bad.detail());
    let missing = run("60", "takegroup systemd::nosuch");
    assert_eq!(missing.steps(), ["systemd::nosuch start failed", "systemd::nosuch stop already"]);
    assert_eq!(missing.detail(), "unit nosuch.service is not-found");

    // The unit's own limits are a quarter of an hour.
    let slow = run("3", "takegroup systemd::slow");
    assert_eq!(slow.steps().first().map(String::as_str), Some("systemd::slow start timeout"), "{slow:?}");
    assert_eq!(run("60", "takegroup systemd::stays").steps(), ["systemd::stays start done"]);
    assert_eq!(run("3", "givegroup systemd::stays").steps(), ["systemd::stays stop timeout"]);
}

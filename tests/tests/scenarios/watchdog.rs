//! The watchdog device, in a kernel that may reboot: User-Mode Linux with softdog.
//!
//! That kernel boots again by itself and then runs its program again, which tells so.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use lab::{Context, Lab, Result, check, programs};

/// In User-Mode Linux `/dev/watchdog` is another one, which needs help from outside.
const HA_CF: &str = "logfacility none\nlogfile OUT/ha-log\nkeepalive 250ms\nwarntime 1\ndeadtime 2\ninitdead 3\nauto_failback off\n\
                     mcast lo 239.255.77.1 694 0 1\nnode alpha beta\nwatchdog /dev/watchdog1\n";

/// The timeout is deadtime and a little, in whole seconds: 3. Each pause of 5 s would be the machine's end if nobody wrote to
/// the device.
const JOB: &str = r#"
tell() { echo "$*" >>"$UML_OUT/story"; sync; }
fail() { tell "failed: $*"; exit 1; }
if [ -e "$UML_OUT/story" ]; then tell booted again; exit; fi
options="--config-dir $UML_OUT/etc --state-dir /run/state --run-dir /run/run"
until_status() { # PATTERN
  for i in $(seq 300); do cl_status --run-dir /run/run --json 2>&1 | grep -qE "$1" && return; sleep 0.1; done
  fail "no $1 in $(cl_status --run-dir /run/run --json 2>&1)"
}
start() { heartbeatd $options || fail "it does not start"; until_status '"hold":"all"'; until_status '"timeout_s":3'; }
pid() { cat /run/run.pid; }

# this kernel is built so that a device once open is never disarmed
rmmod softdog && modprobe softdog nowayout=0 || fail "no softdog"
start
sleep 5; tell "a daemon that beats keeps the machine alive"

kill -KILL "$(pid)"; start
sleep 5; tell "so does one that was killed and started again"

sed -i s/^watchdog/#watchdog/ "$UML_OUT/etc/ha.cf"
heartbeatd -r $options; until_status '"watchdog":null'
until grep -q 'watchdog /dev/watchdog1: closed' "$UML_OUT/ha-log"; do sleep 0.1; done
kill -STOP "$(pid)"; sleep 5; kill -CONT "$(pid)"; tell "without the directive nobody watches"
sed -i s/^#watchdog/watchdog/ "$UML_OUT/etc/ha.cf"
until_status '"hold":"all"'; heartbeatd -r $options; until_status '"timeout_s":3'

heartbeatd -k $options
sleep 5; tell "an orderly stop is no reason to reboot"

start
tell "the daemon stands still"; kill -STOP "$(pid)"
sleep 60; tell "that was borne"
"#;

#[test]
fn a_node_that_stalls_is_rebooted_and_one_that_stops_is_not() -> Result<()> {
    let lab = Lab::new()?; // for its directory
    let out = lab.directory().to_owned();
    let write = |name: &str, text: &str| -> Result<()> {
        let path = out.join(name);
        fs::create_dir_all(path.parent().context(|| "no directory")?)?;
        fs::write(&path, text)?;
        Ok(fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?)
    };
    write("etc/nodeinfo", "alpha\n")?;
    write("etc/ha.cf", &HA_CF.replace("OUT", &out.display().to_string()))?;
    write("etc/authkeys", "auth 1\n1 sha1 a-key-for-the-lab\n")?;
    write("etc/haresources", "alpha 192.0.2.1/32/lo\n")?;
    write("job", JOB)?;
    let kernel_log = out.join("kernel.log");
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("lab/uml-run"))
        .env("PATH", format!("{}:{path}", programs::directory()?.display()))
        .args(["--mem", "256M", "--time-out", "300", "--log"])
        .arg(&kernel_log)
        .arg("--out")
        .arg(&out)
        .arg("bash")
        .arg(out.join("job"))
        .output()?;
    let story = fs::read_to_string(out.join("story")).unwrap_or_default();
    let evidence = || {
        let log = fs::read_to_string(out.join("ha-log")).unwrap_or_default();
        format!("{}, {}\n{story}\n{log}", output.status, programs::said(&output))
    };
    let told = [
        "a daemon that beats keeps the machine alive",
        "so does one that was killed and started again",
        "without the directive nobody watches",
        "an orderly stop is no reason to reboot",
        "the daemon stands still",
        "booted again",
    ];
    check(output.status.success() && story.lines().eq(told), evidence)?;
    let reboots = fs::read_to_string(&kernel_log)?.matches("softdog: Initiating system reboot").count();
    check(reboots == 1, || format!("{reboots} reboots by softdog; {}", evidence()))
}

//! Resource scripts, well-behaved and otherwise.

mod lab;

use ha_resources::event::{Event, GroupResult};
use lab::{Lab, soon};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn a_group_starts_left_to_right_and_stops_right_to_left() {
    let lab = Lab::new();
    lab.service("one");
    lab.service("two");
    lab.haresources("alpha one::a::b 192.0.2.10/24/va two\nalpha two::x\n");
    let ran = lab.run("takenode alpha");
    assert_eq!((ran.code, ran.groups()), (0, vec![GroupResult::Held, GroupResult::Held]), "{ran:?}");
    assert_eq!(lab.log(), ["one a b start", "two start"], "two::x runs already, its script says");
    assert_eq!(
        ran.steps(),
        ["one::a::b start done", "192.0.2.10/24/va start done", "two start done", "two::x start already"]
    );
    fs::remove_file(lab.dir.join("log")).unwrap();
    let ran = lab.run("givenode alpha");
    assert_eq!((ran.code, ran.groups()), (0, vec![GroupResult::Released, GroupResult::Released]));
    assert_eq!(lab.log(), ["two x stop", "two stop", "one a b stop"]);
    assert!(!lab.has("192.0.2.10"));
}

#[test]
fn what_another_node_has_taken_loses_all_its_addresses_before_any_script_runs() {
    let lab = Lab::new();
    lab.script(
        "db",
        "[ $1 = stop ] && ip -o address show | sed -n 's/.* inet \\([^/]*\\).*/\\1/p' >> $DIR/seen; exit 0",
    );
    lab.haresources("alpha 192.0.2.10/24/va db\nalpha 192.0.2.11/24/va db\nbeta 192.0.2.12/24/va\n");
    assert_eq!(lab.run("takenode alpha").code + lab.run("takenode beta").code, 0);
    let ran = lab.run("yieldnode alpha");
    assert_eq!((ran.code, ran.groups()), (0, vec![GroupResult::Released; 2]), "{ran:?}");
    let seen = lab.read("seen");
    assert_eq!(seen.lines().filter(|line| *line == "192.0.2.12").count(), 2, "{seen}");
    assert!(!seen.contains("192.0.2.10") && !seen.contains("192.0.2.11"), "{seen}");
}

#[test]
fn a_start_that_fails_releases_the_whole_group_and_says_why() {
    let lab = Lab::new();
    lab.service("one");
    lab.service("three");
    lab.script("two", "case $1 in start) echo no disk; echo really not >&2; exit 7;; stop) echo two stop >> $DIR/log;; esac");
    lab.haresources("alpha one 192.0.2.10/24/va two three\nalpha one::again\n");
    let ran = lab.run("takenode alpha");
    assert_eq!(
        (ran.code, ran.groups()),
        (1, vec![GroupResult::Failed, GroupResult::Held]),
        "the next group is taken"
    );
    assert_eq!(ran.detail(), "exit code 7: really not");
    assert_eq!(lab.log(), ["one start", "three stop", "two stop", "one stop", "one again start"]);
    assert!(!lab.has("192.0.2.10"));
    let Some(Event::Group { detail, .. }) = ran.events.iter().find(|e| matches!(e, Event::Group { .. }))
    else {
        panic!()
    };
    assert_eq!(detail, "two did not start (exit code 7: really not); the group is released");
    assert!(ran.err.contains("no disk"), "the output is in the log: {}", ran.err);
}

#[test]
fn scripts_find_the_environment_of_heartbeat() {
    let lab = Lab::new();
    lab.script("env", "env > $DIR/env");
    lab.haresources("alpha env\n");
    let mut command = lab.command();
    command
        .env("HA_FIFO", "/elsewhere")
        .env("LC_ALL", "de_DE")
        .env("NOTIFY_SOCKET", "/x")
        .env("HA_keepalive", "1");
    assert_eq!(lab::ran(command.args(["takenode", "alpha"])).code, 0);
    let text = lab.read("env");
    let dir = lab.dir.display();
    for line in [
        format!("HA_DIR={dir}"),
        format!("HA_FUNCS={dir}/shellfuncs"),
        format!("HA_RESOURCEDIR={dir}/resource.d"),
        "HA_CURHOST=alpha".into(),
        "OCF_ROOT=/usr/lib/ocf".into(),
        "HA_FIFO=/elsewhere".into(),
        "HA_keepalive=1".into(),
        "PWD=/".into(),
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is missing in\n{text}");
    }
    assert!(!text.contains("LC_ALL") && !text.contains("NOTIFY_SOCKET"), "{text}");
}

#[test]
fn a_script_that_hangs_is_ended_with_all_its_children() {
    let lab = Lab::new();
    lab.script("hang", "case $1 in start) sleep 300 & echo $! > $DIR/pid; echo waiting; wait;; esac");
    lab.haresources("alpha hang\n");
    let ran = lab.run("--script-limit 0.3 takenode alpha");
    assert_eq!(ran.steps(), ["hang start timeout", "hang stop done"], "{ran:?}");
    assert!(ran.took < Duration::from_secs(3), "{:?}", ran.took);
    assert!(
        ran.detail().contains("not done after 0.3 s") && ran.detail().ends_with("waiting"),
        "{}",
        ran.detail()
    );
    assert!(soon(|| gone(&lab.read("pid"))), "its child is still there");
}

#[test]
fn a_script_that_ignores_sigterm_is_killed_a_second_later() {
    let lab = Lab::new();
    lab.script(
        "stubborn",
        "case $1 in start) trap '' TERM; echo $$ > $DIR/pid; while :; do sleep 1; done;; esac",
    );
    lab.haresources("alpha stubborn\n");
    let ran = lab.run("--script-limit 0.2 takenode alpha");
    assert_eq!(ran.steps(), ["stubborn start timeout", "stubborn stop done"]);
    assert!(ran.took > Duration::from_secs(1) && ran.took < Duration::from_secs(5), "{:?}", ran.took);
    assert!(soon(|| gone(&lab.read("pid"))));
}

#[test]
fn a_status_that_hangs_is_no_running_service() {
    let lab = Lab::new();
    lab.script("mute", "case $1 in status) sleep 300;; esac");
    lab.haresources("alpha mute\n");
    let ran = lab.text("--status-limit 0.2 status mute");
    assert_eq!(ran.code, 3);
    assert!(ran.out.contains("not done after 0.2 s"), "{}", ran.out);
    assert_eq!(lab.run("--status-limit 0.2 takenode alpha").steps(), ["mute start done"]);
}

#[test]
fn a_server_that_a_script_leaves_running_keeps_its_output() {
    let lab = Lab::new();
    // It writes more than a pipe holds, long after the script and the program have ended.
    lab.script(
        "server",
        "case $1 in start)
            (echo $BASHPID; sleep 1; i=0; while [ $i -lt 3000 ]; do echo 'a line of fifty characters, more or less, is here'; i=$((i+1)); done;
             echo still alive > $DIR/alive) &
        ;; esac",
    );
    lab.haresources("alpha server\n");
    let ran = lab.run("takenode alpha");
    assert_eq!(ran.steps(), ["server start done"]);
    assert!(ran.took < Duration::from_millis(900), "waited for the server: {:?}", ran.took);
    assert!(soon(|| lab.read("alive") == "still alive\n"), "the server was ended by its first line");
}

#[test]
fn any_output_is_borne() {
    let lab = Lab::new();
    lab.script(
        "loud",
        "case $1 in start) head -c 10000000 /dev/zero | tr '\\0' x; echo; echo the end;; esac",
    );
    lab.script("binary", "case $1 in start) head -c 100000 /dev/urandom; exit 1;; esac");
    lab.script("closed", "exec >&- 2>&-; sleep 0.2; exit 0");
    lab.haresources("alpha loud\nalpha closed\nalpha binary\n");
    let ran = lab.run("takenode alpha");
    assert_eq!(ran.groups(), [GroupResult::Held, GroupResult::Held, GroupResult::Failed]);
    assert!(ran.detail().starts_with("exit code 1") && ran.detail().len() < 1000, "{}", ran.detail());
    assert_eq!(ran.out.lines().count(), ran.events.len(), "every line is an event: {}", ran.out);
}

#[test]
fn a_stop_is_repeated_until_it_works() {
    let lab = Lab::new();
    lab.script("slow", "case $1 in stop) echo x >> $DIR/tries; [ $(wc -l < $DIR/tries) -ge 3 ];; status) echo running;; esac");
    lab.haresources("alpha slow\n");
    let ran = lab.run("givenode alpha");
    assert_eq!((ran.code, ran.groups()), (0, vec![GroupResult::Released]));
    assert_eq!(ran.steps(), ["slow stop failed", "slow stop failed", "slow stop done"]);
    assert!(ran.took >= Duration::from_secs(2), "a second apart");
}

#[test]
fn a_stop_that_never_works_does_not_keep_the_address() {
    let lab = Lab::new();
    lab.script("stuck", "case $1 in stop) exit 1;; status) echo running;; esac");
    lab.haresources("alpha 192.0.2.10/24/va stuck\n");
    assert_eq!(lab.run("takenode alpha").code, 0);
    let ran = lab.run("--stop-retries 1 givenode alpha");
    assert_eq!((ran.code, ran.groups()), (1, vec![GroupResult::Failed]));
    assert_eq!(ran.steps(), ["stuck stop failed", "stuck stop failed", "192.0.2.10/24/va stop done"]);
    assert!(ran.out.contains("stuck did not stop (exit code 1; and it is still running)"), "{}", ran.out);
    assert!(!lab.has("192.0.2.10"));
}

#[test]
fn a_stop_that_fails_because_nothing_runs_is_a_release() {
    let lab = Lab::new();
    lab.script("picky", "case $1 in stop) echo not started; exit 1;; status) echo is not running;; esac");
    lab.haresources("alpha picky\n");
    let ran = lab.run("givenode alpha");
    assert_eq!((ran.code, ran.steps()), (0, vec!["picky stop done".to_owned()]));
    assert!(ran.detail().contains("its script says that it is not running"), "{}", ran.detail());
}

#[test]
fn the_text_of_status_counts_and_neither_its_exit_code_nor_its_errors() {
    let lab = Lab::new();
    for (name, body, running) in [
        ("a", "echo OK; exit 3", true),
        ("b", "echo nothing; exit 0", false),
        ("c", "echo running >&2", false),
        ("d", "echo foo is not running; exit 0", false),
        ("e", "echo 'x (pid 7) is running...'", true),
    ] {
        lab.script(name, body);
        let ran = lab.run(&format!("status {name}"));
        assert_eq!(ran.code, if running { 0 } else { 3 }, "{body}");
        let Some(Event::Resource { running: told, .. }) = ran.events.first() else { panic!("{ran:?}") };
        assert_eq!(*told, Some(running));
    }
}

#[test]
fn scripts_are_found_by_name_and_missing_ones_with_a_hint() {
    let lab = Lab::new();
    lab.write_script(&lab.dir.join("init.d/apache2"), "echo init > $DIR/which");
    lab.haresources("alpha apache2\n");
    assert_eq!(lab.run("takenode alpha").code, 0);
    assert_eq!(lab.read("which"), "init\n");
    lab.script("apache2", "echo resource > $DIR/which");
    assert_eq!(lab.run("takenode alpha").code, 0);
    assert_eq!(lab.read("which"), "resource\n", "resource.d comes first");
    fs::set_permissions(lab.dir.join("resource.d/apache2"), fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(lab.run("takenode alpha").code, 0);
    assert_eq!(lab.read("which"), "init\n", "what cannot be executed is passed over");

    fs::remove_file(lab.dir.join("init.d/apache2")).unwrap();
    let ran = lab.run("takenode alpha");
    assert!(ran.detail().contains("is not executable: chmod +x"), "{}", ran.detail());
    lab.haresources("alpha apche2\nalpha IPAddr2::192.0.2.10\n");
    let ran = lab.run("takenode alpha");
    assert_eq!(ran.steps()[..2], ["apche2 start failed", "apche2 stop already"]);
    assert!(ran.out.contains(r#"did you mean \"apache2\"?"#), "{}", ran.out);
    assert!(ran.out.contains(r#"did you mean \"IPaddr2\"?"#), "{}", ran.out);

    let write = r#"printf '#!/bin/sh\r\nexit 0\r\n' > "$0" && chmod 755 "$0""#;
    let status = Command::new("sh").args(["-c", write]).arg(lab.dir.join("resource.d/crlf")).status();
    assert!(status.unwrap().success());
    lab.haresources("alpha crlf\n");
    let ran = lab.run("--stop-retries 0 takenode alpha");
    assert!(ran.detail().contains("carriage return"), "{}", ran.detail());
}

#[test]
fn a_director_is_the_program_beside_this_one_or_else_a_script() {
    let lab = Lab::new();
    let program = lab.program();
    lab.service("ldirectord");
    lab.haresources("alpha ldirectord::web.cf\nalpha directord::mail.cf\n");
    let run = |verb: &str| lab::ran(lab.command_at(&program).args(["--json", verb, "alpha"]));
    assert!(!std::path::Path::new("/usr/sbin/directord").exists(), "this test needs a machine without it");
    let ran = run("takenode");
    assert_eq!(ran.steps()[0], "ldirectord::web.cf start done");
    assert!(ran.steps().contains(&"directord::mail.cf start failed".to_owned()), "{ran:?}");
    assert_eq!(lab.log(), ["ldirectord web.cf start"]);

    fs::remove_file(lab.dir.join("log")).unwrap();
    lab.write_script(
        &lab.dir.join("directord"),
        "echo \"$@\" >> $DIR/log
        case \"$*\" in
        *start) touch $DIR/up;; *deactivate) rm $DIR/up;;
        *status) [ -f $DIR/up ] || { echo directord is stopped; exit 3; };;
        esac",
    );
    let ran = run("takenode");
    assert_eq!(ran.steps(), ["ldirectord::web.cf start done", "directord::mail.cf start already"], "{ran:?}");
    assert_eq!(run("givenode").groups().len(), 2);
    let dirs = format!("--config-dir {0} --run-dir {0}/run ", lab.dir.display());
    let log: Vec<_> = lab.read("log").lines().map(|line| line.replace(&dirs, "")).collect();
    assert_eq!(log[..4], ["web.cf status", "web.cf start", "mail.cf status", "mail.cf deactivate"]);
}

#[test]
fn clearing_stops_what_runs_and_does_not_call_the_stop_of_what_does_not() {
    let lab = Lab::new();
    lab.service("runs");
    lab.service("idle");
    lab.haresources("alpha runs idle\n");
    lab.run("takegroup runs");
    lab.write_script(
        &lab.dir.join("resource.d/idle"),
        "echo \"idle $*\" >> $DIR/log; [ $1 = status ] && echo stopped; exit 0",
    );
    fs::remove_file(lab.dir.join("log")).unwrap();
    let ran = lab.run("clearnode alpha");
    assert_eq!(ran.steps(), ["idle stop already", "runs stop done"], "{ran:?}");
    assert!(!lab.log().contains(&"idle stop".to_owned()), "{:?}", lab.log());
}

#[test]
fn two_runs_on_one_group_wait_for_each_other() {
    let lab = Lab::new();
    lab.script(
        "slow",
        "case $1 in start) sleep 0.5; touch $DIR/up;; status) [ -f $DIR/up ] && echo running;; esac",
    );
    lab.haresources("alpha slow\nbeta slow::other\n");
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(|| lab.run("takenode alpha"));
        let second = scope.spawn(|| lab.run("takenode alpha"));
        (first.join().unwrap(), second.join().unwrap())
    });
    let mut steps = [first.steps(), second.steps()].concat();
    steps.sort();
    assert_eq!(steps, ["slow start already", "slow start done"]);
}

#[test]
fn a_run_that_takes_too_long_is_named_and_one_that_is_killed_frees_its_group() {
    let lab = Lab::new();
    lab.script("slow", "case $1 in start) touch $DIR/began; sleep 2; esac");
    lab.service("other");
    lab.haresources("alpha slow\nalpha other\n");
    let mut first = lab.command().args(["takegroup", "slow"]).stdout(Stdio::null()).spawn().unwrap();
    assert!(soon(|| lab.dir.join("began").exists()));
    let started = Instant::now();
    let ran = lab.run("--lock-wait 0.2 takenode alpha");
    assert!(started.elapsed() < Duration::from_secs(2));
    assert_eq!(
        (ran.code, ran.groups()),
        (1, vec![GroupResult::Failed, GroupResult::Held]),
        "other groups are free"
    );
    assert!(ran.out.contains(&format!("another run (process {})", first.id())), "{}", ran.out);
    first.kill().unwrap();
    first.wait().unwrap();
    assert_eq!(lab.run("--lock-wait 0 takegroup slow").groups(), [GroupResult::Held]);
}

#[test]
fn a_reader_that_goes_away_does_not_keep_the_group_from_being_taken() {
    let lab = Lab::new();
    lab.service("one");
    lab.haresources("alpha 192.0.2.10/24/va one 192.0.2.11/24/va\n");
    let mut child =
        lab.command().args(["--json", "takenode", "alpha"]).stdout(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    assert!(child.wait().unwrap().success());
    assert!(lab.has("192.0.2.11"));
}

/// Whether the process whose number this is has ended.
fn gone(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.trim())).unwrap_or_default();
    stat.is_empty() || stat.contains(") Z ")
}

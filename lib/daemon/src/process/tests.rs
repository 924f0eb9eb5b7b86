use super::*;

const LONG: Duration = Duration::from_secs(20);

fn run_now(command: Command, limit: Duration) -> Finished {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(run(command, limit))
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(script);
    command
}

fn sh(script: &str, limit: Duration) -> Finished {
    run_now(shell(script), limit)
}

/// The process id that a script has written to its output.
fn pid_in(finished: &Finished) -> rustix::process::Pid {
    let text = String::from_utf8_lossy(&finished.output);
    let number = text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap();
    rustix::process::Pid::from_raw(number).unwrap()
}

fn lives(pid: rustix::process::Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    // A dead child of nobody that nothing has reaped yet (a container without init) is dead.
    stat.rsplit(')')
        .next()
        .and_then(|rest| rest.trim_start().chars().next())
        .is_some_and(|state| state != 'Z')
}

fn dies_within(pid: rustix::process::Pid, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while lives(pid) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(10));
    }
    !lives(pid)
}

#[test]
fn output_and_exit_code() {
    let finished = sh("echo one; echo two >&2; echo three; exit 7", LONG);
    assert_eq!(finished.ending, Ending::Exited(7));
    assert_eq!(String::from_utf8_lossy(&finished.output), "one\ntwo\nthree\n");
    assert!(!finished.success() && sh("exit 0", LONG).success());
}

#[test]
fn standard_input_is_empty() {
    let finished = sh("cat; echo end", LONG);
    assert_eq!((finished.ending, finished.output), (Ending::Exited(0), b"end\n".to_vec()));
}

#[test]
fn a_signal_and_a_program_that_is_not_there() {
    assert_eq!(sh("kill -9 $$", LONG).ending, Ending::Killed(9));
    let missing = run_now(Command::new("/no/such/program"), LONG);
    assert!(
        matches!(&missing.ending, Ending::NotStarted(why) if why.contains("/no/such/program")),
        "{missing:?}"
    );
}

#[test]
fn output_is_capped_but_always_read() {
    let finished = sh("head -c 5000000 /dev/zero; exit 3", LONG);
    assert_eq!(finished.ending, Ending::Exited(3), "a child that writes more is not stopped by it");
    assert_eq!(finished.output, vec![0; OUTPUT_LIMIT]);
}

#[test]
fn a_flood_does_not_hide_the_limit() {
    let finished = sh("exec yes", Duration::from_millis(200));
    assert_eq!(finished.ending, Ending::TimedOut);
    assert_eq!(finished.output.len(), OUTPUT_LIMIT);
    assert!(finished.took < Duration::from_secs(1), "{:?}", finished.took);
}

#[test]
fn at_the_limit_the_whole_group_ends() {
    let finished = sh("sleep 60 & echo $!; sleep 60", Duration::from_millis(200));
    assert_eq!(finished.ending, Ending::TimedOut);
    assert!(finished.took < Duration::from_millis(1900), "{:?}", finished.took);
    assert!(dies_within(pid_in(&finished), Duration::from_millis(100)));
}

#[test]
fn sigterm_is_enough_for_most() {
    let finished = sh("exec sleep 60", Duration::from_millis(200));
    assert_eq!(finished.ending, Ending::TimedOut);
    assert!(finished.took < Duration::from_millis(900), "{:?}", finished.took);
}

#[test]
fn who_ignores_sigterm_is_killed_a_second_later() {
    let finished = sh("trap '' TERM; sleep 60 & echo $!; wait", Duration::from_millis(200));
    assert_eq!(finished.ending, Ending::TimedOut);
    let took = finished.took.as_millis();
    assert!((1200..1900).contains(&took), "{took} ms");
    assert!(dies_within(pid_in(&finished), Duration::from_millis(500)));
}

#[test]
fn a_child_that_ends_well_on_sigterm_has_time_for_it() {
    let script = "trap 'sleep 0.3; echo tidy; exit 0' TERM; echo up; sleep 60 & wait";
    let finished = sh(script, Duration::from_millis(200));
    assert_eq!(finished.ending, Ending::TimedOut);
    assert_eq!(String::from_utf8_lossy(&finished.output), "up\ntidy\n");
}

#[test]
fn a_stopped_child_ends_on_sigterm_too() {
    let finished = sh("kill -STOP $$", Duration::from_millis(200));
    assert_eq!(finished.ending, Ending::TimedOut);
    assert!(finished.took < Duration::from_millis(900), "{:?}", finished.took);
}

#[test]
fn a_grandchild_that_keeps_the_pipe_does_not_stall_and_lives_on() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // It ignores nothing: SIGPIPE would end it. It writes more than a pipe holds, then ends by itself.
        let scratch = crate::scratch::Scratch::new();
        let mark = scratch.path("done");
        let script =
            format!("(sleep 0.4; head -c 300000 /dev/zero && echo late && : > {}) & echo $!", mark.display());
        let started = Instant::now();
        let finished = run(shell(&script), LONG).await;
        assert!(started.elapsed() < Duration::from_millis(390), "{:?}", started.elapsed());
        assert_eq!(finished.ending, Ending::Exited(0));
        assert!(lives(pid_in(&finished)));
        for _ in 0..100 {
            if mark.exists() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("the grandchild was stopped by its output");
    });
}

#[test]
fn a_dropped_future_kills_the_group() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let scratch = crate::scratch::Scratch::new();
    let file = scratch.path("pids");
    let script = format!("sleep 60 & echo $$ $! > {}; wait", file.display());
    runtime.block_on(async {
        tokio::select! {
            _ = run(shell(&script), LONG) => panic!("it should run for a minute"),
            () = tokio::time::sleep(Duration::from_millis(300)) => {}
        }
    });
    let pids = std::fs::read_to_string(&file).unwrap();
    for word in pids.split_whitespace() {
        let pid = rustix::process::Pid::from_raw(word.parse().unwrap()).unwrap();
        assert!(dies_within(pid, Duration::from_secs(1)), "{word}");
    }
}

#[test]
fn a_child_leads_its_own_group_and_does_not_speak_to_systemd() {
    let mut command =
        shell("ps -o pgid= -p $$ | tr -d ' '; echo $$; echo \"[$NOTIFY_SOCKET]\"; echo \"$OTHER\"");
    command.env("NOTIFY_SOCKET", "/run/systemd/notify").env("OTHER", "kept");
    let finished = run_now(command, LONG);
    let text = String::from_utf8(finished.output).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert!(matches!(lines[..], [group, own, "[]", "kept"] if group == own), "{lines:?}");
}

#[test]
fn many_at_the_same_time() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let children: Vec<_> =
            (0..30).map(|number| tokio::spawn(run(shell(&format!("exit {number}")), LONG))).collect();
        for (number, child) in children.into_iter().enumerate() {
            assert_eq!(child.await.unwrap().ending, Ending::Exited(number as i32));
        }
    });
}

#[test]
fn a_child_is_fed_more_than_a_pipe_holds_and_need_not_read_it() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let input = vec![b'x'; 1 << 20];
    let counted = runtime.block_on(feed(shell("wc -c"), &input, LONG));
    assert_eq!((counted.ending, counted.output), (Ending::Exited(0), b"1048576\n".to_vec()));
    assert!(runtime.block_on(feed(shell("exit 0"), &input, LONG)).success());
    assert!(runtime.block_on(feed(shell("cat"), b"", LONG)).output.is_empty());
    let missing = runtime.block_on(feed(Command::new("/nonexistent/mailer"), b"x", LONG));
    assert!(matches!(missing.ending, Ending::NotStarted(why) if why.contains("/nonexistent/mailer")));
}

//! Two real daemons on the loopback interface: start, crash, return, stand-by, pause, reload, stop, and what the
//! command line says about them. Resource scripts stay out of it (`-M`).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test says what went wrong by failing

mod node;

use daemon::control::request;
use heartbeatd::control::{self, Answer, Hold, NodeStatus, Request, Status, Which};
use node::{Node, PATIENCE, port};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

const DEADTIME: Duration = Duration::from_millis(400);

/// Two nodes; `test` keeps pairs of tests that run at the same time apart.
fn pair(test: u8) -> [Node; 2] {
    let port = port();
    ["alpha", "beta"].map(|name| {
        let node = Node::named(&test.to_string(), name);
        let ha_cf = format!(
            "keepalive 100ms\ndeadtime {}ms\nwarntime 300ms\ninitdead 3\nauto_failback off\nlogfacility none\n\
             logfile {}\nnode alpha beta\nmcast lo 239.255.{test}.1 {port} 0 1\n",
            DEADTIME.as_millis(),
            node.path("log")
        );
        node.write("etc/ha.cf", 0o600, &ha_cf);
        node.write("etc/haresources", 0o600, "alpha 192.0.2.1\nbeta 192.0.2.2\n");
        node
    })
}

impl Node {
    fn change(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{from:?} is not in {text}");
        self.write(name, 0o600, &text.replace(from, to));
    }

    /// Waits for the end of a daemon that was killed.
    fn gone(&self) {
        let begun = Instant::now();
        while self.pid().is_some() {
            assert!(begun.elapsed() < PATIENCE, "{} does not end", self.name);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn ask(&self, question: &Request) -> Answer {
        request(&control::socket(&self.directory.join("run")), question, Duration::from_secs(5)).unwrap()
    }

    fn accepts(&self, question: &Request) -> String {
        match self.ask(question) {
            Answer::Accepted { note } => note,
            other => panic!("{}: {question:?}: {other:?}", self.name),
        }
    }

    /// Asks for a move until neither node has anything under way.
    fn moves(&self, question: &Request) -> String {
        let begun = Instant::now();
        loop {
            match self.ask(question) {
                Answer::Accepted { note } => return note,
                other if begun.elapsed() > PATIENCE => panic!("{}: {question:?}: {other:?}", self.name),
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    fn status(&self) -> Option<Status> {
        match self.ask(&Request::Status) {
            Answer::Status(status) => Some(*status),
            _ => None,
        }
    }

    /// Waits until the status is as wanted, and returns it.
    fn reaches(&self, wanted: &str, mut is: impl FnMut(&Status) -> bool) -> Status {
        let begun = Instant::now();
        loop {
            match self.status() {
                Some(status) if is(&status) => return status,
                status if begun.elapsed() > PATIENCE => {
                    panic!("{}: not {wanted}: {status:#?}\n{}", self.name, self.read("log"))
                }
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    fn holds(&self, hold: Hold) -> Status {
        self.reaches(&format!("holding {hold}"), |status| {
            status.resources.hold == hold && !status.resources.transition
        })
    }
}

#[test]
fn a_pair_lives_through_what_happens_to_it() {
    use rustix::process::Signal;
    let [alpha, beta] = pair(1);
    alpha.start();
    beta.start();
    alpha.holds(Hold::Local);
    let status = beta.holds(Hold::Local);
    assert_eq!(status.find("alpha").unwrap().status, NodeStatus::Active);
    for node in &status.nodes {
        assert_eq!(node.software, concat!("tandem ", env!("CARGO_PKG_VERSION")), "{}", node.name);
    }
    assert_eq!(
        status.groups.iter().map(|group| group.holder.as_deref()).collect::<Vec<_>>(),
        [Some("alpha"), Some("beta")]
    );

    // a crash
    beta.signal(Signal::KILL);
    let begun = Instant::now();
    alpha.holds(Hold::All);
    assert!(begun.elapsed() < DEADTIME + Duration::from_secs(2), "taken over after {:?}", begun.elapsed());
    beta.start();
    beta.reaches("joined", |status| status.phase == "stable");
    beta.holds(Hold::None);

    // there and back
    assert_eq!(
        alpha.moves(&Request::Standby { set: Which::Foreign }),
        "giving foreign resources to the other node"
    );
    beta.holds(Hold::Local);
    alpha.holds(Hold::Local);
    assert_eq!(
        alpha.moves(&Request::Standby { set: Which::Foreign }),
        "this node holds no foreign resources: there is nothing to give"
    );
    alpha.moves(&Request::Takeover { set: Which::Foreign });
    alpha.holds(Hold::All);
    beta.holds(Hold::None);

    // a machine that stands still and wakes up again
    alpha.signal(Signal::STOP);
    beta.reaches("alone", |status| status.resources.hold == Hold::All);
    alpha.signal(Signal::CONT);
    alpha.holds(Hold::None);
    beta.holds(Hold::All);
    alpha.says("this node did not run for", 1);

    // an orderly end
    assert!(beta.run(&["-k"]).status.success());
    assert!(beta.pid().is_none() && !beta.directory.join("run.pid").exists());
    alpha.holds(Hold::All);
    assert!(alpha.run(&["-k"]).status.success());
    assert!(alpha.read("log").contains("Heartbeat shutdown complete."));
}

#[test]
fn old_scripts_ask_by_the_fifo() {
    let [alpha, beta] = pair(7);
    alpha.start();
    beta.start();
    alpha.holds(Hold::Local);
    beta.holds(Hold::Local);
    let path = alpha.directory.join("state/fifo");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    // What they must not do: claim what the other node holds, or stop the daemon by what is no message.
    let hostile = [
        &b">>>\nt=resource\nrsc_hold=foreign\ninfo=mach_down\n<<<\n"[..],
        &[0xff; 20_000],
        b"\n>>>\nt=shutdone\nst=dead\n<<<\n>>>\nt=ask_resources\n",
    ];
    for bytes in hostile {
        fs::write(&path, bytes).unwrap();
    }
    alpha.reaches("ready to move groups", |status| status.resources.standby_refusal.is_none());
    fs::write(&path, ">>>\nt=ask_resources\nrsc_hold=local\ninfo=me\n<<<\n").unwrap();
    beta.holds(Hold::All);
    alpha.holds(Hold::None);
    alpha.says("message \"resource\" needs nothing to be done here", 1);

    alpha.reaches("ready to move groups", |status| status.resources.standby_refusal.is_none());
    fs::write(&path, ">>>\nt=hb_takeover\nrsc_hold=failback\n<<<\n").unwrap();
    alpha.holds(Hold::Local);
    beta.holds(Hold::Local);
    assert!(alpha.run(&["-k"]).status.success());
    alpha.start();
    beta.holds(Hold::All);
    // The FIFO of the last run is used again.
    alpha.reaches("ready to move groups", |status| status.resources.standby_refusal.is_none());
    fs::write(&path, ">>>\nt=hb_takeover\nrsc_hold=local\n<<<\n").unwrap();
    alpha.holds(Hold::Local);
}

#[test]
fn a_changed_configuration_is_applied_without_moving_anything() {
    let [alpha, beta] = pair(2);
    alpha.start();
    beta.start();
    alpha.holds(Hold::Local);
    beta.holds(Hold::Local);
    alpha.moves(&Request::Standby { set: Which::Local });
    beta.holds(Hold::All);
    let generation = beta.status().unwrap().generation;

    assert_eq!(beta.accepts(&Request::Reload), "Configuration unchanged.");
    beta.change("etc/ha.cf", "keepalive 100ms", "keepalive 100x");
    let Answer::Refused { reason } = beta.ask(&Request::Reload) else { panic!("a wrong file was accepted") };
    assert!(reason.contains("ha.cf:1:11: error: \"100x\" is not a time"), "{reason}");
    beta.change("etc/ha.cf", "keepalive 100x", "keepalive 100ms");

    for node in [&alpha, &beta] {
        node.change("etc/ha.cf", "deadtime 400ms", "deadtime 900ms");
        assert_eq!(
            node.accepts(&Request::Reload),
            "configuration read again; new: timers, links and failback"
        );
        assert_eq!(
            node.reaches("reloaded", |status| status.find(node.name).unwrap().deadtime_ms == 900).phase,
            "stable"
        );
    }
    // Keys roll in two steps: both know the new one before anybody signs with it.
    for (from, to) in [("1 sha1 secret\n", "1 sha1 secret\n2 sha1 other\n"), ("auth 1", "auth 2")] {
        for node in [&alpha, &beta] {
            node.change("etc/authkeys", from, to);
            assert_eq!(node.accepts(&Request::Reload), "configuration read again; new: keys");
        }
    }
    // Another group: packets get lost between the two reloads, for less than the deadtime.
    for node in [&alpha, &beta] {
        node.change("etc/ha.cf", "239.255.2.1", "239.255.2.2");
    }
    for node in [&alpha, &beta] {
        assert_eq!(node.accepts(&Request::Reload), "configuration read again; new: media");
    }
    std::thread::sleep(Duration::from_millis(1200));
    let status = beta.holds(Hold::All);
    alpha.holds(Hold::None);
    assert_eq!(status.generation, generation);
    assert_eq!(status.find("alpha").unwrap().status, NodeStatus::Active);
    assert!(status.counters.dropped.is_empty(), "{:?}", status.counters.dropped);
}

/// A FIFO that nobody writes to stands for a disk that hangs.
#[test]
fn a_file_that_cannot_be_read_keeps_only_who_waits_for_it() {
    let [alpha, beta] = pair(26);
    alpha.start();
    beta.start();
    alpha.holds(Hold::Local);
    let generation = beta.holds(Hold::Local).generation;
    let (file, fifo) = (beta.directory.join("etc/haresources"), beta.directory.join("fifo"));
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    fs::remove_file(&file).unwrap();
    fs::hard_link(&fifo, &file).unwrap();

    std::thread::scope(|scope| {
        let reloads = [(); 2].map(|()| scope.spawn(|| beta.run(&["-r"])));
        beta.signal(rustix::process::Signal::HUP);
        // Meanwhile everything else goes on, longer than the deadtime.
        let begun = Instant::now();
        while begun.elapsed() < DEADTIME * 3 {
            let status = beta.status().unwrap();
            assert_eq!(status.groups.len(), 2, "what was read last");
            assert_eq!(status.generation, generation);
        }
        beta.moves(&Request::Standby { set: Which::Local });
        alpha.holds(Hold::All);
        assert!(reloads.iter().all(|reload| !reload.is_finished()), "{}", beta.read("log"));

        // The disk answers again: with nothing for who has waited, with the file for who comes later.
        fs::remove_file(&file).unwrap();
        beta.write("etc/haresources", 0o600, "alpha 192.0.2.1\nbeta 192.0.2.2\nbeta 192.0.2.3\n");
        let begun = Instant::now();
        while !reloads.iter().all(|reload| reload.is_finished()) {
            assert!(begun.elapsed() < PATIENCE, "{}", beta.read("log"));
            // whoever reads now finds the end of the file
            drop(fs::OpenOptions::new().read(true).write(true).open(&fifo).unwrap());
            std::thread::sleep(Duration::from_millis(20));
        }
        for reload in reloads {
            let output = reload.join().unwrap();
            assert!(output.status.success(), "{output:?}");
        }
    });
    beta.reaches("reading the new file", |status| status.groups.len() == 3);
    alpha.reaches("told that it differs", |status| !status.find("beta").unwrap().differs.is_empty());
    assert_eq!(beta.accepts(&Request::Reload), "Configuration unchanged.");
}

#[test]
fn signals_during_the_start_wait_until_they_can_be_obeyed() {
    use rustix::process::Signal;
    let [alpha, _] = pair(5);
    let nodeinfo = alpha.directory.join("etc/nodeinfo");
    fs::remove_file(&nodeinfo).unwrap();
    fifo(&nodeinfo); // reading it takes until somebody writes
    std::thread::scope(|scope| {
        let daemon = scope.spawn(|| alpha.run(&["-f"]));
        let begun = Instant::now();
        while alpha.pid().is_none() && begun.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(5));
        }
        let pid = alpha.pid();
        for signal in [Signal::HUP, Signal::USR1, Signal::TERM] {
            pid.map(|pid| rustix::process::kill_process(pid, signal));
        }
        std::thread::sleep(Duration::from_millis(50));
        if alpha.pid().is_some() {
            fs::write(&nodeinfo, "alpha\n").unwrap();
        }
        let output = daemon.join().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}\n{}", alpha.read("log"));
    });
    assert!(alpha.read("log").contains("Heartbeat shutdown complete."), "{}", alpha.read("log"));
}

#[test]
fn a_disk_that_hangs_keeps_no_resources() {
    use rustix::process::Signal;
    let [alpha, beta] = pair(6);
    alpha.start();
    beta.start();
    alpha.holds(Hold::Local);
    beta.holds(Hold::Local);
    fifo(&alpha.directory.join("state/hb_generation.new")); // writing it never ends
    alpha.signal(Signal::STOP);
    beta.reaches("alone", |status| status.resources.hold == Hold::All);
    alpha.signal(Signal::CONT);
    alpha.holds(Hold::None);
    beta.holds(Hold::All);
    assert!(alpha.run(&["-k"]).status.success());
}

fn fifo(path: &std::path::Path) {
    assert!(Command::new("mkfifo").arg("-m").arg("600").arg(path).status().unwrap().success());
}

#[test]
fn the_command_line_says_what_is() {
    let [alpha, _] = pair(3);
    let said = |output: &Output| {
        String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
    };
    let stopped = alpha.run(&["-s"]);
    assert_eq!(
        (stopped.status.code(), said(&stopped).as_str()),
        (Some(3), "heartbeat is stopped. No process\n")
    );
    let already = alpha.run(&["-k"]);
    assert_eq!(
        (already.status.code(), said(&already).as_str()),
        (Some(0), "INFO: Heartbeat already stopped.\n")
    );
    assert_eq!(alpha.run(&["-r"]).status.code(), Some(1));
    assert_eq!(alpha.run(&["--nonsense"]).status.code(), Some(2));

    alpha.start();
    let running = alpha.run(&["-s"]);
    assert_eq!(running.status.code(), Some(0));
    assert!(
        said(&running).starts_with("heartbeat OK [pid ") && said(&running).contains("[alpha]..."),
        "{}",
        said(&running)
    );
    let again = alpha.run(&[]);
    assert_eq!(again.status.code(), Some(0), "start-up scripts rely on it");
    assert!(said(&again).contains("already running [pid "), "{}", said(&again));

    let state = alpha.directory.join("state");
    let mut other = Command::new(env!("CARGO_BIN_EXE_heartbeatd"));
    other.args(["-M", "-l", "--run-dir"]).arg(alpha.directory.join("run2")).arg("--state-dir").arg(&state);
    let other = other.arg("--config-dir").arg(alpha.directory.join("etc")).output().unwrap();
    assert_eq!(other.status.code(), Some(1), "two daemons must not share uuid and generation");
    assert!(String::from_utf8_lossy(&other.stderr).contains("uses"), "{other:?}");

    let reloaded = alpha.run(&["-r"]);
    assert_eq!(said(&reloaded).trim(), "Configuration unchanged.");
    alpha.change("etc/ha.cf", "keepalive 100ms", "keepaliv 100ms");
    let refused = alpha.run(&["-r"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("ha.cf:1:1: error"), "{refused:?}");
    alpha.change("etc/ha.cf", "keepaliv 100ms", "keepalive 100ms");

    let pid = alpha.pid().unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    while alpha.pid().is_some() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let dead = alpha.run(&["-s"]);
    assert_eq!(dead.status.code(), Some(1));
    assert!(said(&dead).starts_with("heartbeat is stopped. [pid file "), "{}", said(&dead));
}

#[test]
fn a_new_process_is_started_only_for_what_the_files_say_at_last() {
    let [alpha, beta] = pair(14);
    let starts = || alpha.logs(" starts on node alpha");
    const WITHDRAWN: &str = "the daemon no longer starts anew";
    let reload = || {
        let output = alpha.run(&["-r"]);
        (output.status.code(), String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let anew = || (Some(0), "the nodes have changed: the daemon starts anew".to_owned());
    let rename = |from: &str, to: &str| {
        alpha.change("etc/ha.cf", &format!("node alpha {from}"), &format!("node alpha {to}"));
    };
    for node in [&alpha, &beta] {
        node.write("etc/haresources", 0o600, "alpha 192.0.2.1\n");
    }
    // it waits for beta, and so is not at rest
    alpha.change("etc/ha.cf", "initdead 3", "initdead 600");
    alpha.start();
    alpha.reaches("running", |status| status.node == "alpha");

    rename("beta", "gamma");
    assert_eq!(reload(), anew());
    rename("gamma", "beta");
    assert_eq!(reload(), (Some(0), "Configuration unchanged.".to_owned()));
    alpha.says(WITHDRAWN, 1);

    rename("beta", "gamma");
    for (good, bad, times) in [("keepalive", "keepaliv", 2), ("mcast lo", "mcast no-such-if", 3)] {
        assert_eq!(reload(), anew());
        alpha.change("etc/ha.cf", good, bad);
        assert_eq!(reload().0, Some(1), "{bad}");
        alpha.says(WITHDRAWN, times);
        alpha.change("etc/ha.cf", bad, good);
    }

    // the files break after the order, and nobody asks for a reading
    assert_eq!(reload(), anew());
    alpha.change("etc/ha.cf", "keepalive", "keepaliv");
    beta.start();
    alpha.reaches("at rest with the old files", |status| {
        status.phase == "stable" && alpha.logs(WITHDRAWN) == 4
    });
    assert_eq!(starts(), 1);

    alpha.change("etc/ha.cf", "keepaliv", "keepalive");
    assert_eq!(reload(), anew());
    let begun = Instant::now();
    while starts() < 2 {
        assert!(begun.elapsed() < PATIENCE, "not started anew:\n{}", alpha.read("log"));
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_wrong_configuration_is_shown_and_has_its_exit_code() {
    let [alpha, _] = pair(4);
    alpha.change("etc/ha.cf", "keepalive 100ms", "keepaliv 100ms");
    for arguments in [&[][..], &["-f"], &["--check"]] {
        let output = alpha.run(arguments);
        let said = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned();
        assert_eq!(output.status.code(), Some(6), "{said}");
        for part in [
            "Illegal directive [keepaliv]",
            "did you mean \"keepalive\"?",
            "Configuration error, heartbeat not started.",
        ] {
            assert!(said.contains(part), "{arguments:?}: {part:?} is missing in:\n{said}");
        }
    }
    alpha.change("etc/ha.cf", "keepaliv 100ms", "keepalive 100ms");
    alpha.change("etc/ha.cf", "mcast lo", "mcast no-such-if");
    let output = alpha.run(&["-f"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("there is no network interface no-such-if"), "{said}");
    let output = alpha.run(&["--check"]);
    let said = String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned();
    assert!(output.status.success(), "an interface may come later: {said}");
}

/// Who listens on the pair's network keeps beta's packets, and sends them again when alpha has restarted.
#[test]
fn recordings_of_an_earlier_life_are_not_believed_after_a_restart() {
    use rustix::process::Signal;
    let [alpha, beta] = pair(8);
    let plan = heartbeatd::config::read(&alpha.directory.join("etc"), "alpha").plan.unwrap();
    let targets = heartbeatd::media::resolve(&plan.media).unwrap();
    let mut network = heartbeatd::media::Medium::open(&targets[0]).unwrap();
    alpha.start();
    beta.start();
    alpha.holds(Hold::Local);
    beta.holds(Hold::Local);
    let mut recorded = Vec::new();
    let mut buffer = vec![0; 65_536];
    while let Some(bytes) = network.receive(&mut buffer).unwrap() {
        let message = heartbeatd::wire::decode(&buffer[..bytes], &plan.keys).unwrap();
        if message.text("src") == Some("beta") {
            recorded.push(buffer[..bytes].to_vec());
        }
    }
    assert!(recorded.len() > 5, "{} packets of beta", recorded.len());

    let generation = beta.status().unwrap().generation;
    beta.signal(Signal::KILL);
    beta.gone();
    beta.start();
    let kept = alpha.directory.join("state/hb_peer_generation");
    let begun = Instant::now();
    while fs::read_to_string(&kept).unwrap_or_default() != format!("beta {}\n", generation + 1) {
        assert!(begun.elapsed() < PATIENCE, "{:?}\n{}", fs::read_to_string(&kept), alpha.read("log"));
        std::thread::sleep(Duration::from_millis(5));
    }
    for node in [&beta, &alpha] {
        node.signal(Signal::KILL);
        node.gone();
    }
    alpha.start();
    let mut replay = || {
        for packet in &recorded {
            network.send(packet).unwrap();
            std::thread::sleep(Duration::from_millis(2));
        }
    };
    let lonely = alpha.reaches("alone", |status| {
        replay();
        status.resources.hold == Hold::All
    });
    let node = lonely.find("beta").unwrap();
    assert_eq!((node.status, node.silent_ms), (NodeStatus::Dead, None), "beta was not heard");
    let status = alpha.reaches("telling why", |status| {
        let links = &status.find("beta").unwrap().links;
        links.iter().any(|link| link.why.as_ref().is_some_and(|why| why.contains("of its past (replayed")))
    });
    assert!(!status.find("beta").unwrap().links[0].up);
    alpha.until("said", || alpha.logs("attempted replay attack") > 0);

    beta.start();
    alpha.reaches("hearing beta", |status| status.find("beta").unwrap().status == NodeStatus::Active);
}

//! The tools as programs, against a control server of the test that speaks the daemon's protocol.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test ends by panicking

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use daemon::control::Listener;
use heartbeatd::control::{
    Answer, Group, GroupState, Hold, Link, Node, NodeStatus, Request, Resources, Status, Which, socket,
};

/// A run directory of its own, removed at the end.
struct RunDir(PathBuf);

impl RunDir {
    fn new(name: &str) -> RunDir {
        let path = std::env::temp_dir().join(format!("hb-tools-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        RunDir(path)
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Answers each connection's requests with `answer` (`None`: never), until dropped; gives the requests back.
struct Server {
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    thread: Option<JoinHandle<Vec<Request>>>,
}

impl Server {
    fn start(run_dir: &Path, mut answer: impl FnMut(&Request) -> Option<Answer> + Send + 'static) -> Server {
        let (stop, mut stopped) = tokio::sync::oneshot::channel();
        let (ready, is_ready) = mpsc::channel();
        let path = socket(run_dir);
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = Listener::bind(&path, 0o600).unwrap();
                ready.send(()).unwrap();
                let (mut requests, mut held) = (Vec::new(), Vec::new());
                loop {
                    let mut connection = tokio::select! {
                        connection = listener.accept() => connection.unwrap(),
                        _ = &mut stopped => return requests,
                    };
                    let Ok(Some(request)) = connection.recv::<Request>().await else { continue };
                    match answer(&request) {
                        Some(answer) => connection.send(&answer).await.unwrap(),
                        None => held.push(connection),
                    }
                    requests.push(request);
                }
            })
        });
        is_ready.recv_timeout(Duration::from_secs(10)).unwrap();
        Server { stop: Some(stop), thread: Some(thread) }
    }

    fn requests(mut self) -> Vec<Request> {
        drop(self.stop.take());
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
    }
}

/// Runs a tool; its standard output, standard error and exit code.
fn run(program: &str, run_dir: &Path, arguments: &[&str]) -> (String, String, i32) {
    let path = match program {
        "cl_status" => env!("CARGO_BIN_EXE_cl_status"),
        "hb_standby" => env!("CARGO_BIN_EXE_hb_standby"),
        _ => env!("CARGO_BIN_EXE_hb_takeover"),
    };
    let output =
        Command::new(path).args(arguments).env("HA_RUN_DIR", run_dir).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

fn status(hold: Hold, standby: Option<&str>) -> Status {
    let node = |name: &str, status| Node {
        name: name.to_owned(),
        status,
        links: vec![Link { name: "eth0".to_owned(), up: true, why: None }],
        ..Node::default()
    };
    Status {
        version: "0.1.0".to_owned(),
        node: "alpha".to_owned(),
        nodes: vec![node("alpha", NodeStatus::Active), node("beta", NodeStatus::Dead)],
        resources: Resources { hold, standby: standby.map(str::to_owned), ..Resources::default() },
        groups: vec![Group {
            key: "IPaddr2::192.0.2.100/24/eth0".to_owned(),
            home: "beta".to_owned(),
            state: GroupState::Held,
            holder: Some("beta".to_owned()),
            ..Group::default()
        }],
        parameters: [("deadtime".to_owned(), "4".to_owned())].into(),
        ..Status::default()
    }
}

fn ok(text: &str) -> (String, String, i32) {
    (text.to_owned(), String::new(), 0)
}

#[test]
fn cl_status_asks_the_daemon() {
    let run_dir = RunDir::new("asks");
    let server = Server::start(&run_dir.0, |_| Some(Answer::Status(Box::new(status(Hold::Local, None)))));
    let ask = |arguments: &[&str]| run("cl_status", &run_dir.0, arguments);
    assert_eq!(ask(&["hbstatus"]), ok("Heartbeat is running on this machine.\n"));
    assert_eq!(ask(&["listnodes"]), ok("beta\nalpha\n"));
    assert_eq!(ask(&["nodestatus", "beta"]), ("dead\n".to_owned(), String::new(), 1));
    assert_eq!(ask(&["listhblinks", "beta"]), ok("\teth0\n"));
    assert_eq!(ask(&["hblinkstatus", "beta", "eth0"]), ok("up\n"));
    assert_eq!(ask(&["rscstatus", "-m"]), ok("This node is holding local resources.\n"));
    assert_eq!(ask(&["hbparameter", "-p", "deadtime"]), ok("4\n"));
    assert_eq!(ask(&["nodetype", "gamma"]).2, 11);
    let (json, _, code) = ask(&["--json"]);
    assert_eq!((serde_json::from_str::<Status>(&json).unwrap(), code), (status(Hold::Local, None), 0));
    assert_eq!(server.requests(), vec![Request::Status; 9]);
}

#[test]
fn the_option_goes_before_the_variable() {
    let (here, elsewhere) = (RunDir::new("here"), RunDir::new("elsewhere"));
    let _server = Server::start(&here.0, |_| Some(Answer::Status(Box::new(status(Hold::All, None)))));
    let option = here.0.to_str().unwrap();
    assert_eq!(run("cl_status", &elsewhere.0, &["--run-dir", option, "rscstatus"]), ok("all\n"));
    assert_eq!(run("cl_status", &elsewhere.0, &["rscstatus", "--run-dir", option]), ok("all\n"));
    assert_eq!(run("cl_status", &elsewhere.0, &["rscstatus"]).2, 1);
}

#[test]
fn a_dead_daemon_has_no_state() {
    let run_dir = RunDir::new("dead");
    let check = || {
        let stopped = "Heartbeat is stopped on this machine.\n";
        assert_eq!(run("cl_status", &run_dir.0, &["hbstatus"]), (stopped.to_owned(), String::new(), 1));
        let (out, err, code) = run("cl_status", &run_dir.0, &["rscstatus"]);
        assert_eq!((out.as_str(), err.contains("stopped"), code), ("", true, 1));
        let (out, err, code) = run("hb_standby", &run_dir.0, &[]);
        assert_eq!((out.as_str(), err.contains("not running"), code), ("", true, 1));
    };
    check();
    // a socket that a killed daemon left behind
    drop(std::os::unix::net::UnixListener::bind(socket(&run_dir.0)).unwrap());
    check();
}

#[test]
fn a_daemon_that_hangs_is_given_five_seconds() {
    let run_dir = RunDir::new("hangs");
    let _server = Server::start(&run_dir.0, |_| None);
    let started = Instant::now();
    let (out, err, code) = run("cl_status", &run_dir.0, &["rscstatus"]);
    let took = started.elapsed();
    assert_eq!((out.as_str(), err.contains("did not answer within 5 s"), code), ("", true, 12), "{err}");
    assert!(took >= Duration::from_secs(5) && took < Duration::from_secs(8), "{took:?}");
}

#[test]
fn a_daemon_that_answers_nonsense_is_unknown() {
    let run_dir = RunDir::new("nonsense");
    let _server = Server::start(&run_dir.0, |_| Some(Answer::Accepted { note: String::new() }));
    assert_eq!(run("cl_status", &run_dir.0, &["hbstatus"]).2, 13);
}

#[test]
fn words_become_requests() {
    let run_dir = RunDir::new("words");
    let server = Server::start(&run_dir.0, |_| Some(Answer::Accepted { note: "under way".to_owned() }));
    let words: [&[&str]; 5] = [&[], &["all"], &["foreign"], &["local"], &["failback"]];
    for program in ["hb_standby", "hb_takeover"] {
        for word in words {
            assert_eq!(run(program, &run_dir.0, word), ok("under way\n"), "{program} {word:?}");
        }
    }
    let standby = |set| Request::Standby { set };
    let takeover = |set| Request::Takeover { set };
    assert_eq!(
        server.requests(),
        [
            standby(Which::All),
            standby(Which::All),
            standby(Which::Foreign),
            standby(Which::Local),
            standby(Which::Foreign),
            takeover(Which::All),
            takeover(Which::All),
            takeover(Which::Foreign),
            takeover(Which::Local),
            takeover(Which::Local),
        ]
    );
}

#[test]
fn refusals_and_bad_arguments_exit_1() {
    let run_dir = RunDir::new("refusals");
    let refused = || Answer::Refused { reason: "Other side is in flux.".to_owned() };
    let server = Server::start(&run_dir.0, move |_| Some(refused()));
    for program in ["hb_standby", "hb_takeover"] {
        let text = format!("{program}: refused: Other side is in flux.\n");
        assert_eq!(run(program, &run_dir.0, &["all"]), (String::new(), text, 1));
        for bad in [&["everything"][..], &["all", "local"], &["--fast"]] {
            let (out, err, code) = run(program, &run_dir.0, bad);
            assert_eq!(
                (out.as_str(), err.contains("Usage:"), code),
                ("", true, 1),
                "{program} {bad:?}: {err}"
            );
        }
    }
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn waiting_ends_with_the_move() {
    let run_dir = RunDir::new("waits");
    let mut looks = 0;
    let server = Server::start(&run_dir.0, move |request| {
        if *request != Request::Status {
            return Some(Answer::Accepted { note: "under way".to_owned() });
        }
        looks += 1;
        let now = match looks {
            1 => status(Hold::All, Some("asked the other node to take")),
            2 => status(Hold::Local, Some("the other node takes")),
            _ => status(Hold::Local, None),
        };
        Some(Answer::Status(Box::new(now)))
    });
    let moved = run("hb_standby", &run_dir.0, &["--wait", "foreign"]);
    assert_eq!(moved, ok("IPaddr2::192.0.2.100/24/eth0: held by beta\n"));
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn waiting_is_limited() {
    let run_dir = RunDir::new("limit");
    let _server = Server::start(&run_dir.0, |request| match request {
        Request::Status => Some(Answer::Status(Box::new(status(Hold::Foreign, None)))),
        _ => Some(Answer::Accepted { note: "under way".to_owned() }),
    });
    for arguments in [&["--wait=1", "local"][..], &["--wait", "1", "local"], &["local", "--wait", "1"]] {
        let (out, err, code) = run("hb_takeover", &run_dir.0, arguments);
        let text = "hb_takeover: not done after 1 s: nothing has begun; this node holds foreign\n";
        assert_eq!((out.as_str(), err.as_str(), code), ("", text, 1), "{arguments:?}");
    }
}

#[test]
fn nodes_are_not_added_or_removed_while_the_pair_runs() {
    for program in [env!("CARGO_BIN_EXE_hb_addnode"), env!("CARGO_BIN_EXE_hb_delnode")] {
        let output = Command::new(program).args(["gamma", "delta"]).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("refused") && said.contains("ha.cf"), "{said}");
        let help = Command::new(program).arg("--help").output().unwrap();
        assert_eq!(help.status.code(), Some(0));
        let said = String::from_utf8_lossy(&help.stdout);
        assert!(said.contains("Usage:") && said.contains("ha.cf"), "{said}");
        let wrong = Command::new(program).arg("--fast").output().unwrap();
        assert_eq!(wrong.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&wrong.stderr).contains("'--fast'"), "{wrong:?}");
    }
}

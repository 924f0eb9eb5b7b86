//! A director on standby: told over its socket, and what happens when nobody is there, or nobody who answers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a laboratory that cannot be built fails the test")]

mod lab;

use ha_resources::event::GroupResult;
use lab::wire::Wire;
use lab::{Lab, Ran};
use rustix::process::{Pid, Signal};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What stands at the place of the director's socket, and does with each question what the test says.
struct Standby {
    asked: Arc<Mutex<Vec<String>>>,
}

impl Standby {
    /// `answer` gives the line to a question; `None` closes the connection.
    fn listen(lab: &Lab, answer: impl Fn(&str) -> Option<String> + Send + 'static) -> Standby {
        let listener = UnixListener::bind(socket(lab)).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { return };
                serve(stream, &heard, &answer);
            }
        });
        Standby { asked }
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

fn serve(stream: UnixStream, heard: &Mutex<Vec<String>>, answer: impl Fn(&str) -> Option<String>) {
    let mut writer = stream.try_clone().unwrap();
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { return };
        let question: serde_json::Value = serde_json::from_str(&line).unwrap();
        let verb = question["verb"].as_str().unwrap().to_owned();
        heard.lock().unwrap().push(verb.clone());
        let Some(text) = answer(&verb) else { return };
        let _ = writeln!(writer, "{text}");
    }
}

fn socket(lab: &Lab) -> PathBuf {
    let folder = lab.dir.join("run/directord");
    std::fs::create_dir_all(&folder).unwrap();
    folder.join("web.cf.sock")
}

/// A laboratory with a program beside this one that notes how it is called, and a run of a verb there.
fn laboratory() -> (Lab, impl Fn(&Lab, &str) -> Ran) {
    let lab = Lab::new();
    let program = lab.program();
    lab.haresources("alpha 192.0.2.10/24/va ldirectord::web.cf\n");
    lab.write_script(
        &lab.dir.join("directord"),
        "for verb; do :; done; echo \"$verb\" >> $DIR/log
        case $verb in
        start) touch $DIR/up;; deactivate) rm -f $DIR/up;;
        status) [ -f $DIR/up ] || { echo directord is stopped; exit 3; };;
        esac",
    );
    (lab, move |lab, verb| lab::ran(lab.command_at(&program).arg("--json").args(verb.split(' '))))
}

const DIRECTOR: &str = "ldirectord::web.cf";

#[test]
fn one_on_standby_is_activated_and_released_without_a_program() {
    let (lab, run) = laboratory();
    let active = Arc::new(Mutex::new(false));
    let state = Arc::clone(&active);
    let standby = Standby::listen(&lab, move |verb| {
        let mut active = state.lock().unwrap();
        Some(match verb {
            "mode" => format!(r#"{{"answer":"mode","standby":true,"active":{active}}}"#),
            verb => {
                *active = verb == "activate";
                r#"{"answer":"end"}"#.to_owned()
            }
        })
    });
    assert_eq!(run(&lab, &format!("status {DIRECTOR}")).code, 3, "it runs, but is not active");
    let ran = run(&lab, "takenode alpha");
    assert_eq!((ran.code, ran.steps()[1].as_str()), (0, "ldirectord::web.cf start done"), "{ran:?}");
    assert!(*active.lock().unwrap());
    assert_eq!(run(&lab, &format!("status {DIRECTOR}")).code, 0);
    let again = run(&lab, "takenode alpha");
    assert_eq!(again.steps()[1], "ldirectord::web.cf start already", "{again:?}");
    let gone = run(&lab, "givenode alpha");
    assert_eq!((gone.code, gone.steps()[0].as_str()), (0, "ldirectord::web.cf stop done"), "{gone:?}");
    assert!(!*active.lock().unwrap());
    let asked = standby.asked();
    let told: Vec<&str> = asked.iter().map(String::as_str).filter(|verb| *verb != "mode").collect();
    assert_eq!(told, ["activate", "activate", "deactivate"]);
    assert_eq!(lab.read("log"), "", "no program was started");
}

#[test]
fn one_that_refuses_fails_the_start_with_its_words() {
    let (lab, run) = laboratory();
    let _standby = Standby::listen(&lab, |verb| {
        Some(match verb {
            "mode" => r#"{"answer":"mode","standby":true,"active":false}"#.to_owned(),
            "activate" => r#"{"answer":"refused","why":"no scheduler of that name"}"#.to_owned(),
            _ => r#"{"answer":"end"}"#.to_owned(),
        })
    });
    let ran = run(&lab, "--stop-retries 0 takenode alpha");
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.detail().contains("no scheduler of that name"), "{}", ran.detail());
    assert!(!lab.has("192.0.2.10"), "the group is released");
}

#[test]
fn one_that_dies_before_it_answers_is_replaced_by_a_cold_start() {
    for dies_at in ["mode", "activate"] {
        let (lab, run) = laboratory();
        let standby = Standby::listen(&lab, move |verb| {
            (verb != dies_at).then(|| r#"{"answer":"mode","standby":true,"active":false}"#.to_owned())
        });
        let ran = run(&lab, "takenode alpha");
        assert_eq!((ran.code, ran.steps()[1].as_str()), (0, "ldirectord::web.cf start done"), "{ran:?}");
        assert!(standby.asked().contains(&dies_at.to_owned()));
        assert_eq!(lab.read("log"), "status\nstart\n", "cold");
        assert!(ran.err.contains("does not answer, so a cold start is tried"), "{}", ran.err);
    }
}

#[test]
fn a_socket_that_nobody_answers_on_is_told_of_and_none_at_all_is_not() {
    let (lab, run) = laboratory();
    drop(UnixListener::bind(socket(&lab)).unwrap());
    let ran = run(&lab, "takenode alpha");
    assert_eq!((ran.code, lab.read("log").as_str()), (0, "status\nstart\n"), "{ran:?}");
    assert!(ran.err.contains("a cold start is tried"), "{}", ran.err);
    run(&lab, "givenode alpha");
    std::fs::remove_file(socket(&lab)).unwrap();
    std::fs::remove_file(lab.dir.join("log")).unwrap();
    let ran = run(&lab, "takenode alpha");
    assert_eq!((ran.code, lab.read("log").as_str()), (0, "status\nstart\n"), "{ran:?}");
    assert!(!ran.err.contains("cold"), "{}", ran.err);
}

#[test]
fn what_a_dead_director_left_is_given_back_although_it_does_not_run() {
    let (lab, run) = laboratory();
    run(&lab, "takenode alpha");
    lab.write_script(
        &lab.dir.join("directord"),
        "for verb; do :; done; echo \"$verb\" >> $DIR/log
        [ $verb = status ] && { echo its services are in the table, unchecked >&2; exit 1; }; exit 0",
    );
    std::fs::remove_file(lab.dir.join("log")).unwrap();
    let asked = run(&lab, &format!("status {DIRECTOR}"));
    assert_eq!(asked.code, 3);
    assert!(asked.out.contains("unchecked"), "{asked:?}");
    let ran = run(&lab, "clearnode alpha");
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(lab.read("log").ends_with("deactivate\n"), "{}", lab.read("log"));
}

/// As if it were paused: the kernel takes connections for it, and nobody reads them.
fn paused(lab: &Lab) -> UnixListener {
    UnixListener::bind(socket(lab)).unwrap()
}

/// A run in the background, as heartbeatd orders it.
fn takes(lab: &Lab) -> Child {
    let mut command = lab.command_at(&lab.dir.join("ha-resources"));
    command.args(["--json", "takenode", "alpha"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Far more than it takes, and less than any limit of a director's answer used to be.
const LONG: Duration = Duration::from_secs(15);

fn within(limit: Duration, mut so: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + limit;
    while !so() {
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    true
}

#[test]
fn a_take_that_waits_for_a_paused_director_ends_when_it_is_no_longer_wanted() {
    let (lab, _) = laboratory();
    let listener = paused(&lab);
    let child = takes(&lab);
    let (_connection, _) = listener.accept().unwrap(); // it asks
    assert!(lab.has("192.0.2.10"));
    rustix::process::kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert!(within(LONG, || !lab.has("192.0.2.10")), "the address stays");
    drop(listener);
    let ran = Ran::of(child.wait_with_output().unwrap(), Duration::ZERO);
    assert_eq!(ran.groups(), [GroupResult::Failed], "{ran:?}");
    assert!(ran.detail().contains("no longer wanted here"), "{}", ran.detail());
    assert!(!lab.read("log").contains("start"), "{}", lab.read("log"));
}

#[test]
fn addresses_are_announced_on_while_a_director_is_waited_for() {
    let (lab, _) = laboratory();
    let mut wire = Wire::listen(&lab);
    let listener = paused(&lab);
    let child = takes(&lab);
    let (mut connection, _) = listener.accept().unwrap();
    // Request and reply make one announcement: the first, and then those that are repeated.
    let announced = |wire: &mut Wire| wire.seen().iter().filter(|(_, frame)| frame[31] == 10).count();
    assert!(within(LONG, || announced(&mut wire) >= 6), "{} frames", announced(&mut wire));
    let _ = connection.write_all(b"{\"answer\":\"mode\",\"standby\":false,\"active\":true}\n");
    drop(listener);
    let ran = Ran::of(child.wait_with_output().unwrap(), Duration::ZERO);
    assert_eq!(ran.groups(), [GroupResult::Held], "{ran:?}");
}

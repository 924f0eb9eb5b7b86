use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::*;
use crate::scratch::Scratch;

const LIMIT: Duration = Duration::from_secs(5);

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "lowercase")]
enum Question {
    Status,
    Echo { text: String },
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// A daemon that echoes on `path` until it is dropped.
struct Daemon(Option<std::thread::JoinHandle<()>>, Option<tokio::sync::oneshot::Sender<()>>);

impl Daemon {
    fn echoing(path: &Path) -> Daemon {
        let (path, (stop, stopped)) = (path.to_path_buf(), tokio::sync::oneshot::channel());
        let (bound, is_bound) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            runtime().block_on(async {
                let listener = Listener::bind(&path, 0o600).unwrap();
                bound.send(()).unwrap();
                let serve = async {
                    loop {
                        let mut connection = listener.accept().await.unwrap();
                        tokio::spawn(async move {
                            while let Ok(Some(question)) = connection.recv::<Question>().await {
                                connection.send(&question).await.unwrap();
                            }
                        });
                    }
                };
                tokio::select! { () = serve => {}, _ = stopped => {} }
            });
        });
        is_bound.recv().unwrap();
        Daemon(Some(thread), Some(stop))
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.1.take().unwrap().send(()).unwrap();
        self.0.take().unwrap().join().unwrap();
    }
}

#[test]
fn a_question_gets_its_answer() {
    let scratch = Scratch::new();
    let path = scratch.path("d.sock");
    let daemon = Daemon::echoing(&path);
    let answer: Question = request(&path, &Question::Status, LIMIT).unwrap();
    assert_eq!(answer, Question::Status);

    let mut client = Client::connect(&path, LIMIT).unwrap();
    for text in ["", "zwei\nZeilen", "\u{1F409}", &"long ".repeat(100_000)] {
        let question = Question::Echo { text: text.to_string() };
        client.send(&question).unwrap();
        assert_eq!(client.recv::<Question>().unwrap(), Some(question));
    }
    drop(client);
    drop(daemon);
    assert!(!path.exists(), "the socket goes with the daemon");
    assert!(std::fs::read_dir(scratch.folder()).unwrap().next().is_none(), "and nothing else is left");
}

#[test]
fn permissions_are_as_asked_whatever_the_umask() {
    let scratch = Scratch::new();
    runtime().block_on(async {
        for mode in [0o600, 0o660, 0o666] {
            let path = scratch.path("d.sock");
            let _listener = Listener::bind(&path, mode).unwrap();
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o7777, mode);
        }
    });
}

#[test]
fn a_stale_socket_is_replaced_and_a_live_one_is_not() {
    let scratch = Scratch::new();
    let path = scratch.path("d.sock");
    drop(UnixListener::bind(&path).unwrap()); // as after a crash: the file stays
    assert!(path.exists());
    let refused = request::<_, Question>(&path, &Question::Status, LIMIT);
    assert!(matches!(refused, Err(RequestError::NotRunning)), "{refused:?}");
    let daemon = Daemon::echoing(&path);
    let before = path.metadata().unwrap().ino();
    runtime().block_on(async {
        assert!(matches!(Listener::bind(&path, 0o600), Err(BindError::InUse(_))));
    });
    assert_eq!(path.metadata().unwrap().ino(), before);
    request::<_, Question>(&path, &Question::Status, LIMIT).unwrap();
    drop(daemon);
}

#[test]
fn a_listener_that_is_too_busy_to_accept_is_live() {
    let scratch = Scratch::new();
    let path = scratch.path("d.sock");
    let listener = UnixListener::bind(&path).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let _first = UnixStream::connect(&path).unwrap(); // fills the queue
    runtime().block_on(async {
        assert!(matches!(Listener::bind(&path, 0o600), Err(BindError::InUse(_))));
    });
    let started = Instant::now();
    let answer = request::<_, Question>(&path, &Question::Status, Duration::from_millis(150));
    assert!(matches!(answer, Err(RequestError::TimedOut)), "{answer:?}");
    assert!(started.elapsed() >= Duration::from_millis(150) && started.elapsed() < Duration::from_secs(2));
}

#[test]
fn a_file_that_is_no_socket_is_left_alone() {
    let scratch = Scratch::new();
    let path = scratch.path("precious");
    std::fs::write(&path, "text").unwrap();
    runtime().block_on(async {
        assert!(matches!(Listener::bind(&path, 0o600), Err(BindError::NotASocket(_))));
        let missing = Listener::bind(&scratch.path("no/folder/d.sock"), 0o600).unwrap_err();
        assert!(missing.to_string().contains("no/folder/d.sock"), "{missing}");
        let long = Listener::bind(&scratch.path(&"x".repeat(120)), 0o600);
        assert!(matches!(long, Err(BindError::Io { .. })), "{long:?}");
    });
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "text");
    assert_eq!(std::fs::read_dir(scratch.folder()).unwrap().count(), 1, "no temporary socket is left");
    assert!(Listener::bind(&scratch.path("d.sock"), 0o600).is_err(), "without a runtime: an error, no panic");
}

#[test]
fn a_successors_socket_survives_the_predecessor() {
    let scratch = Scratch::new();
    let path = scratch.path("d.sock");
    runtime().block_on(async {
        let old = Listener::bind(&path, 0o600).unwrap();
        std::fs::remove_file(&path).unwrap();
        let _new = Listener::bind(&path, 0o600).unwrap();
        drop(old);
        assert!(path.exists());
    });
}

#[test]
fn of_many_starts_at_the_same_time_one_gets_the_socket() {
    let scratch = Scratch::new();
    let path = scratch.path("d.sock");
    for _ in 0..20 {
        drop(UnixListener::bind(&path).unwrap()); // stale
        let barrier = std::sync::Barrier::new(4);
        let bound = std::thread::scope(|scope| {
            let start = || {
                runtime().block_on(async {
                    barrier.wait();
                    let listener = Listener::bind(&path, 0o600);
                    barrier.wait();
                    listener.is_ok()
                })
            };
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(start)).collect();
            threads.into_iter().map(|thread| u32::from(thread.join().unwrap())).sum::<u32>()
        });
        assert_eq!(bound, 1);
    }
}

#[test]
fn nobody_there_is_not_running() {
    let scratch = Scratch::new();
    let answer = request::<_, Question>(&scratch.path("none.sock"), &Question::Status, LIMIT);
    assert!(matches!(answer, Err(RequestError::NotRunning)), "{answer:?}");
}

#[test]
fn a_daemon_that_is_silent_slow_or_talks_nonsense() {
    let answer_to = |reply: &'static [u8], pause: Duration| {
        let scratch = Scratch::new();
        let path = scratch.path("d.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let daemon = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut line = [0; 64];
            let _ = stream.read(&mut line);
            for byte in reply {
                std::thread::sleep(pause);
                if stream.write_all(&[*byte]).is_err() {
                    return; // the tool has gone
                }
            }
            if !pause.is_zero() {
                let _ = stream.read(&mut line); // stays until the tool goes
            }
        });
        let started = Instant::now();
        let answer = request::<_, Question>(&path, &Question::Status, Duration::from_millis(300));
        let took = started.elapsed();
        assert!(took < Duration::from_secs(2), "{took:?}");
        daemon.join().unwrap();
        answer
    };
    let none = Duration::ZERO;
    assert!(matches!(answer_to(b"{\"ask\":\"status\"}\n", none), Ok(Question::Status)));
    assert!(matches!(answer_to(b"nonsense\n", none), Err(RequestError::Garbled(_))));
    assert!(matches!(answer_to(b"\xff\xfe\n", none), Err(RequestError::Garbled(_))));
    assert!(matches!(answer_to(b"{\"ask\":\"st", none), Err(RequestError::Garbled(_))), "cut off");
    assert!(matches!(answer_to(b"", none), Err(RequestError::Garbled(_))), "no answer");
    // One byte in 30 ms: each read is in time, the answer is not.
    let slow = answer_to(b"{\"ask\":\"status\"}\n", Duration::from_millis(30));
    assert!(matches!(slow, Err(RequestError::TimedOut)), "{slow:?}");
}

#[test]
fn a_client_waits_again_after_a_time_out() {
    let scratch = Scratch::new();
    let path = scratch.path("d.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let mut client = Client::connect(&path, Duration::from_millis(50)).unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    stream.write_all(b"{\"ask\":").unwrap();
    assert!(matches!(client.recv::<Question>(), Err(RequestError::TimedOut)));
    stream.write_all(b"\"status\"}\n{\"ask\":\"status\"}\n").unwrap();
    assert_eq!(client.recv().unwrap(), Some(Question::Status));
    assert_eq!(client.recv_unlimited().unwrap(), Some(Question::Status));
    drop(stream);
    assert_eq!(client.recv::<Question>().unwrap(), None);
}

#[test]
fn a_daemon_survives_any_tool() {
    let scratch = Scratch::new();
    let path = scratch.path("d.sock");
    runtime().block_on(async {
        let listener = Listener::bind(&path, 0o600).unwrap();
        let mut tool = UnixStream::connect(&path).unwrap();
        let mut connection = listener.accept().await.unwrap();
        assert_eq!(connection.peer().unwrap().pid, Some(std::process::id() as i32));
        tool.write_all(b"what?\n{\"ask\":\"status\"}\n{\"ask\"").unwrap();
        assert!(matches!(connection.recv::<Question>().await, Err(ControlError::Garbled(_))));
        assert_eq!(connection.recv().await.unwrap(), Some(Question::Status), "the next line is good");
        // Cancelled in the middle of a line: nothing is lost.
        let cancelled = tokio::time::timeout(Duration::from_millis(20), connection.recv::<Question>()).await;
        assert!(cancelled.is_err());
        tool.write_all(b":\"status\"}\n{").unwrap();
        assert_eq!(connection.recv().await.unwrap(), Some(Question::Status));
        drop(tool);
        assert!(matches!(connection.recv::<Question>().await, Err(ControlError::Garbled(_))), "cut off");

        let mut tool = UnixStream::connect(&path).unwrap();
        let mut connection = listener.accept().await.unwrap();
        let writer = std::thread::spawn(move || while tool.write_all(&[b'x'; 65536]).is_ok() {});
        assert!(matches!(connection.recv::<Question>().await, Err(ControlError::TooLong)));
        assert!(connection.held() < 2 * LINE_LIMIT, "memory is bounded");
        drop(connection);
        writer.join().unwrap();
    });
}

#[test]
fn a_line_has_a_limit_on_both_sides() {
    let fits = "x".repeat(LINE_LIMIT - 3); // two quotation marks and the line feed
    let line = to_line(&fits).unwrap();
    assert_eq!(line.len(), LINE_LIMIT);
    let mut lines = Lines { pending: line, searched: 0 };
    assert_eq!(lines.next_value::<String>(), Some(Ok(fits.clone())));
    assert!(!lines.is_cut_off());
    assert_eq!(to_line(&(fits + "x")), Err(LineError::TooLong));
    let mut lines = Lines { pending: vec![b'1'; LINE_LIMIT], searched: 0 };
    assert_eq!(lines.next_value::<String>(), Some(Err(LineError::TooLong)));
}

#[test]
fn lines_are_found_however_the_bytes_arrive() {
    let bytes = b"1\n22\n\n333\n4";
    for step in 1..=bytes.len() {
        let mut lines = Lines::default();
        let mut found = Vec::new();
        for piece in bytes.chunks(step) {
            lines.pending.extend_from_slice(piece);
            while let Some(line) = lines.next_value::<u32>() {
                found.push(line.ok());
            }
        }
        assert_eq!(found, [Some(1), Some(22), None, Some(333)], "in pieces of {step}");
        assert!(lines.is_cut_off());
    }
}

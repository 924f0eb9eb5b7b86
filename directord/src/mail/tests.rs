//! Mails to servers that answer well, slowly, with a refusal, or never; and to a `sendmail` that is a script.

use super::message::tests::mail;
use super::*;
use std::path::PathBuf;
use std::sync::Mutex;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;

/// For what takes no time at all; a busy machine may take its own.
const LONG: Duration = Duration::from_secs(30);

const QUICK: Limits =
    Limits { attempt: LONG, retry: Duration::from_millis(20), give_up: Duration::from_secs(3600), queue: 10 };

/// What a mail server got: the commands and the mail of each connection.
type Got = Arc<Mutex<Vec<String>>>;

/// What a mail server answers to a command; `None` for nothing at all.
type Answers = fn(&str, usize) -> Option<&'static str>;

fn well(command: &str, _: usize) -> Option<&'static str> {
    Some(match command.split(' ').next().unwrap_or("") {
        "" => "220 mail.example.com",
        "EHLO" => "250-mail.example.com\r\n250 8BITMIME",
        "DATA" => "354 go on",
        "QUIT" => "221 bye",
        _ => "250 ok",
    })
}

/// A mail server. `answers` gets the command and the number of the connection, from 1; an empty command is the
/// connection itself, `.` the end of the mail.
async fn server(answers: Answers) -> (MailHost, Got) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let got = Got::default();
    let to = Arc::clone(&got);
    tokio::spawn(async move {
        for number in 1.. {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(talk(stream, answers, number, Arc::clone(&to)));
        }
    });
    (MailHost { host: "127.0.0.1".into(), port }, got)
}

async fn talk(stream: TcpStream, answers: Answers, number: usize, got: Got) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut command = String::new();
    let mut in_mail = false;
    loop {
        if !in_mail || command == "." {
            in_mail = command == "DATA";
            let answer = answers(&command, number)?;
            for piece in answer.as_bytes().chunks(7) {
                stream.write_all(piece).await.ok()?; // never a whole line at once
                stream.flush().await.ok()?;
            }
            stream.write_all(b"\r\n").await.ok()?;
            in_mail &= answer.starts_with('3');
        }
        let mut line = String::new();
        if stream.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        assert!(line.ends_with("\r\n"), "{line:?}");
        command = line.trim_end().to_owned();
        got.lock().unwrap().push(command.clone());
    }
}

fn to(host: &MailHost, receivers: &[&str]) -> Mail {
    let mut mail = mail(receivers);
    mail.settings.via = Some(host.clone());
    mail
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < end, "{what}");
        sleep(Duration::from_millis(5)).await;
    }
}

fn commands(got: &Got) -> Vec<String> {
    let all = got.lock().unwrap();
    let named = |line: &&String| {
        ["EHLO", "HELO", "MAIL", "RCPT", "DATA", ".", "QUIT"]
            .iter()
            .any(|name| line.split(' ').next() == Some(name))
    };
    all.iter().filter(named).cloned().collect()
}

#[tokio::test]
async fn every_receiver_is_named_by_itself() {
    let (host, got) = server(well).await;
    let mut mailer = Mailer::new(QUICK);
    let mut alert = to(&host, &["a@example.com", "Operators <b@example.com>"]);
    alert.from = crate::config::Address::new("LVS <lvs@example.com>");
    mailer.send(&alert);
    until("it is sent", || mailer.counts() == (2, 0)).await;
    mailer.finish(LONG).await;
    until("the farewell is said", || commands(&got).last().is_some_and(|last| last == "QUIT")).await;
    let commands = commands(&got);
    assert!(commands[0].starts_with("EHLO "), "{commands:?}");
    assert_eq!(
        commands[1..],
        [
            "MAIL FROM:<lvs@example.com>",
            "RCPT TO:<a@example.com>",
            "RCPT TO:<b@example.com>",
            "DATA",
            ".",
            "QUIT"
        ]
    );
    let got = got.lock().unwrap().join("\n");
    assert!(got.contains("\nTo: a@example.com, Operators <b@example.com>\n"), "{got}");
    assert!(got.contains("\n\nldirectord host: "), "{got}");
}

#[tokio::test]
async fn one_refused_receiver_takes_nothing_from_the_others() {
    let answers: Answers = |command, number| match (command, number) {
        ("RCPT TO:<no@example.com>", _) => Some("550-no\r\n550 such user"),
        ("RCPT TO:<grey@example.com>", 1) => Some("450 later"),
        _ => well(command, number),
    };
    let (host, got) = server(answers).await;
    let mut mailer = Mailer::new(QUICK);
    mailer.send(&to(&host, &["no@example.com", "grey@example.com", "yes@example.com"]));
    until("two get it, one never", || mailer.counts() == (2, 1)).await;
    mailer.finish(LONG).await;
    let receivers: Vec<String> = commands(&got).into_iter().filter(|line| line.starts_with("RCPT")).collect();
    assert_eq!(
        receivers,
        [
            "RCPT TO:<no@example.com>",
            "RCPT TO:<grey@example.com>",
            "RCPT TO:<yes@example.com>",
            "RCPT TO:<grey@example.com>"
        ]
    );
}

#[tokio::test]
async fn what_is_refused_for_now_is_tried_again_in_order() {
    let answers: Answers = |command, number| match (command, number) {
        ("", 1) => Some("421 too busy"),
        ("DATA", 2) => Some("451 disk full"),
        (".", 3) => None, // breaks off
        ("EHLO", 4) => Some("502 what?"),
        _ => well(command, number),
    };
    let (host, got) = server(answers).await;
    let mut mailer = Mailer::new(QUICK);
    let mut second = to(&host, &["b@example.com"]);
    second.event = "Added real server: 192.0.2.10:80 (192.0.2.1:80) (Weight set to 1)".into();
    mailer.send(&to(&host, &["a@example.com"]));
    mailer.send(&second);
    until("both are sent", || mailer.counts() == (2, 0)).await;
    mailer.finish(LONG).await;
    assert!(got.lock().unwrap().iter().any(|line| line.starts_with("Subject: Added real server")));
}

#[tokio::test]
async fn a_server_from_before_1995_is_greeted_as_it_likes() {
    let answers: Answers = |command, number| match command.split(' ').next() {
        Some("EHLO") => Some("500 what?"),
        _ => well(command, number),
    };
    let (host, got) = server(answers).await;
    let mut mailer = Mailer::new(QUICK);
    mailer.send(&to(&host, &["a@example.com"]));
    until("it is sent", || mailer.counts() == (1, 0)).await;
    assert!(commands(&got)[1].starts_with("HELO "));
    mailer.finish(LONG).await;
}

#[tokio::test]
async fn what_is_refused_for_good_is_lost_and_counted() {
    let answers: Answers = |command, number| match command.split(' ').next() {
        Some("MAIL") => Some("554 go away"),
        _ => well(command, number),
    };
    let (host, _) = server(answers).await;
    let mut mailer = Mailer::new(QUICK);
    mailer.send(&to(&host, &["a@example.com", "b@example.com"]));
    until("it is lost", || mailer.counts() == (0, 2)).await;
    mailer.finish(LONG).await;
}

#[tokio::test]
async fn a_server_that_never_answers_holds_up_no_other_and_no_stop() {
    let (silent, _) = server(|_, _| Some("")).await; // an empty line is no greeting: it is garbled, and asked again
    let stuck = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let stuck = MailHost { host: "127.0.0.1".into(), port: stuck.local_addr().unwrap().port() };
    let (good, _) = server(well).await;
    let mut mailer = Mailer::new(QUICK);
    for host in [&stuck, &silent, &good] {
        for _ in 0..3 {
            mailer.send(&to(host, &["a@example.com"]));
        }
    }
    until("the good one has got all of its mails", || mailer.counts() == (3, 0)).await;
    let counts = Arc::clone(&mailer.counts);
    tokio::time::timeout(LONG, mailer.finish(Duration::from_millis(300))).await.unwrap();
    assert_eq!(counts.sent.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn an_attempt_has_a_limit_and_so_has_a_mail() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let host = MailHost { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() };
    let limits = Limits { attempt: Duration::from_millis(50), give_up: Duration::from_millis(120), ..QUICK };
    let mut mailer = Mailer::new(limits);
    mailer.send(&to(&host, &["a@example.com"]));
    until("it is given up", || mailer.counts() == (0, 1)).await;
    mailer.finish(LONG).await;
}

#[tokio::test]
async fn an_endless_answer_is_cut_off() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let host = MailHost { host: "127.0.0.1".into(), port: listener.local_addr().unwrap().port() };
    let taken = Arc::new(AtomicU64::new(0));
    let total = Arc::clone(&taken);
    let ended = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        while stream.write_all(&[b'2'; 4096]).await.is_ok() {
            total.fetch_add(4096, Ordering::Relaxed);
        }
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest).await;
    });
    let mut mailer = Mailer::new(Limits { give_up: Duration::ZERO, ..QUICK });
    mailer.send(&to(&host, &["a@example.com"]));
    until("it is given up", || mailer.counts() == (0, 1)).await;
    tokio::time::timeout(LONG, ended).await.unwrap().unwrap(); // the connection was closed
    mailer.finish(LONG).await;
}

#[tokio::test]
async fn the_queue_has_a_limit() {
    let stuck = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let host = MailHost { host: "127.0.0.1".into(), port: stuck.local_addr().unwrap().port() };
    let mut mailer = Mailer::new(QUICK);
    for _ in 0..15 {
        mailer.send(&to(&host, &["a@example.com", "b@example.com"]));
    }
    assert_eq!(mailer.counts(), (0, 10), "five mails to two");
    mailer.finish(Duration::ZERO).await;
}

/// A folder with a `sendmail` that does this; removed when dropped.
struct Mta(PathBuf);

impl Mta {
    fn new(name: &str, script: &str) -> Mta {
        let folder = std::env::temp_dir().join(format!("directord-mta-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (draft, program) = (folder.join("draft"), folder.join("sendmail"));
        std::fs::write(&draft, format!("#!/bin/sh\ncd {}\n{script}\n", folder.display())).unwrap();
        // By another process: a program that is open for writing, in a child of another test too, cannot be started.
        let status =
            std::process::Command::new("install").args(["-m", "755"]).arg(&draft).arg(&program).status();
        assert!(status.unwrap().success());
        Mta(folder)
    }

    fn mailer(&self) -> Mailer {
        Mailer::with(route::Way::Sendmail(self.0.join("sendmail")), QUICK)
    }

    fn file(&self, name: &str) -> String {
        std::fs::read_to_string(self.0.join(name)).unwrap_or_default()
    }
}

impl Drop for Mta {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn sendmail_gets_the_whole_mail() {
    let mta = Mta::new("well", "echo \"$@\" >arguments; cat >mail");
    let mut mailer = mta.mailer();
    mailer.send(&mail(&["root", "ops@example.com"]));
    until("it is sent", || mailer.counts() == (2, 0)).await;
    assert_eq!(mta.file("arguments"), "-t -oi\n");
    let got = mta.file("mail");
    assert!(got.starts_with("From: ") && got.contains("\nTo: root, ops@example.com\n"), "{got}");
    assert!(got.contains("\n\nldirectord host: ") && !got.contains('\r'), "{got}");
    mailer.finish(LONG).await;
}

#[tokio::test]
async fn a_sendmail_that_says_not_now_is_asked_again() {
    let mta = Mta::new("later", "[ -e tried ] || { touch tried; exit 75; }");
    let mut mailer = mta.mailer();
    mailer.send(&mail(&["root"]));
    until("it is sent", || mailer.counts() == (1, 0)).await;
    mailer.finish(LONG).await;
}

#[tokio::test]
async fn a_sendmail_that_fails_or_is_missing_is_no_reason_to_wait() {
    let mta = Mta::new("fails", "echo no such user; exit 67");
    let mut mailer = mta.mailer();
    mailer.send(&mail(&["root"]));
    until("it is lost", || mailer.counts() == (0, 1)).await;
    mailer.finish(LONG).await;
    let mut mailer = Mailer::with(route::Way::Sendmail("/nonexistent/sendmail".into()), QUICK);
    mailer.send(&mail(&["root"]));
    until("it is lost", || mailer.counts() == (0, 1)).await;
    mailer.finish(LONG).await;
}

#[tokio::test]
async fn a_sendmail_that_hangs_is_killed_at_the_stop() {
    let mta = Mta::new("hangs", "echo $$ >pid; exec sleep 600");
    let mut mailer = mta.mailer();
    mailer.send(&mail(&["root"]));
    until("it runs", || mta.file("pid").ends_with('\n')).await;
    let pid = mta.file("pid");
    mailer.finish(Duration::ZERO).await;
    let gone = || {
        std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()))
            .map_or(true, |stat| stat.contains(") Z "))
    };
    until("it is gone", gone).await;
}

//! Mails: who is told of what, through a mail server on port 25.

use crate::Test;
use crate::bed::*;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

pub const TESTS: &[Test] = &[
    ("mails_tell_of_every_change_and_remind", mails_tell_of_every_change_and_remind),
    (
        "mails_on_standby_tell_nothing_until_it_is_activated",
        mails_on_standby_tell_nothing_until_it_is_activated,
    ),
    ("a_mail_server_that_is_down_holds_up_nothing", a_mail_server_that_is_down_holds_up_nothing),
];

/// For what takes no time at all; a busy machine may take its own.
const LONG: Duration = Duration::from_secs(30);

/// What the mail server got, one text for each mail: envelope, headers, body.
type Mails = Arc<Mutex<Vec<String>>>;

fn mail_server() -> Mails {
    let listener = TcpListener::bind("127.0.0.1:25").unwrap();
    let mails = Mails::default();
    let got = Arc::clone(&mails);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let got = Arc::clone(&got);
            std::thread::spawn(move || session(stream, &got));
        }
    });
    mails
}

fn session(stream: TcpStream, got: &Mails) -> Option<()> {
    let mut answer = stream.try_clone().ok()?;
    let mut say = move |text: &str| answer.write_all(format!("{text}\r\n").as_bytes()).ok();
    say("220 ready")?;
    let (mut mail, mut in_mail) = (String::new(), false);
    for line in BufReader::new(stream).lines() {
        let line = line.ok()?;
        mail += &format!("{line}\n");
        match (in_mail, line.as_str()) {
            (true, ".") => {
                in_mail = false;
                got.lock().unwrap().push(std::mem::take(&mut mail));
                say("250 queued")?;
            }
            (true, _) => {}
            (false, "DATA") => {
                in_mail = true;
                say("354 go on")?;
            }
            (false, _) => say("250 ok")?,
        }
    }
    None
}

fn subjects(mails: &Mails) -> Vec<String> {
    let unfolded = mails.lock().unwrap().join("").replace("\n ", " "); // RFC 5322 section 2.2.3
    unfolded.lines().filter_map(|line| line.strip_prefix("Subject: ").map(str::to_owned)).collect()
}

fn mails_tell_of_every_change_and_remind() {
    let bed = Bed::new();
    let mails = mail_server();
    let a = Server::start("192.0.2.11");
    let _b = Server::start("192.0.2.12");
    let options = "emailalertfreq=1; servicename=Shop; quiescent=yes; negotiatetimeout=20";
    bed.configure(&format!(
        "smtp=127.0.0.1\nemailalert=\"ops@example.com, Jane <jane@example.com>\"\n{}",
        section(VIP, options, &["192.0.2.11", "192.0.2.12"])
    ));
    bed.ok("start");
    let added = |server: &str| format!("[Shop] Added real server: {server} ({VIP}) (Weight set to 5)");
    bed.until("both are told of", LONG, |_| {
        let mut told = subjects(&mails);
        told.sort();
        told == [added(A), added(B)]
    });
    let first = mails.lock().unwrap()[0].clone();
    for line in [
        "RCPT TO:<ops@example.com>",
        "RCPT TO:<jane@example.com>",
        "Daemon-Status: starting",
        "Service name: Shop",
    ] {
        assert!(first.lines().any(|found| found == line), "{line}\n{first}");
    }
    a.stop();
    let told = |start: &str| subjects(&mails).iter().filter(|subject| subject.contains(start)).count();
    bed.until("its death is told of", LONG, |_| told("Quiescent real server: 192.0.2.11:8080") == 1);
    bed.until("one is reminded", LONG, |_| told("Inaccessible real server: 192.0.2.11:8080") >= 2);
    let last = mails.lock().unwrap().last().unwrap().clone();
    assert!(last.contains("Daemon-Status: running"), "{last}");
    assert!(last.contains("Last-Check: connection refused, after "), "{last}");
    assert!(
        bed.log().contains(&format!("emailalert: Inaccessible real server: {A} ({VIP})")),
        "{}",
        bed.log()
    );
    let _a = Server::start("192.0.2.11");
    bed.until("its return is told of", LONG, |_| told("Restored real server: 192.0.2.11:8080") == 1);
    let status = String::from_utf8(bed.run("status --json").stdout).unwrap();
    assert!(status.contains("\"mails_lost\": 0") && !status.contains("\"mails_sent\": 0,"), "{status}");
    bed.ok("stop");
    // A stop waits for its mails.
    let all = mails.lock().unwrap().clone();
    let purged = all.iter().filter(|mail| mail.contains("Purged real server (stop)"));
    assert_eq!(purged.filter(|mail| mail.contains("Daemon-Status: stopping")).count(), 2, "{all:#?}");
}

/// Two nodes check the same servers: only the one that holds the address tells of them.
fn mails_on_standby_tell_nothing_until_it_is_activated() {
    let bed = Bed::new();
    let mails = mail_server();
    let (a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    let options = "emailalertfreq=1; quiescent=yes; negotiatetimeout=20";
    bed.configure(&format!(
        "smtp=127.0.0.1\nemailalert=ops@example.com\n{}",
        section(VIP, options, &["192.0.2.11", "192.0.2.12"])
    ));
    let up = |bed: &Bed, count: &str| {
        let shown = String::from_utf8(bed.run("show").stdout).unwrap();
        shown.contains(&format!("{count} of 2 up"))
    };
    bed.ok("start --standby");
    bed.until("both are known", LONG, |bed| up(bed, "2"));
    a.stop();
    bed.until("its death is seen", LONG, |bed| up(bed, "1"));
    // A reminder would have come by now: the passes that send them go on.
    let passes = || bed.log().matches("Check failed").count();
    assert!(passes() > 0, "{}", bed.log());
    assert_eq!(subjects(&mails), [""; 0], "on standby nobody is told");
    bed.ok("activate");
    let added =
        |server: &str, weight: u32| format!("Added real server: {server} ({VIP}) (Weight set to {weight})");
    bed.until("the holder tells", LONG, |_| subjects(&mails).contains(&added(B, 5)));
    let quiet = |told: &str| subjects(&mails).iter().filter(|subject| subject.contains(told)).count();
    bed.until("and reminds of the dead one", LONG, |_| {
        quiet("Inaccessible real server: 192.0.2.11:8080") > 0
    });
    bed.ok("deactivate");
    bed.until("it tells that they have left", LONG, |_| {
        quiet("Purged real server (stop): 192.0.2.12:8080") == 1
    });
    // What was under way has arrived when the next mail does.
    let _a = Server::start("192.0.2.11");
    bed.until("its return is seen", LONG, |bed| up(bed, "2"));
    let before = subjects(&mails).len();
    bed.ok("activate");
    bed.until("the holder tells again", LONG, |_| {
        subjects(&mails).iter().filter(|subject| **subject == added(A, 5)).count() == 1
    });
    let told = subjects(&mails).split_off(before);
    assert!(told.iter().all(|subject| subject.contains("Added real server")), "of standby nothing: {told:?}");
    bed.ok("stop");
}

fn a_mail_server_that_is_down_holds_up_nothing() {
    let bed = Bed::new();
    let (a, _b) = (Server::start("192.0.2.11"), Server::start("192.0.2.12"));
    bed.configure(&format!(
        "smtp=127.0.0.1\nemailalert=ops@example.com\nemailalertstatus=running\n{}",
        section(VIP, "quiescent=yes", &["192.0.2.11", "192.0.2.12"])
    ));
    bed.ok("start");
    // The phase ends with the first pass in which all have their verdict, and a pass comes every second.
    bed.until("it runs", LONG, |bed| bed.weight(VIP, A) == Some(5) && bed.weight(VIP, B) == Some(5));
    a.stop();
    bed.until("failover goes on", LONG, |bed| bed.weight(VIP, A) == Some(0));
    bed.until("the outage is told of", LONG, |bed| {
        bed.log().contains("Mail does not go out through 127.0.0.1")
    });
    assert_eq!(bed.log().matches("emailalert: ").count(), 1, "not of the start:\n{}", bed.log());
    let began = Instant::now();
    bed.ok("stop");
    assert!(began.elapsed() < LONG, "the stop waited for mails");
    assert_eq!(bed.log().matches("Mail does not go out").count(), 1, "told once:\n{}", bed.log());
}

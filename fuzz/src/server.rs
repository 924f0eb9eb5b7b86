//! Checks of directord against a real server that says whatever the fuzzer wants.
//!
//! The first byte of an input chooses the service, the second the check and in how large pieces the server speaks. The
//! rest is what it says on its connections, one after the other, or in its datagrams, with [`BETWEEN`] between them.

use directord::check::fuzzing::{Server, facing, mail};
use directord::check::{Checker, Dialogue, Http, Kind, Memory, Outcome, Pattern, Route, Secret, SimpleTcp};
use directord::config::model::ServiceName;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// Ends a connection or a datagram, if another one follows.
pub const BETWEEN: &[u8] = b"\n==\n";

/// What the second byte says, bit by bit. The bits above are the length of the pieces, in bytes.
const UDP: u8 = 1;
const LOGIN: u8 = 2;
const RECEIVE: u8 = 4;

thread_local! {
    static BED: (Runtime, Checker) = {
        let runtime = Builder::new_current_thread().enable_all().start_paused(true).build();
        (runtime.expect("a runtime"), Checker::new())
    };
}

/// Runs the check that the input describes for one of these services; `prepare` makes a datagram or what is said on a
/// connection believable.
///
/// # Panics
/// A promise is broken.
pub fn check(data: &[u8], services: &[ServiceName], prepare: fn(&Dialogue, Vec<u8>) -> Vec<u8>) {
    let [kind, options, said @ ..] = data else { return };
    let service = services[usize::from(*kind) % services.len()];
    let dialogue = dialogue(service, *options);
    let parts: Vec<Vec<u8>> = split(said).into_iter().map(|part| prepare(&dialogue, part.to_vec())).collect();
    let in_datagrams = dialogue.udp;
    promises(&Kind::Dialogue(Box::new(dialogue)), parts, usize::from(options >> 3).max(1), in_datagrams);
}

/// The same for `http`, its proxy and `simpletcp`.
///
/// # Panics
/// A promise is broken.
pub fn check_web(data: &[u8]) {
    let [kind, options, said @ ..] = data else { return };
    let is_set = |bit| options & bit != 0;
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, 9));
    let receive = is_set(RECEIVE).then(|| Pattern::new("example").expect("a word"));
    let timeout = Duration::from_secs(5);
    let http = |url: &str, route| {
        let (url, host) = (url.to_owned(), Some("www.example.com".to_owned()));
        Kind::Http(Box::new(Http {
            url,
            route,
            host,
            head: is_set(LOGIN),
            receive: receive.clone(),
            tls_verify: false,
            timeout,
        }))
    };
    let udp = is_set(UDP);
    let (kind, in_datagrams) = match kind % 4 {
        0 => (http("http://www.example.com/index.html", Route::To(here)), false),
        1 => (http("http://www.example.com/", Route::Through(here)), false),
        2 => (http("https://www.example.com/", Route::Through(here)), false),
        _ => (
            Kind::SimpleTcp(Box::new(SimpleTcp {
                to: here,
                udp,
                request: "hello\n".into(),
                receive: receive.clone(),
                timeout,
            })),
            udp,
        ),
    };
    let parts = split(said).into_iter().map(<[u8]>::to_vec).collect();
    promises(&kind, parts, usize::from(options >> 3).max(1), in_datagrams);
}

/// A mail for two receivers, and a mail server that says this.
///
/// # Panics
/// A promise is broken.
pub fn check_mail(said: &[u8], piece: usize) {
    let send = |piece| {
        let server = Server { parts: vec![said.to_vec()], piece };
        BED.with(|(runtime, _)| runtime.block_on(mail(server, Duration::from_secs(5))))
    };
    let outcome = send(piece);
    assert!(!(said.is_empty() && outcome.is_ok()), "taken without a word");
    let words = match &outcome {
        Ok(refused) => {
            assert!(refused.len() <= 2, "{refused:?}");
            refused.join("")
        }
        Err(why) => why.clone(),
    };
    assert!(
        words.chars().count() < 1000 && !words.contains(char::is_control),
        "no line for a log: {words:?}"
    );
    // A mail is taken by at least five lines: greeting, hello, sender, receiver, data, end.
    let lines = said.iter().filter(|byte| **byte == b'\n').count();
    assert!(outcome.as_ref().is_ok_and(|refused| refused.len() == 2) || outcome.is_err() || lines >= 5);
    assert_eq!(send(4096), outcome, "in pieces of {piece}");
}

fn promises(kind: &Kind, parts: Vec<Vec<u8>>, piece: usize, in_datagrams: bool) {
    let mute = parts.iter().all(Vec::is_empty);
    let outcome = run(kind, Server { parts: parts.clone(), piece });
    assert!(!(mute && outcome.passed()), "{kind:?} is up without a word");
    let text = outcome.to_string();
    assert!(text.chars().count() < 500 && !text.contains(char::is_control), "no line for a log: {text:?}");
    if in_datagrams {
        return;
    }
    let at_once = run(kind, Server { parts, piece: 4096 });
    // Where another thread has work to do, such as a digest of a thousand rounds, the clock of this one runs ahead.
    let late = |outcome: &Outcome| matches!(outcome, Outcome::Unfinished(_));
    assert!(
        at_once == outcome || late(&at_once) || late(&outcome),
        "{at_once:?}, but {outcome:?} in pieces of {piece}"
    );
}

fn dialogue(service: ServiceName, options: u8) -> Dialogue {
    let is_set = |bit| options & bit != 0;
    Dialogue {
        service,
        to: SocketAddr::from((Ipv4Addr::LOCALHOST, 9)),
        udp: is_set(UDP),
        login: if is_set(LOGIN) { "check@example.com".into() } else { String::new() },
        password: Secret::new(if is_set(LOGIN) { "open \"sesame\"" } else { "" }),
        database: "stock".into(),
        secret: Secret::new("secret"),
        request: "www.example.com".into(),
        // Found without another thread, which would not keep to the clock of this one.
        receive: is_set(RECEIVE).then(|| Pattern::new("example").expect("a word")),
        virtual_host: None,
        tls_verify: None,
        check_timeout: Duration::from_secs(5),
        timeout: Duration::from_secs(5),
    }
}

fn run(kind: &Kind, server: Server) -> Outcome {
    BED.with(|(runtime, checker)| {
        let mut memory = Memory::default();
        runtime.block_on(facing(server, checker.run(kind, &mut memory))).outcome
    })
}

fn split(mut said: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while let Some(at) = said.windows(BETWEEN.len()).position(|window| window == BETWEEN) {
        parts.push(&said[..at]);
        said = &said[at + BETWEEN.len()..];
    }
    parts.push(said);
    parts
}

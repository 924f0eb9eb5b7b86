//! Checks of directord against a real server that says whatever the fuzzer wants.
//!
//! The first byte of an input chooses the service, the second the check and in how large pieces the server speaks. The
//! rest is what it says on its connections, one after the other, or in its datagrams, with [`BETWEEN`] between them.

use directord::check::fuzzing::{Server, facing};
use directord::check::{Checker, Dialogue, Kind, Memory, Outcome, Pattern, Secret};
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
    let mute = parts.iter().all(Vec::is_empty);
    let piece = usize::from(options >> 3).max(1);
    let outcome = run(&dialogue, Server { parts: parts.clone(), piece });
    assert!(!(mute && outcome.passed()), "{service:?} is up without a word");
    let text = outcome.to_string();
    assert!(text.chars().count() < 500 && !text.contains(char::is_control), "no line for a log: {text:?}");
    if dialogue.udp {
        return;
    }
    let at_once = run(&dialogue, Server { parts, piece: 4096 });
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

fn run(dialogue: &Dialogue, server: Server) -> Outcome {
    let kind = Kind::Dialogue(Box::new(dialogue.clone()));
    BED.with(|(runtime, checker)| {
        let mut memory = Memory::default();
        runtime.block_on(facing(server, checker.run(&kind, &mut memory))).outcome
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

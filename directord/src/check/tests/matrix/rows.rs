//! The rows: for each service how its servers behave, and what a check must say of it.

use super::*;
use crate::check::tests::databases::{self, mysql, pgsql};
use crate::check::tests::dialogues::{dialogue, within};
use crate::check::{dns, ldap, radius, sip};
use simple_dns::RCODE;

/// A service, by one transport.
pub(super) struct Row {
    /// The service, and what distinguishes the row from another one of it.
    pub name: &'static str,
    pub udp: bool,
    /// The connection begins with TLS.
    pub tls_first: bool,
    /// It has TLS at all.
    pub has_tls: bool,
    /// In plain text before TLS begins: what the server says, how much it hears.
    pub before_tls: &'static [(&'static [u8], usize)],
    /// How many parts of `good` that takes the place of.
    pub said_before_tls: usize,
    /// The check of the server there, within this limit, with TLS or not.
    pub kind: fn(SocketAddr, Duration, bool) -> Kind,
    /// What a good server says.
    pub good: Vec<Say>,
    /// How many parts of it come before garbage.
    pub spoken: usize,
    /// What one says that is not, and closes.
    pub wrong: (Vec<Say>, End),
    /// The last part breaks off: the connection stays, or it is closed.
    pub half: [End; 2],
    /// Garbage instead of the first words.
    pub garbage: End,
    /// After so many good parts, this for ever.
    pub endless: Vec<(usize, Vec<u8>, End)>,
}

fn says(words: impl Into<Vec<u8>>) -> Say {
    let words = words.into();
    Arc::new(move |_| words.clone())
}

fn all(parts: &[&[u8]]) -> Vec<Say> {
    parts.iter().map(|part| says(*part)).collect()
}

fn end(outcome: Outcome) -> End {
    End::Exactly(outcome)
}

fn garbled(why: &str) -> End {
    end(Outcome::Garbled(why.into()))
}

fn declined(words: &str) -> End {
    end(Outcome::Declined(words.into()))
}

fn no_match(answer: &str) -> End {
    end(Outcome::NoMatch(answer.into()))
}

/// Where half an answer is none.
fn unfinished() -> [End; 2] {
    [end(Outcome::Unfinished(SHORT)), end(Outcome::Closed)]
}

fn long_line() -> End {
    garbled("a line longer than 16384 bytes")
}

fn too_much() -> End {
    garbled("more than 262144 bytes of answer")
}

/// A service that talks in lines, on a connection without TLS.
fn lines(name: &'static str, good: &[&[u8]], kind: fn(SocketAddr, Duration, bool) -> Kind) -> Row {
    Row {
        name,
        udp: false,
        tls_first: false,
        has_tls: false,
        before_tls: &[],
        said_before_tls: 0,
        kind,
        good: all(good),
        spoken: 0,
        wrong: (Vec::new(), passed()),
        half: unfinished(),
        garbage: passed(),
        endless: vec![(0, b"2".to_vec(), long_line())],
    }
}

/// The same service with TLS from the beginning.
fn with_tls(name: &'static str, plain: Row, kind: fn(SocketAddr, Duration, bool) -> Kind) -> Row {
    Row { name, tls_first: true, has_tls: true, kind, ..plain }
}

/// The same service by datagrams.
fn by_datagrams(name: &'static str, plain: Row, kind: fn(SocketAddr, Duration, bool) -> Kind) -> Row {
    Row { name, udp: true, kind, ..plain }
}

fn talk(service: ServiceName, to: SocketAddr, limit: Duration) -> Dialogue {
    within(limit, &dialogue(service, to))
}

fn boxed(dialogue: Dialogue) -> Kind {
    Kind::Dialogue(Box::new(dialogue))
}

fn login(service: ServiceName, to: SocketAddr, limit: Duration) -> Kind {
    boxed(Dialogue { login: "joe".into(), password: Secret::new("secret"), ..talk(service, to, limit) })
}

fn page(to: SocketAddr, limit: Duration, scheme: &str) -> Kind {
    let Kind::Http(probe) = http(to, Some("^page$")) else { panic!() };
    let url = format!("{scheme}://{}:{}/page", super::super::tls::NAME, to.port());
    Kind::Http(Http { url, route: Route::To(to), timeout: limit, ..*probe }.into())
}

pub(super) fn rows() -> Vec<Row> {
    let mut rows = web();
    rows.extend(mail());
    rows.extend(files_and_news());
    rows.extend(directories());
    rows.extend(stores());
    rows.extend(plain_text());
    rows.extend(by_request());
    rows
}

fn web() -> Vec<Row> {
    let good: [&[u8]; 2] = [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nX-Filler: something\r\n\r\npage"];
    let web = |name, kind| Row {
        wrong: (all(&[b"", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother"]), no_match("other")),
        half: [end(Outcome::Unfinished(SHORT)), end(Outcome::Closed)],
        spoken: 1,
        garbage: garbled("no HTTP: invalid HTTP version"),
        endless: vec![
            (1, b"2".to_vec(), garbled("no HTTP: invalid HTTP version")),
            (1, b"HTTP/1.1 100 Continue\r\n\r\n".to_vec(), garbled("more than 1310720 bytes of answer")),
            (1, b"HTTP/1.1 200 OK\r\nX-Filler: a\r\n".to_vec(), garbled("more than 128 lines of head")),
            (2, b"more".to_vec(), passed()),
        ],
        ..lines(name, &good, kind)
    };
    vec![
        web("http", |to, limit, _| page(to, limit, "http")),
        with_tls("https", web("", |to, limit, _| page(to, limit, "https")), |to, limit, _| {
            page(to, limit, "https")
        }),
        web("http_proxy", |to, limit, _| {
            let Kind::Http(probe) = page(to, limit, "http") else { panic!() };
            let url = "http://www.example.com/page".into();
            Kind::Http(Http { url, route: Route::Through(to), ..*probe }.into())
        }),
    ]
}

fn mail() -> Vec<Row> {
    let smtp = |name, kind| Row {
        wrong: (all(&[b"220 ready\r\n", b"451 not now\r\n"]), declined("451 not now")),
        garbage: garbled(r#""\x00\xff\x13garbage" is no reply"#),
        endless: vec![(0, b"2".to_vec(), long_line()), (1, b"250-more\r\n".to_vec(), too_much())],
        ..lines(name, &[b"220 ready\r\n", b"250-mail.example.com\r\n250 SIZE 1000\r\n"], kind)
    };
    let pop = || Row {
        wrong: (all(&[b"+OK\r\n", b"+OK\r\n", b"-ERR no\r\n"]), declined("-ERR no")),
        garbage: garbled(r#""\x00\xff\x13garbage" is neither +OK nor -ERR"#),
        ..lines("pop", &[b"+OK ready\r\n", b"+OK\r\n", b"+OK in\r\n"], |to, limit, _| {
            login(ServiceName::Pop, to, limit)
        })
    };
    let imap = || Row {
        wrong: (all(&[b"* OK ready\r\n", b"a1 NO no\r\n"]), declined("NO no")),
        garbage: garbled(r#""\x00\xff\x13garbage" is no greeting"#),
        endless: vec![(0, b"2".to_vec(), long_line()), (1, b"* 1 EXISTS\r\n".to_vec(), too_much())],
        ..lines("imap", &[b"* OK ready\r\n", b"* CAPABILITY IMAP4rev1\r\na1 OK in\r\n"], |to, limit, _| {
            login(ServiceName::Imap, to, limit)
        })
    };
    vec![
        smtp("smtp", |to, limit, _| boxed(talk(ServiceName::Smtp, to, limit))),
        smtp("submission", |to, limit, _| boxed(talk(ServiceName::Submission, to, limit))),
        pop(),
        with_tls("pops", pop(), |to, limit, _| login(ServiceName::Pops, to, limit)),
        imap(),
        with_tls("imaps", imap(), |to, limit, _| login(ServiceName::Imaps, to, limit)),
    ]
}

fn files_and_news() -> Vec<Row> {
    let ftp: [&[u8]; 3] = [b"220 ready\r\n", b"331 password\r\n", b"230-hello\r\n230 in\r\n"];
    vec![
        Row {
            wrong: (all(&[b"220 ready\r\n", b"530 no guests\r\n"]), declined("530 no guests")),
            garbage: garbled(r#""\x00\xff\x13garbage" is no reply"#),
            endless: vec![(0, b"2".to_vec(), long_line()), (1, b"331-more\r\n".to_vec(), too_much())],
            ..lines("ftp", &ftp, |to, limit, _| boxed(talk(ServiceName::Ftp, to, limit)))
        },
        Row {
            wrong: (all(&[b"400 full\r\n"]), declined("400 full")),
            garbage: garbled(r#""\x00\xff\x13garbage" is no greeting"#),
            ..lines("nntp", &[b"200 news.example.com\r\n"], |to, limit, _| {
                boxed(talk(ServiceName::Nntp, to, limit))
            })
        },
    ]
}

fn directories() -> Vec<Row> {
    use ldap::tests::{bound, done, entry, refused};
    let row = || Row {
        good: vec![says(""), says(bound()), says([entry("o=x"), done()].concat())],
        wrong: (vec![says(""), says(bound()), says(refused())], declined("unavailable (52): shutting down")),
        spoken: 1,
        garbage: garbled("not LDAP: \\x00\\xff"),
        endless: vec![(1, b"x".to_vec(), garbled("not LDAP: xx"))],
        ..lines("ldap", &[], |to, limit, _| {
            boxed(Dialogue { request: "o=x".into(), ..talk(ServiceName::Ldap, to, limit) })
        })
    };
    vec![
        row(),
        with_tls("ldaps", row(), |to, limit, _| {
            boxed(Dialogue { request: "o=x".into(), ..talk(ServiceName::Ldaps, to, limit) })
        }),
    ]
}

fn stores() -> Vec<Row> {
    vec![
        Row {
            has_tls: true,
            before_tls: mysql::BEFORE_TLS,
            said_before_tls: 1,
            good: vec![says(mysql::native()), says(mysql::ok()), says(mysql::rows(&[b"\x02up"]))],
            wrong: (
                vec![says(mysql::native()), says(mysql::ok()), says(mysql::rows(&[]))],
                end(Outcome::NoRow),
            ),
            garbage: garbled("a packet of 1310464 bytes"),
            endless: vec![(2, mysql::packet(1, b"\x03def"), too_much())],
            ..lines("mysql", &[], |to, limit, tls| {
                let dialogue = within(limit, &databases::dialogue(ServiceName::Mysql, to));
                boxed(Dialogue { tls_verify: tls.then_some(true), ..dialogue })
            })
        },
        Row {
            has_tls: true,
            before_tls: &[(b"", 8), (b"S", 0)],
            said_before_tls: 2,
            good: pgsql::words(pgsql::rows(&[pgsql::UP])).into_iter().map(says).collect(),
            wrong: (pgsql::words(pgsql::rows(&[])).into_iter().map(says).collect(), end(Outcome::NoRow)),
            spoken: 1,
            garbage: garbled(r#""\x00" where S or N says whether there is TLS"#),
            endless: vec![(2, pgsql::message(b'N', b"Mhello\0\0"), too_much())],
            ..lines("pgsql", &[], |to, limit, tls| {
                let dialogue = within(limit, &databases::dialogue(ServiceName::Pgsql, to));
                boxed(Dialogue { tls_verify: tls.then_some(true), ..dialogue })
            })
        },
    ]
}

fn plain_text() -> Vec<Row> {
    let row = || Row {
        wrong: (all(&[b"", b"first OK\n"]), no_match("first OK\\n")),
        half: [end(Outcome::Unfinished(SHORT)), no_match("first OK\\n")],
        spoken: 1,
        garbage: no_match(r"\x00\xff\x13garbage\r\n\r\n"),
        endless: vec![
            (1, b"2".to_vec(), no_match(&format!("{}...", "2".repeat(60)))),
            (1, b"third OK\n".to_vec(), no_match(&format!("{}third ...", r"third OK\n".repeat(6)))),
        ],
        ..lines("simpletcp", &[b"", b"first OK\nsecond OK\n"], |to, limit, _| {
            let Kind::SimpleTcp(probe) = simple(to, Some("^second OK$")) else { panic!() };
            Kind::SimpleTcp(SimpleTcp { timeout: limit, ..*probe }.into())
        })
    };
    let datagrams = by_datagrams("simpletcp by datagrams", row(), |to, limit, _| {
        let Kind::SimpleTcp(probe) = simple(to, Some("^second OK$")) else { panic!() };
        Kind::SimpleTcp(SimpleTcp { timeout: limit, udp: true, ..*probe }.into())
    });
    let cut = no_match("first OK\\n");
    // The first datagram is the answer.
    let endless = vec![(0, b"third OK\n".to_vec(), no_match("third OK\\n"))];
    vec![row(), Row { half: [cut.clone(), cut], endless, ..datagrams }]
}

/// Services whose answers repeat something of the request.
fn by_request() -> Vec<Row> {
    let made = |make: fn(&[u8]) -> Vec<u8>| -> Vec<Say> { vec![says(""), Arc::new(make)] };
    let stray = |why: &str| End::AtLimit(Outcome::Garbled(why.into()));
    let endless_datagrams = || vec![(0, GARBAGE.to_vec(), garbled("1000 datagrams without an answer"))];
    let dns = by_datagrams(
        "dns by datagrams",
        Row {
            good: made(|asked| dns::tests::answer(asked, RCODE::NoError, false)),
            wrong: (
                made(|asked| dns::tests::answer(asked, RCODE::ServerFailure, false)),
                declined("SERVFAIL: it has a problem of its own"),
            ),
            half: [stray("a message that is not DNS"), stray("a message that is not DNS")],
            garbage: stray("a message that is not DNS"),
            endless: endless_datagrams(),
            ..lines("", &[], |_, _, _| panic!())
        },
        |to, limit, _| boxed(within(limit, &dns::tests::ask_for("www.example.com", Some("192.0.2.8"), to))),
    );
    let dns_on_connections = Row {
        good: made(|asked| dns_message(asked, RCODE::NoError)),
        wrong: (
            made(|asked| dns_message(asked, RCODE::ServerFailure)),
            declined("SERVFAIL: it has a problem of its own"),
        ),
        spoken: 1,
        garbage: end(Outcome::Closed),
        endless: vec![(1, b"x".to_vec(), too_much())],
        ..lines("dns", &[], |to, limit, _| {
            let ask = dns::tests::ask_for("www.example.com", Some("192.0.2.8"), to);
            boxed(Dialogue { udp: false, ..within(limit, &ask) })
        })
    };
    let sip = Row {
        good: made(|asked| sip_answer(asked, "200 OK")),
        wrong: (made(|asked| sip_answer(asked, "503 Busy")), declined("503 Busy")),
        spoken: 1,
        garbage: garbled(r"not SIP: \x00\xff\x13garbage"),
        endless: vec![(1, b"SIP/2.0 100 Trying\r\n\r\n".to_vec(), too_much())],
        ..lines("sip", &[], |to, limit, _| boxed(within(limit, &sip::tests::ask(to, false))))
    };
    let sip_datagrams = by_datagrams(
        "sip by datagrams",
        Row {
            good: sip.good.clone(),
            wrong: (sip.wrong.0.clone(), sip.wrong.1.clone()),
            half: [stray("an answer to another request"), stray("an answer to another request")],
            garbage: stray("a message that is no answer of SIP"),
            endless: endless_datagrams(),
            ..lines("", &[], |_, _, _| panic!())
        },
        |to, limit, _| boxed(within(limit, &sip::tests::ask(to, true))),
    );
    let radius = by_datagrams(
        "radius",
        Row {
            good: made(|asked| radius::tests::accept(asked, true)),
            wrong: (made(radius::tests::reject), declined("Access-Reject")),
            half: [stray("a datagram that is not RADIUS"), stray("a datagram that is not RADIUS")],
            garbage: stray("a datagram that is not RADIUS"),
            endless: endless_datagrams(),
            ..lines("", &[], |_, _, _| panic!())
        },
        |to, limit, _| boxed(within(limit, &radius::tests::ask(to))),
    );
    vec![dns, dns_on_connections, sip, sip_datagrams, radius]
}

/// On a connection each message has its length before it.
fn dns_message(asked: &[u8], code: RCODE) -> Vec<u8> {
    let Some(question) = asked.get(2..) else { return vec![0; 2] };
    let answer = dns::tests::answer(question, code, false);
    [&u16::try_from(answer.len()).unwrap().to_be_bytes()[..], &answer].concat()
}

fn sip_answer(asked: &[u8], status: &str) -> Vec<u8> {
    sip::tests::answer(std::str::from_utf8(asked).unwrap(), status, "").into_bytes()
}

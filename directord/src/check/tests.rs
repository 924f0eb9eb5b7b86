//! Every check against real servers on 127.0.0.1 that answer well, badly, slowly, endlessly or not at all.

mod databases;
pub(super) mod dialogues;
mod limits;
mod matrix;
mod no_reply;
mod oracle;
mod perl;
mod proxy;
mod source_address;
mod talk;
mod tls;
mod web;

use super::*;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};

/// Long enough for a machine that compiles at the same time.
const LIMIT: Duration = Duration::from_secs(2);

/// Serves every connection with a function of it and of its number.
async fn serve<F, T>(server: F) -> SocketAddr
where
    F: Fn(TcpStream, usize) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        for number in 0.. {
            let Ok((stream, _)) = listener.accept().await else { return };
            tokio::spawn(server(stream, number));
        }
    });
    address
}

/// Reads a request's head, answers with these bytes, closes.
async fn answering(answer: &'static [u8]) -> SocketAddr {
    serve(move |mut stream, _| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(answer).await;
        let _ = stream.shutdown().await;
    })
    .await
}

async fn refusing() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn http(to: SocketAddr, receive: Option<&str>) -> Kind {
    let http = Http {
        url: format!("http://{to}/page"),
        route: Route::Resolved,
        host: Some("www.example.com".into()),
        head: false,
        receive: receive.map(|text| Pattern::new(text).unwrap()),
        tls_verify: true,
        timeout: LIMIT,
    };
    Kind::Http(http.into())
}

fn simple(to: SocketAddr, receive: Option<&str>) -> Kind {
    let simple = SimpleTcp {
        to,
        udp: false,
        request: "hello\n".into(),
        receive: receive.map(|text| Pattern::new(text).unwrap()),
        timeout: LIMIT,
    };
    Kind::SimpleTcp(simple.into())
}

/// Runs a check and sees that it kept its limit.
async fn outcome(kind: Kind) -> Outcome {
    let checked = Checker::new().run(&kind, &mut Memory::default()).await;
    assert!(checked.took <= kind.limit() + Duration::from_secs(10), "{kind:?} took {:?}", checked.took);
    checked.outcome
}

#[tokio::test]
async fn connect_says_open_or_refused() {
    let open = serve(|_, _| async {}).await;
    assert_eq!(outcome(Kind::Connect { to: open, timeout: LIMIT }).await, Outcome::Passed);
    let closed = refusing().await;
    assert_eq!(outcome(Kind::Connect { to: closed, timeout: LIMIT }).await, Outcome::Refused);
}

#[tokio::test]
async fn connect_to_a_full_backlog_runs_into_the_limit() {
    // A socket that listens but never accepts, its queue filled: the kernel drops further requests.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let to = socket.local_addr().unwrap().as_socket().unwrap();
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let client = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        client.set_nonblocking(true).unwrap();
        let _ = client.connect(&to.into());
        waiting.push(client);
    }
    assert_eq!(outcome(Kind::Connect { to, timeout: LIMIT }).await, Outcome::NotConnected(LIMIT));
    assert_eq!(outcome(http(to, None)).await, Outcome::NotConnected(LIMIT));
}

#[tokio::test]
async fn http_judges_status_and_body() {
    let ok = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nI am 1").await;
    assert_eq!(outcome(http(ok, None)).await, Outcome::Passed);
    assert_eq!(outcome(http(ok, Some(r"^I am \d$"))).await, Outcome::Passed);
    assert_eq!(outcome(http(ok, Some("I AM"))).await, Outcome::NoMatch("I am 1".into()));
    let empty = answering(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    assert_eq!(outcome(http(empty, None)).await, Outcome::Passed);
    let sick = answering(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(outcome(http(sick, Some("ok"))).await, Outcome::Status("503 Service Unavailable".into()));
    let chunked =
        answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n")
            .await;
    assert_eq!(outcome(http(chunked, Some("onetwo"))).await, Outcome::Passed);
    let old = answering(b"HTTP/1.0 200 OK\r\n\r\nold").await;
    assert_eq!(outcome(http(old, Some("^old$"))).await, Outcome::Passed);
}

#[tokio::test]
async fn http_sends_the_virtual_host_without_port_and_head_where_asked() {
    let echo = serve(|mut stream, _| async move {
        let mut request = vec![0; 4096];
        let read = stream.read(&mut request).await.unwrap_or(0);
        let body = String::from_utf8_lossy(&request[..read]).into_owned();
        let _ = stream
            .write_all(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).as_bytes())
            .await;
    })
    .await;
    assert_eq!(
        outcome(http(echo, Some(r"^GET /page HTTP/1.1\r\n(?s).*Host: www\.example\.com\r\n"))).await,
        Outcome::Passed
    );
    let Kind::Http(mut head) = http(echo, Some("x")) else { panic!() };
    head.head = true;
    assert_eq!(outcome(Kind::Http(head)).await, Outcome::NoMatch(String::new()));
}

#[tokio::test]
async fn http_servers_that_misbehave() {
    assert_eq!(outcome(http(refusing().await, None)).await, Outcome::Refused);
    let silent = serve(|stream, _| async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        drop(stream);
    })
    .await;
    assert_eq!(outcome(http(silent, None)).await, Outcome::Silent(LIMIT));
    let closing = answering(b"").await;
    assert_eq!(outcome(http(closing, None)).await, Outcome::Closed);
    let garbage = answering(b"\x00\xff\x13garbage\r\n\r\n").await;
    assert!(matches!(outcome(http(garbage, None)).await, Outcome::Garbled(_)));
    let half_head = answering(b"HTTP/1.1 200 OK\r\nContent-").await;
    assert!(!outcome(http(half_head, None)).await.passed());
    let not_tls = answering(b"HTTP/1.1 200 OK\r\n\r\n").await;
    let Kind::Http(mut https) = http(not_tls, None) else { panic!() };
    https.url = format!("https://{not_tls}/");
    assert!(matches!(outcome(Kind::Http(https)).await, Outcome::Tls(_)));
}

#[tokio::test]
async fn a_body_cut_off_is_judged_as_far_as_it_came() {
    let cut = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nok so far").await;
    assert_eq!(outcome(http(cut, Some("so far"))).await, Outcome::Passed);
    assert_eq!(outcome(http(cut, Some("further"))).await, Outcome::NoMatch("ok so far".into()));
}

#[tokio::test]
async fn slow_and_endless_bodies_end_at_limit_and_cap() {
    let slow = serve(|mut stream, _| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nok").await;
        for _ in 0..100 {
            tokio::time::sleep(Duration::from_millis(50)).await;
            if stream.write_all(b".").await.is_err() {
                return;
            }
        }
    })
    .await;
    assert_eq!(outcome(http(slow, Some("ok"))).await, Outcome::Unfinished(LIMIT));
    let slow_head = serve(|mut stream, _| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        for byte in b"HTTP/1.1 200 OK\r\nX-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    assert_eq!(outcome(http(slow_head, None)).await, Outcome::Unfinished(LIMIT));
    let sent = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&sent);
    let endless = serve(move |mut stream, _| {
        let counter = Arc::clone(&counter);
        async move {
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nbegin").await;
            while stream.write_all(&[b'x'; 65536]).await.is_ok() {
                counter.fetch_add(65536, Ordering::Relaxed);
            }
        }
    })
    .await;
    let Kind::Http(mut patient) = http(endless, Some("^begin")) else { panic!() };
    patient.timeout = Duration::from_secs(10);
    assert_eq!(outcome(Kind::Http(patient)).await, Outcome::Passed);
    assert!(sent.load(Ordering::Relaxed) < 16 << 20, "read far more than the cap");
}

#[tokio::test]
async fn a_redirect_to_a_silent_server_ends_in_silence() {
    let silent = serve(|stream, _| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let from = serve(move |mut stream, _| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let head = format!("HTTP/1.1 302 Found\r\nLocation: http://{silent}/\r\nContent-Length: 0\r\n\r\n");
        let _ = stream.write_all(head.as_bytes()).await;
    })
    .await;
    let Kind::Http(probe) = http(from, None) else { panic!() };
    let timeout = Duration::from_secs(2);
    assert_eq!(outcome(Kind::Http(Http { timeout, ..*probe }.into())).await, Outcome::Silent(timeout));
}

#[tokio::test]
async fn redirects_are_followed_to_the_end_but_not_for_ever() {
    let target = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nhere").await;
    let first = serve(move |mut stream, number| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let location = if number == 0 { "/again".to_owned() } else { format!("http://{target}/x") };
        let _ =
            stream.write_all(format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\n\r\n").as_bytes()).await;
    })
    .await;
    assert_eq!(outcome(http(first, Some("^here$"))).await, Outcome::Passed);
    let circle = answering(b"HTTP/1.1 302 Found\r\nLocation: /page\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(outcome(http(circle, None)).await, Outcome::Redirects("302 Found".into()));
    let nowhere = answering(b"HTTP/1.1 301 Moved Permanently\r\nLocation: ftp://x/\r\n\r\n").await;
    assert_eq!(outcome(http(nowhere, None)).await, Outcome::Status("301 Moved Permanently".into()));
}

#[tokio::test]
async fn simpletcp_reads_lines() {
    let server = answering(b"220 hello\nsecond OK\n").await;
    assert_eq!(outcome(simple(server, Some("^second OK$"))).await, Outcome::Passed);
    assert_eq!(outcome(simple(server, None)).await, Outcome::Passed);
    assert_eq!(
        outcome(simple(server, Some("^third"))).await,
        Outcome::NoMatch("220 hello\\nsecond OK\\n".into())
    );
    assert_eq!(outcome(simple(answering(b"").await, None)).await, Outcome::Closed);
    assert_eq!(outcome(simple(answering(b"no end of line").await, Some("line$"))).await, Outcome::Passed);
    assert_eq!(outcome(simple(refusing().await, None)).await, Outcome::Refused);
}

#[tokio::test]
async fn simpletcp_does_not_wait_for_a_server_that_keeps_the_connection() {
    let keeping = serve(|mut stream, _| async move {
        let mut request = String::new();
        let _ = stream.read_to_string(&mut request).await; // ends with our half close
        let _ = stream.write_all(request.to_uppercase().as_bytes()).await;
        tokio::time::sleep(Duration::from_secs(5)).await;
    })
    .await;
    assert_eq!(outcome(simple(keeping, Some("HELLO"))).await, Outcome::Passed);
    assert_eq!(outcome(simple(keeping, Some("other"))).await, Outcome::Unfinished(LIMIT));
}

#[tokio::test]
async fn simpletcp_over_udp() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let to = socket.local_addr().unwrap();
    let server = tokio::spawn(async move {
        let mut buffer = [0; 64];
        for _ in 0..2 {
            let (_, from) = socket.recv_from(&mut buffer).await.unwrap();
            socket.send_to(b"one\ntwo\n", from).await.unwrap();
        }
    });
    let udp = |receive| match simple(to, Some(receive)) {
        Kind::SimpleTcp(simple) => Kind::SimpleTcp(SimpleTcp { udp: true, ..*simple }.into()),
        other => other,
    };
    assert_eq!(outcome(udp("^two$")).await, Outcome::Passed);
    assert_eq!(outcome(udp("three")).await, Outcome::NoMatch("one\\ntwo\\n".into()));
    server.await.unwrap();
    assert_eq!(outcome(udp("two")).await, Outcome::Refused);
}

#[tokio::test]
async fn external_programs_end_in_every_way() {
    let external = |script: &str| Kind::External {
        command: ["/bin/sh", "-c", script, "sh", "192.0.2.1", "80", "192.0.2.2", "8080"]
            .map(str::to_owned)
            .into(),
        timeout: LIMIT,
        weighs: false,
    };
    assert_eq!(
        outcome(external(r#"[ "$1 $2 $3 $4" = "192.0.2.1 80 192.0.2.2 8080" ]"#)).await,
        Outcome::Passed
    );
    assert_eq!(outcome(external("exit 3")).await, Outcome::Exited(3));
    assert_eq!(outcome(external("kill -9 $$")).await, Outcome::Killed(9));
    assert_eq!(outcome(external("sleep 60 & sleep 60")).await, Outcome::Overran(LIMIT));
    assert_eq!(outcome(external("yes")).await, Outcome::Overran(LIMIT));
    let missing = Kind::External { command: vec!["/nonexistent/check".into()], timeout: LIMIT, weighs: true };
    assert!(matches!(outcome(missing).await, Outcome::NotStarted(_)));
    let weighing = |script: &str| match external(script) {
        Kind::External { command, .. } => Kind::External { command, timeout: 10 * LIMIT, weighs: true },
        other => other,
    };
    assert_eq!(outcome(weighing("echo fine; echo weight 12")).await, Outcome::PassedWith(12));
    assert_eq!(outcome(weighing("echo weight 12; exit 1")).await, Outcome::Exited(1));
    assert_eq!(outcome(weighing("echo fine")).await, Outcome::NoWeight("fine".into()));
}

#[tokio::test]
async fn combined_checks_negotiate_first_and_after_every_failure() {
    let requests = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&requests);
    let server = serve(move |mut stream, _| {
        let counter = Arc::clone(&counter);
        async move {
            if stream.read(&mut [0; 4096]).await.unwrap_or(0) > 0 {
                counter.fetch_add(1, Ordering::SeqCst);
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            }
        }
    })
    .await;
    let connect = Kind::Connect { to: server, timeout: LIMIT };
    let kind =
        Kind::Combined { connects: 2, connect: connect.into(), negotiate: http(server, Some("ok")).into() };
    let (checker, mut memory) = (Checker::new(), Memory::default());
    let mut seen = Vec::new();
    for _ in 0..5 {
        assert!(checker.run(&kind, &mut memory).await.outcome.passed());
        seen.push(requests.load(Ordering::SeqCst));
    }
    assert_eq!(seen, [1, 1, 1, 2, 2]);
    let gone = Kind::Connect { to: refusing().await, timeout: LIMIT };
    let kind =
        Kind::Combined { connects: 2, connect: gone.into(), negotiate: http(server, Some("ok")).into() };
    assert!(!checker.run(&kind, &mut memory).await.outcome.passed());
    assert!(
        checker.run(&kind, &mut memory).await.outcome.passed(),
        "a failed connect makes the next one negotiate"
    );
}

#[tokio::test]
async fn ping_both_families_many_at_once() {
    let checker = Checker::new();
    let ping = |to: &str| Kind::Ping { to: to.parse::<IpAddr>().unwrap(), attempts: 1, timeout: LIMIT };
    for to in ["127.0.0.1", "127.0.0.9", "::1"] {
        assert_eq!(checker.run(&ping(to), &mut Memory::default()).await.outcome, Outcome::Passed, "{to}");
    }
    let kind = ping("127.0.0.2");
    let runs = (0..300).map(|_| async { checker.run(&kind, &mut Memory::default()).await.outcome.passed() });
    assert!(futures_util::future::join_all(runs).await.into_iter().all(|passed| passed));
}

/// Thousands run at the same time when servers hang.
#[test]
fn a_running_check_takes_little_room() {
    let checker = Checker::new();
    let to = SocketAddr::from(([192, 0, 2, 10], 80));
    let kinds = [(Kind::Connect { to, timeout: Duration::from_secs(1) }, 1_500), (http(to, None), 1_500)];
    for (kind, limit) in kinds {
        let mut memory = Memory::default();
        let waiting = size_of_val(&checker.run_from(None, &kind, &mut memory));
        assert!(waiting <= limit, "{kind:?}: {waiting} bytes beside a check that runs");
        let talking = size_of_val(&checker.talk(&kind, &mut memory));
        assert!(talking <= limit, "{kind:?}: {talking} bytes");
    }
    let Kind::Http(probe) = http(to, None) else { panic!() };
    let (turn, mut status) = (pattern::Turn::default(), None);
    let size = size_of_val(&super::http::check(&checker, &probe, &turn, &mut status));
    assert!(size <= 6_000, "{size} bytes");
}

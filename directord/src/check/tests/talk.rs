//! The services that talk in lines, against servers that say what a test tells them to.

mod ftp;
mod mail;

use super::dialogues::{SHORT, dialogue};
use super::*;
use std::sync::Mutex;

const SERVICES: [ServiceName; 6] = [
    ServiceName::Smtp,
    ServiceName::Submission,
    ServiceName::Pop,
    ServiceName::Imap,
    ServiceName::Nntp,
    ServiceName::Ftp,
];
/// For checks that end by themselves: never reached.
const LONG: Duration = Duration::from_secs(60);

fn with_login(service: ServiceName, to: SocketAddr, login: &str, password: &str) -> Dialogue {
    Dialogue { login: login.into(), password: Secret::new(password), ..dialogue(service, to) }
}

async fn run(dialogue: Dialogue) -> Outcome {
    Checker::new().run(&Kind::Dialogue(dialogue.into()), &mut Memory::default()).await.outcome
}

/// A server that answers lines.
struct Server {
    to: SocketAddr,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Greets, then answers every line with the first rule whose beginning it has. An answer that begins with `!` is
    /// the last one: then the connection is closed.
    async fn start(greeting: &str, rules: &[(&str, &str)]) -> Server {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let rules: Arc<[(String, String)]> =
            rules.iter().map(|(line, answer)| ((*line).to_owned(), (*answer).to_owned())).collect();
        let greeting: Arc<str> = greeting.into();
        let log = Arc::clone(&heard);
        let to = serve(move |stream, _| {
            let (greeting, rules, log) = (Arc::clone(&greeting), Arc::clone(&rules), Arc::clone(&log));
            async move {
                let _ = talk(stream, &greeting, &rules, &log).await;
            }
        })
        .await;
        Server { to, heard }
    }

    /// Waits until it has heard a line that begins so, which is the last one; all lines then.
    async fn heard_until(&self, last: &str) -> Vec<String> {
        for _ in 0..3000 {
            let heard = self.heard.lock().unwrap().clone();
            if heard.last().is_some_and(|line| line.starts_with(last)) {
                return heard;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no {last} in {:?}", self.heard.lock().unwrap());
    }
}

async fn talk(
    mut stream: TcpStream,
    greeting: &str,
    rules: &[(String, String)],
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    stream.write_all(greeting.as_bytes()).await?;
    let mut line = Vec::new();
    loop {
        match stream.read_u8().await? {
            b'\n' => {}
            byte => {
                line.push(byte);
                continue;
            }
        }
        let text = String::from_utf8_lossy(&std::mem::take(&mut line)).trim_end_matches('\r').to_owned();
        log.lock().unwrap().push(text.clone());
        let rule = rules.iter().find(|(beginning, _)| text.starts_with(beginning.as_str()));
        let (_, answer) = rule.unwrap_or_else(|| panic!("no rule for {text}"));
        stream.write_all(answer.trim_start_matches('!').as_bytes()).await?;
        if answer.starts_with('!') {
            return stream.shutdown().await;
        }
    }
}

/// What every service says to servers that are no servers of it.
#[tokio::test]
async fn servers_that_misbehave_from_the_beginning() {
    let closed = nobody();
    let closing = answering_at_once(b"").await;
    let half = answering_at_once(b"220 hel").await;
    let garbage = answering_at_once(b"\x00\xff\x16\x03\x01 garbage\r\n").await;
    let web = answering_at_once(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let endless_line = endless(b"2".repeat(65536)).await;
    for service in SERVICES {
        let name = service.name();
        assert_eq!(run(dialogue(service, closed)).await, Outcome::Refused, "{name}");
        assert_eq!(run(dialogue(service, closing)).await, Outcome::Closed, "{name}");
        assert_eq!(run(dialogue(service, half)).await, Outcome::Closed, "{name}");
        for strange in [garbage, web, endless_line] {
            let outcome = run(dialogue(service, strange)).await;
            assert!(matches!(outcome, Outcome::Garbled(_)), "{name}: {outcome:?}");
        }
    }
}

#[tokio::test]
async fn endless_answers_end_at_the_cap() {
    let numbered = endless(b"220-and so on\r\n".repeat(4096)).await;
    for service in [ServiceName::Smtp, ServiceName::Submission, ServiceName::Ftp] {
        let outcome = run(dialogue(service, numbered)).await;
        assert!(matches!(&outcome, Outcome::Garbled(why) if why.contains("bytes")), "{outcome:?}");
    }
    let imap = endless([b"* OK hello\r\n".to_vec(), b"* 1 EXISTS\r\n".repeat(4096)].concat()).await;
    let outcome = run(with_login(ServiceName::Imap, imap, "joe", "x")).await;
    assert!(matches!(&outcome, Outcome::Garbled(why) if why.contains("bytes")), "{outcome:?}");
}

#[tokio::test]
async fn silence_and_half_lines_last_until_the_limit() {
    let silent = holding(b"").await;
    let half = holding(b"220 hel").await;
    let runs = SERVICES.into_iter().flat_map(|service| [(service, silent), (service, half)]);
    let runs = runs.map(|(service, to)| async move {
        let limits = Dialogue { check_timeout: SHORT, timeout: SHORT, ..dialogue(service, to) };
        (service, to, run(limits).await)
    });
    for (service, to, outcome) in futures_util::future::join_all(runs).await {
        let expected = if to == silent { Outcome::Silent(SHORT) } else { Outcome::Unfinished(SHORT) };
        assert_eq!(outcome, expected, "{}", service.name());
    }
}

#[tokio::test]
async fn the_limit_is_for_the_whole_not_for_each_step() {
    // Every byte comes well within the limit, the last one of the line never does.
    let drip = serve(|mut stream, _| async move {
        while stream.write_all(b"2").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let limits = Dialogue { check_timeout: SHORT, timeout: SHORT, ..dialogue(ServiceName::Smtp, drip) };
    assert_eq!(run(limits).await, Outcome::Unfinished(SHORT));
}

/// An address where nobody listens, and nobody else will: the port stays taken.
pub(super) fn nobody() -> SocketAddr {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    std::mem::forget(socket);
    address
}

/// Says this as soon as somebody connects, and closes.
pub(super) async fn answering_at_once(answer: &'static [u8]) -> SocketAddr {
    serve(move |mut stream, _| async move {
        let _ = stream.write_all(answer).await;
        let _ = stream.shutdown().await;
        let _ = stream.read_to_end(&mut Vec::new()).await; // a close before all is read would be a reset
    })
    .await
}

/// Says this as soon as somebody connects, and keeps the connection.
pub(super) async fn holding(answer: &'static [u8]) -> SocketAddr {
    serve(move |mut stream, _| async move {
        let _ = stream.write_all(answer).await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await
}

/// Says this again and again.
pub(super) async fn endless(answer: Vec<u8>) -> SocketAddr {
    let answer: Arc<[u8]> = answer.into();
    serve(move |mut stream, _| {
        let answer = Arc::clone(&answer);
        async move { while stream.write_all(&answer).await.is_ok() {} }
    })
    .await
}

/// Passes on what a server says, a byte at a time.
pub(super) async fn slowly(server: SocketAddr) -> SocketAddr {
    serve(move |stream, _| async move {
        let Ok(behind) = TcpStream::connect(server).await else { return };
        let (mut from_client, mut to_client) = stream.into_split();
        let (mut from_server, mut to_server) = behind.into_split();
        tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
        while let Ok(byte) = from_server.read_u8().await {
            if to_client.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await
}

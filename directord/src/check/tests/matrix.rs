//! Every service in every way in which a server can behave: one row of [`rows::rows`] for each service and transport, one
//! field of it for each way. A row without a field is not compiled, a service without a row is a failure.

mod rows;

use super::dialogues::PATIENT;
use super::talk::nobody;
use super::*;
use openssl::ssl::SslVersion;
use rows::{Row, rows};
use tokio::io::{AsyncRead, AsyncWrite};

/// For what runs into it.
const SHORT: Duration = Duration::from_secs(5);

/// What a server says next, made from what it has heard last.
type Say = Arc<dyn Fn(&[u8]) -> Vec<u8> + Send + Sync>;

/// How a check must end.
#[derive(Clone, Debug)]
enum End {
    Exactly(Outcome),
    /// At the limit, with what was wrong until then.
    AtLimit(Outcome),
    /// In TLS, with these words among the reasons.
    Tls(&'static str),
}

impl End {
    /// The limit of the check: short if it is to run into it.
    fn limit(&self) -> Duration {
        match self {
            End::Exactly(Outcome::Silent(limit) | Outcome::Unfinished(limit)) => *limit,
            End::AtLimit(_) => SHORT,
            _ => PATIENT,
        }
    }

    fn is(&self, outcome: &Outcome) -> bool {
        match (self, outcome) {
            (End::Exactly(expected) | End::AtLimit(expected), outcome) => expected == outcome,
            (End::Tls(words), Outcome::Tls(why)) => why.contains(words),
            _ => false,
        }
    }
}

/// What a server does, in this order.
#[derive(Clone)]
struct Act {
    /// In plain text before TLS: it says this, then hears so many bytes.
    before_tls: &'static [(&'static [u8], usize)],
    tls: Option<tokio_native_tls::TlsAcceptor>,
    /// It says the first, hears something, says the next.
    parts: Vec<Say>,
    /// The last part breaks off in its middle.
    half: bool,
    /// Byte by byte.
    slow: bool,
    then: Then,
}

#[derive(Clone)]
enum Then {
    Hold,
    Close,
    /// Says this for ever.
    Repeat(Vec<u8>),
}

impl Act {
    async fn start(self) -> SocketAddr {
        serve(move |stream, _| self.clone().run(stream)).await
    }

    async fn run(self, mut stream: TcpStream) {
        let _ = stream.set_nodelay(true);
        for (words, length) in self.before_tls {
            let said = stream.write_all(words).await;
            if said.is_err() || stream.read_exact(&mut vec![0; *length]).await.is_err() {
                return;
            }
        }
        match &self.tls {
            None => self.play(stream).await,
            Some(tls) => {
                if let Ok(stream) = tls.accept(stream).await {
                    self.play(stream).await;
                }
            }
        }
    }

    async fn play(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        let mut heard = vec![0; 4096];
        let (mut length, mut mute) = (0, true);
        for (number, say) in self.parts.iter().enumerate() {
            if number > 0 {
                length = stream.read(&mut heard).await.unwrap_or(0);
                if length == 0 {
                    return;
                }
            }
            let mut words = say(&heard[..length]);
            mute = words.is_empty();
            if self.half && number + 1 == self.parts.len() {
                words.truncate(words.len() / 2);
            }
            for piece in words.chunks(if self.slow { 1 } else { words.len().max(1) }) {
                if stream.write_all(piece).await.is_err() || stream.flush().await.is_err() {
                    return;
                }
                if self.slow {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
        }
        match &self.then {
            Then::Hold => std::future::pending().await,
            // Reading on keeps the close from becoming a reset.
            Then::Close => {
                let _ = stream.shutdown().await;
                while stream.read(&mut heard).await.is_ok_and(|read| read > 0) {}
            }
            // It may be the client who speaks first.
            Then::Repeat(_) if mute && self.parts.len() == 1 && stream.read(&mut heard).await.is_err() => {}
            Then::Repeat(words) => while stream.write_all(words).await.is_ok() {},
        }
    }
}

/// A port for datagrams that is taken, but not by somebody who receives ours.
async fn refusing_datagrams() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect("127.0.0.1:1").await.unwrap();
    let address = socket.local_addr().unwrap();
    std::mem::forget(socket.into_std().unwrap());
    address
}

/// Answers every datagram with what these make of it, so many times.
async fn answering_datagrams(say: Option<Say>, half: bool, times: usize, delay: Duration) -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut heard = vec![0; 65536];
        while let Ok((length, from)) = socket.recv_from(&mut heard).await {
            let Some(say) = &say else { continue };
            let mut words = say(&heard[..length]);
            if half {
                words.truncate(words.len() / 2);
            }
            tokio::time::sleep(delay).await;
            for number in 1..=times {
                let _ = socket.send_to(&words, from).await;
                if number % 50 == 0 {
                    tokio::time::sleep(Duration::from_millis(1)).await; // a full buffer would drop the others
                }
            }
        }
    });
    address
}

const GARBAGE: &[u8] = b"\x00\xff\x13garbage\r\n\r\n";

/// A server's address, and how its check must end.
type Case = (&'static str, SocketAddr, End);

async fn cases_of_datagrams(row: &Row) -> Vec<Case> {
    let good = row.good.last().cloned();
    let wrong = row.wrong.0.last().cloned();
    let at_once = Duration::ZERO;
    let garbage: Say = Arc::new(|_| GARBAGE.to_vec());
    let mut cases = vec![
        ("up", answering_datagrams(good.clone(), false, 1, at_once).await, passed()),
        ("wrong answer", answering_datagrams(wrong, false, 1, at_once).await, row.wrong.1.clone()),
        ("refused", refusing_datagrams().await, End::Exactly(Outcome::Refused)),
        ("silent", answering_datagrams(None, false, 1, at_once).await, End::Exactly(Outcome::Silent(SHORT))),
        ("half", answering_datagrams(good.clone(), true, 1, at_once).await, row.half[0].clone()),
        ("garbage", answering_datagrams(Some(garbage), false, 1, at_once).await, row.garbage.clone()),
        ("slow", answering_datagrams(good, false, 1, Duration::from_millis(100)).await, passed()),
    ];
    for (_, words, end) in &row.endless {
        let words = words.clone();
        let endless: Say = Arc::new(move |_| words.clone());
        cases.push(("endless", answering_datagrams(Some(endless), false, 2000, at_once).await, end.clone()));
    }
    cases
}

async fn cases_of_connections(row: &Row, tls: Option<tokio_native_tls::TlsAcceptor>) -> Vec<Case> {
    let good =
        Act { before_tls: &[], tls, parts: row.good.clone(), half: false, slow: false, then: Then::Hold };
    let silence: Say = Arc::new(|_| Vec::new());
    let mut strange = row.good.clone();
    strange.truncate(row.spoken);
    strange.push(Arc::new(|_| GARBAGE.to_vec()));
    let closing = Act { then: Then::Close, ..good.clone() };
    let wrong = Act { parts: row.wrong.0.clone(), ..closing.clone() };
    let silent = Act { parts: vec![silence], ..good.clone() };
    let mut cases = vec![
        ("up", good.clone().start().await, passed()),
        ("wrong answer", wrong.start().await, row.wrong.1.clone()),
        ("refused", nobody(), End::Exactly(Outcome::Refused)),
        ("silent", silent.start().await, End::Exactly(Outcome::Silent(SHORT))),
        ("half", Act { half: true, ..good.clone() }.start().await, row.half[0].clone()),
        ("half, then closed", Act { half: true, ..closing.clone() }.start().await, row.half[1].clone()),
        ("garbage", Act { parts: strange, ..closing }.start().await, row.garbage.clone()),
        ("slow", Act { slow: true, ..good.clone() }.start().await, passed()),
    ];
    for (parts, words, end) in &row.endless {
        let parts = row.good.iter().take(*parts).cloned().collect();
        let many = words.repeat(8192 / words.len());
        let endless = Act { parts, then: Then::Repeat(many), ..good.clone() };
        cases.push(("endless", endless.start().await, end.clone()));
    }
    cases
}

/// The certificates of a server that is checked with TLS.
async fn cases_of_certificates(row: &Row, authority: &tls::Identity) -> Vec<Case> {
    let before_tls = row.before_tls;
    let stranger = tls::Identity::new("stranger", [-1, 2], None);
    let signed = |name, days, signer| tls::Identity::new(name, days, Some(signer));
    // What a database's server greets with, it says before TLS; then it waits.
    let mut parts: Vec<Say> = row.good.iter().skip(row.said_before_tls).cloned().collect();
    if row.said_before_tls > 0 {
        parts.insert(0, Arc::new(|_| Vec::new()));
    }
    let with = |identity: &tls::Identity| Act {
        before_tls,
        tls: Some(acceptor(identity)),
        parts: parts.clone(),
        half: false,
        slow: false,
        then: Then::Hold,
    };
    let good = with(&signed(tls::NAME, [-1, 2], authority));
    let unknown = with(&signed(tls::NAME, [-1, 2], &stranger));
    let expired = with(&signed(tls::NAME, [-3, -1], authority));
    let other = with(&signed("other.example.net", [-1, 2], authority));
    let behind = tls::start(&signed(tls::NAME, [-1, 2], authority), None, Some(SslVersion::TLS1_1));
    let old = serve(move |mut stream, _| async move {
        for (words, length) in before_tls {
            let said = stream.write_all(words).await;
            if said.is_err() || stream.read_exact(&mut vec![0; *length]).await.is_err() {
                return;
            }
        }
        let Ok(mut behind) = TcpStream::connect(behind).await else { return };
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
    })
    .await;
    vec![
        ("TLS", good.start().await, passed()),
        ("TLS, unknown authority", unknown.start().await, End::Tls("unable to get local issuer certificate")),
        ("TLS, expired", expired.start().await, End::Tls("certificate has expired")),
        ("TLS, other name", other.start().await, passed()),
        // Which words, depends on the version of OpenSSL.
        ("TLS 1.1", old, End::Tls("")),
    ]
}

fn passed() -> End {
    End::Exactly(Outcome::Passed)
}

fn acceptor(identity: &tls::Identity) -> tokio_native_tls::TlsAcceptor {
    let key = identity.key.private_key_to_pem_pkcs8().unwrap();
    let certificate = identity.certificate.to_pem().unwrap();
    let identity = native_tls::Identity::from_pkcs8(&certificate, &key).unwrap();
    native_tls::TlsAcceptor::new(identity).unwrap().into()
}

#[tokio::test]
async fn every_service_in_every_way() {
    let authority = tls::Identity::new("authority", [-9, 9], None);
    let identity = tls::Identity::new(tls::NAME, [-1, 2], Some(&authority));
    let checker = Checker::new();
    let _ = checker.verifying.set(tls::trusting(&authority));
    let checker = &checker;
    let rows = rows();
    // Those of endless answers would leave no time for those that run into a limit.
    let (mut short, mut long) = (Vec::new(), Vec::new());
    for row in &rows {
        let tls = row.tls_first.then(|| acceptor(&identity));
        let plain = match row.udp {
            true => cases_of_datagrams(row).await,
            false => cases_of_connections(row, tls).await,
        };
        let certificates = match row.has_tls {
            true => cases_of_certificates(row, &authority).await,
            false => Vec::new(),
        };
        let cases = plain.into_iter().map(|case| (case, row.tls_first));
        for ((way, to, end), tls) in cases.chain(certificates.into_iter().map(|case| (case, true))) {
            let kind = (row.kind)(to, end.limit(), tls);
            let runs = if end.limit() == SHORT { &mut short } else { &mut long };
            runs.push(async move {
                let outcome = checker.run(&kind, &mut Memory::default()).await.outcome;
                (!end.is(&outcome)).then(|| format!("{}, {way}: {outcome:?} instead of {end:?}", row.name))
            });
        }
    }
    let short = futures_util::future::join_all(short).await;
    let long = futures_util::future::join_all(long).await;
    let wrong: Vec<String> = short.into_iter().chain(long).flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// All services but those without a server (`none`) and without a protocol of ours (`oracle`: a script, see its test).
#[test]
fn every_service_has_its_row() {
    let rows = rows();
    for name in ServiceName::NAMES.iter().filter(|name| !matches!(**name, "none" | "oracle")) {
        let own: Vec<&Row> = rows.iter().filter(|row| row.name.split(' ').next() == Some(name)).collect();
        assert!(!own.is_empty(), "no row for {name}");
        let both = matches!(*name, "dns" | "sip" | "simpletcp");
        let datagrams = own.iter().any(|row| row.udp);
        assert_eq!(datagrams, both || *name == "radius", "{name}");
        assert_eq!(own.iter().any(|row| !row.udp), *name != "radius", "{name}");
        let may = matches!(*name, "https" | "imaps" | "pops" | "ldaps" | "mysql" | "pgsql");
        assert!(own.iter().all(|row| row.has_tls == may), "{name}");
    }
    assert!(rows.iter().all(|row| !row.endless.is_empty()), "a row without an endless answer");
}

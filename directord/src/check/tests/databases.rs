//! MySQL and PostgreSQL servers that say what they should not. The real ones are in tests/servers.

use super::*;
use crate::config::model::ServiceName::{self, Mysql, Pgsql};
use std::sync::LazyLock;

/// Long enough for whatever answers.
const PATIENT: Duration = Duration::from_secs(30);

pub(super) fn dialogue(service: ServiceName, to: SocketAddr) -> Dialogue {
    Dialogue {
        service,
        to,
        udp: false,
        login: "checker".into(),
        password: Secret::new("secret"),
        database: "shop".into(),
        secret: Secret::default(),
        request: "SELECT state FROM nodes".into(),
        receive: None,
        virtual_host: None,
        tls_verify: None,
        check_timeout: Duration::from_secs(1),
        timeout: PATIENT,
    }
}

/// Runs a check. All share the certificates, which take long to read.
async fn outcome(kind: Kind) -> Outcome {
    static CHECKER: LazyLock<Checker> = LazyLock::new(Checker::new);
    CHECKER.run(&kind, &mut Memory::default()).await.outcome
}

/// What comes of a check of a server.
async fn of(service: ServiceName, to: SocketAddr) -> Outcome {
    outcome(Kind::Dialogue(Box::new(dialogue(service, to)))).await
}

/// The same with a limit of a second, for a server that never comes to an end.
async fn at_the_limit(service: ServiceName, to: SocketAddr) -> Outcome {
    outcome(Kind::Dialogue(Box::new(Dialogue { timeout: LIMIT, ..dialogue(service, to) }))).await
}

async fn matching(service: ServiceName, to: SocketAddr, receive: &str) -> Outcome {
    let receive = Some(Pattern::new(receive).unwrap());
    outcome(Kind::Dialogue(Box::new(Dialogue { receive, ..dialogue(service, to) }))).await
}

/// How a server behaves between its words.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    /// It says the last of them and waits.
    Waiting,
    /// It closes after the last.
    Closing,
    /// It says the last again and again.
    Endless,
    /// It says them byte by byte.
    Slow,
}

/// Says something, hears something, says the next. PostgreSQL's clients speak first: say nothing first.
async fn saying(way: Way, words: Vec<Vec<u8>>) -> SocketAddr {
    serve(move |stream, _| say(stream, way, words.clone())).await
}

async fn say(mut stream: TcpStream, way: Way, words: Vec<Vec<u8>>) {
    let mut heard = [0; 4096];
    let last = words.last().cloned().unwrap_or_default();
    let count = words.len();
    for (number, words) in words.into_iter().enumerate() {
        for byte_or_all in words.chunks(if way == Way::Slow { 1 } else { words.len().max(1) }) {
            if stream.write_all(byte_or_all).await.is_err() {
                return;
            }
            if way == Way::Slow {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        if number + 1 < count && stream.read(&mut heard).await.is_ok_and(|read| read == 0) {
            return;
        }
    }
    match way {
        Way::Closing => {}
        Way::Endless => while stream.write_all(&last).await.is_ok() {},
        Way::Waiting | Way::Slow => while stream.read(&mut heard).await.is_ok_and(|read| read > 0) {},
    }
}

/// Every way to misbehave that has nothing to do with the protocol. `words` end with the answer to the query.
async fn misbehaves_in_every_way(service: ServiceName, words: &[Vec<u8>]) {
    assert_eq!(of(service, refusing().await).await, Outcome::Refused);
    let silent = saying(Way::Waiting, vec![vec![]]).await;
    assert_eq!(at_the_limit(service, silent).await, Outcome::Silent(LIMIT));
    let closing = saying(Way::Closing, vec![vec![]]).await;
    assert!(matches!(of(service, closing).await, Outcome::Closed | Outcome::Reset));
    assert_eq!(of(service, saying(Way::Slow, words.to_vec()).await).await, Outcome::Passed);
    for count in 1..words.len() {
        let mute = saying(Way::Waiting, words[..count].to_vec()).await;
        let ended = at_the_limit(service, mute).await;
        assert!(matches!(ended, Outcome::Unfinished(LIMIT) | Outcome::Silent(LIMIT)), "{count}: {ended:?}");
        let mut half = words[..=count].to_vec();
        half[count].truncate(3);
        let ended = of(service, saying(Way::Closing, half).await).await;
        assert!(matches!(ended, Outcome::Closed | Outcome::Reset), "{count}: {ended:?}");
    }
    for garbage in
        [&b"HTTP/1.1 400 Bad Request\r\n\r\nthis is no database, and says so at length"[..], &[0xff; 90]]
    {
        for count in 1..words.len() {
            let mut said = words[..count].to_vec();
            said.push(garbage.to_vec());
            let ended = of(service, saying(Way::Closing, said).await).await;
            assert!(!ended.passed(), "{count}: {ended:?}");
            assert!(!matches!(ended, Outcome::NotRun(_)), "{count}: {ended:?}");
        }
    }
}

pub(super) mod mysql {
    use super::*;

    pub(in crate::check::tests) fn packet(number: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
        [&length[..3], &[number], payload].concat()
    }

    /// A greeting that offers TLS, and the length of the packet that asks for it.
    pub(in crate::check::tests) const BEFORE_TLS: &[(&[u8], usize)] = &[(
        b"\x51\0\0\0\x0a10.11.19-test\0\x2a\0\0\x0012345678\0\xfe\xff\x21\x02\0\xff\x81\x15\0\0\0\0\0\0\0\0\0\0\
          123456789012\0mysql_native_password\0",
        36,
    )];

    /// As MariaDB sends it, without TLS.
    fn greeting(method: &str) -> Vec<u8> {
        let head =
            b"\x0a10.11.19-test\0\x2a\0\0\x0012345678\0\xfe\xf7\x21\x02\0\xff\x81\x15\0\0\0\0\0\0\0\0\0\0";
        packet(0, &[&head[..], b"123456789012\0", method.as_bytes(), b"\0"].concat())
    }

    pub(in crate::check::tests) fn ok() -> Vec<u8> {
        packet(2, &[0, 0, 0, 2, 0, 0, 0])
    }

    /// One column, and these rows.
    pub(in crate::check::tests) fn rows(rows: &[&[u8]]) -> Vec<u8> {
        let end = [0xfe, 0, 0, 2, 0];
        let mut all =
            [packet(1, &[1]), packet(2, b"\x03defthe rest is not looked at"), packet(3, &end)].concat();
        for (number, row) in (4..).zip(rows.iter().copied().chain([&end[..]])) {
            all.extend(packet(number, row));
        }
        all
    }

    pub(in crate::check::tests) fn native() -> Vec<u8> {
        greeting("mysql_native_password")
    }

    async fn answering(answer: Vec<u8>) -> SocketAddr {
        saying(Way::Waiting, vec![native(), ok(), answer]).await
    }

    #[tokio::test]
    async fn a_row_is_needed_and_one_of_its_values_must_match() {
        let good = answering(rows(&[b"\x02up\xfb\x05third", b"\x04down"])).await;
        assert_eq!(of(Mysql, good).await, Outcome::Passed);
        assert_eq!(matching(Mysql, good, "^third$").await, Outcome::Passed);
        assert_eq!(matching(Mysql, good, "down").await, Outcome::NoMatch("up, third".into()));
        assert_eq!(of(Mysql, answering(rows(&[])).await).await, Outcome::NoRow);
        assert_eq!(of(Mysql, answering(packet(1, &[0, 0, 0, 2, 0, 0, 0])).await).await, Outcome::NoRow);
        assert_eq!(Outcome::NoRow.to_string(), "the query gives no row");
    }

    #[tokio::test]
    async fn errors_at_every_point_are_shown_in_the_servers_words() {
        let error = |number, code: u16, words: &str| {
            packet(number, &[&[0xff][..], &code.to_le_bytes(), words.as_bytes()].concat())
        };
        let early = saying(Way::Closing, vec![error(0, 1040, "Too many connections")]).await;
        assert_eq!(of(Mysql, early).await, Outcome::Declined("Too many connections (error 1040)".into()));
        let denied = error(2, 1045, "#28000Access denied");
        let login = saying(Way::Closing, vec![native(), denied]).await;
        assert_eq!(of(Mysql, login).await, Outcome::Declined("Access denied (error 1045)".into()));
        let query = answering(error(1, 1146, "#42S02No such table")).await;
        assert_eq!(of(Mysql, query).await, Outcome::Declined("No such table (error 1146)".into()));
        let late = rows(&[]);
        let late = [&late[..late.len() - 9], &error(4, 1317, "#70100Interrupted")].concat();
        assert_eq!(
            of(Mysql, answering(late).await).await,
            Outcome::Declined("Interrupted (error 1317)".into())
        );
        let other = packet(2, b"\xfeclient_ed25519\x0012345678901234567890123456789012");
        let unknown = of(Mysql, saying(Way::Waiting, vec![native(), other]).await).await;
        assert!(
            matches!(&unknown, Outcome::Declined(words) if words.contains("client_ed25519")),
            "{unknown:?}"
        );
    }

    #[tokio::test]
    async fn servers_that_misbehave() {
        misbehaves_in_every_way(Mysql, &[native(), ok(), rows(&[b"\x02up"])]).await;
    }

    #[tokio::test]
    async fn what_a_server_claims_or_sends_takes_no_memory() {
        let claim =
            [packet(1, b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"), rows(&[b"\x02up"])[5..].to_vec()].concat();
        assert_eq!(of(Mysql, answering(claim).await).await, Outcome::Passed);
        let columns = saying(Way::Endless, vec![native(), ok(), packet(1, b"\x03def")]).await;
        let ended = of(Mysql, columns).await;
        assert!(matches!(&ended, Outcome::Garbled(why) if why.contains("bytes of answer")), "{ended:?}");
        let mut beginning = rows(&[b"\xfe\xff\xff\xff\xff\0\0\0\0began "]);
        let row = beginning.len() - 9 - 15 - 4;
        beginning[row..row + 3].copy_from_slice(&[0xff; 3]);
        let row = saying(Way::Endless, vec![native(), ok(), beginning]).await;
        assert_eq!(matching(Mysql, row, "^began ").await, Outcome::Passed);
        let more = saying(Way::Endless, vec![greeting("caching_sha2_password"), packet(2, &[1, 3])]).await;
        assert_eq!(of(Mysql, more).await, Outcome::Garbled("a login that does not end".into()));
    }

    /// MySQL 8 when it does not remember the password: the check asks for its key, and seals the password for it.
    #[tokio::test]
    async fn the_default_method_of_mysql_8_without_tls() {
        let owner = openssl::rsa::Rsa::generate(2048).unwrap();
        let to = serve(move |mut stream, _| {
            let owner = owner.clone();
            async move {
                let mut heard = [0; 4096];
                let mut sealed = Vec::new();
                let key = [&[1][..], &owner.public_key_to_pem().unwrap()].concat();
                let method = greeting("caching_sha2_password");
                for words in [method, packet(2, &[1, 4]), packet(4, &key)] {
                    stream.write_all(&words).await.unwrap();
                    let read = stream.read(&mut heard).await.unwrap();
                    sealed = heard[4..read].to_vec();
                }
                let mut opened = vec![0; 256];
                let length =
                    owner.private_decrypt(&sealed, &mut opened, openssl::rsa::Padding::PKCS1_OAEP).unwrap();
                let nonce = b"12345678123456789012";
                let password: Vec<u8> =
                    opened[..length].iter().zip(nonce).map(|(one, other)| one ^ other).collect();
                assert_eq!(password, b"secret\0");
                say(stream, Way::Waiting, vec![packet(6, &[0, 0, 0, 2, 0, 0, 0]), rows(&[b"\x02up"])]).await;
            }
        })
        .await;
        assert_eq!(of(Mysql, to).await, Outcome::Passed);
        let fast = [packet(2, &[1, 3]), packet(3, &[0, 0, 0, 2, 0, 0, 0])].concat();
        let to =
            saying(Way::Waiting, vec![greeting("caching_sha2_password"), fast, rows(&[b"\x02up"])]).await;
        assert_eq!(of(Mysql, to).await, Outcome::Passed);
    }

    #[tokio::test]
    async fn with_tlsverify_the_server_must_have_tls() {
        let to = answering(rows(&[b"\x02up"])).await;
        for tls_verify in [Some(true), Some(false)] {
            let kind = Kind::Dialogue(Box::new(Dialogue { tls_verify, ..dialogue(Mysql, to) }));
            let ended = outcome(kind).await;
            assert!(matches!(&ended, Outcome::Tls(why) if why.contains("does not offer")), "{ended:?}");
        }
    }
}

pub(super) mod pgsql {
    use super::*;

    pub(in crate::check::tests) fn message(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[tag], &length[..], body].concat()
    }

    fn welcome() -> Vec<u8> {
        let setting = message(b'S', b"server_version\x0015.1\0");
        [message(b'R', &[0; 4]), setting, message(b'K', &[7; 8]), message(b'Z', b"I")].concat()
    }

    pub(in crate::check::tests) fn rows(rows: &[&[u8]]) -> Vec<u8> {
        let mut all = message(b'T', &[0, 0]);
        for row in rows {
            all.extend(message(b'D', row));
        }
        [all, message(b'C', b"SELECT\0"), message(b'Z', b"I")].concat()
    }

    pub(in crate::check::tests) const UP: &[u8] = b"\0\x03\0\0\0\x02up\xff\xff\xff\xff\0\0\0\x05third";

    /// No TLS, no password.
    pub(in crate::check::tests) fn words(answer: Vec<u8>) -> Vec<Vec<u8>> {
        vec![vec![], b"N".to_vec(), welcome(), answer]
    }

    async fn answering(answer: Vec<u8>) -> SocketAddr {
        saying(Way::Waiting, words(answer)).await
    }

    fn error(code: &str, text: &str) -> Vec<u8> {
        message(b'E', format!("SFATAL\0C{code}\0M{text}\0\0").as_bytes())
    }

    #[tokio::test]
    async fn a_row_is_needed_and_one_of_its_values_must_match() {
        let good = answering(rows(&[UP, b"\0\x01\0\0\0\x04down"])).await;
        assert_eq!(of(Pgsql, good).await, Outcome::Passed);
        assert_eq!(matching(Pgsql, good, "^third$").await, Outcome::Passed);
        assert_eq!(matching(Pgsql, good, "down").await, Outcome::NoMatch("up, third".into()));
        assert_eq!(of(Pgsql, answering(rows(&[])).await).await, Outcome::NoRow);
        let empty = [message(b'I', b""), message(b'Z', b"I")].concat();
        assert_eq!(of(Pgsql, answering(empty).await).await, Outcome::NoRow);
    }

    #[tokio::test]
    async fn errors_at_every_point_are_shown_in_the_servers_words() {
        let login = vec![vec![], b"N".to_vec(), error("28P01", "password authentication\nfailed")];
        assert_eq!(
            of(Pgsql, saying(Way::Closing, login).await).await,
            Outcome::Declined("password authentication failed (SQLSTATE 28P01)".into())
        );
        let query = answering([error("42P01", "no such relation"), message(b'Z', b"I")].concat()).await;
        assert_eq!(of(Pgsql, query).await, Outcome::Declined("no such relation (SQLSTATE 42P01)".into()));
        let kerberos = vec![vec![], b"N".to_vec(), message(b'R', &[0, 0, 0, 7])];
        let ended = of(Pgsql, saying(Way::Waiting, kerberos).await).await;
        assert!(matches!(&ended, Outcome::Declined(words) if words.contains("Kerberos")), "{ended:?}");
    }

    #[tokio::test]
    async fn servers_that_misbehave() {
        misbehaves_in_every_way(Pgsql, &words(rows(&[UP]))).await;
    }

    #[tokio::test]
    async fn what_a_server_claims_or_sends_takes_no_memory_and_no_time() {
        let notices = vec![vec![], b"N".to_vec(), message(b'N', b"Mhello\0\0")];
        let ended = of(Pgsql, saying(Way::Endless, notices).await).await;
        assert!(matches!(&ended, Outcome::Garbled(why) if why.contains("bytes of answer")), "{ended:?}");
        let long = vec![vec![], b"N".to_vec(), b"R\x7f\xff\xff\xff\0\0\0\0".to_vec()];
        let ended = of(Pgsql, saying(Way::Endless, long).await).await;
        assert_eq!(ended, Outcome::Garbled("a message of 2147483643 bytes".into()));
        let row = [message(b'T', &[0, 0]), b"D\x7f\xff\xff\xff\0\x01\x7f\0\0\0began ".to_vec()].concat();
        let row = saying(Way::Endless, words(row)).await;
        assert_eq!(matching(Pgsql, row, "^began ").await, Outcome::Passed);
        let scram = message(b'R', b"\0\0\0\x0aSCRAM-SHA-256\0\0");
        let rounds = message(b'R', b"\0\0\0\x0br=x,s=QQ==,i=4000000000");
        let ended = of(Pgsql, saying(Way::Waiting, vec![vec![], b"N".to_vec(), scram, rounds]).await).await;
        assert!(matches!(ended, Outcome::Garbled(_)), "{ended:?}");
    }

    #[tokio::test]
    async fn tls_that_fails_is_left_out_unless_it_is_asked_for() {
        let to = serve(|stream, number| {
            let broken = vec![vec![], b"S".to_vec(), b"this is no TLS at all".to_vec()];
            let plain = vec![vec![], welcome(), rows(&[UP])];
            say(stream, Way::Closing, if number % 2 == 0 { broken } else { plain })
        })
        .await;
        assert_eq!(of(Pgsql, to).await, Outcome::Passed);
        let kind = Kind::Dialogue(Box::new(Dialogue { tls_verify: Some(false), ..dialogue(Pgsql, to) }));
        let ended = outcome(kind).await;
        assert!(matches!(ended, Outcome::Tls(_)), "{ended:?}");
        let none = saying(Way::Waiting, words(rows(&[UP]))).await;
        let kind = Kind::Dialogue(Box::new(Dialogue { tls_verify: Some(true), ..dialogue(Pgsql, none) }));
        let ended = outcome(kind).await;
        assert!(matches!(&ended, Outcome::Tls(why) if why.contains("does not offer")), "{ended:?}");
    }
}

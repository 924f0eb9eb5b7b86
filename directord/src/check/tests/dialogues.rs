//! What the tests of the dialogues share: a check to run, and servers that nobody wants to have.

use super::*;

/// For what does not wait for it.
pub(in crate::check) const PATIENT: Duration = Duration::from_secs(30);
/// For what runs into it.
pub(in crate::check) const SHORT: Duration = Duration::from_secs(2);

/// A check without account, of which nothing special is asked.
pub(in crate::check) fn dialogue(service: ServiceName, to: SocketAddr) -> Dialogue {
    Dialogue {
        service,
        to,
        udp: false,
        login: String::new(),
        password: Secret::default(),
        database: String::new(),
        secret: Secret::default(),
        request: String::new(),
        receive: None,
        virtual_host: None,
        tls_verify: None,
        check_timeout: PATIENT,
        timeout: PATIENT,
    }
}

/// The same with this limit for everything.
pub(in crate::check) fn within(limit: Duration, dialogue: &Dialogue) -> Dialogue {
    Dialogue { check_timeout: limit, timeout: limit, ..dialogue.clone() }
}

pub(in crate::check) fn pattern(text: &str) -> Option<Pattern> {
    Some(Pattern::new(text).unwrap())
}

/// Runs a check once.
pub(in crate::check) async fn said(dialogue: &Dialogue) -> Outcome {
    let kind = Kind::Dialogue(Box::new(dialogue.clone()));
    Checker::new().run(&kind, &mut Memory::default()).await.outcome
}

/// Serves every connection with a function of it and of its number.
pub(in crate::check) async fn serve<F, T>(server: F) -> SocketAddr
where
    F: Fn(TcpStream, usize) -> T + Send + 'static,
    T: Future<Output = ()> + Send + 'static,
{
    super::serve(server).await
}

/// Answers datagrams with whatever the function makes of them; it gets their number, too.
pub(in crate::check) async fn answer_datagrams<F>(answers: F) -> SocketAddr
where
    F: Fn(&[u8], usize) -> Vec<Vec<u8>> + Send + 'static,
{
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let to = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = vec![0; 65536];
        for number in 0.. {
            let Ok((length, from)) = socket.recv_from(&mut buffer).await else { return };
            for answer in answers(&buffer[..length], number) {
                let _ = socket.send_to(&answer, from).await;
            }
        }
    });
    to
}

/// All ways of [`fails_badly`], and a server that is only slow. `good` is what it says in a good dialogue.
pub(in crate::check) async fn fails_well(dialogue: &Dialogue, good: &'static [u8]) {
    let slow = serve(move |mut stream, _| async move {
        let _ = stream.set_nodelay(true);
        for byte in good {
            if stream.write_all(&[*byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        while stream.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {}
    })
    .await;
    assert_eq!(said(&Dialogue { to: slow, ..dialogue.clone() }).await, Outcome::Passed);
    fails_badly(dialogue, &good[..good.len() / 2]).await;
}

/// The ways in which a server on a connection can fail whatever its protocol is. `half` is a part of what it says in
/// a good dialogue.
pub(in crate::check) async fn fails_badly(dialogue: &Dialogue, half: &'static [u8]) {
    let at = |to| Dialogue { to, ..dialogue.clone() };
    assert_eq!(said(&at(refusing().await)).await, Outcome::Refused);

    let silent = serve(|stream, _| async move {
        tokio::time::sleep(PATIENT).await;
        drop(stream);
    })
    .await;
    assert_eq!(said(&within(SHORT, &at(silent))).await, Outcome::Silent(SHORT));

    let closing = serve(|mut stream, _| async move {
        let _ = stream.read(&mut [0; 4096]).await; // else the close is a reset
    })
    .await;
    assert_eq!(said(&at(closing)).await, Outcome::Closed);

    let halting = serve(move |mut stream, _| async move {
        let _ = stream.write_all(half).await;
        while stream.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {}
    })
    .await;
    assert_eq!(said(&within(SHORT, &at(halting))).await, Outcome::Unfinished(SHORT));

    for garbage in [b"\x00\xff\x13garbage\r\n\r\n".as_slice(), b"HTTP/1.0 200 OK\r\n\r\n", &[0x30; 200]] {
        let wrong = answering(garbage).await;
        let outcome = said(&at(wrong)).await;
        assert!(matches!(outcome, Outcome::Garbled(_) | Outcome::Closed), "{garbage:?}: {outcome}");
    }

    for bytes in [&b"x"[..], b"\n", b"\x30\x82\xff\xff", b"SIP/2.0 100 Trying\r\n\r\n"] {
        let sent = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&sent);
        let endless = serve(move |mut stream, _| {
            let (counter, piece) = (Arc::clone(&counter), bytes.repeat(65536 / bytes.len()));
            async move {
                while stream.write_all(&piece).await.is_ok() {
                    counter.fetch_add(piece.len(), Ordering::Relaxed);
                }
            }
        })
        .await;
        let outcome = said(&at(endless)).await;
        assert!(matches!(outcome, Outcome::Garbled(_)), "{outcome}");
        assert!(sent.load(Ordering::Relaxed) < 32 << 20, "read far more than the cap");
    }
}

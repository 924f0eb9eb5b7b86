//! What one run leaves for the next: nothing that piles up.

use super::*;

#[tokio::test]
async fn a_runaway_expression_does_not_pile_up_answers() {
    // Each start of a run of 16 letters costs thousands of steps: seconds for the whole body.
    let body = [vec![b'a'; 16], vec![b'b']].concat().repeat(6_000);
    let answer = [b"HTTP/1.0 200 OK\r\n\r\n".to_vec(), body].concat();
    let to = answering(Box::leak(answer.into_boxed_slice())).await;
    let Kind::Http(slow) = http(to, Some("(a+)+$")) else { panic!() };
    let kind = Kind::Http(Http { timeout: LIMIT / 2, ..*slow }.into());
    let (checker, mut memory) = (Checker::new(), Memory::default());
    assert_eq!(checker.run(&kind, &mut memory).await.outcome, Outcome::Unfinished(LIMIT / 2));
    let second = checker.run(&kind, &mut memory).await.outcome;
    assert!(matches!(&second, Outcome::MatchFailed(why) if why.contains("earlier answer")), "{second:?}");
}

#[tokio::test]
async fn a_program_that_does_not_want_to_end_runs_once() {
    let file = std::env::temp_dir().join(format!("directord-stubborn-{}", std::process::id()));
    let script = format!("trap '' TERM; echo run >>{}; while :; do sleep 0.1; done", file.display());
    let limit = Duration::from_millis(800); // less than it takes to kill it
    let command = ["/bin/sh", "-c", &script].map(str::to_owned).to_vec();
    let kind = Kind::External { command, timeout: limit, weighs: false };
    let (checker, mut memory) = (Checker::new(), Memory::default());
    for _ in 0..2 {
        assert_eq!(checker.run(&kind, &mut memory).await.outcome, Outcome::Overran(limit));
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "run\n");
    std::fs::remove_file(&file).unwrap();
}

/// Reads a request, sends its answer's head, then a byte now and then, without end.
async fn trickling(head: &'static str) -> SocketAddr {
    serve(move |mut stream, _| async move {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(head.as_bytes()).await;
        while stream.write_all(b"a").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await
}

/// Far more than any of these checks may take, on any machine.
const FAR_TOO_LONG: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_server_that_trickles_holds_up_no_check() {
    let limit = Duration::from_millis(300);
    let to = trickling("HTTP/1.1 200 OK\r\n\r\n").await;
    let (Kind::Http(page), Kind::SimpleTcp(text)) = (http(to, Some("b")), simple(to, Some("b"))) else {
        panic!()
    };
    let page = Kind::Http(Http { timeout: limit, ..*page }.into());
    let combined = Kind::Combined {
        connects: 1,
        connect: Kind::Connect { to, timeout: limit }.into(),
        negotiate: page.clone().into(),
    };
    for kind in [page, combined, Kind::SimpleTcp(SimpleTcp { timeout: limit, ..*text }.into())] {
        let checked = Checker::new().run(&kind, &mut Memory::default()).await;
        // On a busy machine the limit may be over before the first byte is there.
        let late = [Outcome::Unfinished(limit), Outcome::Silent(limit), Outcome::NotConnected(limit)];
        assert!(late.contains(&checked.outcome), "{kind:?}: {:?}", checked.outcome);
        assert!(checked.took >= limit && checked.took < FAR_TOO_LONG, "{:?}", checked.took);
    }
}

#[tokio::test]
async fn a_protocol_that_forgets_its_limit_is_ended() {
    let to = trickling("").await;
    // Reads on as long as anything comes.
    let forgetful = async {
        let mut stream = TcpStream::connect(to).await.unwrap();
        stream.write_all(b"go on").await.unwrap();
        while stream.read(&mut [0; 16]).await.unwrap() > 0 {}
        Outcome::Passed
    };
    let limit = Duration::from_millis(300);
    let ended = tokio::time::timeout(FAR_TOO_LONG, within(limit, forgetful)).await;
    assert_eq!(ended, Ok(Outcome::Unfinished(limit)));
}

#[tokio::test]
async fn a_protocol_that_keeps_its_limit_has_the_last_word_on_why() {
    let limit = Duration::from_millis(50);
    let known = async {
        tokio::time::sleep(limit).await;
        Outcome::Silent(limit)
    };
    assert_eq!(within(limit, known).await, Outcome::Silent(limit));
}

#[tokio::test]
async fn who_waits_for_a_thread_until_its_limit_has_not_run() {
    static NONE: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(0);
    let limit = Duration::from_millis(50);
    let starved = async {
        let look_up = crate::thread::of_check_among(&NONE, "test", || 0);
        match tokio::time::timeout(limit, look_up).await {
            Ok(_) => Outcome::Passed,
            Err(_) => Outcome::NotConnected(limit),
        }
    };
    let outcome = within(limit, starved).await;
    assert!(matches!(outcome, Outcome::NotRun(_)), "{outcome:?}");
}

//! What one run leaves for the next: nothing that piles up.

use super::*;

#[tokio::test]
async fn a_runaway_expression_does_not_pile_up_answers() {
    // Each start of a run of 16 letters costs thousands of steps: seconds for the whole body.
    let body = [vec![b'a'; 16], vec![b'b']].concat().repeat(6_000);
    let answer = [b"HTTP/1.0 200 OK\r\n\r\n".to_vec(), body].concat();
    let to = answering(Box::leak(answer.into_boxed_slice())).await;
    let Kind::Http(slow) = http(to, Some("(a+)+$")) else { panic!() };
    let kind = Kind::Http(Http { timeout: LIMIT / 2, ..slow });
    let (checker, mut memory) = (Checker::new(), Memory::default());
    assert_eq!(checker.run(&kind, &mut memory).await.outcome, Outcome::Unfinished(LIMIT / 2));
    let second = checker.run(&kind, &mut memory).await.outcome;
    assert!(matches!(&second, Outcome::MatchFailed(why) if why.contains("earlier answer")), "{second:?}");
}

#[tokio::test]
async fn a_program_that_does_not_want_to_end_runs_once() {
    let file = std::env::temp_dir().join(format!("directord-stubborn-{}", std::process::id()));
    let script = format!("trap '' TERM; echo run >>{}; while :; do sleep 0.1; done", file.display());
    let limit = Duration::from_millis(300);
    let command = ["/bin/sh", "-c", &script].map(str::to_owned).to_vec();
    let kind = Kind::External { command, timeout: limit };
    let (checker, mut memory) = (Checker::new(), Memory::default());
    for _ in 0..2 {
        assert_eq!(checker.run(&kind, &mut memory).await.outcome, Outcome::Overran(limit));
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "run\n");
    std::fs::remove_file(&file).unwrap();
}

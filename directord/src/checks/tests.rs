//! Probes in motion, against a server on 127.0.0.1 that counts who comes when.

use super::*;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::time::timeout;

/// No test waits longer for what must come.
const LIMIT: Duration = Duration::from_secs(30);

async fn server() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

fn connect(to: SocketAddr, interval: Duration, recheck: Option<Duration>) -> Arc<Probe> {
    Arc::new(Probe { interval, recheck, source: None, kind: Kind::Connect { to, timeout: LIMIT } })
}

async fn next(results: &mut mpsc::Receiver<Result>) -> Arc<Probe> {
    timeout(LIMIT, results.recv()).await.expect("a result").expect("the sender lives").0
}

#[tokio::test]
async fn every_probe_runs_at_once_and_again_after_its_interval() {
    let (_listener, to) = server().await;
    let (sender, mut results) = mpsc::channel(16);
    let mut checks = Checks::new(sender);
    let probe = connect(to, Duration::from_millis(50), None);
    let began = Instant::now();
    checks.set(&[Arc::clone(&probe)]);
    for _ in 0..4 {
        assert_eq!(next(&mut results).await, probe);
    }
    assert!(began.elapsed() >= Duration::from_millis(150), "three intervals lie between four runs");
}

#[tokio::test]
async fn a_doubt_brings_the_next_run_and_its_end_the_beat_again() {
    let (_listener, to) = server().await;
    let (sender, mut results) = mpsc::channel(16);
    let mut checks = Checks::new(sender);
    // Without a doubt the test would not see the second run.
    let probe = connect(to, 1000 * LIMIT, Some(Duration::from_millis(20)));
    checks.set(&[Arc::clone(&probe)]);
    next(&mut results).await;
    checks.doubt(&probe, true);
    for _ in 0..3 {
        next(&mut results).await;
    }
    checks.doubt(&probe, false);
    let mut late = 0;
    while timeout(Duration::from_millis(500), results.recv()).await.is_ok() {
        late += 1;
        assert!(late <= 3, "one run may have been on its way, but they must end");
    }
}

#[tokio::test]
async fn probes_of_others_go_on_undisturbed() {
    let (_listener, to) = server().await;
    let (sender, mut results) = mpsc::channel(16);
    let mut checks = Checks::new(sender);
    let (old, new) = (connect(to, 1000 * LIMIT, None), connect(to, 2000 * LIMIT, None));
    checks.set(&[Arc::clone(&old)]);
    assert_eq!(next(&mut results).await, old);
    checks.set(&[Arc::clone(&old), Arc::clone(&new)]);
    assert_eq!(next(&mut results).await, new, "only the new one runs at once");
    checks.set(&[Arc::clone(&new)]);
    assert_eq!(checks.shared.schedule().len(), 1);
}

#[tokio::test]
async fn who_asks_gets_the_result_of_a_run_that_began_after_that() {
    let (_listener, to) = server().await;
    let (sender, mut results) = mpsc::channel(16);
    let mut checks = Checks::new(sender);
    let probe = connect(to, 1000 * LIMIT, None);
    assert!(checks.now(&probe).is_none(), "nobody runs it");
    checks.set(&[Arc::clone(&probe)]);
    next(&mut results).await;
    checks.rest(&FxHashSet::from_iter([Arc::clone(&probe)]));
    let waiting = [checks.now(&probe).unwrap(), checks.now(&probe).unwrap()];
    let mut answered = 0;
    while answered < waiting.len() {
        let (_, checked, asked) = timeout(LIMIT, results.recv()).await.unwrap().unwrap();
        answered += asked.len();
        asked.into_iter().for_each(|asked| asked.send(checked.clone()).unwrap());
    }
    for result in waiting {
        assert!(timeout(LIMIT, result).await.unwrap().unwrap().outcome.passed());
    }
    let left = checks.now(&probe).unwrap();
    checks.set(&[]);
    assert!(timeout(LIMIT, left).await.unwrap().is_err(), "nobody waits for what does not run any more");
}

//! With devices that are scripts as those of fence-agents, found by the path of the daemon's programs.

use super::*;
use crate::run::spares::Spares;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use tokio::sync::mpsc;

const BOUND: Duration = Duration::from_secs(20);

struct Bench {
    fencer: Fencer,
    news: mpsc::UnboundedReceiver<News>,
    place: PathBuf,
}

impl Bench {
    /// Both devices wait for a file `go`, then they succeed if there is a file `good`.
    fn new(name: &str) -> Bench {
        let place = std::env::temp_dir().join(format!("fencer-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&place);
        std::fs::create_dir_all(&place).unwrap();
        for kind in ["fence_bench_one", "fence_bench_two"] {
            let script = format!(
                "#!/bin/sh\ncd {}\necho {kind} >>begun\nwhile [ ! -e go ]; do sleep 0.02; done\necho {kind} >>ended\n[ -e good ]\n",
                place.display()
            );
            std::fs::write(place.join(kind), script).unwrap();
            std::fs::set_permissions(place.join(kind), std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let (tell, news) = mpsc::unbounded_channel();
        let path = format!("{}:/usr/bin:/bin", place.display());
        let runner = Runner {
            config_dir: place.clone(),
            run_dir: place.clone(),
            environment: [("PATH".to_owned(), path)].into(),
            disabled: false,
            realtime: None,
            spares: Spares::default(),
            news: tell,
        };
        Bench { fencer: Fencer::new(&runner), news, place }
    }

    fn make(&self, file: &str) {
        std::fs::write(self.place.join(file), "").unwrap();
    }

    fn lines(&self, file: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.place.join(file)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    async fn wait_begun(&self, count: usize) {
        let until = tokio::time::Instant::now() + BOUND;
        while self.lines("begun").len() < count {
            assert!(tokio::time::Instant::now() < until, "{:?}", self.lines("begun"));
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The next end of a request that counts.
    async fn result(&mut self) -> Result<(), String> {
        loop {
            let news = tokio::time::timeout(BOUND, self.news.recv()).await.unwrap().unwrap();
            if let News::Fenced { number, result, .. } = news {
                if self.fencer.ended(number, &result) {
                    return result;
                }
            }
        }
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.place);
    }
}

fn device(kind: &str) -> StonithDevice {
    let parameters = crate::config::StonithParameters::Line("ip=192.0.2.9".to_owned());
    StonithDevice { kind: kind.to_owned(), parameters }
}

fn both() -> [StonithDevice; 2] {
    [device("fence_bench_one"), device("fence_bench_two")]
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

#[test]
fn what_is_not_needed_before_a_reset_begins_resets_nothing() {
    run(async {
        let mut bench = Bench::new("early");
        bench.make("go");
        let step = watch::Sender::<Step>::default();
        step.send_modify(|step| step.last = true);
        let go = || step.send_if_modified(begin_reset);
        let runner = bench.fencer.runner.clone();
        let refused = device::reset(&runner, &device("fence_bench_one"), "beta", go).await;
        assert_eq!(refused, Err("it is not needed any more".to_owned()));
        bench.fencer.begin(&both(), "beta".to_owned());
        bench.fencer.not_needed();
        bench.fencer.end().await;
        assert!(bench.lines("begun").is_empty());
    });
}

#[test]
fn a_reset_that_has_begun_ends_but_no_further_device_is_asked() {
    run(async {
        let mut bench = Bench::new("begun");
        bench.fencer.begin(&both(), "beta".to_owned());
        bench.wait_begun(1).await;
        bench.fencer.not_needed();
        assert!(bench.fencer.is_busy());
        bench.make("go");
        bench.fencer.end().await;
        assert!(!bench.fencer.is_busy());
        assert_eq!(bench.lines("begun"), ["fence_bench_one"]);
        assert_eq!(bench.lines("ended"), ["fence_bench_one"]);
    });
}

#[test]
fn a_new_request_waits_for_the_reset_that_has_begun() {
    run(async {
        let mut bench = Bench::new("again");
        bench.fencer.begin(&both(), "beta".to_owned());
        bench.wait_begun(1).await;
        bench.fencer.begin(&[device("fence_bench_two")], "beta".to_owned());
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(bench.lines("begun"), ["fence_bench_one"]);
        bench.make("good");
        bench.make("go");
        assert_eq!(bench.result().await, Ok(()));
        assert_eq!(bench.lines("ended"), ["fence_bench_one", "fence_bench_two"]);
    });
}

#[test]
fn other_devices_are_used_from_the_next_reset_on() {
    run(async {
        let mut bench = Bench::new("other");
        bench.fencer.begin(&both(), "beta".to_owned());
        bench.wait_begun(1).await;
        bench.fencer.replace(&[device("fence_bench_one")], Some("beta".to_owned()));
        bench.make("go");
        assert!(bench.result().await.is_err(), "the core asks again");
        assert_eq!(bench.lines("ended"), ["fence_bench_one"], "not the second one of before");

        // one that has not begun gives way at once
        bench.make("good");
        bench.fencer.begin(&[device("fence_bench_one")], "beta".to_owned());
        bench.fencer.replace(&[device("fence_bench_two")], Some("beta".to_owned()));
        assert_eq!(bench.result().await, Ok(()));
        assert_eq!(bench.lines("ended"), ["fence_bench_one", "fence_bench_two"]);
    });
}

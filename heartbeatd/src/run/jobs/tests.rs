//! Children that do what `ha-resources` may do, and worse.

use super::*;

fn runner() -> Runner {
    Runner {
        config_dir: PathBuf::new(),
        run_dir: PathBuf::new(),
        environment: environment::Variables::new(),
        disabled: false,
        realtime: None,
        spares: Spares::default(),
        news: mpsc::unbounded_channel().0,
    }
}

/// Does what a prepared run does, in its own time.
fn child() -> Child {
    let mut command = Command::new("sh");
    command.args([
        "-c",
        r#"read order; echo '{"event":"begun"}'; sleep 2; [ "$order" = "yieldnode beta" ]; echo "{\"event\":\"end\",\"code\":$?}""#,
    ]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command.spawn().unwrap()
}

#[tokio::test]
async fn a_child_that_stands_still_is_given_up_and_one_that_works_is_not() {
    let job = Job { id: JobId(1), kind: JobKind::Give, home: "beta".to_owned(), addresses_first: true };
    let mut tally = Tally::default();
    let stopped = child();
    let pid = i32::try_from(stopped.id().unwrap()).unwrap();
    let pid = rustix::process::Pid::from_raw(pid).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let (limit, idle) = (Duration::from_secs(20), Notify::new());
    let follow = runner();
    let ended = follow.follow(stopped, &job, &idle, &mut tally, Duration::from_millis(100));
    let ended = tokio::time::timeout(limit, ended).await.unwrap();
    assert!(ended.is_err_and(|why| why.contains("did not begin")) && !tally.told);
    // only its first word is waited for with impatience
    let ended = follow.follow(child(), &job, &idle, &mut tally, Duration::from_millis(1_500)).await;
    assert_eq!((ended, tally.told), (Ok(0), true));
}

#[test]
fn lines_of_ha_resources() {
    let mut tally = Tally::default();
    for line in [
        r#"{"event":"resource","group":"192.0.2.1","resource":"192.0.2.1","action":"start","result":"done","detail":"","ms":3}"#,
        r#"{"event":"group","group":"192.0.2.1","action":"take","result":"held","ms":4}"#,
        r#"{"event":"group","group":"192.0.2.2","action":"take","result":"failed","detail":"x"}"#,
        r#"{"event":"tea","group":"later versions"}"#,
    ] {
        tally.count(&serde_json::from_str(line).unwrap());
    }
    assert_eq!((tally.done, tally.failed), (1, 1));
}

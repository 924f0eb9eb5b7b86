//! Monitor files: a line for every check. A thread writes them; who has a line never waits for it.

use crate::check::{Checked, Outcome};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant, SystemTime};
use tokio::sync::oneshot;
use tokio::time::timeout;
use tracing::{info, warn};

/// Lines that wait for the thread.
const QUEUE: usize = 16 * 1024;
/// That lines are dropped is not said more often: a file that is a little too slow loses one now and then.
const TELL_AGAIN: Duration = Duration::from_secs(60);

/// The way to the thread, which starts with the first line.
#[derive(Debug, Default)]
pub(crate) struct Monitor {
    writer: Option<Writer>,
    /// Lines that found no place.
    dropped: u64,
    /// When that was said last.
    told: Option<Instant>,
}

#[derive(Debug)]
struct Writer {
    lines: SyncSender<Line>,
    ended: oneshot::Receiver<()>,
}

#[derive(Debug)]
struct Line {
    file: PathBuf,
    at: SystemTime,
    text: String,
}

impl Monitor {
    /// Writes a line some time.
    pub(crate) fn write(&mut self, file: &Path, text: String) {
        let line = Line { file: file.to_path_buf(), at: SystemTime::now(), text };
        if self.writer.is_none() {
            self.writer = start();
        }
        let sent = self.writer.as_ref().map(|writer| writer.lines.try_send(line));
        if let Some(Err(TrySendError::Full(line))) = sent {
            self.dropped += 1;
            if self.told.is_none_or(|told| told.elapsed() >= TELL_AGAIN) {
                self.told = Some(Instant::now());
                warn!(
                    "Monitor file {} cannot be written as fast as needed; lines are dropped, {} until now",
                    line.file.display(),
                    self.dropped
                );
            }
        }
    }

    /// Writes what waits, for so long at most.
    pub(crate) async fn finish(mut self, limit: Duration) {
        drop(self.end(limit).await);
    }

    /// The same. What is still to be waited for, if that was not long enough.
    async fn end(&mut self, limit: Duration) -> Option<oneshot::Receiver<()>> {
        let Writer { lines, mut ended } = self.writer.take()?;
        drop(lines);
        timeout(limit, &mut ended).await.is_err().then_some(ended)
    }
}

/// The result of a check as monitor files show it; `None` for one that says nothing of the server.
pub(crate) fn result(name: &str, checked: &Checked) -> Option<String> {
    let (state, why) = match &checked.outcome {
        Outcome::NotRun(_) => return None,
        Outcome::Passed => ("up", checked.http_status.map_or("-".to_owned(), status_line)),
        passed if passed.passed() => ("up", "-".to_owned()),
        other => ("down", other.to_string()),
    };
    Some(line(name, state, &why))
}

/// A server that is not checked.
pub(crate) fn maintenance(name: &str) -> String {
    line(name, "down", "Server in maintenance")
}

fn line(name: &str, state: &str, why: &str) -> String {
    let mut escaped = String::with_capacity(why.len());
    for c in why.chars() {
        match c {
            '%' | '|' | '\r' | '\n' => escaped += &format!("%{:02x}", u32::from(c)),
            other => escaped.push(other),
        }
    }
    format!("[{}] {name} [{state}] {escaped}", std::process::id())
}

/// `200 OK`.
fn status_line(status: u16) -> String {
    http::StatusCode::from_u16(status).map_or_else(|_| status.to_string(), |status| status.to_string())
}

fn start() -> Option<Writer> {
    let (lines, inbox) = sync_channel(QUEUE);
    let (end, ended) = oneshot::channel();
    let work = move || {
        work(&inbox);
        let _ = end.send(());
    };
    std::thread::Builder::new().name("monitor files".into()).spawn(work).ok()?;
    Some(Writer { lines, ended })
}

fn work(inbox: &Receiver<Line>) {
    let mut failing = HashSet::new();
    while let Ok(first) = inbox.recv() {
        let mut batch: HashMap<PathBuf, String> = HashMap::new();
        for line in std::iter::once(first).chain(inbox.try_iter().take(QUEUE)) {
            let text = batch.entry(line.file).or_default();
            *text += &format!("[{}] {}\n", daemon::log::date(line.at), line.text);
        }
        for (file, text) in batch {
            match append(&file, &text) {
                Ok(()) if failing.remove(&file) => info!("Monitor file {} is written again", file.display()),
                Ok(()) => {}
                Err(error) => {
                    let shown = file.display().to_string();
                    if failing.insert(file) {
                        warn!("Monitor file {shown} cannot be written: {error}");
                    }
                }
            }
        }
    }
}

/// Opened each time: a file that was renamed or removed (logrotate) gets a successor.
fn append(file: &Path, text: &str) -> io::Result<()> {
    File::options().append(true).create(true).open(file)?.write_all(text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    const LONG: Duration = Duration::from_secs(30);

    fn checked(outcome: Outcome, http_status: Option<u16>) -> Checked {
        Checked { outcome, took: Duration::ZERO, http_status }
    }

    fn of(outcome: Outcome, http_status: Option<u16>) -> Option<String> {
        let prefix = format!("[{}] ", std::process::id());
        result("connect tcp 192.0.2.10 80", &checked(outcome, http_status))
            .map(|line| line.strip_prefix(&prefix).unwrap().to_owned())
    }

    #[test]
    fn lines_are_ldirectords() {
        let name = "connect tcp 192.0.2.10 80";
        assert_eq!(of(Outcome::Passed, None), Some(format!("{name} [up] -")));
        assert_eq!(of(Outcome::Passed, Some(200)), Some(format!("{name} [up] 200 OK")));
        assert_eq!(
            of(Outcome::Status("503 Service Unavailable".into()), None),
            Some(format!("{name} [down] 503 Service Unavailable"))
        );
        assert_eq!(
            of(Outcome::Declined("a|b\r\n100%".into()), None),
            Some(format!("{name} [down] the server says: a%7cb%0d%0a100%25"))
        );
        assert_eq!(of(Outcome::NotRun("no descriptors".into()), None), None);
        assert!(maintenance(name).ends_with(" 80 [down] Server in maintenance"));
    }

    #[tokio::test]
    async fn a_file_that_cannot_be_written_stops_nothing() {
        let folder = std::env::temp_dir().join(format!("directord-monitor-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (good, bad) = (folder.join("good"), folder.join("missing/bad"));
        let mut monitor = Monitor::default();
        for number in 0..3 {
            monitor.write(&bad, format!("bad {number}"));
            monitor.write(&good, format!("good {number}"));
        }
        monitor.finish(LONG).await;
        let text = std::fs::read_to_string(&good).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[2].starts_with('[') && lines[2].ends_with("] good 2"), "{text}");
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[tokio::test]
    async fn a_file_that_blocks_holds_up_nobody() {
        let folder = std::env::temp_dir().join(format!("directord-monitor-fifo-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let fifo = folder.join("fifo"); // opening it waits for a reader
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let mut monitor = Monitor::default();
        let began = Instant::now();
        for number in 0..QUEUE * 3 {
            monitor.write(&fifo, number.to_string());
        }
        assert!(began.elapsed() < LONG);
        // The thread has taken one batch at most, and as many lines wait.
        assert!(monitor.dropped >= QUEUE as u64 - 1, "{}", monitor.dropped);
        let blocked = monitor.end(Duration::from_millis(10)).await.expect("nobody reads yet");
        // Lets the thread go, and waits for its end: it would make the file anew while the folder is removed. Who reads and
        // writes sees no end of file between two batches.
        let mut both = File::options().read(true).write(true).open(&fifo).unwrap();
        let mut last = both.try_clone().unwrap();
        let reader = std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while both.read(&mut buffer).is_ok_and(|count| !buffer[..count].contains(&0)) {}
        });
        timeout(LONG, blocked).await.expect("it writes what waits").unwrap();
        last.write_all(&[0]).unwrap();
        reader.join().unwrap();
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

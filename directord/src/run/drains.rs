//! Which servers are drained, remembered over a restart of the daemon: a file beside its socket, which a reboot
//! removes as `/run` does not outlive it.

use crate::director::Drained;
use crate::replace::{remove, replace};
use crate::thread::on_thread;
use std::io;
use std::path::{Path, PathBuf};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::error;

/// A list to write, and who waits for that.
type Job = (Vec<Drained>, oneshot::Sender<Result<(), String>>);

/// The file, written by a task, one list after the other.
pub(super) struct Drains {
    jobs: mpsc::UnboundedSender<Job>,
    trouble: watch::Receiver<Option<String>>,
}

impl Drains {
    pub(super) fn new(path: PathBuf) -> Drains {
        let (jobs, mut inbox) = mpsc::unbounded_channel::<Job>();
        let (state, trouble) = watch::channel(None);
        tokio::spawn(async move {
            while let Some((drained, answer)) = inbox.recv().await {
                let to = path.clone();
                let written = on_thread("drained servers", move || write(&to, &drained)).await;
                let result = match written {
                    Some(Ok(())) => Ok(()),
                    Some(Err(error)) => Err(format!("{}: {error}", path.display())),
                    None => Err(format!("{}: no thread to write it", path.display())),
                };
                if let Err(why) = &result {
                    error!("Drained servers are not remembered: {why}");
                }
                state.send_replace(result.as_ref().err().cloned());
                let _ = answer.send(result);
            }
        });
        Drains { jobs, trouble }
    }

    /// Remembers these.
    pub(super) fn keep(&self, drained: Vec<Drained>) -> oneshot::Receiver<Result<(), String>> {
        let (answer, kept) = oneshot::channel();
        let _ = self.jobs.send((drained, answer));
        kept
    }

    /// Why the last list was not written.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.borrow().clone()
    }
}

/// What was remembered; blocks.
///
/// # Errors
/// The file is there but cannot be read or understood.
pub(crate) fn read(path: &Path) -> Result<Vec<Drained>, String> {
    let text = match std::fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(format!("{}: {error}", path.display())),
        Ok(text) => text,
    };
    serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// The file has the old list or the new one, never half of one.
fn write(path: &Path, drained: &[Drained]) -> io::Result<()> {
    if drained.is_empty() {
        return remove(path);
    }
    replace(path, &serde_json::to_vec_pretty(drained)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::director::Drain;

    #[tokio::test]
    async fn what_is_kept_is_read_again() {
        let folder = std::env::temp_dir().join(format!("directord-drains-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("x.cf.drained");
        assert_eq!(read(&path), Ok(Vec::new()));
        let drained = Drained {
            service: "tcp:192.0.2.1:80".into(),
            server: "192.0.2.10:80".into(),
            name: Some("web1".into()),
            drain: Drain { by: "alice".into(), since: 7 },
        };
        let drains = Drains::new(path.clone());
        assert_eq!(drains.keep(vec![drained.clone()]).await, Ok(Ok(())));
        assert_eq!(read(&path), Ok(vec![drained.clone()]));
        assert_eq!(drains.keep(Vec::new()).await, Ok(Ok(())));
        assert!(!path.exists());
        std::fs::write(&path, "{").unwrap();
        assert!(read(&path).unwrap_err().contains("x.cf.drained"));
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(matches!(drains.keep(vec![drained]).await, Ok(Err(_))));
        assert!(drains.trouble().is_some());
    }
}

//! A child's output: kept up to a limit, always read.

use std::convert::Infallible;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;

use super::OUTPUT_LIMIT;

/// So many pipes of grandchildren that live on are read at the same time; of more, the pipe is closed.
const LEFTOVER_LIMIT: usize = 64;
static LEFTOVERS: AtomicUsize = AtomicUsize::new(0);

/// The reading end of the pipe that is the child's standard output and standard error.
#[derive(Debug)]
pub(super) struct Output {
    pipe: Receiver,
    kept: Vec<u8>,
    ended: bool,
}

impl Output {
    /// The reading end, and the writing end for the child.
    pub(super) fn new() -> io::Result<(Output, OwnedFd)> {
        let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let pipe = Receiver::from_owned_fd(reader)?;
        Ok((Output { pipe, kept: Vec::new(), ended: false }, writer))
    }

    /// Reads for ever. May be cancelled without losing anything.
    pub(super) async fn drain(&mut self) -> Infallible {
        while !self.ended {
            self.read().await;
        }
        std::future::pending().await
    }

    /// What was kept, after at most `patience` for the pipe's end. If something holds the pipe longer,
    /// a task goes on reading it for as long as that lives.
    pub(super) async fn finish(mut self, patience: Duration) -> Vec<u8> {
        let rest = async {
            while !self.ended {
                self.read().await;
            }
        };
        let _ = tokio::time::timeout(patience, rest).await;
        let kept = std::mem::take(&mut self.kept);
        if !self.ended && LEFTOVERS.fetch_add(1, Ordering::Relaxed) < LEFTOVER_LIMIT {
            tokio::spawn(read_on(self.pipe));
        } else if !self.ended {
            LEFTOVERS.fetch_sub(1, Ordering::Relaxed);
        }
        kept
    }

    async fn read(&mut self) {
        let mut block = [0; 8192];
        match self.pipe.read(&mut block).await {
            Ok(0) => self.ended = true,
            Ok(count) => {
                let room = OUTPUT_LIMIT.saturating_sub(self.kept.len());
                self.kept.extend_from_slice(block.get(..count.min(room)).unwrap_or_default());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.ended = true,
        }
    }
}

async fn read_on(mut pipe: Receiver) {
    let mut block = [0; 8192];
    while pipe.read(&mut block).await.is_ok_and(|count| count > 0) {}
    LEFTOVERS.fetch_sub(1, Ordering::Relaxed);
}

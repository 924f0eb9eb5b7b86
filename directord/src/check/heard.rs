//! A connection that notes that something was heard on it, and ends when it was too much.

use super::http::HEARD_LIMIT;
use super::link::Progress;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The connection.
pub(super) struct Heard<S> {
    pub(super) stream: S,
    answered: Arc<AtomicBool>,
    /// How much may still be read.
    room: usize,
}

impl<S> Heard<S> {
    /// Tells the check's progress of what is heard from now on.
    pub(super) fn on(stream: S, progress: &Progress) -> Heard<S> {
        Heard { stream, answered: progress.answer(), room: HEARD_LIMIT }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Heard<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.room == 0 {
            return Poll::Ready(Err(io::Error::other(format!("more than {HEARD_LIMIT} bytes of answer"))));
        }
        let before = into.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(context, into))?;
        let read = into.filled().len().saturating_sub(before);
        if read > 0 {
            self.answered.store(true, Ordering::Relaxed);
        }
        self.room = self.room.saturating_sub(read);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Heard<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

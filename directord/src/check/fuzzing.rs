//! For the fuzz targets: real servers that exist only in memory, so that every check can be run against any bytes,
//! many thousand times a second. Whoever opens a connection or sends a datagram within [`facing`] meets them.

use super::Outcome;
use std::cell::RefCell;
use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// What a server says.
#[derive(Clone, Debug, Default)]
pub struct Server {
    /// On each connection, one after the other, before it closes it; or each datagram of its answer.
    pub parts: Vec<Vec<u8>>,
    /// How many bytes at a time, on a connection.
    pub piece: usize,
}

tokio::task_local! {
    static SERVER: RefCell<(VecDeque<Vec<u8>>, usize)>;
}

/// Runs a check that meets this server.
pub async fn facing<T>(server: Server, check: impl Future<Output = T>) -> T {
    SERVER.scope(RefCell::new((server.parts.into(), server.piece.max(1))), check).await
}

/// What a program that has passed says of the weight with this output.
pub fn weighed(output: &[u8]) -> Outcome {
    super::external::weighed(output)
}

/// Hands a mail to a mail server of which only this connection is there: who was not taken, or why the mail went to nobody.
/// Nobody is refused without a word of the server.
pub async fn mail(server: Server, limit: Duration) -> Result<Vec<String>, String> {
    facing(server, crate::mail::fuzzing::send(limit)).await
}

/// The next connection to the server, if a check faces one.
pub(super) fn connection() -> Option<Connection> {
    let next = |server: &RefCell<(VecDeque<Vec<u8>>, usize)>| {
        let (parts, piece) = &mut *server.borrow_mut();
        Connection { left: parts.pop_front().unwrap_or_default().into(), piece: *piece }
    };
    SERVER.try_with(next).ok()
}

/// Whether a check faces one.
pub(super) fn is_faced() -> bool {
    SERVER.try_with(|_| ()).is_ok()
}

/// All its datagrams, if a check faces one.
pub(super) fn datagrams() -> Option<Vec<Vec<u8>>> {
    SERVER.try_with(|server| server.borrow_mut().0.drain(..).collect()).ok()
}

/// A connection to a server, or to one that is made up.
pub(super) enum Stream {
    Real(TcpStream),
    MadeUp(Connection),
}

impl From<TcpStream> for Stream {
    fn from(stream: TcpStream) -> Stream {
        Stream::Real(stream)
    }
}

impl Stream {
    pub(super) fn peer_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Stream::Real(stream) => stream.peer_addr(),
            Stream::MadeUp(_) => Ok(SocketAddr::from(([127, 0, 0, 1], 9))),
        }
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Real(stream) => Pin::new(stream).poll_read(context, into),
            Stream::MadeUp(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Stream::Real(stream) => Pin::new(stream).poll_write(context, bytes),
            Stream::MadeUp(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Real(stream) => Pin::new(stream).poll_flush(context),
            Stream::MadeUp(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Stream::Real(stream) => Pin::new(stream).poll_shutdown(context),
            Stream::MadeUp(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}

/// A connection on which the server says what it has to say, whatever it is asked.
pub(super) struct Connection {
    left: VecDeque<u8>,
    piece: usize,
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let count = self.piece.min(into.remaining()).min(self.left.len());
        let piece: Vec<u8> = self.left.drain(..count).collect();
        into.put_slice(&piece);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

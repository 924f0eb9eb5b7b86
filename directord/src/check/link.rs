//! A connection to a real server as the dialogues see it: plain or TLS, read by line or by length. No more than a
//! cap is read in all, whatever the server sends.

use super::tls::Tls;
use super::{Dialogue, Outcome};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// No more of all answers of one check is read, in bytes.
const ANSWER_LIMIT: usize = 256 * 1024;
/// No line of an answer is longer, in bytes: RFC 5321 allows 512, IMAP servers some thousands.
const LINE_LIMIT: usize = 16 * 1024;
/// How long a server may take to close a connection after the farewell, and how many times it may say something.
const FAREWELL: (Duration, u32) = (Duration::from_secs(1), 16);

/// How far a check got, for what is said at its limit.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    connected: AtomicBool,
    answered: AtomicBool,
    ignored: OnceLock<&'static str>,
}

impl Progress {
    /// Another server comes next: what the one before did says nothing of it.
    pub(super) fn anew(&self) {
        self.connected.store(false, Ordering::Relaxed);
        self.answered.store(false, Ordering::Relaxed);
    }

    /// There is a connection, or a datagram was sent.
    pub(crate) fn connected(&self) {
        self.connected.store(true, Ordering::Relaxed);
    }

    /// Something came back.
    pub(crate) fn answered(&self) {
        self.answered.store(true, Ordering::Relaxed);
    }

    /// Something came back that is no answer.
    pub(super) fn ignored(&self, what: &'static str) {
        let _ = self.ignored.set(what);
    }

    /// A dialogue's outcome, within its limit.
    pub(crate) async fn within(
        &self,
        limit: Duration,
        talk: impl Future<Output = Result<Outcome, Outcome>>,
    ) -> Outcome {
        match timeout(limit, talk).await {
            Ok(Ok(outcome) | Err(outcome)) => outcome,
            Err(_) if self.answered.load(Ordering::Relaxed) => Outcome::Unfinished(limit),
            Err(_) if self.ignored.get().is_some() => {
                Outcome::Garbled(self.ignored.get().copied().unwrap_or_default().into())
            }
            Err(_) if self.connected.load(Ordering::Relaxed) => Outcome::Silent(limit),
            Err(_) => Outcome::NotConnected(limit),
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// A connection.
pub(crate) struct Link<'a> {
    stream: Box<dyn Stream>,
    local: SocketAddr,
    progress: &'a Progress,
    /// What was read and not yet asked for.
    ahead: Vec<u8>,
    /// How much may still be read.
    room: usize,
}

impl<'a> Link<'a> {
    /// Connects as the check's service wants it: with TLS from the beginning, or plain.
    pub(super) async fn to(
        dialogue: &Dialogue,
        tls: Option<Result<&Tls, &String>>,
        progress: &'a Progress,
    ) -> Result<Link<'a>, Outcome> {
        match tls {
            None => Link::open(dialogue.to, progress).await,
            Some(Ok(tls)) => Link::open_tls(dialogue.to, tls, dialogue.server_name(), progress).await,
            Some(Err(why)) => Err(Outcome::NotRun(format!("TLS cannot be set up: {why}"))),
        }
    }

    /// Connects.
    pub(crate) async fn open(to: SocketAddr, progress: &'a Progress) -> Result<Link<'a>, Outcome> {
        #[cfg(feature = "fuzzing")]
        if let Some(stream) = super::fuzzing::connection() {
            return Ok(Link::over(stream, to, progress));
        }
        Link::plain(connect(to, progress).await?, progress)
    }

    /// Talks over a connection that is there.
    pub(super) fn plain(stream: TcpStream, progress: &'a Progress) -> Result<Link<'a>, Outcome> {
        let local = local(&stream)?;
        Ok(Link::over(stream, local, progress))
    }

    /// Connects, and sends `name` as the server's name in the handshake.
    pub(super) async fn open_tls(
        to: SocketAddr,
        tls: &Tls,
        name: Option<&str>,
        progress: &'a Progress,
    ) -> Result<Link<'a>, Outcome> {
        let stream = connect(to, progress).await?;
        let local = local(&stream)?;
        Ok(Link::over(tls.connect(stream, to, name).await?, local, progress))
    }

    fn over(stream: impl Stream + 'static, local: SocketAddr, progress: &'a Progress) -> Link<'a> {
        Link { stream: Box::new(stream), local, progress, ahead: Vec::new(), room: ANSWER_LIMIT }
    }

    /// Our end.
    pub(super) fn local(&self) -> SocketAddr {
        self.local
    }

    /// Goes on in TLS, after a few words in plain text.
    pub(super) async fn start_tls(
        self,
        tls: &Tls,
        to: SocketAddr,
        name: Option<&str>,
    ) -> Result<Link<'a>, Outcome> {
        if !self.ahead.is_empty() {
            return Err(Outcome::Garbled("plain text where TLS should begin".into()));
        }
        let stream = tls.connect(self.stream, to, name).await?;
        Ok(Link { stream: Box::new(stream), ..self })
    }

    /// Sends it all.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<(), Outcome> {
        self.stream.write_all(bytes).await.map_err(|error| Outcome::of_io(&error))?;
        self.stream.flush().await.map_err(|error| Outcome::of_io(&error))
    }

    /// Sends a line. Words of the configuration are part of it, so it must not become two.
    pub(crate) async fn command(&mut self, words: &str) -> Result<(), Outcome> {
        if words.contains(['\r', '\n', '\0']) {
            return Err(Outcome::NotRun("a line end or NUL in login, passwd or request".into()));
        }
        self.send(format!("{words}\r\n").as_bytes()).await
    }

    /// Sends a last line and lets the server close first, so that its log tells of no broken connection. That is on
    /// no check's time: what comes of it says nothing of the server.
    pub(crate) fn farewell(self, words: &'static str) {
        let Link { mut stream, .. } = self;
        let (limit, reads) = FAREWELL;
        let leave = async move {
            stream.write_all(format!("{words}\r\n").as_bytes()).await?;
            stream.flush().await?;
            let mut piece = [0; 512];
            for _ in 0..reads {
                if stream.read(&mut piece).await? == 0 {
                    break;
                }
            }
            stream.shutdown().await
        };
        tokio::spawn(timeout(limit, leave));
    }

    /// Whether reading ended at the cap.
    pub(crate) fn is_full(&self) -> bool {
        self.room == 0
    }

    /// The next line, without the CR LF or LF at its end.
    pub(crate) async fn line(&mut self) -> Result<Vec<u8>, Outcome> {
        loop {
            if let Some(end) = self.ahead.iter().position(|byte| *byte == b'\n') {
                let mut line: Vec<u8> = self.ahead.drain(..=end).collect();
                line.pop();
                if line.last() == Some(&b'\r') {
                    line.pop();
                }
                return Ok(line);
            }
            if self.ahead.len() > LINE_LIMIT {
                return Err(Outcome::Garbled(format!("a line longer than {LINE_LIMIT} bytes")));
            }
            if self.more().await? == 0 {
                return Err(Outcome::Closed);
            }
        }
    }

    /// So many bytes.
    pub(crate) async fn exactly(&mut self, count: usize) -> Result<Vec<u8>, Outcome> {
        if count.saturating_sub(self.ahead.len()) > self.room {
            return Err(too_much());
        }
        while self.ahead.len() < count {
            if self.more().await? == 0 {
                return Err(Outcome::Closed);
            }
        }
        Ok(self.ahead.drain(..count).collect())
    }

    /// Everything until the server closes, or until the cap.
    pub(crate) async fn rest(&mut self) -> Result<Vec<u8>, Outcome> {
        while self.room > 0 && self.more().await? > 0 {}
        Ok(std::mem::take(&mut self.ahead))
    }

    /// Reads on; 0 at the end.
    async fn more(&mut self) -> Result<usize, Outcome> {
        let mut piece = [0; 4096];
        let room = self.room.min(piece.len());
        if room == 0 {
            return Err(too_much());
        }
        let space = piece.get_mut(..room).unwrap_or_default();
        let read = self.stream.read(space).await.map_err(|error| Outcome::of_io(&error))?;
        if read > 0 {
            self.progress.answered();
        }
        self.room -= read;
        self.ahead.extend_from_slice(piece.get(..read).unwrap_or_default());
        Ok(read)
    }
}

fn too_much() -> Outcome {
    Outcome::Garbled(format!("more than {ANSWER_LIMIT} bytes of answer"))
}

fn local(stream: &TcpStream) -> Result<SocketAddr, Outcome> {
    stream.local_addr().map_err(|error| Outcome::of_io(&error))
}

async fn connect(to: SocketAddr, progress: &Progress) -> Result<TcpStream, Outcome> {
    let stream = super::source::connect(to).await.map_err(|error| Outcome::of_io(&error))?;
    progress.connected();
    Ok(stream)
}

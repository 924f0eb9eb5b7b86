//! Connections, and HTTP requests on them, from one thread, many under way at a time: one that hangs delays no other.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use socket2::{Domain, Protocol, Socket, Type};

use super::{Pace, wait};
use crate::moment::Moment;
use crate::outage::Sample;

/// An answer is taken from the first so many bytes of a page.
const PAGE_LIMIT: usize = 16 * 1024;

/// The prober's source ports, used one after the other.
const PORTS: RangeInclusive<u16> = 2_000..=65_000;

/// What a page says, or why it is no answer.
pub type Meaning = fn(&[u8]) -> Result<String, String>;

/// What is asked on a connection.
#[derive(Clone, Debug)]
pub struct Question {
    /// What is sent; empty: a connection is answer enough.
    pub request: Vec<u8>,
    /// What the page means, all of it or its first bytes.
    pub meaning: Meaning,
}

impl Question {
    /// Only a connection.
    pub fn connection() -> Self {
        Self { request: Vec::new(), meaning: |_| Ok("connected".to_owned()) }
    }

    /// A page of a web server; any that is no error is an answer.
    pub fn page(host: &str, path: &str) -> Self {
        let request = format!(
            "GET {path} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: ha-drill\r\nConnection: close\r\n\r\n"
        );
        Self { request: request.into_bytes(), meaning: no_error }
    }
}

/// A status below 400.
fn no_error(page: &[u8]) -> Result<String, String> {
    let text = String::from_utf8_lossy(page);
    let mut words = text.split_whitespace();
    let http = words.next().is_some_and(|word| word.starts_with("HTTP/"));
    match words.next().and_then(|word| word.parse::<u16>().ok()).filter(|_| http) {
        Some(status @ 100..400) => Ok(status.to_string()),
        Some(status) => Err(format!("status {status}")),
        None if page.is_empty() => Err("closed without an answer".to_owned()),
        None => Err("no answer of HTTP".to_owned()),
    }
}

struct Request {
    start: Moment,
    socket: Socket,
    sent: bool,
    page: Vec<u8>,
}

/// Ask `target` until `stop` ends (a pipe whose other end is closed). Tells of each request when its end is known.
pub fn run(
    target: SocketAddr,
    pace: Pace,
    question: &Question,
    stop: BorrowedFd<'_>,
    mut tell: impl FnMut(Sample) -> io::Result<()>,
) -> io::Result<()> {
    let mut under_way: Vec<Request> = Vec::new();
    let mut next = Moment::now();
    // two probers of one target begin at different ports
    let mut ports = PORTS.cycle().skip(if question.request.is_empty() { 30_000 } else { 0 });
    loop {
        let now = Moment::now();
        if now >= next {
            match start(target, &mut ports) {
                Ok(request) => under_way.push(request),
                Err(error) => tell(Sample::refused(now, &error))?,
            }
            next = pace.after(next, now);
        }
        let deadlines = under_way.iter().map(|request| request.start.plus(pace.limit));
        let deadline = deadlines.min().map_or(next, |first| first.min(next));
        let wanted = |request: &Request| if request.sent { PollFlags::IN } else { PollFlags::OUT };
        let waiting = under_way.iter().map(|request| PollFd::new(&request.socket, wanted(request)));
        let Some(ready) = wait(stop, waiting, deadline)? else { return Ok(()) };
        let now = Moment::now();
        let mut ready = ready.into_iter();
        let mut results = Vec::new();
        under_way.retain_mut(|request| {
            let result = if ready.next() == Some(true) { advance(request, question) } else { None };
            let late =
                || (now.since(request.start) >= pace.limit).then(|| Err("no answer in time".to_owned()));
            let result = result.or_else(late);
            let goes_on = result.is_none();
            results.extend(result.map(|answer| (request.start, answer)));
            goes_on
        });
        for (start, answer) in results {
            tell(Sample { start, end: Moment::now(), answer, sent: true })?;
        }
    }
}

/// Ask once, and wait for the answer for so long.
pub fn ask(target: SocketAddr, question: &Question, limit: Duration) -> io::Result<Result<String, String>> {
    let mut stream = std::net::TcpStream::connect_timeout(&target, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.write_all(&question.request)?;
    let mut page = Vec::new();
    stream.take(PAGE_LIMIT as u64).read_to_end(&mut page)?;
    Ok((question.meaning)(&page))
}

/// Each request has a source port that no other had for a long time. Left to itself the kernel may repeat one within seconds,
/// and then IPVS sends the request where it sent the earlier one, even to a server that is quiescent by now.
fn start(target: SocketAddr, ports: &mut impl Iterator<Item = u16>) -> io::Result<Request> {
    let start = Moment::now();
    let socket = Socket::new(Domain::for_address(target), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    bind_to_next(&socket, target, ports)?;
    match socket.connect(&target.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
        Err(error) => return Err(error),
    }
    Ok(Request { start, socket, sent: false, page: Vec::new() })
}

fn bind_to_next(
    socket: &Socket,
    target: SocketAddr,
    ports: &mut impl Iterator<Item = u16>,
) -> io::Result<()> {
    let any: IpAddr =
        if target.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    socket.set_reuse_address(true)?;
    for port in ports.take(100) {
        match socket.bind(&SocketAddr::new(any, port).into()) {
            Err(error) if error.kind() == ErrorKind::AddrInUse => {}
            result => return result,
        }
    }
    Err(ErrorKind::AddrInUse.into())
}

/// Do what can be done now; the answer when it is known.
fn advance(request: &mut Request, question: &Question) -> Option<Result<String, String>> {
    if !request.sent {
        if let Ok(Some(error)) = request.socket.take_error() {
            return Some(Err(reason(&error)));
        }
        if question.request.is_empty() {
            return Some((question.meaning)(&[]));
        }
        return match (&request.socket).write(&question.request) {
            Ok(_) => {
                request.sent = true;
                None
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => None,
            Err(error) => Some(Err(reason(&error))),
        };
    }
    let mut buffer = [0; 4096];
    loop {
        match (&request.socket).read(&mut buffer) {
            Ok(0) => return Some((question.meaning)(&request.page)),
            Ok(length) => request.page.extend(buffer.iter().take(length)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(error) => return Some(Err(reason(&error))),
        }
        if request.page.len() > PAGE_LIMIT {
            return Some((question.meaning)(&request.page));
        }
    }
}

/// An error in a word or two.
pub fn reason(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::ConnectionRefused => "refused".to_owned(),
        ErrorKind::ConnectionReset => "reset".to_owned(),
        ErrorKind::HostUnreachable => "host unreachable".to_owned(),
        ErrorKind::NetworkUnreachable => "network unreachable".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_an_answer_unless_it_is_an_error() {
        assert_eq!(no_error(b"HTTP/1.1 200 OK\r\n\r\nhello"), Ok("200".to_owned()));
        assert_eq!(no_error(b"HTTP/1.1 302 Found\r\n\r\n"), Ok("302".to_owned()));
        assert_eq!(no_error(b"HTTP/1.1 502 Bad Gateway\r\n\r\n"), Err("status 502".to_owned()));
        assert!(no_error(b"").is_err());
        assert!(no_error(b"220 mail 250 SMTP").is_err());
        assert!(no_error(&[0xff; 100]).is_err());
    }
}

//! HTTP requests from one thread, many under way at a time: one that hangs delays no other.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::{Domain, Protocol, Socket, Type};

use super::{Sample, line};
use crate::failure::Result;
use crate::moment::Moment;

/// An answer is the first line of a page of at most this many bytes.
const PAGE_LIMIT: usize = 16 * 1024;

/// The prober's source ports, used one after the other.
const PORTS: RangeInclusive<u16> = 2_000..=65_000;

const REQUEST: &[u8] = b"GET / HTTP/1.0\r\nHost: lab\r\nUser-Agent: lab\r\n\r\n";

struct Request {
    start: Moment,
    socket: Socket,
    sent: bool,
    page: Vec<u8>,
}

/// Request `http://TARGET/` every `interval` until standard input ends.
pub fn run(target: SocketAddr, interval: Duration, limit: Duration) -> Result<()> {
    let stdin = std::io::stdin();
    let stdout = std::io::stdout();
    let mut under_way: Vec<Request> = Vec::new();
    let mut next = Moment::now();
    let mut ports = PORTS.cycle();
    loop {
        let now = Moment::now();
        if now >= next {
            match start(target, &mut ports) {
                Ok(request) => under_way.push(request),
                Err(reason) => report(&stdout, now, Err(reason))?,
            }
            // After a pause of this machine there is nothing to catch up with.
            next = if now.since(next) > interval { now.plus(interval) } else { next.plus(interval) };
        }
        let deadline = under_way
            .iter()
            .map(|request| request.start.plus(limit))
            .min()
            .map_or(next, |first| first.min(next));
        let wait =
            Timespec::try_from(deadline.since(Moment::now())).unwrap_or(Timespec { tv_sec: 0, tv_nsec: 0 });

        let mut waiting = vec![PollFd::new(&stdin, PollFlags::IN)];
        let wanted = |request: &Request| if request.sent { PollFlags::IN } else { PollFlags::OUT };
        waiting.extend(under_way.iter().map(|request| PollFd::new(&request.socket, wanted(request))));
        match poll(&mut waiting, Some(&wait)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready: Vec<bool> = waiting.iter().map(|each| !each.revents().is_empty()).collect();
        drop(waiting);
        if ready.first() == Some(&true) {
            return Ok(());
        }

        let now = Moment::now();
        let mut ready = ready.into_iter().skip(1);
        let mut results = Vec::new();
        under_way.retain_mut(|request| {
            let result = if ready.next() == Some(true) { advance(request) } else { None };
            let result = result
                .or_else(|| (now.since(request.start) >= limit).then(|| Err("no answer in time".to_owned())));
            let goes_on = result.is_none();
            results.extend(result.map(|answer| (request.start, answer)));
            goes_on
        });
        for (start, answer) in results {
            report(&stdout, start, answer)?;
        }
    }
}

/// Make `count` requests one after the other and print who answered: for testing by hand.
pub fn ask(target: SocketAddr, count: usize) -> Result<()> {
    let limit = Duration::from_secs(3);
    for _ in 0..count {
        let begin = Moment::now();
        let answer = one_request(target, limit).unwrap_or_else(|error| Err(reason(&error)));
        let text = answer.unwrap_or_else(|why| format!("({why})"));
        println!("{text:<20} {}", crate::moment::millis(begin.elapsed()));
    }
    Ok(())
}

fn one_request(target: SocketAddr, limit: Duration) -> std::io::Result<Result<String, String>> {
    let mut stream = std::net::TcpStream::connect_timeout(&target, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.write_all(REQUEST)?;
    let mut page = Vec::new();
    stream.take(PAGE_LIMIT as u64).read_to_end(&mut page)?;
    Ok(meaning(&page))
}

fn report(mut out: &std::io::Stdout, start: Moment, answer: Result<String, String>) -> Result<()> {
    writeln!(out, "{}", line(&Sample { start, end: Moment::now(), answer }))?;
    Ok(out.flush()?)
}

/// Each request has a source port that no other had for a long time. Left to itself the kernel may repeat one within seconds,
/// and then IPVS sends the request where it sent the earlier one, even to a server that is quiescent by now.
fn start(target: SocketAddr, ports: &mut impl Iterator<Item = u16>) -> Result<Request, String> {
    let start = Moment::now();
    let mut open = || -> std::io::Result<Socket> {
        let socket =
            Socket::new(Domain::for_address(target), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
        bind_to_next(&socket, target, ports)?;
        match socket.connect(&target.into()) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
            Err(error) => return Err(error),
        }
        Ok(socket)
    };
    let socket = open().map_err(|error| reason(&error))?;
    Ok(Request { start, socket, sent: false, page: Vec::new() })
}

fn bind_to_next(
    socket: &Socket,
    target: SocketAddr,
    ports: &mut impl Iterator<Item = u16>,
) -> std::io::Result<()> {
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
fn advance(request: &mut Request) -> Option<Result<String, String>> {
    if !request.sent {
        if let Ok(Some(error)) = request.socket.take_error() {
            return Some(Err(reason(&error)));
        }
        return match (&request.socket).write(REQUEST) {
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
            Ok(0) => return Some(meaning(&request.page)),
            Ok(length) => request.page.extend(buffer.iter().take(length)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return None,
            Err(error) => return Some(Err(reason(&error))),
        }
        if request.page.len() > PAGE_LIMIT {
            return Some(Err("page too long".to_owned()));
        }
    }
}

/// A name is only what a page with status 200 begins with: an error page of a web server is no answer.
fn meaning(page: &[u8]) -> Result<String, String> {
    let text = String::from_utf8_lossy(page);
    let status = text.split_whitespace().nth(1).unwrap_or("none");
    if status != "200" {
        return Err(format!("status {status}"));
    }
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    match body.lines().next().map(str::trim) {
        Some(name) if !name.is_empty() && !name.starts_with('<') => Ok(name.to_owned()),
        _ => Err("a page without a server's name".to_owned()),
    }
}

fn reason(error: &std::io::Error) -> String {
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
    fn only_a_named_page_is_an_answer() {
        assert_eq!(meaning(b"HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\nweb1\n"), Ok("web1".to_owned()));
        assert_eq!(meaning(b"HTTP/1.1 502 Bad Gateway\r\n\r\nweb1\n"), Err("status 502".to_owned()));
        assert!(meaning(b"HTTP/1.1 200 OK\r\n\r\n<html>Welcome to nginx!</html>").is_err());
        assert!(meaning(b"").is_err());
    }
}

//! Hands a mail to a mail server (RFC 5321), every receiver by itself: one that is refused takes nothing from the
//! others. Plain and without an account, as ldirectord did.

use super::route::{Failure, Queued, Refused};
use crate::check::Outcome;
use crate::check::link::{Link, Progress};
use crate::check::reply::{self, Reply};
use crate::config::MailHost;
use crate::thread::on_thread;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Names that are looked up at the same time: one that gets no answer takes a thread for half a minute.
static TURNS: Semaphore = Semaphore::const_new(4);
/// A host with several addresses: the next one has its turn after this part of the limit.
const ADDRESSES: u32 = 3;

/// Sends one mail; who was not taken.
pub(super) async fn send(host: &MailHost, mail: &Queued, limit: Duration) -> Result<Vec<Refused>, Failure> {
    let progress = Progress::default();
    match timeout(limit, deliver(host, mail, limit, &progress)).await {
        Ok(result) => result,
        Err(_) => Err(not_now(format!("not done within {} s", limit.as_secs_f64()))),
    }
}

async fn deliver(
    host: &MailHost,
    mail: &Queued,
    limit: Duration,
    progress: &Progress,
) -> Result<Vec<Refused>, Failure> {
    let mut link = connect(host, limit, progress).await?;
    let greeting = reply::read(&mut link).await?;
    expect(&greeting, 2)?;
    let mut hello = reply::ask(&mut link, &format!("EHLO {}", mail.host)).await?;
    if hello.class() == 5 {
        hello = reply::ask(&mut link, &format!("HELO {}", mail.host)).await?;
    }
    expect(&hello, 2)?;
    expect(&reply::ask(&mut link, &format!("MAIL FROM:<{}>", mail.sender)).await?, 2)?;
    let mut refused = Vec::new();
    for to in &mail.to {
        let taken = reply::ask(&mut link, &format!("RCPT TO:<{}>", to.path())).await?;
        if let Err(failure) = expect(&taken, 2) {
            refused.push((to.clone(), failure));
        }
    }
    if refused.len() < mail.to.len() {
        expect(&reply::ask(&mut link, "DATA").await?, 3)?;
        link.send(&dotted(&mail.bytes)).await?;
        expect(&reply::read(&mut link).await?, 2)?;
    }
    link.farewell("QUIT");
    Ok(refused)
}

async fn connect<'a>(host: &MailHost, limit: Duration, progress: &'a Progress) -> Result<Link<'a>, Failure> {
    let mut why = format!("{} has no address", host.host);
    for address in addresses(host).await.map_err(not_now)? {
        match timeout(limit / ADDRESSES, Link::open(address, progress)).await {
            Ok(Ok(link)) => return Ok(link),
            Ok(Err(outcome)) => why = format!("{address}: {outcome}"),
            Err(_) => why = format!("{address}: no connection"),
        }
    }
    Err(not_now(why))
}

async fn addresses(host: &MailHost) -> Result<Vec<SocketAddr>, String> {
    if let Ok(address) = host.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, host.port)]);
    }
    let turn = TURNS.acquire().await.map_err(|error| error.to_string())?;
    let (name, port) = (host.host.clone(), host.port);
    let look = move || {
        let _turn = turn; // until the thread ends, whether somebody still waits for it or not
        (name.as_str(), port).to_socket_addrs().map(Iterator::collect)
    };
    let found = on_thread("mail server", look).await.ok_or("no thread to look the name up")?;
    found.map_err(|error| format!("{}: {error}", host.host))
}

/// What the server says against it, if its answer is of another class.
fn expect(reply: &Reply, class: u16) -> Result<(), Failure> {
    if reply.class() == class {
        return Ok(());
    }
    Err(Failure { why: reply.declined().to_string(), lasting: reply.class() == 5 })
}

fn not_now(why: impl Into<String>) -> Failure {
    Failure { why: why.into(), lasting: false }
}

impl From<Outcome> for Failure {
    /// A dialogue that breaks off says nothing of the mail.
    fn from(outcome: Outcome) -> Failure {
        not_now(outcome.to_string())
    }
}

/// The mail as it goes over the wire: a dot before every line that begins with one, and the end (section 4.5.2).
fn dotted(mail: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(mail.len() + 16);
    for line in mail.split_inclusive(|byte| *byte == b'\n') {
        if line.first() == Some(&b'.') {
            bytes.push(b'.');
        }
        bytes.extend_from_slice(line);
    }
    if !mail.ends_with(b"\r\n") {
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b".\r\n");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_begin_with_a_dot_get_another_one() {
        assert_eq!(dotted(b"a\r\n.\r\n..b\r\nc."), b"a\r\n..\r\n...b\r\nc.\r\n.\r\n");
        assert_eq!(dotted(b""), b"\r\n.\r\n");
    }
}

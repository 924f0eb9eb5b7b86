//! What the real servers say: as much of each protocol as its check wants to hear.

mod binary;
mod ftp;
mod postgres;
mod text;

use crate::case::{Speaks, State};
use crate::trust::Trust;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, TcpStream};

/// One conversation; whoever hangs up ends it.
pub fn answer(stream: TcpStream, speaks: &Speaks, state: State, trust: &Trust) -> Option<()> {
    let here = stream.local_addr().ok()?.ip();
    match speaks {
        _ if state == State::Silent => hear_out(stream),
        Speaks::Tls(inside) => {
            let mut talk = Talk::new(trust.accept(stream)?, here);
            let result = converse(inside, state.is_well(), &mut talk);
            let _ = talk.stream.get_mut().shutdown(); // else what was said looks cut off
            result
        }
        plain => converse(plain, state.is_well(), &mut Talk::new(stream, here)),
    }
}

fn converse<S: Read + Write>(speaks: &Speaks, well: bool, talk: &mut Talk<S>) -> Option<()> {
    match speaks {
        Speaks::Nothing | Speaks::Tls(_) | Speaks::Radius(_) => Some(()),
        Speaks::Web(site) => text::web(talk, site, well),
        Speaks::Smtp => text::smtp(talk, well),
        Speaks::Nntp => text::nntp(talk, well),
        Speaks::Pop => text::pop(talk, well),
        Speaks::Imap => text::imap(talk, well),
        Speaks::Simple => text::simple(talk, well),
        Speaks::Sip => text::sip(talk, well),
        Speaks::Ftp(file) => ftp::serve(talk, file, well),
        Speaks::Dns => binary::dns_by_tcp(talk, well),
        Speaks::Ldap => binary::ldap(talk, well),
        Speaks::Mysql => binary::mysql(talk, well),
        Speaks::Pgsql => postgres::serve(talk, well),
    }
}

/// The answer to a datagram, if there is one.
pub fn datagram(speaks: &Speaks, state: State, question: &[u8]) -> Option<Vec<u8>> {
    let well = state.is_well();
    match speaks {
        _ if state == State::Silent => None,
        Speaks::Dns => binary::dns(question, well),
        Speaks::Radius(secret) => binary::radius(question, secret, well),
        Speaks::Sip => Some(text::sip_answer(&String::from_utf8_lossy(question), well).into_bytes()),
        Speaks::Simple => Some(text::simple_answer(well).into()),
        _ => None,
    }
}

/// Says nothing until the other side hangs up.
fn hear_out(mut stream: TcpStream) -> Option<()> {
    std::io::copy(&mut stream, &mut std::io::sink()).ok().map(drop)
}

/// A conversation on one connection. Each step is `None` when the other side has hung up.
struct Talk<S: Read + Write> {
    stream: BufReader<S>,
    /// The server's own address.
    here: IpAddr,
}

impl<S: Read + Write> Talk<S> {
    fn new(stream: S, here: IpAddr) -> Talk<S> {
        Talk { stream: BufReader::new(stream), here }
    }

    fn say(&mut self, text: &str) -> Option<()> {
        self.send(text.as_bytes())
    }

    fn send(&mut self, bytes: &[u8]) -> Option<()> {
        let stream = self.stream.get_mut();
        stream.write_all(bytes).and_then(|()| stream.flush()).ok()
    }

    /// The next line, without its end.
    fn line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        let length = self.stream.read_until(b'\n', &mut line).ok()?;
        (length > 0).then(|| String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    fn exactly(&mut self, length: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.stream.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }
}

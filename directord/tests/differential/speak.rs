//! What the real servers say: as much of each protocol as its check wants to hear.

use crate::case::{Speaks, State};
use std::io::{BufRead, BufReader, Lines, Read, Write};
use std::net::TcpStream;

/// One conversation; whoever hangs up ends it.
pub fn answer(stream: TcpStream, speaks: &Speaks, state: State) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut writer = stream;
    let up = state == State::Up;
    let mut say = |text: &str| writer.write_all(text.as_bytes()).ok();
    if state == State::Silent {
        // Until the other side hangs up.
        return std::io::copy(&mut reader, &mut std::io::sink()).ok().map(drop);
    }
    match speaks {
        Speaks::Nothing => Some(()),
        Speaks::Web(page) => {
            let mut lines = reader.lines();
            let asked = lines.next()?.ok()?;
            while lines.next()?.ok()?.trim() != "" {}
            let status = if up { "200 OK" } else { "503 Service Unavailable" };
            let page = if asked.starts_with("HEAD") { "" } else { page };
            say(&format!("HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n{page}"))
        }
        Speaks::Smtp => {
            say(if up { "220 ready\r\n" } else { "554 no service\r\n" })?;
            converse(reader.lines(), |line| {
                say(if line.starts_with("QUIT") { "221 bye\r\n" } else { "250 ok\r\n" })
            })
        }
        Speaks::Nntp => say(if up { "200 ready\r\n" } else { "400 no service\r\n" }),
        Speaks::Pop => {
            say(if up { "+OK ready\r\n" } else { "-ERR no service\r\n" })?;
            converse(reader.lines(), |line| match line {
                "STAT" => say("+OK 0 0\r\n"),
                "CAPA" => say("+OK\r\n.\r\n"),
                _ => say("+OK\r\n"),
            })
        }
        Speaks::Imap => {
            say(if up { "* OK ready\r\n" } else { "* BYE no service\r\n" })?;
            converse(reader.lines(), |line| {
                let tag = line.split(' ').next().unwrap_or_default();
                say(&format!("{tag} OK done\r\n"))
            })
        }
        Speaks::Simple => {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            say(if up { "it is well: ok\r\n" } else { "it is ill\r\n" })
        }
        Speaks::Sip => {
            let mut request = [0; 2048];
            let _ = reader.read(&mut request).ok()?;
            say(&sip(up))
        }
        Speaks::Dns => {
            let mut length = [0; 2];
            reader.read_exact(&mut length).ok()?;
            let mut question = vec![0; usize::from(u16::from_be_bytes(length))];
            reader.read_exact(&mut question).ok()?;
            let answer = dns(&question, up)?;
            writer.write_all(&(answer.len() as u16).to_be_bytes()).ok()?;
            writer.write_all(&answer).ok()
        }
    }
}

/// The answer to a datagram, if there is one.
pub fn datagram(speaks: &Speaks, state: State, question: &[u8]) -> Option<Vec<u8>> {
    let up = state == State::Up;
    match speaks {
        _ if state == State::Silent => None,
        Speaks::Dns => dns(question, up),
        Speaks::Sip => Some(sip(up).into_bytes()),
        Speaks::Simple => Some(if up { "it is well: ok\n" } else { "it is ill\n" }.into()),
        _ => None,
    }
}

fn converse(lines: Lines<BufReader<TcpStream>>, mut answer: impl FnMut(&str) -> Option<()>) -> Option<()> {
    for line in lines {
        answer(line.ok()?.trim_end())?;
    }
    Some(())
}

fn sip(up: bool) -> String {
    let status = if up { "200 OK" } else { "503 Service Unavailable" };
    format!("SIP/2.0 {status}\r\nContent-Length: 0\r\n\r\n")
}

/// One address, 192.0.2.53, for whatever was asked; or a failure (RFC 1035).
fn dns(question: &[u8], up: bool) -> Option<Vec<u8>> {
    let name = question.get(12..)?.iter().position(|byte| *byte == 0)?;
    let mut answer = question.get(..12 + name + 5)?.to_vec();
    answer[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, u8::from(up), 0, 0, 0, 0]);
    if up {
        answer.extend_from_slice(&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 53]);
    } else {
        answer[3] = 0x82; // the server failed
    }
    Some(answer)
}

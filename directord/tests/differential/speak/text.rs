//! Protocols of lines.

use super::Talk;
use crate::case::Site;
use std::io::{Read, Write};

/// HTTP, also as a proxy: whatever is asked for is here, or with a list only what stands in it.
pub fn web<S: Read + Write>(talk: &mut Talk<S>, site: &Site, well: bool) -> Option<()> {
    let asked = talk.line()?;
    let mut host = String::new();
    loop {
        let line = talk.line()?;
        match line.split_once(':') {
            Some((name, value)) if name.eq_ignore_ascii_case("host") => host = value.trim().to_owned(),
            Some(_) => {}
            None => break, // the empty line
        }
    }
    let mut words = asked.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let status = match (well, site.has(&host, target)) {
        (false, _) => "503 Service Unavailable",
        (true, true) => "200 OK",
        (true, false) => "404 Not Found",
    };
    let page = if method == "HEAD" { "" } else { &site.page };
    talk.say(&format!("HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nConnection: close\r\n\r\n{page}"))
}

pub fn smtp<S: Read + Write>(talk: &mut Talk<S>, well: bool) -> Option<()> {
    talk.say(if well { "220 ready\r\n" } else { "554 no service\r\n" })?;
    loop {
        let quit = talk.line()?.starts_with("QUIT");
        talk.say(if quit { "221 bye\r\n" } else { "250 ok\r\n" })?;
    }
}

pub fn nntp<S: Read + Write>(talk: &mut Talk<S>, well: bool) -> Option<()> {
    talk.say(if well { "200 ready\r\n" } else { "400 no service\r\n" })
}

pub fn pop<S: Read + Write>(talk: &mut Talk<S>, well: bool) -> Option<()> {
    talk.say(if well { "+OK ready\r\n" } else { "-ERR no service\r\n" })?;
    loop {
        match talk.line()?.as_str() {
            "STAT" => talk.say("+OK 0 0\r\n")?,
            "CAPA" => talk.say("+OK\r\n.\r\n")?,
            _ => talk.say("+OK\r\n")?,
        }
    }
}

pub fn imap<S: Read + Write>(talk: &mut Talk<S>, well: bool) -> Option<()> {
    talk.say(if well { "* OK ready\r\n" } else { "* BYE no service\r\n" })?;
    loop {
        let line = talk.line()?;
        let tag = line.split(' ').next().unwrap_or_default();
        talk.say(&format!("{tag} OK done\r\n"))?;
    }
}

/// A line, and a line in answer.
pub fn simple<S: Read + Write>(talk: &mut Talk<S>, well: bool) -> Option<()> {
    talk.line()?;
    talk.say(simple_answer(well))
}

pub fn simple_answer(well: bool) -> &'static str {
    if well { "it is well: ok\r\n" } else { "it is ill\r\n" }
}

pub fn sip<S: Read + Write>(talk: &mut Talk<S>, well: bool) -> Option<()> {
    let mut request = String::new();
    loop {
        let line = talk.line()?;
        if line.is_empty() {
            return talk.say(&sip_answer(&request, well));
        }
        request += &format!("{line}\r\n");
    }
}

/// The answer to this request (RFC 3261, section 8.2.6).
pub fn sip_answer(request: &str, well: bool) -> String {
    let status = if well { "200 OK" } else { "503 Service Unavailable" };
    let mut answer = format!("SIP/2.0 {status}\r\n");
    for line in request.lines().map(str::trim_end) {
        if ["Via:", "From:", "To:", "Call-ID:", "CSeq:"].iter().any(|name| line.starts_with(name)) {
            answer += &format!("{line}\r\n");
        }
    }
    answer + "Content-Length: 0\r\n\r\n"
}

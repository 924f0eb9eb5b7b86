//! FTP with one file, which is there by every name (RFC 959, RFC 2428).

use super::Talk;
use std::io::{Read, Write};
use std::net::{IpAddr, TcpListener, TcpStream};

/// Whom a file is sent over.
enum Data {
    /// Who asked will connect.
    Theirs(TcpListener),
    /// To this address.
    Ours(IpAddr, u16),
}

pub fn serve<S: Read + Write>(talk: &mut Talk<S>, file: &str, well: bool) -> Option<()> {
    talk.say(if well { "220 ready\r\n" } else { "421 no service\r\n" })?;
    let mut data = None;
    loop {
        let line = talk.line()?;
        let (command, argument) = line.split_once(' ').unwrap_or((line.as_str(), ""));
        match command.to_ascii_uppercase().as_str() {
            "USER" => talk.say("331 the password?\r\n")?,
            "PASS" => talk.say("230 welcome\r\n")?,
            "CWD" => talk.say("250 there\r\n")?,
            "TYPE" => talk.say("200 so be it\r\n")?,
            "PASV" | "EPSV" => {
                let listener = TcpListener::bind((talk.here, 0)).ok()?;
                talk.say(&offer(talk.here, listener.local_addr().ok()?.port()))?;
                data = Some(Data::Theirs(listener));
            }
            "PORT" | "EPRT" => {
                data = Some(Data::Ours(talk.here, port(argument)?)); // they are on the same machine
                talk.say("200 there\r\n")?;
            }
            "RETR" => {
                talk.say("150 here it comes\r\n")?;
                send(data.take()?, file)?;
                talk.say("226 done\r\n")?;
            }
            "QUIT" => return talk.say("221 bye\r\n"),
            _ => talk.say("502 what?\r\n")?,
        }
    }
}

fn offer(here: IpAddr, port: u16) -> String {
    match here {
        IpAddr::V4(address) => {
            let ([a, b, c, d], [high, low]) = (address.octets(), port.to_be_bytes());
            format!("227 Entering Passive Mode ({a},{b},{c},{d},{high},{low})\r\n")
        }
        IpAddr::V6(_) => format!("229 Entering Extended Passive Mode (|||{port}|)\r\n"),
    }
}

/// The port in `192,0,2,1,4,210` or `|2|2001:db8::1|1234|`.
fn port(argument: &str) -> Option<u16> {
    if let Some(rest) = argument.strip_suffix('|') {
        return rest.rsplit('|').next()?.parse().ok();
    }
    let mut numbers = argument.rsplit(',').map(|number| number.parse::<u8>().ok());
    let (low, high) = (numbers.next()??, numbers.next()??);
    Some(u16::from_be_bytes([high, low]))
}

fn send(data: Data, file: &str) -> Option<()> {
    let mut stream = match data {
        Data::Theirs(listener) => listener.accept().ok()?.0,
        Data::Ours(address, port) => TcpStream::connect((address, port)).ok()?,
    };
    stream.write_all(file.as_bytes()).ok()
}

//! Service `ftp` (RFC 959, RFC 2428): a login; with `request` that file is fetched, and must match `receive`.
//!
//! As ldirectord did it: `CWD /`, then the file by its whole path. Data connections are passive where the server lets
//! them be, else active, which ldirectord's were. They are always with the address that is checked: what a PASV reply
//! says of an address is not looked at.

use super::link::{Link, Progress};
use super::outcome::excerpt;
use super::pattern::Turn;
use super::reply::{self, Reply};
use super::{Dialogue, Outcome};
use std::net::{IpAddr, SocketAddr};
use tokio::net::TcpListener;
use tokio::time::timeout;

/// Logs in, and fetches.
pub(super) async fn check(dialogue: &Dialogue, turn: &Turn) -> Outcome {
    let progress = Progress::default();
    progress.within(dialogue.timeout, talk(dialogue, &progress, turn)).await
}

async fn talk(dialogue: &Dialogue, progress: &Progress, turn: &Turn) -> Result<Outcome, Outcome> {
    let mut link = Link::open(dialogue.to, progress).await?;
    reply::read(&mut link).await?.expect(&[2])?;
    login(&mut link, dialogue).await?;
    let text = match dialogue.request.as_str() {
        "" => Vec::new(),
        _ => {
            reply::ask(&mut link, "CWD /").await?; // a server may have no such folder
            reply::ask(&mut link, "TYPE I").await?;
            fetch(&mut link, dialogue, progress).await?
        }
    };
    link.farewell("QUIT");
    Ok(dialogue.judge(text, turn).await)
}

/// Without a `login` that of guests.
async fn login(link: &mut Link<'_>, dialogue: &Dialogue) -> Result<(), Outcome> {
    let (login, password) = match (dialogue.login.as_str(), dialogue.password.reveal()) {
        ("", "") => ("anonymous", "ldirectord@"),
        ("", password) => ("anonymous", password),
        written => written,
    };
    let answer = reply::ask(link, &format!("USER {login}")).await?.expect(&[2, 3])?;
    if answer.class() == 3 {
        reply::ask(link, &format!("PASS {password}")).await?.expect(&[2])?;
    }
    Ok(())
}

/// The file's beginning: all of it, but for what is beyond the cap.
async fn fetch(link: &mut Link<'_>, dialogue: &Dialogue, progress: &Progress) -> Result<Vec<u8>, Outcome> {
    let data = match passive(link, dialogue, progress).await {
        Ok(data) => Data::Ours(data),
        Err(Outcome::NotRun(why)) => return Err(Outcome::NotRun(why)),
        // If that is refused, too, why it was needed says more.
        Err(why) => Data::Theirs(active(link).await.map_err(|_| why)?),
    };
    reply::ask(link, &format!("RETR /{}", dialogue.request)).await?.expect(&[1])?;
    let mut data = match data {
        Data::Ours(data) => data,
        Data::Theirs(listener) => accept(&listener, dialogue.to.ip(), progress).await?,
    };
    let text = data.rest().await?;
    if !data.is_full() {
        reply::read(link).await?.expect(&[2])?;
    }
    Ok(text)
}

/// A data connection, by who makes it.
enum Data<'a> {
    Ours(Link<'a>),
    Theirs(TcpListener),
}

/// Connects to the port that the server names. A firewall that drops this must not use up all the time.
async fn passive<'a>(
    link: &mut Link<'_>,
    dialogue: &Dialogue,
    progress: &'a Progress,
) -> Result<Link<'a>, Outcome> {
    let port = offered_port(link, dialogue.to).await?;
    let limit = dialogue.timeout / 3;
    let open = timeout(limit, Link::open(SocketAddr::new(dialogue.to.ip(), port), progress)).await;
    open.unwrap_or(Err(Outcome::NotConnected(limit))).map_err(|outcome| match outcome {
        Outcome::NotRun(why) => Outcome::NotRun(why),
        other => Outcome::Unreachable(format!("data connection to port {port}: {other}")),
    })
}

/// Names a port to the server.
async fn active(link: &mut Link<'_>) -> Result<TcpListener, Outcome> {
    let not_ours = |error: std::io::Error| Outcome::NotRun(format!("a port for data: {error}"));
    let local = link.local().ip();
    let listener = TcpListener::bind((local, 0)).await.map_err(not_ours)?;
    let port = listener.local_addr().map_err(not_ours)?.port();
    reply::ask(link, &port_command(local, port)).await?.expect(&[2])?;
    Ok(listener)
}

fn port_command(local: IpAddr, port: u16) -> String {
    match local {
        IpAddr::V4(address) => {
            let ([a, b, c, d], [high, low]) = (address.octets(), port.to_be_bytes());
            format!("PORT {a},{b},{c},{d},{high},{low}")
        }
        IpAddr::V6(address) => format!("EPRT |2|{address}|{port}|"),
    }
}

/// The server's connection; strangers' are closed.
async fn accept<'a>(
    listener: &TcpListener,
    server: IpAddr,
    progress: &'a Progress,
) -> Result<Link<'a>, Outcome> {
    loop {
        let (stream, from) = listener.accept().await.map_err(|error| Outcome::of_io(&error))?;
        if from.ip() == server {
            return Link::plain(stream, progress);
        }
    }
}

/// A command that asks for a port, the number of a good answer, and where the port is in that.
type Way = (&'static str, u16, fn(&Reply) -> Option<u16>);

/// Asks for a port for data, in the way that is usual for the address first.
async fn offered_port(link: &mut Link<'_>, to: SocketAddr) -> Result<u16, Outcome> {
    const PASV: Way = ("PASV", 227, pasv_port);
    const EPSV: Way = ("EPSV", 229, epsv_port);
    let ways = if to.is_ipv4() { [PASV, EPSV] } else { [EPSV, PASV] };
    let mut refusal = Outcome::Closed;
    for (command, code, port) in ways {
        let answer = reply::ask(link, command).await?;
        if answer.code == code {
            let garbled = || Outcome::Garbled(format!("no port in \"{}\"", excerpt(&answer.text)));
            return port(&answer).ok_or_else(garbled);
        }
        refusal = answer.declined();
    }
    Err(refusal)
}

/// The port in `227 Entering Passive Mode (192,0,2,1,4,210)`; the parentheses are a custom, not a rule (RFC 1123
/// section 4.1.2.6).
fn pasv_port(reply: &Reply) -> Option<u16> {
    let text = reply.text.get(3..)?;
    let runs = text.split(|byte| !byte.is_ascii_digit() && *byte != b',');
    let port = |run: &[u8]| {
        let run = std::str::from_utf8(run).ok()?;
        let numbers: Vec<u8> = run.split(',').map(str::parse).collect::<Result<_, _>>().ok()?;
        match numbers.as_slice() {
            [_, _, _, _, high, low] => Some(u16::from_be_bytes([*high, *low])).filter(|port| *port != 0),
            _ => None,
        }
    };
    runs.into_iter().find_map(port)
}

/// The port in `229 Entering Extended Passive Mode (|||1234|)`, where any character may stand for `|`.
fn epsv_port(reply: &Reply) -> Option<u16> {
    let open = reply.text.iter().position(|byte| *byte == b'(')?;
    let inside = reply.text.get(open + 1..)?;
    let bar = inside.first()?;
    let mut fields = inside.split(|byte| byte == bar);
    // Nothing before the first, no protocol, no address: those of the control connection.
    let port = (fields.next()?, fields.next()?, fields.next()?, fields.next()?, fields.next()?).3;
    std::str::from_utf8(port).ok()?.parse().ok().filter(|port| *port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn reply(text: &[u8]) -> Reply {
        Reply { code: 227, text: text.to_vec() }
    }

    #[test]
    fn ports_are_found_however_they_are_written() {
        let pasv = |text: &str| pasv_port(&reply(text.as_bytes()));
        assert_eq!(pasv("227 Entering Passive Mode (127,0,0,1,4,210)."), Some(1234));
        assert_eq!(pasv("227 =198,51,100,7,0,21"), Some(21));
        assert_eq!(pasv("227-Wait, 1,2\n227 127,0,0,1,255,255"), Some(65535));
        for wrong in ["227 (127,0,0,1,0,0)", "227 (127,0,0,1,256,1)", "227 (127,0,0,1,1)", "227", "227 ok"] {
            assert_eq!(pasv(wrong), None, "{wrong}");
        }
        let epsv = |text: &str| epsv_port(&reply(text.as_bytes()));
        assert_eq!(epsv("229 Entering Extended Passive Mode (|||6446|)"), Some(6446));
        assert_eq!(epsv("229 (!!!21!)"), Some(21));
        for wrong in
            ["229 (|||0|)", "229 (|||65536|)", "229 (|||21", "229 (||21|)", "229 |||21|", "229 (", "229"]
        {
            assert_eq!(epsv(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ports_are_named_in_both_families() {
        assert_eq!(port_command(IpAddr::from([192, 0, 2, 1]), 1234), "PORT 192,0,2,1,4,210");
        assert_eq!(port_command("2001:db8::1".parse().unwrap(), 1234), "EPRT |2|2001:db8::1|1234|");
    }

    proptest! {
        #[test]
        fn any_reply_is_read(text in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = (pasv_port(&reply(&text)), epsv_port(&reply(&text)));
        }

        #[test]
        fn any_port_is_found(port in 1_u16.., address in any::<[u8; 4]>()) {
            let ([a, b, c, d], [high, low]) = (address, port.to_be_bytes());
            let pasv = format!("227 Entering Passive Mode ({a},{b},{c},{d},{high},{low})");
            prop_assert_eq!(pasv_port(&reply(pasv.as_bytes())), Some(port));
            prop_assert_eq!(epsv_port(&reply(format!("229 (|||{port}|)").as_bytes())), Some(port));
        }
    }
}

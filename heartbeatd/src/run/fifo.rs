//! The FIFO `fifo` of the state directory, mode 0600, by which heartbeat's shell tools ask the daemon for something
//! (`ha_clustermsg` of `shellfuncs`): a line `>>>`, lines `name=value`, a line `<<<`.
//!
//! What `hb_standby` and `hb_takeover` write is done as if our own tools had asked. A message of a type of the
//! administrator's own goes to the scripts of `rc.d` on both nodes. What the other scripts of heartbeat report, the daemon
//! knows by itself: it is said in the log.

use super::scripts;
use crate::cluster;
use crate::control::{Request, Which};
use crate::wire::Message;
use rustix::fs::{CWD, FileType, Mode, OFlags, fchmod, fstat, mknodat, open};
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::mpsc;

/// A longer line is dropped with its message; heartbeat 3.0.6 took 512 bytes.
const LONGEST_LINE: usize = 4096;
/// A message of more fields is dropped.
const MOST_FIELDS: usize = 64;
/// Stands for a newline inside a value.
const NEWLINE: char = '\x13';
/// Fields of which the sender of a message takes care.
const GIVEN: [&str; 10] = ["t", "src", "srcuuid", "destuuid", "seq", "hg", "ts", "ld", "ttl", "auth"];
/// So much of a text from outside is worth a log line.
const LONGEST_SHOWN: usize = 32;

/// Makes the FIFO unless it is there, and opens it, inside a runtime. Without it only old tools miss something: why is
/// in the log.
pub(super) fn open_fifo(path: &Path) -> Option<Receiver> {
    let complain = |error: &io::Error| {
        tracing::warn!("{}: {error}; hb_standby of old scripts will not work", path.display());
    };
    try_open(path).inspect_err(complain).ok()
}

/// Opened for writing too, so that it never ends, and never waiting for anybody.
fn try_open(path: &Path) -> io::Result<Receiver> {
    let mode = Mode::RUSR | Mode::WUSR;
    match mknodat(CWD, path, FileType::Fifo, mode, 0) {
        Ok(()) | Err(rustix::io::Errno::EXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let fd: OwnedFd = open(path, flags, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&fd)?.st_mode) != FileType::Fifo {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "is not a FIFO: remove it"));
    }
    fchmod(&fd, mode)?;
    Receiver::from_owned_fd(fd)
}

/// Reads the FIFO for ever; what is asked goes to `asked`, one at a time.
pub(super) async fn read(mut fifo: Receiver, asked: mpsc::Sender<Asked>) {
    let (mut parser, mut block) = (Parser::default(), [0; 4096]);
    loop {
        match fifo.read(&mut block).await {
            Ok(count) => {
                for message in parser.take(block.get(..count).unwrap_or_default()) {
                    match understand(&message) {
                        Ok(wanted) => {
                            if asked.send(wanted).await.is_err() {
                                return;
                            }
                        }
                        Err(why) => tracing::warn!("FIFO: {why}"),
                    }
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return tracing::error!("FIFO: {error}; hb_standby of old scripts no longer works"),
        }
    }
}

/// What somebody wants by the FIFO.
#[derive(Debug)]
pub(super) enum Asked {
    /// What our own tools could have asked, too.
    Request(Request),
    /// A message for the scripts of both nodes.
    Broadcast(Message),
}

type Fields = Vec<(String, String)>;

/// Cuts messages out of what is written, whatever that is, in bounded memory.
#[derive(Debug, Default)]
struct Parser {
    line: Vec<u8>,
    /// The line is longer than any that means something.
    too_long: bool,
    /// The message under way; outside of one, everything up to `>>>` is skipped.
    message: Option<Fields>,
}

impl Parser {
    fn take(&mut self, bytes: &[u8]) -> Vec<Fields> {
        let mut whole = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                match self.line.len() < LONGEST_LINE {
                    true => self.line.push(*byte),
                    false => self.too_long = true,
                }
                continue;
            }
            let line = std::mem::take(&mut self.line);
            if std::mem::take(&mut self.too_long) {
                self.message = None;
            } else {
                whole.extend(self.end_of_line(&String::from_utf8_lossy(&line)));
            }
        }
        whole
    }

    fn end_of_line(&mut self, line: &str) -> Option<Fields> {
        match line.trim_end_matches('\r') {
            // One that was left half-written ends where the next one begins.
            ">>>" => self.message = Some(Fields::new()),
            "<<<" => return self.message.take(),
            field => {
                let message = self.message.as_mut()?;
                match field.trim_start().split_once('=') {
                    Some((name, value)) if message.len() < MOST_FIELDS => {
                        message.push((name.to_owned(), value.to_owned()));
                    }
                    _ if field.trim().is_empty() => {}
                    _ => self.message = None,
                }
            }
        }
        None
    }
}

fn field<'a>(message: &'a Fields, name: &str) -> Option<&'a str> {
    message.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

/// What a message asks for.
fn understand(message: &Fields) -> Result<Asked, String> {
    let kind = field(message, "t").unwrap_or_default();
    if cluster::is_native(kind) || !scripts::is_name(kind) {
        return request(kind, message).map(Asked::Request);
    }
    let mut sent = Message::new(kind);
    for (name, value) in message {
        // The daemon adds these by itself.
        let own = GIVEN.contains(&name.as_str()) || name.starts_with(['(', '_']) || name.starts_with("td");
        if !own && !value.contains('\0') {
            sent.push_text(name, value.replace(NEWLINE, "\n"));
        }
    }
    Ok(Asked::Broadcast(sent))
}

fn request(kind: &str, message: &Fields) -> Result<Request, String> {
    let field = |name: &str| field(message, name);
    let home = match (kind, field("info")) {
        ("ask_resources", Some("me")) => Which::Foreign,
        ("hb_takeover", _) => Which::Local,
        _ => {
            return Err(format!("message \"{}\" needs nothing to be done here: ignored", shown(kind)));
        }
    };
    let set = match field("rsc_hold") {
        None | Some("all") => Which::All,
        Some("local") => Which::Local,
        Some("foreign") => Which::Foreign,
        Some("failback") => home,
        Some(other) => {
            let other = shown(other);
            return Err(format!(
                "{kind}: rsc_hold \"{other}\" is not all, local, foreign or failback: ignored"
            ));
        }
    };
    Ok(match kind {
        "ask_resources" => Request::Standby { set },
        _ => Request::Takeover { set },
    })
}

fn shown(text: &str) -> String {
    text.chars().take(LONGEST_SHOWN).map(|c| if c.is_control() { '?' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn requests(text: &[u8]) -> Vec<Result<Request, String>> {
        let wanted = Parser::default().take(text).into_iter().map(|message| understand(&message));
        let request = |wanted| match wanted {
            Asked::Request(request) => request,
            Asked::Broadcast(message) => panic!("{message:?}"),
        };
        wanted.map(|wanted| wanted.map(request)).collect()
    }

    #[test]
    fn a_message_of_another_type_goes_to_both_nodes_without_what_the_daemon_adds() {
        let said =
            b">>>\nt=backup-done\nvolume=a b\nlines=1\x132\nsrc=gamma\nseq=1\ntd_want=all\n(1)x=AA==\n<<<\n";
        let message = Parser::default().take(said).pop().unwrap();
        let Ok(Asked::Broadcast(message)) = understand(&message) else { panic!("{message:?}") };
        assert_eq!(format!("{message:?}"), r#"t="backup-done" volume="a b" lines="1\n2""#);
    }

    #[test]
    fn the_words_of_the_old_tools() {
        let said = b"noise\n>>>\nt=ask_resources\nrsc_hold=foreign\ninfo=me\n<<<\n>>>\n\tt=hb_takeover\n\trsc_hold=failback\n<<<\n";
        assert_eq!(
            requests(said),
            [Ok(Request::Standby { set: Which::Foreign }), Ok(Request::Takeover { set: Which::Local })]
        );
        assert_eq!(
            requests(b">>>\nt=ask_resources\ninfo=me\n<<<\n"),
            [Ok(Request::Standby { set: Which::All })]
        );
    }

    #[test]
    fn other_messages_ask_for_nothing() {
        for said in [
            "t=resource\nrsc_hold=foreign\ninfo=mach_down",
            "t=ask_resources\nrsc_hold=all\ninfo=done",
            "t=hb_takeover\nrsc_hold=everything",
            "t=shutdone\nst=dead",
            "",
        ] {
            let requests = requests(format!(">>>\n{said}\n<<<\n").as_bytes());
            assert!(matches!(requests.as_slice(), [Err(_)]), "{said}: {requests:?}");
        }
    }

    #[test]
    fn half_messages_and_long_lines_are_dropped_with_what_belongs_to_them() {
        let whole = ">>>\nt=hb_takeover\nrsc_hold=all\n<<<\n";
        let long = format!(">>>\nt=hb_takeover\nx={}\n<<<\n{whole}", "y".repeat(100_000));
        assert_eq!(requests(long.as_bytes()), [Ok(Request::Takeover { set: Which::All })]);
        let half = format!(">>>\nt=ask_resources\n{whole}");
        assert_eq!(requests(half.as_bytes()), [Ok(Request::Takeover { set: Which::All })]);
        assert!(requests(format!(">>>\n{}<<<\n", "a=b\n".repeat(MOST_FIELDS + 1)).as_bytes()).is_empty());
        let mut parser = Parser::default();
        let cut: Vec<Fields> = whole.as_bytes().chunks(3).flat_map(|piece| parser.take(piece)).collect();
        assert_eq!(cut.len(), 1);
        parser.take(&vec![b'z'; 1_000_000]);
        assert!(parser.line.len() <= LONGEST_LINE);
    }
}

//! What a listener on a network sees: frames of one kind, as they arrive.

use std::io::{Read, Write};

use rustix::event::{PollFd, PollFlags, poll};
use socket2::{Domain, Protocol, Socket, Type};

use crate::failure::{Context, Result};
use crate::moment::Moment;

/// So much of a frame is looked at, in bytes.
const LENGTH: usize = 256;

/// Print a line about every frame of this kind of which there is something to say, until standard input ends. The first line
/// says that it listens.
pub(crate) fn tell(ethertype: u16, line: impl Fn(Moment, &[u8]) -> Option<String>) -> Result<()> {
    let protocol = Protocol::from(i32::from(ethertype.to_be()));
    let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking(), Some(protocol))
        .context(|| "a packet socket (needs root)")?;
    let stdin = std::io::stdin();
    let mut out = std::io::stdout();
    writeln!(out, "listening")?;
    loop {
        out.flush()?;
        let mut ready = [PollFd::new(&stdin, PollFlags::IN), PollFd::new(&socket, PollFlags::IN)];
        match poll(&mut ready, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if !ready.first().is_none_or(|stdin| stdin.revents().is_empty()) {
            return Ok(());
        }
        let mut buffer = [0; LENGTH];
        while let Ok(length) = (&socket).read(&mut buffer) {
            if let Some(line) = line(Moment::now(), buffer.get(..length).unwrap_or_default()) {
                writeln!(out, "{line}")?;
            }
        }
    }
}

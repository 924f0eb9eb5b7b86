//! Serial lines: messages in text form, one after the other, as heartbeat 3.0.6 writes them.
//!
//! A line has no packets: what arrives may begin and end anywhere, and noise may be in between. What is sent may fit in
//! part; then the rest goes first, before any other message. Where nobody reads, the kernel's buffer fills up, and
//! messages are dropped: nothing ever waits.

use super::open::{OpenError, call};
use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::io::Errno;
use rustix::termios::{
    ControlModes, OptionalActions, QueueSelector, SpecialCodeIndex, tcflush, tcgetattr, tcsetattr,
};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The first and the last line of a message.
const START: &[u8] = b">>>\n";
const END: &[u8] = b"<<<\n";
/// The longest message taken from a line.
const LONGEST: usize = 64 * 1024;
/// Taken from the line at once.
const BLOCK: usize = 4096;

/// An open line.
#[derive(Debug)]
pub(super) struct Line {
    device: OwnedFd,
    /// What has arrived and is not a whole message yet.
    arrived: Vec<u8>,
    /// The rest of a message of which the line has taken a part.
    rest: Vec<u8>,
    /// The other end has gone, or the device.
    gone: Arc<AtomicBool>,
}

/// The device as it is now; another one behind the same path must be opened again.
pub(super) fn identity(path: &Path) -> Result<(u64, u64), OpenError> {
    use std::os::unix::fs::MetadataExt;
    let meta = call("stat", std::fs::metadata(path))?;
    Ok((meta.rdev(), meta.ino()))
}

impl Line {
    /// Opens a line: 8 data bits, no parity, one stop bit, flow control by RTS and CTS, nothing translated.
    pub(super) fn open(path: &Path, baud: u32) -> Result<Line, OpenError> {
        // without waiting for a carrier, and never as the terminal that could end this process
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let device = call("open", open(path, flags, Mode::empty()).map_err(io::Error::from))?;
        let kind = call("fstat", fstat(&device).map_err(io::Error::from))?.st_mode;
        if FileType::from_raw_mode(kind) != FileType::CharacterDevice {
            return Err(OpenError::NoTerminal(path.display().to_string()));
        }
        let Ok(mut modes) = tcgetattr(&device) else {
            return Err(OpenError::NoTerminal(path.display().to_string()));
        };
        modes.make_raw();
        modes.control_modes.remove(ControlModes::CSTOPB);
        modes.control_modes.insert(ControlModes::CLOCAL | ControlModes::CREAD | ControlModes::CRTSCTS);
        modes.special_codes[SpecialCodeIndex::VMIN] = 1;
        modes.special_codes[SpecialCodeIndex::VTIME] = 0;
        call("speed", modes.set_speed(baud).map_err(io::Error::from))?;
        let set = tcsetattr(&device, OptionalActions::Now, &modes);
        call("tcsetattr", set.map_err(io::Error::from))?;
        let flushed = tcflush(&device, QueueSelector::IOFlush);
        call("tcflush", flushed.map_err(io::Error::from))?;
        Ok(Line { device, arrived: Vec::new(), rest: Vec::new(), gone: Arc::default() })
    }

    /// Writes a message as far as the line takes it; an error if nothing of it was taken.
    pub(super) fn send(&mut self, message: &[u8]) -> io::Result<()> {
        self.flush()?;
        if !self.rest.is_empty() {
            return Err(full());
        }
        match rustix::io::write(&self.device, message) {
            Ok(0) | Err(Errno::AGAIN) => Err(full()),
            Ok(written) => {
                self.rest.extend_from_slice(message.get(written..).unwrap_or_default());
                Ok(())
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Writes what is left of the last message, as far as the line takes it.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        if self.rest.is_empty() {
            return Ok(());
        }
        match rustix::io::write(&self.device, &self.rest) {
            Ok(written) => {
                self.rest.drain(..written.min(self.rest.len()));
                Ok(())
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Something is left of the last message.
    pub(super) fn is_behind(&self) -> bool {
        !self.rest.is_empty()
    }

    /// The next whole message, if there is one.
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        if let Some(bytes) = self.next(buffer) {
            return Ok(Some(bytes));
        }
        let mut block = [0; BLOCK];
        match rustix::io::read(&self.device, &mut block) {
            Ok(0) => Err(self.failed(Errno::IO)),
            Ok(bytes) => {
                self.arrived.extend_from_slice(block.get(..bytes).unwrap_or_default());
                Ok(self.next(buffer))
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(None),
            Err(error) => Err(self.failed(error)),
        }
    }

    /// Takes the first message out of what has arrived, and drops what cannot belong to one.
    fn next(&mut self, buffer: &mut [u8]) -> Option<usize> {
        loop {
            let Some(end) = line_of(&self.arrived, END) else {
                // What is too long for a message is none; what follows may be one.
                if self.arrived.len() > LONGEST {
                    self.arrived.clear();
                }
                return None;
            };
            let text = self.arrived.get(..end + END.len()).unwrap_or_default();
            // One whose end was lost ends where the next one begins.
            let start = last_line_of(text, START).or_else(|| first_of(text, START));
            let message = start.and_then(|start| text.get(start..)).filter(|text| text.len() <= buffer.len());
            let bytes = message.and_then(|message| {
                buffer.get_mut(..message.len())?.copy_from_slice(message);
                Some(message.len())
            });
            self.arrived.drain(..end + END.len());
            if bytes.is_some() {
                return bytes;
            }
        }
    }

    /// Set when the other end has gone, or the device: until it is opened again there is nothing to wait for.
    pub(super) fn gone(&self) -> &Arc<AtomicBool> {
        &self.gone
    }

    fn failed(&mut self, error: Errno) -> io::Error {
        self.gone.store(true, Ordering::Relaxed);
        error.into()
    }

    #[cfg(test)]
    pub(super) fn held(&self) -> usize {
        self.arrived.capacity()
    }

    pub(super) fn device(&self) -> BorrowedFd<'_> {
        self.device.as_fd()
    }
}

fn full() -> io::Error {
    io::Error::new(io::ErrorKind::WouldBlock, "the line takes no more: nobody reads it, or it is too slow")
}

/// Where a line of the text is this one.
fn line_of(text: &[u8], line: &[u8]) -> Option<usize> {
    let starts = |at: usize| at == 0 || text.get(at - 1) == Some(&b'\n');
    text.windows(line.len()).enumerate().position(|(at, window)| window == line && starts(at))
}

/// After noise that did not end with a line.
fn first_of(text: &[u8], line: &[u8]) -> Option<usize> {
    text.windows(line.len()).position(|window| window == line)
}

fn last_line_of(text: &[u8], line: &[u8]) -> Option<usize> {
    let starts = |at: usize| at == 0 || text.get(at - 1) == Some(&b'\n');
    let mut places = text.windows(line.len()).enumerate().rev();
    places.find(|(at, window)| *window == line && starts(*at)).map(|(at, _)| at)
}

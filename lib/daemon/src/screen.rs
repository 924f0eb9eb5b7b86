//! What tools show on a terminal until somebody ends them.
//!
//! [`watch`] asks for a page again and again. On a terminal it has a second screen, which is drawn again when its
//! text has changed, and is given back at the end; elsewhere (`| tee file`) every change is written below the last one.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

const CTRL_C: u8 = 3;

/// How much room there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Lines.
    pub rows: usize,
    /// Letters in a line.
    pub columns: usize,
}

/// Shows what `look` returns, every `interval`, until `q`, `^C`, a signal that ends programs, or until nobody reads
/// any more. `look` is told the size of the terminal, or `None` where there is none or where `plainly` forbids to use
/// it; there, it returns `None` when nothing has changed.
///
/// # Errors
/// The terminal fails.
pub fn watch(
    interval: Duration,
    plainly: bool,
    mut look: impl FnMut(Option<Size>) -> io::Result<Option<String>>,
) -> io::Result<()> {
    let mut run = || -> io::Result<()> {
        let end = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
            signal_hook::flag::register(signal, Arc::clone(&end))?;
        }
        let mut screen = if !plainly && io::stdout().is_terminal() { Some(Screen::open()?) } else { None };
        while !end.load(Ordering::Relaxed) {
            let size = screen.as_ref().map(|_| size()).transpose()?;
            match (look(size)?, &mut screen, size) {
                (Some(page), Some(screen), Some(size)) => screen.draw(&page, size)?,
                (Some(page), ..) => write_out(&page)?,
                (None, ..) => {}
            }
            if !pause(interval, screen.as_ref().is_some_and(|screen| screen.keys), &end)? {
                break;
            }
        }
        Ok(())
    };
    match run() {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}

/// Without control characters, which a terminal would obey.
pub fn clean(text: &str) -> String {
    text.chars().map(|letter| if letter.is_control() { '?' } else { letter }).collect()
}

/// Waits for the next look; `false` when it was the last one.
fn pause(interval: Duration, keys: bool, end: &AtomicBool) -> io::Result<bool> {
    let until = Instant::now() + interval;
    while !end.load(Ordering::Relaxed) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(true);
        }
        let stdin = rustix::stdio::stdin();
        let mut wanted = [PollFd::new(&stdin, PollFlags::IN)];
        let wanted = if keys { &mut wanted[..] } else { &mut [] };
        let limit = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        match poll(wanted, Some(&limit)) {
            Err(rustix::io::Errno::INTR) | Ok(0) => {}
            Err(error) => return Err(error.into()),
            Ok(_) => {
                let mut typed = [0; 64];
                let count = rustix::io::read(stdin, &mut typed)?;
                let ends = |key: &u8| matches!(*key, b'q' | b'Q' | CTRL_C);
                if count == 0 || typed.iter().take(count).any(ends) {
                    return Ok(false);
                }
            }
        }
    }
    Ok(false)
}

fn size() -> io::Result<Size> {
    let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout())?;
    // a serial console does not know its size
    Ok(Size {
        rows: if size.ws_row == 0 { 24 } else { usize::from(size.ws_row) },
        columns: if size.ws_col == 0 { 80 } else { usize::from(size.ws_col) },
    })
}

/// The terminal while it is ours: a second screen without cursor, keys unechoed and at once; given back at the end.
struct Screen {
    before: Option<Termios>,
    /// Standard input is a terminal, so keys come from there.
    keys: bool,
    shown: String,
}

impl Screen {
    fn open() -> io::Result<Screen> {
        let stdin = rustix::stdio::stdin();
        let before = if io::stdin().is_terminal() { Some(rustix::termios::tcgetattr(stdin)?) } else { None };
        let screen = Screen { keys: before.is_some(), before, shown: String::new() };
        if let Some(before) = &screen.before {
            let mut ours = before.clone();
            // `^C` comes as a key: no signal can end the program between two writes
            ours.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG;
            ours.special_codes[SpecialCodeIndex::VMIN] = 1;
            ours.special_codes[SpecialCodeIndex::VTIME] = 0;
            rustix::termios::tcsetattr(stdin, OptionalActions::Now, &ours)?;
        }
        write_out("\x1b[?1049h\x1b[?25l")?;
        Ok(screen)
    }

    /// Shows what fits, if that is not what is shown.
    fn draw(&mut self, page: &str, size: Size) -> io::Result<()> {
        let frame = frame(page, size);
        if frame != self.shown {
            write_out(&frame)?;
            self.shown = frame;
        }
        Ok(())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // nothing can be done about a terminal that has gone away
        let _ = write_out("\x1b[?25h\x1b[?1049l");
        if let Some(before) = &self.before {
            let _ = rustix::termios::tcsetattr(rustix::stdio::stdin(), OptionalActions::Now, before);
        }
    }
}

fn write_out(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()
}

/// A screen of this size: nothing wrapped, how to end it in the last row.
fn frame(page: &str, size: Size) -> String {
    let mut frame = "\x1b[H".to_owned();
    for line in page.lines().take(size.rows.saturating_sub(1)) {
        frame.extend(clean(line).chars().take(size.columns));
        frame.push_str("\x1b[K\r\n");
    }
    frame.push_str("\x1b[J");
    frame.extend("q or ^C ends".chars().take(size.columns));
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_fits_its_terminal() {
        let page: String =
            (0..100).map(|number| format!("line {number} \x1b[2J{}\n", "x".repeat(90))).collect();
        for (rows, columns) in [(24, 80), (40, 20), (5, 10), (1, 1), (200, 200)] {
            let frame = frame(&page, Size { rows, columns });
            let text = frame.replace("\x1b[H", "").replace("\x1b[K", "").replace("\x1b[J", "");
            let lines: Vec<&str> = text.split("\r\n").collect();
            assert!(lines.len() <= rows, "{rows}x{columns}: {lines:?}");
            assert!(lines.iter().all(|line| line.chars().count() <= columns), "{lines:?}");
            assert!(!text.contains('\x1b'), "{text:?}");
        }
    }
}

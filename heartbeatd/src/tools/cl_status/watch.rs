//! `cl_status watch`: the overview, kept up to date until somebody ends it.
//!
//! Every look asks the daemon anew, and what it does not answer is not shown: without an answer the screen says
//! "stopped" or "unknown" and why. On a terminal the screen is drawn again when its text has changed; elsewhere
//! (`| tee file`) it is written once per change, and mere passing of time is none.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, Termios};
use serde_json::json;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};

use super::{NoStatus, overview, status_of};
use crate::control::{Beats, Counters, Status};
use crate::tools::{Output, clean};

/// Between two looks.
const INTERVAL: Duration = Duration::from_millis(200);
/// A daemon that has not answered for so long is in no known state.
const PATIENCE: Duration = Duration::from_secs(1);
/// Events written where there is no terminal whose height would tell.
const EVENTS: usize = 10;
/// Events shown on a terminal that is too low for all else.
const FEWEST_EVENTS: usize = 3;

/// Watches until `q`, `^C`, a signal that ends programs, or until nobody reads any more.
pub(super) fn run(run_dir: &Path, json: bool) -> Output {
    let ended = match watch(run_dir, json) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    };
    match ended {
        Ok(()) => Output::default(),
        Err(error) => Output::failure(super::UNKNOWN, format!("cl_status: the terminal fails: {error}\n")),
    }
}

fn watch(run_dir: &Path, json: bool) -> io::Result<()> {
    let end = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
        signal_hook::flag::register(signal, Arc::clone(&end))?;
    }
    let mut screen = if !json && io::stdout().is_terminal() { Some(Screen::open()?) } else { None };
    let mut last = None;
    while !end.load(Ordering::Relaxed) {
        let status = status_of(run_dir, PATIENCE);
        match &mut screen {
            Some(screen) => screen.draw(&status)?,
            None => {
                let state = status.as_ref().map(timeless).map_err(Clone::clone);
                if last.as_ref() != Some(&state) {
                    write_plainly(&status, json)?;
                    last = Some(state);
                }
            }
        }
        if !pause(screen.as_ref().is_some_and(|screen| screen.keys), &end)? {
            break;
        }
    }
    Ok(())
}

/// What is a change when it differs: everything but what grows by itself.
fn timeless(status: &Status) -> Status {
    let mut status = status.clone();
    status.uptime_ms = 0;
    status.counters = Counters::default();
    status.beats = Beats::default();
    status.nodes.iter_mut().for_each(|node| node.silent_ms = node.silent_ms.map(|_| 0));
    status.groups.iter_mut().for_each(|group| group.for_ms = 0);
    status.events.iter_mut().for_each(|event| event.ago_ms = 0);
    status
}

fn write_plainly(status: &Result<Status, NoStatus>, json: bool) -> io::Result<()> {
    let mut text = match (status, json) {
        (Ok(status), true) => serde_json::to_string(status).map_err(io::Error::other)?,
        (Err(reason), true) => {
            json!({ "running": reason.running(), "error": without_status(reason) }).to_string()
        }
        (status, false) => page(status, EVENTS),
    };
    text.push('\n'); // ends the line of JSON, and sets one screen apart from the next
    write_out(&text)
}

fn page(status: &Result<Status, NoStatus>, events: usize) -> String {
    match status {
        Ok(status) => overview::render(status, events),
        Err(reason) => without_status(reason) + "\n",
    }
}

fn without_status(reason: &NoStatus) -> String {
    match reason {
        NoStatus::Stopped => "stopped: heartbeat does not run on this machine".to_owned(),
        NoStatus::TimedOut => {
            format!("unknown: the daemon runs, but did not answer within {} s", PATIENCE.as_secs())
        }
        NoStatus::Failed(reason) => format!("unknown: the daemon cannot be asked: {}", clean(reason)),
    }
}

/// Waits for the next look; `false` when it was the last one.
fn pause(keys: bool, end: &AtomicBool) -> io::Result<bool> {
    let until = Instant::now() + INTERVAL;
    while !end.load(Ordering::Relaxed) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(true);
        }
        let stdin = rustix::stdio::stdin();
        let mut wanted = [PollFd::new(&stdin, PollFlags::IN)];
        let wanted = if keys { &mut wanted[..] } else { &mut [] };
        let limit = Timespec { tv_sec: 0, tv_nsec: i64::from(left.subsec_nanos()) };
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

const CTRL_C: u8 = 3;

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
    fn draw(&mut self, status: &Result<Status, NoStatus>) -> io::Result<()> {
        let size = rustix::termios::tcgetwinsize(rustix::stdio::stdout())?;
        // a serial console does not know its size
        let rows = if size.ws_row == 0 { 24 } else { usize::from(size.ws_row) };
        let columns = if size.ws_col == 0 { 80 } else { usize::from(size.ws_col) };
        let frame = frame(status, rows, columns);
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

/// A screen of so many rows and columns: as many of the newest events as there is room for, nothing wrapped, how to
/// end it in the last row.
fn frame(status: &Result<Status, NoStatus>, rows: usize, columns: usize) -> String {
    let rest = page(status, 0).lines().count() + 3; // two rows of heading, one for the last row
    let page = page(status, rows.saturating_sub(rest).max(FEWEST_EVENTS));
    let mut frame = "\x1b[H".to_owned();
    for line in page.lines().take(rows.saturating_sub(1)) {
        frame.extend(clean(line).chars().take(columns));
        frame.push_str("\x1b[K\r\n");
    }
    frame.push_str("\x1b[J");
    frame.extend("q or ^C ends".chars().take(columns));
    frame
}

#[cfg(test)]
mod tests;

//! The command-line tools: arguments in, [`Output`] out. The programs in `src/bin` only print it.
//!
//! What a tool says comes from the running daemon at that moment, or is "stopped" or an error: there is no file of
//! a last known state to read.

pub mod cl_status;
pub mod handover;
pub mod members;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use daemon::control::RequestError;
use daemon::screen::clean;

use crate::control::{self, Answer, Request};

/// How long a tool waits for the daemon, as heartbeat's `cl_status` did.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// What a tool prints and its exit code.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Output {
    /// For standard output.
    pub out: String,
    /// For standard error.
    pub err: String,
    /// The exit code.
    pub code: u8,
}

impl Output {
    fn success(out: impl Into<String>) -> Output {
        Output { out: out.into(), ..Output::default() }
    }

    fn failure(code: u8, err: impl Into<String>) -> Output {
        Output { err: err.into(), code, ..Output::default() }
    }

    /// What clap has to say: help and version succeed, anything else ends with `code`.
    fn usage(error: &clap::Error, code: u8) -> Output {
        let text = error.render().to_string();
        if error.use_stderr() { Output::failure(code, text) } else { Output::success(text) }
    }

    /// Prints it. A reader that has gone away (`| head -1`) is none of our business.
    pub fn print(self) -> ExitCode {
        let _ = std::io::stdout().lock().write_all(self.out.as_bytes());
        let _ = std::io::stderr().lock().write_all(self.err.as_bytes());
        ExitCode::from(self.code)
    }
}

/// The run directory: the option, else `HA_RUN_DIR`, else `/run/heartbeat`.
fn run_dir(option: Option<PathBuf>) -> PathBuf {
    let variable = || std::env::var_os("HA_RUN_DIR").filter(|value| !value.is_empty()).map(PathBuf::from);
    option.or_else(variable).unwrap_or_else(|| PathBuf::from(control::RUN_DIR))
}

fn ask(run_dir: &Path, request: &Request) -> Result<Answer, RequestError> {
    ask_within(PATIENCE, run_dir, request)
}

fn ask_within(patience: Duration, run_dir: &Path, request: &Request) -> Result<Answer, RequestError> {
    daemon::control::request(&control::socket(run_dir), request, patience)
}

/// A time span in its two largest units: `850 ms`, `12.3 s`, `5 min 3 s`, `3 d 4 h`.
fn span(milliseconds: u64) -> String {
    let seconds = milliseconds / 1000;
    match seconds {
        0 => format!("{milliseconds} ms"),
        1..60 => format!("{seconds}.{} s", milliseconds % 1000 / 100),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans() {
        let spans = [0, 850, 1000, 12_345, 60_000, 303_999, 11_040_000, 273_600_000].map(span);
        let words = ["0 ms", "850 ms", "1.0 s", "12.3 s", "1 min 0 s", "5 min 3 s", "3 h 4 min", "3 d 4 h"];
        assert_eq!(spans, words);
    }

    #[test]
    fn terminals_are_safe() {
        assert_eq!(clean("be\x1b[2Jta\n"), "be?[2Jta?");
    }
}

//! The first process: starts the daemon and waits for its answer.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode};

use super::link::{self, Answer};

/// Starts this program again, waits until it is ready or has failed, and says so.
pub(super) fn start_and_wait() -> io::Result<ExitCode> {
    let (waiting, daemons_end) = link::pair()?;
    let mut arguments = std::env::args_os();
    let name = arguments.next().unwrap_or_default();
    let mut command = Command::new(image(&name)?);
    command.arg0(&name).args(arguments).stdin(daemons_end);
    let child = command.spawn()?;
    drop(command); // it holds the daemon's end, which must close when the daemon ends
    Ok(match waiting.wait() {
        Ok(Some(Answer::Ready)) => ExitCode::SUCCESS,
        Ok(Some(Answer::Failed { message, code })) => {
            eprintln!("{message}");
            ExitCode::from(code)
        }
        Ok(None) => report_end(&name, child),
        Err(error) => {
            eprintln!("{}: the daemon's answer is not understood: {error}", name.to_string_lossy());
            ExitCode::FAILURE
        }
    })
}

/// The file to execute: the one that was called, so that the process has the same name in `ps` when the
/// program was called by a link; the executable itself if that cannot be found.
fn image(name: &OsStr) -> io::Result<PathBuf> {
    let executable = std::env::current_exe()?;
    let called = if name.as_bytes().contains(&b'/') {
        Some(PathBuf::from(name)).filter(|path| is_same(path, &executable))
    } else {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| is_same(path, &executable))
    };
    Ok(called.unwrap_or(executable))
}

fn is_same(path: &Path, executable: &Path) -> bool {
    match (path.metadata(), executable.metadata()) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

fn report_end(name: &OsStr, mut child: Child) -> ExitCode {
    let name = name.to_string_lossy();
    let how = match child.wait() {
        Ok(status) => match (status.code(), status.signal()) {
            (Some(code), _) => {
                eprintln!("{name}: the daemon ended before it was ready (exit code {code})");
                return ExitCode::from(u8::try_from(code).ok().filter(|code| *code != 0).unwrap_or(1));
            }
            (None, Some(signal)) => format!("was killed by signal {signal}"),
            (None, None) => "ended".to_string(),
        },
        Err(error) => format!("ended ({error})"),
    };
    eprintln!("{name}: the daemon {how} before it was ready");
    ExitCode::FAILURE
}

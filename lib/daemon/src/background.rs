//! Going to the background without `fork(2)`, which a program with threads must not do.
//!
//! [`detach`] starts the program again, with the same arguments, and waits for that second process to say
//! that it is ready, or why it is not. The second process finds out by its standard input that it is the
//! one: a socket pair, which no other program makes, with a greeting in it. So nothing is added to the arguments, which old
//! tools look at (`pgrep -f`), nor to the environment, which the daemon's own children inherit.
//!
//! ```text
//!  shell ──► first process: detach() ──starts──► second process: detach() → Role::Daemon(starting)
//!            waits on the socket  ◄── {"state":"ready"} or {"state":"failed",...} ──┤ starting.ready()
//!            exits: 0, or the code                                                  └─ runs, a session of its own
//! ```
//!
//! ```no_run
//! use daemon::background::{self, Role};
//! fn main() -> std::io::Result<std::process::ExitCode> {
//!     let starting = match background::detach()? {
//!         Role::Caller(code) => return Ok(code),
//!         Role::Daemon(starting) => starting,
//!     };
//!     // read the configuration, open sockets; `return Ok(starting.failed("...", 6))` if that fails
//!     starting.ready();
//!     // run
//!     Ok(std::process::ExitCode::SUCCESS)
//! }
//! ```

mod caller;
mod link;

use std::fs::File;
use std::io;
use std::process::ExitCode;

use link::{Answer, Link};

/// Which of the two processes this is.
#[derive(Debug)]
pub enum Role {
    /// The second process, in a session of its own: start up, then say [`Starting::ready`].
    Daemon(Starting),
    /// The first process; the daemon's answer is printed, and this is the code to exit with.
    Caller(ExitCode),
}

/// A daemon that starts up. Dropped without an answer, a caller that waits reports that the start failed.
#[derive(Debug)]
#[must_use = "whoever started the daemon waits for `ready` or `failed`"]
pub struct Starting {
    caller: Option<Link>,
}

/// Starts the daemon in the background, or finds that this process is that daemon.
///
/// Call it once, early: after the arguments are checked, before threads, sockets and pid file, because
/// everything before it happens twice. The first process returns when the second one is ready or has
/// failed, however long that takes. The second one has a session of its own (`setsid(2)`) and reads
/// nothing from standard input; its standard error is the caller's until it is ready.
///
/// # Errors
/// The program's own executable could not be started; in the second process, `setsid(2)` failed.
pub fn detach() -> io::Result<Role> {
    match Link::inherited()? {
        None => caller::start_and_wait().map(Role::Caller),
        Some(link) => {
            // A child that leads a process group already (a shell's job control) leads its session, too.
            match rustix::process::setsid() {
                Ok(_) | Err(rustix::io::Errno::PERM) => Ok(Role::Daemon(Starting { caller: Some(link) })),
                Err(error) => Err(error.into()),
            }
        }
    }
}

/// Whether this process was started by [`detach`]: what it asks before is asked a second time. Changes nothing.
pub fn is_second_process() -> bool {
    Link::is_inherited()
}

/// The start in the foreground: the same answers, without a caller.
pub fn foreground() -> Starting {
    Starting { caller: None }
}

impl Starting {
    /// Whether somebody waits for the daemon to be ready; otherwise only systemd is told.
    pub fn has_caller(&self) -> bool {
        self.caller.is_some()
    }

    /// The daemon does its work from now on.
    ///
    /// In the background: the caller exits with 0, standard input, output and error become `/dev/null`,
    /// and the working directory becomes `/`: make relative paths absolute before. In both cases systemd
    /// is told (`READY=1`).
    pub fn ready(self) {
        let Some(caller) = self.caller else {
            crate::notify::ready_at_last();
            return;
        };
        crate::notify::ready_as_main_process();
        // First out of the way of terminal and file systems, then the answer: who reads it may unmount.
        let _ = rustix::process::chdir("/");
        if let Ok(null) = File::options().read(true).write(true).open("/dev/null") {
            let _ = rustix::stdio::dup2_stdin(&null);
            let _ = rustix::stdio::dup2_stdout(&null);
            let _ = rustix::stdio::dup2_stderr(&null);
        }
        let _ = caller.answer(&Answer::Ready); // a caller that was interrupted is no reason to stop
    }

    /// The start failed: whoever started the daemon sees `message` on standard error and gets `code`,
    /// which this process should exit with as well.
    pub fn failed(self, message: &str, code: u8) -> ExitCode {
        let answer = Answer::Failed { message: link::cut(message), code };
        let told = self.caller.is_some_and(|caller| caller.answer(&answer).is_ok());
        if !told {
            eprintln!("{message}");
        }
        ExitCode::from(code)
    }
}

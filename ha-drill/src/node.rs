//! A node of the pair: a shell there that is asked again and again what the daemon says and what the kernel has.
//!
//! ```text
//!   Node ──thread── sh -c 'COMMAND "$1"' sh SCRIPT      (without COMMAND: sh -c SCRIPT, here)
//!          a number ──────► stdin   read n; cl_status --json; ip address show
//!          the answer ◄──── stdout  @begin … @end
//! ```
//!
//! Nothing is installed there, and its clock is not needed: the daemon tells how long ago each event was, and an answer was
//! made between question and arrival. Those two moments are kept with it, and everything is placed on the clock here.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::IpAddr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use daemon::process::{Ending, Finished};

use crate::moment::Moment;
use crate::view::View;

/// Between an answer and the next question.
const REST: Duration = Duration::from_millis(50);
/// So much of what a node says about one question is read, in bytes.
const ANSWER_LIMIT: u64 = 1024 * 1024;

/// How a shell line is run on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// This machine is the node.
    Here,
    /// By this command, which gets the line as one more argument: `ssh root@alpha`.
    By(String),
}

impl Reach {
    /// The command that runs a shell line on the node.
    pub fn command(&self, line: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        match self {
            Self::Here => command.args(["-c", line]),
            Self::By(prefix) => command.args(["-c", &format!("{prefix} \"$1\""), "ha-drill", line]),
        };
        command
    }

    /// The same in words, for people to repeat.
    pub fn words(&self, line: &str) -> String {
        match self {
            Self::Here => line.to_owned(),
            Self::By(prefix) => format!("{prefix} '{}'", line.replace('\'', r"'\''")),
        }
    }

    /// Run a line to its end.
    pub fn run(&self, line: &str, limit: Duration) -> Finished {
        run(self.command(line), limit)
    }
}

/// Run a command to its end.
pub fn run(command: Command, limit: Duration) -> Finished {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime.block_on(daemon::process::run(command, limit)),
        Err(error) => Finished {
            ending: Ending::NotStarted(error.to_string()),
            output: Vec::new(),
            took: Duration::ZERO,
        },
    }
}

/// How a command ended, in words; `None`: well.
pub fn failure(finished: &Finished) -> Option<String> {
    let how = match &finished.ending {
        Ending::Exited(0) => return None,
        Ending::Exited(code) => format!("it ended with exit code {code}"),
        Ending::Killed(signal) => format!("it was killed by signal {signal}"),
        Ending::TimedOut => format!("it had not ended after {:.0} s", finished.took.as_secs_f64()),
        Ending::NotStarted(why) => why.clone(),
    };
    let said = daemon::screen::clean(String::from_utf8_lossy(&finished.output).trim());
    Some(if said.is_empty() { how } else { format!("{how}: {said}") })
}

/// A node that is asked all the time, until this is dropped.
#[derive(Debug)]
pub struct Node {
    /// How lines are run there.
    pub reach: Reach,
    views: Arc<Mutex<Vec<View>>>,
    trouble: Arc<Mutex<String>>,
    child: Child,
    ending: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Node {
    /// Begin to ask about an address.
    pub fn watch(reach: Reach, vip: IpAddr) -> std::io::Result<Node> {
        let mut command = reach.command(&script(vip));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // its own process group: ^C ends the drill, which then ends it
        let mut child = std::os::unix::process::CommandExt::process_group(&mut command, 0).spawn()?;
        let pipe = || std::io::Error::other("no pipe");
        let (mut stdin, stdout) =
            (child.stdin.take().ok_or_else(pipe)?, child.stdout.take().ok_or_else(pipe)?);
        let stderr = child.stderr.take().ok_or_else(pipe)?;
        let (views, trouble) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(String::new())));
        let ending = Arc::new(AtomicBool::new(false));
        let (to_views, to_trouble, ends) = (Arc::clone(&views), Arc::clone(&trouble), Arc::clone(&ending));
        let asking = std::thread::spawn(move || {
            let mut lines = BufReader::new(stdout);
            for number in 1u64.. {
                let asked = Moment::now();
                if ends.load(Ordering::Relaxed)
                    || writeln!(stdin, "{number}").and_then(|()| stdin.flush()).is_err()
                {
                    return;
                }
                let Some(text) = answer(&mut lines, number) else { return };
                lock(&to_views).push(View::parse(&text, vip, asked, Moment::now()));
                std::thread::sleep(REST);
            }
        });
        let listening = std::thread::spawn(move || {
            let mut lines = BufReader::new(stderr.take(ANSWER_LIMIT)).lines();
            while let Some(Ok(line)) = lines.next() {
                *lock(&to_trouble) = daemon::screen::clean(&line);
            }
        });
        Ok(Node { reach, views, trouble, child, ending, threads: vec![asking, listening] })
    }

    /// Everything it has said.
    pub fn views(&self) -> Vec<View> {
        lock(&self.views).clone()
    }

    /// What it said last.
    pub fn last(&self) -> Option<View> {
        lock(&self.views).last().cloned()
    }

    /// What it said last, if the question was put after a moment.
    pub fn since(&self, moment: Moment) -> Option<View> {
        self.last().filter(|view| view.asked >= moment)
    }

    /// Whether the command that reaches it has ended: no answer will come any more.
    pub fn is_lost(&self) -> bool {
        self.threads.first().is_some_and(JoinHandle::is_finished)
    }

    /// The last thing that went wrong with the command that reaches it.
    pub fn trouble(&self) -> String {
        lock(&self.trouble).clone()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::Relaxed);
        let group = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw);
        if let Some(group) = group {
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
        let _ = self.child.wait();
        // a process that the command left on another machine may hold nothing here; its pipes end with the group
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is said about one question, without the frame; what a login prints before is skipped.
fn answer(lines: &mut impl BufRead, number: u64) -> Option<String> {
    let (begin, end) = (format!("@begin {number}"), format!("@end {number}"));
    let mut text: Option<String> = None;
    let mut left = ANSWER_LIMIT;
    while left > 0 {
        let mut line = Vec::new();
        let length =
            lines.by_ref().take(left).read_until(b'\n', &mut line).ok().filter(|length| *length > 0)?;
        left = left.saturating_sub(length as u64);
        let line = String::from_utf8_lossy(&line);
        match (line.trim_end(), &mut text) {
            (line, _) if line == begin => text = Some(String::new()),
            (line, Some(_)) if line == end => return text,
            (line, Some(text)) => {
                text.push_str(line);
                text.push('\n');
            }
            (_, None) => {}
        }
    }
    None
}

/// What runs on the node.
fn script(vip: IpAddr) -> String {
    let prefix = if vip.is_ipv4() { 32 } else { 128 };
    format!(
        "PATH=$PATH:/usr/sbin:/sbin; while read -r n; do echo \"@begin $n\"; echo \"@name $(uname -n)\"; \
         echo \"@clock $(date +%s%N)\"; cl_status --json 2>&1; echo \"@daemon $?\"; \
         ip -o address show to {vip}/{prefix} 2>&1; echo \"@kernel $?\"; echo \"@end $n\"; done"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_login_prints_is_no_answer() {
        let mut text: &[u8] = b"Welcome\n@begin 1\n@name alpha\n{}\n@end 1\n@begin 2\n@end";
        assert_eq!(answer(&mut text, 1).as_deref(), Some("@name alpha\n{}\n"));
        assert_eq!(answer(&mut text, 2), None);
    }

    #[test]
    fn a_line_is_one_argument_whatever_is_in_it() {
        let line = "echo 'a b' \"$HOME\" | tr a-z A-Z";
        let by = Reach::By("sh -c".to_owned());
        let limit = Duration::from_secs(30);
        assert_eq!(by.run(line, limit).output, Reach::Here.run(line, limit).output);
        assert_eq!(by.words("a 'b'"), r"sh -c 'a '\''b'\'''");
        assert_eq!(failure(&Reach::Here.run("exit 0", limit)), None);
        assert_eq!(
            failure(&Reach::Here.run("echo why; exit 3", limit)).as_deref(),
            Some("it ended with exit code 3: why")
        );
    }

    #[test]
    fn this_machine_is_asked() {
        let node = Node::watch(Reach::Here, [192, 0, 2, 77].into()).unwrap();
        let until = Moment::now().plus(Duration::from_secs(30));
        while node.last().is_none() && Moment::now() < until {
            std::thread::sleep(Duration::from_millis(5));
        }
        let view = node.last().unwrap();
        assert_eq!(view.name, rustix::system::uname().nodename().to_string_lossy());
        assert!(view.asked < view.answered);
        assert_eq!(view.holds, Some(false));
    }
}

//! Mail about a group's arrival and departure. It leaves from a copy of this program in the background: no move waits
//! for a mail server.

use super::Settings;
use super::built_in::Ended;
use super::child::{self, Errors};
use super::script::ended;
use crate::order::Outcome;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;
use tracing::{error, info};

/// The program's name for what [`deliver`] does.
pub const COMMAND: &str = "send-mail";

/// How long the mail program may take to accept a message.
const LIMIT: Duration = Duration::from_secs(120);
/// Where Debian's policy has it.
const PROGRAM: &str = "/usr/sbin/sendmail";

/// Has it told that the group comes or goes. A mail that does not leave is no reason not to move.
pub(super) fn send(settings: &Settings, to: &[String], subject: Option<&str>, start: bool) -> Ended {
    let what = if start { "Takeover in progress" } else { "Migrating resource away" };
    // The subject of Debian's agent; its default is the first word.
    let subject = subject.filter(|text| text.len() > 1).unwrap_or("Resource Group");
    let preposition = if start { "on" } else { "from" };
    let line = format!("{subject} {what} {preposition} {}", settings.node);
    let copy = Command::new("/proc/self/exe")
        .arg(COMMAND)
        .arg(&line)
        .args(to)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match copy {
        Ok(_) => (Outcome::Done, format!("mail to {}", to.join(", "))),
        Err(error) => (Outcome::Done, format!("no mail: the background copy does not start: {error}")),
    }
}

/// What the background copy does: hands the message to sendmail, and logs what became of it.
pub fn deliver(subject: &str, to: &[String]) -> bool {
    let _ = rustix::process::setsid();
    let program = std::env::var("SENDMAIL").unwrap_or_else(|_| PROGRAM.to_owned());
    let mut command = Command::new(program);
    command.args(["-i", "--"]).args(to);
    let result = message(subject, to).and_then(|file| {
        let finished = child::run_with_input(command, file, Errors::Together, LIMIT);
        match ended(&finished, LIMIT) {
            (Outcome::Done, _) => Ok(()),
            (_, why) => Err(std::io::Error::other(why)),
        }
    });
    match &result {
        Ok(()) => info!("mail to {}: {subject}", to.join(", ")),
        Err(why) => error!("no mail to {}: {why}", to.join(", ")),
    }
    result.is_ok()
}

/// The message in a file without a name.
fn message(subject: &str, to: &[String]) -> std::io::Result<std::fs::File> {
    let mut file = std::fs::File::from(rustix::fs::memfd_create("mail", rustix::fs::MemfdFlags::CLOEXEC)?);
    let text = text(subject, to);
    file.write_all(text.as_bytes())?;
    rustix::fs::seek(&file, rustix::fs::SeekFrom::Start(0))?;
    Ok(file)
}

fn text(subject: &str, to: &[String]) -> String {
    format!(
        "To: {}\nSubject: {}\nAuto-Submitted: auto-generated\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\
         Content-Transfer-Encoding: 8bit\n\n{subject}\n",
        to.join(", "),
        header(subject)
    )
}

/// A header's text: as it is, or encoded (RFC 2047), each word short enough to stand alone.
fn header(text: &str) -> String {
    if text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return text.to_owned();
    }
    let mut words = vec![String::new()];
    for c in text.chars().map(|c| if c.is_control() { ' ' } else { c }) {
        let mut bytes = [0; 4];
        let encoded: String = match c {
            ' ' => "_".to_owned(),
            c if c.is_ascii_alphanumeric() => c.to_string(),
            c => c.encode_utf8(&mut bytes).bytes().map(|byte| format!("={byte:02X}")).collect(),
        };
        match words.last_mut() {
            Some(word) if word.len() + encoded.len() <= 60 => word.push_str(&encoded),
            _ => words.push(encoded),
        }
    }
    words.iter().map(|word| format!("=?utf-8?Q?{word}?=")).collect::<Vec<_>>().join("\n ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_any_mail_server_takes() {
        let to = ["a@example.org".to_owned(), "b@example.org".to_owned()];
        let text = text("Web Takeover in progress on alpha", &to);
        assert!(
            text.starts_with(
                "To: a@example.org, b@example.org\nSubject: Web Takeover in progress on alpha\n"
            )
        );
        assert!(text.ends_with("\n\nWeb Takeover in progress on alpha\n"));
        assert_eq!(header("Größe"), "=?utf-8?Q?Gr=C3=B6=C3=9Fe?=");
        let long = header(&"ö".repeat(40));
        assert!(long.lines().all(|line| line.len() <= 76) && long.lines().count() == 4, "{long}");
        assert!(!header("a\nBcc: x").contains("\nBcc"));
    }
}

//! Services `pop` and `pops` (RFC 1939): a good greeting; with `login` a login, too: APOP where the greeting offers it
//! and the server takes it, else USER and PASS.

use super::link::{Link, Progress};
use super::outcome::excerpt;
use super::tls::Tls;
use super::{Dialogue, Outcome};
use md5::{Digest, Md5};
use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};

/// What one run leaves for the next: that the server offers APOP and does not know it. Asking again at each check
/// would fill its log with logins that failed, and other programs count those.
#[derive(Debug, Default)]
pub(super) struct Memory {
    no_apop: AtomicBool,
}

impl Memory {
    /// Whether nothing is known.
    pub(super) fn is_blank(&self) -> bool {
        !self.no_apop.load(Ordering::Relaxed)
    }
}

/// Greets, and logs in where there is a login.
pub(super) async fn check(
    dialogue: &Dialogue,
    tls: Option<Result<&Tls, &String>>,
    memory: &Memory,
) -> Outcome {
    let progress = Progress::default();
    progress.within(dialogue.timeout, talk(dialogue, tls, memory, &progress)).await
}

async fn talk(
    dialogue: &Dialogue,
    tls: Option<Result<&Tls, &String>>,
    memory: &Memory,
    progress: &Progress,
) -> Result<Outcome, Outcome> {
    let mut link = Link::to(dialogue, tls, progress).await?;
    let greeting = link.line().await?;
    judge(&greeting)?;
    let stamp = timestamp(&greeting).filter(|_| !memory.no_apop.load(Ordering::Relaxed));
    match stamp {
        _ if dialogue.login.is_empty() => {}
        None => user_and_pass(&mut link, dialogue).await?,
        Some(stamp) => match apop(&mut link, dialogue, stamp).await {
            Err(Outcome::Declined(_)) => {
                match user_and_pass(&mut link, dialogue).await {
                    // Some servers let nobody try twice.
                    Err(Outcome::Closed | Outcome::Reset) => {
                        link = Link::to(dialogue, tls, progress).await?;
                        judge(&link.line().await?)?;
                        user_and_pass(&mut link, dialogue).await?;
                    }
                    other => other?,
                }
                memory.no_apop.store(true, Ordering::Relaxed);
            }
            other => other?,
        },
    }
    link.farewell("QUIT");
    Ok(Outcome::Passed)
}

async fn apop(link: &mut Link<'_>, dialogue: &Dialogue, stamp: &[u8]) -> Result<(), Outcome> {
    let digest = apop_digest(stamp, dialogue.password.reveal());
    ask(link, &format!("APOP {} {digest}", dialogue.login)).await
}

async fn user_and_pass(link: &mut Link<'_>, dialogue: &Dialogue) -> Result<(), Outcome> {
    ask(link, &format!("USER {}", dialogue.login)).await?;
    ask(link, &format!("PASS {}", dialogue.password.reveal())).await
}

/// `[IN-USE]` (RFC 2449 section 8.1.1) says that the login was good, and that somebody else reads the mail just now,
/// such as the other director.
async fn ask(link: &mut Link<'_>, words: &str) -> Result<(), Outcome> {
    link.command(words).await?;
    let line = link.line().await?;
    if line.starts_with(b"-ERR [IN-USE]") { Ok(()) } else { judge(&line) }
}

/// What an answer means.
fn judge(line: &[u8]) -> Result<(), Outcome> {
    if line.starts_with(b"+OK") {
        Ok(())
    } else if line.starts_with(b"-ERR") {
        Err(Outcome::Declined(excerpt(line)))
    } else {
        Err(Outcome::Garbled(format!("\"{}\" is neither +OK nor -ERR", excerpt(line))))
    }
}

/// The time stamp in a greeting, angle brackets included: where there is one, the server may know APOP.
fn timestamp(greeting: &[u8]) -> Option<&[u8]> {
    let start = greeting.iter().position(|byte| *byte == b'<')?;
    let stamp = greeting.get(start..)?;
    let end = stamp.iter().position(|byte| *byte == b'>')?;
    let stamp = stamp.get(..=end)?;
    (stamp.contains(&b'@') && stamp.iter().all(u8::is_ascii_graphic)).then_some(stamp)
}

/// RFC 1939 section 7: the digest of stamp and password, in lower case.
fn apop_digest(stamp: &[u8], password: &str) -> String {
    let digest = Md5::new().chain_update(stamp).chain_update(password).finalize();
    digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_the_rfc() {
        let stamp = timestamp(b"+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>").unwrap();
        assert_eq!(apop_digest(stamp, "tanstaaf"), "c4c9334bac560ecc979e58001b3e22fb");
    }

    #[test]
    fn greetings_without_a_stamp() {
        for greeting in ["+OK", "+OK <>", "+OK <a b@c>", "+OK <1@x", "+OK 1@x>", "+OK <no at>", "+OK >1@x<"] {
            assert_eq!(timestamp(greeting.as_bytes()), None, "{greeting}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read(line in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = judge(&line);
            if let Some(stamp) = timestamp(&line) {
                prop_assert!(stamp.starts_with(b"<") && stamp.ends_with(b">"));
            }
        }
    }
}

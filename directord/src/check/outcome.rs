//! How a check ended: one variant for each way, so that log and status always say why.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::io;
use std::time::Duration;

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", content = "detail", rename_all = "kebab-case")]
pub enum Outcome {
    /// As it should.
    Passed,
    /// As it should, and this is the weight that the server shall have.
    PassedWith(u32),
    /// As it should, but the check says no weight although it shall; its last line.
    NoWeight(String),
    /// Nobody listens there.
    Refused,
    /// No way there; what the kernel said.
    Unreachable(String),
    /// The connection was not made within the limit.
    NotConnected(Duration),
    /// Connected or asked, but no answer came within the limit.
    Silent(Duration),
    /// An answer began but was not complete at the limit.
    Unfinished(Duration),
    /// The connection was closed before an answer was complete.
    Closed,
    /// The connection was reset.
    Reset,
    /// The TLS handshake failed (certificate, protocol version).
    Tls(String),
    /// The host name of a redirect has no address.
    NameUnknown(String),
    /// The answer is not in the protocol; what is wrong with it.
    Garbled(String),
    /// The server answered that it will not, such as a login that failed; its words.
    Declined(String),
    /// An HTTP status that is no success, such as `503 Service Unavailable`.
    Status(String),
    /// More redirects than are followed; the last status.
    Redirects(String),
    /// The answer does not match; its beginning.
    NoMatch(String),
    /// The expression gave up on the answer (match limit).
    MatchFailed(String),
    /// The query was answered with no row.
    NoRow,
    /// Exit code of an external check.
    Exited(i32),
    /// An external check was killed by this signal.
    Killed(i32),
    /// An external check ran longer than the limit and was killed.
    Overran(Duration),
    /// An external check could not be started.
    NotStarted(String),
    /// No echo reply: how many requests, and the limit of each.
    NoReply(u32, Duration),
    /// The machine did not let the check run: no socket, no file descriptor, no permission. That says nothing of
    /// the server: the verdict on it stays as it is.
    NotRun(String),
}

impl Outcome {
    /// Whether the server is up.
    pub fn passed(&self) -> bool {
        matches!(self, Outcome::Passed | Outcome::PassedWith(_) | Outcome::NoWeight(_))
    }

    /// A word for each way, as in JSON and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Outcome::Passed => "passed",
            Outcome::PassedWith(..) => "passed-with",
            Outcome::NoWeight(..) => "no-weight",
            Outcome::Refused => "refused",
            Outcome::Unreachable(..) => "unreachable",
            Outcome::NotConnected(..) => "not-connected",
            Outcome::Silent(..) => "silent",
            Outcome::Unfinished(..) => "unfinished",
            Outcome::Closed => "closed",
            Outcome::Reset => "reset",
            Outcome::Tls(..) => "tls",
            Outcome::NameUnknown(..) => "name-unknown",
            Outcome::Garbled(..) => "garbled",
            Outcome::Declined(..) => "declined",
            Outcome::Status(..) => "status",
            Outcome::Redirects(..) => "redirects",
            Outcome::NoRow => "no-row",
            Outcome::NoMatch(..) => "no-match",
            Outcome::MatchFailed(..) => "match-failed",
            Outcome::Exited(..) => "exited",
            Outcome::Killed(..) => "killed",
            Outcome::Overran(..) => "overran",
            Outcome::NotStarted(..) => "not-started",
            Outcome::NoReply(..) => "no-reply",
            Outcome::NotRun(..) => "not-run",
        }
    }

    /// What an I/O error while connecting or talking says of the server.
    pub fn of_io(error: &io::Error) -> Outcome {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Outcome::Refused,
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => Outcome::Reset,
            io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionAborted => Outcome::Closed,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                Outcome::Unreachable(plain(error))
            }
            // No address of ours, or no port of it is left.
            io::ErrorKind::AddrNotAvailable | io::ErrorKind::AddrInUse => Outcome::NotRun(plain(error)),
            _ if is_our_own(error) => Outcome::NotRun(plain(error)),
            _ => Outcome::Unreachable(plain(error)),
        }
    }
}

/// Whether this machine has run out of something, which says nothing of the server.
fn is_our_own(error: &io::Error) -> bool {
    use rustix::io::Errno;
    const OUR_OWN: [Errno; 5] = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM, Errno::AGAIN];
    error.raw_os_error().is_some_and(|number| OUR_OWN.contains(&Errno::from_raw_os_error(number)))
}

/// An error's text without "(os error 111)".
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or("").to_owned()
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Passed => f.write_str("passed"),
            Outcome::PassedWith(weight) => write!(f, "passed, weight {weight}"),
            Outcome::NoWeight(line) => {
                write!(f, "passed, but its last line is \"{line}\" instead of \"weight\" and 0 to 65535")
            }
            Outcome::Refused => f.write_str("connection refused"),
            Outcome::Unreachable(why) => write!(f, "unreachable: {why}"),
            Outcome::NotConnected(limit) => write!(f, "no connection within {}", Seconds(*limit)),
            Outcome::Silent(limit) => write!(f, "no answer within {}", Seconds(*limit)),
            Outcome::Unfinished(limit) => write!(f, "the answer was not complete within {}", Seconds(*limit)),
            Outcome::Closed => f.write_str("connection closed without a complete answer"),
            Outcome::Reset => f.write_str("connection reset"),
            Outcome::Tls(why) => write!(f, "TLS: {why}"),
            Outcome::NameUnknown(why) => write!(f, "name not found: {why}"),
            Outcome::Garbled(why) => write!(f, "answer not understood: {why}"),
            Outcome::Declined(words) => write!(f, "the server says: {words}"),
            Outcome::Status(status) => f.write_str(status),
            Outcome::Redirects(status) => write!(f, "too many redirects, the last: {status}"),
            Outcome::NoMatch(answer) if answer.is_empty() => {
                f.write_str("the answer is empty and does not match")
            }
            Outcome::NoMatch(answer) => write!(f, "the answer does not match: \"{answer}\""),
            Outcome::MatchFailed(why) => write!(f, "the expression gave up on the answer: {why}"),
            Outcome::NoRow => f.write_str("the query gives no row"),
            Outcome::Exited(code) => write!(f, "the check program exited with {code}"),
            Outcome::Killed(signal) => write!(f, "the check program was killed by signal {signal}"),
            Outcome::Overran(limit) => {
                write!(f, "the check program was still running after {}", Seconds(*limit))
            }
            Outcome::NotStarted(why) => write!(f, "the check program was not started: {why}"),
            Outcome::NoReply(requests, limit) => {
                write!(f, "no reply to {requests} ping within {} each", Seconds(*limit))
            }
            Outcome::NotRun(why) => write!(f, "the check could not run: {why}"),
        }
    }
}

/// `5 s`, `0.25 s`.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} s", self.0.as_secs_f64())
    }
}

/// The beginning of an answer for a log line: 60 bytes, everything odd escaped.
pub(super) fn excerpt(bytes: &[u8]) -> String {
    let cut = bytes.get(..60).unwrap_or(bytes);
    let more = if cut.len() < bytes.len() { "..." } else { "" };
    format!("{}{more}", cut.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_is_the_one_of_the_json() {
        let some = [
            Outcome::Passed,
            Outcome::NotConnected(Duration::from_secs(1)),
            Outcome::NoReply(3, Duration::from_secs(1)),
            Outcome::NotRun("x".into()),
        ];
        for outcome in some {
            let json = serde_json::to_value(&outcome).unwrap();
            assert_eq!(json["outcome"], outcome.name());
        }
    }
}

//! A mail as bytes (RFC 5322, MIME): what ldirectord wrote, and the headers it left out. Pure.

use crate::alerts::Mail;
use lettre::message::Body;
use lettre::message::header::{ContentType, Date, HeaderName, HeaderValue, Headers, MIME_VERSION_1_0};
use std::time::SystemTime;

/// Where a mail comes from.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// This machine's name.
    pub(super) host: String,
    /// The account that mails when the configuration names nobody.
    pub(super) user: &'static str,
    pub(super) pid: u32,
}

impl Origin {
    /// This process.
    pub(super) fn here() -> Origin {
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        let user = if rustix::process::geteuid().is_root() { "root" } else { "ldirectord" };
        Origin { host, user, pid: std::process::id() }
    }

    /// `root@lb1`.
    pub(super) fn address(&self) -> String {
        format!("{}@{}", self.user, self.host)
    }
}

/// The whole mail, with CR LF at the end of every line. `number` tells it from others of the same second.
pub(super) fn compose(mail: &Mail, origin: &Origin, number: u64, now: SystemTime) -> Vec<u8> {
    let host = &origin.host;
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let from = mail.from.as_ref().map_or_else(|| origin.address(), |from| from.shown().to_owned());
    let to: Vec<&str> = mail.settings.to.iter().map(crate::config::Address::shown).collect();
    let mut headers = Headers::new();
    for (name, value) in [
        (HeaderName::new_from_ascii_str("From"), from),
        (HeaderName::new_from_ascii_str("To"), to.join(", ")),
        (HeaderName::new_from_ascii_str("Subject"), mail.subject()),
        (
            HeaderName::new_from_ascii_str("Message-ID"),
            format!("<{}.{}.{number}.ldirectord@{host}>", since.as_millis(), origin.pid),
        ),
        // No answers from programs that answer for people who are away.
        (HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated".to_owned()),
    ] {
        headers.insert_raw(HeaderValue::new(name, one_line(&value)));
    }
    headers.set(Date::new(now));
    headers.set(MIME_VERSION_1_0);
    headers.set(ContentType::TEXT_PLAIN);
    let body = Body::new(text(mail, host));
    headers.set(body.encoding());
    let mut bytes = format!("{headers}\r\n").into_bytes();
    bytes.extend_from_slice(&body.into_vec());
    bytes
}

fn text(mail: &Mail, host: &str) -> String {
    let mut text = format!(
        "ldirectord host: {host}\nLog-Message: {}\nDaemon-Status: {}\n",
        one_line(&mail.subject()),
        mail.phase.name()
    );
    if let Some(check) = &mail.check {
        text += &format!("Last-Check: {}\n", one_line(check));
    }
    if mail.service.is_some() || mail.comment.is_some() {
        text.push('\n');
    }
    for (name, value) in [("Service name", &mail.service), ("Comment", &mail.comment)] {
        if let Some(value) = value {
            text += &format!("{name}: {}\n", one_line(value));
        }
    }
    text
}

/// A value of the configuration is one line, but may hold other control characters.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::config::{Address, Alerts, Phase, Phases};
    use std::time::Duration;

    /// A mail to these.
    pub(in crate::mail) fn mail(to: &[&str]) -> Mail {
        let to = to.iter().map(|to| Address::new(to).unwrap()).collect();
        Mail {
            settings: Alerts { to, via: None, every: None, when: Phases::ALL },
            from: None,
            event: "Deleted real server: 192.0.2.10:80 (192.0.2.1:80)".into(),
            service: None,
            comment: None,
            check: None,
            phase: Phase::Running,
        }
    }

    fn composed(mail: &Mail) -> String {
        let origin = Origin { host: "lb1".into(), user: "root", pid: 65 };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_290_000);
        String::from_utf8(compose(mail, &origin, 7, now)).unwrap()
    }

    #[test]
    fn what_ldirectord_wrote_and_the_missing_headers() {
        assert_eq!(
            composed(&mail(&["root", "Operators <ops@example.com>"])),
            "From: root@lb1\r\n\
             To: root, Operators <ops@example.com>\r\n\
             Subject: Deleted real server: 192.0.2.10:80 (192.0.2.1:80)\r\n\
             Message-ID: <1795290000000.65.7.ldirectord@lb1>\r\n\
             Auto-Submitted: auto-generated\r\n\
             Date: Sat, 21 Nov 2026 19:40:00 +0000\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: 7bit\r\n\
             \r\n\
             ldirectord host: lb1\r\n\
             Log-Message: Deleted real server: 192.0.2.10:80 (192.0.2.1:80)\r\n\
             Daemon-Status: running\r\n"
        );
    }

    #[test]
    fn service_and_comment_in_any_language_but_on_one_line() {
        let mut mail = mail(&["root"]);
        mail.from = Address::new("\"LVS\" <lvs@example.com>");
        mail.service = Some("Bücher\rBcc: evil@example.com".into());
        mail.comment = Some("ask Jürgen".into());
        mail.check = Some("connection refused, after 0.3 ms".into());
        let text = composed(&mail);
        assert!(text.starts_with("From: \"LVS\" <lvs@example.com>\r\n"), "{text}");
        assert!(text.contains("\r\nSubject: =?utf-8?b?"), "{text}");
        assert!(text.contains("Content-Transfer-Encoding: quoted-printable\r\n"), "{text}");
        assert!(text.contains("Daemon-Status: running\r\nLast-Check: connection refused, after 0.3 ms\r\n\r\nService name: B=C3=BCcher Bcc: evil"), "{text}");
        assert!(text.contains("Comment: ask J=C3=BCrgen\r\n"), "{text}");
        assert!(!text.contains("\r\nBcc"), "{text}");
        assert!(text.is_ascii() && text.lines().all(|line| line.len() < 998));
    }
}

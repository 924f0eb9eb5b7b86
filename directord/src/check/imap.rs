//! Services `imap` and `imaps` (RFC 3501): a good greeting; with `login` a login, too.

use super::link::{Link, Progress};
use super::outcome::excerpt;
use super::tls::Tls;
use super::{Dialogue, Outcome};

/// Greets, and logs in where there is a login.
pub(super) async fn check(dialogue: &Dialogue, tls: Option<Result<&Tls, &String>>) -> Outcome {
    let progress = Progress::default();
    progress.within(dialogue.timeout, talk(dialogue, tls, &progress)).await
}

async fn talk(
    dialogue: &Dialogue,
    tls: Option<Result<&Tls, &String>>,
    progress: &Progress,
) -> Result<Outcome, Outcome> {
    let mut link = Link::to(dialogue, tls, progress).await?;
    let line = link.line().await?;
    if greeting(&line)? == Greeting::Ready && !dialogue.login.is_empty() {
        if login_disabled(&line) {
            // Section 6.2.3: then a client must not send its password.
            let why = "LOGINDISABLED: it takes no login without TLS; use service=imaps, or no login";
            return Err(Outcome::Declined(why.into()));
        }
        login(&mut link, dialogue).await?;
    }
    link.farewell("a2 LOGOUT");
    Ok(Outcome::Passed)
}

async fn login(link: &mut Link<'_>, dialogue: &Dialogue) -> Result<(), Outcome> {
    for piece in login_command(&dialogue.login, dialogue.password.reveal()) {
        link.send(&piece).await?;
        // After a piece that ends with a literal's length the server asks for the literal.
        match answer(link).await? {
            Answer::GoOn => {}
            Answer::Done => return Ok(()),
        }
    }
    Err(Outcome::Garbled("the server asks for more than there is".into()))
}

/// Reads until the server has answered the command, or asks for the rest of it.
async fn answer(link: &mut Link<'_>) -> Result<Answer, Outcome> {
    loop {
        let line = link.line().await?;
        if let Some(answer) = judge(&line)? {
            return Ok(answer);
        }
        let mut text = line;
        while let Some(length) = literal_length(&text) {
            link.exactly(length).await?;
            text = link.line().await?; // what follows the literal belongs to the same response
        }
    }
}

/// What a greeting says, if it is a good one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Greeting {
    /// A login is possible.
    Ready,
    /// It has already happened.
    LoggedIn,
}

fn greeting(line: &[u8]) -> Result<Greeting, Outcome> {
    let (star, rest) = word(line);
    let (status, _) = word(rest);
    match (star, status.to_ascii_uppercase().as_slice()) {
        (b"*", b"OK") => Ok(Greeting::Ready),
        (b"*", b"PREAUTH") => Ok(Greeting::LoggedIn),
        (b"*", b"BYE") => Err(Outcome::Declined(excerpt(rest))),
        _ => Err(Outcome::Garbled(format!("\"{}\" is no greeting", excerpt(line)))),
    }
}

/// Whether the capabilities in a greeting say that nobody may log in here.
fn login_disabled(greeting: &[u8]) -> bool {
    let text = String::from_utf8_lossy(greeting).to_ascii_uppercase();
    let inside = text.split_once("[CAPABILITY ").and_then(|(_, rest)| rest.split_once(']'));
    inside.is_some_and(|(names, _)| names.split(' ').any(|name| name == "LOGINDISABLED"))
}

/// What the server wants now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    /// The rest of the command.
    GoOn,
    /// Nothing: the command was carried out.
    Done,
}

/// What a line means; `None` for one that says nothing of the command.
fn judge(line: &[u8]) -> Result<Option<Answer>, Outcome> {
    let (tag, rest) = word(line);
    let (status, _) = word(rest);
    match (tag, status.to_ascii_uppercase().as_slice()) {
        (b"+", _) => Ok(Some(Answer::GoOn)),
        (b"a1", b"OK") => Ok(Some(Answer::Done)),
        (b"a1", b"NO" | b"BAD") | (b"*", b"BYE") => Err(Outcome::Declined(excerpt(rest))),
        (b"*", _) => Ok(None),
        _ => Err(Outcome::Garbled(format!("\"{}\" is no response", excerpt(line)))),
    }
}

/// The length of the literal that follows a line, which then ends with `{LENGTH}`.
fn literal_length(line: &[u8]) -> Option<usize> {
    let inside = line.strip_suffix(b"}")?;
    let start = inside.iter().rposition(|byte| *byte == b'{')?;
    let digits = inside.get(start + 1..)?;
    let plain = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits).ok().filter(|_| plain)?.parse().ok()
}

/// The command, cut where the server must be waited for: behind the length of each literal.
fn login_command(login: &str, password: &str) -> Vec<Vec<u8>> {
    let mut pieces = vec![b"a1 LOGIN".to_vec()];
    for word in [login, password] {
        let piece = pieces.last_mut();
        let Some(piece) = piece else { continue };
        if quotable(word) {
            piece.extend_from_slice(b" \"");
            for byte in word.bytes() {
                if matches!(byte, b'"' | b'\\') {
                    piece.push(b'\\');
                }
                piece.push(byte);
            }
            piece.push(b'"');
        } else {
            piece.extend_from_slice(format!(" {{{}}}\r\n", word.len()).as_bytes());
            pieces.push(word.as_bytes().to_vec());
        }
    }
    if let Some(piece) = pieces.last_mut() {
        piece.extend_from_slice(b"\r\n");
    }
    pieces
}

/// Whether a text may stand between quotation marks: ASCII, and not as long as some servers' lines.
fn quotable(word: &str) -> bool {
    word.len() < 1000 && word.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

/// The first word of a line, and the rest.
fn word(line: &[u8]) -> (&[u8], &[u8]) {
    match line.iter().position(|byte| *byte == b' ') {
        Some(end) => (line.get(..end).unwrap_or_default(), line.get(end + 1..).unwrap_or_default()),
        None => (line, b""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn command(login: &str, password: &str) -> Vec<String> {
        login_command(login, password).into_iter().map(|piece| String::from_utf8(piece).unwrap()).collect()
    }

    #[test]
    fn words_are_quoted_and_what_cannot_be_is_a_literal() {
        assert_eq!(command("joe", ""), ["a1 LOGIN \"joe\" \"\"\r\n"]);
        assert_eq!(command("joe doe", r#"a"b\c{3}"#), ["a1 LOGIN \"joe doe\" \"a\\\"b\\\\c{3}\"\r\n"]);
        assert_eq!(command("jörg", "x"), ["a1 LOGIN {5}\r\n", "jörg \"x\"\r\n"]);
        assert_eq!(command("a", "é"), ["a1 LOGIN \"a\" {2}\r\n", "é\r\n"]);
        assert_eq!(command("ü", "\r\n"), ["a1 LOGIN {2}\r\n", "ü {2}\r\n", "\r\n\r\n"]);
    }

    #[test]
    fn lines_mean_what_they_should() {
        assert_eq!(greeting(b"* OK IMAP4rev1 ready"), Ok(Greeting::Ready));
        assert_eq!(greeting(b"* ok"), Ok(Greeting::Ready));
        assert_eq!(greeting(b"* PREAUTH hello"), Ok(Greeting::LoggedIn));
        assert_eq!(greeting(b"* BYE too busy"), Err(Outcome::Declined("BYE too busy".into())));
        for wrong in [&b""[..], b"*", b"* OKAY", b"+OK", b"OK", b"220 hello", b"*  OK", b"\x00\xff"] {
            assert!(matches!(greeting(wrong), Err(Outcome::Garbled(_))), "{wrong:?}");
        }
        assert!(login_disabled(b"* OK [CAPABILITY IMAP4rev1 logindisabled] ready"));
        for open in [
            "* OK LOGINDISABLED",
            "* OK [CAPABILITY IMAP4rev1] LOGINDISABLED",
            "* OK [CAPABILITY XLOGINDISABLED]",
        ] {
            assert!(!login_disabled(open.as_bytes()), "{open}");
        }
        assert_eq!(judge(b"+"), Ok(Some(Answer::GoOn)));
        assert_eq!(judge(b"a1 OK [CAPABILITY IMAP4rev1] in"), Ok(Some(Answer::Done)));
        assert_eq!(judge(b"* CAPABILITY IMAP4rev1"), Ok(None));
        assert_eq!(judge(b"a1 NO [ALERT] no"), Err(Outcome::Declined("NO [ALERT] no".into())));
        assert_eq!(judge(b"* BYE gone"), Err(Outcome::Declined("BYE gone".into())));
        assert!(matches!(judge(b"a2 OK"), Err(Outcome::Garbled(_))));
        assert_eq!(literal_length(b"* X {12}"), Some(12));
        for none in ["{}", "{-1}", "{+1}", "12}", "{12} ", "{99999999999999999999999}"] {
            assert_eq!(literal_length(none.as_bytes()), None, "{none}");
        }
    }

    proptest! {
        #[test]
        fn any_line_is_read(line in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = (greeting(&line), judge(&line), literal_length(&line), login_disabled(&line));
        }

        #[test]
        fn no_login_adds_a_command(login in any::<String>(), password in any::<String>()) {
            // A server reads a line, and then as many bytes as a literal's length at the line's end says.
            let text = login_command(&login, &password).concat();
            let (mut rest, mut lines) = (text.as_slice(), Vec::new());
            while !rest.is_empty() {
                let end = rest.windows(2).position(|two| two == b"\r\n").unwrap();
                let literal = literal_length(&rest[..end]);
                lines.push(literal);
                rest = &rest[end + 2 + literal.unwrap_or(0)..];
            }
            prop_assert_eq!(lines.iter().filter(|literal| literal.is_none()).count(), 1);
            prop_assert_eq!(lines.len() - 1, [&login, &password].iter().filter(|word| !quotable(word)).count());
        }
    }
}

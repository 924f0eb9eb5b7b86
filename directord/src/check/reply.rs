//! Replies that begin with a number of three digits, as servers of SMTP (RFC 5321 section 4.2), FTP (RFC 959 section
//! 4.2) and NNTP (RFC 3977 section 3.2) send them.

use super::Outcome;
use super::link::Link;
use super::outcome::excerpt;

/// A whole reply, of one or more lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reply {
    /// 100 to 599.
    pub(crate) code: u16,
    /// All its lines with their numbers, a line feed between two.
    pub(crate) text: Vec<u8>,
}

impl Reply {
    /// The first digit: 1 more follows, 2 done, 3 go on, 4 not now, 5 no.
    pub(crate) fn class(&self) -> u16 {
        self.code / 100
    }

    /// The reply, if it has one of these classes; else it is what the server says against it.
    pub(crate) fn expect(self, classes: &[u16]) -> Result<Reply, Outcome> {
        if classes.contains(&self.class()) { Ok(self) } else { Err(self.declined()) }
    }

    /// The reply, if each of its lines has its number, as SMTP requires and FTP does not.
    pub(super) fn numbered(self) -> Result<Reply, Outcome> {
        let strange = |line: &&[u8]| number(line).is_none_or(|(code, _)| code != self.code);
        match self.text.split(|byte| *byte == b'\n').find(strange) {
            Some(line) => Err(Outcome::Garbled(format!("\"{}\" within a reply", excerpt(line)))),
            None => Ok(self),
        }
    }

    /// What it means as a refusal.
    pub(crate) fn declined(&self) -> Outcome {
        Outcome::Declined(excerpt(&self.text))
    }
}

/// The next reply.
pub(crate) async fn read(link: &mut Link<'_>) -> Result<Reply, Outcome> {
    let mut lines = Lines::default();
    loop {
        let line = link.line().await?;
        if let Some(reply) = lines.add(&line).map_err(Outcome::Garbled)? {
            return Ok(reply);
        }
    }
}

/// Sends a command of these words, reads the reply. 421 is the end of every dialogue: the service is going away.
pub(crate) async fn ask(link: &mut Link<'_>, words: &str) -> Result<Reply, Outcome> {
    link.command(words).await?;
    let reply = read(link).await?;
    if reply.code == 421 { Err(reply.declined()) } else { Ok(reply) }
}

/// The lines of a reply that is not complete yet. It ends as FTP's does, which is the most lenient of the three: at
/// a line with the first one's number and no hyphen behind it.
#[derive(Debug, Default)]
struct Lines(Option<Reply>);

impl Lines {
    /// Takes a line; the reply after its last one. An error says what is wrong with the line.
    fn add(&mut self, line: &[u8]) -> Result<Option<Reply>, String> {
        let number = number(line);
        let Some(mut reply) = self.0.take() else {
            let (code, last) = number.ok_or_else(|| format!("\"{}\" is no reply", excerpt(line)))?;
            let reply = Reply { code, text: line.to_vec() };
            if last {
                return Ok(Some(reply));
            }
            self.0 = Some(reply);
            return Ok(None);
        };
        reply.text.push(b'\n');
        reply.text.extend_from_slice(line);
        if number == Some((reply.code, true)) {
            return Ok(Some(reply));
        }
        self.0 = Some(reply);
        Ok(None)
    }
}

/// The number at the beginning of a line, and whether no hyphen follows it.
fn number(line: &[u8]) -> Option<(u16, bool)> {
    let (digits, rest) = line.split_at_checked(3)?;
    let code: u16 = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let separated = rest.first().is_none_or(|byte| b" -\t".contains(byte));
    let plausible = digits.iter().all(u8::is_ascii_digit) && (100..600).contains(&code);
    (plausible && separated).then(|| (code, rest.first() != Some(&b'-')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The replies in a text, up to its first mistake.
    fn replies(text: &[u8]) -> (Vec<Reply>, Option<String>) {
        let (mut lines, mut found) = (Lines::default(), Vec::new());
        for line in text.split(|byte| *byte == b'\n') {
            match lines.add(line) {
                Ok(reply) => found.extend(reply),
                Err(wrong) => return (found, Some(wrong)),
            }
        }
        (found, None)
    }

    #[test]
    fn replies_of_one_and_of_several_lines() {
        let codes = |text: &str| {
            let (found, wrong) = replies(text.as_bytes());
            (found.iter().map(|reply| reply.code).collect::<Vec<_>>(), wrong.is_some())
        };
        assert_eq!(codes("220 hello\n250\n221 bye"), (vec![220, 250, 221], false));
        assert_eq!(codes("220-a\n220-b\n220 c\n250 d"), (vec![220, 250], false));
        assert_eq!(
            codes("230-Welcome\n 230 indented\n\nno number\n331 another\n230 end"),
            (vec![230], false)
        );
        for wrong in ["", "22", "hello", "099 x", "600 x", "2200 x", "+22 x", "220x", " 220 x", "٢٢٠ x"] {
            assert_eq!(codes(wrong), (vec![], true), "{wrong}");
        }
        let (found, _) = replies(b"550-No.\n550 Go away.");
        assert_eq!(
            found.first().map(Reply::declined),
            Some(Outcome::Declined("550-No.\\n550 Go away.".into()))
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read(text in proptest::collection::vec(any::<u8>(), 0..300)) {
            replies(&text);
        }

        #[test]
        fn any_reply_is_read_whole(code in 100_u16..600, middle in "([ -~]{0,20}\n){0,4}", end in "[ -~]{0,20}") {
            let middle = middle.replace(&code.to_string(), "xxx");
            let text = format!("{code}-{middle}\n{code} {end}");
            prop_assert_eq!(replies(text.as_bytes()), (vec![Reply { code, text: text.into_bytes() }], None));
        }
    }
}

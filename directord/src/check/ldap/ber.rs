//! The part of ASN.1's Basic Encoding Rules (X.690) that LDAP uses: tags of one byte, lengths that are given.

pub(super) const BOOLEAN: u8 = 0x01;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OCTETS: u8 = 0x04;
pub(super) const ENUMERATED: u8 = 0x0a;
pub(super) const SEQUENCE: u8 = 0x30;

/// A value with tag and length before it.
pub(super) fn tagged(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    match u8::try_from(content.len()) {
        Ok(short @ ..=0x7f) => bytes.push(short),
        _ => {
            let length = u32::try_from(content.len()).unwrap_or(u32::MAX); // a line of a file is shorter
            bytes.push(0x84);
            bytes.extend_from_slice(&length.to_be_bytes());
        }
    }
    bytes.extend_from_slice(content);
    bytes
}

/// A small number, below 128.
pub(super) fn integer(value: u8) -> Vec<u8> {
    tagged(INTEGER, &[value])
}

/// What an INTEGER or ENUMERATED says, if it is neither negative nor above 32 bits.
pub(super) fn number(content: &[u8]) -> Option<u32> {
    match content {
        [first, ..] if first & 0x80 != 0 => None,
        [] => None,
        [0, rest @ ..] => small(rest),
        _ => small(content),
    }
}

fn small(digits: &[u8]) -> Option<u32> {
    (digits.len() <= 4).then(|| digits.iter().fold(0, |number, digit| number << 8 | u32::from(*digit)))
}

/// What is left to read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    /// The next value's tag and content; `None` at the end and for what is cut off.
    pub(super) fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (tag, rest) = self.0.split_first()?;
        if tag & 0x1f == 0x1f {
            return None; // a tag of several bytes
        }
        let (first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(*first), rest),
            0x81..=0x84 => {
                let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (usize::try_from(small(digits)?).ok()?, rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((*tag, content))
    }

    /// The content of the next value, if it has this tag.
    pub(super) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, content)| content)
    }

    /// An INTEGER that is a small number.
    pub(super) fn integer(&mut self) -> Option<u32> {
        number(self.take(INTEGER)?)
    }
}

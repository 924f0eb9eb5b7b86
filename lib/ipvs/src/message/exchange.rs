//! The answers to one request (RFC 3549 §2.2, `linux/netlink.h`), fed datagram by datagram.
use crate::codec::{Malformed, Table, align};

const HEADER: usize = 16;
const GENERIC_HEADER: usize = 4;

const NLMSG_NOOP: u16 = 1;
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLMSG_OVERRUN: u16 = 4;

const NLM_F_DUMP_INTR: u16 = 0x10;
const NLM_F_CAPPED: u16 = 0x100;
const NLM_F_ACK_TLVS: u16 = 0x200;

const NLMSGERR_ATTR_MSG: u16 = 1;

/// Where an exchange stands after a datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// There is more to receive.
    More,
    /// All was answered; the request is carried out.
    Done,
    /// The kernel refused.
    Refused {
        /// Its error number, positive.
        errno: i32,
        /// Its words, if it has some.
        detail: Option<String>,
    },
    /// All was answered, but the table changed meanwhile: what was handed out fits no moment.
    Interrupted,
    /// The kernel says that it lost messages.
    Lost,
}

/// One request's answers. Messages with another sequence number, left over from an exchange that was given
/// up, are passed over.
#[derive(Debug)]
pub struct Exchange {
    sequence: u32,
    interrupted: bool,
}

impl Exchange {
    /// The answers to the request that was encoded with this sequence number.
    pub fn new(sequence: u32) -> Exchange {
        Exchange { sequence, interrupted: false }
    }

    /// Reads one datagram and calls `message` with the attributes of each generic message in it.
    pub fn feed(&mut self, datagram: &[u8], mut message: impl FnMut(&[u8])) -> Result<Progress, Malformed> {
        let mut rest = datagram;
        while !rest.is_empty() {
            let (frame, behind) = Frame::split(rest)?;
            rest = behind;
            if frame.sequence != self.sequence {
                continue;
            }
            self.interrupted |= frame.flags & NLM_F_DUMP_INTR != 0;
            match frame.kind {
                NLMSG_NOOP => {}
                NLMSG_OVERRUN => return Ok(Progress::Lost),
                NLMSG_ERROR | NLMSG_DONE => return self.end(&frame),
                _ => message(frame.payload.get(GENERIC_HEADER..).ok_or_else(|| frame.short("a message"))?),
            }
        }
        Ok(Progress::More)
    }

    /// Both end with an error number, 0 or negative; a DONE of old kernels may leave it out.
    fn end(&self, frame: &Frame<'_>) -> Result<Progress, Malformed> {
        let number = match frame.payload.first_chunk::<4>() {
            Some(bytes) => i32::from_ne_bytes(*bytes),
            None if frame.kind == NLMSG_DONE => 0,
            None => return Err(frame.short("an error message")),
        };
        Ok(match number {
            0 if self.interrupted => Progress::Interrupted,
            0 => Progress::Done,
            _ => Progress::Refused { errno: number.saturating_abs(), detail: frame.detail() },
        })
    }
}

/// One netlink message.
struct Frame<'a> {
    kind: u16,
    flags: u16,
    sequence: u32,
    payload: &'a [u8],
}

impl<'a> Frame<'a> {
    /// The first message, and what follows it. Fewer bytes than a header are an error.
    fn split(bytes: &'a [u8]) -> Result<(Frame<'a>, &'a [u8]), Malformed> {
        let (header, _) = bytes.split_first_chunk::<HEADER>().ok_or(Malformed::Length {
            what: "a netlink header",
            says: HEADER,
            available: bytes.len(),
        })?;
        let &[l0, l1, l2, l3, k0, k1, f0, f1, s0, s1, s2, s3, _, _, _, _] = header;
        let length = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).unwrap_or(usize::MAX);
        let payload = bytes.get(HEADER..length).ok_or(Malformed::Length {
            what: "a netlink message",
            says: length,
            available: bytes.len(),
        })?;
        let frame = Frame {
            kind: u16::from_ne_bytes([k0, k1]),
            flags: u16::from_ne_bytes([f0, f1]),
            sequence: u32::from_ne_bytes([s0, s1, s2, s3]),
            payload,
        };
        Ok((frame, bytes.get(align(length)..).unwrap_or_default()))
    }

    /// The text of an extended acknowledgement. It stands behind the error number and, in an ERROR, behind
    /// the request's header and (unless capped) the request. One that cannot be read is none.
    fn detail(&self) -> Option<String> {
        if self.flags & NLM_F_ACK_TLVS == 0 {
            return None;
        }
        let mut skip = 4;
        if self.kind == NLMSG_ERROR {
            let length = self.payload.get(4..8)?.first_chunk::<4>()?;
            let length = usize::try_from(u32::from_ne_bytes(*length)).ok()?;
            skip += if self.flags & NLM_F_CAPPED != 0 { HEADER } else { align(length) };
        }
        let table = Table::parse(self.payload.get(skip..)?).ok()?;
        table.get(NLMSGERR_ATTR_MSG, "MSG").map(|text| text.text()).filter(|text| !text.is_empty())
    }

    fn short(&self, what: &'static str) -> Malformed {
        Malformed::Length { what, says: GENERIC_HEADER, available: self.payload.len() }
    }
}

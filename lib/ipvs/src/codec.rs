//! Netlink attributes: length, type, value, padded to four bytes (`linux/netlink.h`, RFC 3549).
//!
//! Reading never panics and never reads past the slice: a wrong length is a [`Malformed`], and it ends the
//! iteration. Integers are in host order except where a message's own table says otherwise.
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

#[cfg(test)]
mod tests;

/// Flag of an attribute that contains attributes.
pub const NESTED: u16 = 0x8000;
const TYPE_MASK: u16 = 0x3fff;
const HEADER: usize = 4;

/// Why bytes are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Malformed {
    /// A header says more bytes than there are, or fewer than its own length.
    Length {
        /// What was being read.
        what: &'static str,
        /// What it says.
        says: usize,
        /// What there is.
        available: usize,
    },
    /// An attribute's value has not the size of its type.
    Size {
        /// Name of the attribute.
        what: &'static str,
        /// Bytes it should have.
        expected: usize,
        /// Bytes it has.
        found: usize,
    },
    /// A required attribute is not there.
    Missing(&'static str),
    /// A value that cannot be.
    Value {
        /// Name of the attribute.
        what: &'static str,
        /// Its value.
        found: u64,
    },
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Malformed::Length { what, says, available } => {
                write!(f, "{what} says {says} bytes of {available}")
            }
            Malformed::Size { what, expected, found } => {
                write!(f, "{what} has {found} bytes instead of {expected}")
            }
            Malformed::Missing(what) => write!(f, "{what} is missing"),
            Malformed::Value { what, found } => write!(f, "{what} cannot be {found}"),
        }
    }
}

impl std::error::Error for Malformed {}

/// One attribute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attribute<'a> {
    /// Type, without the flag bits.
    pub kind: u16,
    /// Value, without padding.
    pub value: &'a [u8],
}

/// The attributes of a message or a nest, in order.
#[derive(Debug, Clone)]
pub struct Attributes<'a> {
    rest: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// Reads these bytes. Up to three bytes at the end are padding.
    pub fn new(bytes: &'a [u8]) -> Attributes<'a> {
        Attributes { rest: bytes }
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Result<Attribute<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let (&[l0, l1, t0, t1], _) = self.rest.split_first_chunk::<HEADER>()?;
        let length = usize::from(u16::from_ne_bytes([l0, l1]));
        let kind = u16::from_ne_bytes([t0, t1]) & TYPE_MASK;
        let available = self.rest.len();
        let Some(value) = self.rest.get(HEADER..length) else {
            self.rest = &[];
            return Some(Err(Malformed::Length { what: "an attribute", says: length, available }));
        };
        self.rest = self.rest.get(align(length)..).unwrap_or_default();
        Some(Ok(Attribute { kind, value }))
    }
}

/// Attributes by type, each at most once: the last wins, as in the kernel. Types that are not known are
/// left out, so that a newer kernel can say more.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a> {
    values: [Option<&'a [u8]>; Table::TYPES],
}

impl<'a> Table<'a> {
    /// IPVS uses types below this.
    const TYPES: usize = 20;

    /// Sorts the attributes of a message or a nest.
    pub fn parse(bytes: &'a [u8]) -> Result<Table<'a>, Malformed> {
        let mut table = Table { values: [None; Table::TYPES] };
        for attribute in Attributes::new(bytes) {
            let attribute = attribute?;
            if let Some(slot) = table.values.get_mut(usize::from(attribute.kind)) {
                *slot = Some(attribute.value);
            }
        }
        Ok(table)
    }

    /// The attribute of a type, if it is there; `what` names it in errors.
    pub fn get(&self, kind: u16, what: &'static str) -> Option<Value<'a>> {
        let bytes = self.values.get(usize::from(kind)).copied().flatten()?;
        Some(Value { what, bytes })
    }

    /// The attribute of a type, which has to be there.
    pub fn need(&self, kind: u16, what: &'static str) -> Result<Value<'a>, Malformed> {
        self.get(kind, what).ok_or(Malformed::Missing(what))
    }
}

/// A value and its name.
#[derive(Debug, Clone, Copy)]
pub struct Value<'a> {
    what: &'static str,
    bytes: &'a [u8],
}

impl<'a> Value<'a> {
    /// The bytes as they are.
    pub fn bytes(self) -> &'a [u8] {
        self.bytes
    }

    /// A byte.
    pub fn u8(self) -> Result<u8, Malformed> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// 16 bits in host order.
    pub fn u16(self) -> Result<u16, Malformed> {
        self.array().map(u16::from_ne_bytes)
    }

    /// 16 bits in network order.
    pub fn be16(self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    /// 32 bits in host order.
    pub fn u32(self) -> Result<u32, Malformed> {
        self.array().map(u32::from_ne_bytes)
    }

    /// 64 bits in host order.
    pub fn u64(self) -> Result<u64, Malformed> {
        self.array().map(u64::from_ne_bytes)
    }

    /// An IPv4 address: four bytes, or more of which four count (IPVS pads to sixteen).
    pub fn ipv4(self) -> Result<IpAddr, Malformed> {
        let first = self.bytes.first_chunk::<4>().ok_or_else(|| self.size(4))?;
        Ok(Ipv4Addr::from(*first).into())
    }

    /// An IPv6 address of sixteen bytes.
    pub fn ipv6(self) -> Result<IpAddr, Malformed> {
        Ok(Ipv6Addr::from(self.array::<16>()?).into())
    }

    /// Exactly so many bytes.
    pub fn array<const N: usize>(self) -> Result<[u8; N], Malformed> {
        <[u8; N]>::try_from(self.bytes).map_err(|_| self.size(N))
    }

    /// A text that ends at its first NUL; bytes that are not UTF-8 become U+FFFD.
    pub fn text(self) -> String {
        let end = self.bytes.iter().position(|&byte| byte == 0).unwrap_or(self.bytes.len());
        String::from_utf8_lossy(self.bytes.get(..end).unwrap_or_default()).into_owned()
    }

    /// The error that this value cannot be `found`.
    pub fn cannot_be(self, found: impl Into<u64>) -> Malformed {
        Malformed::Value { what: self.what, found: found.into() }
    }

    fn size(self, expected: usize) -> Malformed {
        Malformed::Size { what: self.what, expected, found: self.bytes.len() }
    }
}

/// Builds attributes. Values are short by what [`crate::message::Request`] checked before: a nest of IPVS
/// stays far below the 65,535 bytes that a length can say.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    pub(crate) fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub(crate) fn value(&mut self, kind: u16, value: &[u8]) {
        let length = u16::try_from(HEADER + value.len()).unwrap_or(u16::MAX);
        self.raw(&length.to_ne_bytes());
        self.raw(&kind.to_ne_bytes());
        self.raw(value);
        self.bytes.resize(align(self.bytes.len()), 0);
    }

    pub(crate) fn u8(&mut self, kind: u16, value: u8) {
        self.value(kind, &[value]);
    }

    pub(crate) fn u16(&mut self, kind: u16, value: u16) {
        self.value(kind, &value.to_ne_bytes());
    }

    pub(crate) fn be16(&mut self, kind: u16, value: u16) {
        self.value(kind, &value.to_be_bytes());
    }

    pub(crate) fn u32(&mut self, kind: u16, value: u32) {
        self.value(kind, &value.to_ne_bytes());
    }

    pub(crate) fn address(&mut self, kind: u16, address: IpAddr) {
        match address {
            IpAddr::V4(address) => self.value(kind, &address.octets()),
            IpAddr::V6(address) => self.value(kind, &address.octets()),
        }
    }

    pub(crate) fn text(&mut self, kind: u16, text: &str) {
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        self.value(kind, &bytes);
    }

    pub(crate) fn nest(&mut self, kind: u16, fill: impl FnOnce(&mut Writer)) {
        let mut inner = Writer::default();
        fill(&mut inner);
        self.value(kind | NESTED, &inner.bytes);
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// The next multiple of four.
pub(crate) fn align(length: usize) -> usize {
    length.saturating_add(3) & !3
}

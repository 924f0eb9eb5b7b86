//! Why a datagram was refused.

use thiserror::Error;

/// Why a datagram was refused; one variant for each reason, so that a counter can be kept for each.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// Neither `###` nor `>>>` stands at the start: something else uses the port.
    #[error("not a heartbeat packet: it starts with neither \"###\" nor \">>>\"")]
    NotHeartbeat,
    /// Longer than [`MAX_DATAGRAM`](super::MAX_DATAGRAM).
    #[error("packet of {bytes} bytes is longer than a heartbeat message can be (262144)")]
    TooLong {
        /// Length of the datagram.
        bytes: usize,
    },
    /// The datagram ends in the middle of a field or before the end mark.
    #[error("packet is cut off at byte {at}: {missing} is missing")]
    Truncated {
        /// Offset of the field that is not complete.
        at: usize,
        /// What was expected there.
        missing: &'static str,
    },
    /// A field that breaks the rules of its form.
    #[error("malformed field at byte {at}: {problem}")]
    BadField {
        /// Offset of the field's start.
        at: usize,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// More than [`MAX_FIELDS`](super::MAX_FIELDS) fields.
    #[error("message has more than 4096 fields")]
    TooManyFields,
    /// No outer MAC (netstring form) or no `auth` field (text form).
    #[error("packet carries no authentication")]
    NoAuthentication,
    /// The authentication is not of the form `NUMBER MAC`.
    #[error("authentication is not of the form \"key number, blank, digest\"")]
    BadAuthentication,
    /// Signed with a key number that authkeys does not list.
    #[error("packet is signed with key {0}, which authkeys does not list")]
    UnknownKey(u8),
    /// The digest does not fit the bytes: another secret, or changed on the way.
    #[error("digest does not match: key {0} differs between the nodes, or the packet was altered")]
    WrongMac(u8),
    /// A compressed message that cannot be expanded.
    #[error("compressed message: {0}")]
    BadCompression(&'static str),
    /// A compressed message that expands beyond [`MAX_UNCOMPRESSED`](super::MAX_UNCOMPRESSED).
    #[error("compressed message expands to more than 2 MiB")]
    TooLarge,
}

impl DecodeError {
    /// One or two words for the reason, to name a counter; the same for every error of a variant.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotHeartbeat => "not heartbeat",
            Self::TooLong { .. } => "too long",
            Self::Truncated { .. } => "cut off",
            Self::BadField { .. } => "malformed field",
            Self::TooManyFields => "too many fields",
            Self::NoAuthentication => "no authentication",
            Self::BadAuthentication => "malformed authentication",
            Self::UnknownKey(_) => "unknown key",
            Self::WrongMac(_) => "wrong digest",
            Self::BadCompression(_) => "bad compression",
            Self::TooLarge => "expands too far",
        }
    }
}

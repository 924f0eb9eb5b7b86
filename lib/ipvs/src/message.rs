//! Messages of the IPVS netlink family, bytes ⇄ types (`linux/ip_vs.h`). Nothing here has a socket, and
//! nothing panics, whatever bytes it is given.
//!
//! [`Request::encode`] makes a request; an [`Exchange`] is fed the datagrams that answer it and hands out
//! the messages, which the `parse_*` functions turn into types.
mod daemon;
mod destination;
mod exchange;
mod request;
mod service;
mod settings;
mod stats;
#[cfg(test)]
mod tests;

pub use daemon::parse_daemon;
pub use destination::parse_destination;
pub use exchange::{Exchange, Progress};
pub use request::Request;
pub use service::parse_service;
pub use settings::{parse_family_id, parse_info, parse_timeouts};

/// Commands of the family.
mod command {
    pub(super) const NEW_SERVICE: u8 = 1;
    pub(super) const SET_SERVICE: u8 = 2;
    pub(super) const DEL_SERVICE: u8 = 3;
    pub(super) const GET_SERVICE: u8 = 4;
    pub(super) const NEW_DEST: u8 = 5;
    pub(super) const SET_DEST: u8 = 6;
    pub(super) const DEL_DEST: u8 = 7;
    pub(super) const GET_DEST: u8 = 8;
    pub(super) const NEW_DAEMON: u8 = 9;
    pub(super) const DEL_DAEMON: u8 = 10;
    pub(super) const GET_DAEMON: u8 = 11;
    pub(super) const SET_CONFIG: u8 = 12;
    pub(super) const GET_CONFIG: u8 = 13;
    pub(super) const GET_INFO: u8 = 15;
    pub(super) const ZERO: u8 = 16;
    pub(super) const FLUSH: u8 = 17;
}

/// Top-level attributes.
mod top {
    pub(super) const SERVICE: u16 = 1;
    pub(super) const DEST: u16 = 2;
    pub(super) const DAEMON: u16 = 3;
    pub(super) const TIMEOUT_TCP: u16 = 4;
    pub(super) const TIMEOUT_TCP_FIN: u16 = 5;
    pub(super) const TIMEOUT_UDP: u16 = 6;
}

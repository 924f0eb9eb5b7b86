//! What starts, stops and asks one resource.
pub mod address;
pub mod announce;
pub mod frame;
pub mod netlink;

//! directord
#![forbid(unsafe_code)]
pub mod check;
pub mod config;

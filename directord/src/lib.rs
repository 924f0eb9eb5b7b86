//! directord
#![forbid(unsafe_code)]
pub mod check;
pub mod config;
pub mod reconcile;
pub mod verdict;

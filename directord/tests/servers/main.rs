//! The checks against Debian's own servers: started by the test on 127.0.0.1 with a configuration in a temporary
//! folder, ended with it. What is checked is written as a section of ldirectord.cf.
//!
//! Needs root and the packages of `SERVER_PACKAGES` in `tests/lab/packages`; without one of them the tests of that
//! server fail.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a helper of a test may fail it
#![allow(unreachable_pub)] // a test has no other side

mod accounts;
mod bed;
mod calls;
mod database;
mod directory;
mod ftp;
mod mail;
mod names;
mod news;
mod proxy;
mod trust;
mod web;

//! Web servers, proxies, and whoever answers a text with a line.
#![no_main]

use fuzz::server::check_web;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| check_web(data));

//! Database servers.
#![no_main]

use directord::config::model::ServiceName::{Mysql, Pgsql};
use fuzz::server::check;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| check(data, &[Mysql, Pgsql], |_, said| said));

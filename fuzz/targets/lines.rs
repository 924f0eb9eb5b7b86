//! Mail, news and file servers: checks that talk in lines.
#![no_main]

use directord::config::model::ServiceName::{Ftp, Imap, Nntp, Pop, Smtp, Submission};
use fuzz::server::check;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| check(data, &[Smtp, Submission, Pop, Imap, Nntp, Ftp], |_, said| said));

//! Bytes that nobody guesses: identifiers of questions, authenticators.

use rustix::rand::{GetRandomFlags, getrandom};
use std::io;

/// All of them where a fuzz target wants to know them.
const FUZZING: u8 = 7;

/// So many of them; the kernel gives up to 256 at once.
pub(super) fn random<const N: usize>() -> io::Result<[u8; N]> {
    if cfg!(feature = "fuzzing") {
        return Ok([FUZZING; N]); // a fuzzer's server must know them
    }
    let mut bytes = [0; N];
    let given = getrandom(&mut bytes, GetRandomFlags::empty())?;
    if given == N { Ok(bytes) } else { Err(io::Error::other("the kernel gave too few random bytes")) }
}

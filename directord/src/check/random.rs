//! Bytes that nobody guesses: identifiers of questions, authenticators.

use rustix::rand::{GetRandomFlags, getrandom};
use std::io;

/// So many of them; the kernel gives up to 256 at once.
pub(super) fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    let given = getrandom(&mut bytes, GetRandomFlags::empty())?;
    if given == N { Ok(bytes) } else { Err(io::Error::other("the kernel gave too few random bytes")) }
}

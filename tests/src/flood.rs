//! Datagrams that are not what a daemon expects: noise, and texts that begin like the real thing.

use std::net::{SocketAddr, UdpSocket};

use crate::failure::{Context, Result};

/// How real packets of heartbeat begin, so that the noise gets past the first look.
const BEGINNINGS: [&[u8]; 6] = [
    b"",
    b"###\n",
    b">>>\n",
    b"###\n4:(0)t=status,",
    b">>>\nt=status\nst=active\nsrc=alpha\nseq=1\n",
    b"###\n99999999999:(0)t=,",
];

/// Send `count` datagrams to `target`, the same ones for the same seed.
pub fn run(target: SocketAddr, count: u32, seed: u64) -> Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_broadcast(true)?;
    let mut random = seed | 1;
    let mut next = move || {
        // xorshift64: enough for noise, and needs no crate
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    for _ in 0..count {
        let beginning = BEGINNINGS.get(next() as usize % BEGINNINGS.len()).copied().unwrap_or_default();
        let length = next() as usize % 1400;
        let mut datagram = beginning.to_vec();
        datagram.extend(std::iter::repeat_with(|| next() as u8).take(length));
        match socket.send_to(&datagram, target) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {} // of an earlier one
            Err(error) => return Err(error).context(|| target),
        }
    }
    Ok(())
}

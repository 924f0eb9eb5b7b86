//! Datagrams that are not what a daemon expects: noise, texts that begin like the real thing, and recordings of real ones.

use std::fs;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use socket2::{Domain, Protocol, Socket, Type};

use crate::failure::{Context, Result, fail};

/// How real packets of heartbeat begin, so that the noise gets past the first look.
const BEGINNINGS: [&[u8]; 6] = [
    b"",
    b"###\n",
    b">>>\n",
    b"###\n4:(0)t=status,",
    b">>>\nt=status\nst=active\nsrc=alpha\nseq=1\n",
    b"###\n99999999999:(0)t=,",
];

/// The most UDP carries.
const LARGEST: usize = 65_536;
/// Datagrams are sent in bursts so far apart.
const BURST: Duration = Duration::from_millis(2);
/// What a socket of [`record`] holds, so that a burst is not lost.
const RECEIVE_BUFFER: usize = 2 * 1024 * 1024;

/// Send `count` datagrams of noise to `target`, the same ones for the same seed, at most `rate` a second.
pub fn run(target: SocketAddr, count: u64, seed: u64, rate: u64) -> Result<()> {
    let mut random = seed | 1;
    let mut next = move || {
        // xorshift64: enough for noise, and needs no crate
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let mut datagram = Vec::new();
    send_all(target, count, rate, |_| {
        let beginning = BEGINNINGS.get(next() as usize % BEGINNINGS.len()).copied().unwrap_or_default();
        let length = next() as usize % 1400;
        datagram.clear();
        datagram.extend_from_slice(beginning);
        while datagram.len() < beginning.len() + length {
            datagram.extend_from_slice(&next().to_ne_bytes());
        }
        datagram.truncate(beginning.len() + length);
        datagram.clone()
    })
}

/// Send the datagrams of a file, one in hexadecimal a line, over and over until `count` are sent, at most `rate` a
/// second.
pub fn replay(target: SocketAddr, file: &Path, count: u64, rate: u64) -> Result<()> {
    let text = fs::read_to_string(file).context(|| file.display())?;
    let datagrams: Vec<Vec<u8>> = text.lines().map(from_hex).collect::<Result<_>>()?;
    if datagrams.is_empty() {
        return fail(format!("{}: no datagrams", file.display()));
    }
    send_all(target, count, rate, |number| {
        datagrams.get(number as usize % datagrams.len()).cloned().unwrap_or_default()
    })
}

/// Print every datagram that comes to an address, in hexadecimal, until the standard input ends. `group` may be a
/// multicast group.
pub fn record(group: SocketAddrV4) -> Result<()> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_reuse_address(true)?;
    socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
    socket.bind(&SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, group.port()).into())?;
    if group.ip().is_multicast() {
        socket.join_multicast_v4(group.ip(), &Ipv4Addr::UNSPECIFIED)?;
    }
    println!("listening on {group}");
    let socket = UdpSocket::from(socket);
    std::thread::spawn(move || {
        let mut buffer = vec![0; LARGEST];
        while let Ok(bytes) = socket.recv(&mut buffer) {
            println!("{}", to_hex(buffer.get(..bytes).unwrap_or_default()));
        }
    });
    let _ = std::io::stdin().read_to_end(&mut Vec::new()); // the process ends, and the thread with it
    Ok(())
}

/// Two digits a byte.
pub fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(text: &str) -> Result<Vec<u8>> {
    let digit = |byte: u8| (byte as char).to_digit(16).context(|| "not hexadecimal");
    let byte = |pair: &[u8]| match pair {
        &[high, low] => Ok((digit(high)? << 4 | digit(low)?) as u8),
        _ => fail("not hexadecimal"),
    };
    text.as_bytes().chunks(2).map(byte).collect()
}

fn send_all(
    target: SocketAddr,
    count: u64,
    rate: u64,
    mut datagram: impl FnMut(u64) -> Vec<u8>,
) -> Result<()> {
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    socket.set_broadcast(true)?;
    let begun = Instant::now();
    for number in 0..count {
        let due = Duration::from_secs_f64(number as f64 / rate.max(1) as f64);
        if due > begun.elapsed() + BURST {
            std::thread::sleep(BURST);
        }
        match socket.send_to(&datagram(number), target) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {} // of an earlier one
            Err(error) => return Err(error).context(|| target),
        }
    }
    println!("{count} datagrams in {} ms", begun.elapsed().as_millis());
    Ok(())
}

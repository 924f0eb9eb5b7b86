//! What arrives at the other end of the wire.

use super::{Lab, enter_for_good};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::Read;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Listens in the other namespace until it is dropped.
pub struct Wire {
    frames: Receiver<(Instant, Vec<u8>)>,
    seen: Vec<(Instant, Vec<u8>)>,
    mac: [u8; 6],
}

impl Wire {
    /// Listens for the ARP and neighbour advertisement frames that `va` sends.
    pub fn listen(lab: &Lab) -> Wire {
        let namespace = lab.peer_namespace();
        let (sender, frames) = channel();
        let (ready, is_ready) = channel();
        let mac = mac(lab);
        std::thread::spawn(move || {
            enter_for_good(&namespace);
            const ALL: i32 = 0x0003;
            let protocol = Protocol::from(i32::from((ALL as u16).to_be()));
            let mut socket = Socket::new(Domain::PACKET, Type::RAW, Some(protocol)).unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            ready.send(()).unwrap();
            let mut buffer = [0; 2048];
            loop {
                let frame =
                    socket.read(&mut buffer).ok().map(|length| (Instant::now(), buffer[..length].to_vec()));
                let interesting =
                    frame.filter(|(_, frame)| frame.get(6..12) == Some(&mac) && announces(frame));
                let gone = match interesting {
                    Some(frame) => sender.send(frame).is_err(),
                    None => false,
                };
                // A listener whose test has ended finds out with the next frame, or by its namespace: the
                // channel is asked in any case.
                if gone || sender.send((Instant::now(), Vec::new())).is_err() {
                    return;
                }
            }
        });
        is_ready.recv().unwrap();
        Wire { frames, seen: Vec::new(), mac }
    }

    /// The MAC address of `va`.
    pub fn mac(&self) -> [u8; 6] {
        self.mac
    }

    /// Everything seen so far.
    pub fn seen(&mut self) -> &[(Instant, Vec<u8>)] {
        self.seen.extend(self.frames.try_iter().filter(|(_, frame)| !frame.is_empty()));
        &self.seen
    }

    /// Listens for this long.
    pub fn wait(&mut self, duration: Duration) -> &[(Instant, Vec<u8>)] {
        std::thread::sleep(duration);
        self.seen()
    }
}

/// ARP, or an ICMPv6 neighbour advertisement.
fn announces(frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[8, 6])
        || (frame.get(12..14) == Some(&[0x86, 0xdd]) && frame.get(54) == Some(&136))
}

fn mac(lab: &Lab) -> [u8; 6] {
    let text = lab.ip("-o link show dev va");
    let after = text.split("link/ether ").nth(1).unwrap();
    let mut bytes =
        after.split_whitespace().next().unwrap().split(':').map(|byte| u8::from_str_radix(byte, 16).unwrap());
    std::array::from_fn(|_| bytes.next().unwrap())
}

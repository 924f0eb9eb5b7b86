//! Where the tables are: in this machine's kernel, if it has IPVS, else in a User-Mode Linux kernel that does nothing but keep
//! them, since programs run many times slower in one. What runs here reaches it through a library that is loaded before it.
//!
//! ```text
//! ldirectord ── ipvsadm ─┐ ipvs-shim.so                                      console, bytes           netlink
//!                        ├──────────────► "@ipvs" of the side ──► lender.rs ─────────────► keeper.rs ─────────► kernel
//! directord ─────────────┘                    (lent.rs)          (the test)              (each in a network of its own)
//! ```

pub mod keeper;
pub mod lender;
pub mod lent;

use std::io::{self, Read, Write};

/// The test's socket, in the folder that it shares with the sides.
const SOCKET: &str = "tables";
/// The library, in the same folder.
const LIBRARY: &str = "ipvs-shim.so";
/// A netlink message is shorter: the kernel fills at most 32 KiB.
const DATAGRAM: usize = 64 * 1024;
/// What the keeper says first: what comes before it is not its own.
const READY: &[u8] = b"tables are kept\n";

/// What passes the console: a datagram of a connection to a table. An empty one ends the table.
struct Frame {
    table: u32,
    connection: u32,
    datagram: Vec<u8>,
}

impl Frame {
    fn read(from: &mut impl Read) -> io::Result<Frame> {
        let mut number = || {
            let mut bytes = [0; 4];
            from.read_exact(&mut bytes).map(|()| u32::from_be_bytes(bytes))
        };
        let (table, connection, length) = (number()?, number()?, number()? as usize);
        assert!(length <= DATAGRAM, "the console lost bytes: a datagram of {length}");
        let mut datagram = vec![0; length];
        from.read_exact(&mut datagram)?;
        Ok(Frame { table, connection, datagram })
    }

    fn write(&self, to: &mut impl Write) -> io::Result<()> {
        let numbers = [self.table, self.connection, self.datagram.len() as u32];
        let mut bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_be_bytes()).collect();
        bytes.extend_from_slice(&self.datagram);
        to.write_all(&bytes)?;
        to.flush()
    }
}

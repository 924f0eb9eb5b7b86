//! A blocking generic-netlink socket to the kernel.
use netlink_sys::protocols::NETLINK_GENERIC;
use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustix::net::sockopt::{self, Timeout};
use std::io;
use std::time::Duration;

/// The kernel fills dumps into messages of at most 32 KiB, so that this is never too short.
const DATAGRAM: usize = 64 * 1024;

/// Room for a whole dump of some ten thousand destinations, should this process be slow. `FORCE` goes
/// beyond `net.core.rmem_max` and needs CAP_NET_ADMIN, as does IPVS.
const RECEIVE_BUFFER: usize = 4 * 1024 * 1024;

/// Every answer, and every part of a list, is queued before `send` or the receive before it returns, so that
/// there is nothing to wait for. But the kernel gives no answer at all to a request that ended with EINTR,
/// which a sync daemon does that is stopped before its thread has run once.
const PATIENCE: Duration = Duration::from_millis(20);

pub(crate) struct Socket {
    socket: netlink_sys::Socket,
    buffer: Vec<u8>,
}

/// What can be received.
pub(crate) enum Received<'a> {
    /// A datagram from the kernel.
    Datagram(&'a [u8]),
    /// The receive buffer overran (ENOBUFS), a datagram was longer than the buffer, or patience ended:
    /// something is lost.
    Lost,
}

impl Socket {
    pub(crate) fn open() -> io::Result<Socket> {
        let mut socket = netlink_sys::Socket::new(NETLINK_GENERIC)?;
        socket.bind_auto()?;
        socket.connect(&netlink_sys::SocketAddr::new(0, 0))?;
        // Both make errors say more, and acknowledgements shorter. Kernels before 4.12 and 4.3 lack them.
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_cap_ack(true);
        if sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER).is_err() {
            sockopt::set_socket_recv_buffer_size(&socket, RECEIVE_BUFFER)?;
        }
        sockopt::set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
        Ok(Socket { socket, buffer: vec![0; DATAGRAM] })
    }

    pub(crate) fn send(&self, message: &[u8]) -> io::Result<()> {
        loop {
            match self.socket.send(message, 0) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
                Ok(_) => return Ok(()), // netlink takes a message whole
            }
        }
    }

    /// The next datagram from the kernel. Another process could send to this socket's port: what does not
    /// come from port 0 is dropped.
    pub(crate) fn receive(&mut self) -> io::Result<Received<'_>> {
        let flags = i32::try_from(RecvFlags::TRUNC.bits()).unwrap_or(0);
        let length = loop {
            match self.socket.recv_from(&mut self.buffer.as_mut_slice(), flags) {
                Ok((length, from)) if from.port_number() == 0 => break length,
                Ok(_) => {}
                Err(error) => match Errno::from_io_error(&error) {
                    Some(Errno::INTR) => {}
                    Some(Errno::NOBUFS | Errno::AGAIN) => return Ok(Received::Lost),
                    _ => return Err(error),
                },
            }
        };
        Ok(self.buffer.get(..length).map_or(Received::Lost, Received::Datagram))
    }
}

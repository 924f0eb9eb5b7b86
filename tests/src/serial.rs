//! Serial lines between nodes: a pseudo-terminal in each, and a cable between them that can be pulled.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::symlink;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use crate::failure::{Context, Result};
use crate::node::Node;
use crate::process::Process;

/// Where the far end of a node's line is met.
const SOCKET: &str = "/run/serial.sock";
/// Between two looks at whether the cable is still there.
const LOOK: Duration = Duration::from_millis(20);

/// In a node: a serial line `line`, whose far end is the socket; ends when standard input does.
pub fn run(line: &Path) -> Result<()> {
    let far = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
    grantpt(&far)?;
    unlockpt(&far)?;
    let name = ptsname(&far, Vec::new())?.into_string().context(|| "the name of a pseudo-terminal")?;
    // held open: the line does not hang up when a daemon leaves it
    let _near = File::options().read(true).write(true).open(&name)?;
    let _ = std::fs::remove_file(line);
    symlink(&name, line).context(|| line.display())?;
    let listener = UnixListener::bind(SOCKET).context(|| SOCKET)?;
    println!("ready");
    let far = File::from(far);
    let (mut reader, mut writer) = (far.try_clone()?, far);
    std::thread::spawn(move || {
        let Ok((mut socket, _)) = listener.accept() else { return };
        let Ok(mut back) = socket.try_clone() else { return };
        std::thread::spawn(move || std::io::copy(&mut socket, &mut writer));
        let _ = std::io::copy(&mut reader, &mut back);
    });
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    Ok(())
}

/// A null modem cable between two nodes.
#[derive(Debug)]
pub struct Cable {
    plugged: Arc<AtomicBool>,
    ended: Arc<AtomicBool>,
    bytes: Arc<AtomicU64>,
    copiers: Vec<JoinHandle<()>>,
    _ends: [Process; 2],
}

impl Cable {
    /// Connects two nodes; each has the line under this path, until it loses power.
    pub fn between(one: &Node, two: &Node, line: &str) -> Result<Self> {
        let end = |node: &Node| -> Result<(Process, UnixStream)> {
            let process = node.spawn(&["lab", "serial", line])?;
            process.wait_started()?;
            let socket = node.connect(SOCKET)?;
            socket.set_read_timeout(Some(LOOK))?;
            Ok((process, socket))
        };
        let ((first, here), (second, there)) = (end(one)?, end(two)?);
        let (plugged, ended) = (Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false)));
        let bytes = Arc::new(AtomicU64::new(0));
        let copier = |from: &UnixStream, to: &UnixStream| -> Result<JoinHandle<()>> {
            let (mut from, mut to) = (from.try_clone()?, to.try_clone()?);
            let (plugged, ended, bytes) = (Arc::clone(&plugged), Arc::clone(&ended), Arc::clone(&bytes));
            Ok(std::thread::spawn(move || {
                let mut block = [0; 4096];
                while !ended.load(Ordering::Relaxed) {
                    if !plugged.load(Ordering::Relaxed) {
                        std::thread::sleep(LOOK);
                        continue;
                    }
                    match from.read(&mut block) {
                        Ok(0) => return,
                        Ok(count) => {
                            bytes.fetch_add(count as u64, Ordering::Relaxed);
                            if to.write_all(block.get(..count).unwrap_or_default()).is_err() {
                                return;
                            }
                        }
                        Err(error)
                            if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                        Err(_) => return,
                    }
                }
            }))
        };
        let copiers = vec![copier(&here, &there)?, copier(&there, &here)?];
        Ok(Self { plugged, ended, bytes, copiers, _ends: [first, second] })
    }

    /// Pull the cable: what the nodes write is no longer taken from their lines, which fill up.
    pub fn pull(&self) {
        self.plugged.store(false, Ordering::Relaxed);
    }

    /// Plug it in again; what the lines still hold arrives.
    pub fn plug(&self) {
        self.plugged.store(true, Ordering::Relaxed);
    }

    /// What has passed so far, both ways.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        for copier in self.copiers.drain(..) {
            let _ = copier.join();
        }
    }
}

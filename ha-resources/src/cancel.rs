//! SIGTERM while groups are taken: whoever ordered it does not want them any more, because another node may have taken
//! them. The script under way is ended as at its limit, the addresses go, and nothing else is started.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

static WISH: OnceLock<Wish> = OnceLock::new();

struct Wish {
    wished: Arc<AtomicBool>,
    /// Readable from the wish on.
    pipe: UnixStream,
}

/// From now on SIGTERM does not end this process, but is a wish.
pub(crate) fn listen() {
    if WISH.get().is_none() {
        // Without it the signal ends this process, as any other does.
        if let Ok(wish) = register() {
            let _ = WISH.set(wish);
        }
    }
}

fn register() -> io::Result<Wish> {
    let (pipe, writer) = UnixStream::pair()?;
    let wished = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::clone(&wished))?;
    signal_hook::low_level::pipe::register(signal_hook::consts::SIGTERM, writer)?;
    Ok(Wish { wished, pipe })
}

/// Whether the groups that are being taken are not wanted any more.
pub(crate) fn wished() -> bool {
    WISH.get().is_some_and(|wish| wish.wished.load(Ordering::Acquire))
}

/// Readable as soon as they are not.
pub(crate) fn watched() -> Option<BorrowedFd<'static>> {
    WISH.get().map(|wish| wish.pipe.as_fd())
}

//! Work that may block for long, such as a file on a network drive or a name server that does not answer: on a
//! thread of its own. A shared pool would let one such job hold up all others, checks among them.

use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::oneshot;

/// Jobs that hang for ever are only ever this many: each is a thread.
const LIMIT: usize = 64;
static RUNNING: AtomicUsize = AtomicUsize::new(0);

/// Does the work; `None` if it panicked, or if no thread is to be had.
pub(crate) async fn on_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let place = Place::take()?;
    let (sender, result) = oneshot::channel();
    let job = move || {
        let _place = place;
        drop(sender.send(work()));
    };
    std::thread::Builder::new().name(name.into()).spawn(job).ok()?;
    result.await.ok()
}

/// One of the threads; given back when it ends, also by a panic.
struct Place;

impl Place {
    fn take() -> Option<Place> {
        let taken = RUNNING.fetch_add(1, Ordering::Relaxed);
        let place = Place;
        (taken < LIMIT).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        RUNNING.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_result_or_nothing() {
        assert_eq!(on_thread("test", || 7).await, Some(7));
        assert_eq!(on_thread("test", || std::panic::panic_any(1)).await, None::<()>);
    }
}

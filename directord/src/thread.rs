//! Work that may block for long, such as a file on a network drive or a name server that does not answer: on a
//! thread of its own. A shared pool would let one such job hold up all others, checks among them.

use std::cell::Cell;
use std::time::Duration;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio::time::timeout;

/// Threads at the same time. Further jobs wait for one of them to end, in their order.
const LIMIT: usize = 64;
/// For checks: nothing else may hold them up.
static OF_CHECKS: Semaphore = Semaphore::const_new(LIMIT);
/// Look-ups of names at the same time, apart from those: one that gets no answer takes a thread for half a minute.
static LOOK_UPS: Semaphore = Semaphore::const_new(16);
/// Threads of the runtime's pool, which only [`pooled`] uses. Few are at work at any time, but a hostile answer may
/// keep one busy for minutes, and the others must not wait for it.
pub(crate) const POOL: usize = 256;
static POOLED: Semaphore = Semaphore::const_new(POOL);
/// For everything else.
static OTHERS: Semaphore = Semaphore::const_new(LIMIT);

tokio::task_local! {
    /// Whether the check of this task waits for a thread.
    static WAITS: Cell<bool>;
}

/// Does the work; `None` if it panicked, or if no thread is to be had.
pub(crate) async fn on_thread<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    run(OTHERS.acquire().await.ok()?, name, work).await
}

/// The same for a check.
pub(crate) async fn of_check<T: Send + 'static>(
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    of_check_among(&OF_CHECKS, name, work).await
}

/// The same for a check that wants to know the addresses of a name.
pub(crate) async fn of_look_up<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    of_check_among(&LOOK_UPS, "lookup", work).await
}

/// The same for a check's short work, on a thread that is there already: the many that have some pay for no new one.
pub(crate) async fn pooled<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let place = waiting(&POOLED).await?;
    let job = move || {
        let _place = place;
        work()
    };
    tokio::task::spawn_blocking(job).await.ok()
}

pub(crate) async fn of_check_among<T: Send + 'static>(
    places: &'static Semaphore,
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    run(waiting(places).await?, name, work).await
}

/// The check of this task waits for a place.
async fn waiting(places: &'static Semaphore) -> Option<SemaphorePermit<'static>> {
    let _ = WAITS.try_with(|waits| waits.set(true));
    let place = places.acquire().await;
    let _ = WAITS.try_with(|waits| waits.set(false));
    place.ok()
}

/// What a check does until its time is over.
pub(crate) enum Ended<T> {
    /// It has ended by itself.
    ByItself(T),
    /// It has not.
    Late,
    /// It still waited for a thread, when this limit ended it or one of its own: that is not the server's fault.
    LateWithoutThread,
}

/// Ends a check after so long.
pub(crate) async fn within<T>(limit: Duration, check: impl Future<Output = T>) -> Ended<T> {
    let watched = async {
        let ended = timeout(limit, check).await;
        match (ended, WAITS.with(Cell::get)) {
            (_, true) => Ended::LateWithoutThread,
            (Ok(outcome), false) => Ended::ByItself(outcome),
            (Err(_), false) => Ended::Late,
        }
    };
    WAITS.scope(Cell::new(false), watched).await
}

/// The place is given back when the thread ends, also by a panic, whether somebody still waits for it or not.
async fn run<T: Send + 'static>(
    place: SemaphorePermit<'static>,
    name: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, result) = oneshot::channel();
    let job = move || {
        let _place = place;
        drop(sender.send(work()));
    };
    std::thread::Builder::new().name(name.into()).spawn(job).ok()?;
    result.await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Arc, Mutex};

    #[tokio::test]
    async fn a_result_or_nothing() {
        assert_eq!(on_thread("test", || 7).await, Some(7));
        assert_eq!(on_thread("test", || std::panic::panic_any(1)).await, None::<()>);
    }

    /// More jobs than there are threads: each has its turn.
    #[tokio::test]
    async fn who_finds_no_thread_waits_for_one() {
        static PLACES: Semaphore = Semaphore::const_new(4);
        let began = Arc::new(AtomicUsize::new(0));
        let (go, gate) = std::sync::mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        let jobs = (0..100).map(|number| {
            let (began, gate) = (Arc::clone(&began), Arc::clone(&gate));
            tokio::spawn(of_check_among(&PLACES, "test", move || {
                began.fetch_add(1, Ordering::Relaxed);
                let _ = gate.lock().unwrap().recv();
                number
            }))
        });
        let jobs: Vec<_> = jobs.collect();
        while began.load(Ordering::Relaxed) < 4 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        // One whose time is over before it had a thread says so, and leaves the queue.
        let late = within(Duration::from_millis(20), of_check_among(&PLACES, "test", || 0)).await;
        assert!(matches!(late, Ended::LateWithoutThread));
        let own_limit = timeout(Duration::from_millis(20), of_check_among(&PLACES, "test", || 0));
        let late = within(Duration::from_secs(30), own_limit).await;
        assert!(matches!(late, Ended::LateWithoutThread));
        assert_eq!(began.load(Ordering::Relaxed), 4, "no more at the same time");
        drop(go);
        for (number, job) in jobs.into_iter().enumerate() {
            assert_eq!(job.await.unwrap(), Some(number));
        }
        let late = within(Duration::from_millis(20), std::future::pending::<()>()).await;
        assert!(matches!(late, Ended::Late));
    }
}

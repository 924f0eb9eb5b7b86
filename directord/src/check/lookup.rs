//! Host names of redirects. A name server that does not answer holds up the checks that need it, and no others.

use crate::thread::of_check;
use std::net::{SocketAddr, ToSocketAddrs};
use tokio::sync::Semaphore;

/// Names that are looked up at the same time: one that gets no answer takes a thread for half a minute.
const AT_ONCE: usize = 16;
static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);

/// Asks the system's resolver, on a thread of its own. At least one address, or why there is none.
pub(super) async fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    let turn = TURNS.acquire().await.map_err(|error| error.to_string())?;
    let host = host.to_owned();
    let look = move || {
        let _turn = turn; // until the thread ends, whether somebody still waits for it or not
        (host.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<SocketAddr>>)
    };
    match of_check("lookup", look).await {
        None => Err("no thread to look the name up".into()),
        Some(Err(error)) => Err(error.to_string()),
        Some(Ok(found)) if found.is_empty() => Err("the name has no address".into()),
        Some(Ok(found)) => Ok(found),
    }
}

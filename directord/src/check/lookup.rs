//! Host names of redirects. A name server that does not answer holds up the checks that need it, and no others.

use crate::thread::of_check;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use std::net::{SocketAddr, ToSocketAddrs};
use tokio::sync::Semaphore;

/// Names that are looked up at the same time: one that gets no answer takes a thread for half a minute.
const AT_ONCE: usize = 16;
static TURNS: Semaphore = Semaphore::const_new(AT_ONCE);

/// The system's resolver, on threads of its own.
pub(super) struct Lookup;

impl Resolve for Lookup {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let turn = TURNS.acquire().await?;
            let host = name.as_str().to_owned();
            let look = move || {
                let _turn = turn; // until the thread ends, whether somebody still waits for it or not
                (host.as_str(), 0).to_socket_addrs().map(Iterator::collect::<Vec<SocketAddr>>)
            };
            let found = of_check("lookup", look).await.ok_or("no thread to look the name up")??;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

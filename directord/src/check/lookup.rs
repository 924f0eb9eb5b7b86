//! Host names of redirects. A name server that does not answer holds up the checks that need it, and no others.

use crate::thread::of_look_up;
use std::net::{SocketAddr, ToSocketAddrs};

/// Asks the system's resolver, on a thread of its own. At least one address, or why there is none.
pub(super) async fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, String> {
    #[cfg(feature = "fuzzing")]
    if super::fuzzing::is_faced() {
        return Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]);
    }
    let host = host.to_owned();
    let look = move || (host.as_str(), port).to_socket_addrs().map(Iterator::collect::<Vec<SocketAddr>>);
    match Box::pin(of_look_up(look)).await {
        None => Err("no thread to look the name up".into()),
        Some(Err(error)) => Err(error.to_string()),
        Some(Ok(found)) if found.is_empty() => Err("the name has no address".into()),
        Some(Ok(found)) => Ok(found),
    }
}

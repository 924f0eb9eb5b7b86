//! `checktype=connect`: a TCP connection, closed at once.

use super::{Outcome, source};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::timeout;

/// Connects and closes.
pub(super) async fn check(to: SocketAddr, limit: Duration) -> Outcome {
    match timeout(limit, source::connect(to)).await {
        Ok(Ok(stream)) => {
            // A reset instead of a FIN: thousands of checks a second leave no TIME_WAIT behind.
            let _ = stream.set_zero_linger();
            Outcome::Passed
        }
        Ok(Err(error)) => Outcome::of_io(&error),
        Err(_) => Outcome::NotConnected(limit),
    }
}

//! What a daemon that does not run as root keeps of the capabilities that its supervisor gave it.
//!
//! ```text
//!  supervisor: user directord, ambient CAP_NET_ADMIN CAP_NET_RAW
//!     └─ ipvs thread          CAP_NET_ADMIN CAP_NET_RAW   edits the kernel's table, reads nothing from the network
//!     └─ all other threads    CAP_NET_RAW                 checks, log, control: the socket of `checktype=ping`
//!           └─ programs       none                        external checks, callback, fallbackcommand
//! ```
//!
//! Capabilities belong to a thread, and a new one has those of the thread that started it. A daemon of root's keeps
//! everything: the programs that it runs were written for that.

use rustix::process::geteuid;
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};
use rustix::thread::{clear_ambient_capability_set, set_no_new_privs};

/// Gives up on this thread, and on those that it starts, what only the thread for the kernel's table needs. Instances
/// that this one executes need it as well: with `for_others` only what no program can use is given up.
///
/// # Errors
/// In words: the kernel refuses.
pub(crate) fn narrow(for_others: bool) -> Result<(), String> {
    if geteuid().is_root() || for_others {
        return Ok(());
    }
    let said = |error: rustix::io::Errno| format!("cannot give up capabilities: {error}");
    clear_ambient_capability_set().map_err(said)?;
    set_no_new_privs(true).map_err(said)?;
    let now = capabilities(None).map_err(said)?;
    set_capabilities(None, narrowed(now)).map_err(said)
}

/// What is left.
fn narrowed(now: CapabilitySets) -> CapabilitySets {
    CapabilitySets {
        effective: now.effective & CapabilitySet::NET_RAW,
        permitted: now.permitted & CapabilitySet::NET_RAW,
        inheritable: CapabilitySet::empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_everything_the_raw_socket_is_left_and_nothing_is_gained() {
        let all = CapabilitySet::all();
        let left = narrowed(CapabilitySets { effective: all, permitted: all, inheritable: all });
        assert_eq!((left.effective, left.permitted), (CapabilitySet::NET_RAW, CapabilitySet::NET_RAW));
        assert!(left.inheritable.is_empty());
        let none = CapabilitySet::empty();
        let nothing = CapabilitySets { effective: none, permitted: none, inheritable: none };
        assert_eq!(narrowed(nothing), nothing);
    }
}

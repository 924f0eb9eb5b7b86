//! Resource groups: where each is, and since when.

use serde::{Deserialize, Serialize};
use std::fmt;

/// One group: a line of haresources.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Group {
    /// Its first resource, which names it.
    pub key: String,
    /// Its resources as written, the first included.
    pub resources: Vec<String>,
    /// The node it belongs to.
    pub home: String,
    /// Where it is.
    pub state: GroupState,
    /// The node that holds it or is taking it; `None` if nobody does or it is not known.
    pub holder: Option<String>,
    /// For how long state and holder have been so, in milliseconds.
    pub for_ms: u64,
    /// What it was started with here, if haresources has been changed since; empty if it has not.
    pub started: Vec<String>,
    /// It was started here, and haresources does not have it any more.
    pub gone: bool,
}

/// Where a group is, as far as this node knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupState {
    /// Not known, such as while the other node has not said what it holds.
    #[default]
    Unknown,
    /// Runs on its holder.
    Held,
    /// Is being started here.
    Starting,
    /// Is being stopped here.
    Stopping,
    /// Runs nowhere.
    Released,
    /// Could not be started or stopped here.
    Failed,
}

impl fmt::Display for GroupState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "unknown",
            Self::Held => "held",
            Self::Starting => "starting",
            Self::Stopping => "stopping",
            Self::Released => "released",
            Self::Failed => "failed",
        })
    }
}

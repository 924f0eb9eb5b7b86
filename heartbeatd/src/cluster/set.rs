//! Which resource groups: those homed here, those homed on the other node, both or none.

use std::fmt;

/// A set of resource groups as one node sees it (`rsc_hold` of the wire). *Local* groups are those whose
/// `haresources` line starts with the speaking node's name, *foreign* ones are the other node's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Set {
    /// The groups homed on the speaking node.
    pub local: bool,
    /// The groups homed on the other node.
    pub foreign: bool,
}

impl Set {
    /// No group.
    pub const NONE: Set = Set { local: false, foreign: false };
    /// The groups homed on the speaking node.
    pub const LOCAL: Set = Set { local: true, foreign: false };
    /// The groups homed on the other node.
    pub const FOREIGN: Set = Set { local: false, foreign: true };
    /// Every group.
    pub const ALL: Set = Set { local: true, foreign: true };

    /// The same groups from the other node's point of view.
    pub fn flipped(self) -> Set {
        Set { local: self.foreign, foreign: self.local }
    }

    /// Groups in either.
    pub fn with(self, other: Set) -> Set {
        Set { local: self.local || other.local, foreign: self.foreign || other.foreign }
    }

    /// Groups in this one and not in the other.
    pub fn without(self, other: Set) -> Set {
        Set { local: self.local && !other.local, foreign: self.foreign && !other.foreign }
    }

    /// Groups in both.
    pub fn both(self, other: Set) -> Set {
        Set { local: self.local && other.local, foreign: self.foreign && other.foreign }
    }

    /// No group at all.
    pub fn is_empty(self) -> bool {
        self == Set::NONE
    }

    /// The word of the wire: `none`, `local`, `foreign` or `all`.
    pub fn word(self) -> &'static str {
        match (self.local, self.foreign) {
            (false, false) => "none",
            (true, false) => "local",
            (false, true) => "foreign",
            (true, true) => "all",
        }
    }

    /// Reads the word of the wire; `None` for any other word.
    pub fn from_word(word: &str) -> Option<Set> {
        Some(match word {
            "none" => Set::NONE,
            "local" => Set::LOCAL,
            "foreign" => Set::FOREIGN,
            "all" => Set::ALL,
            _ => return None,
        })
    }
}

impl fmt::Display for Set {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

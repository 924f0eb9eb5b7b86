//! Is a real server up? Counting of check results: pure, no clock, no socket, no log.
//!
//! ```text
//!                 passed                       failed, fewer than failurecount in a row
//!   ┌─────────┐ ─────────────► ┌──────┐ ───┐
//!   │ Pending │                │  Up  │    │ soft failure
//!   └─────────┘ ◄── new        └──────┘ ◄──┘
//!        │ failed               ▲    │ failurecount failures, or maintenance
//!        ▼              passed  │    ▼
//!        └────────────► ┌─────────────┐
//!                       │    Down     │ ◄── maintenance: no check runs
//!                       └─────────────┘
//! ```
//!
//! A server that the kernel's table holds with a weight when the daemon starts is adopted as [`State::Up`]: it has
//! live connections, and is taken down only by checks that fail as often as `failurecount` says. One good check
//! brings a server up: ldirectord(8) has no count for that.

use serde::{Deserialize, Serialize};

/// What is believed of a real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing yet; counts as not up.
    Pending,
    /// It gets connections.
    Up,
    /// It gets none.
    Down,
}

/// The verdict on one real server of one service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    state: State,
    failures: u32,
    maintenance: bool,
    checked: bool,
}

/// What a check result changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing.
    None,
    /// A failure that does not count yet: how many in a row, of how many.
    Soft(u32, u32),
    /// A good check after soft failures.
    Reset,
    /// It is up now.
    Up,
    /// It is down now.
    Down,
}

impl Verdict {
    /// Of a server that nothing is known of.
    pub fn pending() -> Verdict {
        Verdict { state: State::Pending, failures: 0, maintenance: false, checked: false }
    }

    /// Of a server that already gets connections.
    pub fn adopted() -> Verdict {
        Verdict { state: State::Up, ..Verdict::pending() }
    }

    /// Of a server that is never checked.
    pub fn fixed(up: bool) -> Verdict {
        let state = if up { State::Up } else { State::Down };
        Verdict { state, checked: true, ..Verdict::pending() }
    }

    /// What is believed.
    pub fn state(&self) -> State {
        self.state
    }

    /// Whether it gets connections.
    pub fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// Whether a check has told, or nothing has to be told.
    pub fn is_known(&self) -> bool {
        self.checked || self.maintenance
    }

    /// Failures in a row that have not taken it down.
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// Whether it is held down by the administrator.
    pub fn in_maintenance(&self) -> bool {
        self.maintenance
    }

    /// Takes in the result of a check. Results while in maintenance do not count.
    pub fn observe(&mut self, passed: bool, failure_count: u32) -> Change {
        if self.maintenance {
            return Change::None;
        }
        self.checked = true;
        if passed { self.passed() } else { self.failed(failure_count) }
    }

    fn passed(&mut self) -> Change {
        let failures = std::mem::take(&mut self.failures);
        if self.state != State::Up {
            self.state = State::Up;
            return Change::Up;
        }
        if failures > 0 { Change::Reset } else { Change::None }
    }

    fn failed(&mut self, failure_count: u32) -> Change {
        match self.state {
            State::Down => Change::None,
            State::Pending => self.fall(),
            State::Up => {
                self.failures += 1;
                if self.failures < failure_count {
                    Change::Soft(self.failures, failure_count)
                } else {
                    self.fall()
                }
            }
        }
    }

    fn fall(&mut self) -> Change {
        self.failures = 0;
        self.state = State::Down;
        Change::Down
    }

    /// The administrator's will. Into maintenance: down at once, whatever `failurecount` says. Out of it: a server
    /// that is checked stays down until its next good check (`checked`), another one is up again.
    pub fn maintain(&mut self, maintenance: bool, checked: bool) -> Change {
        if maintenance == self.maintenance {
            return Change::None;
        }
        self.maintenance = maintenance;
        match (maintenance, self.state) {
            (true, State::Down) => Change::None,
            (true, _) => self.fall(),
            (false, _) if checked => Change::None,
            (false, _) => self.passed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_good_check_is_enough() {
        let mut verdict = Verdict::pending();
        assert_eq!((verdict.is_up(), verdict.is_known()), (false, false));
        assert_eq!(verdict.observe(true, 3), Change::Up);
        assert_eq!(verdict.observe(true, 3), Change::None);
    }

    #[test]
    fn failurecount_counts_failures_in_a_row() {
        let mut verdict = Verdict::adopted();
        assert_eq!(verdict.observe(false, 3), Change::Soft(1, 3));
        assert_eq!(verdict.observe(false, 3), Change::Soft(2, 3));
        assert_eq!(verdict.observe(true, 3), Change::Reset);
        assert_eq!(verdict.observe(false, 3), Change::Soft(1, 3));
        assert_eq!(verdict.observe(false, 3), Change::Soft(2, 3));
        assert_eq!(verdict.observe(false, 3), Change::Down);
        assert_eq!(verdict.observe(false, 3), Change::None);
        assert_eq!(verdict.observe(true, 3), Change::Up);
    }

    #[test]
    fn a_server_never_seen_up_falls_at_its_first_failure() {
        let mut verdict = Verdict::pending();
        assert_eq!(verdict.observe(false, 5), Change::Down);
    }

    #[test]
    fn maintenance_forces_down_and_ends_with_a_good_check() {
        let mut verdict = Verdict::adopted();
        assert_eq!(verdict.maintain(true, true), Change::Down);
        assert_eq!(verdict.maintain(true, true), Change::None);
        assert_eq!(verdict.observe(true, 1), Change::None);
        assert!(verdict.is_known() && !verdict.is_up());
        assert_eq!(verdict.maintain(false, true), Change::None);
        assert!(!verdict.is_up());
        assert_eq!(verdict.observe(true, 1), Change::Up);
    }

    #[test]
    fn maintenance_of_a_server_without_checks_ends_at_once() {
        let mut verdict = Verdict::fixed(true);
        assert_eq!(verdict.maintain(true, false), Change::Down);
        assert_eq!(verdict.maintain(false, false), Change::Up);
    }
}

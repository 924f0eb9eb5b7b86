//! Is a real server up? Counting of check results: pure, no clock, no socket, no log.
//!
//! ```text
//!                 passed                       failed, fewer than failurecount in a row
//!   ┌─────────┐ ─────────────► ┌──────┐ ───┐
//!   │ Pending │                │  Up  │    │ soft failure
//!   └─────────┘ ◄── new        └──────┘ ◄──┘
//!        │ failed               ▲    │ failurecount failures, or maintenance
//!        ▼      passed, rise    │    ▼
//!        │       times in a row ┌─────────────┐
//!        └────────────────────► │    Down     │ ◄── maintenance: no check runs
//!                               └─────────────┘
//! ```
//!
//! A server that the kernel's table holds with a weight when the daemon starts is adopted as [`State::Up`]: it has
//! live connections, and is taken down only by checks that fail as often as `failurecount` says. One good check
//! brings up a server that was never seen down; after that it takes as many in a row as `rise` says.

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
    /// Good checks in a row while it is down.
    passes: u32,
    maintenance: bool,
    checked: bool,
    /// Results since a check took it down; `None` if none did.
    fallen: Option<u32>,
    /// It is up only because all servers of its service failed together.
    held: bool,
}

/// How many results in a row change a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Failures until a server is down.
    pub fall: u32,
    /// Good checks until a server that was down is up.
    pub rise: u32,
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
    /// A good check that does not count yet: how many in a row, of how many.
    Rising(u32, u32),
    /// It is up now.
    Up,
    /// It is down now.
    Down,
}

impl Verdict {
    /// Of a server that nothing is known of.
    pub fn pending() -> Verdict {
        Verdict {
            state: State::Pending,
            failures: 0,
            passes: 0,
            maintenance: false,
            checked: false,
            fallen: None,
            held: false,
        }
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

    /// Whether the last result does not count yet, because more like it have to follow.
    pub fn is_in_doubt(&self) -> bool {
        !self.maintenance && (self.failures > 0 || self.passes > 0)
    }

    /// Whether a check took it down, and at most so many results came since.
    pub fn fell_within(&self, results: u32) -> bool {
        !self.maintenance && self.fallen.is_some_and(|fallen| fallen <= results)
    }

    /// Whether it is up only because it was [held](Verdict::hold).
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// Takes back that a check took it down, and lets failures not count until it is [let go](Verdict::let_go) or
    /// passes a check.
    pub fn hold(&mut self) {
        self.rise();
        self.held = true;
    }

    /// Failures count again, from the first.
    pub fn let_go(&mut self) {
        self.held = false;
        self.failures = 0;
    }

    /// Whether it is held down by the administrator.
    pub fn in_maintenance(&self) -> bool {
        self.maintenance
    }

    /// Takes in the result of a check. Results while in maintenance do not count.
    pub fn observe(&mut self, passed: bool, counts: Counts) -> Change {
        if self.maintenance {
            return Change::None;
        }
        self.checked = true;
        if passed { self.passed(counts.rise) } else { self.failed(counts.fall) }
    }

    fn passed(&mut self, rise: u32) -> Change {
        match self.state {
            State::Up if std::mem::take(&mut self.held) => Change::Reset,
            State::Up if std::mem::take(&mut self.failures) > 0 => Change::Reset,
            State::Up => Change::None,
            State::Pending => self.rise(),
            State::Down => {
                self.passes += 1;
                if self.passes < rise { Change::Rising(self.passes, rise) } else { self.rise() }
            }
        }
    }

    fn failed(&mut self, failure_count: u32) -> Change {
        self.passes = 0;
        self.fallen = self.fallen.map(|results| results.saturating_add(1));
        match self.state {
            State::Down => Change::None,
            State::Pending => self.fall(),
            State::Up if self.held => Change::None,
            State::Up => {
                self.failures += 1;
                if self.failures < failure_count {
                    Change::Soft(self.failures, failure_count)
                } else {
                    let change = self.fall();
                    self.fallen = Some(0);
                    change
                }
            }
        }
    }

    fn fall(&mut self) -> Change {
        (self.failures, self.passes) = (0, 0);
        (self.held, self.fallen) = (false, None);
        self.state = State::Down;
        Change::Down
    }

    fn rise(&mut self) -> Change {
        (self.failures, self.passes) = (0, 0);
        (self.held, self.fallen) = (false, None);
        self.state = State::Up;
        Change::Up
    }

    /// The administrator's will. Into maintenance: down at once, whatever `failurecount` says. Out of it: a server
    /// that is checked (`checked`) stays down until its good checks count, another one is up again.
    pub fn maintain(&mut self, maintenance: bool, checked: bool) -> Change {
        if maintenance == self.maintenance {
            return Change::None;
        }
        self.maintenance = maintenance;
        self.passes = 0;
        match (maintenance, self.state) {
            (true, State::Down) => Change::None,
            (true, _) => self.fall(),
            (false, _) if checked => Change::None,
            (false, _) => self.rise(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many failures, and one good check.
    fn of(fall: u32) -> Counts {
        Counts { fall, rise: 1 }
    }

    #[test]
    fn one_good_check_is_enough() {
        let mut verdict = Verdict::pending();
        assert_eq!((verdict.is_up(), verdict.is_known()), (false, false));
        assert_eq!(verdict.observe(true, of(3)), Change::Up);
        assert_eq!(verdict.observe(true, of(3)), Change::None);
    }

    #[test]
    fn failurecount_counts_failures_in_a_row() {
        let mut verdict = Verdict::adopted();
        assert_eq!(verdict.observe(false, of(3)), Change::Soft(1, 3));
        assert_eq!(verdict.observe(false, of(3)), Change::Soft(2, 3));
        assert_eq!(verdict.observe(true, of(3)), Change::Reset);
        assert_eq!(verdict.observe(false, of(3)), Change::Soft(1, 3));
        assert_eq!(verdict.observe(false, of(3)), Change::Soft(2, 3));
        assert_eq!(verdict.observe(false, of(3)), Change::Down);
        assert_eq!(verdict.observe(false, of(3)), Change::None);
        assert_eq!(verdict.observe(true, of(3)), Change::Up);
    }

    #[test]
    fn rise_counts_good_checks_in_a_row_of_a_server_that_was_down() {
        let counts = Counts { fall: 2, rise: 3 };
        let mut verdict = Verdict::pending();
        assert_eq!(verdict.observe(true, counts), Change::Up, "never seen down");
        assert_eq!(verdict.observe(false, counts), Change::Soft(1, 2));
        assert_eq!(verdict.observe(false, counts), Change::Down);
        assert_eq!(verdict.observe(true, counts), Change::Rising(1, 3));
        assert_eq!(verdict.observe(true, counts), Change::Rising(2, 3));
        assert_eq!(verdict.observe(false, counts), Change::None, "begins anew");
        assert_eq!(verdict.observe(true, counts), Change::Rising(1, 3));
        assert_eq!(verdict.observe(true, counts), Change::Rising(2, 3));
        assert_eq!(verdict.observe(true, counts), Change::Up);
        assert_eq!(verdict.observe(true, counts), Change::None);
    }

    #[test]
    fn in_doubt_is_what_has_to_be_confirmed() {
        let counts = Counts { fall: 2, rise: 2 };
        let mut verdict = Verdict::adopted();
        let mut seen = Vec::new();
        for passed in [true, false, true, false, false, false, true, false, true, true, true] {
            verdict.observe(passed, counts);
            seen.push(verdict.is_in_doubt());
        }
        assert_eq!(
            seen,
            [false, true, false, true, false, false, true, false, true, false, false],
            "after the first failure, and after the first success of a rise"
        );
        verdict.observe(false, counts);
        verdict.maintain(true, true);
        assert!(!verdict.is_in_doubt(), "no check runs");
    }

    #[test]
    fn what_is_held_falls_only_after_it_was_let_go() {
        let mut verdict = Verdict::adopted();
        assert!(!verdict.fell_within(9));
        verdict.observe(false, of(1));
        assert!(verdict.fell_within(0) && !verdict.is_up());
        verdict.observe(false, of(1));
        assert!(!verdict.fell_within(0) && verdict.fell_within(1));
        verdict.hold();
        assert!(verdict.is_up() && verdict.is_held() && !verdict.is_in_doubt());
        for _ in 0..9 {
            assert_eq!(verdict.observe(false, of(1)), Change::None);
        }
        verdict.let_go();
        assert_eq!(verdict.observe(false, of(1)), Change::Down);
        verdict.hold();
        assert_eq!(verdict.observe(true, of(1)), Change::Reset);
        assert!(!verdict.is_held());
        verdict.hold();
        assert_eq!(verdict.maintain(true, true), Change::Down, "the administrator's will comes first");
        assert!(!verdict.is_held() && !verdict.fell_within(9));
    }

    #[test]
    fn a_server_never_seen_up_falls_at_its_first_failure() {
        let mut verdict = Verdict::pending();
        assert_eq!(verdict.observe(false, of(5)), Change::Down);
    }

    #[test]
    fn maintenance_forces_down_and_ends_with_a_good_check() {
        let mut verdict = Verdict::adopted();
        assert_eq!(verdict.maintain(true, true), Change::Down);
        assert_eq!(verdict.maintain(true, true), Change::None);
        assert_eq!(verdict.observe(true, of(1)), Change::None);
        assert!(verdict.is_known() && !verdict.is_up());
        assert_eq!(verdict.maintain(false, true), Change::None);
        assert!(!verdict.is_up());
        assert_eq!(verdict.observe(true, of(1)), Change::Up);
    }

    #[test]
    fn maintenance_of_a_server_without_checks_ends_at_once() {
        let mut verdict = Verdict::fixed(true);
        assert_eq!(verdict.maintain(true, false), Change::Down);
        assert_eq!(verdict.maintain(false, false), Change::Up);
    }
}

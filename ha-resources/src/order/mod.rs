//! What of a group starts and stops when: pure, no clock, no process.
//!
//! ```text
//!           start 0 ──ok──► start 1 ──ok──► … ──ok──► Held
//!              │failed         │failed
//!              └───────┬───────┘
//!                      ▼ the whole group, right to left
//!  give ──────────► stop n-1 ──► … ──► stop 0 ──────► Released | StillHeld
//!                      │ ▲
//!                failed└─┘ again after a pause, a few times; then the next one all the same
//! ```
//!
//! A group that could not be started as a whole is released as a whole: half a group serves nobody and
//! keeps the other node from trying. A stop that fails does not end the release, because what stands left
//! of it is usually the address, and an address on two nodes is worse than a service on two nodes.

use crate::haresources::{Group, Haresources};

/// What is done to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make it run here.
    Start,
    /// Make it not run here.
    Stop,
    /// Ask whether it runs here.
    Status,
}

/// How an action on one resource ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done,
    /// Nothing had to be done.
    Already,
    /// Not done.
    Failed,
    /// Not done within the time limit.
    TimedOut,
}

impl Outcome {
    fn good(self) -> bool {
        matches!(self, Outcome::Done | Outcome::Already)
    }
}

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Do this to the resource at this position, and [report](Order::finish) how it ended.
    Do(Action, usize),
    /// The same stop once more, after a pause.
    Again(usize),
    /// The group's end.
    End(End),
}

/// What became of the group. The positions count from 0, left to right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// Every resource runs here.
    Held,
    /// No resource runs here, as asked.
    Released,
    /// `start` could not be started; so the group was released, except for `stuck`.
    StartFailed {
        /// The resource that failed.
        start: usize,
        /// Resources that could not be stopped afterwards, right to left.
        stuck: Vec<usize>,
    },
    /// The release was asked for, and these could not be stopped, right to left.
    StillHeld {
        /// The resources that could not be stopped.
        stuck: Vec<usize>,
    },
}

/// The course of one group: ask for the next [`Step`], do it, tell how it ended.
#[derive(Clone, Debug)]
pub struct Order {
    size: usize,
    retries: u32,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Taking {
        next: usize,
    },
    /// `left`: how many, from the left, are still to be stopped.
    Giving {
        left: usize,
        tried: u32,
        failed: Option<usize>,
        stuck: Vec<usize>,
    },
}

impl Order {
    /// Takes a group of `size` resources. Should it have to be released, a stop is repeated up to `retries` times.
    pub fn take(size: usize, retries: u32) -> Order {
        Order { size, retries, state: State::Taking { next: 0 } }
    }

    /// Gives a group of `size` resources away. A stop is repeated up to `retries` times.
    pub fn give(size: usize, retries: u32) -> Order {
        Order {
            size,
            retries,
            state: State::Giving { left: size, tried: 0, failed: None, stuck: Vec::new() },
        }
    }

    /// What to do now. It stays the same until [`finish`](Order::finish) is called.
    pub fn step(&self) -> Step {
        match &self.state {
            State::Taking { next } if *next < self.size => Step::Do(Action::Start, *next),
            State::Taking { .. } => Step::End(End::Held),
            State::Giving { left, tried, failed, stuck } => match (left.checked_sub(1), failed) {
                (Some(index), _) if *tried == 0 => Step::Do(Action::Stop, index),
                (Some(index), _) => Step::Again(index),
                (None, Some(start)) => Step::End(End::StartFailed { start: *start, stuck: stuck.clone() }),
                (None, None) if stuck.is_empty() => Step::End(End::Released),
                (None, None) => Step::End(End::StillHeld { stuck: stuck.clone() }),
            },
        }
    }

    /// How the step's action ended. After the end it changes nothing.
    pub fn finish(&mut self, outcome: Outcome) {
        match &mut self.state {
            State::Taking { next } if *next >= self.size => {}
            State::Taking { next } if outcome.good() => *next += 1,
            State::Taking { next } => {
                let failed = Some(*next);
                self.state = State::Giving { left: self.size, tried: 0, failed, stuck: Vec::new() };
            }
            State::Giving { left, tried, stuck, .. } => {
                let Some(index) = left.checked_sub(1) else { return };
                // A script that hung until its limit hangs again: that time is better spent on the others.
                if outcome == Outcome::Failed && *tried < self.retries {
                    *tried += 1;
                    return;
                }
                if !outcome.good() {
                    stuck.push(index);
                }
                (*left, *tried) = (index, 0);
            }
        }
    }
}

/// The groups at home on a node in the order in which they are taken (that of the file) or given away
/// (its reverse).
pub fn groups<'a>(file: &'a Haresources, node: &str, action: Action) -> Vec<&'a Group> {
    let mut groups = file.of_node(node);
    if action == Action::Stop {
        groups.reverse();
    }
    groups
}

/// What would be done to a group if everything went well, as positions of its resources.
pub fn plan(size: usize, action: Action) -> Vec<usize> {
    let mut order = match action {
        Action::Start => Order::take(size, 0),
        Action::Stop => Order::give(size, 0),
        Action::Status => return (0..size).collect(),
    };
    let mut positions = Vec::with_capacity(size);
    while let Step::Do(_, index) | Step::Again(index) = order.step() {
        positions.push(index);
        order.finish(Outcome::Done);
    }
    positions
}

#[cfg(test)]
mod tests;

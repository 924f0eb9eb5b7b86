//! Counting.

use crate::reconcile::Action;
use std::time::Duration;

/// The upper bounds of a histogram's buckets, in seconds; above the last one is one more.
const BOUNDS: [f64; 15] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// How long something took, many times.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    buckets: [u64; BOUNDS.len()],
    count: u64,
    sum: f64,
}

impl Histogram {
    /// Once more.
    pub fn observe(&mut self, took: Duration) {
        let seconds = took.as_secs_f64();
        self.count += 1;
        self.sum += seconds;
        let bucket = self.buckets.iter_mut().zip(BOUNDS).find(|(_, bound)| seconds <= *bound);
        if let Some((bucket, _)) = bucket {
            *bucket += 1;
        }
    }

    /// How often.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How long in all, seconds.
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// Upper bound and how many are in this bucket alone; the last bound is infinite.
    pub fn buckets(&self) -> Vec<(f64, u64)> {
        let above = self.count - self.buckets.iter().sum::<u64>();
        BOUNDS.into_iter().zip(self.buckets).chain([(f64::INFINITY, above)]).collect()
    }
}

/// How often each thing happened. There are few different ones, and to most servers only one ever happens: it is kept
/// without room for others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    first: Option<(&'static str, u64)>,
    #[allow(clippy::box_collection)] // half as large as a vector where there is none
    others: Option<Box<Vec<(&'static str, u64)>>>,
}

impl Tally {
    /// Once more.
    pub fn add(&mut self, what: &'static str) {
        let (first, count) = self.first.get_or_insert((what, 0));
        if *first == what {
            *count += 1;
            return;
        }
        let others = self.others.get_or_insert_default();
        match others.iter_mut().find(|(known, _)| *known == what) {
            Some((_, count)) => *count += 1,
            None => others.push((what, 1)),
        }
    }

    /// What, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.first.iter().chain(self.others.as_deref().into_iter().flatten()).copied()
    }
}

/// Edits of the kernel's table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edits {
    done: Tally,
    /// Those that the kernel refused.
    pub failed: u64,
}

impl Edits {
    /// One was made.
    pub fn add(&mut self, action: &Action) {
        self.done.add(match action {
            Action::AddService(_) => "add-service",
            Action::UpdateService(_) => "change-service",
            Action::DeleteService(_) => "delete-service",
            Action::AddDestination(..) => "add-server",
            Action::UpdateDestination(..) => "change-server",
            Action::DeleteDestination(..) => "delete-server",
        });
    }

    /// Which, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.done.iter()
    }
}

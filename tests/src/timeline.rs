//! What happened when, printed while it happens.

use std::time::Duration;

use crate::failure::Result;
use crate::moment::{Moment, millis};

/// A printer of lines with the seconds and milliseconds since its start.
#[derive(Debug)]
pub struct Timeline {
    start: Moment,
    measured: Vec<(String, String)>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self::new()
    }
}

impl Timeline {
    /// Time zero is now.
    pub fn new() -> Self {
        Self { start: Moment::now(), measured: Vec::new() }
    }

    /// A headline.
    pub fn step(&self, text: &str) {
        println!("\n{}  {text}", self.stamp(Moment::now()));
    }

    /// Something that was seen now.
    pub fn saw(&self, text: &str) {
        self.saw_at(Moment::now(), text);
    }

    /// Something that was seen at a moment.
    pub fn saw_at(&self, moment: Moment, text: &str) {
        println!("{}    {text}", self.stamp(moment));
    }

    /// A figure for the closing table; also printed.
    pub fn measured(&mut self, what: &str, value: impl Into<String>) {
        let value = value.into();
        println!("{:>10}    {what}: {value}", "");
        self.measured.push((what.to_owned(), value));
    }

    /// A span for the closing table.
    pub fn measured_span(&mut self, what: &str, span: Duration) {
        self.measured(what, millis(span));
    }

    /// Run a step and say how it ended.
    pub fn check<T>(&self, step: Result<T>) -> Result<T> {
        step.inspect_err(|failure| self.saw(&format!("FAILED: {failure}")))
    }

    /// The figures.
    pub fn summary(&self) -> String {
        let width = self.measured.iter().map(|(what, _)| what.chars().count()).max().unwrap_or(0);
        let row = |(what, value): &(String, String)| format!("  {what:<width$}  {value}\n");
        self.measured.iter().map(row).collect()
    }

    fn stamp(&self, moment: Moment) -> String {
        format!("{:>8.3} s", moment.since(self.start).as_secs_f64())
    }
}

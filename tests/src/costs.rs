//! What each step of a story costs the clients: a table that is printed at the end, and a limit that no step may exceed.

use std::fmt::{Display, Formatter, Write as _};
use std::time::Duration;

use crate::failure::{Result, check};
use crate::moment::{Moment, millis};
use crate::probe::Prober;

/// The columns of a step and of a cost.
const WIDTHS: (usize, usize) = (58, 12);

/// The table.
#[derive(Debug)]
pub struct Costs {
    text: String,
    limit: Duration,
}

impl Costs {
    /// An empty table with a column for each client. A step may leave a client at most `limit` without an answer.
    pub fn new(title: &str, columns: &[&str], limit: Duration) -> Self {
        let mut text = format!("\n{title}\n\n{:<width$}", "step", width = WIDTHS.0);
        for column in columns {
            let _ = write!(text, " {column:>width$}", width = WIDTHS.1);
        }
        text.push('\n');
        Self { text, limit }
    }

    /// A line: the longest time since `begin` that each client was without an answer.
    pub fn step(&mut self, what: &str, begin: Moment, clients: &[Prober]) -> Result<()> {
        let _ = write!(self.text, "{what:<width$}", width = WIDTHS.0);
        let spans: Vec<_> =
            clients.iter().map(|client| client.longest_since(begin).map(|outage| outage.span())).collect();
        for span in &spans {
            let told = span.map_or_else(|| "none".to_owned(), millis);
            let _ = write!(self.text, " {told:>width$}", width = WIDTHS.1);
        }
        self.text.push('\n');
        let longest = spans.into_iter().flatten().max().unwrap_or_default();
        check(longest <= self.limit, || format!("{what}: no answer for {}\n{self}", millis(longest)))
    }
}

impl Display for Costs {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(&self.text)
    }
}

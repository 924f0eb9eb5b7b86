//! The last request of a tool to move groups, and the warnings that came while it was under way. Pure.

use std::time::Duration;

/// The next picture may still be of before the request.
const BEGIN: Duration = Duration::from_secs(1);
/// Afterwards nobody asks any more.
const OLD: Duration = Duration::from_secs(600);
/// So many warnings tell enough.
const MOST: usize = 4;

#[derive(Debug)]
pub(super) struct LastRequest {
    at: Duration,
    /// As on a command line.
    what: String,
    troubles: Vec<String>,
    over: bool,
}

impl LastRequest {
    pub(super) fn new(now: Duration, what: String) -> LastRequest {
        LastRequest { at: now, what, troubles: Vec::new(), over: false }
    }

    /// A warning or an error was said.
    pub(super) fn met(&mut self, text: &str) {
        if !self.over && self.troubles.len() < MOST {
            self.troubles.push(text.to_owned());
        }
    }

    /// Whether everything is `at_rest` now: then the request is over.
    pub(super) fn look(&mut self, now: Duration, at_rest: bool) {
        self.over |= at_rest && now >= self.at + BEGIN;
    }

    /// What it met, if that was trouble and not long ago.
    pub(super) fn sentence(&self, now: Duration) -> Option<String> {
        let ago = now.saturating_sub(self.at);
        let told = !self.troubles.is_empty() && ago < OLD;
        told.then(|| {
            format!(
                "the last request, {} {} s ago, met: {}",
                self.what,
                ago.as_secs(),
                self.troubles.join("; ")
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_request_met_is_told_for_a_while() {
        let at = Duration::from_secs;
        let mut last = LastRequest::new(at(100), "hb_standby all".to_owned());
        assert_eq!(last.sentence(at(101)), None);
        last.look(at(100), true); // of before the request
        last.met("standby cancelled: groups could not be stopped here");
        let told = "the last request, hb_standby all 12 s ago, met: standby cancelled: groups could not be stopped here";
        assert_eq!(last.sentence(at(112)).as_deref(), Some(told));
        last.look(at(113), true);
        last.met("something else");
        assert!(last.sentence(at(120)).is_some_and(|told| !told.contains("something else")));
        assert_eq!(last.sentence(at(701)), None);
    }
}

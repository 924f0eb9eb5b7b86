//! The last changes of state, and who follows them.

use super::asked::tell;
use super::tasks::Reply;
use crate::control::Answer;
use crate::director::Event;
use std::collections::VecDeque;

/// How many are remembered.
const KEPT: usize = 500;
/// How many tools may follow at the same time: there must be room for others.
const FOLLOWERS: usize = 16;

/// See the module.
#[derive(Default)]
pub(super) struct Journal {
    events: VecDeque<Event>,
    followers: Vec<Reply>,
}

impl Journal {
    /// Remembers events, and tells those who follow. Who does not read them fast enough does not follow any more.
    pub(super) fn add(&mut self, events: Vec<Event>) {
        if events.is_empty() {
            return;
        }
        let lines: Vec<Answer> = events.iter().cloned().map(Answer::Event).collect();
        self.followers.retain(|follower| follower.try_send(lines.clone()).is_ok());
        self.events.extend(events);
        self.events.drain(..self.events.len().saturating_sub(KEPT));
    }

    /// Tells all that are remembered; with `follow` also those that come.
    pub(super) fn answer(&mut self, follow: bool, reply: Reply) {
        self.followers.retain(|follower| !follower.is_closed());
        if follow && self.followers.len() >= FOLLOWERS {
            let why = format!("{FOLLOWERS} tools follow the events already");
            return tell(&reply, vec![Answer::Refused { why }]);
        }
        let mut lines: Vec<Answer> = self.events.iter().cloned().map(Answer::Event).collect();
        if !follow {
            lines.push(Answer::End);
        }
        tell(&reply, lines);
        self.followers.extend(follow.then_some(reply));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::director::What;
    use std::time::SystemTime;
    use tokio::sync::mpsc;

    fn event(number: usize) -> Event {
        Event::new(SystemTime::UNIX_EPOCH, What::Up, number.to_string())
    }

    fn numbers(lines: Vec<Answer>) -> Vec<String> {
        let number = |line| match line {
            Answer::Event(event) => event.why,
            other => format!("{other:?}"),
        };
        lines.into_iter().map(number).collect()
    }

    #[test]
    fn the_last_ones_are_kept_and_followers_get_what_comes() {
        let mut journal = Journal::default();
        journal.add((0..KEPT + 7).map(event).collect());
        let (reply, mut once) = mpsc::channel(8);
        journal.answer(false, reply);
        let lines = numbers(once.try_recv().unwrap());
        assert_eq!((lines.len(), lines[0].as_str(), lines[KEPT].as_str()), (KEPT + 1, "7", "End"));
        assert!(once.try_recv().is_err());

        let (reply, mut following) = mpsc::channel(2);
        journal.answer(true, reply);
        journal.add(vec![event(1000)]);
        assert_eq!(numbers(following.try_recv().unwrap()).len(), KEPT);
        assert_eq!(numbers(following.try_recv().unwrap()), ["1000"]);
        for _ in 0..3 {
            journal.add(vec![event(1)]); // the third does not fit
        }
        assert_eq!(journal.followers.len(), 0);
        assert!(following.try_recv().is_ok() && following.try_recv().is_ok());
        assert_eq!(following.try_recv(), Err(mpsc::error::TryRecvError::Disconnected));
    }

    #[test]
    fn there_is_a_limit_to_followers_that_live() {
        let mut journal = Journal::default();
        let mut living: Vec<_> = (0..FOLLOWERS)
            .map(|_| {
                let (reply, following) = mpsc::channel(8);
                journal.answer(true, reply);
                following
            })
            .collect();
        let refused = |journal: &mut Journal| {
            let (reply, mut lines) = mpsc::channel(8);
            journal.answer(true, reply);
            matches!(lines.try_recv().unwrap().as_slice(), [Answer::Refused { .. }])
        };
        assert!(refused(&mut journal));
        living.pop();
        assert!(!refused(&mut journal));
    }
}

//! Sequence numbers of heartbeat 3.0.6: gaps are asked for every 250 ms, one message in ten is acknowledged, the last 500
//! are kept.

use crate::random::Random;
use heartbeatd::wire::Message;
use std::collections::BTreeMap;
use std::time::Duration;

/// More missing numbers than this and it starts afresh.
const LARGEST_GAP: u64 = 250;
/// Messages kept.
const HISTORY: usize = 500;
/// A missing message is asked for again after this time.
const ASK_INTERVAL: Duration = Duration::from_millis(250);
/// A message is not sent again more often than this.
const RESEND_INTERVAL: Duration = Duration::from_millis(240);

/// Both directions of the only other node.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    last_in: Option<u64>,
    missing: BTreeMap<u64, Duration>,
    last_out: u64,
    sent: BTreeMap<u64, (Message, Option<Duration>)>,
    acked: u64,
}

impl Numbers {
    /// Whether a message with this number is to be used.
    pub(super) fn accept(&mut self, seq: u64, now: Duration, random: &mut Random) -> bool {
        let Some(last) = self.last_in else {
            self.last_in = Some(seq);
            return true;
        };
        if seq <= last {
            return self.missing.remove(&seq).is_some();
        }
        self.last_in = Some(seq);
        if seq - last - 1 > LARGEST_GAP {
            self.missing.clear();
        } else {
            for lost in last + 1..seq {
                let delay = Duration::from_millis(random.between(50, 250));
                self.missing.insert(lost, now + delay);
            }
        }
        true
    }

    pub(super) fn complete(&self) -> bool {
        self.missing.is_empty()
    }

    pub(super) fn give_up(&mut self, seq: u64) {
        self.missing.remove(&seq);
    }

    /// Numbers to ask for now.
    pub(super) fn due(&mut self, now: Duration) -> Vec<u64> {
        let mut due = Vec::new();
        for (seq, at) in self.missing.iter_mut().filter(|(_, at)| **at <= now) {
            *at = now + ASK_INTERVAL;
            due.push(*seq);
        }
        due
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        self.missing.values().min().copied()
    }

    /// The other node begins a new life.
    pub(super) fn restarted(&mut self) {
        (self.last_in, self.acked) = (None, 0);
        self.missing.clear();
    }

    pub(super) fn next(&mut self) -> u64 {
        self.last_out += 1;
        self.last_out
    }

    pub(super) fn keep(&mut self, seq: u64, message: Message) {
        self.sent.insert(seq, (message, None));
        if self.sent.len() > HISTORY {
            self.sent.pop_first();
        }
    }

    pub(super) fn acknowledge(&mut self, seq: u64) {
        if seq <= self.last_out {
            self.acked = self.acked.max(seq);
        }
    }

    /// The message to send again; `Err` when it is no longer kept.
    pub(super) fn resend(&mut self, seq: u64, now: Duration) -> Result<Option<Message>, ()> {
        if seq <= self.acked || seq > self.last_out {
            return Ok(None);
        }
        match self.sent.get_mut(&seq) {
            None => Err(()),
            Some((message, at)) if at.is_none_or(|at| now >= at + RESEND_INTERVAL) => {
                *at = Some(now);
                Ok(Some(message.clone()))
            }
            Some(_) => Ok(None),
        }
    }
}

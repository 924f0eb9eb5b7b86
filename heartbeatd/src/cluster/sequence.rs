//! Sequence numbers: what came in from the other node, and what went out.

use crate::wire::Message;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// More missing numbers than this and the receiver starts afresh (`lost a lot of packets!` of heartbeat 3.0.6).
const LARGEST_GAP: u64 = 250;
/// At most so many missing numbers are remembered.
const MOST_MISSING: usize = 500;
/// Messages kept for retransmission.
const HISTORY: usize = 500;
/// A lost message is asked for again after this time.
pub(super) const REXMIT_INTERVAL: Duration = Duration::from_millis(250);
/// A message is not sent again more often than this.
const RESEND_INTERVAL: Duration = Duration::from_millis(240);
/// At most so many messages are sent again for one request.
const MOST_RESENT: u64 = 50;
/// Requests for numbers that were never sent are reported once in this time.
const UNKNOWN_INTERVAL: Duration = Duration::from_secs(60);

/// What a sequence number says about a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// New: the next one, or one after a gap of `lost` numbers.
    New {
        /// How many numbers before it are missing.
        lost: u64,
    },
    /// One that was missing.
    Late,
    /// Seen before, or given up: not to be used.
    Old,
}

/// The other node's numbers as they came in.
#[derive(Clone, Debug, Default)]
pub(super) struct Inbound {
    last: Option<u64>,
    /// Missing number → when to ask for it.
    missing: BTreeMap<u64, Duration>,
}

impl Inbound {
    /// Classifies a number; a new gap is asked for at the time that `delay` gives (heartbeat waits 50 to 250 ms).
    pub(super) fn accept(&mut self, seq: u64, mut ask_at: impl FnMut() -> Duration) -> Arrival {
        let Some(last) = self.last else {
            self.last = Some(seq);
            return Arrival::New { lost: 0 };
        };
        if seq <= last {
            return if self.missing.remove(&seq).is_some() { Arrival::Late } else { Arrival::Old };
        }
        let lost = seq - last - 1;
        self.last = Some(seq);
        if lost > LARGEST_GAP {
            self.missing.clear();
        } else {
            for number in last + 1..seq {
                self.missing.insert(number, ask_at());
            }
            while self.missing.len() > MOST_MISSING {
                self.missing.pop_first();
            }
        }
        Arrival::New { lost }
    }

    /// Whether nothing is missing.
    pub(super) fn complete(&self) -> bool {
        self.missing.is_empty()
    }

    /// Forgets one number that the sender cannot send again; whether it was missing.
    pub(super) fn give_up(&mut self, seq: u64) -> bool {
        self.missing.remove(&seq).is_some()
    }

    /// Numbers to ask for now; each comes again after [`REXMIT_INTERVAL`].
    pub(super) fn due(&mut self, now: Duration) -> Vec<u64> {
        let due: Vec<u64> = self.missing.iter().filter(|(_, at)| **at <= now).map(|(seq, _)| *seq).collect();
        for seq in &due {
            self.missing.insert(*seq, now + REXMIT_INTERVAL);
        }
        due
    }

    /// When the next number is to be asked for.
    pub(super) fn deadline(&self) -> Option<Duration> {
        self.missing.values().min().copied()
    }
}

/// A request for old messages, answered.
#[derive(Clone, Debug, Default)]
pub(super) struct Resent {
    /// To send again, unchanged.
    pub(super) messages: Vec<Message>,
    /// Numbers that are no longer kept.
    pub(super) too_old: Vec<u64>,
    /// A number that was never sent, if that was not reported lately.
    pub(super) unknown: Option<u64>,
}

/// Messages sent, for retransmission.
#[derive(Clone, Debug, Default)]
pub(super) struct History {
    last: u64,
    /// Number, message, when it was last sent again.
    sent: VecDeque<(u64, Message, Option<Duration>)>,
    /// The highest number the other node has acknowledged.
    acked: u64,
    /// Numbers refused within [`RESEND_INTERVAL`]: requests are outside the numbering, so an old one can come again
    /// and again, and must not be answered each time.
    refused: VecDeque<(u64, Duration)>,
    /// When a request for a number never sent was reported.
    unknown_at: Option<Duration>,
}

impl History {
    /// The number for the next message; from 1.
    pub(super) fn next_seq(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Keeps a message that goes out.
    pub(super) fn keep(&mut self, seq: u64, message: Message) {
        self.sent.push_back((seq, message, None));
        if self.sent.len() > HISTORY {
            self.sent.pop_front();
        }
    }

    /// The other node has everything up to this number; numbers never sent are ignored.
    pub(super) fn acknowledge(&mut self, seq: u64) {
        if seq <= self.last {
            self.acked = self.acked.max(seq);
        }
    }

    /// Forgets acknowledgements: the other node restarted.
    pub(super) fn peer_restarted(&mut self) {
        self.acked = 0;
    }

    /// Answers a request for `first..=last`.
    pub(super) fn resend(&mut self, first: u64, last: u64, now: Duration) -> Resent {
        let mut answer = Resent::default();
        if last > self.last && self.unknown_at.is_none_or(|at| now.saturating_sub(at) >= UNKNOWN_INTERVAL) {
            self.unknown_at = Some(now);
            answer.unknown = Some(last);
        }
        self.refused.retain(|(_, at)| now.saturating_sub(*at) < RESEND_INTERVAL);
        let last = last.min(self.last).min(first.saturating_add(MOST_RESENT - 1));
        for seq in first.max(1)..=last {
            if seq <= self.acked {
                continue;
            }
            match self.sent.iter_mut().find(|(kept, ..)| *kept == seq) {
                None => {
                    let full = self.refused.len() as u64 >= MOST_RESENT;
                    if !full && !self.refused.iter().any(|(refused, _)| *refused == seq) {
                        self.refused.push_back((seq, now));
                        answer.too_old.push(seq);
                    }
                }
                Some((_, message, resent)) => {
                    if resent.is_none_or(|at| now.saturating_sub(at) >= RESEND_INTERVAL) {
                        *resent = Some(now);
                        answer.messages.push(message.clone());
                    }
                }
            }
        }
        answer
    }
}

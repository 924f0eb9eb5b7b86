//! What the beat thread tells the rest of the program, without ever waiting for it.

use super::picture::Report;
use crate::cluster::Severity;
use std::collections::VecDeque;
use std::thread;
use std::time::Duration;
use tokio::sync::mpsc;

/// When a report that found no room is tried again.
pub(super) const AGAIN: Duration = Duration::from_millis(1);

/// The thread's end of the way to the main thread.
#[derive(Debug)]
pub(super) struct Reporter {
    channel: mpsc::Sender<Report>,
    /// Reports that must not be lost and found no room.
    waiting: VecDeque<Report>,
    dropped: u64,
}

impl Reporter {
    pub(super) fn new(channel: mpsc::Sender<Report>) -> Reporter {
        Reporter { channel, waiting: VecDeque::new(), dropped: 0 }
    }

    /// A report that must arrive, in order with the others of its kind.
    pub(super) fn must_tell(&mut self, report: Report) {
        self.waiting.push_back(report);
        self.deliver();
    }

    /// A report that may be dropped.
    pub(super) fn tell(&mut self, report: Report) {
        self.dropped += u64::from(!self.try_tell(report));
    }

    /// A report that is made anew when there is no room; whether there was.
    pub(super) fn try_tell(&self, report: Report) -> bool {
        self.channel.try_send(report).is_ok()
    }

    /// A line for the log, and for the last events of the status.
    pub(super) fn log(&mut self, severity: Severity, text: String) {
        write_line(severity, &text);
        self.tell(Report::Said(severity, text));
    }

    /// Sends what waits, as far as there is room.
    pub(super) fn deliver(&mut self) {
        while let Some(report) = self.waiting.pop_front() {
            if let Err(mpsc::error::TrySendError::Full(report)) = self.channel.try_send(report) {
                self.waiting.push_front(report);
                return;
            }
        }
    }

    /// Something still waits: [`Reporter::deliver`] is due [`AGAIN`].
    pub(super) fn is_behind(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Reports that nobody took in time.
    pub(super) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Says that the thread ends, after all that waits. Nothing is to beat for any more, so it may take its time.
    pub(super) fn end(&mut self) {
        self.waiting.push_back(Report::Exit);
        while self.is_behind() && !self.channel.is_closed() {
            self.deliver();
            thread::sleep(AGAIN);
        }
    }
}

/// A line for the log alone.
pub(super) fn write_line(severity: Severity, text: &str) {
    match severity {
        Severity::Info => tracing::info!("{text}"),
        Severity::Warning => tracing::warn!("{text}"),
        Severity::Error => tracing::error!("{text}"),
    }
}

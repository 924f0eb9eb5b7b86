//! Answers about all servers, of which there may be thousands: the loop makes them in pieces, with checks and tools in
//! between, and what a piece shows is true at its moment. Everything else of such an answer is made by other threads.
//!
//! ```text
//!  asked ──► the kernel's thread counts ──► piece ──► piece ──► … ──► a thread makes text or lines ──► tool
//!    ▲                                        │ another configuration came into force
//!    └────────────────────────────────────────┘
//! ```

use super::Daemon;
use super::asked::tell;
use super::tasks::Reply;
use crate::control::{Answer, DaemonStatus, Selection, Status};
use crate::director::{Piece, ServiceStatus};
use crate::metrics::{Histogram, Snapshot, Tally};
use crate::reconcile::Counted;
use std::collections::VecDeque;

/// Servers in one piece: less than a millisecond's work.
const PIECE: usize = 200;

/// What is asked for.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    /// A status of these, with what else is to be known.
    Status(Selection, Vec<String>),
    Metrics,
}

impl Purpose {
    fn selection(&self) -> Selection {
        match self {
            Purpose::Status(of, _) => of.clone(),
            Purpose::Metrics => Selection::default(),
        }
    }
}

/// An answer that is being made.
pub(super) struct Telling {
    purpose: Purpose,
    reply: Reply,
    counted: Counted,
    /// Why the kernel's part is missing.
    table_unknown: Option<String>,
    /// Of the plan with this number.
    epoch: u64,
    left: VecDeque<Piece>,
    /// The service of the last piece.
    service: Option<usize>,
    services: Vec<ServiceStatus>,
    tallies: Vec<(Histogram, Vec<Tally>)>,
}

/// What is to be told, when all pieces are there.
pub(super) enum Told {
    Status(Status),
    Metrics(Snapshot),
}

impl Daemon {
    /// Answers with the status of some servers, as the kernel has them now.
    pub(super) fn show(&self, of: Selection, reply: Reply, warnings: Vec<String>) {
        self.count(Purpose::Status(of, warnings), reply);
    }

    /// Asks the kernel for its part of an answer.
    pub(super) fn count(&self, purpose: Purpose, reply: Reply) {
        match self.director.select(&purpose.selection()) {
            Ok(places) => {
                let counting = self.kernel.count(self.director.services_of(&places));
                self.tasks.count(counting, purpose, reply);
            }
            Err(why) => tell(&reply, vec![Answer::Refused { why }]),
        }
    }

    /// The kernel has been asked: the pieces begin.
    pub(super) fn counted(&mut self, purpose: Purpose, reply: Reply, result: Result<Counted, String>) {
        let places = match self.director.select(&purpose.selection()) {
            Ok(places) => places,
            // A reload has just taken it away.
            Err(why) => return tell(&reply, vec![Answer::Refused { why }]),
        };
        let (counted, table_unknown) = match result {
            Ok(counted) => (counted, None),
            Err(why) => (Counted::default(), Some(why)),
        };
        let left = self.director.pieces(&places, PIECE);
        let (services, tallies) = (Vec::new(), Vec::new());
        let epoch = self.epoch;
        self.next_piece(Telling {
            purpose,
            reply,
            counted,
            table_unknown,
            epoch,
            left,
            service: None,
            services,
            tallies,
        });
    }

    /// One more piece of an answer.
    pub(super) fn next_piece(&self, mut telling: Telling) {
        if telling.reply.is_closed() {
            return; // nobody waits for it any more
        }
        if telling.epoch != self.epoch {
            return self.count(telling.purpose, telling.reply);
        }
        let mut servers = 0;
        while servers < PIECE {
            let Some(piece) = telling.left.pop_front() else { return self.told(telling) };
            servers += piece.servers.len() + 1;
            self.add(&mut telling, &piece);
        }
        self.tasks.next_piece(telling);
    }

    fn add(&self, telling: &mut Telling, piece: &Piece) {
        let Some(status) = self.director.status(piece, &telling.counted) else { return };
        let tallies = match telling.purpose {
            Purpose::Metrics => self.director.tallies(piece),
            Purpose::Status(..) => Default::default(),
        };
        let same = telling.service.replace(piece.service) == Some(piece.service);
        match (telling.services.last_mut(), telling.tallies.last_mut()) {
            (Some(service), Some(before)) if same => {
                service.extend(status);
                before.1.extend(tallies.1);
            }
            _ => {
                telling.services.push(status);
                telling.tallies.push(tallies);
            }
        }
    }

    /// All pieces are there.
    fn told(&self, telling: Telling) {
        let Telling { purpose, reply, counted, table_unknown, services, tallies, .. } = telling;
        let daemon = DaemonStatus { table_unknown, ..self.daemon_status() };
        let told = match purpose {
            Purpose::Status(_, warnings) => Told::Status(Status { daemon, services, warnings }),
            Purpose::Metrics => {
                let (edits, lag) = (self.edits.clone(), self.lag.clone());
                Told::Metrics(Snapshot { daemon, services, tallies, edits, lag })
            }
        };
        self.tasks.tell(told, counted, reply);
    }
}

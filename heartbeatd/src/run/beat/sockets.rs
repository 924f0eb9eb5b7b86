//! The sockets of the beat thread: waiting for any of them, packets in, packets out.

use super::{Beat, PICTURE_INTERVAL};
use crate::run::{clock, refusals, reporter};
use crate::wire::{self, Message};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::time::Duration;

/// Packets taken from one medium before the timers are looked at again, and the time they may cost.
const PACKETS_PER_TURN: usize = 64;
const TIME_PER_TURN: Duration = Duration::from_millis(1);

/// A socket with something to read.
#[derive(Clone, Copy)]
pub(super) enum Readable {
    /// The number of a medium.
    Medium(usize),
    /// Answers to pings.
    Pings { v6: bool },
}

impl Beat {
    /// Waits for a packet, an order or the deadline; returns who has packets.
    pub(super) fn wait(&self, deadline: Duration) -> Vec<Readable> {
        let mut until = deadline;
        if self.dirty {
            until = until.min(self.pictured + PICTURE_INTERVAL);
        }
        if self.reports.is_behind() {
            until = until.min(clock::mono() + reporter::AGAIN);
        }
        let mut numbers = Vec::with_capacity(self.slots.len());
        let mut fds = vec![PollFd::from_borrowed_fd(self.orders.readable(), PollFlags::IN)];
        for (number, slot) in self.slots.iter().enumerate() {
            let Some(medium) = &slot.medium else { continue };
            let Some(socket) = medium.poll_on() else { continue };
            let room = if medium.is_behind() { PollFlags::OUT } else { PollFlags::empty() };
            fds.push(PollFd::from_borrowed_fd(socket, PollFlags::IN | room));
            numbers.push(Readable::Medium(number));
        }
        for (v6, socket) in self.pinging.receivers() {
            fds.push(PollFd::from_borrowed_fd(socket, PollFlags::IN));
            numbers.push(Readable::Pings { v6 });
        }
        let pause = until.saturating_sub(clock::mono());
        let limit = Timespec { tv_sec: pause.as_secs() as i64, tv_nsec: pause.subsec_nanos().into() };
        if poll(&mut fds, Some(&limit)).is_err() {
            return Vec::new(); // interrupted: what is there will still be there
        }
        let sockets = fds.iter().skip(1).zip(numbers);
        sockets.filter(|(fd, _)| !fd.revents().is_empty()).map(|(_, number)| number).collect()
    }

    /// Takes packets of a medium; answers whether there may be more than there was time for.
    pub(super) fn receive(&mut self, number: usize, arrived: &mut Vec<(usize, Message)>) -> bool {
        let until = clock::mono() + TIME_PER_TURN;
        for _ in 0..PACKETS_PER_TURN {
            let Some(slot) = self.slots.get_mut(number) else { return false };
            let Some(medium) = &mut slot.medium else { return false };
            medium.flush();
            // An error here is one that an earlier packet met; sending reports those.
            let Ok(Some(bytes)) = medium.receive(&mut self.buffer) else { return false };
            let packet = self.buffer.get(..bytes).unwrap_or_default();
            match wire::decode(packet, &self.packets.keys) {
                Ok(message) => {
                    self.counters.received += 1;
                    arrived.push((slot.link, message));
                }
                Err(error) => {
                    self.cluster.refused(slot.link, refusals::seen_by_core(&error, &self.packets.keys));
                    let text = self.refusals.count(number, bytes, &error, clock::mono());
                    if let Some(text) = text.filter(|_| self.packets.log_bad) {
                        tracing::warn!("{}: {text}", slot.name);
                    }
                }
            }
            if clock::mono() >= until {
                return true;
            }
        }
        true
    }

    /// What a flood has brought, in a line.
    pub(super) fn say_refusals(&mut self) {
        for (number, text) in self.refusals.due(clock::mono()) {
            if let Some(slot) = self.slots.get(number).filter(|_| self.packets.log_bad) {
                tracing::warn!("{}: {text}", slot.name);
            }
        }
    }

    pub(super) fn send(&mut self, message: &Message) {
        let packet = wire::encode(message, &self.packets.keys, self.packets.inner_auth);
        let mut text = None;
        for slot in &mut self.slots {
            let in_text = || wire::encode_text(message, &self.packets.keys);
            let packet = match slot.takes_text() {
                true => text.get_or_insert_with(in_text),
                false => &packet,
            };
            if !slot.send(packet) {
                self.counters.send_errors += 1;
            }
        }
        if let Some(guard) = &self.guard {
            guard.beat(clock::mono(), self.silence);
        }
        self.counters.sent += 1;
        // A node that has slept begins anew in a generation of its own.
        match message.hex("hg").zip(message.hex("seq")) {
            Some(number) if number > self.newest => {
                self.newest = number;
                if message.kind() == "status" {
                    self.beats += 1;
                    if let Some(watchdog) = &self.watchdog {
                        watchdog.beat();
                    }
                    self.pinging.ask(clock::now(), &self.packets);
                }
            }
            Some(_) => self.counters.resent += 1,
            None => {}
        }
    }
}

//! The agents that are neither an address nor a script: what of [`BuiltIn`] is done by whom.
//!
//! Some of them have nothing that could be asked whether it runs (mail, a delay, an announcement, a port that is let
//! through again). Their start leaves a mark in the run directory, as `ha_pseudo_resource` of the OCF agents does; it
//! vanishes at a reboot.

use super::{Agents, Settings, mail, ocf, port, send_arp, source, sync, unit};
use crate::builtin::{BuiltIn, Side};
use crate::cancel;
use crate::haresources::Resource;
use crate::order::{Action, Outcome};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tracing::warn;

/// How it ended, and a sentence about it.
pub(super) type Ended = (Outcome, String);

impl Agents {
    /// Starts or stops one.
    pub(super) async fn change_built_in(
        &mut self,
        what: &BuiltIn,
        resource: &Resource,
        start: bool,
    ) -> Ended {
        let action = if start { Action::Start } else { Action::Stop };
        match what {
            BuiltIn::Sync(sync) => {
                let interfaces = self.interfaces().await;
                sync::change(sync, &interfaces, start)
            }
            BuiltIn::Source(ip) => source::change(&mut self.kernel, *ip, start).await,
            BuiltIn::SendArp(ip, interface) if start => {
                let ended = send_arp::start(&mut self.kernel, *ip, interface).await;
                self.marked(resource, true, ended)
            }
            BuiltIn::SendArp(..) => self.marked(resource, false, done()),
            BuiltIn::Mail(to, subject) => {
                if is_marked(&self.settings, resource) == start {
                    return (Outcome::Already, String::new());
                }
                let ended = mail::send(&self.settings, to, subject.as_deref(), start);
                self.marked(resource, start, ended)
            }
            BuiltIn::Delay(before, after) => {
                if is_marked(&self.settings, resource) == start {
                    return (Outcome::Already, String::new());
                }
                self.before_something_slow();
                let ended = wait(if start { *before } else { *after }, start);
                self.marked(resource, start, ended)
            }
            BuiltIn::Port(block) => {
                let ended = port::change(&self.settings, block, resource, start);
                self.marked(resource, start, ended)
            }
            BuiltIn::Unit(name) => {
                self.before_something_slow();
                unit::change(&self.settings, name, resource, action)
            }
            BuiltIn::Ocf(agent) => {
                self.before_something_slow();
                ocf::change(&self.settings, agent, resource, action)
            }
        }
    }

    /// Whether one runs here, whether that is certain, and a sentence.
    pub(super) async fn status_built_in(
        &mut self,
        what: &BuiltIn,
        resource: &Resource,
    ) -> (bool, Outcome, String) {
        match what {
            BuiltIn::Sync(sync) => sync::status(sync),
            BuiltIn::Source(ip) => source::status(&mut self.kernel, *ip).await,
            BuiltIn::Unit(name) => unit::status(&self.settings, name, resource),
            BuiltIn::Ocf(agent) => ocf::status(&self.settings, agent, resource),
            BuiltIn::Port(block) => {
                let marked = is_marked(&self.settings, resource);
                let blocked = port::drops(&self.settings, block, resource);
                let what = if blocked { "its port is held" } else { "its port is let through" };
                // What an earlier life left blocked is to be let through again.
                (marked || blocked && block.side == Side::Block, Outcome::Done, what.to_owned())
            }
            BuiltIn::SendArp(..) | BuiltIn::Mail(..) | BuiltIn::Delay(..) => {
                let marked = is_marked(&self.settings, resource);
                (marked, Outcome::Done, if marked { "started here" } else { "not started here" }.to_owned())
            }
        }
    }

    /// Whether a stop has something to do although the resource does not run: a director that is not in charge
    /// receives the connections of the one that is.
    pub fn rests_otherwise(&mut self, resource: &Resource) -> bool {
        match &resource.kind {
            crate::haresources::Kind::BuiltIn(BuiltIn::Sync(sync)) if self.own_script(resource).is_none() => {
                sync::rests_otherwise(sync)
            }
            _ => false,
        }
    }

    /// Leaves or removes the mark of what was done.
    fn marked(&self, resource: &Resource, start: bool, ended: Ended) -> Ended {
        if matches!(ended.0, Outcome::Failed | Outcome::TimedOut) {
            return ended;
        }
        let path = mark(&self.settings, resource);
        let result = if start {
            path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, ""))
        } else {
            fs::remove_file(&path)
        };
        match result {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                // No reason to leave the group untaken: only the answer to a question is wrong then.
                warn!("{}: {}: {error}", resource.text, path.display());
            }
            _ => {}
        }
        ended
    }
}

fn done() -> Ended {
    (Outcome::Done, String::new())
}

fn is_marked(settings: &Settings, resource: &Resource) -> bool {
    mark(settings, resource).exists()
}

fn mark(settings: &Settings, resource: &Resource) -> PathBuf {
    temporary(settings).join(format!("{}.here", plain(&resource.text)))
}

/// Where agents keep what they remember: `HA_RSCTMP`.
pub(super) fn temporary(settings: &Settings) -> PathBuf {
    settings.run_dir.join("rsctmp")
}

/// A resource's text as the name of a file.
pub(super) fn plain(text: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let name: String = text.chars().map(|c| if keep(c) { c } else { '_' }).take(180).collect();
    // Two texts must not share a name.
    let sum = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    format!("{name}-{:08x}", sum & 0xffff_ffff)
}

/// Waits; a start that is no longer wanted ends at once.
fn wait(time: Duration, start: bool) -> Ended {
    let until = Instant::now() + time;
    let wish = cancel::watched().filter(|_| start);
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return done();
        }
        let limit = Timespec {
            tv_sec: left.as_secs().try_into().unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        };
        let mut watched: Vec<_> =
            wish.iter().map(|wish| PollFd::from_borrowed_fd(*wish, PollFlags::IN)).collect();
        let _ = poll(&mut watched, Some(&limit));
        if watched.iter().any(|fd| !fd.revents().is_empty()) {
            return (Outcome::Failed, "it is no longer wanted here".to_owned());
        }
    }
}

//! Tools: who speaks over the control socket, and what each is told.

use super::clock;
use super::files::Looker;
use super::listing;
use super::orders::{Moving, Order};
use super::picture::Picture;
use super::shell::Shell;
use super::status::Sources;
use crate::cluster::{Event, Set};
use crate::control::{Answer, Request, Which};
use daemon::control::{Connection, Listener};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;

/// Tools served at the same time; more wait.
const CONNECTIONS: usize = 64;
/// How long a tool waits for the end of its reload: less than it does by itself.
const RELOAD_LIMIT: Duration = Duration::from_secs(20);
const UNREAD: &str = "the files are still being read: a disk or a name server does not answer; the old configuration stays in \
                      use until then, and the log will tell";
/// How long the beat thread may take to answer a tool; it does so within its turn of a few milliseconds.
const MOVE_LIMIT: Duration = Duration::from_secs(2);

/// A tool's question on its way to the shell.
pub(super) struct Ask {
    pub(super) request: Request,
    pub(super) answer: oneshot::Sender<Answer>,
}

/// Accepts tools until it is aborted; their questions come from the receiver.
pub(super) fn serve(listener: Listener, looker: Looker) -> (JoinHandle<()>, mpsc::Receiver<Ask>) {
    let (ask, asked) = mpsc::channel(CONNECTIONS);
    (tokio::spawn(accept(listener, ask, looker)), asked)
}

impl Shell {
    /// Answers a tool, at once or when its reload is done.
    pub(super) async fn attend(&mut self, ask: Ask) {
        if matches!(ask.request, Request::Reload) {
            return self.begin_reload(Some(ask.answer));
        }
        let answer = self.answer(ask.request).await;
        let _ = ask.answer.send(answer); // the tool may have gone
    }

    /// What a tool, or an old script, is told.
    pub(super) async fn answer(&mut self, request: Request) -> Answer {
        let accepted = |note: String| Answer::Accepted { note };
        match request {
            Request::Status => match self.fresh_picture() {
                Ok(picture) => Answer::Status(Box::new(self.sources(picture).status())),
                Err(reason) => Answer::Refused { reason },
            },
            Request::Standby { set } => self.move_resources(Event::Standby(groups(set)), set).await,
            Request::Takeover { set } => self.move_resources(Event::Takeover(groups(set)), set).await,
            Request::Stop => {
                self.stop().await;
                accepted("stopping".to_owned())
            }
            Request::Reload => {
                self.begin_reload(None);
                accepted("reading the configuration again; the log tells what becomes of it".to_owned())
            }
        }
    }

    /// The core itself says whether it can be: a picture of it may be older than what has just happened.
    async fn move_resources(&mut self, event: Event, set: Which) -> Answer {
        let refused = |reason: &str| Answer::Refused { reason: reason.to_owned() };
        let note = match event {
            Event::Standby(_) => format!("giving {set} resources to the other node"),
            _ => format!("asking the other node for {set} resources"),
        };
        let what = match event {
            Event::Standby(_) => format!("hb_standby {set}"),
            _ => format!("hb_takeover {set}"),
        };
        let (answer, answered) = oneshot::channel();
        self.give(Order::Move(event, answer)).await;
        match tokio::time::timeout(MOVE_LIMIT, answered).await {
            Ok(Ok(Moving::Begun)) => {
                self.memory.asked(clock::mono(), what);
                Answer::Accepted { note }
            }
            Ok(Ok(Moving::AlreadyHere)) => Answer::Accepted {
                note: format!("this node holds {set} resources already: there is nothing to take"),
            },
            Ok(Ok(Moving::NothingHere)) => {
                let which = if set == Which::All { String::new() } else { format!("{set} ") };
                Answer::Accepted {
                    note: format!("this node holds no {which}resources: there is nothing to give"),
                }
            }
            Ok(Ok(Moving::Refused(reason))) => {
                let before = self.memory.last_request(clock::mono()).map(|last| format!("; {last}"));
                refused(&format!("{reason}{}", before.unwrap_or_default()))
            }
            Ok(Err(_)) => refused("the daemon is ending"),
            Err(_elapsed) => {
                refused("the daemon's beat thread does not answer; the request may still be obeyed later")
            }
        }
    }

    fn sources<'a>(&'a self, picture: &'a Picture) -> Sources<'a> {
        Sources {
            managed: !self.runner.disabled,
            plan: &self.plan,
            links: &self.links,
            groups: listing::listed(&self.haresources.borrow().groups, &self.taken.borrow()),
            picture,
            memory: &self.memory,
            fencing: self.fencing(picture),
            watchdog: self.watchdog.as_ref(),
            started: self.started,
            now: clock::mono(),
            log_dropped: self.log.dropped(),
        }
    }
}

fn groups(which: Which) -> Set {
    match which {
        Which::All => Set::ALL,
        Which::Local => Set::LOCAL,
        Which::Foreign => Set::FOREIGN,
    }
}

/// Accepts tools; each has a task of its own, so that a slow one keeps nobody waiting.
async fn accept(listener: Listener, ask: mpsc::Sender<Ask>, looker: Looker) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(place) = Arc::clone(&room).acquire_owned().await else { return };
        match listener.accept().await {
            Ok(connection) => {
                let (ask, looker) = (ask.clone(), looker.clone());
                tokio::spawn(async move {
                    converse(connection, ask, looker).await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!("control socket: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(mut connection: Connection, ask: mpsc::Sender<Ask>, looker: Looker) {
    let own = rustix::process::geteuid().as_raw();
    let may_order = connection.peer().is_ok_and(|peer| peer.uid == 0 || peer.uid == own);
    loop {
        let request = match connection.recv().await {
            Ok(Some(request)) => request,
            Ok(None) => return,
            Err(error) => {
                let _ = connection.send(&Answer::Refused { reason: error.to_string() }).await;
                return;
            }
        };
        if matches!(request, Request::Status) {
            looker.look().await;
        } else if !may_order {
            let reason =
                "only root may order this; members of group haclient may ask for the status".to_owned();
            if connection.send(&Answer::Refused { reason }).await.is_err() {
                return;
            }
            continue;
        }
        let limit = if matches!(request, Request::Reload) { RELOAD_LIMIT } else { Duration::MAX };
        let (answer, answered) = oneshot::channel();
        if ask.send(Ask { request, answer }).await.is_err() {
            return;
        }
        let answer = match tokio::time::timeout(limit, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => return,
            Err(_elapsed) => Answer::Refused { reason: UNREAD.to_owned() },
        };
        if connection.send(&answer).await.is_err() {
            return;
        }
    }
}

//! Everything that happens beside the loop, and comes back to it as an [`Event`].

use crate::checks;
use crate::config::{LoadError, Loaded, SystemNames, load};
use crate::control::{Answer, Question};
use crate::director::Leaving;
use crate::kernel::Done;
use crate::maintenance::{Maintenance, Resting};
use crate::reconcile::Wanted;
use crate::watch::{Look, Watch};
use daemon::control::{Connection, Listener};
use daemon::process::{self, Ending};
use futures_util::StreamExt;
use signal_hook::consts::{SIGABRT, SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;
use tracing::warn;

/// How long a fallback command or a callback may run.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);
/// How long a tool's next question is waited for.
const QUESTION_LIMIT: Duration = Duration::from_secs(60);

/// Why the configuration is read again.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reason {
    Signal,
    Changed,
    Request,
}

type Reply = oneshot::Sender<Vec<Answer>>;

/// What the loop waits for.
pub(super) enum Event {
    Checked(checks::Result),
    /// Of which plan, with what, and how it went.
    Passed(u64, Vec<Wanted>, Vec<Leaving>, Result<Done, String>),
    Signal(i32),
    Loaded(Box<Result<Loaded, LoadError>>, Watch, Option<Reply>),
    Asked(Question, Reply),
    Maintenance(Maintenance, Resting),
    Watched(Watch, Look),
}

/// Starts tasks.
pub(super) struct Tasks {
    events: mpsc::Sender<Event>,
    commands: mpsc::UnboundedSender<Command>,
    later: Option<(Reason, Option<Reply>)>,
}

impl Tasks {
    /// Starts those that run all the time: signals, the control socket, commands one after the other.
    pub(super) fn start(events: mpsc::Sender<Event>, listener: Listener) -> io::Result<Tasks> {
        let mut signals = signal_hook_tokio::Signals::new([SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGABRT])?;
        let to = events.clone();
        tokio::spawn(async move {
            while let Some(signal) = signals.next().await {
                if to.send(Event::Signal(signal)).await.is_err() {
                    return;
                }
            }
        });
        tokio::spawn(listen(listener, events.clone()));
        let (commands, mut queue) = mpsc::unbounded_channel::<Command>();
        tokio::spawn(async move {
            while let Some(command) = queue.recv().await {
                let shown = format!("{command:?}");
                let finished = process::run(command, COMMAND_LIMIT).await;
                if finished.ending != Ending::Exited(0) {
                    warn!("{shown}: {:?}", finished.ending);
                }
            }
        });
        Ok(Tasks { events, commands, later: None })
    }

    /// Where check results go.
    pub(super) fn results(&self) -> mpsc::Sender<checks::Result> {
        let (sender, mut inbox) = mpsc::channel(1024);
        let events = self.events.clone();
        tokio::spawn(async move {
            while let Some(result) = inbox.recv().await {
                if events.send(Event::Checked(result)).await.is_err() {
                    return;
                }
            }
        });
        sender
    }

    fn spawn(&self, event: impl Future<Output = Event> + Send + 'static) {
        let events = self.events.clone();
        tokio::spawn(async move { drop(events.send(event.await).await) });
    }

    pub(super) fn pass(
        &self,
        epoch: u64,
        wanted: Vec<Wanted>,
        leaving: Vec<Leaving>,
        pass: impl Future<Output = Result<Done, String>> + Send + 'static,
    ) {
        self.spawn(async move { Event::Passed(epoch, wanted, leaving, pass.await) });
    }

    pub(super) fn load(&self, path: PathBuf, answer: Option<Reply>) {
        self.spawn(async move {
            let shown = path.clone();
            let read = move || (Watch::new(&path), load(&path, &SystemNames::load()));
            let (watch, result) = spawn_blocking(read).await.unwrap_or_else(|error| {
                let watch = Watch::new(&shown);
                (watch, Err(LoadError::Unreadable { path: shown, error: io::Error::other(error) }))
            });
            Event::Loaded(Box::new(result), watch, answer)
        });
    }

    /// Remembers a wish to read the configuration while it is being read. One is enough for all of them, but
    /// whoever waits for an answer gets his.
    pub(super) fn later(&mut self, reason: Reason, answer: Option<Reply>) {
        if answer.is_some() || self.later.is_none() {
            self.later = Some((reason, answer));
        }
    }

    pub(super) fn waiting(&mut self) -> Option<(Reason, Option<Reply>)> {
        self.later.take()
    }

    pub(super) fn look_at_maintenance(&self, mut maintenance: Maintenance) {
        self.spawn(async move {
            let fallback = Maintenance::new(maintenance.directory());
            let look = move || {
                let resting = maintenance.look();
                (maintenance, resting)
            };
            let (maintenance, resting) = spawn_blocking(look).await.unwrap_or((fallback, Resting::default()));
            Event::Maintenance(maintenance, resting)
        });
    }

    pub(super) fn look_at_file(&self, mut watch: Watch) {
        self.spawn(async move {
            let before = watch.clone();
            let look = move || {
                let look = watch.look();
                (watch, look)
            };
            let (watch, look) = spawn_blocking(look).await.unwrap_or((before, Look::Same));
            Event::Watched(watch, look)
        });
    }

    /// Runs a shell line after those before it.
    pub(super) fn shell(&self, line: String) {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &line]).current_dir("/");
        let _ = self.commands.send(command);
    }

    /// Runs the program that wants to know of changes.
    pub(super) fn callback(&self, program: PathBuf, config: PathBuf) {
        let mut command = Command::new(program);
        command.arg(config).current_dir("/");
        let _ = self.commands.send(command);
    }
}

async fn listen(listener: Listener, events: mpsc::Sender<Event>) {
    loop {
        match listener.accept().await {
            Ok(connection) => drop(tokio::spawn(answer(connection, events.clone()))),
            Err(error) => {
                warn!("Control socket: {error}");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn answer(mut connection: Connection, events: mpsc::Sender<Event>) {
    loop {
        let question = tokio::time::timeout(QUESTION_LIMIT, connection.recv::<Question>()).await;
        let lines = match question {
            Ok(Ok(Some(question))) => {
                let (reply, answered) = oneshot::channel();
                if events.send(Event::Asked(question, reply)).await.is_err() {
                    return;
                }
                answered
                    .await
                    .unwrap_or_else(|_| vec![Answer::Refused { why: "the daemon is stopping".into() }])
            }
            Ok(Err(daemon::control::ControlError::Garbled(why))) => vec![Answer::Refused { why }],
            _ => return,
        };
        for line in &lines {
            if connection.send(line).await.is_err() {
                return;
            }
        }
    }
}

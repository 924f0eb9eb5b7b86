//! What starts, stops and asks one resource.

pub mod address;
pub mod announce;
mod built_in;
pub mod child;
mod director;
mod environment;
pub mod frame;
pub mod mail;
pub mod neighbours;
pub mod netlink;
mod ocf;
mod port;
pub mod script;
pub mod send_arp;
mod source;
mod sync;
mod unit;

use crate::builtin::BuiltIn;
use crate::haresources::{Kind, Resource};
use crate::order::{Action, Outcome};
use announce::Announcer;
use netlink::Kernel;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tracing::warn;

/// What the agents need to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Where `haresources` and `resource.d` are.
    pub config_dir: PathBuf,
    /// Where locks are.
    pub run_dir: PathBuf,
    /// The second place where scripts are looked for.
    pub init_dir: PathBuf,
    /// How long a script's `start` and `stop` may take.
    pub script_limit: Duration,
    /// How long a script's `status` may take.
    pub status_limit: Duration,
    /// This node's name.
    pub node: String,
}

impl Settings {
    /// The first place where scripts are looked for.
    pub fn resource_dir(&self) -> PathBuf {
        self.config_dir.join("resource.d")
    }

    fn limit(&self, action: Action) -> Duration {
        match action {
            Action::Start | Action::Stop => self.script_limit,
            Action::Status => self.status_limit,
        }
    }
}

/// How an action on a resource ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// How.
    pub outcome: Outcome,
    /// A sentence about it; may be empty.
    pub detail: String,
    /// How long it took.
    pub took: Duration,
}

impl Done {
    /// Nothing had to be done, for this reason.
    pub(crate) fn already(why: &str) -> Done {
        Done { outcome: Outcome::Already, detail: why.to_owned(), took: Duration::ZERO }
    }
}

/// The agents, with what they share: the kernel's socket and the announcements still to be repeated.
pub struct Agents {
    settings: Settings,
    kernel: Kernel,
    announcer: Announcer,
}

impl Agents {
    /// Nothing is opened or asked yet.
    pub fn new(settings: Settings) -> Agents {
        Agents { settings, kernel: Kernel::new(), announcer: Announcer::default() }
    }

    /// Opens the sockets, so that what is done later need not. An error will be met again then, and told.
    pub async fn prepare(&mut self) {
        self.announcer.prepare();
        let _ = self.kernel.addresses().await;
        let _ = self.kernel.link_names().await;
        self.kernel.rehearse().await;
    }

    /// The kernel's socket.
    pub(crate) fn kernel(&mut self) -> &mut Kernel {
        &mut self.kernel
    }

    /// Starts or stops a resource. [`Action::Status`] does neither and is [`Outcome::Done`].
    pub async fn change(&mut self, resource: &Resource, action: Action) -> Done {
        let started = Instant::now();
        let (outcome, detail) = match (&resource.kind, action) {
            (_, Action::Status) => (Outcome::Done, String::new()),
            (Kind::Address(address), _) => {
                let answer = match action {
                    Action::Start => address::start(&mut self.kernel, &mut self.announcer, address).await,
                    _ => address::stop(&mut self.kernel, address).await,
                };
                answer.unwrap_or_else(|failure| (Outcome::Failed, failure.to_string()))
            }
            (Kind::Director, _) => match self.director_at_once(resource, action) {
                Some(ended) => ended,
                None => {
                    self.before_something_slow();
                    director::change(&self.settings, resource, action)
                }
            },
            (Kind::BuiltIn(what), _) if self.own_script(resource).is_none() => {
                self.change_built_in(what, resource, action == Action::Start).await
            }
            (Kind::BuiltIn(_) | Kind::Script, _) => {
                self.before_something_slow();
                script::change(&self.settings, resource, action)
            }
        };
        Done { outcome, detail, took: started.elapsed() }
    }

    /// Whether a resource runs here. If it cannot be found out, it does not, and the sentence says why.
    pub async fn status(&mut self, resource: &Resource) -> (bool, Done) {
        let started = Instant::now();
        let (running, outcome, detail) = match &resource.kind {
            Kind::Address(address) => match address::status(&mut self.kernel, address).await {
                Ok((running, detail)) => (running, Outcome::Done, detail),
                Err(failure) => (false, Outcome::Failed, failure.to_string()),
            },
            Kind::Director => {
                self.kernel.forget();
                director::status(&self.settings, resource)
            }
            Kind::BuiltIn(what) if self.own_script(resource).is_none() => {
                self.kernel.forget();
                self.status_built_in(what, resource).await
            }
            Kind::BuiltIn(_) | Kind::Script => {
                self.kernel.forget();
                let (running, detail) = script::status(&self.settings, resource);
                (running, Outcome::Done, detail)
            }
        };
        (running, Done { outcome, detail, took: started.elapsed() })
    }

    /// Announces an address again if it is here; whether it is. Everything else cannot be announced: `None`.
    pub async fn announce(&mut self, resource: &Resource) -> Option<Result<bool, String>> {
        let address = resource.address()?;
        let answer = address::announce_again(&mut self.kernel, &mut self.announcer, address).await;
        Some(answer.map(|link| link.is_some()).map_err(|failure| failure.to_string()))
    }

    /// Has the announcements of this run repeated in the background. To be called at its end.
    pub fn repeat_announcements(&mut self) {
        repeat(&mut self.announcer);
    }

    /// What will run, as people look for it: a path, or who does it. An error if nothing would.
    pub fn who(&self, resource: &Resource) -> Result<String, String> {
        let script = || script::find(&self.settings, &resource.script).map(|path| path.display().to_string());
        match &resource.kind {
            Kind::Address(_) => Ok("built in".to_owned()),
            Kind::Director => {
                director::program().map(|path| path.display().to_string()).map_or_else(script, Ok)
            }
            Kind::BuiltIn(_) if self.own_script(resource).is_some() => script(),
            Kind::BuiltIn(BuiltIn::Ocf(agent)) => ocf::find(agent).map(|path| path.display().to_string()),
            Kind::BuiltIn(BuiltIn::Unit(unit)) => Ok(format!("systemctl, {unit}")),
            Kind::BuiltIn(_) => Ok("built in".to_owned()),
            Kind::Script => script(),
        }
    }

    /// The administrator's script that is used instead of the agent that is built in.
    pub fn own_script(&self, resource: &Resource) -> Option<PathBuf> {
        script::own(&self.settings, &resource.script)
    }

    /// What is to be said about a resource that can be started, and might not do what it should: the piece of its text,
    /// what is wrong, what helps.
    pub fn advice(&self, resource: &Resource) -> Vec<(String, String, String)> {
        match &resource.kind {
            Kind::BuiltIn(_) if self.own_script(resource).is_some() => Vec::new(),
            Kind::BuiltIn(BuiltIn::Ocf(agent)) => ocf::advice(&self.settings, agent, resource),
            Kind::BuiltIn(BuiltIn::Unit(unit)) => unit::advice(&self.settings, unit, resource)
                .map(|(message, help)| (String::new(), message, help))
                .into_iter()
                .collect(),
            _ => Vec::new(),
        }
    }

    /// The network interfaces of this machine; none if the kernel does not tell.
    pub async fn interfaces(&mut self) -> Vec<String> {
        self.kernel.link_names().await.unwrap_or_default()
    }

    /// The file of a director, if there is none now: directord, like ldirectord, looks for it in `/etc/ha.d`, then in
    /// `conf` there, then where the word says.
    pub fn missing_director_file<'a>(&self, resource: &'a Resource) -> Option<&'a str> {
        let file = match resource.kind {
            Kind::Director => resource.arguments.last().map_or("ldirectord.cf", String::as_str),
            Kind::Address(_) | Kind::BuiltIn(_) | Kind::Script => return None,
        };
        let (inside, folder) = (file.trim_start_matches('/'), &self.settings.config_dir);
        let places = [folder.join(inside), folder.join("conf").join(inside), Path::new("/").join(file)];
        (!places.iter().any(|path| path.is_file())).then_some(file)
    }

    fn director_at_once(&mut self, resource: &Resource, action: Action) -> Option<(Outcome, String)> {
        let announcer = &mut self.announcer;
        director::at_once(&self.settings, resource, action, || repeat(announcer))
    }

    /// A script may take a minute, and may change addresses itself.
    fn before_something_slow(&mut self) {
        self.repeat_announcements();
        self.kernel.forget();
    }
}

fn repeat(announcer: &mut Announcer) {
    if let Err(error) = announcer.repeat_in_background() {
        warn!("the addresses are announced only once: the background copy does not start: {error}");
    }
}

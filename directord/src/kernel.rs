//! The kernel's table: one thread owns the netlink client, so that no netlink call ever holds up a check.
//!
//! A pass reads the table once (all services, and the destinations of ours), asks [`crate::reconcile`] what is
//! to be done, and does it. The same thread writes the [`Claim`], since it has to agree with the table: it names what
//! the table may hold of ours at every moment, also at that of a crash.

use crate::claim::Claim;
use crate::director::{Failed, Leaving};
use crate::reconcile::{Action, Counted, Edit, Table, Wanted, reconcile, remove};
use ipvs::{Client, Error, ServiceKey, listing};
use std::collections::HashSet;
use std::io;
use std::sync::{Arc, mpsc};
use tokio::sync::oneshot;

/// So many services are asked for one by one; for more, the list of all is shorter work.
const FEW: usize = 64;

/// The thread's address. The thread ends when this is dropped and its last pass is done.
#[derive(Debug)]
pub struct Kernel {
    jobs: mpsc::Sender<Job>,
}

/// What one pass shall do.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    /// What the table shall hold.
    pub wanted: Arc<Vec<Wanted>>,
    /// What shall leave it.
    pub leaving: Vec<Leaving>,
    /// For the log: `start` or `stop`.
    pub stage: &'static str,
    /// Services to read besides those.
    pub read: Vec<ServiceKey>,
    /// What was read just before, and need not be read again.
    pub known: Option<Known>,
    /// What becomes of the claim.
    pub hold: Hold,
}

/// What the table held of some services, since when no pass was made.
#[derive(Clone, Debug)]
pub struct Known {
    /// Those that were looked for.
    pub services: HashSet<ServiceKey>,
    /// What is there of them.
    pub table: Table,
}

/// What becomes of the claim on the services of the table.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Hold {
    /// It stays as it is.
    #[default]
    AsIs,
    /// These are held: they are to be removed when they are released.
    These(Vec<ServiceKey>),
    /// Nothing is held, once what leaves has left.
    Nothing,
}

/// What one pass did.
#[derive(Debug, Default)]
pub struct Done {
    /// Edits that were made, in order.
    pub edits: Vec<Edit>,
    /// Edits that the kernel refused: what concerns them, and the reason with a hint.
    pub failed: Vec<(Failed, String)>,
    /// The table afterwards.
    pub table: Table,
    /// Why the claim is not written: a daemon that starts after a crash does not know what it held.
    pub unclaimed: Option<String>,
}

/// What there is to read and to edit: the kernel over netlink.
pub(crate) trait Access: Send + 'static {
    /// These services with their destinations, as far as they are there.
    fn read(&mut self, ours: &HashSet<&ServiceKey>) -> Result<Table, Error>;

    /// The same with their connections.
    fn count(&mut self, ours: impl Fn(&ServiceKey) -> bool) -> Result<Counted, Error>;

    /// Makes one edit.
    fn apply(&mut self, action: &Action) -> Result<(), Error>;
}

enum Job {
    Pass { pass: Pass, answer: oneshot::Sender<Result<Done, String>> },
    Count { services: HashSet<ServiceKey>, answer: oneshot::Sender<Result<Counted, String>> },
}

impl Kernel {
    /// Opens the netlink socket and starts the thread.
    pub fn open(claim: Claim) -> Result<Kernel, String> {
        Kernel::of(Client::connect().map_err(|error| explained(&error))?, claim)
    }

    /// Starts the thread.
    pub(crate) fn of(access: impl Access, claim: Claim) -> Result<Kernel, String> {
        let (jobs, inbox) = mpsc::channel();
        let run = move || work(access, Claimed::new(claim), &inbox);
        std::thread::Builder::new().name("ipvs".into()).spawn(run).map_err(|error| error.to_string())?;
        Ok(Kernel { jobs })
    }

    /// Reads some services.
    pub fn read(
        &self,
        services: HashSet<ServiceKey>,
    ) -> impl Future<Output = Result<Known, String>> + Send + use<> {
        let reading = self.pass(Pass { read: services.iter().cloned().collect(), ..Pass::default() });
        async move { reading.await.map(|done| Known { services, table: done.table }) }
    }

    /// Reads the table and edits it.
    pub fn pass(&self, pass: Pass) -> impl Future<Output = Result<Done, String>> + Send + use<> {
        let (answer, answered) = oneshot::channel();
        self.send(Job::Pass { pass, answer }, answered)
    }

    /// Reads some services and their connections.
    pub fn count(
        &self,
        services: HashSet<ServiceKey>,
    ) -> impl Future<Output = Result<Counted, String>> + Send + use<> {
        let (answer, answered) = oneshot::channel();
        self.send(Job::Count { services, answer }, answered)
    }

    fn send<T: Send + 'static>(
        &self,
        job: Job,
        answered: oneshot::Receiver<Result<T, String>>,
    ) -> impl Future<Output = Result<T, String>> + Send + use<T> {
        let sent = self.jobs.send(job);
        async move {
            sent.map_err(|_| "the thread for the kernel's table has ended".to_owned())?;
            answered.await.unwrap_or_else(|_| Err("the thread for the kernel's table has ended".into()))
        }
    }
}

/// The claim, and what it says as far as this thread has written it.
struct Claimed {
    file: Claim,
    services: Option<Vec<ServiceKey>>,
}

impl Claimed {
    fn new(file: Claim) -> Claimed {
        Claimed { services: file.read(), file }
    }

    /// Before the edits: what was held, and what will be.
    fn before(&mut self, hold: &Hold) -> io::Result<()> {
        let Hold::These(services) = hold else { return Ok(()) };
        if self.services.as_ref() == Some(services) {
            return Ok(());
        }
        let mut all = services.clone();
        let left = self.services.iter().flatten().filter(|key| !services.contains(key));
        all.extend(left.cloned());
        self.set(all)
    }

    /// After edits that all succeeded: what is held.
    fn after(&mut self, hold: &Hold) -> io::Result<()> {
        match hold {
            Hold::AsIs => Ok(()),
            Hold::These(services) => self.set(services.clone()),
            Hold::Nothing => {
                self.services = None;
                self.file.remove()
            }
        }
    }

    fn set(&mut self, services: Vec<ServiceKey>) -> io::Result<()> {
        if self.services.as_ref() != Some(&services) {
            self.file.write(&services)?;
            self.services = Some(services);
        }
        Ok(())
    }
}

fn work(mut access: impl Access, mut claimed: Claimed, inbox: &mpsc::Receiver<Job>) {
    while let Ok(job) = inbox.recv() {
        match job {
            Job::Pass { pass, answer } => {
                let result = hold(&mut access, &mut claimed, pass).map_err(|error| explained(&error));
                let _ = answer.send(result);
            }
            Job::Count { services, answer } => {
                let counted = access.count(|key| services.contains(key));
                let _ = answer.send(counted.map_err(|error| explained(&error)));
            }
        }
    }
}

/// A pass, with the claim before and after it.
fn hold(access: &mut impl Access, claimed: &mut Claimed, mut pass: Pass) -> Result<Done, Error> {
    let hold = std::mem::take(&mut pass.hold);
    let before = claimed.before(&hold);
    let mut done = perform(access, pass)?;
    let after = if done.failed.is_empty() { claimed.after(&hold) } else { Ok(()) };
    done.unclaimed = before.and(after).err().map(|error| error.to_string());
    Ok(done)
}

fn perform(access: &mut impl Access, pass: Pass) -> Result<Done, Error> {
    let Pass { wanted, leaving, stage, read, known, .. } = pass;
    let wanted_keys = wanted.iter().map(|want| &want.service.key);
    let ours: HashSet<&ServiceKey> =
        wanted_keys.chain(&read).chain(leaving.iter().map(|(service, _)| service)).collect();
    let known = known.filter(|known| ours.iter().all(|key| known.services.contains(*key)));
    let table = known.map_or_else(|| access.read(&ours), |known| Ok(known.table))?;
    let mut done = Done { table, ..Done::default() };
    let mut edits: Vec<Edit> =
        leaving.iter().flat_map(|(key, named)| remove(key, named, &done.table, stage)).collect();
    edits.extend(reconcile(&wanted, &done.table));
    for edit in edits {
        let key = edit.action.service().clone();
        // A service that could not be made was told of. One whose change was refused is there as it was, and its
        // servers still live and die.
        if edit.action.destination().is_some() && done.table.find(&key).is_none() {
            continue;
        }
        match access.apply(&edit.action) {
            Ok(()) => {
                done.table.apply(&edit.action);
                done.edits.push(edit);
            }
            Err(error) => done
                .failed
                .push(((key, edit.action.destination()), format!("{}: {}", edit.message, explained(&error)))),
        }
    }
    Ok(done)
}

impl Access for Client {
    /// A few are asked for one by one: what a check finds is in the table at once, however long the kernel's list of
    /// services is.
    fn read(&mut self, ours: &HashSet<&ServiceKey>) -> Result<Table, Error> {
        let mut table = Table::default();
        // Without the counts, and without the room that they took: this is kept.
        let mut keep = |(entry, found): listing::Entry| {
            let mut destinations = Vec::with_capacity(found.len());
            destinations.extend(found.into_iter().map(|entry| entry.destination));
            table.services.push((entry.service, destinations));
        };
        if ours.len() > FEW {
            self.each(|key| ours.contains(key), keep)?;
        } else {
            for key in ours {
                if let Some(service) = self.service(key)? {
                    self.destinations_of(service, &mut keep)?;
                }
            }
        }
        table.services.shrink_to_fit();
        Ok(table)
    }

    fn count(&mut self, ours: impl Fn(&ServiceKey) -> bool) -> Result<Counted, Error> {
        let weight_and_counts = |(entry, found): listing::Entry| {
            let one = |real: ipvs::DestinationEntry| {
                (real.destination.key, (real.destination.weight, Some(real.connections)))
            };
            (entry.service.key, found.into_iter().map(one).collect())
        };
        Ok(Counted { services: self.table_of(ours)?.into_iter().map(weight_and_counts).collect() })
    }

    fn apply(&mut self, action: &Action) -> Result<(), Error> {
        match action {
            Action::AddService(service) => self.add_service(service),
            Action::UpdateService(service) => self.update_service(service),
            Action::DeleteService(key) => self.delete_service(key),
            Action::AddDestination(service, destination) => self.add_destination(service, destination),
            Action::UpdateDestination(service, destination) => self.update_destination(service, destination),
            Action::DeleteDestination(service, key) => self.delete_destination(service, key),
        }
    }
}

/// An error with what can be done about it.
fn explained(error: &Error) -> String {
    match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    }
}

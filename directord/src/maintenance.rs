//! `maintenancedir`: a file named like a real server takes it out of service.
//!
//! A name is `IP`, `IP:PORT`, `NAME` or `NAME:PORT`; an IPv6 address stands in brackets. NAME may also be the first label of the
//! name that the configuration has for a server. ldirectord looked up the name of every server before every check; here
//! the names of the files are looked up, once each: no check waits for DNS, and who has a name there is found by it. Nor
//! does a file named by its address wait: each name is looked up on a thread of its own.

use crate::config::RealServer;
use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The directory, and what its names stand for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Maintenance {
    directory: Option<PathBuf>,
    names: Arc<Names>,
    last: Resting,
}

/// What is known of names.
#[derive(Debug, Default)]
struct Names {
    known: Mutex<HashMap<String, Name>>,
    /// One was answered.
    answered: Condvar,
}

#[derive(Debug)]
enum Name {
    /// A thread looks it up.
    Asked,
    /// What it stood for, and when that was asked.
    Found { addresses: Vec<IpAddr>, at: Instant },
}

/// A name that was not found is looked up again after this time.
const ASK_AGAIN: Duration = Duration::from_secs(30);
/// Names that are looked up at the same time.
const LOOK_UPS: usize = 8;
/// How long an answer is waited for. One that comes later counts when the directory is read the next time.
const AT_ONCE: Duration = Duration::from_millis(200);

/// Who is in maintenance: an address, and a port if only that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resting {
    addresses: HashSet<(IpAddr, Option<u16>)>,
    names: HashSet<String>,
}

impl Resting {
    /// Whether this server is.
    pub(crate) fn includes(&self, real: &RealServer) -> bool {
        let is_here =
            |name: &str| self.names.contains(name) || self.names.contains(&format!("{name}:{}", real.port));
        let short = |name: &str| name.split_once('.').is_some_and(|(label, _)| is_here(label));
        real.name.as_ref().is_some_and(|name| is_here(name) || short(name))
            || self.addresses.contains(&(real.address, None))
            || self.addresses.contains(&(real.address, Some(real.port)))
    }
}

impl Maintenance {
    /// Of this directory, or of none.
    pub(crate) fn new(directory: Option<&Path>) -> Maintenance {
        Maintenance { directory: directory.map(Path::to_path_buf), ..Maintenance::default() }
    }

    /// The directory.
    pub(crate) fn directory(&self) -> Option<&Path> {
        self.directory.as_deref()
    }

    /// The files; none if there is no such directory.
    fn names(&self) -> io::Result<Vec<String>> {
        let Some(directory) = &self.directory else { return Ok(Vec::new()) };
        match std::fs::read_dir(directory) {
            Ok(entries) => {
                entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    /// Reads the directory, without looking up names: what is to be known before the first edit.
    pub(crate) fn addresses(&self) -> Resting {
        let Ok(files) = self.names() else { return self.last.clone() };
        resting(files, &HashMap::new())
    }

    /// Reads the directory. Blocks for a moment, while new names are looked up, too. A directory that cannot be read at
    /// the moment puts nobody back into service.
    pub(crate) fn look(&mut self) -> Resting {
        self.look_with(resolve)
    }

    fn look_with(&mut self, resolve: fn(&str) -> Vec<IpAddr>) -> Resting {
        let Ok(files) = self.names() else { return self.last.clone() };
        self.last = resting(files.clone(), &self.names.look_up(&files, resolve));
        self.last.clone()
    }
}

impl Names {
    /// All that is known, after new names among the files' were looked up or at least asked for.
    fn look_up(
        self: &Arc<Names>,
        files: &[String],
        resolve: fn(&str) -> Vec<IpAddr>,
    ) -> MutexGuard<'_, HashMap<String, Name>> {
        let mut known = self.known();
        let there: HashSet<&String> = files.iter().collect();
        // The thread of one that is asked for is still there, whatever became of the file.
        known.retain(|file, name| matches!(name, Name::Asked) || there.contains(file));
        let under_way = known.values().filter(|name| matches!(name, Name::Asked)).count();
        let mut due: Vec<(Option<Instant>, &String)> = files
            .iter()
            .filter(|file| address(file).is_none())
            .filter_map(|file| match known.get(file) {
                None => Some((None, file)),
                Some(Name::Found { addresses, at }) if addresses.is_empty() && at.elapsed() >= ASK_AGAIN => {
                    Some((Some(*at), file))
                }
                Some(_) => None,
            })
            .collect();
        due.sort(); // new ones first, then those that were asked for longest ago
        let mut asked = Vec::new();
        for (_, file) in due.into_iter().take(LOOK_UPS.saturating_sub(under_way)) {
            if self.ask(file.clone(), resolve).is_ok() {
                known.insert(file.clone(), Name::Asked);
                asked.push(file);
            }
        }
        let waits = |known: &mut HashMap<String, Name>| {
            asked.iter().any(|file| matches!(known.get(*file), Some(Name::Asked)))
        };
        let waited = self.answered.wait_timeout_while(known, AT_ONCE, waits);
        waited.unwrap_or_else(PoisonError::into_inner).0
    }

    /// Starts a thread that looks a file's name up. Who calls this holds the lock, so that no answer comes too early.
    fn ask(self: &Arc<Names>, file: String, resolve: fn(&str) -> Vec<IpAddr>) -> io::Result<()> {
        let names = Arc::clone(self);
        let work = move || {
            let addresses = resolve(split(&file).0);
            names.known().insert(file, Name::Found { addresses, at: Instant::now() });
            names.answered.notify_all();
        };
        std::thread::Builder::new().name("maintenance".into()).spawn(work).map(drop)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Name>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who is in maintenance by these files.
fn resting(files: Vec<String>, known: &HashMap<String, Name>) -> Resting {
    let mut resting = Resting::default();
    for file in files {
        if let Some(one) = address(&file) {
            resting.addresses.insert(one);
            continue;
        }
        if let Some(Name::Found { addresses, .. }) = known.get(&file) {
            let (_, port) = split(&file);
            resting.addresses.extend(addresses.iter().map(|address| (*address, port)));
        }
        resting.names.insert(file);
    }
    resting
}

/// A file's name that is an address, with its port if it has one.
fn address(file: &str) -> Option<(IpAddr, Option<u16>)> {
    let (host, port) = split(file);
    Some((host.trim_matches(['[', ']']).parse().ok()?, port))
}

fn resolve(host: &str) -> Vec<IpAddr> {
    (host, 0).to_socket_addrs().map(|found| found.map(|socket| socket.ip()).collect()).unwrap_or_default()
}

/// Splits a port off.
fn split(name: &str) -> (&str, Option<u16>) {
    if name.ends_with(']') {
        return (name, None);
    }
    match name.rsplit_once(':').map(|(host, port)| (host, port.parse())) {
        Some((host, Ok(port))) => (host, Some(port)),
        _ => (name, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Check;
    use ipvs::{Destination, Forwarding};

    fn real(address: &str, port: u16, name: Option<&str>) -> RealServer {
        let address: IpAddr = address.parse().unwrap();
        let destination = Destination::new(ipvs::DestinationKey::new(address, port), Forwarding::DirectRoute);
        let (check, monitor_name) = (Check::On, Box::default());
        RealServer { address, port, name: name.map(Into::into), destination, check, monitor_name }
    }

    #[test]
    fn addresses_ports_and_names() {
        let folder = std::env::temp_dir().join(format!("directord-maintenance-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for name in [
            "192.0.2.1",
            "192.0.2.2:80",
            "[2001:db8::1]",
            "[2001:db8::2]:80",
            "web.example.invalid:80",
            "mail",
            "news:119",
            "localhost",
        ] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        let resting = Maintenance::new(Some(&folder)).look();
        for (address, port, name, expected) in [
            ("192.0.2.1", 8080, None, true),
            ("192.0.2.2", 80, None, true),
            ("192.0.2.2", 81, None, false),
            ("2001:db8::1", 1, None, true),
            ("2001:db8::2", 80, None, true),
            ("192.0.2.9", 80, Some("web.example.invalid"), true),
            ("192.0.2.9", 81, Some("web.example.invalid"), false),
            ("192.0.2.9", 25, Some("mail.example.invalid"), true),
            ("192.0.2.9", 119, Some("news.example.invalid"), true),
            ("192.0.2.9", 120, Some("news.example.invalid"), false),
            ("192.0.2.9", 25, Some("mailer.example.invalid"), false),
            ("127.0.0.1", 80, None, true),
        ] {
            assert_eq!(resting.includes(&real(address, port, name)), expected, "{address} {port} {name:?}");
        }
        let mut known = Maintenance::new(Some(&folder));
        let before = known.look();
        std::fs::remove_dir_all(&folder).unwrap();
        std::fs::write(&folder, "").unwrap();
        assert_eq!(known.look(), before, "not to be read at the moment");
        std::fs::remove_file(&folder).unwrap();
        assert_eq!(known.look(), Resting::default(), "gone");
    }

    /// Never answers `hang…`, and takes no time for others.
    fn hanging(host: &str) -> Vec<IpAddr> {
        if host.starts_with("hang") {
            std::thread::sleep(Duration::from_secs(3600));
        }
        vec!["192.0.2.7".parse().unwrap()]
    }

    #[test]
    fn a_name_that_is_not_answered_holds_up_no_other() {
        let folder = std::env::temp_dir().join(format!("directord-hanging-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        for name in ["hang.example.com", "web.example.com:80", "192.0.2.1"] {
            std::fs::write(folder.join(name), "").unwrap();
        }
        let mut maintenance = Maintenance::new(Some(&folder));
        let began = Instant::now();
        let rests = |resting: &Resting, address, port| resting.includes(&real(address, port, None));
        let mut resting = maintenance.look_with(hanging);
        assert!(rests(&resting, "192.0.2.1", 80), "an address, at once");
        while !rests(&resting, "192.0.2.7", 80) {
            assert!(began.elapsed() < Duration::from_secs(30), "{resting:?}");
            std::thread::sleep(Duration::from_millis(5));
            resting = maintenance.look_with(hanging);
        }
        assert!(resting.includes(&real("192.0.2.9", 80, Some("hang.example.com"))), "by its name alone");
        // No more threads than that, however many files there are and how often they are looked at.
        for number in 0..3 * LOOK_UPS {
            std::fs::write(folder.join(format!("hang{number}.example.com")), "").unwrap();
            maintenance.look_with(hanging);
        }
        let known = maintenance.names.known();
        let asked = known.values().filter(|name| matches!(name, Name::Asked)).count();
        assert_eq!((asked, known.len()), (LOOK_UPS, LOOK_UPS + 1));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}

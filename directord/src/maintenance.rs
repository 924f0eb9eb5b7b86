//! `maintenancedir`: a file named like a real server takes it out of service.
//!
//! A name is `IP`, `IP:PORT`, `NAME` or `NAME:PORT`; an IPv6 address stands in brackets. ldirectord looked up the
//! name of every server before every check; here the names of the files are looked up, once each, so the result
//! is the same and no check waits for DNS.

use crate::config::RealServer;
use std::collections::{HashMap, HashSet};
use std::io;
use std::net::{IpAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The directory, and what its names stood for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Maintenance {
    directory: Option<PathBuf>,
    resolved: HashMap<String, Resolved>,
    last: Resting,
}

/// What a name stood for, and when that was asked.
#[derive(Clone, Debug)]
struct Resolved {
    addresses: Vec<IpAddr>,
    at: Instant,
}

/// A name that was not found is looked up again after this time.
const ASK_AGAIN: Duration = Duration::from_secs(30);

/// Who is in maintenance: an address, and a port if only that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Resting {
    addresses: HashSet<(IpAddr, Option<u16>)>,
    names: HashSet<String>,
}

impl Resting {
    /// Whether this server is.
    pub(crate) fn includes(&self, real: &RealServer) -> bool {
        let named = real.name.as_ref().is_some_and(|name| {
            self.names.contains(&**name) || self.names.contains(&format!("{name}:{}", real.port))
        });
        named
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

    /// The files' names; none if there is no such directory.
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
        self.clone().look_with(|_| Vec::new())
    }

    /// Reads the directory. Blocks, while new names are looked up, too. A directory that cannot be read at the moment
    /// puts nobody back into service.
    pub(crate) fn look(&mut self) -> Resting {
        self.look_with(resolve)
    }

    fn look_with(&mut self, resolve: impl Fn(&str) -> Vec<IpAddr>) -> Resting {
        let Ok(names) = self.names() else { return self.last.clone() };
        let mut resting = Resting::default();
        self.resolved.retain(|name, found| {
            names.contains(name) && (!found.addresses.is_empty() || found.at.elapsed() < ASK_AGAIN)
        });
        for name in names {
            let (host, port) = split(&name);
            if let Ok(address) = host.trim_matches(['[', ']']).parse() {
                resting.addresses.insert((address, port));
                continue;
            }
            let found = self
                .resolved
                .entry(name.clone())
                .or_insert_with(|| Resolved { addresses: resolve(host), at: Instant::now() });
            resting.addresses.extend(found.addresses.iter().map(|address| (*address, port)));
            resting.names.insert(name);
        }
        self.last = resting.clone();
        resting
    }
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
}

//! The file that says which services of the kernel's table an instance has placed there, and answers for.
//!
//! It lies beside the control socket from before the first edit until the last service has left the table. Whoever
//! finds it without a daemon knows that the daemon has died while it held the services: a daemon that starts takes
//! them over, a release removes them. The table itself cannot tell: its entries have no owner.

use crate::replace::{remove, replace};
use ipvs::ServiceKey;
use serde::{Deserialize, Serialize};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The file of one instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    path: PathBuf,
}

/// What the file holds.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    table: TableId,
    services: Vec<ServiceKey>,
}

/// Which kernel's table: that of this boot and this network namespace. A file that outlived a reboot says nothing.
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct TableId {
    boot: String,
    network: u64,
}

impl Claim {
    /// The file at this place, which need not be there.
    pub fn at(path: PathBuf) -> Claim {
        Claim { path }
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The services that were placed and are to be removed at the end; `None` if nothing is held. A file that is not
    /// understood claims nothing.
    pub fn read(&self) -> Option<Vec<ServiceKey>> {
        let content: Content = serde_json::from_slice(&std::fs::read(&self.path).ok()?).ok()?;
        (content.table == TableId::current()).then_some(content.services)
    }

    /// Writes the file; a crash leaves the old one or the new one.
    ///
    /// # Errors
    /// Those of the file system, with the path.
    pub fn write(&self, services: &[ServiceKey]) -> io::Result<()> {
        let content = Content { table: TableId::current(), services: services.to_vec() };
        replace(&self.path, &serde_json::to_vec(&content)?).map_err(|error| self.named(&error))
    }

    /// Removes the file, if it is there.
    ///
    /// # Errors
    /// Those of the file system, with the path.
    pub fn remove(&self) -> io::Result<()> {
        remove(&self.path).map_err(|error| self.named(&error))
    }

    fn named(&self, error: &io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("{}: {error}", self.path.display()))
    }
}

impl TableId {
    fn current() -> TableId {
        let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        let network = Path::new("/proc/self/ns/net").metadata().map_or(0, |found| found.ino());
        TableId { boot: boot.trim().to_owned(), network }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_claim(name: &str, test: impl FnOnce(&Claim, &Path)) {
        let folder = std::env::temp_dir().join(format!("directord-claim-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        test(&Claim::at(folder.join("web.cf.held")), &folder);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    fn mark(mark: u32) -> ServiceKey {
        ServiceKey::Fwmark { mark: mark.try_into().unwrap(), family: ipvs::Family::V4 }
    }

    #[test]
    fn what_is_written_is_read_until_it_is_removed() {
        with_claim("life", |claim, folder| {
            assert_eq!(claim.read(), None);
            claim.write(&[]).unwrap();
            assert_eq!(claim.read(), Some(vec![]), "services that stay are held, too");
            claim.write(&[mark(1), mark(2)]).unwrap();
            assert_eq!(claim.read(), Some(vec![mark(1), mark(2)]));
            assert_eq!(std::fs::read_dir(folder).unwrap().count(), 1, "nothing else is left");
            claim.remove().unwrap();
            claim.remove().unwrap();
            assert_eq!(claim.read(), None);
        });
    }

    #[test]
    fn another_boot_another_namespace_and_rubbish_claim_nothing() {
        with_claim("other", |claim, _| {
            let current = TableId::current();
            assert!(!current.boot.is_empty() && current.network != 0);
            let content = |boot: &str, network| {
                let table = TableId { boot: boot.to_owned(), network };
                serde_json::to_vec(&Content { table, services: vec![mark(7)] }).unwrap()
            };
            std::fs::write(&claim.path, content(&current.boot, current.network)).unwrap();
            assert_eq!(claim.read(), Some(vec![mark(7)]));
            for other in [
                content("another boot", current.network),
                content(&current.boot, current.network + 1),
                b"{\"table\":".to_vec(),
                Vec::new(),
            ] {
                std::fs::write(&claim.path, other).unwrap();
                assert_eq!(claim.read(), None);
            }
        });
    }

    #[test]
    fn an_error_names_the_file() {
        with_claim("error", |_, folder| {
            let nowhere = Claim::at(folder.join("no/such/web.cf.held"));
            assert!(nowhere.write(&[]).unwrap_err().to_string().contains("no/such/web.cf.held"));
            assert_eq!(nowhere.read(), None);
        });
    }
}

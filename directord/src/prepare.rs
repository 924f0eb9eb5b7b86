//! `prepare ACCOUNT`: what root has to do before a daemon runs as another account.
//!
//! | file | what becomes of it |
//! |---|---|
//! | folder of control socket and pid file | the account's |
//! | `/run/ldirectord.NAME.pid` | a link into that folder: the account may not write in `/run` |
//! | `logfile`, `monitorfile` | exists, and is the account's |
//! | configuration that others may not read | its group is the account's, and may read it |
//!
//! A daemon of root's that runs hands the kernel's table over, and ends. Everything else stays as it is.

use crate::config::{Loaded, SystemNames, load};
use crate::instance::{Instance, Running};
use crate::replace::remove;
use crate::resource::{self, Found};
use nix::unistd::{Gid, Uid, User};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown, lchown, symlink};
use std::path::Path;
use std::process::ExitCode;

/// Who the daemon will be.
#[derive(Clone, Copy)]
struct Account {
    user: Uid,
    group: Gid,
}

/// Prepares one instance, and those that it executes. A configuration with mistakes is left to the daemon to report.
pub(crate) fn prepare(instance: &Instance, account: &str) -> ExitCode {
    let account = match User::from_name(account) {
        Ok(Some(user)) => Account { user: user.uid, group: user.gid },
        Ok(None) => return failed(&format!("no account is named {account}")),
        Err(error) => return failed(&format!("account {account}: {error}")),
    };
    let loaded = load(&instance.config, &SystemNames::load()).ok();
    let others = loaded.iter().flat_map(|loaded| &loaded.plan.settings.execute);
    let result = folder(instance, account)
        .and_then(|()| room(instance, account))
        .and_then(|()| others.map(|name| instance.sibling(name)).try_for_each(|other| one(&other, account)))
        .and_then(|()| files(instance, loaded.as_ref(), account));
    result.map_or_else(|why| failed(&why), |()| ExitCode::SUCCESS)
}

fn failed(why: &str) -> ExitCode {
    eprintln!("directord: prepare: {why}");
    ExitCode::FAILURE
}

fn one(instance: &Instance, account: Account) -> Result<(), String> {
    room(instance, account)?;
    files(instance, load(&instance.config, &SystemNames::load()).ok().as_ref(), account)
}

/// The folder of the control socket.
fn folder(instance: &Instance, account: Account) -> Result<(), String> {
    let Some(folder) = instance.socket.parent() else { return Ok(()) };
    std::fs::create_dir_all(folder).and_then(|()| own(folder, account)).map_err(|error| named(folder, &error))
}

/// Nobody runs, and the account finds its pid file and what the last daemon has left.
fn room(instance: &Instance, account: Account) -> Result<(), String> {
    let running = instance.running();
    if running.pid().is_some() {
        let of_account =
            |path: &Path| path.metadata().is_ok_and(|found| found.uid() == account.user.as_raw());
        if matches!(running, Running::Ours(_)) && of_account(&instance.socket) {
            return Ok(()); // before a reload
        }
        match resource::make_room(instance) {
            Found::Nobody => {}
            Found::InForce => return Ok(()), // on standby already: the second start says so
            Found::Wrong(why) => return Err(why),
        }
    }
    let link = &instance.pid_file;
    let target = instance.socket.with_extension("pid");
    let relative: std::path::PathBuf = target.iter().skip(link.iter().count() - 1).collect();
    if std::fs::read_link(link).ok().as_deref() != Some(relative.as_path()) {
        remove(link).and_then(|()| symlink(&relative, link)).map_err(|error| named(link, &error))?;
    }
    for left in [&target, &instance.socket] {
        remove(left).map_err(|error| named(left, &error))?;
    }
    for kept in [&instance.drained, instance.claim.path()] {
        if kept.symlink_metadata().is_ok() {
            own(kept, account).map_err(|error| named(kept, &error))?;
        }
    }
    Ok(())
}

/// What the configuration names.
fn files(instance: &Instance, loaded: Option<&Loaded>, account: Account) -> Result<(), String> {
    readable(&instance.config, account).map_err(|error| named(&instance.config, &error))?;
    let Some(loaded) = loaded else { return Ok(()) };
    let plan = &loaded.plan;
    let log = Path::new(&plan.settings.log);
    let monitors = plan.services.iter().filter_map(|service| service.monitor_file.as_deref());
    for file in monitors.chain(log.is_absolute().then_some(log)) {
        // Without it the daemon works all the same, and says what it cannot write.
        if let Err(error) = writable(file, account) {
            eprintln!("directord: prepare: {}", named(file, &error));
        }
    }
    Ok(())
}

/// The account may read it.
fn readable(path: &Path, account: Account) -> io::Result<()> {
    let file = File::open(path)?;
    let found = file.metadata()?;
    let mode = found.permissions().mode();
    let by_group = mode & 0o040 != 0 && found.gid() == account.group.as_raw();
    if mode & 0o004 != 0 || by_group || !found.is_file() {
        return Ok(());
    }
    fchown(&file, None, Some(account.group.as_raw()))?;
    file.set_permissions(std::fs::Permissions::from_mode(mode | 0o040))?;
    eprintln!("directord: prepare: {}: its group is now the daemon's, and may read it", path.display());
    Ok(())
}

/// It exists, and is the account's. What is no plain file of one name is nobody's to give away.
fn writable(path: &Path, account: Account) -> io::Result<()> {
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).unwrap_or(0);
    let file = OpenOptions::new().append(true).create(true).mode(0o640).custom_flags(no_follow).open(path)?;
    let found = file.metadata()?;
    if !found.is_file() || found.nlink() != 1 || found.uid() == account.user.as_raw() {
        return Ok(());
    }
    fchown(&file, Some(account.user.as_raw()), None)
}

fn own(path: &Path, account: Account) -> io::Result<()> {
    lchown(path, Some(account.user.as_raw()), Some(account.group.as_raw()))
}

fn named(path: &Path, error: &io::Error) -> String {
    format!("{}: {error}", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever runs the tests; root, which may give files away, prepares for another account.
    fn account() -> Account {
        let root = Uid::effective().is_root();
        match User::from_name("nobody").ok().flatten().filter(|_| root) {
            Some(nobody) => Account { user: nobody.uid, group: nobody.gid },
            None => Account { user: Uid::effective(), group: Gid::effective() },
        }
    }

    fn with_instance(name: &str, test: impl FnOnce(&Instance, &Path)) {
        let folder = std::env::temp_dir().join(format!("directord-prepare-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("x.cf"), format!("logfile={}\n", folder.join("log").display())).unwrap();
        test(&Instance::new(Some("x.cf"), &folder, &folder), &folder);
        std::fs::remove_dir_all(&folder).unwrap();
    }

    fn owner(path: &Path) -> u32 {
        path.symlink_metadata().unwrap().uid()
    }

    #[test]
    fn the_account_gets_its_folder_its_log_and_a_pid_file() {
        with_instance("all", |instance, _| {
            let account = account();
            std::fs::write(&instance.pid_file, "1\n").unwrap();
            folder(instance, account).unwrap();
            std::fs::write(&instance.drained, "[]").unwrap();
            for _ in 0..2 {
                room(instance, account).unwrap();
                files(instance, load(&instance.config, &SystemNames::load()).ok().as_ref(), account).unwrap();
            }
            let log = instance.config.with_file_name("log");
            for path in [instance.socket.parent().unwrap(), &instance.drained, &log] {
                assert_eq!(owner(path), account.user.as_raw(), "{}", path.display());
            }
            assert_eq!(std::fs::read_link(&instance.pid_file).unwrap(), Path::new("directord/x.cf.pid"));
            assert_eq!(instance.running(), Running::No);
            let held = daemon::pidfile::create(&instance.pid_file).unwrap();
            assert_eq!(instance.running(), Running::Ours(std::process::id()));
            drop(held);
            assert_eq!(instance.running(), Running::No);
        });
    }

    #[test]
    fn a_secret_configuration_is_opened_to_the_account_alone() {
        with_instance("secret", |instance, _| {
            let mode = |mode| std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(&instance.config, mode(0o600)).unwrap();
            readable(&instance.config, account()).unwrap();
            let found = instance.config.metadata().unwrap();
            assert_eq!(
                (found.mode() & 0o777, found.gid()),
                (0o640, account().group.as_raw()),
                "others still may not"
            );
            std::fs::set_permissions(&instance.config, mode(0o644)).unwrap();
            readable(&instance.config, account()).unwrap();
            assert_eq!(instance.config.metadata().unwrap().mode() & 0o777, 0o644);
        });
    }

    #[test]
    fn links_and_second_names_are_not_given_away() {
        with_instance("links", |_, folder| {
            let dear = folder.join("dear");
            std::fs::write(&dear, "").unwrap();
            let before = owner(&dear);
            symlink(&dear, folder.join("link")).unwrap();
            assert!(writable(&folder.join("link"), account()).is_err());
            std::fs::hard_link(&dear, folder.join("second")).unwrap();
            writable(&folder.join("second"), account()).unwrap();
            assert_eq!(owner(&dear), before);
        });
    }
}

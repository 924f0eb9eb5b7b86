//! What survives the next start of the machine.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use super::{Work, put, words};
use crate::realserver::{Mode, persist};

impl Work<'_> {
    fn file(&self, name: &str) -> PathBuf {
        self.asked.root.join(name)
    }

    /// What the unit sets up; an error if it is somebody else's.
    fn persisted(&self) -> io::Result<(Vec<IpAddr>, Vec<IpAddr>)> {
        let path = self.file(persist::UNIT);
        match fs::read_to_string(&path) {
            Ok(text) => persist::read(&text).ok_or_else(|| {
                io::Error::other(format!(
                    "{} was not written by this program: it is left alone",
                    path.display()
                ))
            }),
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => Ok(Default::default()),
            Err(problem) => Err(problem),
        }
    }

    pub(super) fn persist(&mut self, modes: &[(IpAddr, Mode)]) -> io::Result<()> {
        let (mut loopback, mut redirect) = self.persisted()?;
        for (ip, mode) in modes {
            let (wanted, other) = match mode {
                Mode::Loopback => (&mut loopback, &mut redirect),
                Mode::Redirect => (&mut redirect, &mut loopback),
            };
            other.retain(|there| there != ip);
            put(wanted, *ip);
        }
        if !self.asked.root.join("etc/systemd/system").is_dir() {
            let line = format!("ha-resources realserver {}", words(&self.asked.vips));
            return Err(io::Error::other(format!(
                "this machine has no systemd, so nothing was written: let its start run: {line}"
            )));
        }
        self.write_files(&loopback, &redirect)
    }

    pub(super) fn forget_files(&mut self) -> io::Result<()> {
        let (mut loopback, mut redirect) = self.persisted()?;
        let before = loopback.len() + redirect.len();
        loopback.retain(|ip| !self.asked.vips.contains(ip));
        redirect.retain(|ip| !self.asked.vips.contains(ip));
        if loopback.len() + redirect.len() == before {
            Ok(())
        } else {
            self.write_files(&loopback, &redirect)
        }
    }

    fn write_files(&mut self, loopback: &[IpAddr], redirect: &[IpAddr]) -> io::Result<()> {
        let program = std::env::current_exe()?;
        let files = [
            (persist::SYSCTL, persist::sysctl(loopback)),
            (persist::UNIT, persist::unit(&program, loopback, redirect)),
        ];
        for (name, text) in files {
            let path = self.file(name);
            let now = fs::read_to_string(&path).ok();
            if now == text {
                continue;
            }
            if now.is_some_and(|now| persist::foreign(&now)) {
                let text = format!("{} was not written by this program: it is left alone", path.display());
                return Err(io::Error::other(text));
            }
            match &text {
                Some(text) => replace(&path, text)?,
                None => fs::remove_file(&path)?,
            }
            self.answer.files.push(path);
        }
        self.enable(!loopback.is_empty() || !redirect.is_empty())
    }

    /// What `systemctl enable` and `disable` do; it works where no systemd runs, too.
    fn enable(&mut self, wanted: bool) -> io::Result<()> {
        let link = self.file(persist::WANTS);
        let there = fs::symlink_metadata(&link).is_ok();
        if wanted == there {
            return Ok(());
        }
        if wanted {
            if let Some(folder) = link.parent() {
                fs::create_dir_all(folder)?;
            }
            symlink(Path::new("/").join(persist::UNIT), &link)?;
        } else {
            fs::remove_file(&link)?;
        }
        self.answer.files.push(link);
        Ok(())
    }

    pub(super) fn note_persistence(&mut self) {
        let (loopback, redirect) = self.persisted().unwrap_or_default();
        let gone: Vec<IpAddr> = self
            .asked
            .vips
            .iter()
            .filter(|ip| !loopback.contains(ip) && !redirect.contains(ip))
            .copied()
            .collect();
        if !gone.is_empty() {
            let how = if self.asked.redirect { " --redirect" } else { "" };
            self.answer.notes.push(format!(
                "this program has written nothing that sets up {0} after the next start of the machine: ha-resources realserver {0}{how} --persist",
                words(&gone)
            ));
        }
    }
}

/// The whole file or none of it.
pub(super) fn replace(path: &Path, text: &str) -> io::Result<()> {
    let name = |problem: io::Error| io::Error::new(problem.kind(), format!("{}: {problem}", path.display()));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(name)?;
    }
    let mut new = path.to_owned().into_os_string();
    new.push(".new");
    fs::write(&new, text).and_then(|()| fs::rename(&new, path)).map_err(name)
}

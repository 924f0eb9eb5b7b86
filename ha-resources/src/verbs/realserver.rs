//! `realserver`: sets up, checks and undoes the side of direct routing that is on a real server.

mod files;

use std::fs;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use tracing::{error, info};

use super::FAILED;
use super::ask::say;
use crate::agents::Settings;
use crate::agents::netlink::Kernel;
use crate::args::RealServer;
use crate::lock;
use crate::realserver::{Edit, Facts, Finding, Mode, Record, edits, judge, kernel, listen, reverse_notes};

/// The answer, as `--json` prints it.
#[derive(Debug, Default, Serialize)]
struct Answer {
    /// Whether nothing is wrong (any more).
    ok: bool,
    /// What was done, one sentence each.
    done: Vec<String>,
    /// What is wrong.
    wrong: Vec<Finding>,
    /// What should be known.
    notes: Vec<String>,
    /// Files that were written or removed.
    files: Vec<PathBuf>,
    /// What could not be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Does what the command line says; 0: the machine is as it was asked to be.
pub(super) async fn run(asked: &RealServer, settings: &Settings, json: bool, patience: Duration) -> u8 {
    let mut work = Work {
        asked,
        record: settings.run_dir.join("realserver.json"),
        kernel: Kernel::new(),
        answer: Answer::default(),
    };
    let locked = match asked.check {
        true => Ok(None),
        false => lock::acquire(&settings.run_dir, "realserver", patience).map(Some),
    };
    match locked {
        Ok(_lock) => {
            if let Err(problem) = work.go().await {
                work.answer.error = Some(explain(&problem));
            }
        }
        Err(problem) => work.answer.error = Some(problem.to_string()),
    }
    let answer = work.answer;
    answer.done.iter().for_each(|done| info!("realserver: {done}"));
    answer.error.iter().for_each(|problem| error!("realserver: {problem}"));
    if json {
        say(&serde_json::to_string(&answer).unwrap_or_default());
    } else {
        print(asked, &answer);
    }
    if answer.ok && answer.error.is_none() { 0 } else { FAILED }
}

fn explain(problem: &io::Error) -> String {
    match problem.kind() {
        io::ErrorKind::PermissionDenied => format!("{problem}; this needs root"),
        io::ErrorKind::NotFound if problem.to_string().contains("os error 2") => {
            format!("{problem}: is nftables installed? apt install nftables")
        }
        _ => problem.to_string(),
    }
}

struct Work<'a> {
    asked: &'a RealServer,
    /// Where what was changed is noted: gone with the next start of the machine, as the changes are.
    record: PathBuf,
    kernel: Kernel,
    answer: Answer,
}

impl Work<'_> {
    async fn go(&mut self) -> io::Result<()> {
        if self.asked.remove {
            self.remove().await?;
            self.answer.ok = true;
            return Ok(());
        }
        let facts = kernel::facts(&mut self.kernel).await?;
        let modes: Vec<(IpAddr, Mode)> =
            self.asked.vips.iter().map(|ip| (*ip, self.mode(&facts, *ip))).collect();
        if !self.asked.check {
            self.set_up(&modes).await?;
        }
        let facts = kernel::facts(&mut self.kernel).await?;
        self.answer.wrong = modes.iter().flat_map(|(ip, mode)| judge(&facts, *ip, *mode)).collect();
        self.answer.notes.extend(modes.iter().flat_map(|(ip, _)| reverse_notes(&facts, *ip)));
        self.judge_ports(&facts, &modes)?;
        self.answer.ok = self.answer.wrong.is_empty();
        if self.asked.persist {
            self.persist(&modes)?;
        } else {
            self.note_persistence();
        }
        Ok(())
    }

    /// An address that is not taken here is found already: what else is wrong with it is of no use.
    fn judge_ports(&mut self, facts: &Facts, modes: &[(IpAddr, Mode)]) -> io::Result<()> {
        if self.asked.ports.is_empty() {
            return Ok(());
        }
        let listeners = kernel::listeners(&self.asked.ports)?;
        for (ip, mode) in modes.iter().filter(|(ip, mode)| facts.mode(*ip) == Some(*mode)) {
            let found = self
                .asked
                .ports
                .iter()
                .filter_map(|port| listen::judge(facts, &listeners, *ip, *mode, *port));
            self.answer.wrong.extend(found);
        }
        Ok(())
    }

    /// A check takes the machine as it is; without a word `lo` is meant.
    fn mode(&self, facts: &Facts, ip: IpAddr) -> Mode {
        match (self.asked.redirect, self.asked.check) {
            (true, _) => Mode::Redirect,
            (false, true) => facts.mode(ip).unwrap_or(Mode::Loopback),
            (false, false) => Mode::Loopback,
        }
    }

    async fn set_up(&mut self, modes: &[(IpAddr, Mode)]) -> io::Result<()> {
        let mut record = self.read_record()?;
        for (ip, mode) in modes {
            let facts = kernel::facts(&mut self.kernel).await?;
            if facts.mode(*ip).is_some_and(|now| now != *mode) {
                self.undo(*ip, &mut record).await?;
            }
            let facts = kernel::facts(&mut self.kernel).await?;
            let edits = edits(&facts, *ip, *mode);
            if *mode == Mode::Loopback && !edits.contains(&Edit::Add(*ip)) && !record.added.contains(ip) {
                put(&mut record.found, *ip);
            }
            for edit in edits {
                self.apply(&edit, &facts, &mut record).await?;
            }
            self.write_record(&record)?;
        }
        Ok(())
    }

    /// Noted before it is done: what is noted and not there is undone by doing nothing.
    async fn apply(&mut self, edit: &Edit, facts: &Facts, record: &mut Record) -> io::Result<()> {
        match edit {
            Edit::Set(name, wanted) => {
                let before = kernel::value(name)?;
                let first = record.values.get(*name).map_or(before, |(first, _)| *first);
                record.values.insert((*name).to_owned(), (first, *wanted));
                self.write_record(record)?;
                kernel::set(name, *wanted)?;
                self.answer.done.push(format!("{} is {wanted} (was {before})", name.replace('/', ".")));
            }
            Edit::Add(ip) => {
                put(&mut record.added, *ip);
                self.write_record(record)?;
                kernel::add(&mut self.kernel, *ip).await?;
                self.answer.done.push(format!("{ip} is on lo"));
            }
            Edit::Redirect(ip) => {
                put(&mut record.redirected, *ip);
                self.write_record(record)?;
                let mut all = facts.redirected.clone();
                put(&mut all, *ip);
                kernel::redirect(&all)?;
                self.answer.done.push(format!("packets for {ip} are redirected to this machine by nftables"));
            }
        }
        Ok(())
    }

    async fn remove(&mut self) -> io::Result<()> {
        let mut record = self.read_record()?;
        for ip in self.asked.vips.clone() {
            self.undo(ip, &mut record).await?;
        }
        self.write_record(&record)?;
        self.forget_files()
    }

    /// Undoes what was done for an address. The values go with the last address that needs them.
    async fn undo(&mut self, ip: IpAddr, record: &mut Record) -> io::Result<()> {
        let facts = kernel::facts(&mut self.kernel).await?;
        if facts.redirected.contains(&ip) {
            let rest: Vec<IpAddr> = facts.redirected.iter().copied().filter(|other| *other != ip).collect();
            kernel::redirect(&rest)?;
            self.answer.done.push(format!("packets for {ip} are no longer redirected"));
        }
        if record.added.contains(&ip) || kernel::ours(&mut self.kernel, ip).await? {
            if kernel::remove(&mut self.kernel, ip).await? {
                self.answer.done.push(format!("{ip} is no longer on lo"));
            }
        } else if facts.addresses.iter().any(|address| address.ip == ip) {
            self.answer.notes.push(format!("{ip} stays where it is: it was not added by this program"));
        }
        for list in [&mut record.added, &mut record.redirected, &mut record.found] {
            list.retain(|other| *other != ip);
        }
        if !record.needs_values() {
            for (name, (before, set)) in std::mem::take(&mut record.values) {
                let (now, words) = (kernel::value(&name)?, name.replace('/', "."));
                if now == set {
                    kernel::set(&name, before)?;
                    self.answer.done.push(format!("{words} is {before} again"));
                } else {
                    self.answer
                        .notes
                        .push(format!("{words} stays {now}: somebody set it after this program"));
                }
            }
        }
        self.write_record(record)
    }

    fn read_record(&self) -> io::Result<Record> {
        match fs::read(&self.record) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|problem| {
                io::Error::other(format!("{}: {problem}; look at it, then remove it", self.record.display()))
            }),
            Err(problem) if problem.kind() == io::ErrorKind::NotFound => Ok(Record::default()),
            Err(problem) => Err(problem),
        }
    }

    fn write_record(&self, record: &Record) -> io::Result<()> {
        if record.is_empty() {
            return match fs::remove_file(&self.record) {
                Err(problem) if problem.kind() != io::ErrorKind::NotFound => Err(problem),
                _ => Ok(()),
            };
        }
        files::replace(&self.record, &serde_json::to_string(record)?)
    }
}

fn put(list: &mut Vec<IpAddr>, ip: IpAddr) {
    if !list.contains(&ip) {
        list.push(ip);
    }
}

fn words(vips: &[IpAddr]) -> String {
    vips.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(" ")
}

fn print(asked: &RealServer, answer: &Answer) {
    let mut text = String::new();
    for done in &answer.done {
        text += &format!("done: {done}\n");
    }
    for file in &answer.files {
        let how = if fs::symlink_metadata(file).is_ok() { "written" } else { "removed" };
        text += &format!("{how}: {}\n", file.display());
    }
    for Finding { what, help, .. } in &answer.wrong {
        text += &format!("wrong: {what}\n  = help: {help}\n");
    }
    if let Some(problem) = &answer.error {
        text += &format!("error: {problem}\n");
    }
    if answer.ok && answer.error.is_none() {
        text += &match asked.remove {
            true => format!("{}: this program's settings are removed\n", words(&asked.vips)),
            false => format!("{}: taken, and never announced: all right\n", words(&asked.vips)),
        };
    }
    for note in &answer.notes {
        text += &format!("note: {note}\n");
    }
    say(text.trim_end());
}

//! What was taken here, as it stood in haresources then: what is given back, whatever the file says by now.
//!
//! Between a take and its give somebody may edit the file, break it, or remove it; then an address would stay here
//! that nobody knows any more, while the other node takes it. So each take leaves the group's line in the run
//! directory, which vanishes at a reboot as the addresses do, and the end of its release removes it.

use crate::haresources::{self, Group, Haresources};
use config::Source;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tracing::warn;

/// Notes that a group is about to be taken. Resources that an earlier take of it had noted and that have left its
/// line since then stay noted, for they may still run.
pub fn remember(run_dir: &Path, group: &Group) {
    let path = crate::lock::path(run_dir, group.key(), "taken");
    let mut texts: Vec<String> = group.resources().map(|resource| resource.text.clone()).collect();
    for earlier in read(&path).iter().flat_map(Group::resources) {
        if !texts.contains(&earlier.text) {
            texts.push(earlier.text.clone());
        }
    }
    let new = path.with_extension("new");
    let line = format!("{} {}\n", group.node, texts.join(" "));
    if let Err(error) = fs::write(&new, line).and_then(|()| fs::rename(&new, &path)) {
        // No reason to leave the group untaken.
        warn!("cannot note that {} is taken: {}: {error}", group.key(), path.display());
    }
}

/// Marks a group: all of it was started here. Whoever watches puts back what somebody removes of it.
pub fn hold(run_dir: &Path, key: &str) {
    if let Err(error) = fs::write(mark(run_dir, key), "") {
        warn!(
            "cannot note that {key} is held: {error}: an address of it that somebody removes is not put back"
        );
    }
}

/// Takes the mark away: from now on nothing of the group is put back. To be done before anything of it is stopped.
pub fn let_go(run_dir: &Path, key: &str) {
    let path = mark(run_dir, key);
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            warn!("cannot note that {key} is no longer held: {}: {error}", path.display());
        }
        _ => {}
    }
}

/// Whether a group is marked as held here.
pub fn is_held(run_dir: &Path, key: &str) -> bool {
    mark(run_dir, key).exists()
}

/// Whether a group is noted as taken here.
pub fn is_noted(run_dir: &Path, key: &str) -> bool {
    crate::lock::path(run_dir, key, "taken").exists()
}

fn mark(run_dir: &Path, key: &str) -> PathBuf {
    crate::lock::path(run_dir, key, "held")
}

/// Notes when the daemon has beaten last, on the clock that goes on while the machine is suspended.
pub fn beaten(run_dir: &Path, at: Duration) {
    let _ = fs::write(run_dir.join("beaten"), format!("{}\n", at.as_nanos())); // without it nothing is known, as before
}

/// When the daemon has beaten last, if that is known.
pub fn last_beat(run_dir: &Path) -> Option<Duration> {
    let text = fs::read_to_string(run_dir.join("beaten")).ok()?;
    text.strip_suffix('\n')?.parse().ok().map(Duration::from_nanos)
}

/// Notes that nothing of a group is here any more.
pub fn forget(run_dir: &Path, group: &Group) {
    let path = crate::lock::path(run_dir, group.key(), "taken");
    match fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            warn!("cannot note that {} is released: {}: {error}", group.key(), path.display());
        }
        _ => {}
    }
}

/// Every group that is noted as taken.
pub fn all(run_dir: &Path) -> Vec<Group> {
    let Ok(entries) = fs::read_dir(run_dir.join("groups")) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut notes: Vec<_> =
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "taken")).collect();
    notes.sort_unstable();
    notes.iter().flat_map(|path| read(path)).collect()
}

/// The file as a release needs it: groups that were taken as they were then, at their place in the file; those that
/// are no longer in it at the end, so that they are given first.
pub fn merge(mut file: Haresources, taken: Vec<Group>) -> Haresources {
    for group in taken {
        match file.groups.iter_mut().find(|known| known.key() == group.key()) {
            Some(known) => *known = group,
            None => file.groups.push(group),
        }
    }
    file
}

fn read(path: &Path) -> Vec<Group> {
    let source = match Source::read(path) {
        Ok(source) => source,
        Err(error) => {
            if error.kind() != io::ErrorKind::NotFound {
                warn!("cannot read {}: {error}", path.display());
            }
            return Vec::new();
        }
    };
    let (noted, report) = haresources::parse(source);
    if report.has_errors() {
        warn!("{} is damaged and is not used", path.display());
        return Vec::new();
    }
    noted.groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Haresources {
        haresources::parse(Source::new("haresources", text)).0
    }

    #[test]
    fn a_release_uses_what_was_taken() {
        let file = parsed("alpha one two\nbeta three\n");
        let merged = merge(file, parsed("alpha one old\nalpha gone\n").groups);
        let lines: Vec<String> = merged
            .groups
            .iter()
            .map(|group| {
                let texts: Vec<_> = group.resources().map(|resource| resource.text.as_str()).collect();
                format!("{} {}", group.node, texts.join(" "))
            })
            .collect();
        assert_eq!(lines, ["alpha one old", "beta three", "alpha gone"]);
    }

    #[test]
    fn a_damaged_note_is_not_used() {
        let dir = std::env::temp_dir().join(format!("ha-resources-taken-{}", std::process::id()));
        fs::create_dir_all(dir.join("groups")).unwrap();
        let groups = parsed("alpha one\nalpha two three\n").groups;
        groups.iter().for_each(|group| remember(&dir, group));
        assert_eq!(all(&dir).len(), 2);
        fs::write(dir.join("groups/0.taken"), b"\xff\0 \\").unwrap();
        assert_eq!(all(&dir).len(), 2);
        groups.iter().for_each(|group| forget(&dir, group));
        assert!(all(&dir).is_empty());
        fs::remove_dir_all(&dir).unwrap();
    }
}

//! What the packaged service of directord may not do: it runs as an account of its own, without root's rights and with most of
//! the machine read-only (`directord.service`). `ldirectord FILE start` by root is as unrestricted as before.

use crate::finding::{FileFindings, Verdict};
use directord::config::Written;
use std::fs::Metadata;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Whom the service runs as.
const NAME: &str = "directord";

/// Folders of which the service sees nothing, or its own (`ProtectHome=`, `PrivateTmp=`).
const HIDDEN: [&str; 5] = ["/root", "/home", "/run/user", "/tmp", "/var/tmp"];

/// The only ones in which it writes (`ReadWritePaths=`, `RuntimeDirectory=`).
const WRITABLE: [&str; 2] = ["/var/log", "/run/directord"];

const NEEDS: &str = "give that account what the program needs; ReadWritePaths= in a drop-in of directord.service lets it write outside /var/log";
const REACH: &str = "put it where everybody may read and run it, such as /usr/local/bin or /etc/ha.d/checks";

/// User and group; `None` where the package is not installed: then only what everybody may do counts.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Account(Option<(u32, u32)>);

impl Account {
    /// This machine's.
    pub(super) fn load() -> Account {
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        let mut fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
        Account(
            fields
                .find(|user| user.first() == Some(&NAME))
                .and_then(|user| Some((user.get(2)?.parse().ok()?, user.get(3)?.parse().ok()?))),
        )
    }

    /// Whether it has this permission: 4 to read, 1 to run, or to go through a folder.
    fn may(self, file: &Metadata, bit: u32) -> bool {
        let shift = match self.0 {
            Some((user, _)) if user == file.uid() => 6,
            Some((_, group)) if group == file.gid() => 3,
            _ => 0,
        };
        (file.permissions().mode() >> shift) & bit == bit
    }

    /// The first part of a path that it may not go through, or use.
    fn stopped_at(self, path: &Path, bit: u32) -> Option<PathBuf> {
        let mut parts: Vec<&Path> = path.ancestors().collect();
        parts.reverse();
        let closed = |part: &&&Path| {
            let bit = if **part == path { bit } else { 1 };
            part.metadata().is_ok_and(|file| !self.may(&file, bit))
        };
        parts.iter().find(closed).map(|part| part.to_path_buf())
    }

    /// Why it cannot use a file, if it cannot.
    fn obstacle(self, path: &Path, bit: u32) -> Option<String> {
        if let Some(folder) = HIDDEN.iter().find(|folder| path.starts_with(folder)) {
            return Some(format!("directord's service does not see what is in {folder}"));
        }
        let part = self.stopped_at(path, bit)?;
        Some(format!("directord's service runs as the user {NAME}, who may not use {}", part.display()))
    }
}

/// Adds what is to be said of the lines that make the daemon run or write something.
pub(super) fn judge(file: &mut FileFindings, lines: &[Written], account: Account) {
    let smtp = lines.iter().any(|line| line.directive == "smtp" && !value(line).is_empty());
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| !value(line).is_empty()) {
        let mut say = |verdict, message: String, advice| {
            file.add(verdict, Some(line.span), Some(&line.directive), message, Some(advice));
        };
        let program = program(value(line));
        match line.directive.as_str() {
            "callback" | "fallbackcommand" => match account.obstacle(program, 1) {
                Some(why) => say(Verdict::Differs, format!("{why}: it is not run"), REACH),
                None => say(
                    Verdict::Look,
                    format!("directord's service runs it as the user {NAME}: no iptables or ip, no file and no key of root's"),
                    NEEDS,
                ),
            },
            "checkcommand" if external(lines, at) => {
                let bit = if perl(lines, at) { 4 } else { 1 };
                match account.obstacle(program, bit) {
                    Some(why) => say(Verdict::Differs, format!("{why}: every server would be down"), REACH),
                    None => say(
                        Verdict::Look,
                        format!("directord's service runs it as the user {NAME}, without root's rights"),
                        NEEDS,
                    ),
                }
            }
            "execute" => say(
                Verdict::Look,
                format!("the other instance belongs to directord's service, too: the user {NAME}, without root's rights"),
                "see what its own file runs and writes",
            ),
            "emailalert" if !smtp => say(
                Verdict::Look,
                "without smtp directord's service sends to the mail server on 127.0.0.1:25, not through sendmail".to_owned(),
                "see that one listens there, or write smtp=HOST at the left margin",
            ),
            "logfile" | "monitorfile" if !writes(value(line)) => say(
                Verdict::Differs,
                "directord's service writes below /var/log only".to_owned(),
                "name a file there, or its folder as ReadWritePaths= in a drop-in of directord.service",
            ),
            "maintenancedir" => {
                if let Some(why) = account.obstacle(Path::new(value(line)), 5) {
                    say(Verdict::Differs, format!("{why}: nothing in it counts"), REACH);
                }
            }
            _ => {}
        }
    }
}

fn value(line: &Written) -> &str {
    line.value.trim().trim_matches('"')
}

/// The program of a command: the whole path, or what stands before its arguments.
fn program(command: &str) -> &Path {
    let whole = Path::new(command);
    let first = command.split_whitespace().next().unwrap_or("");
    if whole.is_file() { whole } else { Path::new(first) }
}

/// The check of the section that a line belongs to.
fn kind(lines: &[Written], at: usize) -> &str {
    let opens = |line: &Written| !line.in_section && line.directive.starts_with("virtual");
    let begin = lines.iter().take(at).rposition(opens).unwrap_or(0);
    let section = lines.iter().skip(begin + 1).take_while(|line| line.in_section);
    section.filter(|line| line.directive == "checktype").last().map_or("", value)
}

fn external(lines: &[Written], at: usize) -> bool {
    matches!(kind(lines, at), "external" | "external-perl")
}

fn perl(lines: &[Written], at: usize) -> bool {
    kind(lines, at) == "external-perl"
}

/// Where the daemon may write; what is no path is a facility of syslog.
fn writes(file: &str) -> bool {
    !file.starts_with('/') || WRITABLE.iter().any(|folder| Path::new(file).starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_part_of_a_path_that_is_closed_is_named() {
        let folder = std::env::temp_dir().join(format!("ha-migrate-account-{}", std::process::id()));
        let (inner, file) = (folder.join("inner"), folder.join("inner/check"));
        std::fs::create_dir_all(&inner).unwrap();
        std::fs::write(&file, "#!/bin/sh\n").unwrap();
        let mode = |path: &Path, mode: u32| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        let owner = file.metadata().unwrap();
        let (nobody, same) = (Account(None), Account(Some((owner.uid(), owner.gid()))));
        let group = Account(Some((owner.uid() + 1, owner.gid())));
        for (of_folder, of_file, account, bit, at) in [
            (0o755, 0o755, nobody, 1, None),
            (0o700, 0o755, nobody, 1, Some(&inner)),
            (0o755, 0o700, nobody, 1, Some(&file)),
            (0o755, 0o711, nobody, 4, Some(&file)),
            (0o700, 0o700, same, 1, None),
            (0o700, 0o700, group, 1, Some(&inner)),
            (0o710, 0o750, group, 4, None),
            (0o705, 0o755, group, 1, Some(&inner)),
        ] {
            mode(&inner, of_folder);
            mode(&file, of_file);
            assert_eq!(account.stopped_at(&file, bit), at.cloned(), "{of_folder:o} {of_file:o} {account:?}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(nobody.stopped_at(&file, 1), None, "what is not there is said elsewhere");
    }

    #[test]
    fn only_paths_that_the_unit_opens_are_written() {
        assert!(writes("/var/log/ldirectord.log") && writes("local0"));
        assert!(!writes("/opt/ldirectord.log") && !writes("/var/logs/x"));
    }
}

//! Scripts beside the files: rc.d, and those of resource.d that call what goes with the old package.

use super::gone;
use crate::finding::{FileFindings, Verdict};
use config::Source;
use heartbeatd::run::why_not_run;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Adds what is to be said about scripts in `folder`.
pub(super) fn folder(folder: &Path, files: &mut Vec<FileFindings>) {
    for path in executables(&folder.join("rc.d")) {
        let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else { continue };
        let mut file = FileFindings::new(Source::new(&path, ""));
        match why_not_run(folder, &name) {
            Some(why) => {
                file.add(Verdict::Differs, None, Some(&name), format!("is never run: {why}"), None);
            }
            None => {
                let message = "is run for messages of this type, one at a time, and ended after 60 s";
                file.add(Verdict::Differs, None, Some(&name), message, None);
                calls(&path, &mut file);
            }
        }
        files.push(file);
    }
    for path in executables(&folder.join("resource.d")) {
        let mut file = FileFindings::new(Source::new(&path, ""));
        calls(&path, &mut file);
        if !file.findings.is_empty() {
            files.push(file);
        }
    }
}

/// What a script calls that does not do any more what it did.
fn calls(path: &Path, file: &mut FileFindings) {
    for gone in gone::called(path) {
        let message = format!("is called, and {}", gone.fate);
        file.add(Verdict::Look, None, Some(gone.name), message, Some(gone.instead));
    }
}

fn executables(folder: &Path) -> Vec<PathBuf> {
    let runs = |path: &PathBuf| {
        path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
    };
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.retain(runs);
    paths.sort();
    paths
}

//! Scripts beside the files: rc.d, and what else heartbeat would have run.

use crate::finding::{FileFindings, Verdict};
use config::Source;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What Debian's heartbeat put into rc.d; heartbeatd does these things itself.
const SHIPPED: [&str; 5] = ["ask_resources", "hb_takeover", "ip-request", "ip-request-resp", "status"];

/// Adds what is to be said about scripts in `folder`.
pub(super) fn folder(folder: &Path, files: &mut Vec<FileFindings>) {
    let mut names: Vec<_> =
        std::fs::read_dir(folder.join("rc.d")).into_iter().flatten().flatten().map(|e| e.path()).collect();
    names.sort();
    for path in names {
        let Some(name) = path.file_name().map(|name| name.to_string_lossy().into_owned()) else { continue };
        let Ok(source) = Source::read(&path) else { continue };
        let mut file = FileFindings::new(source);
        let calls_mach_down = file.source().text().contains("mach_down");
        let runs = path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
        if !runs {
            continue;
        }
        if SHIPPED.contains(&name.as_str()) && (name != "status" || calls_mach_down) {
            file.add(
                Verdict::Differs,
                None,
                Some(&name),
                "is never run: heartbeatd does what it did",
                own_words(&name),
            );
        } else {
            let message = "is run for messages of this type, one at a time, and ended after 60 s";
            file.add(Verdict::Differs, None, Some(&name), message, None);
        }
        files.push(file);
    }
}

fn own_words(name: &str) -> Option<&'static str> {
    (name == "status").then_some(
        "lines of your own in it belong into a script that does not call mach_down: then it is run",
    )
}

//! `/etc/default/heartbeat` and `/etc/default/ldirectord`: variables of the old start scripts.

use crate::finding::{FileFindings, Verdict};
use config::{Source, Span};
use std::path::Path;

/// Adds what is set there.
pub(super) fn files(folder: &Path, files: &mut Vec<FileFindings>) {
    for name in ["heartbeat", "ldirectord"] {
        let Ok(source) = Source::read(folder.join(name)) else { continue };
        let mut file = FileFindings::new(source);
        for (span, variable) in variables(file.source()) {
            let (verdict, message, advice) = judge(name, &variable);
            file.add(verdict, Some(span), Some(&variable), message, Some(advice));
        }
        if !file.findings.is_empty() {
            files.push(file);
        }
    }
}

/// `NAME=` at the beginning of a line of shell, or behind `export`.
fn variables(source: &Source) -> Vec<(Span, String)> {
    let variable = |(start, line): (usize, &str)| {
        let text = line.trim_start();
        let text = text.strip_prefix("export ").unwrap_or(text).trim_start();
        let name = text.split_once('=')?.0;
        let right = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        let start = start + (line.len() - text.len());
        right.then(|| (Span::new(start, start + text.trim_end().len()), name.to_owned()))
    };
    source.lines().filter_map(variable).collect()
}

fn judge(file: &str, variable: &str) -> (Verdict, &'static str, &'static str) {
    match (file, variable) {
        ("ldirectord", "CONFIG_FILE") => (
            Verdict::Differs,
            "ldirectord's start script of Debian never used it, nor does directord",
            "name the file in haresources (ldirectord::FILE) and, for the service, as CONFIG= in /etc/default/directord; MODE=--standby beside it is for pairs",
        ),
        ("ldirectord", _) => (
            Verdict::Look,
            "was set for the old start script, and is not read",
            "the service directord has CONFIG= and MODE= in /etc/default/directord",
        ),
        _ => (
            Verdict::Look,
            "is read by /etc/init.d/heartbeat, and reaches the daemon if it is exported; the unit heartbeatd does not read it",
            "what a child of heartbeatd needs in its environment belongs into ha.cf: env NAME=VALUE",
        ),
    }
}

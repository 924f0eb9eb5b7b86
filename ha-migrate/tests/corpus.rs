//! Configuration files found in the wild: what is said of each agrees with the daemons. They belong to others and are not part of
//! this repository: `TANDEM_CORPUS` names a folder that holds `ha/NAME/{ha.cf,authkeys,haresources}` and `ldirectord/NAME.cf`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test says what went wrong by failing

use ha_migrate::check::{Places, directory};
use ha_migrate::finding::{Summary, Verdict};
use std::fs;
use std::path::{Path, PathBuf};

fn corpus(part: &str) -> Vec<PathBuf> {
    let folder = std::env::var_os("TANDEM_CORPUS").expect("TANDEM_CORPUS must name the folder of the corpus");
    let entries = fs::read_dir(Path::new(&folder).join(part)).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_none_or(|suffix| suffix == "cf"));
    paths.sort();
    assert!(!paths.is_empty());
    paths
}

fn check(directory_: &Path) -> Summary {
    let (directory_, defaults) = (directory_.to_owned(), PathBuf::from("/nowhere"));
    directory(&Places { directory: directory_, defaults, node: None, offline: true }).unwrap()
}

/// Every finding that is about a line has its place, and a file that the daemon takes has nothing that must change but programs
/// that need heartbeat's own socket.
#[test]
fn what_is_said_of_pairs_agrees_with_the_daemon() {
    for folder in corpus("ha") {
        let summary = check(&folder);
        let reading = heartbeatd::config::read(&folder, &summary.node);
        let refused = reading.reports.iter().any(config::Report::has_errors);
        let ha_cf = ["ha.cf", "authkeys", "haresources"];
        let changes = summary.files.iter().filter(|file| ha_cf.iter().any(|name| file.file.ends_with(name)));
        let changes: Vec<_> = changes
            .flat_map(|file| &file.findings)
            .filter(|finding| finding.verdict == Verdict::Change)
            .collect();
        assert!(!refused || !changes.is_empty(), "{}: nothing is said", folder.display());
        for change in changes.iter().filter(|_| !refused) {
            assert!(change.line.is_some(), "{}: {change:?}", folder.display());
        }
        assert!(serde_json::from_str::<serde_json::Value>(&summary.json()).is_ok());
        assert!(!summary.text(true).is_empty());
    }
}

/// Most files need no change, and every line is judged.
#[test]
fn files_of_directors_are_judged() {
    let folder = std::env::temp_dir().join(format!("ha-migrate-corpus-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let (mut good, mut lines) = (0, 0);
    for path in corpus("ldirectord") {
        fs::copy(&path, folder.join("ldirectord.cf")).unwrap();
        let summary = check(&folder);
        good += usize::from(!summary.must_change());
        let said =
            summary.files.iter().flat_map(|file| &file.findings).filter(|finding| finding.line.is_some());
        lines += said.count();
    }
    fs::remove_dir_all(&folder).unwrap();
    println!("{good} files need no change; {lines} lines judged");
    assert!(good >= 20, "only {good} files need no change: is the corpus complete?");
}

//! Configuration files found in the wild, with ldirectord's verdict on each. They belong to others and are not
//! part of this repository: `TANDEM_CORPUS` names a folder that holds `ldirectord/` with the files and `index.tsv`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a helper of a test may fail it

use directord::config::{LoadError, Names, Source, SystemNames, ldirectords_view, load_source};
use std::net::IpAddr;
use std::path::PathBuf;

/// No name resolves, as where the verdicts were recorded.
struct NoHosts(SystemNames);

impl Names for NoHosts {
    fn host(&self, _: &str, _: ipvs::Family) -> Option<IpAddr> {
        None
    }
    fn port(&self, name: &str, protocol: Option<&str>) -> Option<u16> {
        self.0.port(name, protocol)
    }
}

/// What this version refuses although ldirectord took it.
const NOT_YET: &str = "this version does not check service";

fn folder() -> PathBuf {
    let corpus = std::env::var_os("TANDEM_CORPUS").expect("TANDEM_CORPUS must name the folder of the corpus");
    PathBuf::from(corpus).join("ldirectord")
}

#[test]
fn files_that_ldirectord_accepted_are_accepted() {
    let index = std::fs::read_to_string(folder().join("index.tsv")).unwrap();
    let (mut accepted, mut wrong, mut healed) = (0, Vec::new(), Vec::new());
    for line in index.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let (name, verdict) = (fields[0], fields[3]);
        let source = Source::read(folder().join(name)).unwrap();
        let view = ldirectords_view(source.clone());
        let refuses = view.lines().any(|line| line.contains("ldirectord refuses this line"));
        let result = load_source(source, &NoHosts(SystemNames::load()));
        if result.is_ok() && refuses != (verdict != "accepted") {
            wrong.push(format!("{name}: --strict is wrong\n{}", view.render()));
        }
        match (verdict, result) {
            ("accepted", Ok(_)) => accepted += 1,
            ("accepted", Err(LoadError::Refused(report))) => {
                let errors: Vec<String> = report.lines().filter(|line| line.contains(": error: ")).collect();
                if !errors.iter().all(|line| line.contains(NOT_YET)) {
                    wrong.push(report.render());
                }
            }
            ("accepted", Err(error)) => wrong.push(error.to_string()),
            (_, Ok(_)) => healed.push(name.to_owned()),
            (_, Err(_)) => {}
        }
    }
    println!("{accepted} accepted as before; accepted now although refused before: {healed:?}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(accepted >= 20, "only {accepted} files accepted: is the corpus complete?");
}

//! Small files, one per rule of the grammar, with ldirectord's own verdict on each (`results.tsv`: exit status
//! 3 of `status` = the file was accepted, 2 = refused). Where this parser decides otherwise it is deliberate
//! and stands in [`DIFFERENT`].

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a helper of a test may fail it

use directord::config::{LoadError, Names, Source, SystemNames, ldirectords_view, load_source};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

/// What the parser decides differently, and why.
const DIFFERENT: &[(&str, Verdict, &str)] = &[
    // Clear intent that was refused.
    ("callback_noquote", Verdict::Accepted, "quotes add nothing to a path"),
    ("crlf_netmask", Verdict::Accepted, "CR LF is a line end"),
    ("fallbackcommand_sec_empty", Verdict::Accepted, "an empty command turns the global one off"),
    ("global_indented", Verdict::Accepted, "an indented line before any section is global"),
    ("global_trailing_space_yes", Verdict::Accepted, "a blank at the end of a line cannot be seen"),
    ("hash_in_quotes", Verdict::Accepted, "# inside quotes is text"),
    ("logfile_noquote", Verdict::Accepted, "quotes add nothing to a path"),
    ("real_weight_in_req", Verdict::Accepted, "a number inside quotes is no weight"),
    ("sec_yes_comment", Verdict::Accepted, "a comment behind a value"),
    ("sec_yes_trailing_space", Verdict::Accepted, "a blank at the end of a line cannot be seen"),
    ("tabonly_in_section", Verdict::Accepted, "a blank line does not end a section"),
    ("three_spaces", Verdict::Accepted, "any indentation belongs to the section"),
    ("twotabs_in_section", Verdict::Accepted, "a blank line is blank, however many tabs it holds"),
    ("virtual_indented", Verdict::Accepted, "virtual cannot be anything but the start of a section"),
    ("virtual_line_last_in_file", Verdict::Accepted, "a section may be empty"),
    // Accidents that were accepted.
    ("checktype_checktimeoutN", Verdict::Refused, "checktimeout3 would be checktype=3"),
    ("checktype_negnum", Verdict::Refused, "-1 would be checktype=1"),
    ("checktype_number_text", Verdict::Refused, "external2 would be checktype=2"),
    ("real_underscore", Verdict::Refused, "foo_localhost would be localhost"),
    ("scheduler_mixed", Verdict::Refused, "Wlc would be lc"),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Accepted,
    Refused,
}

/// `localhost` and the system's service names; nothing else resolves, as where the results were recorded.
struct Localhost(SystemNames);

impl Names for Localhost {
    fn host(&self, name: &str, family: ipvs::Family) -> Option<IpAddr> {
        match (name, family) {
            ("localhost", ipvs::Family::V4) => Some(IpAddr::from([127, 0, 0, 1])),
            _ => None,
        }
    }
    fn port(&self, name: &str, protocol: Option<&str>) -> Option<u16> {
        self.0.port(name, protocol)
    }
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/probes"))
}

fn recorded() -> BTreeMap<String, Verdict> {
    let text = std::fs::read_to_string(folder().join("results.tsv")).unwrap();
    text.lines()
        .skip(1)
        .map(|line| {
            let mut fields = line.split('\t');
            let name = fields.next().unwrap().to_owned();
            match fields.next().unwrap() {
                "rc=3" => (name, Verdict::Accepted),
                "rc=2" => (name, Verdict::Refused),
                other => panic!("{name}: {other}"),
            }
        })
        .collect()
}

fn ours(name: &str) -> (Verdict, String) {
    let source = Source::read(folder().join(format!("{name}.cf"))).unwrap();
    match load_source(source, &Localhost(SystemNames::load())) {
        Ok(loaded) => (Verdict::Accepted, loaded.report.render()),
        Err(LoadError::Refused(report)) => (Verdict::Refused, report.render()),
        Err(error) => panic!("{name}: {error}"),
    }
}

#[test]
fn every_probe_is_judged_as_ldirectord_did_or_deliberately_otherwise() {
    let recorded = recorded();
    assert!(recorded.len() > 90, "only {} probes", recorded.len());
    let mut wrong = Vec::new();
    for (name, theirs) in &recorded {
        let (verdict, report) = ours(name);
        let expected = DIFFERENT.iter().find(|row| row.0 == name).map_or(*theirs, |row| row.1);
        if verdict != expected {
            wrong.push(format!("{name}: {verdict:?}, ldirectord {theirs:?}\n{report}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (name, verdict, _) in DIFFERENT {
        assert_ne!(recorded.get(*name), Some(verdict), "{name} is no difference");
    }
}

#[test]
fn strict_warns_of_what_ldirectord_refused_and_of_nothing_else() {
    let mut wrong = Vec::new();
    for (name, theirs) in recorded() {
        if ours(&name).0 == Verdict::Refused {
            continue; // nobody has to be warned of a file that is not accepted
        }
        let source = Source::read(folder().join(format!("{name}.cf"))).unwrap();
        let report = ldirectords_view(source);
        let refused = report.lines().any(|line| line.contains("ldirectord refuses this line"));
        if refused != (theirs == Verdict::Refused) {
            wrong.push(format!("{name}: ldirectord {theirs:?}\n{}", report.render()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_refusal_shows_a_place_and_a_hint() {
    for (name, _) in recorded().iter().filter(|(name, _)| ours(name).0 == Verdict::Refused) {
        let report = ours(name).1;
        assert!(report.contains(&format!("{name}.cf:")), "{name} has no place:\n{report}");
        assert!(report.contains("help: "), "{name} has no hint:\n{report}");
    }
}

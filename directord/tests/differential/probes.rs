//! The small files of `tests/fixtures/probes`, one for each rule of the grammar: what both programs accept means the same.

use crate::case::Case;
use crate::equip;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// What the names of these cases begin with, before the file's.
pub const PREFIX: &str = "probe-";

/// The cases of the files that ldirectord accepts, and the files that are none, with the reason.
pub fn cases() -> (Vec<Case>, Vec<String>) {
    let (mut cases, mut left_out) = (Vec::new(), Vec::new());
    let results = std::fs::read_to_string(folder().join("results.tsv")).unwrap();
    for line in results.lines().skip(1) {
        let mut fields = line.split('\t');
        let (name, verdict) = (fields.next().unwrap(), fields.next().unwrap());
        if verdict != "rc=3" {
            continue; // ldirectord refuses it
        }
        match case(name) {
            Ok(case) if case.files[0].matches("virtual").count() == 1 => {} // nothing of it is in a table
            Ok(case) => cases.push(case),
            Err(reason) => {
                let error = reason.lines().find(|line| line.starts_with("error")).unwrap_or(&reason);
                left_out.push(format!("{PREFIX}{name}: refused, as tests/probes.rs tells: {error}"));
            }
        }
    }
    (cases, left_out)
}

/// The case of one of those files.
pub fn case(name: &str) -> Result<Case, String> {
    let text = std::fs::read_to_string(folder().join(format!("{name}.cf"))).unwrap();
    let text = with_servers(text);
    let mut case = Case::new(&format!("{PREFIX}{name}"), [text.clone(), text]);
    case.brief = true;
    case.hosts.push((IpAddr::from([127, 0, 0, 1]), "localhost".to_owned()));
    let plan = case.plan(0)?;
    equip::equip(&mut case, &plan);
    Ok(case.judge())
}

/// Many probes are a section without real servers, in which most directives mean nothing: those get some, in their last line's
/// section, if the line belongs to one.
fn with_servers(text: String) -> String {
    let last = text.lines().rev().find(|line| !line.trim_start().starts_with('#'));
    let open = last.is_some_and(|line| {
        line.starts_with("virtual") || line.starts_with([' ', '\t']) && !line.trim().is_empty()
    });
    if !open || text.contains("real=") {
        return text;
    }
    let lines = if text.contains("virtual6") {
        "\treal6=[2001:db8::10]:80 gate 2\n\treal6=[2001:db8::11]:80 masq\n"
    } else {
        "\treal=192.0.2.10:80 gate 2\n\treal=192.0.2.11:80 masq\n"
    };
    text + lines
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/probes")
}

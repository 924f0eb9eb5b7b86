//! Files from the wild: what of them can run here, and servers as they want them.

use crate::case::Case;
use crate::equip;
use std::net::IpAddr;
use std::path::Path;

const FOLDER: &str = "ldirectord";

/// For so many servers ldirectord takes minutes until they are in a table that another kernel keeps.
const LARGE: usize = 100;

/// The cases of the folder's files that ldirectord accepts, and the files that are none, with the reason.
pub fn cases(folder: &str, large: bool) -> (Vec<Case>, Vec<String>) {
    let (mut cases, mut left_out) = (Vec::new(), Vec::new());
    for (name, hosts) in accepted(folder) {
        match case(folder, &name, &hosts) {
            Ok(case) if case.brief && !large => {
                left_out.push(format!("{name}: more than {LARGE} servers; --large plays it"));
            }
            Ok(case) => cases.push(case),
            Err(reason) => left_out.push(format!("{name}: {reason}")),
        }
    }
    (cases, left_out)
}

/// The case of one of those files.
pub fn named(folder: &str, wanted: &str) -> Case {
    let (name, hosts) =
        accepted(folder).into_iter().find(|(name, _)| name == wanted).expect("a file of the corpus");
    case(folder, &name, &hosts).expect("a case")
}

/// The files that ldirectord accepts, each with the names that it has to know for that.
fn accepted(folder: &str) -> Vec<(String, String)> {
    let index = std::fs::read_to_string(Path::new(folder).join(FOLDER).join("index.tsv"))
        .expect("index.tsv of the corpus");
    let of_line = |line: &str| {
        let fields: Vec<&str> = line.split('\t').collect();
        let names = fields.get(7).and_then(|field| field.strip_prefix("with names "));
        let names = names.and_then(|field| field.strip_suffix(" in hosts: accepted"));
        let taken = fields[3] == "accepted" || names.is_some();
        taken.then(|| (fields[0].to_owned(), names.unwrap_or_default().to_owned()))
    };
    index.lines().skip(1).filter_map(of_line).collect()
}

fn case(folder: &str, name: &str, names: &str) -> Result<Case, String> {
    let bytes = std::fs::read(Path::new(folder).join(FOLDER).join(name)).unwrap();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    // At the reload the other way to treat dead servers, and a section more.
    let other = if text.lines().any(|line| line.starts_with("quiescent") && line.contains("yes")) {
        "no"
    } else {
        "yes"
    };
    let reloaded = format!(
        "{text}\n\nvirtual=198.51.100.200:81\n\tchecktype=on\n\treal=198.51.100.201:81 masq 3\n\nquiescent={other}\n"
    );
    let mut case = Case::new(name, [text, reloaded]);
    for (number, name) in names.split(',').filter(|name| !name.is_empty()).enumerate() {
        // Three dots: more names of the same kind.
        let known = name.trim_end_matches('.');
        case.hosts.push((IpAddr::from([198, 18, 0, number as u8 + 1]), known.to_owned()));
        if known != name {
            more_names(known, &mut case.hosts);
        }
    }
    let plan = case.plan(0)?;
    case.brief = plan.services.iter().map(|service| service.reals.len()).sum::<usize>() > LARGE;
    equip::equip(&mut case, &plan);
    Ok(case.judge())
}

/// `bb.bb.bb.01...` is also `bb.bb.bb.02` to `bb.bb.bb.09`.
fn more_names(first: &str, hosts: &mut Vec<(IpAddr, String)>) {
    let Some(stem) = first.strip_suffix('1') else { return };
    for digit in 2..=9 {
        hosts.push((IpAddr::from([198, 18, 1, digit]), format!("{stem}{digit}")));
    }
}

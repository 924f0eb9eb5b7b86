//! The text against the rules of the format, which are checked here by a reader of its own.

use super::*;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

fn server(name: &str) -> ServerStatus {
    ServerStatus {
        server: name.into(),
        name: None,
        state: State::Up,
        why: "passed".into(),
        maintenance: false,
        check: "http".into(),
        weight: 5,
        drained: None,
        wanted_weight: Some(5),
        table_weight: Some(0),
        active: Some(3),
        inactive: None,
        failures: 0,
        since: 1_700_000_000,
        checked: None,
        took_ms: Some(1.5),
    }
}

fn snapshot() -> Snapshot {
    let service = |id: &str| ServiceStatus {
        service: id.into(),
        name: None,
        comment: None,
        scheduler: "rr".into(),
        in_table: true,
        fallback: None,
        fallback_active: false,
        kept: false,
        up: 2,
        servers: vec![server("192.0.2.10:80"), server("[2001:db8::10]:80")],
    };
    let mut took = Histogram::default();
    [0, 1, 3, 70_000].into_iter().for_each(|ms| took.observe(Duration::from_millis(ms)));
    let mut tally = Tally::default();
    ["passed", "refused", "passed"].into_iter().for_each(|outcome| tally.add(outcome));
    let mut edits = Edits::default();
    edits.add(&crate::reconcile::Action::DeleteService("FWM 1".parse().unwrap()));
    Snapshot {
        daemon: DaemonStatus {
            version: "0.1.0".into(),
            config: "/etc/ha.d/odd \"name\"\\\n.cf".into(),
            ..DaemonStatus::default()
        },
        services: vec![service("tcp:192.0.2.1:80"), service("fwm:1")],
        tallies: vec![
            (took.clone(), vec![tally.clone(), tally.clone()]),
            (took.clone(), vec![tally.clone(), tally]),
        ],
        edits,
        lag: took,
    }
}

/// A sample: its name, its labels as written, its value.
#[derive(Debug)]
struct Read {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

/// `name{label="value",...} 1.5`
fn sample(line: &str) -> Read {
    let end = line.find(['{', ' ']).expect("a value");
    let name = line[..end].to_owned();
    let (mut labels, mut rest) = (Vec::new(), &line[end..]);
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, after) = rest.split_once("=\"").expect("a label");
            let mut value = String::new();
            let mut letters = after.char_indices();
            let close = loop {
                match letters.next().expect("the end of a value") {
                    (at, '"') => break at,
                    (_, '\\') => value.push(match letters.next().expect("an escaped letter").1 {
                        'n' => '\n',
                        letter @ ('\\' | '"') => letter,
                        other => panic!("\\{other} in {line}"),
                    }),
                    (_, letter) => value.push(letter),
                }
            };
            labels.push((label.trim_start_matches(',').to_owned(), value));
            rest = &after[close + 1..];
        }
        rest = &rest[1..];
    }
    let value = rest.strip_prefix(' ').expect("a blank").parse().expect("a number");
    Read { name, labels, value }
}

fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_ascii_lowercase())
        && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Reads the text by the format's rules; what it says of every family.
fn read(text: &str) -> HashMap<String, (String, Vec<Read>)> {
    let body = text.strip_suffix("# EOF\n").expect("the end is marked");
    let mut families: HashMap<String, (String, Vec<Read>)> = HashMap::new();
    let mut current = String::new();
    let mut seen = HashSet::new();
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let (keyword, rest) = rest.split_once(' ').unwrap();
            let (name, what) = rest.split_once(' ').unwrap();
            match keyword {
                "HELP" => assert!(!what.is_empty(), "{line}"),
                "TYPE" => {
                    assert!(is_name(name), "{line}");
                    let kind = what.to_owned();
                    assert!(families.insert(name.to_owned(), (kind, Vec::new())).is_none(), "twice: {line}");
                    current = name.to_owned();
                }
                other => panic!("{other}"),
            }
            continue;
        }
        let sample = sample(line);
        assert!(seen.insert(line.rsplit_once(' ').unwrap().0.to_owned()), "twice: {line}");
        let (kind, samples) = families.get_mut(&current).expect("a type comes before its samples");
        let suffix = sample.name.strip_prefix(current.as_str()).expect("families are not mixed");
        match kind.as_str() {
            "gauge" => assert_eq!(suffix, ""),
            "counter" => assert!(suffix == "_total" && sample.value >= 0.0, "{line}"),
            "histogram" => assert!(["_bucket", "_count", "_sum"].contains(&suffix), "{line}"),
            other => panic!("{other}"),
        }
        let mut names = HashSet::new();
        assert!(sample.labels.iter().all(|(name, _)| is_name(name) && names.insert(name)), "{line}");
        samples.push(sample);
    }
    for (name, (kind, samples)) in &families {
        if kind == "histogram" {
            histogram(name, samples);
        }
    }
    families
}

/// Buckets grow with their bounds, and the infinite one counts all.
fn histogram(name: &str, samples: &[Read]) {
    let mut groups: HashMap<Vec<(String, String)>, Vec<&Read>> = HashMap::new();
    for sample in samples {
        let labels = sample.labels.iter().filter(|(label, _)| label != "le").cloned().collect();
        groups.entry(labels).or_default().push(sample);
    }
    for group in groups.values() {
        let bound = |sample: &Read| {
            let le = &sample.labels.iter().find(|(label, _)| label == "le").expect("a bound").1;
            if le == "+Inf" { f64::INFINITY } else { le.parse().expect("a bound") }
        };
        let buckets: Vec<(f64, f64)> = group
            .iter()
            .filter(|sample| sample.name.ends_with("_bucket"))
            .map(|sample| (bound(sample), sample.value))
            .collect();
        assert!(
            buckets.windows(2).all(|pair| pair[0].0 < pair[1].0 && pair[0].1 <= pair[1].1),
            "{buckets:?}"
        );
        let count = group.iter().find(|sample| sample.name.ends_with("_count")).expect("a count").value;
        assert_eq!(buckets.last(), Some(&(f64::INFINITY, count)));
        assert!(group.iter().any(|sample| sample.name.ends_with("_sum")), "{name}");
    }
}

fn value(families: &HashMap<String, (String, Vec<Read>)>, family: &str, labels: &[(&str, &str)]) -> f64 {
    let has = |sample: &Read| {
        labels.iter().all(|(name, value)| sample.labels.iter().any(|(n, v)| n == name && v == value))
    };
    families[family]
        .1
        .iter()
        .find(|sample| has(sample))
        .unwrap_or_else(|| panic!("{family} {labels:?}"))
        .value
}

#[test]
fn the_text_obeys_the_format_and_says_what_is_so() {
    let text = render(snapshot()).unwrap();
    let families = read(&text);
    let here = [("service", "fwm:1"), ("server", "[2001:db8::10]:80")];
    for (family, expected) in [
        ("directord_server_up", 1.0),
        ("directord_server_weight_wanted", 5.0),
        ("directord_server_weight_kernel", 0.0),
        ("directord_server_active_connections", 3.0),
        ("directord_server_last_check_duration_seconds", 0.0015),
    ] {
        assert_eq!(value(&families, family, &here), expected, "{family}");
    }
    let passed = [("service", "fwm:1"), ("server", "192.0.2.10:80"), ("outcome", "passed")];
    assert_eq!(value(&families, "directord_server_check_results", &passed), 2.0);
    assert_eq!(value(&families, "directord_table_edits", &[("action", "delete-service")]), 1.0);
    assert_eq!(value(&families, "directord_build_info", &[("config", "/etc/ha.d/odd \"name\"\\\n.cf")]), 1.0);
    let bucket = |bound| value(&families, "directord_loop_lag_seconds", &[("le", bound)]);
    assert_eq!([bucket("0.001"), bucket("0.005"), bucket("30.0"), bucket("+Inf")], [2.0, 3.0, 3.0, 4.0]);
}

#[test]
fn what_is_not_known_is_left_out() {
    let mut unknown = snapshot();
    unknown.daemon.table_unknown = Some("no permission".into());
    unknown.services.iter_mut().flat_map(|service| &mut service.servers).for_each(|server| {
        (server.table_weight, server.active) = (None, None);
    });
    let families = read(&render(unknown).unwrap());
    assert!(families["directord_server_weight_kernel"].1.is_empty());
    assert!(!families.contains_key("directord_service_in_table"));
    assert_eq!(value(&families, "directord_table_readable", &[]), 0.0);
    read(&render(Snapshot::default()).unwrap());
}

#[test]
#[should_panic(expected = "twice")]
fn the_reader_finds_mistakes() {
    read("# HELP a A.\n# TYPE a gauge\na 1\na 2\n# EOF\n");
}

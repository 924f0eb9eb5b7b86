//! Configuration files of real clusters: each must be accepted or refused as heartbeat 3.0.6 would.
//!
//! The files belong to others and are not part of this repository: `TANDEM_CORPUS` names the directory. In it,
//! `ha/NN-name/` holds `ha.cf`, `authkeys` and `haresources`, or some of them. A missing one is replaced by the
//! least that fits the others, so that each file is judged alone.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test says what went wrong by failing

use config::Report;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Files that heartbeat 3.0.6 refuses (or, for Pacemaker's, runs without haresources), by the number of their
/// directory: what must be said about each.
const REFUSED: &[(&str, &str, &str)] = &[
    // clusters managed by Pacemaker
    ("08", "ha.cf", "managed by Pacemaker"),
    ("09", "ha.cf", "managed by Pacemaker"),
    // templates whose variables were never filled in, one of them for Pacemaker
    ("17", "ha.cf", "neither an address nor a host name"),
    // the samples of the package: everything is commented out
    ("10", "ha.cf", "not in configuration"),
    ("11", "ha.cf", "not in configuration"),
    ("10", "authkeys", "Missing auth directive"),
    ("11", "authkeys", "Missing auth directive"),
];

/// Groups whose node is not in the `ha.cf` beside it.
const FOREIGN_GROUPS: &[&str] = &["01", "02", "04"];

#[test]
fn files_of_real_clusters() {
    let directory =
        std::env::var_os("TANDEM_CORPUS").expect("TANDEM_CORPUS names the directory of the files");
    let mut clusters: Vec<PathBuf> = fs::read_dir(Path::new(&directory).join("ha"))
        .expect("TANDEM_CORPUS/ha is a directory")
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    clusters.sort();
    assert!(!clusters.is_empty(), "no cluster in TANDEM_CORPUS/ha");
    let mut wrong = 0;
    for cluster in &clusters {
        for file in ["ha.cf", "authkeys", "haresources"] {
            if cluster.join(file).exists() {
                wrong += usize::from(!judge(cluster, file));
            }
        }
    }
    assert_eq!(wrong, 0, "files judged otherwise than expected");
}

/// Reads one file with its surroundings replaced by what fits, prints a line of the table, and says whether the
/// verdict is the expected one.
fn judge(cluster: &Path, file: &str) -> bool {
    let number = &cluster.file_name().unwrap().to_str().unwrap()[..2];
    let nodes = nodes(cluster);
    let with = Surroundings::new(cluster, file, &nodes);
    let reading = heartbeatd::config::read(&with.0, nodes.first().map_or("alpha", String::as_str));
    let said: Vec<String> = reading.reports.iter().flat_map(Report::lines).collect();
    let errors: Vec<&String> = said.iter().filter(|line| line.contains(": error: ")).collect();
    let expected = REFUSED.iter().find(|(n, f, _)| *n == number && *f == file).map(|(_, _, part)| *part);
    let expected =
        expected.or((file == "haresources" && FOREIGN_GROUPS.contains(&number)).then_some("Bad nodename"));
    let right = match expected {
        Some(part) => reading.plan.is_none() && errors.iter().any(|line| line.contains(part)),
        None => reading.plan.is_some(),
    };
    let verdict = if reading.plan.is_some() { "accepted" } else { "refused" };
    let mark = if right { "" } else { "   <-- unexpected" };
    println!("{number} {file:12} {verdict:9} {} warnings{mark}", said.len() - errors.len());
    errors.iter().for_each(|line| println!("      {}", line.rsplit('/').next().unwrap_or(line)));
    right
}

/// The nodes of the cluster's `ha.cf`, by eye: words behind `node`.
fn nodes(cluster: &Path) -> Vec<String> {
    let bytes = fs::read(cluster.join("ha.cf")).unwrap_or_default();
    String::from_utf8_lossy(&bytes)
        .lines()
        .filter_map(|line| line.split('#').next()?.trim().strip_prefix("node"))
        .filter(|rest| rest.starts_with([' ', '\t']))
        .flat_map(|rest| rest.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>())
        .collect()
}

/// A directory with one real file and two that fit it, removed at the end.
struct Surroundings(PathBuf);

impl Surroundings {
    fn new(cluster: &Path, file: &str, nodes: &[String]) -> Surroundings {
        let name = cluster.file_name().unwrap().to_str().unwrap();
        let path = std::env::temp_dir().join(format!("corpus-{}-{name}-{file}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        let real = |name: &str| (name == file).then(|| fs::read(cluster.join(name)).unwrap());
        let node = nodes.first().map_or("alpha", String::as_str);
        let least = if nodes.is_empty() { first_words(cluster) } else { nodes.join(" ") };
        let ha_cf =
            real("ha.cf").unwrap_or_else(|| format!("node {least} {node}\nbcast eth0\n").into_bytes());
        let keys = real("authkeys").unwrap_or_else(|| b"auth 1\n1 sha1 x\n".to_vec());
        fs::write(path.join("ha.cf"), ha_cf).unwrap();
        fs::write(path.join("authkeys"), keys).unwrap();
        fs::set_permissions(path.join("authkeys"), fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(path.join("haresources"), real("haresources").unwrap_or_default()).unwrap();
        Surroundings(path)
    }
}

impl Drop for Surroundings {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The home nodes of `haresources` where no `ha.cf` is there to name them.
fn first_words(cluster: &Path) -> String {
    let bytes = fs::read(cluster.join("haresources")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes).replace("\\\n", " ");
    let lines = text.lines().filter_map(|line| line.split('#').next()?.split_whitespace().next());
    lines.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

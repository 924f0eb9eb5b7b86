//! The real ldirectord of Debian beside directord: the same file, the same real servers, and the same table in the kernel.
//!
//! Each program gets a network of its own with the addresses of the file's real servers; some answer, some answer wrongly, some
//! are gone. The tables, as `ipvsadm -Sn` writes them, are compared after the start, after a change of the servers, after
//! a reload with a changed file and after the stop. What is not compared stands in [`different`], with the reason, and is counted.
//!
//! ```text
//! differential [--probes] [--corpus DIR] [--large] [--random N] [--seed S] [--jobs N] [--own-kernel] [NAME...]
//! ```
//!
//! `--probes` takes the small files of `tests/fixtures/probes`, `--corpus` the files of `DIR/ldirectord`, of both those that
//! ldirectord accepts, the largest with `--large`; `--random` takes N random files. A NAME selects the cases whose names contain it. Needs root, Debian's `ldirectord` and `ipvsadm`; and a kernel with IPVS, which
//! `--own-kernel` says this machine has, else `tests/lab/uml-run` brings one.
//!
//! Nothing is waited for by the clock: a real server that both programs check in every round counts the rounds.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a helper of a test may fail it
#![allow(unreachable_pub)] // a test has no other side

mod case;
#[path = "../certificate/mod.rs"]
mod certificate;
mod compare;
mod corpus;
mod different;
mod equip;
mod probes;
mod random;
mod servers;
mod side;
mod speak;
mod tables;
mod trust;

use case::Case;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Instant;
use tables::lender::Lender;

/// What the command line asks for.
#[derive(Debug)]
pub struct Asked {
    probes: bool,
    corpus: Option<String>,
    /// Also those files of it that take minutes.
    large: bool,
    random: u64,
    seed: u64,
    jobs: usize,
    names: Vec<String>,
    /// The tables are in this machine's own kernel.
    own_kernel: bool,
    /// For a process that is one side of one case.
    side: Option<String>,
    /// For such a process: where it finds which table.
    table: Option<(PathBuf, u32)>,
    /// For the process that keeps the tables in another kernel.
    keep_tables: bool,
}

fn main() -> ExitCode {
    let asked = asked();
    if asked.keep_tables {
        tables::keeper::serve();
        return ExitCode::SUCCESS;
    }
    if let Some(side) = &asked.side {
        side::play(side, &named(&asked, &asked.names[0]), asked.table.as_ref());
        return ExitCode::SUCCESS;
    }
    let (mut cases, left_out) = cases(&asked);
    cases.retain(|case| {
        asked.names.is_empty() || asked.names.iter().any(|name| case.name.contains(name.as_str()))
    });
    left_out.iter().for_each(|line| println!("left out: {line}"));
    cases.reverse(); // they are taken from the end
    let lender = (!asked.own_kernel).then(tables::lender::Lender::start);
    let (waiting, results) = (Mutex::new(cases), Mutex::new((0, Vec::new())));
    std::thread::scope(|scope| {
        for _ in 0..asked.jobs {
            scope.spawn(|| {
                while let Some(case) = { waiting.lock().unwrap().pop() } {
                    run(&case, lender.as_ref(), &mut |good| {
                        let mut results = results.lock().unwrap();
                        if good { results.0 += 1 } else { results.1.push(case.name.clone()) }
                    });
                }
            });
        }
    });
    let (passed, failed) = results.into_inner().unwrap();
    println!("\n{passed} passed, {} failed {failed:?}", failed.len());
    if failed.is_empty() && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs one case, says how it went, and counts it.
fn run(case: &Case, lender: Option<&Lender>, count: &mut dyn FnMut(bool)) {
    let began = Instant::now();
    let result = compare::compare(case, lender);
    let seconds = began.elapsed().as_secs_f64();
    match &result {
        Ok(compared) => {
            case.notes.iter().for_each(|note| println!("{}: not compared: {note}", case.name));
            println!("{}: {compared} lines of tables are the same", case.name);
            println!("test {} ... ok ({seconds:.1} s)", case.name);
        }
        Err(words) => {
            println!(
                "test {} ... FAILED ({seconds:.1} s)\n{words}\n--- the file:\n{}\n--- at the reload:\n{}\n--- the servers:\n{}",
                case.name,
                case.files[0],
                case.files[1],
                case.servers_in_words()
            );
        }
    }
    count(result.is_ok());
}

/// The cases, and what of the corpus is none.
fn cases(asked: &Asked) -> (Vec<Case>, Vec<String>) {
    let of_corpus = asked.corpus.as_ref().map(|folder| corpus::cases(folder, asked.large));
    let (mut cases, mut left_out) = of_corpus.unwrap_or_default();
    cases.extend((0..asked.random).map(|n| random::case(asked.seed + n)));
    // The short ones last, so that none is left alone at the end.
    if asked.probes {
        let (of_probes, no_cases) = probes::cases();
        cases.extend(of_probes);
        left_out.extend(no_cases);
    }
    (cases, left_out)
}

/// The case of that name alone.
fn named(asked: &Asked, name: &str) -> Case {
    if let Some(number) = name.strip_prefix(random::PREFIX) {
        return random::case(number.parse().unwrap());
    }
    if let Some(probe) = name.strip_prefix(probes::PREFIX) {
        return probes::case(probe).expect("a case");
    }
    corpus::named(asked.corpus.as_ref().expect("a case of that name"), name)
}

fn asked() -> Asked {
    let mut asked = Asked {
        probes: false,
        corpus: None,
        large: false,
        random: 0,
        seed: 1,
        jobs: 10,
        names: Vec::new(),
        own_kernel: false,
        side: None,
        table: None,
        keep_tables: false,
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().unwrap_or_else(|| panic!("{word} needs a value"));
        match word.as_str() {
            "--probes" => asked.probes = true,
            "--corpus" => asked.corpus = Some(value()),
            "--large" => asked.large = true,
            "--random" => asked.random = value().parse().expect("a number of files"),
            "--seed" => asked.seed = value().parse().expect("a number"),
            "--jobs" => asked.jobs = value().parse().expect("a number of cases at a time"),
            "--own-kernel" => asked.own_kernel = true,
            "--side" => asked.side = Some(value()),
            "--table" => asked.table = Some((value().into(), value().parse().expect("a number"))),
            "--keep-tables" => asked.keep_tables = true,
            other => asked.names.push(other.to_owned()),
        }
    }
    asked
}

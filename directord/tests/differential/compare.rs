//! Both sides of a case, step by step, and what their tables differ in.

use crate::case::{BEACON, Case};
use crate::side::{END, FAILED};
use crate::tables::lender::Lender;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// For so many rounds tables may differ after both programs have seen everything: one acts a moment after it has seen, with `fork`
/// every section has rounds of its own, and on a busy machine a check may exceed its limit.
const SETTLE: usize = 120;

const STEPS: &[(&str, &str)] = &[
    ("start", "after the start"),
    ("servers", "after the change of the servers"),
    ("reload", "after the reload"),
    ("again", "after the second change of the servers"),
    ("stop", "after the stop"),
];

/// Plays a case; how many lines of tables were compared, or what differs.
pub fn compare(case: &Case, lender: Option<&Lender>) -> Result<usize, String> {
    let mut sides = [Side::start("old", case, lender), Side::start("new", case, lender)];
    let mut compared = 0;
    let steps = if case.brief { &STEPS[..1] } else { STEPS };
    for (step, when) in steps {
        let mut tables = perform(&mut sides, step, case, when)?;
        let mut alike_for = 0;
        // Alike at the end, and a round later too: nothing is still under way.
        if *step != "stop" && !tables[0].iter().any(|line| line.contains(BEACON)) {
            return Err(format!("{when}: ldirectord's table lacks a server that is up: {:?}", tables[0]));
        }
        for _ in 0..SETTLE {
            alike_for = if tables[0] == tables[1] { alike_for + 1 } else { 0 };
            if alike_for == 2 || *step == "stop" {
                break;
            }
            tables = perform(&mut sides, "another round", case, when)?;
        }
        if tables[0] != tables[1] {
            return Err(format!("{when}:\n{}", difference(&tables)));
        }
        compared += tables[0].len();
    }
    Ok(compared)
}

/// Both do a step at the same time.
fn perform(
    sides: &mut [Side<'_>; 2],
    step: &str,
    case: &Case,
    when: &str,
) -> Result<[BTreeSet<String>; 2], String> {
    sides.iter_mut().for_each(|side| side.ask(step));
    let [old, new] = sides;
    Ok([old.table(case, when)?, new.table(case, when)?])
}

fn difference(tables: &[BTreeSet<String>; 2]) -> String {
    let only = |name: &str, mine: usize| {
        let lines = tables[mine].difference(&tables[1 - mine]);
        lines.map(|line| format!("  only {name}: {line}\n")).collect::<String>()
    };
    only("ldirectord", 0) + &only("directord", 1)
}

/// A side: a process with everything it needs. It ends, with all its processes, when this is dropped.
struct Side<'a> {
    name: &'static str,
    lent: Option<(&'a Lender, u32)>,
    process: Child,
    steps: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl<'a> Side<'a> {
    fn start(name: &'static str, case: &Case, lender: Option<&'a Lender>) -> Side<'a> {
        let lent = lender.map(|lender| (lender, lender.table()));
        let mut command = Command::new("setpriv"); // it ends with the test, however that ends
        command.args([
            "--pdeathsig",
            "KILL",
            "unshare",
            "--net",
            "--mount",
            "--propagation",
            "private",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
        ]);
        command.arg("env");
        if let Some(lender) = lender {
            command.arg(format!("LD_PRELOAD={}", lender.library().display()));
        }
        command.arg(std::env::current_exe().unwrap()).args(["--side", name]);
        command.args(lent.iter().flat_map(|(lender, table)| lender.arguments(*table)));
        command.args(case_arguments()).arg(&case.name);
        let mut process = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (steps, answers) = (process.stdin.take().unwrap(), process.stdout.take().unwrap());
        Side { name, lent, process, steps, answers: BufReader::new(answers) }
    }

    fn ask(&mut self, step: &str) {
        let _ = writeln!(self.steps, "{step}"); // a side that has ended is noticed by its answer
    }

    /// What it answered, without what is not compared.
    fn table(&mut self, case: &Case, when: &str) -> Result<BTreeSet<String>, String> {
        let (mut lines, mut failure) = (BTreeSet::new(), String::new());
        loop {
            let mut line = String::new();
            if self.answers.read_line(&mut line).unwrap_or(0) == 0 {
                return Err(format!("{when}: the {} side has ended", self.name));
            }
            let line = line.trim_end();
            if line == END {
                break;
            }
            match line.strip_prefix(FAILED) {
                Some(words) => failure += &format!("\n{words}"),
                None if compared(line, case) => drop(lines.insert(line.to_owned())),
                None => {}
            }
        }
        if failure.is_empty() { Ok(lines) } else { Err(format!("{when}: the {} side:{failure}", self.name)) }
    }
}

fn compared(line: &str, case: &Case) -> bool {
    !case.skipped.iter().any(|service| line.starts_with(&format!("-a {service} -r ")))
}

/// The arguments that make the same cases again.
fn case_arguments() -> Vec<String> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let mut kept = Vec::new();
    for pair in words.windows(2) {
        if ["--corpus", "--random", "--seed"].contains(&pair[0].as_str()) {
            kept.extend(pair.iter().cloned());
        }
    }
    kept
}

impl Drop for Side<'_> {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some((lender, table)) = self.lent {
            lender.release(table);
        }
    }
}

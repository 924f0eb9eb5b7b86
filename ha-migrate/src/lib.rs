//! The way to Tandem: what will be different with the files of a pair that runs heartbeat 3.0.6 and ldirectord 4.12.
//!
//! ```text
//!  /etc/ha.d ──► the parsers of heartbeatd, ha-resources, directord ──► diagnostics ─┐
//!  /etc/default       (the very ones that will read the files)                       ├─► findings ──► text, JSON,
//!  /etc/ha.d/rc.d,                                                                   │   by file     exit code
//!  resource.d    ──► what is known of the old programs ──────────────► differences ──┘   and line
//! ```
//!
//! * [`check`] goes through the files; one module for each kind of file has the differences that are known.
//! * [`mod@import`] makes such files of those of keepalived, piranha and ipvsadm, and says what has no equivalent.
//! * [`finding`] a thing to say, how much it matters, and how it is shown.
//! * [`args`] the command line.
//!
//! Nothing of the machine is changed: `check` only reads, `import` writes into the directory that it is given.
#![forbid(unsafe_code)]

pub mod args;
pub mod check;
pub mod finding;
pub mod import;
pub mod names;

use args::{Args, Import, Program, Verb};
use finding::Summary;
use import::Output;
use std::process::ExitCode;

/// Nothing must change.
const FINE: u8 = 0;
/// Something must change.
const MUST_CHANGE: u8 = 1;
/// There is nothing to check.
const NOTHING: u8 = 3;

/// Does what the command line asks, and says it.
pub fn run(args: &Args) -> ExitCode {
    match &args.verb {
        Verb::Check(check) => {
            let summary = match check::directory(&check.places()) {
                Ok(summary) => summary,
                Err(error) => {
                    eprintln!("error: {error}");
                    return ExitCode::from(NOTHING);
                }
            };
            say(&if args.json { summary.json() } else { summary.text(check.verbose) });
            ExitCode::from(if summary.must_change() { MUST_CHANGE } else { FINE })
        }
        Verb::Import(import) => match imported(import) {
            Ok((output, summary)) => {
                say(&if args.json {
                    summary.json()
                } else {
                    summary.text(import.verbose) + &written(import, &output)
                });
                ExitCode::from(if summary.loses() { MUST_CHANGE } else { FINE })
            }
            Err(why) => {
                eprintln!("error: {why}");
                ExitCode::from(NOTHING)
            }
        },
    }
}

/// Reads, makes and writes; what is wrong is a sentence.
fn imported(import: &Import) -> Result<(Output, Summary), String> {
    let settings = import.settings()?;
    let sources = import
        .files
        .iter()
        .map(|path| import::read(path).map_err(|error| format!("{}: {error}", path.display())));
    let sources = sources.collect::<Result<Vec<_>, _>>()?;
    let output = match (import.program, sources.as_slice()) {
        (Program::Keepalived, _) => import::keepalived::import(sources, &settings),
        (Program::Piranha, [source]) => import::piranha::import(source.clone(), &settings),
        (Program::Ipvsadm, [source]) => import::ipvsadm::import(source),
        _ => return Err("this program has one file".to_owned()),
    };
    let summary = output.summary(&settings.node);
    if output.files.is_empty() {
        return Err(format!("{}nothing in it can be taken over", summary.text(true)));
    }
    output.write(&settings.output, import.force).map_err(|error| error.to_string())?;
    Ok((output, summary))
}

fn written(import: &Import, output: &Output) -> String {
    let names = output.files.iter().map(|file| format!("  {}\n", import.output.join(&file.name).display()));
    let pair = output.files.iter().any(|file| file.name == "ha.cf");
    let check = if pair {
        format!("  heartbeatd --check --config-dir {}\n", import.output.display())
    } else {
        String::new()
    };
    let director = output.files.iter().any(|file| file.name == "ldirectord.cf");
    let director = if director {
        format!("  directord --config-dir {} ldirectord.cf check\n", import.output.display())
    } else {
        String::new()
    };
    let install = import.install_dir.display();
    let programs = if output.files.iter().any(|file| file.mode & 0o111 != 0) { ", with checks" } else { "" };
    format!(
        "\nWritten:\n{}Look at them with:\n{check}{director}They belong into {install} of both nodes{programs}.\n",
        names.collect::<String>()
    )
}

/// To standard output; a reader that has gone is no failure.
fn say(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().write_all(text.as_bytes());
}

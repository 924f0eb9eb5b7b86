//! The command line, with ldirectord's words and exit codes.

use std::path::PathBuf;

/// Exit code for a command line that is not understood.
pub const USAGE_CODE: u8 = 255;

/// What `-v` shows first.
pub const VERSION: &str =
    concat!("directord ", env!("CARGO_PKG_VERSION"), " (in place of Linux Director v1.186-ha)");

/// Shown for `-h` and mistakes.
pub const USAGE: &str = "\
Usage: directord [-d] [-f] [--run-dir DIR] [--config-dir DIR] [CONFIG] VERB [--json]

  CONFIG   configuration, looked for in /etc/ha.d, in /etc/ha.d/conf, then as a path;
           without it ldirectord.cf
  VERB     start          start the daemon; returns when the services are in the kernel's table
           stop           stop it; returns when it has ended
           restart        stop, then start
           try-restart    restart it if it runs
           reload         read the configuration again (also: force-reload)
           status         whether it runs; with --json all services and servers
           check          check the configuration and show what it asks for

  -d, --debug        stay in the foreground and log everything to standard error
  -f, --foreground   stay in the foreground
  --run-dir DIR      pid file and control socket (default /run)
  --config-dir DIR   where configurations are (default /etc/ha.d)
  --json             for status and check
  -h, --help         this text
  -v, --version      version and licence
";

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Verb {
    Start,
    Stop,
    Restart,
    TryRestart,
    Reload,
    Status,
    Check,
}

impl Verb {
    fn from_word(word: &str) -> Option<Verb> {
        Some(match word {
            "start" => Verb::Start,
            "stop" => Verb::Stop,
            "restart" => Verb::Restart,
            "try-restart" => Verb::TryRestart,
            "reload" | "force-reload" => Verb::Reload,
            "status" => Verb::Status,
            "check" => Verb::Check,
            _ => return None,
        })
    }
}

/// A whole command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arguments {
    /// The configuration, as written.
    pub config: Option<String>,
    /// What to do.
    pub verb: Verb,
    /// `-d`.
    pub debug: bool,
    /// `-f` or `-d`.
    pub foreground: bool,
    /// `--json`.
    pub json: bool,
    /// `--run-dir`.
    pub run_dir: PathBuf,
    /// `--config-dir`.
    pub config_dir: PathBuf,
}

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// Work.
    Run(Arguments),
    /// `-h`.
    Help,
    /// `-v`.
    Version,
    /// It is wrong; how.
    Wrong(String),
}

/// Reads the arguments after the program's name. Options may stand anywhere; words after the second are ignored,
/// as in ldirectord.
pub fn parse(arguments: impl IntoIterator<Item = String>) -> Parsed {
    let mut arguments = arguments.into_iter();
    let mut words = Vec::new();
    let mut found = Arguments {
        config: None,
        verb: Verb::Status,
        debug: false,
        foreground: false,
        json: false,
        run_dir: PathBuf::from("/run"),
        config_dir: PathBuf::from("/etc/ha.d"),
    };
    let mut only_words = false;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            _ if only_words => words.push(argument),
            "--" => only_words = true,
            "-h" | "-?" | "--help" => return Parsed::Help,
            "-v" | "--version" => return Parsed::Version,
            "-d" | "--debug" => (found.debug, found.foreground) = (true, true),
            "-f" | "--foreground" => found.foreground = true,
            "--json" => found.json = true,
            "--run-dir" | "--config-dir" => {
                let Some(folder) = arguments.next() else {
                    return Parsed::Wrong(format!("{argument} needs a folder"));
                };
                *(if argument == "--run-dir" { &mut found.run_dir } else { &mut found.config_dir }) =
                    folder.into();
            }
            option if option.starts_with('-') && option.len() > 1 => {
                return Parsed::Wrong(format!("Unknown option: {}", option.trim_start_matches('-')));
            }
            _ => words.push(argument),
        }
    }
    let (config, verb) = match words.as_slice() {
        [] => return Parsed::Wrong("a verb is missing".into()),
        [verb] => (None, verb),
        [config, verb, ..] => (Some(config.clone()), verb),
    };
    match Verb::from_word(verb) {
        Some(verb) => Parsed::Run(Arguments { config, verb, ..found }),
        None => Parsed::Wrong(format!("\"{verb}\" is not a verb")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Parsed {
        parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn one_word_is_the_verb_two_are_configuration_and_verb() {
        let Parsed::Run(one) = parsed("start") else { panic!() };
        assert_eq!((one.config, one.verb, one.foreground), (None, Verb::Start, false));
        let Parsed::Run(two) = parsed("-d --run-dir /tmp/x www.cf force-reload ignored") else { panic!() };
        assert_eq!(
            (two.config.as_deref(), two.verb, two.debug, two.foreground),
            (Some("www.cf"), Verb::Reload, true, true)
        );
        assert_eq!(two.run_dir, PathBuf::from("/tmp/x"));
        let Parsed::Run(json) = parsed("www.cf status --json") else { panic!() };
        assert!(json.json);
        let Parsed::Run(dashes) = parsed("-- -odd.cf stop") else { panic!() };
        assert_eq!(dashes.config.as_deref(), Some("-odd.cf"));
    }

    #[test]
    fn mistakes() {
        assert_eq!(parsed("-x start"), Parsed::Wrong("Unknown option: x".into()));
        for line in ["", "Start", "a.cf", "--run-dir"] {
            assert!(matches!(parsed(line), Parsed::Wrong(_)), "{line}");
        }
        assert_eq!((parsed("--help"), parsed("-v")), (Parsed::Help, Parsed::Version));
    }
}

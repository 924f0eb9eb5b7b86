//! The command line, with ldirectord's words and exit codes.

use std::path::PathBuf;
use std::time::Duration;

/// Exit code for a command line that is not understood.
pub const USAGE_CODE: u8 = 255;

/// What `-v` shows first.
pub const VERSION: &str =
    concat!("directord ", env!("CARGO_PKG_VERSION"), " (in place of Linux Director v1.186-ha)");

/// Shown for `-h` and mistakes.
pub const USAGE: &str = "\
Usage: directord [-d] [-f] [--run-dir DIR] [--config-dir DIR] [CONFIG] VERB [REAL] [OPTION]...

  CONFIG   configuration, looked for in /etc/ha.d, in /etc/ha.d/conf, then as a path;
           without it ldirectord.cf
  VERB     start          start the daemon, or activate the one on standby; returns when the services are in
                          the kernel's table
           start --standby  start the daemon, but leave the kernel's table alone until it is activated
           activate       the same as start
           deactivate     the daemon that was started for standby is on standby again, another one stops; returns
                          when the services have left the kernel's table
           stop           stop it; returns when it has ended
           restart        stop, then start
           try-restart    restart it if it runs
           reload         read the configuration again (also: force-reload)
           status         whether it runs and is not on standby; with --json all services and servers
           check          check the configuration and show what it asks for
           show [REAL]    services and servers: weights wanted and in the kernel, state,
                          connections, result and duration of the last check
           drain REAL     weight 0 whatever the checks say; existing connections live.
                          Kept over reloads and restarts, until `undrain` or a reboot
           undrain REAL   the checks decide again
           check-now [REAL]   run the checks at once (they count) and show the results
           events         the last 500 changes of state since the daemon started
           prepare ACCOUNT  as root, before the daemon is started as ACCOUNT: gives it the files that it
                          writes, and has a daemon that runs hand over the kernel's table
           table          the kernel's whole table as ipvsadm -Ln prints it; needs no daemon
           metrics        OpenMetrics text
  REAL     a real server: ADDRESS, ADDRESS:PORT, NAME or NAME:PORT as in the configuration

  -d, --debug        stay in the foreground and log everything to standard error
  -f, --foreground   stay in the foreground
  --run-dir DIR      pid file, control socket and drained servers (default /run)
  --config-dir DIR   where configurations are (default /etc/ha.d)
  --service VIRTUAL  for REAL, show, check-now: in this service only, written as in the
                     configuration (192.0.2.1:80, fwm:1, its servicename)
  --wait             drain: return when the kernel counts no active connection
  --limit SECONDS    drain --wait: for so long at most
  --watch            show: again every second, until q or ^C
  --standby          for start
  --follow           events: and those that come, until ^C
  --json             for status, check, show, drain, undrain, check-now, events
  --strict           check: also what ldirectord 4.12 would refuse or read differently
  -h, --help         this text
  -v, --version      version and licence

Exit codes of show, drain, undrain, check-now, events, table, metrics:
  0    done; check-now: all passed
  1    not done, such as an unknown server; check-now: a check did not pass
  3    the daemon is stopped
  4    unknown: the daemon does not answer, or not completely
  5    drain --wait: connections are left at the limit
  255  the command line is not understood
";

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Verb {
    Start,
    Stop,
    Activate,
    Deactivate,
    Restart,
    TryRestart,
    Reload,
    Status,
    Check,
    Prepare,
    Show,
    Drain,
    Undrain,
    CheckNow,
    Events,
    Table,
    Metrics,
}

impl Verb {
    fn from_word(word: &str) -> Option<Verb> {
        Some(match word {
            "start" => Verb::Start,
            "activate" => Verb::Activate,
            "deactivate" => Verb::Deactivate,
            "stop" => Verb::Stop,
            "restart" => Verb::Restart,
            "try-restart" => Verb::TryRestart,
            "reload" | "force-reload" => Verb::Reload,
            "status" => Verb::Status,
            "check" => Verb::Check,
            "prepare" => Verb::Prepare,
            "show" => Verb::Show,
            "drain" => Verb::Drain,
            "undrain" => Verb::Undrain,
            "check-now" => Verb::CheckNow,
            "events" => Verb::Events,
            "table" => Verb::Table,
            "metrics" => Verb::Metrics,
            _ => return None,
        })
    }

    /// Whether ldirectord has no such verb: then words that mean nothing are a mistake.
    pub fn is_new(self) -> bool {
        !matches!(
            self,
            Verb::Start
                | Verb::Stop
                | Verb::Restart
                | Verb::TryRestart
                | Verb::Reload
                | Verb::Status
                | Verb::Check
        )
    }

    /// How many words it is given, at least and at most.
    fn words(self) -> (usize, usize) {
        if self == Verb::Prepare { (1, 1) } else { self.servers() }
    }

    /// How many real servers it is given, at least and at most.
    fn servers(self) -> (usize, usize) {
        match self {
            Verb::Drain | Verb::Undrain => (1, 1),
            Verb::Show | Verb::CheckNow => (0, 1),
            _ => (0, 0),
        }
    }
}

/// A whole command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arguments {
    /// The configuration, as written.
    pub config: Option<String>,
    /// What to do.
    pub verb: Verb,
    /// The real server that it concerns, or the account for which it prepares, as written.
    pub real: Option<String>,
    /// `--service`.
    pub service: Option<String>,
    /// `--wait`.
    pub wait: bool,
    /// `--limit`.
    pub limit: Option<Duration>,
    /// `--watch`.
    pub watch: bool,
    /// `--follow`.
    pub follow: bool,
    /// `-d`.
    pub debug: bool,
    /// `-f` or `-d`.
    pub foreground: bool,
    /// `--json`.
    pub json: bool,
    /// `--strict`.
    pub strict: bool,
    /// `--standby`.
    pub standby: bool,
    /// `--run-dir`.
    pub run_dir: PathBuf,
    /// `--config-dir`.
    pub config_dir: PathBuf,
}

/// What a command line asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// Work.
    Run(Box<Arguments>),
    /// `-h`.
    Help,
    /// `-v`.
    Version,
    /// It is wrong; how.
    Wrong(String),
}

/// Reads the arguments after the program's name. Options may stand anywhere; for the verbs of ldirectord, words after
/// the second are ignored, as there.
pub fn parse(arguments: impl IntoIterator<Item = String>) -> Parsed {
    let mut arguments = arguments.into_iter();
    let mut words = Vec::new();
    let mut found = Arguments {
        config: None,
        verb: Verb::Status,
        real: None,
        service: None,
        wait: false,
        limit: None,
        watch: false,
        follow: false,
        debug: false,
        foreground: false,
        json: false,
        strict: false,
        standby: false,
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
            "--strict" => found.strict = true,
            "--wait" => found.wait = true,
            "--watch" => found.watch = true,
            "--follow" => found.follow = true,
            "--standby" => found.standby = true,
            "--run-dir" | "--config-dir" => {
                let Some(folder) = arguments.next() else {
                    return Parsed::Wrong(format!("{argument} needs a folder"));
                };
                *(if argument == "--run-dir" { &mut found.run_dir } else { &mut found.config_dir }) =
                    folder.into();
            }
            "--service" => match arguments.next() {
                Some(service) => found.service = Some(service),
                None => return Parsed::Wrong("--service needs a virtual service".into()),
            },
            "--limit" => match arguments.next().and_then(|word| word.parse().ok()) {
                Some(seconds) => found.limit = Some(Duration::from_secs(seconds)),
                None => return Parsed::Wrong("--limit needs a number of seconds".into()),
            },
            option if option.starts_with('-') && option.len() > 1 => {
                return Parsed::Wrong(format!("Unknown option: {}", option.trim_start_matches('-')));
            }
            _ => words.push(argument),
        }
    }
    match with_words(found, &words) {
        Ok(arguments) => Parsed::Run(Box::new(arguments)),
        Err(why) => Parsed::Wrong(why),
    }
}

/// `[CONFIG] VERB [REAL]`. The second word is a verb, or the first one is.
fn with_words(mut found: Arguments, words: &[String]) -> Result<Arguments, String> {
    let verb_at = |at: usize| words.get(at).and_then(|word| Verb::from_word(word));
    let (verb, rest) = match (verb_at(0), verb_at(1)) {
        _ if words.is_empty() => return Err("a verb is missing".into()),
        (_, Some(verb)) => {
            found.config = words.first().cloned();
            (verb, words.get(2..))
        }
        (Some(verb), _) if verb.is_new() || words.len() == 1 => (verb, words.get(1..)),
        _ => {
            let wrong = words.get(1).or(words.first()).map_or("", String::as_str);
            return Err(format!("\"{wrong}\" is not a verb"));
        }
    };
    found.verb = verb;
    if verb.is_new() {
        let rest = rest.unwrap_or_default();
        let (least, most) = verb.words();
        if rest.len() < least {
            let what = if verb == Verb::Prepare { "which account?" } else { "which real server?" };
            return Err(what.into());
        }
        if let Some(excess) = rest.get(most) {
            return Err(format!("\"{excess}\" is one word too many"));
        }
        found.real = rest.first().cloned();
    }
    let misplaced = [
        ("--wait", found.wait && verb != Verb::Drain),
        ("--limit", found.limit.is_some() && !found.wait),
        ("--watch", found.watch && verb != Verb::Show),
        ("--follow", found.follow && verb != Verb::Events),
        ("--standby", found.standby && verb != Verb::Start),
        ("--service", found.service.is_some() && verb.servers() == (0, 0)),
        ("--strict", found.strict && verb != Verb::Check),
        ("--json", found.json && matches!(verb, Verb::Table | Verb::Metrics | Verb::Prepare)),
    ];
    match misplaced.iter().find(|(_, misplaced)| *misplaced) {
        Some((option, _)) => Err(format!("{option} has no meaning here")),
        None => Ok(found),
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
        assert!(json.json && !json.strict);
        let Parsed::Run(strict) = parsed("www.cf check --strict") else { panic!() };
        assert!(strict.strict);
        let Parsed::Run(standby) = parsed("www.cf start --standby") else { panic!() };
        assert_eq!((standby.verb, standby.standby), (Verb::Start, true));
        let Parsed::Run(activate) = parsed("www.cf activate") else { panic!() };
        assert_eq!((activate.verb, activate.standby), (Verb::Activate, false));
        let Parsed::Run(dashes) = parsed("-- -odd.cf stop") else { panic!() };
        assert_eq!(dashes.config.as_deref(), Some("-odd.cf"));
    }

    #[test]
    fn a_new_verb_stands_first_or_behind_the_configuration() {
        let run = |line: &str| match parsed(line) {
            Parsed::Run(run) => (run.config, run.verb, run.real),
            other => panic!("{line}: {other:?}"),
        };
        let text = |text: &str| Some(text.to_owned());
        for (line, config, verb, real) in [
            ("show", None, Verb::Show, None),
            ("show web1", None, Verb::Show, text("web1")),
            ("www.cf show", text("www.cf"), Verb::Show, None),
            ("www.cf drain 192.0.2.1:80 --wait", text("www.cf"), Verb::Drain, text("192.0.2.1:80")),
            ("drain [2001:db8::1]:80", None, Verb::Drain, text("[2001:db8::1]:80")),
            ("www.cf prepare nobody", text("www.cf"), Verb::Prepare, text("nobody")),
            ("drain start", text("drain"), Verb::Start, None),
            ("show show", text("show"), Verb::Show, None),
            ("start start", text("start"), Verb::Start, None),
            ("check-now --service fwm:1", None, Verb::CheckNow, None),
        ] {
            assert_eq!(run(line), (config, verb, real), "{line}");
        }
        let Parsed::Run(waiting) = parsed("drain x --wait --limit 90 --service fwm:1 --json") else {
            panic!()
        };
        assert_eq!((waiting.wait, waiting.limit), (true, Some(Duration::from_secs(90))));
        assert_eq!(waiting.service.as_deref(), Some("fwm:1"));
    }

    #[test]
    fn mistakes() {
        assert_eq!(parsed("-x start"), Parsed::Wrong("Unknown option: x".into()));
        for line in ["", "Start", "a.cf", "--run-dir", "stop --standby", "a.cf activate --standby"] {
            assert!(matches!(parsed(line), Parsed::Wrong(_)), "{line}");
        }
        for line in [
            "drain",
            "prepare",
            "a.cf drain",
            "drain 192.0.2.1 more",
            "show --wait",
            "start --watch",
            "drain x --limit 5",
            "drain x --wait --limit soon",
            "drain x --service",
            "events --service fwm:1",
            "table --json",
            "start --strict",
            "metrics x",
        ] {
            assert!(matches!(parsed(line), Parsed::Wrong(_)), "{line}");
        }
        assert_eq!((parsed("--help"), parsed("-v")), (Parsed::Help, Parsed::Version));
    }
}

//! The manual pages and the programs say the same: every directive, verb and option that the code knows is in its page, and
//! a page has no other.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test says what went wrong by failing

use clap::{Command, CommandFactory};
use std::collections::BTreeSet;
use std::path::Path;

fn page(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../man").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The words behind a macro in the headings of a page's lists.
fn headings(page: &str, r#macro: &str) -> BTreeSet<String> {
    let lines = page.lines().filter(|line| line.starts_with(".It "));
    let mut found = BTreeSet::new();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let pairs = words.windows(2).filter(|pair| pair[0].trim_start_matches('.') == r#macro);
        found.extend(pairs.map(|pair| pair[1].to_owned()));
    }
    found
}

/// The options in the headings of a page's lists: `Fl -json`, `Fl f , Fl v`, `Op Fl n | p | v`.
fn flags(page: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in page.lines().filter(|line| line.starts_with(".It ")) {
        for behind in line.split("Fl ").skip(1) {
            let words = behind.split(" | ").filter_map(|word| word.split_whitespace().next());
            found.extend(words.map(str::to_owned));
        }
    }
    found
}

fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

/// What clap shows of a program: its options as they stand behind `Fl`, and its subcommands.
fn shown(mut command: Command) -> (BTreeSet<String>, BTreeSet<String>) {
    command.build();
    let (mut options, mut verbs) = (BTreeSet::new(), BTreeSet::new());
    let mut take = |command: &Command| {
        let own = |id: &str| !["help", "version"].contains(&id);
        let visible = command
            .get_arguments()
            .filter(|argument| !argument.is_hide_set() && own(argument.get_id().as_str()));
        for argument in visible {
            options.extend(argument.get_long().map(|long| format!("-{long}")));
            options.extend(argument.get_short().map(String::from));
        }
    };
    take(&command);
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set() && verb.get_name() != "help") {
        take(verb);
        verbs.insert(verb.get_name().to_owned());
    }
    (options, verbs)
}

/// Every word of the code is in the page, and every one of the page is in the code, but for these.
fn agree(what: &str, code: &BTreeSet<String>, page: &BTreeSet<String>, more: &[&str]) {
    let missing: Vec<_> = code.difference(page).collect();
    let unknown: Vec<_> = page.difference(code).filter(|word| !more.contains(&word.as_str())).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "{what}: not in the page: {missing:?}; not in the code: {unknown:?}"
    );
}

#[test]
fn directives_of_ha_cf() {
    let code = names(heartbeatd::config::DIRECTIVES.iter().copied());
    agree("ha.cf.5", &code, &headings(&page("ha.cf.5"), "Ic"), &[]);
}

#[test]
fn directives_of_ldirectord_cf() {
    use directord::config::{directive::DIRECTIVES, model::ServiceName};
    let text = page("ldirectord.cf.5");
    let code = names(DIRECTIVES.iter().map(|directive| directive.name));
    agree("ldirectord.cf.5", &code, &headings(&text, "Ic"), &[]);
    for service in ServiceName::NAMES {
        assert!(text.contains(&format!("\n.Cm {service} ")), "ldirectord.cf.5: service {service}");
    }
}

#[test]
fn methods_of_authkeys() {
    let methods = names(["sha256", "sha1", "md5", "crc"]);
    agree("authkeys.5", &methods, &headings(&page("authkeys.5"), "Ic"), &["auth"]);
    let keys = "auth 1\n1 sha256 0123456789abcdef\n2 sha1 0123456789abcdef\n3 md5 0123456789abcdef\n4 crc\n";
    let written = heartbeatd::config::written_keys(&config::Source::new("authkeys", keys));
    assert_eq!(written.len(), 5);
}

#[test]
fn options_and_verbs() {
    let pages = [
        ("heartbeatd.8", heartbeatd::run::Arguments::command()),
        ("ha-resources.8", ha_resources::args::Args::command()),
        ("ha-migrate.8", ha_migrate::args::Args::command()),
        ("ha-drill.8", ha_drill::args::Args::command()),
        ("cl_status.1", heartbeatd::tools::cl_status::command()),
        ("hb_standby.1", heartbeatd::tools::handover::command()),
        ("hb_takeover.1", heartbeatd::tools::handover::command()),
    ];
    for (name, command) in pages {
        let (options, verbs) = shown(command);
        let text = page(name);
        agree(name, &options, &flags(&text), &["-version", "-help", "V", "h"]);
        for verb in verbs {
            assert!(text.contains(&format!("Cm {verb}")), "{name} does not tell of {verb}");
        }
    }
}

#[test]
fn usage_of_directord() {
    let (usage, text) = (directord::cli::USAGE, page("directord.8"));
    let options = usage.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let options: BTreeSet<&str> = options.filter(|word| word.starts_with("--") && word.len() > 2).collect();
    assert!(options.len() >= 12, "{options:?}");
    for option in options {
        assert!(text.contains(&format!("Fl {}", &option[1..])), "directord.8 does not tell of {option}");
    }
    // the verbs are a list of their own: one begins at the same place of a line
    let list = usage
        .lines()
        .skip_while(|line| !line.starts_with("  VERB"))
        .take_while(|line| !line.starts_with("  REAL"));
    let verbs = list
        .filter_map(|line| line.get(11..).filter(|rest| !rest.starts_with(' '))?.split_whitespace().next());
    let verbs: BTreeSet<&str> = verbs.collect();
    assert!(verbs.len() >= 12, "{verbs:?}");
    for verb in verbs {
        assert!(text.contains(&format!("Cm {verb}")), "directord.8 does not tell of {verb}");
    }
}

use super::*;

fn place(zone: &str) -> Place {
    Place { host: "alpha".to_string(), pid: 812, zone: TimeZone::get(zone).unwrap() }
}

fn line(level: Level, text: &str) -> Line {
    Line { time: "2026-11-20T19:14:56.9Z".parse().unwrap(), level, text: text.to_string() }
}

fn settings(format: Format) -> Settings {
    Settings { ident: "heartbeatd".to_string(), targets: Vec::new(), format, level: Level::TRACE }
}

fn ldirectord() -> Format {
    Format::Ldirectord { name: "www".to_string() }
}

#[test]
fn heartbeats_own_form() {
    let (settings, place) = (settings(Format::Heartbeat), place("Europe/Berlin"));
    let text = |level, text| for_file(&line(level, text), &settings, &place);
    assert_eq!(text(Level::INFO, "Link up"), "Nov 20 20:14:56 alpha heartbeatd: [812]: info: Link up");
    assert_eq!(text(Level::WARN, "late"), "Nov 20 20:14:56 alpha heartbeatd: [812]: WARN: late");
    assert_eq!(text(Level::ERROR, "x"), "Nov 20 20:14:56 alpha heartbeatd: [812]: ERROR: x");
    assert_eq!(text(Level::TRACE, "x"), "Nov 20 20:14:56 alpha heartbeatd: [812]: debug: x");
    assert_eq!(
        for_syslog(&line(Level::WARN, "late"), &settings, &place, Facility::Local0),
        "<132>Nov 20 20:14:56 heartbeatd[812]: WARN: late"
    );
}

#[test]
fn ldirectords_own_form() {
    let (settings, place) = (settings(ldirectord()), place("UTC"));
    let line = line(Level::INFO, "Added real server: 192.0.2.1:80");
    assert_eq!(
        for_file(&line, &settings, &place),
        "[Fri Nov 20 19:14:56 2026|www|812] Added real server: 192.0.2.1:80"
    );
    assert_eq!(
        for_stdout(&line, &settings, &place),
        "[Fri Nov 20 19:14:56 2026] Added real server: 192.0.2.1:80"
    );
    assert_eq!(for_stderr(&line, &settings, &place, false), "Added real server: 192.0.2.1:80");
    assert_eq!(
        for_syslog(&line, &settings, &place, Facility::Daemon),
        "<30>Nov 20 19:14:56 heartbeatd[812]: Added real server: 192.0.2.1:80"
    );
}

#[test]
fn days_before_the_tenth_and_summer_time() {
    let early = Line { time: "2026-07-05T22:03:04Z".parse().unwrap(), ..line(Level::INFO, "x") };
    let place = place("America/New_York");
    let file = |format| for_file(&early, &settings(format), &place);
    assert_eq!(file(Format::Heartbeat), "Jul 05 18:03:04 alpha heartbeatd: [812]: info: x");
    assert_eq!(file(ldirectord()), "[Sun Jul  5 18:03:04 2026|www|812] x");
    let syslog = for_syslog(&early, &settings(Format::Plain), &place, Facility::User);
    assert_eq!(syslog, "<14>Jul  5 18:03:04 heartbeatd[812]: x");
}

#[test]
fn the_journal_gets_the_severity_of_each_line() {
    let place = place("UTC");
    let stderr = |format, text| for_stderr(&line(Level::ERROR, text), &settings(format), &place, true);
    assert_eq!(stderr(Format::Plain, "one\ntwo"), "<3>one\n<3>two");
    assert_eq!(stderr(Format::Heartbeat, "one"), "<3>ERROR: one");
    assert_eq!(for_stderr(&line(Level::DEBUG, "x"), &settings(Format::Plain), &place, true), "<7>x");
}

/// What a peer supplied cannot look like a line of its own, nor command a terminal.
#[test]
fn control_characters_are_made_visible() {
    let place = place("UTC");
    let nasty = line(Level::INFO, "a\nNov 20 x: \u{1b}[2J\r\tb\u{9b}1m \u{1F409} é");
    for format in [Format::Heartbeat, ldirectord(), Format::Plain] {
        let settings = settings(format.clone());
        for text in [
            for_file(&nasty, &settings, &place),
            for_stdout(&nasty, &settings, &place),
            for_stderr(&nasty, &settings, &place, false),
            for_syslog(&nasty, &settings, &place, Facility::User),
        ] {
            let allowed = |symbol| format == Format::Plain && (symbol == '\n' || symbol == '\t');
            assert!(!text.contains(|symbol: char| symbol.is_control() && !allowed(symbol)), "{text:?}");
            assert!(text.contains("\\u{1b}[2J") && text.ends_with("1m \u{1F409} é"), "{text:?}");
        }
        assert!(!for_syslog(&nasty, &settings, &place, Facility::User).contains('\n'));
    }
}

//! Moves by hand.

use std::io::{BufRead, BufReader, Write};

use lab::pair::{standby, start, takeover};
use lab::{Context, Node, Result, check, wait_until};
use rustix::process::Signal;

use crate::world::{ALL_ON_ALPHA, ALL_ON_BETA, AT_HOME, LIMIT, Options, Pair, SECOND, wait_logged};

type Command = fn(&Node, &str) -> Result<()>;

/// Each command, and where the groups are when it is done.
fn play(failback: &'static str, steps: &[(&str, Command, &str, [&str; 2])]) -> Result<()> {
    let pair = Pair::started(Options { failback, ..Options::default() })?;
    for (number, (node, command, set, placement)) in steps.iter().enumerate() {
        let node = pair.lab.find(node)?;
        let step = || format!("step {number}: {set} on {}", node.name());
        // A command that comes while the last hand-over is being finished is refused: an administrator asks again.
        lab::wait_for(crate::world::LIMIT, &step(), || command(&node, set).map(Some))?;
        pair.wait_placed(*placement)
            .map_err(|failure| lab::Failure::new(format!("{}: {failure}", step())))?;
    }
    pair.stays_placed(steps.last().map_or(AT_HOME, |step| step.3), pair.options.deadtime * 2)
}

#[test]
fn standby_of_each_set() -> Result<()> {
    const BOTH_AWAY: [&str; 2] = ["beta", "alpha"];
    play(
        "off",
        &[
            ("alpha", standby, "local", ALL_ON_BETA),
            ("beta", standby, "foreign", AT_HOME),
            ("beta", standby, "all", ALL_ON_ALPHA),
            ("alpha", standby, "failback", AT_HOME),
            ("alpha", standby, "local", ALL_ON_BETA),
            ("beta", standby, "local", BOTH_AWAY),
            ("alpha", standby, "foreign", ["beta", "beta"]),
            ("beta", standby, "failback", AT_HOME),
        ],
    )
}

#[test]
fn takeover_of_each_set() -> Result<()> {
    play(
        "off",
        &[
            ("alpha", takeover, "all", ALL_ON_ALPHA),
            ("beta", takeover, "local", AT_HOME),
            ("beta", takeover, "foreign", ALL_ON_BETA),
            ("alpha", takeover, "failback", AT_HOME),
        ],
    )
}

#[test]
fn standby_stays_although_failback_is_on() -> Result<()> {
    play("on", &[("alpha", standby, "all", ALL_ON_BETA)])
}

#[test]
fn a_standby_without_a_partner_changes_nothing() -> Result<()> {
    let pair = Pair::new(Options::default())?;
    start(&pair.alpha)?;
    pair.wait_placed(ALL_ON_ALPHA)?;
    assert!(standby(&pair.alpha, "all").is_err());
    pair.stays_placed(ALL_ON_ALPHA, pair.options.deadtime * 2)
}

/// Two administrators at the same moment: the second is told what the first has begun, not what was true before.
#[test]
fn a_second_request_within_the_same_moment_is_refused() -> Result<()> {
    let pair = Pair::started(Options { deadtime: 5 * SECOND, ..Options::default() })?;
    pair.beta.freeze()?; // it cannot agree, so the first request stays open
    let mut socket = pair.alpha.connect("/run/heartbeat/heartbeatd.sock")?;
    socket.set_read_timeout(Some(LIMIT))?;
    let request = "{\"request\":\"standby\",\"set\":\"all\"}\n";
    socket.write_all(request.repeat(2).as_bytes())?;
    let mut answers = BufReader::new(socket).lines();
    let mut answer = || answers.next().context(|| "the daemon has closed the connection".to_owned());
    let (first, second) = (answer()??, answer()??);
    pair.beta.thaw()?;
    check(first.contains("accepted"), || format!("the first request: {first}"))?;
    check(second.contains("Standby in progress"), || format!("the second request: {second}"))?;
    pair.wait_placed(ALL_ON_BETA).map(drop)
}

/// An administrator edits one node's haresources and forgets the other: both say so until the files are equal again.
#[test]
fn a_file_that_differs_between_the_nodes_is_told() -> Result<()> {
    const FILE: &str = "/etc/ha.d/haresources";
    let pair = Pair::started(Options::default())?;
    let views = [(&pair.alpha, "beta"), (&pair.beta, "alpha")];
    let wait = |wanted: bool| {
        for (node, of) in views {
            let what = format!("{} says whether haresources differs on {of}: {wanted}", node.name());
            lab::wait_until(LIMIT, &what, || {
                let page = pair.cl_status(node, &["status"])?;
                let line = page.lines().find(|line| line.trim_start().starts_with(&format!("{of}: active")));
                Ok(line.is_some_and(|line| line.contains("haresources differs") == wanted))
            })?;
        }
        Ok::<(), lab::Failure>(())
    };
    wait(false)?;
    let text = pair.beta.read(FILE)?;
    pair.beta.write(FILE, &format!("# another comment\n{text}beta 192.0.2.102/24/eth0\n"))?;
    wait(true)?;
    pair.beta.write(FILE, &format!("{text}# means the same\n"))?;
    wait(false)?;
    for (node, of) in views {
        let told =
            [format!("haresources differs on {of}:"), format!("haresources is the same on {of} again")];
        let log = wait_logged(node, &[&told[0], &told[1]])?;
        for words in told {
            check(log.matches(&words).count() == 1, || format!("{}: not once: {words}\n{log}", node.name()))?;
        }
        check(!log.contains("ha.cf differs"), || log.clone())?;
    }
    pair.stays_placed(AT_HOME, SECOND)
}

/// One node's haresources is edited while its groups run: what runs is shown as it was started, and is stopped so.
#[test]
fn what_runs_is_told_of_whatever_haresources_says_by_now() -> Result<()> {
    const FILE: &str = "/etc/ha.d/haresources";
    let pair = Pair::started(Options { failback: "off", ..Options::default() })?;
    let node = &pair.alpha;
    let page = || pair.cl_status(node, &["status"]);
    let shows = |wanted: &[&str]| {
        let what = format!("alpha shows {wanted:?}");
        wait_until(LIMIT, &what, || page().map(|page| wanted.iter().all(|words| page.contains(words))))
            .map_err(|failure| lab::Failure::new(format!("{failure}\n{}", page().unwrap_or_default())))
    };
    let text = node.read(FILE)?;
    let line = text.lines().find(|line| line.starts_with("alpha ")).unwrap_or_default();
    let key = line.split_whitespace().nth(1).unwrap_or_default();
    // another resource in the line
    node.write(FILE, &text.replace(line, &format!("{line} Delay::0")))?;
    shows(&[
        "WARN: haresources differs on beta",
        &format!("{key} (home alpha): held by alpha"),
        &format!("haresources was changed since the start here, which was of: {key}"),
    ])?;
    let state = |key: &str| node.sh(&format!("ha-resources statgroup {key}"));
    check(state(key)?.trim() == "ALL", || "what was started runs".to_owned())?;
    // the line has gone
    node.write(FILE, &text.replace(line, ""))?;
    shows(&[&format!("{key} (home alpha): held by alpha"), "no longer in haresources"])?;
    check(state(key)?.trim() == "ALL", || "what was started runs".to_owned())?;
    pair.stays_placed(AT_HOME, SECOND)?;
    lab::wait_for(LIMIT, "a move", || standby(node, "local").map(Some))?;
    pair.wait_placed(ALL_ON_BETA)?;
    node.write(FILE, &text)?;
    let words = ["no longer in haresources", "haresources was changed since"];
    let plain = || {
        page().map(|page| !words.iter().any(|words| page.contains(words)) && page.contains("held by beta"))
    };
    wait_until(LIMIT, "alpha shows what the file says", plain).map(drop)
}

/// A move that fails says why, at once and to who asks later; one that is not needed says that.
#[test]
fn a_request_that_met_trouble_says_which() -> Result<()> {
    let pair = Pair::new(Options { failback: "off", ..Options::default() })?;
    let node = &pair.alpha;
    let said = |words: &[&str]| -> Result<String> {
        let output = node.output(words)?;
        Ok([output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat())
    };
    // what cannot be stopped on alpha stays there
    let script = "#!/bin/sh\ncase $1 in\nstart) touch /run/stuck;;\nstop) [ ! -e /run/stuck ] || exit 1;;\n\
                  status) [ -e /run/stuck ] && echo running || echo stopped;;\nesac\n";
    for each in pair.nodes() {
        each.sh("mkdir -p /etc/ha.d/resource.d")?;
        each.write_mode("/etc/ha.d/resource.d/stuck", script, 0o755)?;
        let text = each.read("/etc/ha.d/haresources")?;
        let with = |line: &str| format!("{line}{}\n", if line.starts_with("alpha ") { " stuck" } else { "" });
        each.write("/etc/ha.d/haresources", &text.lines().map(with).collect::<String>())?;
        start(each)?;
    }
    pair.wait_placed(AT_HOME)?;
    let taken = |note: &String| note.contains("holds local resources already: there is nothing to take");
    lab::wait_for(LIMIT, "alpha says that it has them", || {
        said(&["hb_takeover", "local"]).map(|note| Some(note).filter(taken))
    })?;

    let begun = || said(&["hb_standby", "local", "--wait=60"]);
    let told = lab::wait_for(LIMIT * 4, "a stand-by that fails", || {
        let told = begun()?;
        check(!told.contains("refused"), || told.clone())?;
        Ok(Some(told))
    })?;
    check(told.contains("hb_standby: ") && told.contains("stuck"), || told.clone())?;
    wait_until(LIMIT, "the status tells it, too", || {
        let page = pair.cl_status(node, &["status"])?;
        Ok(page.contains("the last request, hb_standby local") && page.contains("stuck"))
    })?;
    node.sh("rm /run/stuck").map(drop)
}

/// The runs that wait for their work are killed, as a machine without memory does, or stopped: others do the work, and wait
/// again.
#[test]
fn a_prepared_run_that_was_killed_or_stopped_is_replaced() -> Result<()> {
    const WAITS: [&str; 2] = ["ha-resources", "await"];
    let pair = Pair::started(Options { failback: "off", ..Options::default() })?;
    let waiting = |node: &Node| {
        let what = format!("two runs wait on {}", node.name());
        wait_until(LIMIT, &what, || Ok(node.pids_of_each(&WAITS)?.len() == 2)).map(drop)
    };
    for (giver, placement, signal) in [
        (&pair.alpha, ALL_ON_BETA, Signal::KILL),
        (&pair.beta, ALL_ON_ALPHA, Signal::KILL),
        (&pair.alpha, ALL_ON_BETA, Signal::STOP),
    ] {
        for node in pair.nodes() {
            waiting(node)?;
            check(node.signal_each(&WAITS, signal)? == 2, || "no such runs".to_owned())?;
        }
        lab::wait_for(LIMIT, "everything is given away", || standby(giver, "all").map(Some))?;
        pair.wait_placed(placement)?;
    }
    pair.nodes().into_iter().try_for_each(waiting)
}

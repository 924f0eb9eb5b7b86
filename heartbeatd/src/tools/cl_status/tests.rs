//! Each subcommand against one picture of a pair.

use super::*;
use crate::control::{
    Beats, Client, Counters, Event, Group, GroupState, Hold, Link, Resources, Severity, Watchdog,
};

fn member(name: &str, status: NodeStatus, up: [bool; 2]) -> Node {
    let links = ["eth0", "eth1"].into_iter().zip(up);
    Node {
        name: name.to_owned(),
        status,
        links: links.map(|(name, up)| Link { name: name.to_owned(), up, why: None }).collect(),
        ..Node::default()
    }
}

fn pair() -> Status {
    let mut beta = member("beta", NodeStatus::Dead, [true, false]);
    beta.software = "heartbeat 3.0.6 or compatible".to_owned();
    beta.silent_ms = Some(12_345);
    beta.differs = vec!["haresources".to_owned()];
    let mut gateway = member("192.0.2.254", NodeStatus::Ping, [true, true]);
    gateway.kind = NodeKind::Ping;
    gateway.links = vec![Link { name: "192.0.2.254".to_owned(), up: true, why: None }];
    let group = |key: &str, home: &str, state, holder: Option<&str>| Group {
        key: key.to_owned(),
        resources: vec![key.to_owned(), "ldirectord::ldirectord.cf".to_owned()],
        home: home.to_owned(),
        state,
        holder: holder.map(str::to_owned),
        for_ms: 273_600_000,
        ..Group::default()
    };
    Status {
        version: "0.1.0".to_owned(),
        pid: 4711,
        uptime_ms: 273_600_000,
        node: "alpha".to_owned(),
        phase: "stable".to_owned(),
        nodes: vec![member("alpha", NodeStatus::Active, [true, true]), beta, gateway],
        resources: Resources {
            hold: Hold::All,
            standby_refusal: Some("the other node is not alive".to_owned()),
            ..Resources::default()
        },
        groups: vec![
            group("IPaddr2::192.0.2.100/24/eth0", "alpha", GroupState::Held, Some("alpha")),
            group("IPaddr2::192.0.2.101/24/eth0", "beta", GroupState::Failed, Some("alpha")),
        ],
        auto_failback: "off".to_owned(),
        parameters: [("keepalive", "500ms"), ("deadtime", "4")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into(),
        clients: vec![
            Client { node: "alpha".to_owned(), name: "ipfail".to_owned(), state: ClientState::Online },
            Client { node: "beta".to_owned(), name: "ipfail".to_owned(), state: ClientState::Leave },
        ],
        events: vec![Event {
            ago_ms: 8_345,
            severity: Severity::Warning,
            text: "node beta: is dead\x1b[2J".to_owned(),
        }],
        counters: Counters { beat_delay_us: 1234, ..Counters::default() },
        beats: Beats {
            scheduling: "SCHED_RR 1".to_owned(),
            count: 600,
            p50_us: 40,
            p99_us: 210,
            max_us: 1020,
            ..Beats::default()
        },
        watchdog: Some(Watchdog { device: "/dev/watchdog".to_owned(), timeout_s: Some(5) }),
        ..Status::default()
    }
}

/// The words as on the command line, against that picture: standard output, standard error, exit code.
fn ask(line: &str) -> (String, String, u8) {
    ask_of(line, &Ok(pair()))
}

fn ask_of(line: &str, status: &Result<Status, NoStatus>) -> (String, String, u8) {
    let words = ["cl_status"].into_iter().chain(line.split_whitespace());
    let arguments = Arguments::try_parse_from(words).unwrap();
    let style = match (arguments.json, arguments.sentence) {
        (true, _) => Style::Json,
        (_, true) => Style::Sentence,
        _ => Style::Word,
    };
    let Output { out, err, code } = answer(&arguments.query.unwrap_or(Query::Status), style, status);
    (out, err, code)
}

fn says(line: &str, out: &str, code: u8) {
    assert_eq!(ask(line), (out.to_owned(), String::new(), code), "{line}");
}

fn complains(line: &str, err: &str, code: u8) {
    assert_eq!(ask(line), (String::new(), format!("cl_status: {err}\n"), code), "{line}");
}

const BLOCKS: &str = "\n192.0.2.254\tping\t(nodetype: ping)\n\t192.0.2.254\tup\n\
    \nbeta\tdead\t(nodetype: normal)\n\teth1\tdead\n\teth0\tup\n\
    \nalpha\tactive\t(nodetype: normal)\n\teth1\tup\n\teth0\tup\n";

#[test]
fn hbstatus() {
    says("hbstatus", "Heartbeat is running on this machine.\n", 0);
    says("hbstatus -v", &format!("version:\t0.1.0\nmanaged by:\t\"haresources\"\n{BLOCKS}"), 0);
    let (out, ..) = ask("hbstatus -v -m");
    let begin = "Heartbeat version 0.1.0\nResources controlled by \"haresources\"\nThe nodes are as follow:\n\n192.0.2.254\t";
    let links = "\tthis node has the following heartbeat links:\n";
    assert!(out.starts_with(begin) && out.matches(links).count() == 3, "{out}");
}

#[test]
fn listnodes() {
    says("listnodes", "192.0.2.254\nbeta\nalpha\n", 0);
    says("listnodes -n", "beta\nalpha\n", 0);
    says("listnodes -p", "192.0.2.254\n", 0);
    says("listnodes -n -p", "192.0.2.254\nbeta\nalpha\n", 0);
    says("listnodes -v", BLOCKS, 0);
    says("listnodes -m -p", "The nodes are as follow:\n192.0.2.254\n", 0);
}

#[test]
fn nodes() {
    says("nodestatus alpha", "active\n", 0);
    says("nodestatus beta", "dead\n", 1);
    says("nodestatus 192.0.2.254", "ping\n", 0);
    says("nodestatus Alpha", "active\n", 0);
    says("nodestatus -m beta", "The cluster node beta is dead\n", 1);
    says("nodetype beta", "normal\n", 0);
    says("nodetype 192.0.2.254", "ping\n", 0);
    says("nodeweight alpha", "100\n", 0);
    says("nodesite alpha", "\n", 0);
    for query in ["nodestatus", "nodetype", "nodeweight", "nodesite"] {
        complains(
            &format!("{query} gamma"),
            "there is no node \"gamma\"; nodes: alpha, beta, 192.0.2.254",
            11,
        );
    }
    for (status, code) in [(NodeStatus::Init, 1), (NodeStatus::Up, 0)] {
        let mut pair = pair();
        pair.nodes[1].status = status;
        assert_eq!(ask_of("nodestatus beta", &Ok(pair)), (format!("{status}\n"), String::new(), code));
    }
}

#[test]
fn links() {
    says("listhblinks beta", "\teth1\n\teth0\n", 0);
    says("listhblinks -v beta", "\teth1\tdead\n\teth0\tup\n", 0);
    says("listhblinks -m beta", "\tthis node has the following heartbeat links:\n\teth1\n\teth0\n", 0);
    complains("listhblinks gamma", "there is no node \"gamma\"; nodes: alpha, beta, 192.0.2.254", 13);
    says("hblinkstatus beta eth0", "up\n", 0);
    says("hblinkstatus beta eth1", "dead\n", 1);
    says("hblinkstatus -m beta eth1", "The node beta's heartbeat link eth1 is dead\n", 1);
    complains("hblinkstatus beta eth2", "node beta has no link \"eth2\"; links: eth0, eth1", 13);
    complains("hblinkstatus gamma eth0", "there is no node \"gamma\"; nodes: alpha, beta, 192.0.2.254", 13);
}

#[test]
fn clients() {
    says("clientstatus alpha ipfail", "online\n", 0);
    says("clientstatus beta ipfail 500", "leave\n", 3);
    says("clientstatus beta other", "offline\n", 1);
    says("clientstatus -m beta other", "offline\n", 1);
    complains("clientstatus gamma ipfail", "there is no node \"gamma\"; nodes: alpha, beta, 192.0.2.254", 13);
    complains("clientstatus beta ipfail soon", "\"soon\" is no number of milliseconds", 13);
    let mut pair = pair();
    pair.clients[0].state = ClientState::Join;
    assert_eq!(ask_of("clientstatus alpha ipfail", &Ok(pair)), ("join\n".to_owned(), String::new(), 2));
}

#[test]
fn rscstatus() {
    says("rscstatus", "all\n", 0);
    says("rscstatus -m", "This node is holding all resources.\n", 0);
    for (hold, transition, word) in [
        (Hold::None, false, "none\n"),
        (Hold::Local, false, "local\n"),
        (Hold::Foreign, false, "foreign\n"),
        (Hold::All, true, "transition\n"),
    ] {
        let mut pair = pair();
        (pair.resources.hold, pair.resources.transition) = (hold, transition);
        assert_eq!(ask_of("rscstatus", &Ok(pair)), (word.to_owned(), String::new(), 0));
    }
}

#[test]
fn parameters() {
    says("hbparameter -p keepalive", "500ms\n", 0);
    says("parameter -p deadtime -m", "Heartbeat parameter deadtime's value: 4\n", 0);
    says("hbparameter -p hbversion", "0.1.0\n", 0);
    let missing = "there is no value for the parameter \"deadtme\"; did you mean \"deadtime\"?";
    complains("hbparameter -p deadtme", missing, 1);
}

#[test]
fn json() {
    says("--json nodestatus beta", "{\"node\":\"beta\",\"status\":\"dead\"}\n", 1);
    says("rscstatus --json", "{\"hold\":\"all\",\"resources\":\"all\",\"transition\":false}\n", 0);
    says("hblinkstatus beta eth1 --json", "{\"link\":\"eth1\",\"node\":\"beta\",\"status\":\"dead\"}\n", 1);
    let (out, _, code) = ask("nodestatus gamma --json");
    assert_eq!((out.starts_with("{\"error\":\"there is no node"), code), (true, 11), "{out}");
    let (out, _, code) = ask("--json");
    assert_eq!((serde_json::from_str::<Status>(&out).unwrap(), code), (pair(), 0));
}

const QUERIES: [&str; 15] = [
    "status",
    "hbstatus",
    "hbstatus -v",
    "listnodes",
    "listnodes -v",
    "nodestatus alpha",
    "nodetype alpha",
    "nodeweight alpha",
    "nodesite alpha",
    "listhblinks alpha",
    "listhblinks -v alpha",
    "hblinkstatus alpha eth0",
    "clientstatus alpha ipfail",
    "rscstatus",
    "hbparameter -p keepalive",
];

#[test]
fn every_subcommand_speaks_json() {
    for line in QUERIES {
        let (out, err, _) = ask(&format!("{line} --json"));
        let value: Value = serde_json::from_str(&out).unwrap();
        assert!(value.as_object().is_some_and(|object| !object.contains_key("error")), "{line}: {out}");
        assert_eq!((out.lines().count(), err.as_str()), (1, ""), "{line}: {out}");
    }
    let (out, ..) = ask("hbstatus -v --json");
    assert!(out.contains("\"managed_by\":\"haresources\"") && out.contains("\"beta\""), "{out}");
}

#[test]
fn why_a_group_is_where_it_is() {
    let why = |change: &dyn Fn(&mut Status)| {
        let mut pair = pair();
        pair.groups[1].state = GroupState::Held;
        change(&mut pair);
        let (out, ..) = ask_of("status", &Ok(pair));
        let line = out.lines().find(|line| line.contains("(home beta)")).unwrap();
        line.rsplit_once(" for 3 d 4 h: ").unwrap().1.to_owned()
    };
    assert_eq!(why(&|_| {}), "beta is dead");
    assert_eq!(why(&|pair| pair.nodes[1].leaving = true), "beta has stopped or stops");
    assert_eq!(why(&|pair| pair.nodes[1].status = NodeStatus::Init), "beta was not heard yet");
    let away = "away from home, where it may be; auto_failback off";
    assert_eq!(why(&|pair| pair.nodes[1].status = NodeStatus::Active), away);
    assert_eq!(why(&|pair| pair.groups[1].holder = Some("beta".to_owned())), "at home");
}

#[test]
fn what_runs_is_not_what_the_file_says_by_now() {
    let mut pair = pair();
    pair.groups[0].started = vec!["IPaddr2::192.0.2.100/24/eth0".to_owned(), "apache2".to_owned()];
    pair.groups[1].gone = true;
    let (out, ..) = ask_of("status", &Ok(pair));
    for line in [
        "      haresources was changed since the start here, which was of: IPaddr2::192.0.2.100/24/eth0 apache2",
        "      no longer in haresources; stopped as it was started, with the groups of beta",
    ] {
        assert!(out.lines().any(|said| said == line), "{out}");
    }
}

/// Nothing is made up: without the daemon no subcommand prints a state.
#[test]
fn without_a_daemon() {
    for line in QUERIES {
        let (out, err, code) = ask_of(line, &Err(NoStatus::Stopped));
        let asked = if line.starts_with("hbstatus") { "Heartbeat is stopped on this machine.\n" } else { "" };
        assert_eq!((out.as_str(), err.is_empty(), code), (asked, !asked.is_empty(), 1), "{line}");
        let (out, err, code) = ask_of(line, &Err(NoStatus::TimedOut));
        let text = "cl_status: the daemon runs, but did not answer within 5 s\n";
        assert_eq!((out.as_str(), err.as_str(), code), ("", text, 12), "{line}");
        let (out, err, code) = ask_of(line, &Err(NoStatus::Failed("Permission denied".to_owned())));
        let text = "cl_status: the daemon cannot be asked: Permission denied\n";
        assert_eq!((out.as_str(), err.as_str(), code), ("", text, 13), "{line}");
    }
    let (out, _, code) = ask_of("hbstatus --json", &Err(NoStatus::Stopped));
    assert_eq!((out.as_str(), code), ("{\"running\":false}\n", 1));
    let (out, _, code) = ask_of("rscstatus --json", &Err(NoStatus::TimedOut));
    assert_eq!((out.starts_with("{\"error\":"), out.contains("\"running\":true"), code), (true, true, 12));
    let (out, _, code) = ask_of("hbstatus --json", &Err(NoStatus::Failed("it stands still".to_owned())));
    assert_eq!((out.contains("\"running\":null"), code), (true, 13), "{out}");
}

#[test]
fn overview() {
    let (out, _, code) = ask("status");
    assert_eq!(code, 0);
    assert_eq!(
        out,
        "heartbeatd 0.1.0 (pid 4711) for 3 d 4 h, stable\n\
         \n\
         nodes\n\
         \x20 alpha: active, this node; eth0 up; eth1 up\n\
         \x20 beta: dead, heard 12.3 s ago, heartbeat 3.0.6 or compatible, haresources differs; eth0 up; eth1 dead\n\
         \x20 192.0.2.254: ping, ping node; 192.0.2.254 up\n\
         \n\
         resources: this node holds all; auto_failback off\n\
         \x20 WARN: haresources differs on beta: each node starts the groups of its own file; this is alpha's\n\
         \x20 IPaddr2::192.0.2.100/24/eth0 (home alpha): held by alpha for 3 d 4 h: at home\n\
         \x20     ldirectord::ldirectord.cf\n\
         \x20 IPaddr2::192.0.2.101/24/eth0 (home beta): failed on alpha for 3 d 4 h\n\
         \x20     ldirectord::ldirectord.cf\n\
         \x20 hb_standby would be refused: the other node is not alive\n\
         \n\
         messages: 0 sent, 0 received, 0 sent again, 0 late or lost\n\
         beats: at most 1.2 ms late since the start; of the last 600 half by 0.0 ms, 99 % by 0.2 ms, all by 1.0 ms; SCHED_RR 1\n\
         watchdog /dev/watchdog: reboots this machine after 5 s without a beat\n\
         \n\
         last events\n\
         \x20        8.3 s ago  WARN: node beta: is dead?[2J\n"
    );
}

#[test]
fn bad_command_lines() {
    let code =
        |line: &str| run(["cl_status"].into_iter().chain(line.split_whitespace()).map(OsString::from)).code;
    for line in [
        "-m",
        "nodestats alpha",
        "nodestatus",
        "nodestatus a b",
        "hbparameter keepalive",
        "listnodes -x",
        "nodestatus alpha --json beta",
    ] {
        assert_eq!(code(line), 11, "{line:?}");
    }
    assert_eq!(code(""), 0);
    assert_eq!((code("--help"), code("--version"), code("listnodes --help")), (0, 0, 0));
}

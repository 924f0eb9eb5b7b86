//! `cl_status` beside the one of Debian's package: a pair of ours and a pair of old daemons, with the same files, are brought
//! into the same states, and in each of them every question has the same answer and exit code.

use super::*;
use crate::old::OLD;
use lab::check;
use rustix::process::Signal;

/// The daemon's process that all others of the old program follow into death.
const OLD_MASTER: &str = "heartbeat: master control process";

/// More of ha.cf: a second link, a ping node, and directives whose parameters are asked for.
const MORE: &str =
    "bcast eth1\nping 192.0.2.9\nhopfudge 2\nrtprio 5\nenv COLOUR=blue\napiauth tool uid=root\n";

/// Asked in every state in which the daemon runs.
const STATE: &[&str] = &[
    "hbstatus",
    "hbstatus -m",
    "hbstatus -v",
    "hbstatus -v -m",
    "listnodes",
    "listnodes -v",
    "listnodes -m -v",
    "nodestatus alpha",
    "nodestatus beta",
    "nodestatus -m beta",
    "nodestatus 192.0.2.9",
    "listhblinks -v alpha",
    "listhblinks -v beta",
    "listhblinks -v -m beta",
    "listhblinks -v 192.0.2.9",
    "hblinkstatus beta eth0",
    "hblinkstatus beta eth1",
    "hblinkstatus -m beta eth1",
    "hblinkstatus alpha eth1",
    "hblinkstatus 192.0.2.9 192.0.2.9",
    "clientstatus beta nobody",
    "rscstatus",
    "rscstatus -m",
];

/// What no state changes.
const ALWAYS: &[&str] = &[
    "listnodes -n",
    "listnodes -p",
    "listnodes -n -p",
    "listnodes -m",
    "nodestatus gamma",
    "nodestatus Alpha",
    "nodetype alpha",
    "nodetype 192.0.2.9",
    "nodetype -m beta",
    "nodetype gamma",
    "nodeweight alpha",
    "nodeweight 192.0.2.9",
    "nodeweight -m beta",
    "nodeweight gamma",
    "nodesite alpha",
    "nodesite -m beta",
    "nodesite gamma",
    "listhblinks alpha",
    "listhblinks -m beta",
    "listhblinks gamma",
    "hblinkstatus beta eth9",
    "hblinkstatus gamma eth0",
    "clientstatus gamma nobody",
    "clientstatus alpha nobody 100",
    "clientstatus alpha nobody soon",
    "clientstatus -m alpha nobody",
    "hbparameter -m -p keepalive",
];

/// Mistakes on the command line.
const MISTAKES: &[&str] = &[
    "nodestatus",
    "nodestatus -x alpha",
    "listhblinks",
    "hblinkstatus beta",
    "clientstatus alpha",
    "hbparameter",
    "hbparameter keepalive",
    "nosuch",
    "-m",
];

/// Their values, written or not.
const PARAMETERS: &[&str] = &[
    "apiauth",
    "auto_failback",
    "autojoin",
    "baud",
    "bcast",
    "cluster",
    "compression",
    "compression_threshold",
    "conn_logd_time",
    "coredumps",
    "coreroot",
    "crm",
    "deadping",
    "deadtime",
    "debug",
    "debugfile",
    "env",
    "failfast",
    "hbgenmethod",
    "hopfudge",
    "initdead",
    "keepalive",
    "log_badpack",
    "logfacility",
    "logfile",
    "max_rexmit_delay",
    "mcast",
    "memreserve",
    "msgfmt",
    "nice_failback",
    "node",
    "normalpoll",
    "nosuch",
    "pacemaker",
    "ping",
    "realtime",
    "respawn",
    "rtprio",
    "stonith",
    "stonith_host",
    "syslogmsgfmt",
    "traditional_compression",
    "udpport",
    "use_logd",
    "uuidfrom",
    "warntime",
    "watchdog",
];

/// Both pairs; the nodes of each have the same names.
struct Twins {
    ours: Pair,
    old: Pair,
}

/// Standard output, whether there is something on standard error, exit code.
type Answer = (String, bool, Option<i32>);

impl Twins {
    fn start() -> Result<Self> {
        let options = Options {
            media: Media::Bcast,
            deadtime: Duration::from_secs(3),
            more: MORE,
            ..Options::default()
        };
        let twins = Self { ours: Pair::new(options)?, old: Pair::new(options)? };
        for (ours, old) in twins.ours.nodes().into_iter().zip(twins.old.nodes()) {
            start_old(old)?;
            pair::start(ours)?;
        }
        twins.ours.wait_placed(AT_HOME)?;
        twins.old.nodes().into_iter().try_for_each(|node| wait_old_says(node, "local"))?;
        Ok(twins)
    }

    fn both(&self) -> [&Pair; 2] {
        [&self.ours, &self.old]
    }

    fn ours(&self, question: &str) -> Result<Answer> {
        answer(&self.ours.alpha, &format!("cl_status {question}"))
    }

    fn old(&self, question: &str) -> Result<Answer> {
        answer(&self.old.alpha, &format!("{OLD} cl_status {question}"))
    }

    /// The old one says so: the state is reached.
    fn wait_old(&self, question: &str, wanted: &str) -> Result<()> {
        wait_until(PATIENCE, &format!("{question}: {wanted}"), || {
            let reached = self.old(question)?.0.trim() == wanted;
            if !reached {
                sleep(LOOK);
            }
            Ok(reached)
        })
        .map(drop)
    }

    /// Both say the same, at once or as soon as both have seen what happened.
    fn agree<'a>(&self, state: &str, questions: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let mut open: Vec<&str> = questions.into_iter().collect();
        wait_until(PATIENCE, state, || {
            let mut differences = Vec::new();
            for question in std::mem::take(&mut open) {
                let (ours, old) = (self.ours(question)?, self.old(question)?);
                if ours != old {
                    differences.push(format!("cl_status {question}: ours {ours:?}, the old one {old:?}"));
                    open.push(question);
                }
            }
            if !open.is_empty() {
                sleep(LOOK);
            }
            check(open.is_empty(), || differences.join("\n")).map(|()| true)
        })
        .map(drop)
    }
}

/// What a node's tool says; versions differ, so they are left out, and so is how the old library calls what failed.
fn answer(node: &Node, command: &str) -> Result<Answer> {
    let output = node.output(&["sh", "-c", command])?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = |line: &str| match line.starts_with("version:\t") || line.starts_with("Heartbeat version ") {
        true => line.split([' ', '\t']).next().unwrap_or_default().to_owned() + "\n",
        false => format!("{line}\n"),
    };
    let lines = text.lines().filter(|line| !line.starts_with("(hb_api_signon: "));
    Ok((lines.map(line).collect(), !output.stderr.is_empty(), output.status.code()))
}

#[test]
fn every_question_has_the_answer_of_the_old_tool() -> Result<()> {
    let twins = Twins::start()?;
    twins.wait_old("nodestatus 192.0.2.9", "ping")?;
    twins.agree("all is well", STATE.iter().chain(ALWAYS).chain(MISTAKES).copied())?;
    let parameters: Vec<String> = PARAMETERS.iter().map(|name| format!("hbparameter -p {name}")).collect();
    twins.agree("all is well", parameters.iter().map(String::as_str))?;

    for pair in twins.both() {
        pair.beta.cut("eth1")?;
        pair.client.cut("eth0")?;
    }
    twins.wait_old("hblinkstatus beta eth1", "dead")?;
    twins.wait_old("nodestatus 192.0.2.9", "dead")?;
    twins.agree("a link and the ping node are gone", STATE.iter().copied())?;

    for pair in twins.both() {
        pair.beta.power_off()?;
    }
    twins.wait_old("rscstatus", "all")?;
    twins.agree("the other node is dead", STATE.iter().copied())?;

    // one that does not answer is in no known state
    for pair in twins.both() {
        pair.alpha.freeze()?;
    }
    for question in ["hbstatus", "rscstatus"] {
        let ((ours, _, code), (old, _, old_code)) = (twins.ours(question)?, twins.old(question)?);
        let said = (ours.as_str(), code, old.as_str(), old_code);
        check(said == ("", Some(12), "", Some(12)), || format!("cl_status {question}: {said:?}"))?;
    }
    let (text, _, code) = twins.ours("nodestatus alpha --json")?;
    check(text.contains("\"running\":true") && code == Some(12), || format!("{code:?}: {text}"))?;

    twins.ours.alpha.signal("heartbeatd", Signal::KILL)?;
    check(twins.old.alpha.signal(OLD_MASTER, Signal::KILL)? == 1, || "no old daemon to kill".to_owned())?;
    for pair in twins.both() {
        pair.alpha.thaw()?;
    }
    twins.wait_old("hbstatus", "Heartbeat is stopped on this machine.")?;
    let states = STATE.iter().chain(ALWAYS).copied();
    twins.agree("the daemon was killed", states)
}

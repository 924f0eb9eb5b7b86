//! What is done to the pair: the shell lines, what is said before, and how it is undone. Pure.

use std::time::Duration;

use crate::args::{Args, Kind};

/// The table that a cut makes, and removes.
const TABLE: &str = "ha_drill";

/// One action, ready to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Action {
    /// What it is.
    pub kind: Kind,
    /// The node it is done to; none: nothing is done.
    pub node: Option<String>,
    /// The other node, if it is known.
    pub other: Option<String>,
    /// Who held the address before.
    pub holder: Option<String>,
    /// The shell line.
    pub line: String,
    /// Whether it runs on this machine, not on the node.
    pub here: bool,
    /// For how long a cut lasts.
    pub span: Duration,
}

impl Action {
    /// What the command line asks for, to `node`, whose daemon is process `pid`.
    pub fn new(
        args: &Args,
        node: Option<&str>,
        other: Option<&str>,
        holder: Option<&str>,
        pid: Option<u32>,
    ) -> Self {
        let span = args.span.unwrap_or(Duration::from_secs(if args.action == Kind::Cut { 10 } else { 600 }));
        let line = match (&args.with, args.action) {
            (Some(line), _) => line.clone(),
            (None, Kind::Watch | Kind::PowerOff) => String::new(),
            (None, Kind::Standby) => format!("hb_standby {}", args.set.word()),
            (None, Kind::Takeover) => format!("hb_takeover {}", args.set.word()),
            (None, Kind::Stop) => by_system("stop", "heartbeatd -k"),
            (None, Kind::Kill) => format!("kill -KILL {}", pid.unwrap_or_default()),
            (None, Kind::Cut) => cut(&args.links, span),
        };
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let here = args.with.is_some();
        Self {
            kind: args.action,
            node: owned(node),
            other: owned(other),
            holder: owned(holder),
            line,
            here,
            span,
        }
    }

    /// Whether the address must be on the other node afterwards.
    pub fn moves(&self) -> bool {
        match self.kind {
            Kind::Takeover => self.holder != self.node,
            Kind::Standby | Kind::Stop | Kind::Kill | Kind::PowerOff => self.holder == self.node,
            Kind::Watch | Kind::Cut => false,
        }
    }

    /// What is about to be done, for the one who is asked whether to do it.
    pub fn announcement(&self, vip: std::net::IpAddr) -> String {
        let node = self.node.as_deref().unwrap_or("the node");
        let other = self.other.as_deref().unwrap_or("the other node");
        let what = match self.kind {
            Kind::Watch => {
                return format!("Nothing is done; {vip} is probed while you do something by hand.");
            }
            Kind::Standby => format!("{node} gives its resources to {other}"),
            Kind::Takeover => format!("{node} takes the resources of {other}"),
            Kind::Stop => format!("heartbeat is stopped on {node}"),
            Kind::Kill => format!("heartbeat is killed on {node} (SIGKILL)"),
            Kind::PowerOff => format!("the power of {node} is cut; what is not on its disks is lost"),
            Kind::Cut => format!(
                "nothing passes through these interfaces of {node} for {:.1} s; while neither hears the other, both may hold {vip}",
                self.span.as_secs_f64()
            ),
        };
        let holder = self.holder.as_deref().unwrap_or("an unknown node");
        let place = if self.here { "here" } else { node };
        format!("{what}. {vip} is held by {holder}.\nCommand (run {}): {}", on(place), self.line)
    }

    /// How to get back to what was before, given who holds the address now; one sentence each.
    pub fn undo(&self, holder: Option<&str>, runs: bool) -> Vec<String> {
        let node = self.node.as_deref().unwrap_or("the node");
        let mut all = Vec::new();
        match self.kind {
            Kind::Watch => return all,
            Kind::PowerOff => {
                all.push(format!("switch {node} on, and start heartbeat there if the system does not"))
            }
            Kind::Stop | Kind::Kill if !runs => {
                all.push(format!("start heartbeat on {node}: {}", by_system("start", "heartbeatd")));
            }
            Kind::Cut if self.here => {}
            Kind::Cut => all.push(format!(
                "the cut ends by itself; if it did not (`nft list tables` on {node}): {}",
                uncut()
            )),
            Kind::Standby | Kind::Takeover | Kind::Stop | Kind::Kill => {}
        }
        if let (Some(before), Some(now)) = (self.holder.as_deref(), holder) {
            if before != now {
                let when = if all.is_empty() { "" } else { "then " };
                all.push(format!("{when}move the address back to {before}: hb_takeover {} on {before} (with auto_failback on, its home gets it by itself)", "all"));
            }
        }
        all
    }
}

fn on(place: &str) -> String {
    if place == "here" { "here".to_owned() } else { format!("on {place}") }
}

/// By systemd where that runs heartbeat, otherwise by its own command.
fn by_system(verb: &str, otherwise: &str) -> String {
    format!(
        "if [ -d /run/systemd/system ]; then for unit in heartbeatd heartbeat; do \
         systemctl cat $unit.service >/dev/null 2>&1 && exec systemctl {verb} $unit; done; fi; {otherwise}"
    )
}

fn uncut() -> String {
    format!("nft delete table netdev {TABLE}")
}

/// Nothing passes, in either direction, and the end of it does not need the one who began: the way there may be cut, too.
fn cut(links: &[String], span: Duration) -> String {
    let chain = |(number, link): (usize, &String)| {
        format!(
            "chain in{number} {{ type filter hook ingress device \"{link}\" priority -500; policy drop; }}; \
             chain out{number} {{ type filter hook egress device \"{link}\" priority -500; policy drop; }};"
        )
    };
    let chains: String = links.iter().enumerate().map(chain).collect();
    let seconds = span.as_secs_f64();
    let known: String = links.iter().map(|link| format!("ip link show dev {link} >/dev/null && ")).collect();
    format!(
        "{known}nft -c 'table netdev {TABLE} {{ {chains} }}' && {{ setsid sh -c 'trap \"\" HUP; sleep {seconds}; {}' \
         </dev/null >/dev/null 2>&1 & }} && nft 'table netdev {TABLE} {{ {chains} }}'",
        uncut()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn action(line: &str, node: &str, holder: &str) -> Action {
        let args = Args::try_parse_from(format!("ha-drill {line}").split(' ')).unwrap();
        let other = if node == "alpha" { "beta" } else { "alpha" };
        Action::new(&args, Some(node), Some(other), Some(holder), Some(77))
    }

    #[test]
    fn lines_and_their_meaning() {
        let kill = action("kill 192.0.2.1", "alpha", "alpha");
        assert_eq!((kill.line.as_str(), kill.moves()), ("kill -KILL 77", true));
        assert!(!action("kill 192.0.2.1", "beta", "alpha").moves());
        assert!(action("takeover 192.0.2.1", "beta", "alpha").moves());
        let local = action("standby 192.0.2.1 --set local", "alpha", "alpha");
        assert_eq!(local.line, "hb_standby local");
        let cut = action("cut 192.0.2.1 --link eth1 --link eth2 --for 1500ms", "alpha", "alpha");
        assert!(cut.line.contains("device \"eth2\"") && cut.line.contains("sleep 1.5;"), "{}", cut.line);
        assert!(!cut.moves());
    }

    #[test]
    fn the_way_back() {
        let kill = action("kill 192.0.2.1", "alpha", "alpha");
        let undo = kill.undo(Some("beta"), false);
        assert!(undo[0].starts_with("start heartbeat on alpha"), "{undo:?}");
        assert!(undo[1].contains("hb_takeover all on alpha"), "{undo:?}");
        assert_eq!(kill.undo(Some("alpha"), true), Vec::<String>::new());
        let text = kill.announcement([192, 0, 2, 1].into());
        assert!(text.contains("killed on alpha") && text.contains("kill -KILL 77"), "{text}");
    }
}

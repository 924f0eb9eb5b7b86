//! Whether a drill makes sense now, and whether the pair has come to rest after it: of what the nodes say. Pure.

use std::net::IpAddr;

use heartbeatd::control::{GroupState, NodeStatus};

use crate::action::Action;
use crate::args::Kind;
use crate::view::{Daemon, View, members, place};

/// What the nodes that can be asked say together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pair {
    /// The members' names, as their daemons know them.
    pub members: Vec<String>,
    /// Who holds the address, if all agree.
    pub holder: Option<String>,
    /// What is wrong.
    pub problems: Vec<String>,
    /// What should be known.
    pub warnings: Vec<String>,
}

/// Looks at what the nodes say.
pub fn look(views: &[View], vip: IpAddr) -> Pair {
    let mut pair = Pair::default();
    let mut holders: Vec<(String, String)> = Vec::new();
    for view in views {
        let status = match &view.daemon {
            Daemon::Running(status) => status,
            Daemon::Stopped => {
                pair.problems.push(format!("heartbeat does not run on {}", view.name));
                continue;
            }
            Daemon::Unknown(why) => {
                pair.warnings.push(format!("{}: the daemon's view is not known: {why}", view.name));
                continue;
            }
        };
        let me = &status.node;
        for (name, state) in members(status) {
            if !pair.members.iter().any(|known| known == name) {
                pair.members.push(name.to_owned());
            }
            if state != NodeStatus::Active {
                pair.problems.push(format!("{me} says that {name} is {state}, not active"));
            }
        }
        if status.resources.transition || status.resources.standby.is_some() {
            let step = status.resources.standby.as_deref().unwrap_or("resources are being moved");
            pair.problems.push(format!("{me} is not at rest: {step}"));
        }
        let differs =
            status.nodes.iter().flat_map(|node| node.differs.iter().map(move |file| (file, &node.name)));
        for (file, name) in differs {
            pair.warnings.push(format!("{me} says that {file} of {name} does not mean the same as its own"));
        }
        match place(status, vip) {
            None => pair.problems.push(format!("{me} has no group with {vip} in its haresources")),
            Some(place) => match (place.state, place.holder) {
                (GroupState::Held, Some(holder)) => holders.push((me.clone(), holder)),
                (state, _) => pair.problems.push(format!(
                    "{me} says that the group {} is {state}, held by nobody for certain",
                    place.group
                )),
            },
        }
    }
    kernels(views, vip, &holders, &mut pair);
    pair
}

/// The daemons' words beside what the kernels have.
fn kernels(views: &[View], vip: IpAddr, holders: &[(String, String)], pair: &mut Pair) {
    if let [(one, first), (two, second)] = holders {
        if first != second {
            pair.problems.push(format!("{one} says that {first} holds {vip}, {two} says that {second} does"));
            return;
        }
    }
    let having: Vec<&str> = views.iter().filter(|view| view.holds == Some(true)).map(name).collect();
    if let [one, two, ..] = having.as_slice() {
        pair.problems.push(format!("both {one} and {two} have {vip} on a network"));
        return;
    }
    let said = holders.first().map(|(_, holder)| holder.as_str());
    for view in views {
        match (view.holds, said == Some(name(view))) {
            (Some(true), false) if said.is_some() => pair.problems.push(format!(
                "{} has {vip} on a network, though the group is held by {}",
                name(view),
                said.unwrap_or("nobody")
            )),
            (Some(false), true) => pair
                .problems
                .push(format!("{} holds the group, but its kernel does not have {vip}", name(view))),
            _ => {}
        }
    }
    pair.holder = said.or(having.first().copied()).map(str::to_owned);
}

/// A node's name as its daemon has it, or as its kernel has it.
pub fn name(view: &View) -> &str {
    view.status().map_or(view.name.as_str(), |status| &status.node)
}

/// Why this action makes no sense in that state; nothing: it does.
pub fn objections(action: &Action, views: &[View]) -> Vec<String> {
    let mut all = Vec::new();
    let Some(node) = action.node.as_deref() else {
        if action.kind != Kind::Watch {
            all.push("it is not known to which node it is to be done: say --on NODE".to_owned());
        }
        return all;
    };
    let view = views.iter().find(|view| name(view) == node);
    if view.is_none() && !action.here {
        let known: Vec<&str> = views.iter().map(name).collect();
        all.push(format!(
            "there is no way to {node}: add --run COMMAND for it, such as --run 'ssh root@{node}' (reached: {})",
            if known.is_empty() { "none".to_owned() } else { known.join(", ") }
        ));
    }
    let status = view.and_then(View::status);
    let holds = action.holder.as_deref() == Some(node);
    match action.kind {
        Kind::Standby if action.holder.is_some() && !holds => {
            all.push(format!("{node} does not hold the address, so a stand-by of it changes nothing"));
        }
        Kind::Takeover if holds => {
            all.push(format!("{node} holds the address already: there is nothing to take over"))
        }
        Kind::Standby if !action.here => {
            let refusal = status.and_then(|status| status.resources.standby_refusal.clone());
            all.extend(refusal.map(|why| format!("{node} would refuse a stand-by now: {why}")));
        }
        Kind::Kill if !action.here && status.is_none() && view.is_some() => {
            all.push(format!("which process to kill on {node} is not known: say how, --with COMMAND"));
        }
        _ => {}
    }
    all
}

/// What has come of it so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rest {
    /// The pair is at rest, and what was to happen has happened.
    Done,
    /// Not yet; what is missing.
    Not(String),
    /// It is not known: no node that tells could be asked since.
    Unknown,
}

/// Whether the pair has come to rest after the action. `views`: of nodes that answered since.
pub fn rest(action: &Action, views: &[View], before: &[View], vip: IpAddr) -> Rest {
    let running: Vec<&View> = views.iter().filter(|view| view.status().is_some()).collect();
    if action.kind == Kind::Watch {
        return Rest::Done;
    }
    let mut holders = Vec::new();
    for view in &running {
        let Some(status) = view.status() else { continue };
        if status.resources.transition || status.resources.standby.is_some() {
            return Rest::Not(format!("{} is not at rest", status.node));
        }
        match place(status, vip) {
            Some(place) if place.state == GroupState::Held => holders.extend(place.holder),
            _ => return Rest::Not(format!("{} does not say who holds the group", status.node)),
        }
    }
    holders.sort();
    holders.dedup();
    let having: Vec<&str> = views.iter().filter(|view| view.holds == Some(true)).map(name).collect();
    if having.len() > 1 {
        return Rest::Not(format!("{} both have the address", having.join(" and ")));
    }
    let holder = match (holders.as_slice(), having.first()) {
        ([holder], Some(has)) if holder != has => {
            return Rest::Not(format!("{holder} holds the group, {has} has the address"));
        }
        ([holder], _) => holder.clone(),
        ([], Some(has)) => (*has).to_owned(),
        ([], None) => return Rest::Unknown,
        _ => return Rest::Not("the nodes do not agree who holds the group".to_owned()),
    };
    if action.kind == Kind::Kill && !action.here {
        let pid = |views: &[View]| {
            let view = views.iter().find(|view| Some(name(view)) == action.node.as_deref())?;
            Some(view.status()?.pid)
        };
        match (pid(before), pid(views)) {
            (Some(old), Some(new)) if old == new => {
                return Rest::Not("the killed daemon still runs".to_owned());
            }
            // started again by its supervisor in time: wherever the address is, it was meant to be
            (Some(_), Some(_)) => return Rest::Done,
            _ => {}
        }
    }
    if action.moves() && Some(&holder) == action.holder.as_ref() {
        return Rest::Not(format!("{holder} still holds the address"));
    }
    Rest::Done
}

#[cfg(test)]
mod tests;

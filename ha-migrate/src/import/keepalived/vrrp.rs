//! `vrrp_instance` and `vrrp_sync_group`: groups, links and times.

use super::super::pair::{Group, Pair};
use super::super::{Notes, Place};
use super::{sync, tree::Statement};
use std::net::IpAddr;
use std::time::Duration;

/// keepalived's own default.
const ADVERT: Duration = Duration::from_secs(1);

/// The pair; without groups if there is no instance.
pub(super) fn pair(statements: &[Statement], notes: &mut Notes) -> Pair {
    let instances: Vec<&Statement> =
        statements.iter().filter(|each| each.name() == "vrrp_instance").collect();
    let mut pair = Pair { failback: true, ..Pair::default() };
    let mut grouped: Vec<(String, Vec<&Statement>, Place)> = Vec::new();
    for sync in statements.iter().filter(|each| each.name() == "vrrp_sync_group") {
        let names = sync_group(sync, notes);
        let members: Vec<&Statement> =
            instances.iter().copied().filter(|each| names.contains(&each.value())).collect();
        if !members.is_empty() {
            grouped.push((format!("vrrp_sync_group {}", sync.value()), members, sync.place));
        }
    }
    for &instance in &instances {
        if !grouped
            .iter()
            .any(|(_, members, _)| members.iter().any(|member| member.value() == instance.value()))
        {
            grouped.push((format!("vrrp_instance {}", instance.value()), vec![instance], instance.place));
        }
    }
    for (name, members, place) in grouped {
        let here =
            members.iter().any(|member| member.find("state").is_some_and(|state| state.value() == "MASTER"));
        let mut resources =
            members.iter().flat_map(|member| instance(member, &mut pair, notes)).collect::<Vec<_>>();
        if resources.is_empty() {
            notes.look(place, &name, "has no address that is taken over");
        } else {
            if let Some(sync) = sync::resource(statements, &members, notes) {
                resources.insert(0, sync);
            }
            pair.groups.push(Group { place, name, here, resources });
        }
    }
    if pair.keepalive.is_zero() {
        pair.keepalive = ADVERT;
    }
    // The least that ha.cf takes is more than two beats.
    pair.deadtime = pair.deadtime.max(pair.keepalive * 3);
    pair
}

fn sync_group<'a>(sync: &'a Statement, notes: &mut Notes) -> Vec<&'a str> {
    let mut names = Vec::new();
    for statement in &sync.block {
        match statement.name() {
            "group" => {
                names.extend(statement.block.iter().flat_map(|line| line.words.iter().map(String::as_str)))
            }
            name => script(name, statement, notes),
        }
    }
    notes.same(sync.place, &format!("vrrp_sync_group {}", sync.value()));
    names
}

/// Adds the instance's links and times to the pair; its addresses.
fn instance(instance: &Statement, pair: &mut Pair, notes: &mut Notes) -> Vec<String> {
    let mut resources = Vec::new();
    let interface = instance.find("interface").map_or("eth0", Statement::value).to_owned();
    let number = |name: &str| instance.find(name).and_then(|each| each.value().parse::<u32>().ok());
    let (router, priority) =
        (number("virtual_router_id").unwrap_or(51).min(255), number("priority").unwrap_or(100).min(255));
    let advert = instance.find("advert_int").and_then(|each| seconds(each.value())).unwrap_or(ADVERT);
    for statement in &instance.block {
        let (name, place) = (statement.name(), statement.place);
        match name {
            "state" | "interface" | "advert_int" => notes.same(place, name),
            "unicast_peer" => {} // see the links
            "mcast_src_ip" | "unicast_src_ip" if instance.find("unicast_peer").is_some() => {}
            "priority" => notes.differs(place, name, "the group is at home on the node whose state is MASTER; there is no other order"),
            "virtual_router_id" => notes.differs(place, name, "is the last number of the multicast group, so that neighbours do not hear each other"),
            "virtual_ipaddress" | "virtual_ipaddress_excluded" => {
                for line in &statement.block {
                    resources.extend(address(line, &interface, notes));
                }
            }
            "nopreempt" if statement.on() => {
                pair.failback = false;
                notes.differs(place, name, "auto_failback off is for all groups");
            }
            "authentication" => notes.differs(place, name, "there is a new secret, which signs every packet"),
            "garp_master_delay" | "garp_master_repeat" | "garp_master_refresh" | "garp_master_refresh_repeat"
            | "garp_lower_prio_delay" | "garp_lower_prio_repeat" | "garp_interval" | "gna_interval" => {
                notes.differs(place, name, "an address is announced at once and again several times");
            }
            "mcast_src_ip" | "unicast_src_ip" => notes.differs(place, name, "packets leave with the interface's own address"),
            "version" | "strict_mode" | "native_ipv6" | "debug" | "dont_track_primary" | "nopreempt" | "preempt" | "accept"
            | "vrrp_version" | "check_unicast_src" => notes.differs(place, name, "concerns VRRP alone"),
            "preempt_delay" => notes.lost(place, name, "a group returns as soon as its node takes part", "auto_failback off, and hb_takeover by hand"),
            "virtual_routes" | "virtual_rules" => notes.lost(place, name, "routes and rules do not move with a group", "a script in /etc/ha.d/resource.d, named at the end of the group's line, sets and removes them"),
            "use_vmac" | "vmac_xmit_base" | "use_ipvlan" => notes.lost(place, name, "there are no virtual hardware addresses", "the address moves by announcements; see that switches and hosts take them"),
            "track_interface" | "track_script" | "track_file" | "track_process" | "track_bfd" => notes.lost(
                place,
                name,
                "what fails on a node does not move its groups by itself",
                "ping a router: ping ADDRESS, and respawn hacluster ipfail, in ha.cf",
            ),
            "lvs_sync_daemon_interface" | "lvs_sync_daemon_inteface" => {} // see the group
            _ => script(name, statement, notes),
        }
    }
    // Three adverts and the skew of the priority, as VRRP counts.
    let dead = advert * 3 + advert * (256 - priority) / 256;
    pair.keepalive = if pair.keepalive.is_zero() { advert } else { pair.keepalive.min(advert) };
    pair.deadtime = pair.deadtime.max(dead);
    for link in links(instance, &interface, router, notes) {
        // One group of multicast is enough for an interface, however many instances it has.
        let group = link.split(" 239.").next().filter(|_| link.starts_with("mcast "));
        if !pair
            .links
            .iter()
            .any(|known| *known == link || group.is_some_and(|group| known.starts_with(group)))
        {
            pair.links.push(link);
        }
    }
    resources
}

/// Between the addresses of both nodes, or to a group of the instance's own.
fn links(instance: &Statement, interface: &str, router: u32, notes: &mut Notes) -> Vec<String> {
    match instance.find("unicast_peer") {
        Some(peers) => unicast(instance, peers, interface, notes),
        None => vec![format!("mcast {interface} 239.192.0.{router} 694 1 0")],
    }
}

/// keepalived's file names the other node alone; ha.cf is the same on both, so it needs this node's address, too: each node
/// also hears itself, which does no harm.
fn unicast(instance: &Statement, peers: &Statement, interface: &str, notes: &mut Notes) -> Vec<String> {
    let own = instance.find("unicast_src_ip").or(instance.find("mcast_src_ip"));
    let own_address = own.and_then(|own| own.value().parse::<IpAddr>().ok());
    let others = peers.block.iter().filter_map(|peer| Some((peer, peer.name().parse::<IpAddr>().ok()?)));
    let others: Vec<_> = others.filter(|(_, address)| Some(*address) != own_address).collect();
    match (own, own_address) {
        (Some(own), Some(_)) => notes.same(own.place, own.name()),
        (Some(own), None) => notes.lost(
            own.place,
            own.name(),
            format!("{:?} is no address, so the other node would not hear this one", own.value()),
            &own_link(interface),
        ),
        (None, _) => notes.lost(
            peers.place,
            "unicast_peer",
            "names the other node alone, and ha.cf is the same on both: the other node would not hear this one",
            &own_link(interface),
        ),
    }
    notes.same(peers.place, "unicast_peer");
    for (third, _) in others.iter().skip(1) {
        notes.lost(
            third.place,
            third.name(),
            "a third router: a pair has two nodes",
            "remove its ucast line from ha.cf; three nodes are for Pacemaker",
        );
    }
    let six = |address: &IpAddr| if address.is_ipv6() { "6" } else { "" };
    let all = own_address.into_iter().chain(others.into_iter().map(|(_, address)| address));
    all.map(|address| format!("ucast{} {interface} {address}", six(&address))).collect()
}

fn own_link(interface: &str) -> String {
    format!("add this node's own address on {interface} to ha.cf, on both nodes: ucast {interface} ADDRESS")
}

fn script(name: &str, statement: &Statement, notes: &mut Notes) {
    let place = statement.place;
    match name {
        "notify_master" | "notify_backup" | "notify_fault" | "notify_stop" | "notify" | "notify_deleted" => {
            notes.lost(
                place,
                name,
                "no script is called when a group moves",
                "a script in /etc/ha.d/resource.d, named in the group's line, is called with start and stop",
            )
        }
        "smtp_alert" => notes.lost(
            place,
            name,
            "no mail is sent when a group moves",
            "MailTo::ADDRESS at the end of the group's line",
        ),
        "global_tracking"
        | "sync_group_tracking_weight"
        | "track_interface"
        | "track_script"
        | "track_file" => notes.lost(
            place,
            name,
            "what fails on a node does not move its groups by itself",
            "ping a router: ping ADDRESS, and respawn hacluster ipfail, in ha.cf",
        ),
        _ => notes.lost(place, name, "has no counterpart", "haresources(5) and ha.cf(5) tell what there is"),
    }
}

/// `192.0.2.10/24 brd 192.0.2.255 dev eth0 scope global label eth0:1`.
fn address(line: &Statement, interface: &str, notes: &mut Notes) -> Option<String> {
    let (ip, bits) = line.name().split_once('/').unwrap_or((line.name(), ""));
    let Ok(ip) = ip.parse::<IpAddr>() else {
        notes.lost(line.place, line.name(), "is no address", "write it into haresources by hand");
        return None;
    };
    let behind =
        |word: &str| line.words.iter().position(|each| each == word).map(|at| line.word(at + 1).to_owned());
    let device = behind("dev").unwrap_or_else(|| interface.to_owned());
    let bits = if bits.is_empty() { if ip.is_ipv4() { "32" } else { "128" } } else { bits };
    for word in [
        "scope",
        "preferred_lft",
        "use_vmac",
        "track_group",
        "no_track",
        "home",
        "mngtmpaddr",
        "noprefixroute",
    ] {
        if line.words.iter().any(|each| each == word) {
            notes.differs(line.place, line.name(), format!("{word} is not taken over"));
        }
    }
    notes.same(line.place, line.name());
    Some(match ip {
        IpAddr::V4(ip) => {
            let label =
                behind("label").and_then(|label| label.split_once(':').map(|(_, label)| format!(":{label}")));
            let broadcast =
                behind("brd").or(behind("broadcast")).filter(|word| !matches!(word.as_str(), "+" | "-"));
            let broadcast = broadcast.map(|broadcast| format!("/{broadcast}"));
            format!(
                "IPaddr2::{ip}/{bits}/{device}{}{}",
                label.unwrap_or_default(),
                broadcast.unwrap_or_default()
            )
        }
        IpAddr::V6(ip) => {
            let full = ip.segments().map(|segment| format!("{segment:x}")).join(":");
            format!("IPv6addr::{full}/{bits}/{device}")
        }
    })
}

/// Seconds with a fraction.
pub(super) fn seconds(text: &str) -> Option<Duration> {
    let seconds = text.parse::<f64>().ok().filter(|seconds| (0.01..=86_400.0).contains(seconds))?;
    Some(Duration::from_millis((seconds * 1000.0).round() as u64))
}

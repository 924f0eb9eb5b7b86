//! keepalived.conf: VRRP instances become ha.cf and haresources, virtual servers ldirectord.cf.

mod checks;
mod services;
mod sync;
pub(super) mod tree;
mod vrrp;

use super::director::Director;
use super::pair::Pair;
use super::{NewFile, Notes, Output, Settings, TIMEOUTS};
use config::Source;
use tree::Statement;

/// What the files become. Those that are included are read, too.
pub fn import(sources: Vec<Source>, settings: &Settings) -> Output {
    let mut notes = Notes::default();
    let mut statements = Vec::new();
    for source in sources {
        statements.extend(tree::read(source, &mut notes));
    }
    let mut pair = vrrp::pair(&statements, &mut notes);
    let (director, scripts) = services::director(&statements, settings, &mut notes);
    statements.iter().for_each(|statement| other(statement, &mut notes));
    sync::rest(&statements, &mut pair, &mut notes);
    let mut files = Vec::new();
    if !director.sections.is_empty() {
        attach(&mut pair, &director, &mut notes);
        files.push(NewFile {
            name: "ldirectord.cf".to_owned(),
            text: director.text(&mut notes),
            mode: 0o644,
        });
        files.extend(scripts);
    }
    match &settings.peer {
        Some(peer) if !pair.groups.is_empty() => files.extend(pair.files(settings, peer, &mut notes)),
        _ => {
            for group in &pair.groups {
                notes.lost(
                    group.place,
                    &group.name,
                    "no pair is written: the other node has no name",
                    "say it with --peer NAME",
                );
            }
        }
    }
    Output { files, notes }
}

/// The director becomes the first resource of the group whose address most services have: the table is there before the
/// address is.
fn attach(pair: &mut Pair, director: &Director, notes: &mut Notes) {
    let has = |resources: &[String], key: &str| {
        let host = key.rsplit_once(':').map_or(key, |(host, _)| host);
        resources.iter().any(|resource| resource.split(['/', ':']).any(|part| part == host))
    };
    let count = |resources: &[String]| {
        director.sections.iter().filter(|section| has(resources, &section.key)).count()
    };
    let best = pair.groups.iter_mut().rev().max_by_key(|group| count(&group.resources));
    let Some(best) = best else { return };
    best.resources.insert(0, "ldirectord::ldirectord.cf".to_owned());
    let (resources, name) = (best.resources.clone(), best.name.clone());
    if pair.groups.len() > 1 {
        for section in director
            .sections
            .iter()
            .filter(|section| !section.v6 && section.protocol != "fwm" && !has(&resources, &section.key))
        {
            let advice = "give each group a director of its own: split ldirectord.cf, and write ldirectord::FILE before the addresses of both lines";
            notes.lost(
                section.place,
                &section.key,
                format!("its services are balanced where the group {name} is, whoever has the address"),
                advice,
            );
        }
    }
}

/// Blocks that are neither VRRP nor virtual servers.
fn other(statement: &Statement, notes: &mut Notes) {
    let (name, place) = (statement.name(), statement.place);
    match name {
        "vrrp_instance" | "vrrp_sync_group" | "virtual_server" | "virtual_server_group" => {}
        "global_defs" => global_definitions(statement, notes),
        "static_ipaddress" | "static_routes" | "static_rules" => {
            notes.lost(
                place,
                name,
                "what a machine has without the cluster",
                "write it into the system's network configuration",
            );
        }
        "vrrp_script" | "vrrp_track_process" | "track_file" | "vrrp_track_file" => notes.lost(
            place,
            &format!("{name} {}", statement.value()),
            "no script or file decides which node holds a group",
            "ping nodes with ipfail do, in ha.cf; or a script that calls hb_standby",
        ),
        "bfd_instance" => {
            notes.lost(place, name, "there is no BFD", "a deadtime of 500 ms in ha.cf, over two links")
        }
        "SSL" => notes.lost(place, name, "checks use no certificates of their own", "an external check can"),
        _ => notes.lost(place, name, "is not known", "ha.cf(5) and ldirectord.cf(5) tell what there is"),
    }
}

fn global_definitions(block: &Statement, notes: &mut Notes) {
    for statement in &block.block {
        let (name, place) = (statement.name(), statement.place);
        match name {
            "router_id" => notes.look(place, name, "a node is called what \"uname -n\" says"),
            "notification_email" => {} // see the services
            "notification_email_from" | "smtp_server" => notes.same(place, name),
            "smtp_connect_timeout" | "smtp_helo_name" => {
                notes.differs(place, name, "mail has limits of its own")
            }
            "enable_script_security" | "script_user" => {
                notes.differs(place, name, "checks run as the daemon's user, without a shell")
            }
            "lvs_sync_daemon" => {} // see the groups
            "lvs_timeouts" => notes.lost(place, name, TIMEOUTS.0, TIMEOUTS.1),
            _ if name.starts_with("vrrp_garp") || name.starts_with("vrrp_gna") => {
                notes.differs(place, name, "an address is announced at once and again several times");
            }
            _ => notes.lost(
                place,
                name,
                "has no counterpart",
                "see heartbeatd(8) and directord(8) for what there is",
            ),
        }
    }
}

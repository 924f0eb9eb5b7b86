//! What the watch tells: the log for people, events for the daemon.

use super::Watch;
use crate::agents::frame::Claim;
use crate::event::{AddressNews, Event};
use crate::taken;
use crate::verbs::guard::now;
use crate::watch::judge::{Watched, Whose};
use tracing::{error, warn};

impl Watch<'_> {
    pub(super) fn tell_repaired(&self, one: &Watched, detail: &str, tries: u32) {
        let again = match tries {
            0 => String::new(),
            1 => ", for the second time".to_owned(),
            _ => format!(
                ", {tries} times before already: another program removes it (NetworkManager, systemd-networkd, dhclient?)"
            ),
        };
        let text = format!(
            "{} was removed by somebody although its group is held here: put back and announced ({detail}){again}",
            one.address.ip
        );
        warn!("{text}");
        self.tell(one, AddressNews::Repaired, text, None);
    }

    pub(super) fn tell_unrepaired(&self, one: &Watched, why: &str) {
        let text = format!("{} is not as it should be, and that cannot be mended now: {why}", one.address.ip);
        error!("{text}");
        self.tell(one, AddressNews::Broken, text, None);
    }

    pub(super) fn tell_missing(&self, one: &Watched, interface: &str) {
        let gone = if self.links.iter().any(|link| link.name == interface) { "down" } else { "not there" };
        let text = format!(
            "{} is missing and {interface} is {gone}: the address is put back when the interface is up (ip link set {interface} up); \
             hb_standby moves the group to the other node",
            one.address.ip
        );
        error!("{text}");
        self.tell(one, AddressNews::Broken, text, None);
    }

    pub(super) fn tell_removed(&self, one: &Watched) {
        let text = format!(
            "{} was here with this suite's mark (proto 84) although its group is not held here: removed",
            one.address.ip
        );
        warn!("{text}");
        self.tell(one, AddressNews::Removed, text, None);
    }

    pub(super) fn tell_foreign(&self, one: &Watched, interface: &str) {
        let ip = one.address.ip;
        let text = format!(
            "{ip} is on {interface} although its group is not held here; this suite did not make it, so it stays: if another node \
             holds the group, two machines answer for the address. Remove it (ip address delete {ip} dev {interface}), and look \
             in /etc/network/interfaces for what makes it"
        );
        error!("{text}");
        self.tell(one, AddressNews::Foreign, text, None);
    }

    /// Other machines have claimed addresses; those that are held here are conflicts.
    pub(super) async fn claimed(&mut self, claims: &[(Claim, u32)]) {
        for (claim, interface) in claims {
            let mine = self.links.iter().any(|link| link.ethernet == Some(claim.mac));
            let held = |one: &&Watched| one.address.ip == claim.ip && one.whose == Whose::HeldHere;
            let Some(one) = self.watched.iter().find(held).filter(|_| !mine).cloned() else { continue };
            // given away a moment ago: whoever has taken it says so
            if !taken::is_held(&self.run.settings.run_dir, &one.group) || !self.is_sure() {
                continue;
            }
            let consequence = self.conflicts.heard(now(), *claim);
            if let Some(count) = consequence.tell {
                let link = self.links.iter().find(|link| link.index == *interface);
                let link = link.map_or_else(|| format!("interface {interface}"), |link| link.name.clone());
                self.tell_conflict(&one, claim, &link, count);
            }
            if consequence.defend {
                self.announce_one(&one).await;
            }
        }
    }

    fn tell_conflict(&self, one: &Watched, claim: &Claim, link: &str, count: u64) {
        let mac = claim.mac.map(|byte| format!("{byte:02x}")).join(":");
        let times = if count > 1 { format!(" ({count} times)") } else { String::new() };
        let text = format!(
            "address conflict: {mac} on {link} claims {}, which is held here{times}: find that machine; a real server of direct \
             routing needs arp_ignore=1 and arp_announce=2, a node that does not let go must be switched off",
            one.address.ip
        );
        error!("{text}");
        self.tell(one, AddressNews::Conflict, text, Some(mac));
    }

    fn tell(&self, one: &Watched, news: AddressNews, detail: String, mac: Option<String>) {
        let (group, address) = (one.group.clone(), one.address.ip.to_string());
        self.run.printer.print(&Event::Address { group, address, news, mac, detail });
    }
}

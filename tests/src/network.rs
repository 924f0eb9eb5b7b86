//! The cables and switches between nodes: bridges in a network of their own, one port for each interface of a node.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};

use crate::failure::Result;
use crate::machine::Machine;
use crate::programs;

/// An interface of a node and what it is plugged into.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Link {
    /// Name of the interface in the node.
    pub interface: String,
    /// Name of the switch.
    pub switch: String,
    /// Addresses with prefix length.
    pub addresses: Vec<String>,
    /// The switch's port; given by [`Fabric::port`].
    pub port: u32,
}

impl Link {
    /// Hardware address: the same after each power-on, as a real card's.
    pub fn mac(&self) -> String {
        format!("02:00:5e:00:{:02x}:{:02x}", self.port >> 8 & 0xff, self.port & 0xff)
    }

    fn port_name(&self) -> String {
        format!("port{}", self.port)
    }
}

/// All switches of a lab.
#[derive(Debug)]
pub struct Fabric {
    machine: Machine,
    ports: AtomicU32,
}

impl Fabric {
    /// No switch yet.
    pub fn new() -> Result<Self> {
        Ok(Self { machine: Machine::boot("fabric", None)?, ports: AtomicU32::new(1) })
    }

    /// The fabric of a kept lab. No ports can be added to it.
    pub fn attach(pid: u32) -> Self {
        Self { machine: Machine::attach(pid), ports: AtomicU32::new(u32::MAX / 2) }
    }

    /// The process that holds it.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The same, to end or keep it.
    pub fn machine_mut(&mut self) -> &mut Machine {
        &mut self.machine
    }

    /// Number of the next free port.
    pub fn port(&self) -> u32 {
        self.ports.fetch_add(1, Ordering::Relaxed)
    }

    /// A new switch. It forwards multicast to all ports, as a switch without snooping does.
    pub fn switch(&self, name: &str) -> Result<()> {
        self.machine.ip(&format!("link add name {name} type bridge mcast_snooping 0\nlink set {name} up\n"))
    }

    /// Plug a booted node's interfaces in and give it their addresses.
    pub fn plug_in(&self, links: &[Link], node: &Machine) -> Result<()> {
        let mut outside = String::new();
        let mut inside = String::from("link set lo up\n");
        for link in links {
            let (port, interface, switch) = (link.port_name(), &link.interface, &link.switch);
            let (mac, pid) = (link.mac(), node.pid());
            outside +=
                &format!("link add name {port} type veth peer name {interface} address {mac} netns {pid}\n");
            outside += &format!("link set {port} master {switch} up\n");
            for address in &link.addresses {
                let option = if address.contains(':') { "nodad" } else { "broadcast +" };
                inside += &format!("address add {address} {option} dev {interface}\n");
            }
            inside += &format!("link set {interface} up\n");
        }
        self.machine.ip(&outside)?;
        node.ip(&inside)
    }

    /// Cut: nothing passes any more, in either direction; both sides still see a carrier.
    pub fn cut<'a>(&self, links: impl IntoIterator<Item = &'a Link>) -> Result<()> {
        self.set(links, |_| "nomaster".to_owned())
    }

    /// Undo [`Fabric::cut`].
    pub fn heal<'a>(&self, links: impl IntoIterator<Item = &'a Link>) -> Result<()> {
        self.set(links, |link| format!("master {}", link.switch))
    }

    /// Pull the cable: the node's interface loses its carrier.
    pub fn unplug<'a>(&self, links: impl IntoIterator<Item = &'a Link>) -> Result<()> {
        self.set(links, |_| "down".to_owned())
    }

    /// Undo [`Fabric::unplug`].
    pub fn plug<'a>(&self, links: impl IntoIterator<Item = &'a Link>) -> Result<()> {
        self.set(links, |_| "up".to_owned())
    }

    /// Forget the ports of a node that has lost its power.
    pub fn remove(&self, links: &[Link]) {
        for link in links {
            // It may be gone already: an interface ends with the network of its other end.
            let _ = self.machine.ip(&format!("link delete {}\n", link.port_name()));
        }
    }

    /// Loss, delay and so on of what the switch sends to the node (`rule`: words of tc-netem(8)); `None` ends it.
    pub fn impair(&self, link: &Link, rule: Option<&str>) -> Result<()> {
        let pid = self.machine.pid().to_string();
        let mut command = Command::new("nsenter");
        command.args(["--target", &pid, "--net", "--", "tc", "qdisc"]);
        match rule {
            Some(rule) => command
                .args(["replace", "dev", &link.port_name(), "root", "netem"])
                .args(rule.split_whitespace()),
            None => command.args(["delete", "dev", &link.port_name(), "root"]),
        };
        programs::run(&mut command).map(drop)
    }

    /// Every switch loses so many of 100 heartbeats (UDP port 694), at random; 0 ends it. For kernels without netem(8).
    pub fn lose(&self, percent: u8) -> Result<()> {
        let rules = match percent {
            0 => "delete table bridge loss".to_owned(),
            _ => format!(
                "table bridge loss {{ chain some {{ type filter hook forward priority 0; \
                 udp dport 694 numgen random mod 100 < {percent} drop; }}; }}"
            ),
        };
        let pid = self.machine.pid().to_string();
        programs::run(Command::new("nsenter").args(["--target", &pid, "--net", "--", "nft", &rules]))
            .map(drop)
    }

    fn set<'a>(
        &self,
        links: impl IntoIterator<Item = &'a Link>,
        change: impl Fn(&Link) -> String,
    ) -> Result<()> {
        let line = |link: &'a Link| format!("link set {} {}\n", link.port_name(), change(link));
        self.machine.ip(&links.into_iter().map(line).collect::<String>())
    }
}

//! `ha.cf`, `authkeys` and `haresources` under construction. A resource that would be refused becomes a comment.

use super::{NewFile, Notes, Place, Settings};
use ha_resources::haresources::Resource;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

/// The pair that something becomes.
#[derive(Clone, Debug, Default)]
pub struct Pair {
    /// Lines of ha.cf that make the links, each once.
    pub links: Vec<String>,
    /// From one beat to the next.
    pub keepalive: Duration,
    /// After so long a node is dead.
    pub deadtime: Duration,
    /// `auto_failback`.
    pub failback: bool,
    /// The groups.
    pub groups: Vec<Group>,
}

/// A line of haresources.
#[derive(Clone, Debug)]
pub struct Group {
    /// Where it comes from.
    pub place: Place,
    /// Said above it.
    pub name: String,
    /// At home on the node whose files they are.
    pub here: bool,
    /// In the order in which they are started.
    pub resources: Vec<String>,
}

impl Pair {
    /// The three files.
    pub fn files(&self, settings: &Settings, peer: &str, notes: &mut Notes) -> Vec<NewFile> {
        let file = |name: &str, text: String, mode| NewFile { name: name.to_owned(), text, mode };
        let authkeys = format!(
            "# A new secret: copy this file to the other node, readable for root alone.\nauth 1\n1 sha256 {}\n",
            settings.secret
        );
        vec![
            file("ha.cf", self.ha_cf(settings, peer), 0o644),
            file("authkeys", authkeys, 0o600),
            file("haresources", self.haresources(settings, peer, notes), 0o644),
        ]
    }

    fn ha_cf(&self, settings: &Settings, peer: &str) -> String {
        let ms = |time: Duration| format!("{}ms", time.as_millis());
        let mut text = format!(
            "# Imported. The same file for both nodes; \"heartbeatd --check\" looks at it.\nlogfacility daemon\nkeepalive {}\ndeadtime {}\n",
            ms(self.keepalive),
            ms(self.deadtime)
        );
        self.links.iter().for_each(|link| text.push_str(&format!("{link}\n")));
        let _ = writeln!(text, "auto_failback {}", if self.failback { "on" } else { "off" });
        let _ = writeln!(text, "node {}\nnode {peer}", settings.node);
        text
    }

    fn haresources(&self, settings: &Settings, peer: &str, notes: &mut Notes) -> String {
        let mut text =
            "# Imported. The same file for both nodes; \"ha-resources check\" looks at it.\n".to_owned();
        let mut known = BTreeSet::new();
        for group in &self.groups {
            let mut good = Vec::new();
            for resource in &group.resources {
                let why = match Resource::parse(resource) {
                    Ok(_) if known.insert(resource.clone()) => None,
                    Ok(_) => Some("it is in another group already".to_owned()),
                    Err(report) => report.diagnostics().first().map(|note| note.message.clone()),
                };
                match why {
                    None => good.push(resource.as_str()),
                    Some(why) => {
                        notes.lost(
                            group.place,
                            resource,
                            format!("would be refused: {why}"),
                            "correct it in haresources, where it is a comment",
                        );
                        let _ = writeln!(text, "# Not taken over: {resource}");
                    }
                }
            }
            let node = if group.here { &settings.node } else { peer };
            if !good.is_empty() {
                let _ = writeln!(
                    text,
                    "# {}\n{node} {}",
                    group.name.replace(char::is_control, " "),
                    good.join(" ")
                );
            }
        }
        text
    }
}

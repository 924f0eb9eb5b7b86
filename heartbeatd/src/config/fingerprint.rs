//! Numbers by which two nodes compare what their files mean, without the files. Both nodes must come to the same
//! number from the same meaning in every version, so a text that never changes is hashed, not a data structure.

use super::{Failback, Group, Plan};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// What `ha.cf` means for the pair: the nodes, in whatever order they are written, the timers and whether groups
/// return. Media, logs and the like may differ from node to node.
pub(crate) fn of_plan(plan: &Plan) -> u32 {
    let mut nodes = plan.nodes.clone();
    nodes.sort_unstable();
    let mut text = format!("nodes {}\n", nodes.join(" "));
    let timing = &plan.timing;
    for (name, time) in [
        ("keepalive", timing.keepalive),
        ("deadtime", timing.deadtime),
        ("warntime", timing.warntime),
        ("initdead", timing.initdead),
    ] {
        // writing into a string does not fail
        let _ = writeln!(text, "{name} {}", time.as_micros());
    }
    // legacy is on between two of ours
    text.push_str(if plan.failback == Failback::Off { "failback off" } else { "failback on" });
    number(&text)
}

/// What `haresources` means: its groups in their order. Comments, spaces and where lines are broken do not count.
pub(crate) fn of_groups(groups: &[Group]) -> u32 {
    let lines = groups.iter().map(|group| format!("{} {}\n", group.home, group.resources.join(" ")));
    number(&lines.collect::<String>())
}

fn number(text: &str) -> u32 {
    Sha256::digest(text).iter().take(4).fold(0, |number, byte| number << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::super::haresources;
    use super::*;
    use config::Source;

    fn of(text: &str) -> u32 {
        of_groups(&haresources::groups(&Source::new("haresources", text)))
    }

    #[test]
    fn haresources_counts_by_what_it_means() {
        let number = of("alpha 192.0.2.1 apache\nbeta 192.0.2.2\n");
        // fixed for ever: an older version on the other node comes to the same
        assert_eq!(number, 0x1108_ea41);
        assert_eq!(of("# two\nAlpha\t192.0.2.1 \\\n   apache # web\n\nbeta 192.0.2.2"), number);
        for other in [
            "beta 192.0.2.2\nalpha 192.0.2.1 apache\n",
            "alpha apache 192.0.2.1\nbeta 192.0.2.2\n",
            "alpha 192.0.2.1\nalpha apache\nbeta 192.0.2.2\n",
            "alpha 192.0.2.1 apache\nbeta 192.0.2.3\n",
            "alpha 192.0.2.1 apache\n",
        ] {
            assert_ne!(of(other), number, "{other}");
        }
    }
}

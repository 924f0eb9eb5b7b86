//! What an OCF agent says about itself (`ra-api-1.dtd`): pure.

use roxmltree::{Document, Node, ParsingOptions};
use std::time::Duration;

/// More elements than any agent has.
const MOST_NODES: u32 = 20_000;

/// Parameters and actions of an agent.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Metadata {
    /// Names, and whether they are required.
    parameters: Vec<(String, bool)>,
    /// Names, and the least time that is advised.
    actions: Vec<(String, Duration)>,
}

impl Metadata {
    /// `None` for what is no meta-data.
    pub(super) fn parse(text: &str) -> Option<Metadata> {
        let options =
            ParsingOptions { allow_dtd: true, nodes_limit: MOST_NODES, ..ParsingOptions::default() };
        let document = Document::parse_with_options(text.trim_start(), options).ok()?;
        let root = Some(document.root_element()).filter(|root| root.has_tag_name("resource-agent"))?;
        let named = |tag: &'static str| root.descendants().filter(move |node| node.has_tag_name(tag));
        let name = |node: &Node<'_, '_>| node.attribute("name").map(str::to_owned);
        let required = |node: &Node<'_, '_>| matches!(node.attribute("required"), Some("1" | "true" | "yes"));
        Some(Metadata {
            parameters: named("parameter").filter_map(|node| Some((name(&node)?, required(&node)))).collect(),
            actions: named("action")
                .filter_map(|node| Some((name(&node)?, time(node.attribute("timeout")?)?)))
                .collect(),
        })
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.parameters.iter().map(|(name, _)| name.as_str())
    }

    pub(super) fn knows(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    pub(super) fn required(&self) -> impl Iterator<Item = &str> {
        self.parameters.iter().filter(|(_, required)| *required).map(|(name, _)| name.as_str())
    }

    /// The least time that the agent advises for an action.
    pub(super) fn time_for(&self, action: &str) -> Option<Duration> {
        self.actions.iter().find(|(name, _)| name == action).map(|(_, time)| *time)
    }
}

/// `20`, `20s`, `20000ms`, `5min`; at most an hour.
fn time(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    let time = match unit.trim() {
        "" | "s" | "sec" => Duration::from_secs(number),
        "ms" | "msec" => Duration::from_millis(number),
        "m" | "min" => Duration::from_secs(number.saturating_mul(60)),
        _ => return None,
    };
    Some(time.min(Duration::from_secs(3600)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_and_times() {
        let text = "<?xml version=\"1.0\"?>\n<!DOCTYPE resource-agent SYSTEM \"ra-api-1.dtd\">\n<resource-agent name=\"X\">\n\
            <parameters><parameter name=\"a\" unique=\"1\" required=\"1\"><content type=\"string\"/></parameter>\
            <parameter name=\"b\"/></parameters>\n<actions><action name=\"start\" timeout=\"120s\"/>\
            <action name=\"stop\" timeout=\"90\"/><action name=\"monitor\" timeout=\"500ms\"/><action name=\"x\"/></actions></resource-agent>";
        let about = Metadata::parse(text).unwrap();
        assert_eq!(about.names().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(about.required().collect::<Vec<_>>(), ["a"]);
        let seconds = |action| about.time_for(action).map(|time| time.as_secs_f32());
        assert_eq!(
            [seconds("start"), seconds("stop"), seconds("monitor"), seconds("x")],
            [Some(120.0), Some(90.0), Some(0.5), None]
        );
    }

    #[test]
    fn anything_else_is_none() {
        let deep = "<a>".repeat(100_000);
        for text in ["", "usage: x", "<html/>", "<resource-agent", &deep] {
            assert_eq!(Metadata::parse(text), None);
        }
        // No entity is expanded without bound.
        let bomb = "<!DOCTYPE r [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;\">\
            <!ENTITY d \"&c;&c;&c;&c;&c;&c;&c;&c;\">]><resource-agent>&d;&d;&d;&d;&d;&d;&d;&d;</resource-agent>";
        assert!(Metadata::parse(bomb).is_none_or(|about| about.parameters.is_empty()));
    }
}

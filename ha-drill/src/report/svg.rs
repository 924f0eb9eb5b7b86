//! The timeline as a picture: a lane for each node, for who answers, and for each probe, over the same milliseconds.

use std::fmt::Write;

use heartbeatd::control::Severity;

use super::{Report, Stretch};
use crate::outage::Verdict;

const WIDTH: f64 = 1000.0;
/// Left of the lanes stand their names.
const LEFT: f64 = 130.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 84.0;
const LANE: f64 = 26.0;
const BAR: f64 = 16.0;
/// So many events are listed under the lanes.
const EVENTS: usize = 24;

const GOOD: &str = "#3a923a";
const BAD: &str = "#c03d3e";
const UNKNOWN: &str = "#b0b0b0";
/// Holders, and machines that answer, in the order of their appearance.
const OWNERS: [&str; 4] = ["#3274a1", "#e1812c", "#845b53", "#9372b2"];

/// The picture.
pub fn render(report: &Report) -> String {
    let mut picture = Picture {
        from: report.from_ms,
        to: report.to_ms.max(report.from_ms + 1.0),
        lanes: 0,
        body: String::new(),
    };
    picture.lanes(report);
    let bottom = TOP + picture.lanes as f64 * LANE;
    let listed = report.events.len().min(EVENTS);
    let height = bottom + 50.0 + listed as f64 * 15.0;
    picture.axis(bottom);
    picture.marks(report, bottom);
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" width=\"{WIDTH}\" height=\"{height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    text.push_str(&head(report));
    text.push_str(&picture.body);
    text.push_str("</svg>\n");
    text
}

fn head(report: &Report) -> String {
    let on = report.node.as_ref().map(|node| format!(" on {node}")).unwrap_or_default();
    let (word, colour) = match report.verdict {
        Verdict::Within => ("within the limit", GOOD),
        Verdict::Exceeded => ("over the limit", BAD),
        Verdict::Unknown => ("unknown", "#666666"),
    };
    let title = escape(&format!("{}{on}, {}", report.action, report.address));
    let reasons = escape(&report.reasons.join("; "));
    format!(
        "<text x=\"12\" y=\"26\" font-size=\"18\" font-weight=\"bold\">{title}</text>\n\
         <text x=\"12\" y=\"46\" fill=\"{colour}\" font-weight=\"bold\">{word} ({:.0} ms)</text>\n\
         <text x=\"12\" y=\"64\" fill=\"#444444\">{reasons}</text>\n\
         <text x=\"{}\" y=\"26\" text-anchor=\"end\" fill=\"#666666\">{}</text>\n",
        report.max_outage_ms,
        WIDTH - RIGHT,
        escape(&report.began)
    )
}

struct Picture {
    from: f64,
    to: f64,
    lanes: usize,
    body: String,
}

impl Picture {
    fn lanes(&mut self, report: &Report) {
        for (place, node) in report.nodes.iter().enumerate() {
            self.lane(&node.name);
            for span in &node.held {
                self.bar(*span, colour(place), &format!("{} has the address", node.name));
            }
            for span in &node.silent {
                self.bar(*span, UNKNOWN, &format!("{} did not answer", node.name));
            }
        }
        let owners = &report.owners;
        if owners.unknown.is_none() {
            self.lane("who answers");
            let mut known: Vec<&str> = Vec::new();
            for owned in &owners.tenures {
                let fill = match owned.macs.as_slice() {
                    [] => continue,
                    [mac] => {
                        let place = known.iter().position(|other| other == mac).unwrap_or(known.len());
                        if place == known.len() {
                            known.push(mac);
                        }
                        colour(place)
                    }
                    _ => BAD,
                };
                self.bar(owned.when, fill, &owned.macs.join(" and "));
            }
        }
        for probe in &report.probes {
            self.lane(&probe.name);
            self.bar(Stretch { from_ms: self.from, to_ms: self.to }, GOOD, &probe.name);
            for span in &probe.unknown {
                self.bar(*span, UNKNOWN, "not known");
            }
            for outage in &probe.outages {
                let when = Stretch { from_ms: outage.from_ms, to_ms: outage.to_ms };
                self.bar(when, BAD, &format!("outage of {:.1} ms, {} lost", outage.length_ms, outage.lost));
            }
        }
    }

    fn lane(&mut self, name: &str) {
        self.lanes += 1;
        let y = self.y() + 12.0;
        let _ = writeln!(
            self.body,
            "<text x=\"{}\" y=\"{y}\" text-anchor=\"end\">{}</text>",
            LEFT - 8.0,
            escape(&shorten(name, 18))
        );
        let y = self.y();
        let _ = writeln!(
            self.body,
            "<rect x=\"{LEFT}\" y=\"{y}\" width=\"{}\" height=\"{BAR}\" fill=\"#f0f0f0\"/>",
            WIDTH - LEFT - RIGHT
        );
    }

    /// The top of the last lane's bar.
    fn y(&self) -> f64 {
        TOP + (self.lanes as f64 - 1.0) * LANE
    }

    fn x(&self, ms: f64) -> f64 {
        let part = ((ms - self.from) / (self.to - self.from)).clamp(0.0, 1.0);
        LEFT + part * (WIDTH - LEFT - RIGHT)
    }

    fn bar(&mut self, span: Stretch, fill: &str, title: &str) {
        let (left, right, y) = (self.x(span.from_ms), self.x(span.to_ms), self.y());
        // the shortest outage is seen
        let width = (right - left).max(1.0);
        let _ = writeln!(
            self.body,
            "<rect x=\"{left:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"{BAR}\" fill=\"{fill}\"><title>{} ({:+.1} to {:+.1} ms)</title></rect>",
            escape(title),
            span.from_ms,
            span.to_ms
        );
    }

    fn axis(&mut self, bottom: f64) {
        let step = step(self.to - self.from);
        let mut tick = (self.from / step).ceil() * step;
        while tick <= self.to {
            let x = self.x(tick);
            let label = if step >= 1000.0 { format!("{} s", tick / 1000.0) } else { format!("{tick} ms") };
            let _ = writeln!(
                self.body,
                "<line x1=\"{x:.1}\" y1=\"{}\" x2=\"{x:.1}\" y2=\"{bottom}\" stroke=\"#d0d0d0\" stroke-width=\"0.5\"/>\
                 <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\" fill=\"#666666\">{label}</text>",
                TOP - 4.0,
                bottom + 12.0
            );
            tick += step;
        }
        let x = self.x(0.0);
        let _ = writeln!(
            self.body,
            "<line x1=\"{x:.1}\" y1=\"{}\" x2=\"{x:.1}\" y2=\"{bottom}\" stroke=\"black\"><title>the action begins</title></line>",
            TOP - 8.0
        );
    }

    /// A number on the axis for each event, and what it was below.
    fn marks(&mut self, report: &Report, bottom: f64) {
        for (place, event) in report.events.iter().take(EVENTS).enumerate() {
            let middle = (event.earliest_ms + event.latest_ms) / 2.0;
            let fill = match event.severity {
                Severity::Info => "#444444",
                Severity::Warning => "#b36b00",
                Severity::Error => BAD,
            };
            let x = self.x(middle);
            let y = bottom + 40.0 + place as f64 * 15.0;
            let _ = writeln!(
                self.body,
                "<path d=\"M {x:.1} {} l 3 7 l -6 0 z\" fill=\"{fill}\"><title>{}</title></path>\
                 <text x=\"12\" y=\"{y}\" fill=\"{fill}\" font-size=\"11\">{:+.1} ms  {}: {}</text>",
                bottom + 16.0,
                escape(&event.text),
                middle,
                escape(&event.source),
                escape(&shorten(&event.text, 130))
            );
        }
    }
}

fn colour(place: usize) -> &'static str {
    OWNERS.get(place % OWNERS.len()).copied().unwrap_or(UNKNOWN)
}

/// A round distance of ticks, of which about ten fit.
fn step(length: f64) -> f64 {
    let decade = 10_f64.powf((length / 10.0).max(1e-3).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * decade);
    steps.into_iter().find(|step| length / step <= 10.0).unwrap_or(length)
}

fn shorten(text: &str, length: usize) -> String {
    match text.char_indices().nth(length) {
        Some((at, _)) => format!("{}…", text.get(..at).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Text between tags or in an attribute; what XML has no place for becomes a question mark.
fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => safe.push('?'),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::super::{Event, Node, Outage, Owned, Owners, Probe};
    use super::*;
    use proptest::prelude::*;
    use roxmltree::Document;

    fn stretch(from_ms: f64, to_ms: f64) -> Stretch {
        Stretch { from_ms, to_ms }
    }

    /// A record of two seconds around a move from one node to the other, with an outage of half a second.
    fn report(name: &str) -> Report {
        let node = |name: &str, held| Node {
            name: name.to_owned(),
            answers: 40,
            quickest_ms: 1.0,
            slowest_ms: 2.0,
            clock_offset_ms: None,
            clock_error_ms: 0.0,
            held: vec![held],
            silent: Vec::new(),
        };
        let owned = |mac: &str, when| Owned { macs: vec![mac.to_owned()], when };
        let outage = Outage { from_ms: 0.0, to_ms: 500.0, length_ms: 500.0, lost: 50, ended: true };
        Report {
            action: "standby".into(),
            address: "192.0.2.100".into(),
            began: "2026-11-22".into(),
            probed_from: name.to_owned(),
            command: name.to_owned(),
            node: Some(name.to_owned()),
            command_failed: None,
            verdict: Verdict::Within,
            reasons: vec![name.to_owned()],
            max_outage_ms: 2000.0,
            from_ms: -1000.0,
            to_ms: 1000.0,
            probes: vec![Probe {
                name: "icmp".into(),
                interval_ms: 10.0,
                answered: 150,
                failed: 50,
                unsent: 0,
                outages: vec![outage],
                longest_ms: 500.0,
                unknown: Vec::new(),
                verdict: Verdict::Within,
                failures: Vec::new(),
            }],
            owners: Owners {
                unknown: None,
                interval_ms: 10.0,
                tenures: vec![
                    owned("02:00:00:00:00:01", stretch(-1000.0, 0.0)),
                    owned("02:00:00:00:00:02", stretch(500.0, 1000.0)),
                ],
                duplicate_ms: Some(0.0),
                announcements: 1,
            },
            nodes: vec![node(name, stretch(-1000.0, 0.0)), node("beta", stretch(500.0, 1000.0))],
            events: vec![Event {
                earliest_ms: 490.0,
                latest_ms: 510.0,
                source: "beta".into(),
                severity: Severity::Warning,
                text: name.to_owned(),
            }],
            holder_before: None,
            holder_after: None,
            state: Vec::new(),
            undo: Vec::new(),
            warnings: Vec::new(),
        }
    }

    /// The bars of a colour: their left and right ends.
    fn bars(picture: &str, fill: &str) -> Vec<(f64, f64)> {
        let document = Document::parse(picture).unwrap();
        let number =
            |node: &roxmltree::Node<'_, '_>, name| node.attribute(name).unwrap().parse::<f64>().unwrap();
        let filled = |node: &roxmltree::Node<'_, '_>| {
            node.tag_name().name() == "rect" && node.attribute("fill") == Some(fill)
        };
        let found = document.descendants().filter(filled);
        found.map(|node| (number(&node, "x"), number(&node, "x") + number(&node, "width"))).collect()
    }

    #[test]
    fn every_lane_and_bar_stands_where_it_belongs() {
        let picture = render(&report("alpha"));
        let document = Document::parse(&picture).unwrap();
        let texts: Vec<&str> = document.descendants().filter_map(|node| node.text()).collect();
        for wanted in [
            "alpha",
            "beta",
            "who answers",
            "icmp",
            "standby on alpha, 192.0.2.100",
            "within the limit (2000 ms)",
        ] {
            assert!(texts.contains(&wanted), "{wanted}: {texts:?}");
        }
        assert!(texts.iter().any(|text| text.contains("outage of 500.0 ms, 50 lost")), "{texts:?}");
        assert!(texts.contains(&"+500.0 ms  beta: alpha"), "{texts:?}");
        // 850 wide from 130 on, two seconds: 0 ms is at 555, 500 ms at 767.5.
        assert_eq!(bars(&picture, BAD), [(555.0, 767.5)]);
        assert_eq!(bars(&picture, GOOD), [(130.0, 980.0)]);
        assert_eq!(bars(&picture, OWNERS[0]), [(130.0, 555.0), (130.0, 555.0)], "alpha held it and answered");
        assert_eq!(bars(&picture, OWNERS[1]), [(767.5, 980.0), (767.5, 980.0)], "then beta did");
    }

    proptest! {
        #[test]
        fn whatever_names_and_events_say_it_is_xml(name in "(<|>|&|\"|'|]]>|\\PC|[\\x00-\\x1f]){0,30}") {
            let picture = render(&report(&name));
            prop_assert!(Document::parse(&picture).is_ok(), "{}", picture);
        }
    }

    #[test]
    fn nothing_leaves_its_place() {
        assert_eq!(escape("<a href=\"x\">&\u{1b}"), "&lt;a href=&quot;x&quot;&gt;&amp;?");
        assert_eq!(shorten("äöü", 2), "äö…");
        for (length, wanted) in [(10_000.0, 1000.0), (1234.0, 200.0), (8.0, 1.0), (61_000.0, 10_000.0)] {
            assert_eq!(step(length), wanted);
        }
    }
}

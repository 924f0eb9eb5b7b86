//! What piranha's nannies asked of a server.

use super::super::Notes;
use super::super::director::{Section, quoted};
use super::super::keepalived::tree::Statement;

/// `send` and `expect`: a page for what looks like HTTP, else the text itself.
pub(super) fn apply(block: &Statement, port: &str, section: &mut Section, notes: &mut Notes) {
    let get = |name: &str| block.find(name).filter(|each| !each.word(2).is_empty());
    let limit = get("timeout")
        .and_then(|each| each.word(2).parse::<u64>().ok())
        .filter(|seconds| (1..=3600).contains(seconds))
        .unwrap_or(6);
    section.set("checktimeout", limit.to_string());
    section.set("negotiatetimeout", limit.to_string());
    if let Some(program) = get("send_program") {
        let advice = "write it as checkcommand: it is called with VIP, port, server and port, and says by its exit status whether the server is up";
        notes.lost(program.place, "send_program", "what a program prints is not compared", advice);
    }
    let (send, expect) = (get("send"), get("expect"));
    let udp = get("protocol").is_some_and(|each| each.word(2) == "udp");
    // A mark has no protocol of its own: what asks it asks by TCP. A datagram is only asked for by one.
    let asks = !udp || (section.protocol == "udp" && send.is_some() && expect.is_some());
    if !asks {
        section.set("checktype", "ping");
        return match send.or(expect) {
            Some(text) => notes.lost(
                text.place,
                text.name(),
                "the servers are only pinged",
                "service=dns, radius and sip ask by UDP; an external check can ask anything",
            ),
            None => notes.differs(block.place, "protocol", "the servers of a UDP service are pinged"),
        };
    }
    if section.protocol == "fwm" {
        mark_port(block, port, section, notes);
    }
    match (send, expect) {
        (None, None) => section.set("checktype", "connect"),
        (Some(send), None) if page(send).is_none() => {
            section.set("checktype", "connect");
            notes.differs(send.place, "send", "nothing is expected: a connection is enough");
        }
        _ => negotiate(block, udp, section, notes),
    }
}

/// The servers of a mark have no port in the kernel's table; a check needs one.
fn mark_port(block: &Statement, port: &str, section: &mut Section, notes: &mut Notes) {
    let servers = block.block.iter().filter(|each| each.name() == "server");
    let ports: Vec<(&Statement, &str)> = servers
        .filter(|server| server.find("active").is_none_or(|active| active.word(2) != "0"))
        .map(|server| (server, server.find("port").map_or("", |each| each.word(2))))
        .map(|(server, own)| (server, if own.is_empty() { port } else { own }))
        .collect();
    let first = ports.first().map_or(port, |(_, port)| port);
    section.set("checkport", first);
    for (server, _) in ports.iter().filter(|(_, port)| *port != first) {
        notes.lost(
            server.place,
            &format!("server {}", server.value()),
            format!("the servers of a mark are checked at one port, here {first}"),
            "an external check can ask another port of it",
        );
    }
}

/// What `GET` asks for.
fn page(send: &Statement) -> Option<&str> {
    let rest = send.word(2).strip_prefix("GET ")?;
    rest.split([' ', '\\']).next().filter(|path| path.starts_with('/'))
}

fn negotiate(block: &Statement, udp: bool, section: &mut Section, notes: &mut Notes) {
    let get = |name: &str| block.find(name).filter(|each| !each.word(2).is_empty());
    let (send, expect) = (get("send"), get("expect"));
    let regex = get("use_regex").filter(|each| each.word(2) == "1");
    if let Some(regex) = regex {
        notes.same(regex.place, "use_regex");
    }
    section.set("checktype", "negotiate");
    if let Some(path) = send.and_then(page).filter(|_| !udp) {
        section.set("service", "http");
        section.lines.extend(quoted(path).map(|path| ("request", path)));
        return match expect {
            Some(expect)
                if regex.is_some() && !expect.word(2).trim_start_matches('^').starts_with("HTTP") =>
            {
                notes.differs(
                    expect.place,
                    "expect",
                    "is looked for in the page, not in what stands before it; the status must be good, too",
                );
                receive(expect, expect.word(2), section, notes);
            }
            Some(expect) => notes.differs(
                expect.place,
                "expect",
                "a page is good if its status is; the beginning of the answer is not compared",
            ),
            None => {}
        };
    }
    section.set("service", "simpletcp");
    if let Some(send) = send {
        match quoted(send.word(2)) {
            Some(text) => section.set("request", text),
            None => notes.lost(send.place, "send", "cannot stand in quotes", "an external check can send it"),
        }
    }
    if let Some(expect) = expect {
        let text = if regex.is_some() { expect.word(2).to_owned() } else { escaped(expect.word(2)) };
        receive(expect, &text, section, notes);
    }
}

fn receive(expect: &Statement, text: &str, section: &mut Section, notes: &mut Notes) {
    match quoted(text) {
        Some(text) => section.set("receive", text),
        None => {
            notes.lost(expect.place, "expect", "cannot stand in quotes", "an external check can compare it")
        }
    }
}

/// As an expression that means itself.
fn escaped(text: &str) -> String {
    text.chars()
        .flat_map(|c| (!c.is_alphanumeric() && c.is_ascii()).then_some('\\').into_iter().chain([c]))
        .collect()
}

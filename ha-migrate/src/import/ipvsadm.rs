//! A table saved by `ipvsadm -S` or `ipvsadm -Sn`.

use super::director::{Director, Section};
use super::{NewFile, Notes, Output, Place};
use config::{Source, Span};

/// What the table becomes.
pub fn import(source: &Source) -> Output {
    let mut notes = Notes::default();
    let file = notes.file(source.clone());
    let mut director = Director {
        comments: vec![
            "Imported from a table of ipvsadm.".to_owned(),
            "A table says nothing of how servers are checked: each is checked by a connection, or by a ping for UDP.".to_owned(),
        ],
        globals: vec![("checktimeout", "5".to_owned()), ("checkinterval", "10".to_owned()), ("quiescent", "yes".to_owned())],
        sections: Vec::new(),
    };
    for (start, text) in source.lines() {
        let words: Vec<&str> = text.split_whitespace().collect();
        let place = Place { file, span: Span::new(start, start + text.trim_end().len()) };
        match words.split_first() {
            None => {}
            Some((first, _)) if first.starts_with('#') => {}
            Some((&("-A" | "--add-service"), rest)) => service(rest, place, &mut director, &mut notes),
            Some((&("-a" | "--add-server"), rest)) => server(rest, place, &mut director, &mut notes),
            Some((&"--start-daemon", _)) => notes.lost(
                place,
                "--start-daemon",
                "connection synchronisation is no part of ldirectord.cf",
                "a resource in haresources starts and stops it with the group: LVSSyncDaemonSwap::master",
            ),
            Some((&first, _)) => {
                notes.lost(place, first, "is no line of a saved table", "save the table with: ipvsadm -Sn")
            }
        }
    }
    let text = director.text(&mut notes);
    let files = vec![NewFile { name: "ldirectord.cf".to_owned(), text, mode: 0o644 }];
    Output { files, notes }
}

/// The words of an option and its value.
struct Options<'a>(Vec<(&'a str, &'a str)>);

/// Options without a value.
const FLAGS: [&str; 9] = ["-g", "-m", "-i", "-o", "-6", "--gatewaying", "--masquerading", "--ipip", "--ops"];

impl<'a> Options<'a> {
    fn new(words: &[&'a str]) -> Options<'a> {
        let mut options = Vec::new();
        let mut words = words.iter().copied().peekable();
        while let Some(word) = words.next() {
            let value = if FLAGS.contains(&word) {
                ""
            } else {
                words.next_if(|next| !next.starts_with('-')).unwrap_or("")
            };
            options.push((word, value));
        }
        Options(options)
    }

    fn get(&self, names: [&str; 2]) -> Option<&'a str> {
        self.0.iter().find(|(name, _)| names.contains(name)).map(|(_, value)| *value)
    }

    fn has(&self, names: [&str; 2]) -> bool {
        self.get(names).is_some()
    }

    /// Protocol, `virtual6`, and what stands behind `virtual=`.
    fn key(&self) -> Option<(&'static str, bool, String)> {
        let address = |value: &str| {
            let value = value.strip_suffix(":0").map_or(value.to_owned(), |host| format!("{host}:0"));
            (value.starts_with('['), value)
        };
        if let Some(value) = self.get(["-t", "--tcp-service"]) {
            let (v6, key) = address(value);
            return Some(("tcp", v6, key));
        }
        if let Some(value) = self.get(["-u", "--udp-service"]) {
            let (v6, key) = address(value);
            return Some(("udp", v6, key));
        }
        let mark = self.get(["-f", "--fwmark-service"])?;
        Some(("fwm", self.has(["-6", "--ipv6"]), mark.to_owned()))
    }
}

fn service(words: &[&str], place: Place, director: &mut Director, notes: &mut Notes) {
    let options = Options::new(words);
    let Some((protocol, v6, key)) = options.key() else {
        return notes.lost(
            place,
            "-A",
            "a service that is neither TCP nor UDP nor a firewall mark",
            "directord balances TCP, UDP and marks",
        );
    };
    let mut section = Section::new(place, v6, key, protocol);
    section.set("scheduler", options.get(["-s", "--scheduler"]).unwrap_or("wlc"));
    if let Some(time) = options.get(["-p", "--persistent"]) {
        section.set("persistent", if time.is_empty() { "300" } else { time });
    }
    if let Some(mask) = options.get(["-M", "--netmask"]) {
        section.set("netmask", mask);
    }
    if let Some(flags) = options.get(["-b", "--sched-flags"]) {
        section.set("schedflags", flags);
    }
    if options.has(["-o", "--ops"]) {
        section.set("ops", "yes");
    }
    if options.has(["--pe", "--pe"]) {
        notes.lost(
            place,
            "--pe",
            "a persistence engine",
            "directord has persistence by the client's address only",
        );
    }
    // A mark has no port that could be checked, unless its servers have one.
    section.set("checktype", if protocol == "udp" { "ping" } else { "connect" });
    notes.same(place, &section.key);
    director.sections.push(section);
}

fn server(words: &[&str], place: Place, director: &mut Director, notes: &mut Notes) {
    let options = Options::new(words);
    let key = options.key();
    let section = director.sections.iter_mut().find(|section| {
        key.as_ref().is_some_and(|(protocol, v6, key)| {
            (*protocol, *v6, key) == (section.protocol, section.v6, &section.key)
        })
    });
    let (Some(section), Some(real)) = (section, options.get(["-r", "--real-server"])) else {
        return notes.lost(place, "-a", "a server of no service above it", "save the whole table");
    };
    let method = if options.has(["-m", "--masquerading"]) {
        "masq"
    } else if options.has(["-i", "--ipip"]) {
        "ipip"
    } else {
        "gate"
    };
    if options.0.iter().any(|(name, _)| name.starts_with("--tun-")) {
        notes.lost(place, real, "a tunnel of this type", "directord makes tunnels of type ipip");
    }
    if section.protocol == "fwm" && real.ends_with(":0") {
        section.lines.retain(|(directive, _)| *directive != "checktype");
        section.set("checktype", "ping");
    }
    let weight = options.get(["-w", "--weight"]).unwrap_or("1");
    let mut text = format!("{} {method} {weight}", real.strip_suffix(":0").unwrap_or(real));
    for (names, letter) in [(["-y", "--l-threshold"], 'l'), (["-x", "--u-threshold"], 'u')] {
        if let Some(value) = options.get(names).filter(|value| *value != "0") {
            text.push_str(&format!(" {letter}:{value}"));
        }
    }
    if weight == "0" {
        notes.look(place, real, "has weight 0: it gets no traffic, also when its check passes");
    }
    notes.same(place, real);
    section.reals.push(text);
}

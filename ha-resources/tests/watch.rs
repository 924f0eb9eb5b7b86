//! The watch over the addresses, against the real kernel and another machine on the wire.
#![allow(clippy::unwrap_used, reason = "a laboratory that cannot be built fails the test")]

mod lab;

use ha_resources::event::{AddressNews, Event};
use lab::{Lab, soon};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};
use rustix::time::{ClockId, clock_gettime};
use std::io::{BufRead, BufReader};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

const KEY: &str = "IPaddr2::192.0.2.10/24/va";
const LONG: Duration = Duration::from_secs(600);

/// A watch, and the daemon's end of its line.
struct Watch {
    child: Child,
    line: Option<OwnedFd>,
    events: Receiver<Event>,
    seen: Vec<Event>,
}

impl Watch {
    /// One that announces what it holds so often, in seconds, and has heard no beat yet.
    fn start(lab: &Lab, refresh: &str) -> Watch {
        let (ours, its) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        let mut command = lab.command();
        command.env("HA_ANNOUNCE_REFRESH", refresh).args(["--json", "watch"]);
        let mut child = command.stdin(Stdio::from(its)).stdout(Stdio::piped()).spawn().unwrap();
        drop(command);
        let (sender, events) = channel();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        std::thread::spawn(move || {
            let events = lines.map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok());
            events.for_each(|event| drop(sender.send(event)));
        });
        Watch { child, line: Some(ours), events, seen: Vec::new() }
    }

    fn say(&self, words: &str) {
        send(self.line.as_ref().unwrap(), words.as_bytes(), SendFlags::NOSIGNAL).unwrap();
    }

    fn beat(&self, limit: Duration) {
        let now = clock_gettime(ClockId::Boottime);
        let nanos = now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64;
        self.say(&format!("beat {nanos} {}", limit.as_nanos()));
    }

    /// The first news of this kind: its sentence, and the MAC address in it.
    fn told(&mut self, kind: AddressNews) -> Option<(String, Option<String>)> {
        self.seen.extend(self.events.try_iter());
        self.seen.iter().find_map(|event| match event {
            Event::Address { news, detail, mac, .. } if *news == kind => Some((detail.clone(), mac.clone())),
            _ => None,
        })
    }

    fn tells(&mut self, kind: AddressNews) -> (String, Option<String>) {
        assert!(soon(|| self.told(kind).is_some()), "{kind:?} is not told: {:?}", self.seen);
        self.told(kind).unwrap()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        drop(self.line.take());
        assert!(soon(|| self.child.try_wait().unwrap().is_some()), "the watch ends with the daemon");
    }
}

fn mac(lab: &Lab, of: &str) -> String {
    let text = lab.peer_runs(&format!("ip -o link show dev {of}"));
    text.split("link/ether ").nth(1).unwrap()[..17].to_owned()
}

#[test]
fn an_address_that_somebody_removes_is_back_and_announced() {
    let lab = Lab::new();
    lab.haresources(&format!("alpha {KEY}\n"));
    let mut watch = Watch::start(&lab, "0");
    watch.beat(LONG);
    assert_eq!(lab.run("takenode alpha").code, 0);
    std::thread::sleep(Duration::from_millis(1200)); // the burst of the take is over
    let mut wire = lab::wire::Wire::listen(&lab);
    lab.ip("address del 192.0.2.10/24 dev va");
    assert!(soon(|| lab.has("192.0.2.10/24")));
    assert!(soon(|| !wire.seen().is_empty()), "the neighbours are told");
    let (text, _) = watch.tells(AddressNews::Repaired);
    assert!(text.contains("192.0.2.10 was removed by somebody"), "{text}");
    assert_eq!(lab.run("givenode alpha").code, 0);
    std::thread::sleep(Duration::from_millis(200));
    assert!(!lab.has("192.0.2.10"), "what was given away stays away");
}

#[test]
fn what_is_let_go_of_first_is_not_put_back() {
    let lab = Lab::new();
    // it is asked long after its address has gone
    lab.script("slow", "case $1 in stop) sleep 1;; status) echo running;; esac");
    lab.haresources(&format!("alpha {KEY} slow\n"));
    let mut watch = Watch::start(&lab, "0");
    watch.beat(LONG);
    assert_eq!(lab.run("takenode alpha").code, 0);
    let mut yielding =
        lab.command().args(["--json", "yieldnode", "alpha"]).stdout(Stdio::null()).spawn().unwrap();
    assert!(soon(|| !lab.has("192.0.2.10")));
    while yielding.try_wait().unwrap().is_none() {
        assert!(!lab.has("192.0.2.10"), "it is there again");
    }
    assert!(watch.told(AddressNews::Repaired).is_none(), "{:?}", watch.seen);
}

#[test]
fn without_a_beat_nothing_is_put_back() {
    let lab = Lab::new();
    lab.haresources(&format!("alpha {KEY}\n"));
    let mut watch = Watch::start(&lab, "0.1");
    watch.beat(Duration::from_nanos(1));
    assert_eq!(lab.run("takenode alpha").code, 0);
    std::thread::sleep(Duration::from_millis(1200));
    let mut wire = lab::wire::Wire::listen(&lab);
    lab.ip("address del 192.0.2.10/24 dev va");
    std::thread::sleep(Duration::from_millis(400));
    assert!(!lab.has("192.0.2.10") && wire.seen().is_empty(), "a daemon that is silent holds nothing");
    watch.beat(LONG);
    assert!(soon(|| lab.has("192.0.2.10/24")));
    watch.tells(AddressNews::Repaired);
}

#[test]
fn only_what_is_ours_is_removed_from_a_node_that_does_not_hold_the_group() {
    let lab = Lab::new();
    lab.haresources(&format!("alpha {KEY}\nalpha 192.0.2.11/24/va\n"));
    assert_eq!(lab.run(&format!("takegroup {KEY}")).code, 0);
    std::fs::remove_dir_all(lab.dir.join("run/groups")).unwrap(); // nobody remembers that it was taken
    lab.ip("address add 192.0.2.11/24 dev va");
    let mut watch = Watch::start(&lab, "0");
    watch.beat(LONG);
    watch.say("free beta");
    std::thread::sleep(Duration::from_millis(300));
    assert!(lab.has("192.0.2.10"), "alpha may hold its groups");
    watch.say("free alpha beta");
    assert!(soon(|| !lab.has("192.0.2.10")));
    let (text, _) = watch.tells(AddressNews::Removed);
    assert!(text.contains("192.0.2.10"), "{text}");
    let (text, _) = watch.tells(AddressNews::Foreign);
    assert!(text.contains("192.0.2.11 is on va"), "{text}");
    assert!(lab.has("192.0.2.11/24"), "it is not ours");
}

#[test]
fn another_machine_with_the_address_is_told_with_its_mac() {
    let lab = Lab::new();
    lab.haresources(&format!("alpha {KEY} IPv6addr::2001:db8:0:0:0:0:0:10/64/va\n"));
    lab.ip("address add 2001:db8::1/64 dev va nodad");
    assert_eq!(lab.run("takenode alpha").code, 0);
    let theirs = mac(&lab, "vb");
    {
        // it says nothing by itself, but answers
        lab.peer_runs("ip address add 192.0.2.10/24 dev vb");
        let mut watch = Watch::start(&lab, "0.2");
        watch.beat(LONG);
        let (text, mac) = watch.tells(AddressNews::Conflict);
        assert_eq!(mac.as_deref(), Some(&*theirs), "{text}");
        assert!(text.contains(&theirs) && text.contains("192.0.2.10") && text.contains("on va"), "{text}");
        assert!(watch.told(AddressNews::Repaired).is_none());
        lab.peer_runs("ip address del 192.0.2.10/24 dev vb");
    }
    lab.peer_runs("ip address add 2001:db8::10/64 dev vb nodad");
    // nor does this one, and it is asked although nothing is announced now and then
    let mut watch = Watch::start(&lab, "0");
    watch.beat(LONG);
    let (text, mac) = watch.tells(AddressNews::Conflict);
    assert!(mac.as_deref() == Some(&*theirs) && text.contains("claims 2001:db8::10, which"), "{text}");
}

#[test]
fn what_is_held_is_announced_now_and_then() {
    let lab = Lab::new();
    lab.haresources(&format!("alpha {KEY}\n"));
    assert_eq!(lab.run("takenode alpha").code, 0);
    std::thread::sleep(Duration::from_millis(1200));
    let mut wire = lab::wire::Wire::listen(&lab);
    let watch = Watch::start(&lab, "0.2");
    watch.beat(LONG);
    let announced = |wire: &mut lab::wire::Wire| {
        wire.seen().iter().filter(|(_, frame)| frame.get(28..32) == Some(&[192, 0, 2, 10])).count()
    };
    assert!(soon(|| announced(&mut wire) >= 6), "{}", announced(&mut wire));
}

#[test]
fn an_earlier_life_leaves_no_address_that_nobody_would_find() {
    let lab = Lab::new();
    lab.haresources(&format!("alpha {KEY}\nalpha 192.0.2.11/24/va\nbeta 192.0.2.12/24/va\n"));
    assert_eq!(lab.run("takenode alpha").code, 0);
    lab.ip("address add 192.0.2.12/24 dev va");
    assert_eq!(lab.run("sweep 600").code, 0);
    assert!(lab.has("192.0.2.10") && lab.has("192.0.2.11"), "a group names them");
    lab.haresources(&format!("alpha {KEY}\nbeta 192.0.2.12/24/va\n"));
    assert_eq!(lab.run("sweep 600").code, 0);
    assert!(lab.has("192.0.2.11"), "it was noted when it was taken");
    std::fs::remove_dir_all(lab.dir.join("run/groups")).unwrap();
    let ran = lab.run("sweep 600");
    assert!(ran.err.contains("192.0.2.11 was left here by an earlier life"), "{ran:?}");
    assert!(!lab.has("192.0.2.11") && lab.has("192.0.2.10") && lab.has("192.0.2.12"));
    // the daemon has beaten, but long ago
    assert_eq!(lab.run("takenode alpha").code, 0);
    {
        let watch = Watch::start(&lab, "0");
        watch.beat(LONG);
        assert!(soon(|| !lab.read("run/beaten").is_empty()));
    }
    assert_eq!(lab.run("sweep 600").code, 0);
    assert!(lab.has("192.0.2.10"), "within the time it is kept");
    assert_eq!(lab.run("sweep 0").code, 0);
    assert!(!lab.has("192.0.2.10"), "the other node may have taken it");
    assert!(lab.has("192.0.2.12/24") && lab.has("192.0.2.1/24"), "what was not made here stays");
}

use super::*;
use proptest::prelude::*;
use serde_json::json;

const VIP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 100));

fn at(milliseconds: u64) -> Moment {
    Moment::from_nanos(milliseconds * 1_000_000)
}

fn view(daemon: &str, kernel: &str, asked: u64) -> View {
    let text = format!("@name alpha\n@clock 5\n{daemon}\n@daemon 0\n{kernel}@kernel 0\n");
    View::parse(&text, VIP, at(asked), at(asked + 4))
}

fn running(pid: u32, events: &[(&str, u64)]) -> String {
    let events: Vec<_> = events.iter().map(|(text, ago)| json!({ "text": text, "ago_ms": ago })).collect();
    json!({ "node": "alpha", "pid": pid, "events": events,
            "groups": [{ "key": "192.0.2.100/24/eth0", "resources": ["192.0.2.100/24/eth0"], "state": "held", "holder": "alpha" }] })
    .to_string()
}

#[test]
fn what_a_node_says() {
    let eth = "2: eth0    inet 192.0.2.100/24 scope global eth0\\ forever\n";
    let full = view(&running(7, &[]), eth, 10);
    assert_eq!((full.name.as_str(), full.holds), ("alpha", Some(true)));
    let place = place(full.status().unwrap(), VIP).unwrap();
    assert_eq!((place.state, place.holder.as_deref()), (GroupState::Held, Some("alpha")));
    assert!(super::place(full.status().unwrap(), [192, 0, 2, 9].into()).is_none());
    assert_eq!(view("{}", "1: lo    inet 192.0.2.100/32 scope global lo\n", 1).holds, Some(false));
    assert!(matches!(view(r#"{"error":"x","running":false}"#, "", 1).daemon, Daemon::Stopped));
    assert!(matches!(view(r#"{"error":"x","running":true}"#, "", 1).daemon, Daemon::Unknown(_)));
    assert!(matches!(view("cl_status: invalid option -- '-'", "", 1).daemon, Daemon::Unknown(_)));
    let nothing = View::parse("sh: 1: ip: not found\n@kernel 127", VIP, at(1), at(2));
    assert_eq!(nothing.holds, None);
}

#[test]
fn events_stand_where_they_happened() {
    let views = [
        view(&running(7, &[("old", 5000)]), "", 1000),
        view(&running(7, &[("old", 6000), ("new", 30)]), "", 2000),
        view(r#"{"running":false}"#, "", 3000),
        view(&running(8, &[("born", 100)]), "2: eth0 inet 192.0.2.100/24 x\n", 4000),
    ];
    let told = history(&views);
    let texts: Vec<&str> = told.iter().map(|each| each.text.as_str()).collect();
    assert_eq!(
        texts,
        ["new", "the daemon does not run any more", "born", "its kernel has the address", "the daemon runs"]
    );
    assert_eq!((told[0].earliest, told[0].latest), (at(1969), at(1974)));
    assert_eq!((told[1].earliest, told[1].latest), (at(2000), at(3004)));
}

#[test]
fn an_answer_that_says_nothing_hides_no_end() {
    let views = [
        view(&running(7, &[]), "", 1000),
        view(r#"{"error":"reset","running":null}"#, "", 2000),
        view(r#"{"running":false}"#, "", 3000),
    ];
    let told = history(&views);
    assert_eq!(told.len(), 1);
    assert_eq!((told[0].earliest, told[0].latest), (at(1000), at(3004)));
}

proptest! {
    /// A log of any words, of which the last so many are shown each time: every word is told once.
    #[test]
    fn no_event_is_told_twice(words in proptest::collection::vec(0u32..1000, 0..40), steps in proptest::collection::vec(0usize..5, 0..20)) {
        let log: Vec<Event> = words.iter().enumerate().map(|(place, word)| Event { text: format!("{place} {word}"), ..Event::default() }).collect();
        let (mut shown, mut told) = (0, Vec::new());
        let mut known: &[Event] = &[];
        for step in steps {
            shown = (shown + step).min(log.len());
            let now = &log[shown.saturating_sub(10)..shown];
            told.extend_from_slice(fresh(known, now));
            known = now;
        }
        prop_assert_eq!(told, log[..shown].to_vec());
    }

    #[test]
    fn anything_can_be_said(text in "(@(name|clock|daemon|kernel|begin)? ?[0-9a-z{}:\" ]*\n){0,12}") {
        let _ = history(&[View::parse(&text, VIP, at(1), at(2)), View::parse(&text, VIP, at(3), at(4))]);
    }
}

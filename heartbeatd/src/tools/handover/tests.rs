//! When a move is done, and which groups the words mean.

use super::*;
use crate::control::{Hold, Resources};

fn status(hold: Hold, transition: bool, standby: Option<&str>) -> Status {
    let group =
        |home: &str| Group { key: format!("{home}-group"), home: home.to_owned(), ..Group::default() };
    Status {
        node: "alpha".to_owned(),
        resources: Resources {
            hold,
            transition,
            standby: standby.map(str::to_owned),
            ..Resources::default()
        },
        groups: vec![group("alpha"), group("beta")],
        ..Status::default()
    }
}

#[test]
fn words() {
    let which =
        |direction| [Word::All, Word::Foreign, Word::Local, Word::Failback].map(|word| word.which(direction));
    assert_eq!(which(Direction::Standby), [Which::All, Which::Foreign, Which::Local, Which::Foreign]);
    assert_eq!(which(Direction::Takeover), [Which::All, Which::Foreign, Which::Local, Which::Local]);
}

#[test]
fn a_standby_is_done_when_nothing_of_the_set_is_held() {
    let progress = |hold, transition, step| {
        progress(Direction::Standby, Which::Foreign, &status(hold, transition, step))
    };
    assert_eq!(progress(Hold::All, false, Some("asked the other node to take")), Progress::Moving);
    assert_eq!(progress(Hold::Local, true, None), Progress::Moving);
    assert_eq!(progress(Hold::Local, false, Some("the other node takes")), Progress::Moving);
    assert_eq!(progress(Hold::Local, false, None), Progress::Moved);
    assert_eq!(progress(Hold::None, false, None), Progress::Moved);
    let given_up = Progress::Failed("the move was given up: this node holds all".to_owned());
    assert_eq!(progress(Hold::All, false, None), given_up);
}

#[test]
fn a_takeover_is_done_when_all_of_the_set_is_held() {
    let progress =
        |set, hold, transition| progress(Direction::Takeover, set, &status(hold, transition, None));
    assert_eq!(progress(Which::Local, Hold::None, false), Progress::Moving);
    assert_eq!(progress(Which::Local, Hold::Local, true), Progress::Moving);
    assert_eq!(progress(Which::Local, Hold::Local, false), Progress::Moved);
    assert_eq!(progress(Which::All, Hold::Local, false), Progress::Moving);
    assert_eq!(progress(Which::Foreign, Hold::All, false), Progress::Moved);
}

#[test]
fn what_was_warned_of_since_the_request_is_told() {
    let event = |ago_ms, severity, text: &str| Event { ago_ms, severity, text: text.to_owned() };
    let status = Status {
        events: vec![
            event(9000, Severity::Error, "before"),
            event(1500, Severity::Info, "an ordinary line"),
            event(1000, Severity::Error, "apache: start failed\x1b"),
            event(200, Severity::Warning, "standby cancelled"),
        ],
        ..Status::default()
    };
    let told = troubles(&status, Duration::from_secs(2));
    assert_eq!(told, "\n  apache: start failed?\n  standby cancelled");
}

#[test]
fn a_failed_group_of_the_set_is_told() {
    let mut status = status(Hold::All, false, None);
    status.groups[1].state = GroupState::Failed;
    let failed = Progress::Failed("failed: beta-group".to_owned());
    assert_eq!(progress(Direction::Takeover, Which::Foreign, &status), failed);
    assert_eq!(progress(Direction::Takeover, Which::All, &status), failed);
    assert_eq!(progress(Direction::Takeover, Which::Local, &status), Progress::Moved);
}

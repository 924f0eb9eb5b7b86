//! The lines on the socket, and that versions understand each other.

use super::*;

#[test]
fn on_the_socket() {
    let json = |value: &Request| serde_json::to_string(value).unwrap();
    assert_eq!(json(&Request::Status), r#"{"request":"status"}"#);
    assert_eq!(json(&Request::Standby { set: Which::Foreign }), r#"{"request":"standby","set":"foreign"}"#);
    let refused = Answer::Refused { reason: "Standby in progress".into() };
    assert_eq!(
        serde_json::to_string(&refused).unwrap(),
        r#"{"answer":"refused","reason":"Standby in progress"}"#
    );
}

#[test]
fn versions_understand_each_other() {
    let older =
        r#"{"answer":"status","node":"alpha","nodes":[{"name":"beta","status":"active","colour":"red"}]}"#;
    let Answer::Status(status) = serde_json::from_str(older).unwrap() else { panic!("not a status") };
    assert_eq!(status.find("beta").unwrap().status, NodeStatus::Active);
    assert_eq!(status.resources.hold, Hold::None);
    let again = serde_json::to_string(&Answer::Status(status.clone())).unwrap();
    assert_eq!(serde_json::from_str::<Answer>(&again).unwrap(), Answer::Status(status));
}

#[test]
fn sets() {
    let holds = [Hold::None, Hold::Local, Hold::Foreign, Hold::All];
    let all = |set| holds.map(|hold| hold.has_all(set));
    let none = |set| holds.map(|hold| hold.has_none(set));
    assert_eq!(all(Which::Local), [false, true, false, true]);
    assert_eq!(all(Which::Foreign), [false, false, true, true]);
    assert_eq!(all(Which::All), [false, false, false, true]);
    assert_eq!(none(Which::Local), [true, false, true, false]);
    assert_eq!(none(Which::Foreign), [true, true, false, false]);
    assert_eq!(none(Which::All), [true, false, false, false]);
}

use super::*;
use crate::args::Args;
use crate::moment::Moment;
use clap::Parser;
use serde_json::json;

const VIP: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 100));

fn status(me: &str, holder: &str, other: &str, pid: u32) -> serde_json::Value {
    json!({ "node": me, "pid": pid,
        "nodes": [{ "name": me, "status": "active" }, { "name": if me == "alpha" { "beta" } else { "alpha" }, "status": other }],
        "groups": [{ "key": "k", "resources": ["192.0.2.100/24/eth0"], "state": "held", "holder": holder }] })
}

fn view(name: &str, daemon: &serde_json::Value, has: bool) -> View {
    let kernel = if has { "2: eth0 inet 192.0.2.100/24 x\n" } else { "" };
    let text = format!("@name {name}\n@clock 5\n{daemon}\n@daemon 0\n{kernel}@kernel 0\n");
    View::parse(&text, VIP, Moment::from_nanos(1), Moment::from_nanos(2))
}

fn healthy() -> [View; 2] {
    [
        view("alpha", &status("alpha", "alpha", "active", 7), true),
        view("beta", &status("beta", "alpha", "active", 8), false),
    ]
}

fn action(line: &str, node: &str) -> Action {
    let args = Args::try_parse_from(format!("ha-drill {line}").split(' ')).unwrap();
    Action::new(&args, Some(node), Some("beta"), Some("alpha"), Some(7))
}

fn problem(views: &[View]) -> String {
    look(views, VIP).problems.join("; ")
}

#[test]
fn a_healthy_pair_is_ready() {
    let pair = look(&healthy(), VIP);
    assert_eq!((pair.holder.as_deref(), pair.problems.as_slice()), (Some("alpha"), &[][..]));
    assert_eq!(pair.members, ["alpha", "beta"]);
}

#[test]
fn what_is_wrong_is_said() {
    let [alpha, beta] = healthy();
    let stopped = view("beta", &json!({ "running": false }), false);
    assert!(problem(&[alpha.clone(), stopped]).contains("does not run on beta"));
    let dead = view("alpha", &status("alpha", "alpha", "dead", 7), true);
    assert!(problem(&[dead]).contains("beta is dead, not active"));
    let split = view("beta", &status("beta", "beta", "active", 8), true);
    assert!(problem(&[alpha.clone(), split]).contains("beta says that beta does"));
    let has = view("beta", &status("beta", "alpha", "active", 8), true);
    assert!(problem(&[alpha, has]).contains("both alpha and beta have"));
    let lost = view("alpha", &status("alpha", "alpha", "active", 7), false);
    assert!(problem(&[lost, beta]).contains("its kernel does not have"));
    let mut moving = status("alpha", "alpha", "active", 7);
    moving["resources"] = json!({ "transition": true });
    assert!(problem(&[view("alpha", &moving, true)]).contains("not at rest"));
    let mut foreign = status("alpha", "alpha", "active", 7);
    foreign["groups"] = json!([]);
    assert!(problem(&[view("alpha", &foreign, true)]).contains("no group with"));
}

#[test]
fn actions_that_make_no_sense() {
    let views = healthy();
    let why = |line: &str, node: &str| objections(&action(line, node), &views).join("; ");
    assert_eq!(why("standby 192.0.2.100", "alpha"), "");
    assert!(why("standby 192.0.2.100", "beta").contains("changes nothing"));
    assert!(why("takeover 192.0.2.100", "alpha").contains("already"));
    assert!(why("kill 192.0.2.100", "gamma").contains("no way to gamma"));
    assert_eq!(why("kill 192.0.2.100 --with true", "gamma"), "");
}

#[test]
fn rest_is_what_was_to_happen() {
    let before = healthy();
    let standby = action("standby 192.0.2.100", "alpha");
    assert!(matches!(rest(&standby, &before, &before, VIP), Rest::Not(_)));
    let moved = [
        view("alpha", &status("alpha", "beta", "active", 7), false),
        view("beta", &status("beta", "beta", "active", 8), true),
    ];
    assert_eq!(rest(&standby, &moved, &before, VIP), Rest::Done);
    let half = [moved[0].clone(), before[1].clone()];
    assert!(matches!(rest(&standby, &half, &before, VIP), Rest::Not(_)));
    assert_eq!(rest(&standby, &[], &before, VIP), Rest::Unknown);
    let kill = action("kill 192.0.2.100", "alpha");
    let taken = [view("alpha", &json!({ "running": false }), false), moved[1].clone()];
    assert_eq!(rest(&kill, &taken, &before, VIP), Rest::Done);
    assert!(matches!(rest(&kill, &before, &before, VIP), Rest::Not(_)));
    let again = [view("alpha", &status("alpha", "alpha", "active", 9), true), before[1].clone()];
    assert_eq!(rest(&kill, &again, &before, VIP), Rest::Done);
    let still = [view("alpha", &json!({ "running": false }), true), moved[1].clone()];
    assert!(matches!(rest(&kill, &still, &before, VIP), Rest::Not(_)));
}

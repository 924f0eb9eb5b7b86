use super::*;
use ipvs::Protocol;

fn service() -> Service {
    Service::new(ServiceKey::new(Protocol::Tcp, [192, 0, 2, 1].into(), 80), "wrr")
}

fn real(last: u8, presence: Presence) -> WantedDestination {
    let configured = SocketAddr::from(([192, 0, 2, last], 80));
    let mut destination = Destination::new(configured.into(), Forwarding::DirectRoute);
    destination.weight = 5;
    WantedDestination { destination, configured, role: Role::Real, presence, settled: false, moved: false }
}

fn wanted(destinations: Vec<WantedDestination>) -> Vec<Wanted> {
    vec![Wanted { at: 0, service: service(), settled: false, destinations, purge: false }]
}

fn settled(mut wanted: Vec<Wanted>) -> Vec<Wanted> {
    for want in &mut wanted {
        want.settled = true;
        want.destinations.iter_mut().for_each(|destination| destination.settled = true);
    }
    wanted
}

fn messages(edits: &[Edit]) -> Vec<&str> {
    edits.iter().map(|edit| edit.message.as_str()).collect()
}

/// A table with our service and these destinations by last byte and weight.
fn table(destinations: &[(u8, u32)]) -> Table {
    let destinations = destinations
        .iter()
        .map(|(last, weight)| Destination { weight: *weight, ..real(*last, Presence::Serving).destination })
        .collect();
    Table { services: vec![(service(), destinations)] }
}

/// Applies the edits and sees that nothing is left to do.
fn applied(wanted: &[Wanted], mut table: Table) -> Table {
    for edit in reconcile(wanted, &table) {
        table.apply(&edit.action);
    }
    assert_eq!(reconcile(wanted, &table), [], "one pass is enough");
    table
}

const Q: Presence = Presence::Quiescent { add: true };

#[test]
fn an_empty_table_is_filled_with_ldirectords_words() {
    let want = wanted(vec![
        real(10, Presence::Serving),
        real(11, Q),
        real(12, Presence::Absent),
        real(13, Presence::AsIs),
    ]);
    let edits = reconcile(&want, &Table::default());
    assert_eq!(
        messages(&edits),
        [
            "Added virtual server: 192.0.2.1:80",
            "Added real server: 192.0.2.10:80 (192.0.2.1:80) (Weight set to 5)",
            "Quiescent real server: 192.0.2.11:80 (192.0.2.1:80) (Weight set to 0)",
        ]
    );
    assert!(edits.iter().all(|edit| edit.repairs.is_none()));
    assert_eq!(applied(&want, Table::default()), table(&[(10, 5), (11, 0)]));
}

#[test]
fn what_is_right_is_not_touched() {
    let want = wanted(vec![real(10, Presence::Serving), real(11, Q)]);
    assert_eq!(reconcile(&want, &table(&[(11, 0), (10, 5)])), []);
}

#[test]
fn changes_of_the_verdict() {
    let down = wanted(vec![real(10, Q), real(11, Presence::Absent)]);
    assert_eq!(
        messages(&reconcile(&down, &table(&[(10, 5), (11, 5)]))),
        [
            "Quiescent real server: 192.0.2.10:80 (192.0.2.1:80) (Weight set to 0)",
            "Deleted real server: 192.0.2.11:80 (192.0.2.1:80)",
        ]
    );
    let up = wanted(vec![real(10, Presence::Serving), real(11, Presence::Serving)]);
    assert_eq!(
        messages(&reconcile(&up, &table(&[(10, 0)]))),
        [
            "Restored real server: 192.0.2.10:80 (192.0.2.1:80) (Weight set to 5)",
            "Added real server: 192.0.2.11:80 (192.0.2.1:80) (Weight set to 5)",
        ]
    );
}

#[test]
fn the_fallback_comes_before_the_last_server_goes() {
    let mut fallback = real(99, Presence::Serving);
    fallback.role = Role::Fallback;
    fallback.destination.weight = 1;
    let want = wanted(vec![real(10, Q), fallback]);
    assert_eq!(
        messages(&reconcile(&want, &table(&[(10, 5)]))),
        [
            "Added fallback server: 192.0.2.99:80 (192.0.2.1:80) (Weight set to 1)",
            "Quiescent real server: 192.0.2.10:80 (192.0.2.1:80) (Weight set to 0)",
        ]
    );
}

#[test]
fn an_administrators_weights_and_strangers_are_left_while_settled() {
    let want = settled(wanted(vec![real(10, Presence::Serving), real(11, Q), real(12, Presence::Absent)]));
    assert_eq!(reconcile(&want, &table(&[(10, 0), (11, 7), (12, 1), (77, 1)])), []);
    let change = wanted(vec![real(10, Presence::Serving), real(11, Q), real(12, Presence::Absent)]);
    assert_eq!(
        reconcile(&change, &table(&[(10, 0), (11, 7), (12, 1), (77, 1)])).len(),
        3,
        "a new verdict overrides"
    );
}

#[test]
fn what_an_administrator_changes_and_what_stays_is_told_once() {
    let want = settled(wanted(vec![real(10, Presence::Serving), real(11, Q), real(12, Presence::Absent)]));
    let mut by_hand = ByHand::default();
    let right = table(&[(10, 5), (11, 0)]);
    assert_eq!(by_hand.found(&want, &right), [""; 0]);
    let changed = table(&[(10, 0), (11, 3), (12, 5)]);
    let told = [
        "real server 192.0.2.10:80 (192.0.2.1:80) has weight 0 instead of 5: it stays until the next verdict",
        "real server 192.0.2.11:80 (192.0.2.1:80) has weight 3 instead of 0: it stays until the next verdict",
        "real server 192.0.2.12:80 (192.0.2.1:80) is back with weight 5: it stays until the next verdict",
    ];
    assert_eq!(by_hand.found(&want, &changed), told);
    assert_eq!(by_hand.found(&want, &changed), [""; 0]);
    assert_eq!(by_hand.found(&want, &right), [""; 0]);
    assert_eq!(by_hand.found(&want, &changed), told, "again is new");
    // A new verdict is no administrator.
    let want = wanted(vec![real(10, Presence::Serving)]);
    assert_eq!(by_hand.found(&want, &table(&[(10, 0)])), [""; 0]);
}

#[test]
fn strangers_are_purged_when_a_plan_is_placed() {
    let mut want = wanted(vec![real(10, Presence::Serving), real(13, Presence::AsIs)]);
    want[0].purge = true;
    assert_eq!(
        messages(&reconcile(&want, &table(&[(10, 5), (77, 1), (13, 2)]))),
        ["Purged real server (start): 192.0.2.77:80 (192.0.2.1:80)"]
    );
}

#[test]
fn drift_is_repaired_and_said() {
    let want = settled(wanted(vec![real(10, Presence::Serving)]));
    let gone = reconcile(&want, &table(&[]));
    assert_eq!(gone[0].repairs.as_deref(), Some("real server 192.0.2.10:80 (192.0.2.1:80) was missing"));
    let flushed = reconcile(&want, &Table::default());
    assert_eq!(flushed.len(), 2);
    assert!(flushed.iter().all(|edit| edit.repairs.is_some()));

    let mut edited = table(&[(10, 3)]);
    edited.services[0].0.scheduler = "rr".into();
    edited.services[0].1[0].forwarding = Forwarding::Masquerade;
    let edits = reconcile(&want, &edited);
    assert_eq!(
        edits[0].repairs.as_deref(),
        Some("virtual server 192.0.2.1:80 was changed (scheduler rr instead of wrr)")
    );
    match &edits[1].action {
        Action::UpdateDestination(_, to) => {
            assert_eq!((to.weight, to.forwarding), (3, Forwarding::DirectRoute))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn quiescent_servers_that_were_removed_come_back_only_if_asked() {
    let leave = settled(wanted(vec![real(10, Presence::Quiescent { add: false })]));
    assert_eq!(reconcile(&leave, &table(&[])), []);
    let readd = settled(wanted(vec![real(10, Q)]));
    assert_eq!(
        messages(&reconcile(&readd, &table(&[]))),
        ["Readd Quiescent real server: 192.0.2.10:80 (192.0.2.1:80) (Weight set to 0)"]
    );
}

#[test]
fn thresholds_survive_quiescence() {
    let mut server = real(10, Q);
    server.destination.upper_threshold = 100;
    let want = wanted(vec![server]);
    let mut now = table(&[(10, 5)]);
    now.services[0].1[0].upper_threshold = 100;
    assert_eq!(applied(&want, now).services[0].1[0].upper_threshold, 100);
}

#[test]
fn ports_that_ipvs_maps_are_named() {
    let mut server = real(10, Q);
    server.configured.set_port(8080);
    let edits = reconcile(&wanted(vec![server]), &table(&[(10, 5)]));
    assert_eq!(
        messages(&edits),
        ["Quiescent real server: 192.0.2.10:80 mapped from 192.0.2.10:8080 (192.0.2.1:80) (Weight set to 0)"]
    );
}

#[test]
fn other_services_are_never_named() {
    let mut foreign = table(&[(10, 5)]);
    foreign.services[0].0.key = ServiceKey::fwmark(7, ipvs::Family::V4).unwrap();
    for edit in reconcile(&wanted(vec![real(10, Presence::Serving)]), &foreign) {
        assert_eq!(edit.action.service(), &service().key);
    }
    assert_eq!(remove(&service().key, &[], &foreign, "stop"), []);
}

#[test]
fn removal_names_what_it_takes() {
    let key = service().key;
    let one = real(10, Presence::Serving);
    let ours = [
        (one.destination.key, one.configured, Role::Real),
        (real(11, Q).destination.key, one.configured, Role::Real),
    ];
    assert_eq!(
        messages(&remove(&key, &ours, &table(&[(10, 5)]), "stop")),
        [
            "Purged real server (stop): 192.0.2.10:80 (192.0.2.1:80)",
            "Purged virtual server (stop): 192.0.2.1:80",
        ]
    );
}

use super::*;

/// Runs an order against a machine where the listed actions fail; what was done, and the end.
fn run(mut order: Order, outcome: impl Fn(Action, usize) -> Outcome) -> (Vec<String>, End) {
    let mut done = Vec::new();
    loop {
        let (action, index) = match order.step() {
            Step::Do(action, index) => (action, index),
            Step::Again(index) => (Action::Stop, index),
            Step::End(end) => return (done, end),
        };
        assert!(done.len() < 1000, "no end: {done:?}");
        done.push(format!("{}{index}", if action == Action::Start { "start" } else { "stop" }));
        order.finish(outcome(action, index));
    }
}

#[test]
fn a_group_starts_left_to_right_and_stops_right_to_left() {
    let (done, end) = run(Order::take(3, 10), |_, _| Outcome::Done);
    assert_eq!((done.join(" ").as_str(), end), ("start0 start1 start2", End::Held));
    let (done, end) = run(Order::give(3, 10), |_, _| Outcome::Already);
    assert_eq!((done.join(" ").as_str(), end), ("stop2 stop1 stop0", End::Released));
}

#[test]
fn what_runs_already_does_not_end_the_start() {
    let (done, end) = run(Order::take(2, 10), |_, i| if i == 0 { Outcome::Already } else { Outcome::Done });
    assert_eq!((done.join(" ").as_str(), end), ("start0 start1", End::Held));
}

#[test]
fn a_failed_start_releases_the_whole_group_in_reverse() {
    for failure in [Outcome::Failed, Outcome::TimedOut] {
        let (done, end) =
            run(
                Order::take(3, 10),
                |a, i| if (a, i) == (Action::Start, 1) { failure } else { Outcome::Done },
            );
        assert_eq!(done.join(" "), "start0 start1 stop2 stop1 stop0");
        assert_eq!(end, End::StartFailed { start: 1, stuck: vec![] });
    }
}

#[test]
fn a_stop_that_fails_is_repeated_and_does_not_keep_the_others() {
    let (done, end) = run(Order::give(3, 2), |_, i| if i == 1 { Outcome::Failed } else { Outcome::Done });
    assert_eq!(done.join(" "), "stop2 stop1 stop1 stop1 stop0");
    assert_eq!(end, End::StillHeld { stuck: vec![1] });
}

#[test]
fn a_stop_that_hung_is_not_repeated() {
    let (done, end) = run(Order::give(2, 9), |_, i| if i == 1 { Outcome::TimedOut } else { Outcome::Done });
    assert_eq!((done.join(" ").as_str(), end), ("stop1 stop0", End::StillHeld { stuck: vec![1] }));
}

#[test]
fn a_stop_that_works_the_second_time_is_a_release() {
    let mut order = Order::give(1, 3);
    assert_eq!(order.step(), Step::Do(Action::Stop, 0));
    order.finish(Outcome::Failed);
    assert_eq!(order.step(), Step::Again(0));
    order.finish(Outcome::Done);
    assert_eq!(order.step(), Step::End(End::Released));
}

#[test]
fn after_the_end_nothing_changes() {
    for (mut order, end) in [(Order::take(1, 0), End::Held), (Order::give(1, 0), End::Released)] {
        order.finish(Outcome::Done);
        for outcome in [Outcome::Failed, Outcome::Done, Outcome::TimedOut] {
            assert_eq!(order.step(), Step::End(end.clone()));
            order.finish(outcome);
        }
        assert_eq!(order.step(), Step::End(end));
    }
}

#[test]
fn groups_are_given_in_the_reverse_order_of_the_file() {
    let text = "alpha a::1\nbeta b::1\nalpha c::1\n";
    let (file, _) = crate::haresources::parse(config::Source::new("haresources", text));
    let keys = |action| groups(&file, "ALPHA", action).iter().map(|g| g.key()).collect::<Vec<_>>();
    assert_eq!(keys(Action::Start), ["a::1", "c::1"]);
    assert_eq!(keys(Action::Stop), ["c::1", "a::1"]);
    assert_eq!(plan(3, Action::Start), [0, 1, 2]);
    assert_eq!(plan(3, Action::Stop), [2, 1, 0]);
    assert_eq!(plan(2, Action::Status), [0, 1]);
}

proptest::proptest! {
    /// Whatever fails, an order ends; held means that each start went well, in order and nothing was
    /// stopped; everything else means that every resource was stopped or is named as stuck.
    #[test]
    fn an_order_ends_with_the_truth(
        size in 1usize..6, retries in 0u32..4, take: bool,
        outcomes in proptest::collection::vec(0u8..4, 0..60),
    ) {
        let (mut order, mut answers) = (if take { Order::take(size, retries) } else { Order::give(size, retries) }, outcomes.into_iter());
        let (mut running, mut steps) = (vec![!take; size], 0);
        let end = loop {
            let (action, index) = match order.step() {
                Step::Do(action, index) => (action, index),
                Step::Again(index) => (Action::Stop, index),
                Step::End(end) => break end,
            };
            let outcome = match answers.next() { Some(0) => Outcome::Failed, Some(1) => Outcome::TimedOut, Some(2) => Outcome::Already, _ => Outcome::Done };
            if outcome.good() { running[index] = action == Action::Start }
            steps += 1;
            assert!(steps <= size * (retries as usize + 2));
            order.finish(outcome);
        };
        match end {
            End::Held => assert!(running.iter().all(|r| *r)),
            End::Released => assert!(running.iter().all(|r| !r)),
            End::StartFailed { stuck, .. } | End::StillHeld { stuck } => {
                assert!(running.iter().enumerate().all(|(i, r)| !r || stuck.contains(&i)));
            }
        }
    }
}

//! Every order of few things: the real core of two nodes, driven by an exhaustive search.
//!
//! Between any two steps of a pair (messages arrive, jobs end, or the next timer is due) up to two of the things below happen,
//! at every possible place: an administrator's command, a power-off, a pause, a cable that is cut in one or both directions, and each
//! single message that is lost or overtaken. In no state there are two holders without a cable or a pause to excuse it, and
//! from every state the pair comes to rest with one holder for each group.

mod pair;

use heartbeatd::cluster::{Event, Failback, Set};
use pair::Pair;
use stateright::{Checker, Model, Property};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Steps in which something may happen: the stand-by, the deadtime and the take-over of a dead node lie within them.
const STEPS: u8 = 14;
/// So many things happen in a run at most.
const FAULTS: u8 = 2;
/// Of the messages under way at the same time, so many may be lost or overtaken.
const MESSAGES: usize = 3;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Happens {
    Nothing,
    Standby(usize, Set),
    Stop(usize),
    PowerOff(usize),
    PowerOn(usize),
    Pause(usize),
    Wake(usize),
    Mute(usize),
    Cut,
    Heal,
    Lose(usize),
    Delay(usize),
}

#[derive(Clone, Debug)]
struct State {
    pair: Pair,
    steps: u8,
    faults: u8,
    digest: u64,
}

impl State {
    fn new(pair: Pair, steps: u8, faults: u8) -> State {
        let mut hasher = DefaultHasher::new();
        (pair.text(), steps, faults).hash(&mut hasher);
        State { pair, steps, faults, digest: hasher.finish() }
    }
}

impl Hash for State {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digest.hash(state);
    }
}

impl PartialEq for State {
    fn eq(&self, other: &State) -> bool {
        self.digest == other.digest
    }
}

struct Transfer(Failback);

impl Model for Transfer {
    type State = State;
    type Action = Happens;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(Pair::joined(self.0), 0, 0)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Happens>) {
        if state.steps == STEPS {
            return;
        }
        actions.push(Happens::Nothing);
        if state.faults == FAULTS {
            return;
        }
        let pair = &state.pair;
        for (node, machine) in pair.nodes.iter().enumerate() {
            match (machine.powered, machine.paused) {
                (false, _) => actions.push(Happens::PowerOn(node)),
                (true, true) => actions.push(Happens::Wake(node)),
                (true, false) => {
                    actions.extend([Happens::Standby(node, Set::ALL), Happens::Standby(node, Set::FOREIGN)]);
                    actions.extend([Happens::Stop(node), Happens::PowerOff(node), Happens::Pause(node)]);
                }
            }
            if !pair.mute[node] {
                actions.push(Happens::Mute(node));
            }
        }
        actions.push(if pair.mute == [false; 2] { Happens::Cut } else { Happens::Heal });
        for index in 0..pair.flying.len().min(MESSAGES) {
            actions.extend([Happens::Lose(index), Happens::Delay(index)]);
        }
    }

    fn next_state(&self, last: &State, action: Happens) -> Option<State> {
        let mut pair = last.pair.clone();
        let faults = last.faults + u8::from(action != Happens::Nothing);
        match action {
            Happens::Nothing => {}
            Happens::Standby(node, set) => pair.event(node, Event::Standby(set)),
            Happens::Stop(node) => pair.event(node, Event::Stop),
            Happens::PowerOff(node) => pair.power_off(node),
            Happens::PowerOn(node) => pair.start(node),
            Happens::Pause(node) => pair.nodes[node].paused = true,
            Happens::Wake(node) => pair.nodes[node].paused = false,
            Happens::Mute(node) => pair.mute[node] = true,
            Happens::Cut => pair.mute = [true; 2],
            Happens::Heal => pair.mute = [false; 2],
            Happens::Lose(index) => drop(pair.flying.remove(index)),
            Happens::Delay(index) => pair.delay(index),
        }
        // two things may happen at the same moment
        let steps = if action == Happens::Nothing {
            pair.step();
            last.steps + 1
        } else {
            last.steps
        };
        Some(State::new(pair, steps, faults))
    }

    fn properties(&self) -> Vec<Property<Transfer>> {
        vec![
            Property::always("never two holders while a link works", |_, state: &State| {
                !state.pair.two_holders()
            }),
            Property::always("always a holder in the end", |_, state: &State| {
                state.steps < STEPS || state.pair.recovers()
            }),
            Property::sometimes("a stand-by moves everything", |_, state: &State| {
                state.faults == 1 && state.pair.nodes[1].runs == [true; 2] && state.pair.nodes[0].powered
            }),
            Property::sometimes("a dead node is replaced", |_, state: &State| {
                !state.pair.nodes[0].powered && state.pair.nodes[1].runs == [true; 2]
            }),
            Property::sometimes("a partition makes two holders", |_, state: &State| {
                state.pair.nodes.iter().all(|node| node.runs == [true; 2])
            }),
        ]
    }
}

#[test]
fn every_order_of_two_faults_leaves_one_holder() {
    for failback in [Failback::Off, Failback::On] {
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
        let checker = Transfer(failback).checker().threads(threads).spawn_dfs().join();
        println!(
            "{failback:?}: {} states, {} different",
            checker.state_count(),
            checker.unique_state_count()
        );
        checker.assert_properties();
    }
}

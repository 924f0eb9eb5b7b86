//! What is logged of check results.

use super::{Last, Line};
use crate::check::{Checked, Outcome, ended};
use crate::config::{RealServer, VirtualService};
use crate::verdict::Change;

/// A check that cannot run is told of once, not every time.
pub(super) fn not_run(
    last: Option<&Last>,
    real: &RealServer,
    service: &VirtualService,
    outcome: &Outcome,
) -> Option<Line> {
    let known = last.is_some_and(|last| matches!(last.outcome(), Outcome::NotRun(_)));
    let text = || format!("No verdict on {} ({}), its state stays: {outcome}", real.shown(), service.id());
    (!known).then(|| Line { warning: true, text: text() })
}

/// A check that passes without the weight it shall say is told of once, not every time.
pub(super) fn no_weight(
    last: Option<&Last>,
    real: &RealServer,
    service: &VirtualService,
    outcome: &Outcome,
) -> Option<Line> {
    let new = match (last.map(Last::outcome), outcome) {
        (Some(Outcome::NoWeight(_)), _) => false,
        (_, outcome) => matches!(outcome, Outcome::NoWeight(_)),
    };
    let text = || format!("No weight for {} ({}), it stays: {outcome}", real.shown(), service.id());
    new.then(|| Line { warning: true, text: text() })
}

/// What ldirectord logs of a check, and why and after what time a check failed, which it did not say.
pub(super) fn describe(
    change: Change,
    real: &RealServer,
    service: &VirtualService,
    checked: &Checked,
) -> Vec<Line> {
    if change == Change::None {
        return Vec::new(); // most of them, thousands a second
    }
    let (shown, id) = (real.shown(), service.id());
    let failed = || format!("Check failed: {shown} ({id}): {}", ended(&checked.outcome, checked.took));
    let (warning, texts) = match change {
        Change::None => (false, vec![]),
        Change::Soft(failure, of) => {
            let soft = format!("Soft failure real server: {shown} ({id}) failure {failure}/{of}");
            (true, vec![soft, failed()])
        }
        Change::Reset => (false, vec![format!("Resetting soft failure count: {shown} ({id})")]),
        Change::Rising(pass, of) => (false, vec![format!("Check passed: {shown} ({id}) {pass}/{of}")]),
        Change::Up => (false, vec![format!("Check passed: {shown} ({id})")]),
        Change::Down => (true, vec![failed()]),
    };
    texts.into_iter().map(|text| Line { warning, text }).collect()
}

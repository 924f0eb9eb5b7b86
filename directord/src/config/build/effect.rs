//! Directives of a section that are right, but do nothing there.

use super::{Builder, Section, value};
use crate::config::model::CheckType;
use crate::config::value::Notes;
use config::Diagnostic;

impl Builder<'_> {
    /// Warns of them. What is written globally is not meant for every section.
    pub(super) fn without_effect(&self, section: &Section, notes: &mut Notes) {
        let shared = &section.shared;
        let external =
            matches!(value(&section.check_type), Some(CheckType::External | CheckType::ExternalPerl));
        if let Some(weight) = shared.weight_from_check.as_ref().filter(|weight| weight.value && !external) {
            notes.push(
                Diagnostic::warning(
                    weight.span,
                    "weightfromcheck has no effect: only a program says a weight",
                )
                .help("it counts with checktype=external and external-perl"),
            );
        }
        if let Some(slow) = shared.slow_start.as_ref().filter(|slow| !slow.value.duration.is_zero()) {
            if !section.reals.is_empty() && section.reals.iter().all(|real| real.weight <= 1) {
                notes.push(
                    Diagnostic::warning(slow.span, "slowstart has no effect: a weight of 1 cannot grow")
                        .help("give the real servers weights of 10 or more"),
                );
            }
        }
        if let Some(keep) = shared.keep_last.as_ref().filter(|keep| keep.value) {
            let alone = matches!(section.reals.as_slice(), [real] if real.last.is_none());
            if alone {
                notes.push(
                    Diagnostic::warning(keep.span, "keeplast has no effect: there is only one real server")
                        .help("that a single server fails says nothing of this machine"),
                );
            }
        }
    }
}

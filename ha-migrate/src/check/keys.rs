//! `authkeys`.

use crate::finding::FileFindings;
use heartbeatd::config::written_keys;

/// Adds what is the same; what is worth a look the parser has said. The keys themselves are never shown.
pub(super) fn judge(file: &mut FileFindings) {
    for key in written_keys(&file.source().clone()) {
        file.same(key.span, &format!("{} {}", key.name, key.value));
    }
}

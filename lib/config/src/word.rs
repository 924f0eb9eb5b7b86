//! Words: the nearest valid one, and the booleans of `ha.cf`.

/// The candidate that a mistyped word most probably meant: the one with the fewest edits (insert, delete,
/// replace, swap of neighbours), if those are at most a third of its length (at least one).
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (distance(&word, &candidate.to_lowercase()), candidate))
        .filter(|(edits, candidate)| *edits <= (candidate.len() / 3).max(1))
        .min_by_key(|(edits, _)| *edits)
        .map(|(_, candidate)| candidate)
}

/// Optimal string alignment distance.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, edits) in rows[0].iter_mut().enumerate() {
        *edits = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut best = (rows[i - 1][j] + 1).min(rows[i][j - 1] + 1).min(rows[i - 1][j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

/// `true on yes y 1` and `false off no n 0`, in any case: the booleans of heartbeat's `ha.cf`.
pub fn parse_bool(word: &str) -> Option<bool> {
    match word.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "y" | "1" => Some(true),
        "false" | "off" | "no" | "n" | "0" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_finds_the_slip_and_not_the_stranger() {
        let words = ["keepalive", "deadtime", "warntime", "node"];
        assert_eq!(nearest("deadtim", words), Some("deadtime"));
        assert_eq!(nearest("kepealive", words), Some("keepalive"));
        assert_eq!(nearest("NODE", words), Some("node"));
        assert_eq!(nearest("zzz", words), None);
        assert_eq!(nearest("", words), None);
    }

    #[test]
    fn booleans_of_ha_cf() {
        for (word, value) in [("On", Some(true)), ("y", Some(true)), ("0", Some(false)), ("enabled", None)] {
            assert_eq!(parse_bool(word), value, "{word}");
        }
    }
}

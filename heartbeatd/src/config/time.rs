//! Times of `ha.cf`.

use std::time::Duration;

/// What a time may look like, for messages.
pub(super) const VALID: &str = "a number (a fraction is allowed) in seconds, or with ms, msec, us, usec, s or sec: \
                                2, 0.5, 500ms";

/// The longest time accepted: a hundred years keep every sum of two times inside every clock.
const LONGEST: f64 = 100.0 * 366.0 * 86_400.0;

/// A number with an optional unit; without one, seconds. heartbeat 3.0.6 knows `ms`, `msec`, `us` and `usec`; `s`
/// and `sec` are accepted here because everybody writes them.
pub(super) fn parse(word: &str) -> Option<Duration> {
    let digits = word.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(word.len());
    let (number, unit) = word.split_at(digits);
    let scale = match unit.to_ascii_lowercase().as_str() {
        "" | "s" | "sec" => 1.0,
        "ms" | "msec" => 1e-3,
        "us" | "usec" => 1e-6,
        _ => return None,
    };
    let seconds = number.parse::<f64>().ok()? * scale;
    // Rounded to microseconds, so that "0.1" and "100ms" are the same time.
    (seconds <= LONGEST).then(|| Duration::from_micros((seconds * 1e6).round() as u64))
}

/// A time as a person would write it in the file.
pub(super) fn shown(time: Duration) -> String {
    let micros = time.as_micros();
    if micros % 1_000_000 == 0 {
        format!("{}s", time.as_secs())
    } else if micros % 1_000 == 0 {
        format!("{}ms", time.as_millis())
    } else {
        format!("{micros}us")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_without_a_unit_and_the_units_of_the_manual() {
        for (word, micros) in [
            ("2", Some(2_000_000)),
            ("0.5", Some(500_000)),
            (".5", Some(500_000)),
            ("500ms", Some(500_000)),
            ("1.5msec", Some(1_500)),
            ("250us", Some(250)),
            ("250usec", Some(250)),
            ("3s", Some(3_000_000)),
            ("3SEC", Some(3_000_000)),
            ("0", Some(0)),
            ("3m", None),
            ("", None),
            (".", None),
            ("s", None),
            ("-1", None),
            ("+1", None),
            ("1e3", None),
            ("1..2", None),
            ("nan", None),
            ("99999999999999999999999999", None),
            ("１", None),
        ] {
            assert_eq!(parse(word), micros.map(Duration::from_micros), "{word:?}");
        }
    }

    #[test]
    fn a_shown_time_reads_back() {
        for micros in [0, 1, 999, 1_000, 250_000, 1_000_000, 90_500_000] {
            let time = Duration::from_micros(micros);
            assert_eq!(parse(&shown(time)), Some(time));
        }
    }
}

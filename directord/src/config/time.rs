//! Times behind `=`: `10`, `0.5`, `200ms`, `2s`, `1.5 min`.

use super::lexer::Word;
use super::value::{Notes, number};
use config::Diagnostic;
use std::time::Duration;

/// Longer than this no time can be: what 32 bits of seconds hold, as in the old program.
const LONGEST: Duration = Duration::from_secs(u32::MAX as u64);

const UNITS: [(&str, u64); 6] = [
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("sec", 1_000_000_000),
    ("m", 60_000_000_000),
    ("min", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// A time as it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// How long it is.
    pub duration: Duration,
    /// Written in ldirectord's way, as a whole number of seconds without a unit.
    pub plain: bool,
}

/// A time: a number, with a decimal point where needed, and one of the units; seconds without one. What is anything
/// else is read as ldirectord read it, by its first digits. `least` is the shortest that makes sense.
pub(super) fn time(key: &str, value: Word<'_>, least: Duration, notes: &mut Notes) -> Option<Time> {
    let Some((duration, plain)) = exact(value.text) else {
        let seconds = number(key, value, least.is_zero(), notes)?;
        return Some(Time { duration: Duration::from_secs(seconds.into()), plain: true });
    };
    let problem = if duration.is_zero() && !least.is_zero() {
        format!("{key} cannot be 0")
    } else if duration < least {
        format!("{key} cannot be shorter than {} ms", least.as_millis())
    } else if duration > LONGEST {
        format!("{} is too large for {key}", value.text)
    } else {
        return Some(Time { duration, plain });
    };
    let example = format!("seconds, or a number with a unit, for example {key}=10, {key}=0.5 or {key}=200ms");
    notes.push(Diagnostic::error(value.span, problem).help(example));
    None
}

/// A time of whole seconds, for what the kernel or a mail counts in seconds.
pub(super) fn whole_seconds(
    key: &str,
    value: Word<'_>,
    zero_allowed: bool,
    notes: &mut Notes,
) -> Option<u32> {
    let least = if zero_allowed { Duration::ZERO } else { Duration::from_millis(1) };
    let duration = time(key, value, least, notes)?.duration;
    if duration.subsec_nanos() != 0 {
        notes.push(
            Diagnostic::error(value.span, format!("{key} is counted in whole seconds"))
                .help(format!("for example {key}=600 or {key}=10min")),
        );
        return None;
    }
    u32::try_from(duration.as_secs()).ok()
}

/// The time, and whether it is a plain number; `None` if the text is not a time as a whole.
pub(super) fn exact(text: &str) -> Option<(Duration, bool)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(end)?;
    let unit = unit.trim_start_matches(super::lexer::blank);
    let nanos = if unit.is_empty() { 1_000_000_000 } else { UNITS.iter().find(|row| row.0 == unit)?.1 };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    // More digits than a nanosecond has say nothing; more seconds than fit are too many in any unit.
    let fraction = fraction.get(..9).unwrap_or(fraction);
    let scale = 10u128.pow(u32::try_from(fraction.len()).ok()?);
    let whole = whole.parse::<u64>().unwrap_or(u64::MAX).min(u64::from(u32::MAX) * 1000 + 1);
    let total =
        u128::from(nanos) * u128::from(whole) + u128::from(nanos) * fraction.parse::<u128>().ok()? / scale;
    let duration =
        Duration::new(u64::try_from(total / 1_000_000_000).ok()?, u32::try_from(total % 1_000_000_000).ok()?);
    Some((duration, unit.is_empty() && !number.contains('.')))
}

/// How a time is shown: `10 s`, `200 ms`.
pub(crate) fn shown(duration: Duration) -> String {
    match duration.subsec_nanos() {
        0 => format!("{} s", duration.as_secs()),
        _ if duration.as_secs() == 0 => format!("{} ms", duration.as_secs_f64() * 1e3),
        _ => format!("{} s", duration.as_secs_f64()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use config::Span;
    use proptest::prelude::*;

    fn read(text: &str) -> (Option<Time>, Vec<String>) {
        let mut notes = Notes::new();
        let word = Word { text, span: Span::new(0, text.len()) };
        let found = time("checkinterval", word, Duration::from_millis(10), &mut notes);
        (found, notes.into_iter().map(|note| note.message).collect())
    }

    #[test]
    fn units_and_decimals() {
        for (text, millis, plain) in [
            ("10", 10_000, true),
            ("0.5", 500, false),
            ("1.50", 1_500, false),
            ("200ms", 200, false),
            ("12.5ms", 12, false),
            ("2s", 2_000, false),
            ("2 sec", 2_000, false),
            ("1.5m", 90_000, false),
            ("2min", 120_000, false),
            ("1h", 3_600_000, false),
            ("007", 7_000, true),
            ("4294967295", 4_294_967_295_000, true),
        ] {
            let (found, notes) = read(text);
            let found = found.unwrap_or_else(|| panic!("{text}: {notes:?}"));
            assert_eq!((found.duration.as_millis(), found.plain), (millis, plain), "{text}");
            assert!(notes.is_empty(), "{text}: {notes:?}");
        }
    }

    #[test]
    fn what_ldirectord_read_by_its_first_digits_keeps_its_meaning() {
        for (text, seconds) in
            [("-3", 3), ("x3", 3), ("3 times", 3), ("3秒", 3), ("1.2.3", 1), ("1,5", 1), ("3S", 3)]
        {
            let (found, notes) = read(text);
            assert_eq!(found, Some(Time { duration: Duration::from_secs(seconds), plain: true }), "{text}");
            assert_eq!(notes.len(), 1, "{text}: {notes:?}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in ["", "0", "0.0", "0ms", "fast", "9ms", "4294967296", "99999999999999999999999h", "0s"] {
            let (found, notes) = read(text);
            assert_eq!((found, notes.len()), (None, 1), "{text}: {notes:?}");
        }
    }

    #[test]
    fn shown_in_the_unit_that_fits() {
        let all = [10_000, 200, 1_500, 0].map(|millis| shown(Duration::from_millis(millis)));
        assert_eq!(all, ["10 s", "200 ms", "1.5 s", "0 s"]);
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "\\PC*") {
            let _ = read(&text);
        }

        #[test]
        fn any_number_of_any_unit_is_read(text in "[0-9]{0,30}\\.?[0-9]{0,30} ?(ms|s|m|h)?") {
            let _ = read(&text);
        }
    }
}

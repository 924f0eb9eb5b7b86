use super::*;
use proptest::prelude::*;

const MILLI: u64 = 1_000_000;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn at(milliseconds: u64) -> Moment {
    Moment::from_nanos(milliseconds * MILLI)
}

/// A request every 10 ms: `.` answered after 1 ms, `x` without answer after 100 ms, `u` not sent.
fn script(text: &str) -> Vec<Sample> {
    let sample = |(start, kind): (u64, char)| match kind {
        '.' => Sample { start: at(start), end: at(start + 1), answer: Ok("ok".into()), sent: true },
        'x' => Sample { start: at(start), end: at(start + 100), answer: Err("no answer".into()), sent: true },
        _ => Sample { start: at(start), end: at(start), answer: Err("network is down".into()), sent: false },
    };
    (1u64..).map(|number| number * 10).zip(text.chars()).map(sample).collect()
}

fn verdict(text: &str, limit: u64) -> Verdict {
    judge(&script(text), ms(10), ms(limit))
}

#[test]
fn an_outage_is_a_time_without_answers_in_which_a_request_failed() {
    let sample = |start, end, answer: Result<&str, &str>| Sample {
        start: at(start),
        end: at(end),
        answer: answer.map(str::to_owned).map_err(str::to_owned),
        sent: true,
    };
    let samples = [
        sample(10, 11, Ok("a")),
        sample(20, 120, Err("timeout")),
        sample(30, 31, Ok("fallback")),
        sample(40, 41, Ok("b")),
        sample(90, 91, Ok("a")), // a slow machine, not an outage
    ];
    let outage = |to, lost| Outage { from: at(11), to: at(to), lost, begun: true, ended: true };
    assert_eq!(outages(&samples, |_| true), [outage(31, 1)]);
    assert_eq!(outages(&samples, |name| name != "fallback"), [outage(41, 2)]);
}

#[test]
fn the_ends_of_the_record_are_told() {
    let found = outages(&script("xx..xx"), |_| true);
    let flags: Vec<_> = found.iter().map(|outage| (outage.begun, outage.ended, outage.lost)).collect();
    assert_eq!(flags, [(false, true, 2), (true, false, 2)]);
    assert_eq!(longest_outage(&script("xx..xx"), |_| true), None);
    assert_eq!(outages(&script("xxx"), |_| true).len(), 1);
    assert_eq!(outages(&[], |_| true), []);
}

#[test]
fn verdicts() {
    assert_eq!(verdict("....", 1), Verdict::Within);
    assert_eq!(verdict("..xx..", 100), Verdict::Within);
    assert_eq!(verdict("..xxxxxxxxxxxx..", 100), Verdict::Exceeded);
    assert_eq!(verdict("..xxxxxxxxxxxx", 100), Verdict::Exceeded);
    assert_eq!(verdict("..x", 1000), Verdict::Unknown, "it has not ended");
    assert_eq!(verdict("", 100), Verdict::Unknown);
    assert_eq!(verdict("uuuu", 100), Verdict::Unknown);
}

#[test]
fn what_was_not_asked_is_not_known() {
    let away = "u".repeat(30);
    assert_eq!(verdict(&format!("..{away}.."), 100), Verdict::Unknown);
    assert_eq!(verdict(&format!("..{away}.."), 1000), Verdict::Within, "no outage above the limit fits in");
    assert_eq!(verdict(&format!("..x{away}.."), 100), Verdict::Unknown);
    assert_eq!(verdict(&format!("..{}{away}..", "x".repeat(20)), 100), Verdict::Exceeded, "proven before");
    assert_eq!(verdict(&format!("..x{away}x.."), 100), Verdict::Unknown, "it may have answered between");
    assert_eq!(verdict(&format!("..x{away}"), 1000), Verdict::Unknown);
}

proptest! {
    /// Against a model that walks over the text.
    #[test]
    fn lost_requests_each_belong_to_one_outage(text in "[.xu]{0,60}") {
        let samples = script(&text);
        let found = outages(&samples, |_| true);
        let lost: usize = found.iter().map(|outage| outage.lost).sum();
        prop_assert_eq!(lost, text.matches('x').count());
        // stretches between answers that have a lost request, with unsent ones looked through
        let model = text.split('.').filter(|part| part.contains('x')).count();
        prop_assert_eq!(found.len(), model);
        for pair in found.windows(2) {
            prop_assert!(pair[0].to <= pair[1].from);
        }
        for outage in &found {
            prop_assert!(outage.from < outage.to);
        }
    }

    /// A higher limit is never judged worse, and more lost requests never better.
    #[test]
    fn the_verdict_is_monotonic(text in "[.xu]{1,60}", place in 0usize..60, low in 0u64..800, more in 0u64..800) {
        let (strict, mild) = (verdict(&text, low), verdict(&text, low + more));
        prop_assert!(mild <= strict || mild == Verdict::Unknown);
        let mut worse: Vec<char> = text.chars().collect();
        let place = place % worse.len();
        if worse[place] == '.' {
            worse[place] = 'x';
            let worse = verdict(&worse.into_iter().collect::<String>(), low);
            prop_assert!(worse != Verdict::Within || strict == Verdict::Within);
        }
    }

    /// "Within" is only said if no way to fill in what was not asked would break the limit, by the gaps between answers.
    #[test]
    fn within_is_certain(text in "[.xu]{1,60}", limit in 100u64..800) {
        if verdict(&text, limit) == Verdict::Within {
            let samples = script(&text.replace('u', "x"));
            let longest = outages(&samples, |_| true).iter().map(Outage::span).max().unwrap_or_default();
            // what is blind has no answers around it to measure from: one interval and one answer at each side
            prop_assert!(longest <= ms(limit + 2 * 10 + 2 + 100), "{longest:?}");
        }
    }
}

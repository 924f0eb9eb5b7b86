//! What is read beside the dialogues of checks: replies to pings, what a program says of a server's weight, and what a mail
//! server says to a mail. The first byte chooses; the second is the length of the pieces in which the mail server speaks.
#![no_main]

use daemon::icmp::{REPLIES, reply, request};
use directord::check::Outcome;
use directord::check::fuzzing::weighed;
use fuzz::server::check_mail;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| match data {
    [0, packet @ ..] => ping(packet, false),
    [1, packet @ ..] => ping(packet, true),
    [2, output @ ..] => weight(output),
    [3, piece, said @ ..] => check_mail(said, usize::from(*piece).max(1)),
    _ => {}
});

/// What is taken for a reply is one: it is what a machine would send that got a request with these numbers.
fn ping(packet: &[u8], v6: bool) {
    let Some((identifier, number, data)) = reply(packet, v6) else { return };
    let header = if v6 { 0 } else { usize::from(packet[0] & 0x0f) * 4 };
    let mut expected = request(v6, identifier, number, data);
    expected[0] = REPLIES[usize::from(v6)];
    let got = &packet[header..];
    assert_eq!((got[0], got[1], &got[4..]), (expected[0], 0, &expected[4..]));
}

/// The server has passed, whatever is said; and a weight is one that the kernel knows and the last line has.
fn weight(output: &[u8]) {
    let outcome = weighed(output);
    assert!(outcome.passed(), "{outcome:?}");
    let text = outcome.to_string();
    assert!(text.chars().count() < 500 && !text.contains(char::is_control), "no line for a log: {text:?}");
    if let Outcome::PassedWith(weight) = outcome {
        let text = String::from_utf8_lossy(output);
        let last = text.trim_ascii().lines().last().unwrap_or_default().trim_ascii();
        let number = last.strip_prefix("weight").map(str::trim_ascii).and_then(|number| number.parse().ok());
        assert!(weight <= 65535 && number == Some(weight), "{weight} of {last:?}");
    }
}

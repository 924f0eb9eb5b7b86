use super::*;
use config::Span;

fn word(text: &str) -> Word<'_> {
    Word { text, span: Span::new(0, text.len()) }
}

fn real(text: &str) -> Result<RealText, String> {
    let mut notes = Notes::new();
    real_text(word(text), Family::V4, &mut notes)
        .ok_or_else(|| notes.pop().map_or_else(|| "no message".to_owned(), |note| note.message))
}

fn service(text: &str, family: Family) -> Result<VirtualText, String> {
    let mut notes = Notes::new();
    virtual_text(word(text), family, &mut notes)
        .ok_or_else(|| notes.pop().map_or_else(|| "no message".to_owned(), |note| note.message))
}

#[test]
fn virtual_addresses_names_and_marks() {
    for (text, host, port) in [
        ("192.0.2.1:80", "192.0.2.1", "80"),
        ("www.example.com:http", "www.example.com", "http"),
        ("10.1:80 x", "10.1", "80"),
    ] {
        match service(text, Family::V4) {
            Ok(VirtualText::Address { host: h, port: p }) => {
                assert_eq!((h.value.as_str(), p.value.as_str()), (host, port))
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    assert_eq!(service("7", Family::V4), Ok(VirtualText::Mark(NonZeroU32::new(7).unwrap())));
    match service("[2001:db8::1]:80", Family::V6) {
        Ok(VirtualText::Address { host, port }) => {
            assert_eq!((host.value.as_str(), port.value.as_str()), ("2001:db8::1", "80"));
            assert_eq!((host.span, port.span), (Span::new(1, 12), Span::new(14, 16)));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn accidents_with_virtual_are_errors_that_say_so() {
    for (text, part) in [
        ("192.0.2.1", "firewall mark 192"),
        ("12abc", "firewall mark 12"),
        ("0", "is not a firewall mark"),
        ("99999999999", "is not a firewall mark"),
        ("\"192.0.2.1:80\"", "quoted"),
        ("2001:db8::1", "in brackets"),
        ("192.0.2.1:", "missing"),
        ("192.0.2.1:8/0", "not a port"),
        ("", "missing"),
        ("[2001:db8::1]:80", "virtual6"),
    ] {
        let message = service(text, Family::V4).unwrap_err();
        assert!(message.contains(part), "{text}: {message}");
    }
    assert!(service("[fe80::1%lo]:80", Family::V6).unwrap_err().contains("zone"));
}

#[test]
fn real_servers_with_all_their_options_in_any_order() {
    let full = real("192.0.2.1->192.0.2.3:80 masq 5 \"a 5\", \"b\" u:20 l:10").unwrap();
    assert_eq!((full.host.value.as_str(), full.weight, full.lower, full.upper), ("192.0.2.1", 5, 10, 20));
    assert_eq!(full.last.unwrap().value, "192.0.2.3");
    assert_eq!(full.port.unwrap().value, "80");
    let (request, receive) = full.dialogue.unwrap();
    assert_eq!((request.value.as_str(), receive.value.as_str()), ("a 5", "b"));
    assert_eq!(real("192.0.2.1 gate").unwrap().weight, 1);
    assert_eq!(real("192.0.2.1:80\tipip\t0").unwrap().weight, 0);
    assert_eq!(real("192.0.2.1:80 gate -w 3").unwrap().weight, 3);
    assert!(real("192.0.2.1:80 gate \"a\" \"b\"").unwrap().dialogue.is_some());
}

#[test]
fn real_servers_that_are_refused() {
    for (text, part) in [
        ("foo_bar:80 gate", "would read the host \"bar\""),
        ("192.0.2.1:80", "method is missing"),
        ("192.0.2.1:80 gate5", "not a forwarding method"),
        ("192.0.2.1:80 Gate", "not a forwarding method"),
        ("192.0.2.1:80 gate -1", "not understood"),
        ("192.0.2.1:80 gate 1.5", "not understood"),
        ("192.0.2.1:80 gate 1 2", "not understood"),
        ("192.0.2.1:80 gate 65536", "too large"),
        ("192.0.2.1:80 gate \"a\"", "receive text"),
        ("192.0.2.1:80 gate \"a\", \"b", "closing quote"),
        ("192.0.2.1:80 gate \"\", \"b\"", "is missing"),
        ("192.0.2.1:80 gate l:x", "threshold"),
        ("192.0.2.1:80 gate l:9 u:3", "above the upper"),
        ("192.0.2.1:80->192.0.2.2 gate", "behind its last address"),
        ("", "missing"),
    ] {
        let message = real(text).unwrap_err();
        assert!(message.contains(part), "{text}: {message}");
    }
}

#[test]
fn fallback_has_an_optional_port_and_method() {
    let mut notes = Notes::new();
    let plain = fallback_text(word("127.0.0.1"), Family::V4, &mut notes).unwrap();
    assert_eq!((plain.port, plain.forwarding), (None, Forwarding::DirectRoute));
    let full = fallback_text(word("[::1]:8080 masq"), Family::V6, &mut notes).unwrap();
    assert_eq!((full.host.value.as_str(), full.forwarding), ("::1", Forwarding::Masquerade));
    assert!(notes.is_empty());
    assert_eq!(fallback_text(word("127.0.0.1:80 local"), Family::V4, &mut notes), None);
    assert_eq!(notes.len(), 1);
}

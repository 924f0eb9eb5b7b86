//! What single services need, and what has no effect with them.

use super::*;

#[test]
fn tlsverify_is_on_unless_it_is_written_off() {
    let verifies = |line: &str| {
        let text = format!("virtual=192.0.2.1:443\n\treal=192.0.2.10:443 gate\n{line}");
        match &probe(&one(&text).reals[0]).kind {
            Kind::Http(http) => http.tls_verify,
            other => panic!("{other:?}"),
        }
    };
    assert!(verifies(""));
    assert!(verifies("\ttlsverify=yes\n"));
    assert!(!verifies("\ttlsverify = no\n"));
    assert_eq!(
        errors("virtual=192.0.2.1:443\n\ttlsverify=off\n"),
        ["t.cf:2:12: error: tlsverify must be yes or no, found \"off\"; write tlsverify=yes or tlsverify=no"]
    );
    let idle =
        report("virtual=192.0.2.1:22\n\treal=192.0.2.10:22 gate\n\tchecktype=connect\n\ttlsverify=no\n");
    let lines: Vec<String> = idle.lines().collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("t.cf:4:12: warning: tlsverify has no effect"), "{lines:?}");
}

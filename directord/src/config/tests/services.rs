//! What single services need, and what has no effect with them.

use super::*;
use crate::check::Route;

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

#[test]
fn a_database_needs_a_login_and_a_request() {
    let section = |lines: &str| format!("virtual=192.0.2.1:3306\n\treal=192.0.2.10 gate\n{lines}");
    let error = |lines: &str| errors(&section(lines)).join("; ");
    assert!(error("").starts_with("t.cf:1:9: error: a check of service mysql needs a login and a request"));
    let named = error("\tservice=pgsql\n\tlogin=\"u\"\n");
    assert!(named.starts_with("t.cf:3:10: error: a check of service pgsql needs a request"), "{named}");
    let named = error("\tservice=oracle\n\trequest=\"SELECT 1 FROM dual\"\n");
    assert!(named.starts_with("t.cf:3:10: error: a check of service oracle needs a login"), "{named}");
    assert_eq!(error("\tchecktype=connect\n"), "");
    let service = one(&section("\tlogin=\"u\"\n\tpasswd=\"p\"\n\tdatabase=\"d\"\n\trequest=\"SELECT 1\"\n"));
    match &probe(&service.reals[0]).kind {
        Kind::Dialogue(mysql) => {
            assert_eq!((mysql.login.as_str(), mysql.password.reveal()), ("u", "p"));
            assert_eq!((mysql.database.as_str(), mysql.request.as_str()), ("d", "SELECT 1"));
            assert_eq!((mysql.to.to_string().as_str(), mysql.tls_verify), ("192.0.2.10:3306", None));
        }
        other => panic!("{other:?}"),
    }
    let own = "virtual=192.0.2.1:5432\n\treal=192.0.2.10 gate \"SELECT 1\" \"1\"\n\tlogin=\"u\"\n";
    let warnings: Vec<String> = report(own).lines().collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains("receive must match a value of the first row"), "{warnings:?}");
}

#[test]
fn oracle_is_asked_by_a_program() {
    let text = "virtual=192.0.2.1:1521\n\treal=192.0.2.10 gate\n\tlogin=\"u\"\n\tpasswd=\"p\"\n\tdatabase=\"XE\"\n\
                \trequest=\"SELECT 1 FROM dual\"\n";
    match &probe(&one(text).reals[0]).kind {
        Kind::Script(script) => {
            assert!(script.program.ends_with("check-oracle"));
            assert_eq!(script.arguments, ["192.0.2.10", "1521", "XE", "u", "SELECT 1 FROM dual"]);
            assert_eq!(script.password.reveal(), "p");
        }
        other => panic!("{other:?}"),
    }
    let lines: Vec<String> = report(text).lines().collect();
    assert!(lines.iter().all(|line| line.contains("warning: the program check-oracle")), "{lines:?}");
}

#[test]
fn a_proxy_is_asked_for_a_whole_url() {
    let section = |request: &str| format!("virtual=192.0.2.1:3128\n\treal=192.0.2.10 gate\n{request}");
    match &probe(&one(&section("\trequest=\"http://www.example.com/a?b\"\n")).reals[0]).kind {
        Kind::Http(http) => {
            assert_eq!(http.url, "http://www.example.com/a?b");
            assert_eq!(http.route, Route::Through("192.0.2.10:3128".parse().unwrap()));
            assert_eq!(http.host, None);
        }
        other => panic!("{other:?}"),
    }
    for (request, found) in [
        (
            "\trequest=\"index.html\"\n",
            "t.cf:3:10: error: a check of service http_proxy needs a whole URL, not \"index.html\"",
        ),
        (
            "\trequest=\"ftp://www.example.com/\"\n",
            "t.cf:3:10: error: a check of service http_proxy needs a whole URL",
        ),
        ("", "t.cf:1:9: error: a check of service http_proxy needs a whole URL"),
    ] {
        let errors = errors(&section(request));
        assert!(errors.len() == 1 && errors[0].starts_with(found), "{errors:?}");
    }
}

#[test]
fn a_check_that_no_server_can_pass_is_warned_of() {
    let warnings = |port: u16, lines: &str| -> Vec<String> {
        report(&format!("virtual=192.0.2.1:{port}\n\treal=192.0.2.10 gate\n{lines}")).lines().collect()
    };
    let one = |port: u16, lines: &str| {
        let found = warnings(port, lines);
        assert_eq!(found.len(), 1, "{lines}: {found:?}");
        found[0].clone()
    };
    assert!(one(53, "").starts_with("t.cf:1:9: warning: a check of service dns without request"));
    assert!(
        one(5353, "\tservice=dns\n\treceive=\"192.0.2.7\"\n")
            .starts_with("t.cf:3:10: warning: a check of service dns")
    );
    assert!(
        one(21, "\treceive=\"Welcome\"\n")
            .starts_with("t.cf:3:11: warning: receive is matched with the file")
    );
    assert!(one(1812, "").contains("radius without login and secret is not accepted"));
    assert!(one(1812, "\tlogin=\"u\"\n").contains("radius without secret"));
    assert!(one(1812, "\tsecret=\"s\"\n").contains("radius without login is"));
    for (port, lines) in [
        (53, "\trequest=\"www.example.com\"\n"),
        (53, "\tchecktype=ping\n"),
        (21, ""),
        (21, "\trequest=\"welcome.msg\"\n\treceive=\"Welcome\"\n"),
        (1812, "\tlogin=\"u\"\n\tsecret=\"s\"\n"),
        (1812, "\tchecktype=on\n"),
    ] {
        assert_eq!(warnings(port, lines), [""; 0], "{port} {lines}");
    }
    let own = "virtual=192.0.2.1:53\n\treal=192.0.2.10 gate \"www.example.com\" \"192\"\n";
    assert_eq!(report(own).lines().count(), 0);
}

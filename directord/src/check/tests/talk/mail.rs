//! `smtp`, `submission`, `pop`, `imap`, `nntp`.

use super::*;

const SMTP: ServiceName = ServiceName::Smtp;
const POP: ServiceName = ServiceName::Pop;
const IMAP: ServiceName = ServiceName::Imap;

fn declined(words: &str) -> Outcome {
    Outcome::Declined(words.into())
}

#[tokio::test]
async fn smtp_greets_and_leaves() {
    let rules = [("EHLO", "250-mail.example.com\r\n250-SIZE 1000\r\n250 HELP\r\n"), ("QUIT", "!221 bye\r\n")];
    for greeting in ["220 mail.example.com ESMTP\r\n", "220-wait\r\n220-a little\r\n220 now\r\n", "220\n"] {
        let server = Server::start(greeting, &rules).await;
        assert_eq!(run(dialogue(SMTP, server.to)).await, Outcome::Passed, "{greeting}");
        assert_eq!(server.heard_until("QUIT").await, ["EHLO localhost.localdomain", "QUIT"]);
        let slow = slowly(server.to).await;
        assert_eq!(run(dialogue(ServiceName::Submission, slow)).await, Outcome::Passed, "{greeting}");
    }
}

#[tokio::test]
async fn smtp_servers_that_know_no_ehlo_or_want_nobody() {
    let old = [("EHLO", "502 what?\r\n"), ("HELO", "250 hello\r\n"), ("QUIT", "!221 bye\r\n")];
    let server = Server::start("220 x\r\n", &old).await;
    assert_eq!(run(dialogue(SMTP, server.to)).await, Outcome::Passed);
    assert_eq!(
        server.heard_until("QUIT").await,
        ["EHLO localhost.localdomain", "HELO localhost.localdomain", "QUIT"]
    );

    let cases = [
        ("554 no SMTP service here\r\n", "", "", "554 no SMTP service here"),
        ("421 busy\r\n", "", "", "421 busy"),
        ("220 x\r\n", "550 a\r\n", "550-b\r\n550 c\r\n", "550-b\\n550 c"),
        ("220 x\r\n", "450 later\r\n", "250 ok\r\n", "450 later"),
        ("220 x\r\n", "421 shutting down\r\n", "250 ok\r\n", "421 shutting down"),
        ("220 x\r\n", "550 a\r\n", "421 busy\r\n", "421 busy"),
    ];
    for (greeting, ehlo, helo, words) in cases {
        let server = Server::start(greeting, &[("EHLO", ehlo), ("HELO", helo)]).await;
        assert_eq!(run(dialogue(SMTP, server.to)).await, declined(words), "{greeting}{ehlo}{helo}");
    }
    let strange = Server::start("220 x\r\n", &[("EHLO", "250-a\r\nb\r\n250 c\r\n")]).await;
    assert_eq!(run(dialogue(SMTP, strange.to)).await, Outcome::Garbled("\"b\" within a reply".into()));
    let mute = Server::start("220 x\r\n", &[("EHLO", "!")]).await;
    assert_eq!(run(dialogue(SMTP, mute.to)).await, Outcome::Closed);
    let half = Server::start("220 x\r\n", &[("EHLO", "!250-one\r\n250-two\r\n")]).await;
    assert_eq!(run(dialogue(SMTP, half.to)).await, Outcome::Closed);
}

#[tokio::test]
async fn nntp_servers_greet_with_a_2() {
    for (greeting, outcome) in [
        ("200 news.example.com ready\r\n", Outcome::Passed),
        ("201 no posting\n", Outcome::Passed),
        ("400 too many\r\n", declined("400 too many")),
        ("502 who are you?\r\n", declined("502 who are you?")),
    ] {
        let server = Server::start(greeting, &[("QUIT", "!205 bye\r\n")]).await;
        assert_eq!(run(dialogue(ServiceName::Nntp, server.to)).await, outcome, "{greeting}");
        if outcome.passed() {
            assert_eq!(server.heard_until("QUIT").await, ["QUIT"]);
            assert_eq!(run(dialogue(ServiceName::Nntp, slowly(server.to).await)).await, Outcome::Passed);
        }
    }
}

#[tokio::test]
async fn pop_without_login_needs_a_good_greeting() {
    let server = Server::start("+OK ready\r\n", &[("QUIT", "!+OK\r\n")]).await;
    assert_eq!(run(dialogue(POP, server.to)).await, Outcome::Passed);
    assert_eq!(server.heard_until("QUIT").await, ["QUIT"]);
    let sick = Server::start("-ERR [SYS/TEMP] no mail store\r\n", &[]).await;
    assert_eq!(run(dialogue(POP, sick.to)).await, declined("-ERR [SYS/TEMP] no mail store"));
    let in_use = Server::start("-ERR [IN-USE] ?\r\n", &[]).await;
    assert_eq!(run(dialogue(POP, in_use.to)).await, declined("-ERR [IN-USE] ?"));
}

#[tokio::test]
async fn pop_logs_in_with_user_and_pass() {
    let rules = [("USER joe", "+OK\r\n"), ("PASS two words", "+OK in\r\n"), ("QUIT", "!+OK\r\n")];
    let server = Server::start("+OK ready\r\n", &rules).await;
    let joe = with_login(POP, server.to, "joe", "two words");
    assert_eq!(run(joe.clone()).await, Outcome::Passed);
    assert_eq!(server.heard_until("QUIT").await, ["USER joe", "PASS two words", "QUIT"]);
    assert_eq!(run(Dialogue { to: slowly(server.to).await, ..joe }).await, Outcome::Passed);

    for (user, pass, outcome) in [
        ("-ERR no such user\r\n", "", declined("-ERR no such user")),
        ("+OK\r\n", "-ERR [AUTH] wrong\r\n", declined("-ERR [AUTH] wrong")),
        ("+OK\r\n", "-ERR [IN-USE] locked\r\n", Outcome::Passed),
        ("+OK\r\n", "!", Outcome::Closed),
        ("+OK\r\n", "!+OK half a li", Outcome::Closed),
        ("+OK\r\n", "250 ok\r\n", Outcome::Garbled("\"250 ok\" is neither +OK nor -ERR".into())),
    ] {
        let server = Server::start("+OK\r\n", &[("USER", user), ("PASS", pass), ("QUIT", "!+OK\r\n")]).await;
        assert_eq!(run(with_login(POP, server.to, "joe", "x")).await, outcome, "{user}{pass}");
    }
}

#[tokio::test]
async fn pop_uses_apop_where_it_is_offered_and_known() {
    let greeting = "+OK POP3 server ready <1896.697170952@dbc.mtview.ca.us>\r\n";
    let apop = "APOP mrose c4c9334bac560ecc979e58001b3e22fb";
    let server = Server::start(greeting, &[(apop, "+OK in\r\n"), ("QUIT", "!+OK\r\n")]).await;
    assert_eq!(run(with_login(POP, server.to, "mrose", "tanstaaf")).await, Outcome::Passed);
    assert_eq!(server.heard_until("QUIT").await, [apop, "QUIT"]);

    // Refused, once: the next check asks no more, as a login that fails is a line in somebody's log.
    let rules = [("APOP", "-ERR what?\r\n"), ("USER", "+OK\r\n"), ("PASS", "+OK\r\n"), ("QUIT", "!+OK\r\n")];
    let server = Server::start(greeting, &rules).await;
    let kind = Kind::Dialogue(with_login(POP, server.to, "mrose", "tanstaaf").into());
    let (checker, mut memory) = (Checker::new(), Memory::default());
    assert_eq!(checker.run(&kind, &mut memory).await.outcome, Outcome::Passed);
    assert_eq!(server.heard_until("QUIT").await, [apop, "USER mrose", "PASS tanstaaf", "QUIT"]);
    server.heard.lock().unwrap().clear();
    assert_eq!(checker.run(&kind, &mut memory).await.outcome, Outcome::Passed);
    assert_eq!(server.heard_until("QUIT").await, ["USER mrose", "PASS tanstaaf", "QUIT"]);

    // Refused with the connection closed.
    let rules = [("APOP", "!-ERR bye\r\n"), ("USER", "+OK\r\n"), ("PASS", "+OK\r\n"), ("QUIT", "!+OK\r\n")];
    let server = Server::start(greeting, &rules).await;
    assert_eq!(run(with_login(POP, server.to, "mrose", "tanstaaf")).await, Outcome::Passed);
    assert_eq!(server.heard_until("QUIT").await.last().unwrap(), "QUIT");

    // The password is wrong both ways.
    let server =
        Server::start(greeting, &[("APOP", "-ERR no\r\n"), ("USER", "+OK\r\n"), ("PASS", "-ERR no!\r\n")]);
    assert_eq!(run(with_login(POP, server.await.to, "mrose", "x")).await, declined("-ERR no!"));
}

#[tokio::test]
async fn imap_without_login_needs_a_good_greeting() {
    let leave = [("a2 LOGOUT", "!* BYE bye\r\na2 OK done\r\n")];
    for greeting in ["* OK [CAPABILITY IMAP4rev1] ready\r\n", "* PREAUTH hello\r\n"] {
        let server = Server::start(greeting, &leave).await;
        assert_eq!(run(dialogue(IMAP, server.to)).await, Outcome::Passed, "{greeting}");
        assert_eq!(server.heard_until("a2").await, ["a2 LOGOUT"]);
    }
    let server = Server::start("* BYE too many connections\r\n", &[]).await;
    assert_eq!(run(dialogue(IMAP, server.to)).await, declined("BYE too many connections"));
}

#[tokio::test]
async fn imap_logs_in() {
    let untagged = "* CAPABILITY IMAP4rev1\r\n* X {9}\r\na1 NO no\r {3}\r\na1  end\r\na1 OK in\r\n";
    for answer in ["a1 OK\r\n", untagged] {
        let rules = [("a1 LOGIN \"joe\" \"a\\\"b\"", answer), ("a2", "!* BYE\r\n")];
        let server = Server::start("* OK\r\n", &rules).await;
        let joe = with_login(IMAP, server.to, "joe", "a\"b");
        assert_eq!(run(joe.clone()).await, Outcome::Passed, "{answer}");
        assert_eq!(server.heard_until("a2").await, ["a1 LOGIN \"joe\" \"a\\\"b\"", "a2 LOGOUT"]);
        assert_eq!(run(Dialogue { to: slowly(server.to).await, ..joe }).await, Outcome::Passed);
    }
    let preauth = Server::start("* PREAUTH joe\r\n", &[("a2", "!* BYE\r\n")]).await;
    assert_eq!(run(with_login(IMAP, preauth.to, "joe", "x")).await, Outcome::Passed);

    for (answer, outcome) in [
        ("a1 NO [AUTHENTICATIONFAILED] wrong\r\n", declined("NO [AUTHENTICATIONFAILED] wrong")),
        ("a1 BAD what?\r\n", declined("BAD what?")),
        ("* BYE shutting down\r\n", declined("BYE shutting down")),
        ("!* OK half\r\na1 O", Outcome::Closed),
        ("+ go on\r\n", Outcome::Garbled("the server asks for more than there is".into())),
        ("+OK POP3?\r\n", Outcome::Garbled("\"+OK POP3?\" is no response".into())),
        ("* X {999999999}\r\n", Outcome::Garbled("more than 262144 bytes of answer".into())),
    ] {
        let server = Server::start("* OK\r\n", &[("a1", answer)]).await;
        assert_eq!(run(with_login(IMAP, server.to, "joe", "x")).await, outcome, "{answer}");
    }
}

#[tokio::test]
async fn imap_tells_no_password_to_a_server_that_takes_none() {
    let server = Server::start("* OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED] ready\r\n", &[]).await;
    let outcome = run(with_login(IMAP, server.to, "joe", "x")).await;
    assert!(matches!(&outcome, Outcome::Declined(why) if why.contains("LOGINDISABLED")), "{outcome:?}");
    assert_eq!(
        run(dialogue(IMAP, server.to)).await,
        Outcome::Passed,
        "without a login there is nothing to tell"
    );
    assert_eq!(server.heard_until("a2").await, ["a2 LOGOUT"]);
}

#[tokio::test]
async fn imap_sends_what_cannot_be_quoted_as_literals() {
    let rules = [
        ("a1 LOGIN {5}", "+ go on\r\n"),
        ("jörg {5}", "+ go on\r\n"),
        ("süß", "* OK almost\r\na1 OK in\r\n"),
        ("a2", "!* BYE\r\n"),
    ];
    let server = Server::start("* OK\r\n", &rules).await;
    assert_eq!(run(with_login(IMAP, server.to, "jörg", "süß")).await, Outcome::Passed);
    assert_eq!(server.heard_until("a2").await, ["a1 LOGIN {5}", "jörg {5}", "süß", "a2 LOGOUT"]);
    let refusing = Server::start("* OK\r\n", &[("a1 LOGIN {5}", "a1 BAD no literals\r\n")]).await;
    assert_eq!(run(with_login(IMAP, refusing.to, "jörg", "x")).await, declined("BAD no literals"));
}

//! Exim: `smtp`, `submission`. Dovecot: `pop`, `pops`, `imap`, `imaps`.

use crate::bed::{Folder, Server, check, port};
use directord::check::Outcome;

#[tokio::test]
async fn exim() {
    let (good, busy, picky) = (port(), port(), port());
    let folder = Folder::new();
    let spool = folder.folder("spool", "Debian-exim");
    let configuration = folder.write(
        "exim.conf",
        &format!(
            "primary_hostname = mail.example.com\n\
             spool_directory = {spool}\n\
             log_file_path = {spool}/%slog\n\
             pid_file_path = {spool}/pid\n\
             local_interfaces = 127.0.0.1\n\
             daemon_smtp_ports = {good} : {busy} : {picky}\n\
             acl_smtp_connect = connect\n\
             acl_smtp_helo = helo\n\
             begin acl\n\
             connect:\n\
             \x20 defer condition = ${{if eq{{$received_port}}{{{busy}}}}}\n\
             \x20       message = come back later\n\
             \x20 accept\n\
             helo:\n\
             \x20 deny condition = ${{if eq{{$received_port}}{{{picky}}}}}\n\
             \x20      message = not you\n\
             \x20 accept\n"
        ),
    );
    let exim = Server::start(&folder, &["exim4", "-C", &configuration, "-bdf"], &[good, busy, picky]);
    for service in ["smtp", "submission"] {
        assert_eq!(check(service, good, &[]).await, Outcome::Passed);
        assert_eq!(check(service, busy, &[]).await, Outcome::Declined("451 come back later".into()));
        assert_eq!(check(service, picky, &[]).await, Outcome::Declined("550 not you".into()));
    }
    exim.stop(good);
    assert_eq!(check("smtp", good, &[]).await, Outcome::Refused);
}

/// Dovecot at these ports, with joe and jörg.
pub fn start_dovecot(
    folder: &Folder,
    [imap, imaps, pop, pops]: [u16; 4],
    key: &str,
    certificate: &str,
) -> Server {
    let path = folder.path().to_str().unwrap();
    let mail = folder.folder("mail", "nobody");
    let users = folder.write("users", "joe:{PLAIN}two words\\\njörg:{PLAIN}süß\n");
    let configuration = folder.write(
        "dovecot.conf",
        &format!(
            "protocols = imap pop3\n\
             listen = 127.0.0.1\n\
             base_dir = {path}/run\n\
             state_dir = {path}/state\n\
             log_path = {path}/log\n\
             ssl = yes\n\
             ssl_cert = <{certificate}\n\
             ssl_key = <{key}\n\
             disable_plaintext_auth = no\n\
             auth_mechanisms = plain apop\n\
             auth_username_chars =\n\
             auth_failure_delay = 0\n\
             service anvil {{\n unix_listener anvil-auth-penalty {{\n mode = 0\n}}\n}}\n\
             mail_location = maildir:{mail}/%u\n\
             first_valid_uid = 1\n\
             passdb {{\n driver = passwd-file\n args = {users}\n}}\n\
             userdb {{\n driver = static\n args = uid=nobody gid=nogroup home={mail}/%u\n}}\n\
             service imap-login {{\n\
             inet_listener imap {{\n port = {imap}\n}}\n\
             inet_listener imaps {{\n port = {imaps}\n ssl = yes\n}}\n}}\n\
             service pop3-login {{\n\
             inet_listener pop3 {{\n port = {pop}\n}}\n\
             inet_listener pop3s {{\n port = {pops}\n ssl = yes\n}}\n}}\n"
        ),
    );
    let command = ["dovecot", "-F", "-c", &configuration];
    Server::start(folder, &command, &[imap, imaps, pop, pops])
}

#[tokio::test]
async fn dovecot() {
    let (imap, imaps, pop, pops) = (port(), port(), port(), port());
    let folder = Folder::new();
    let (key, certificate) = folder.certificate();
    let dovecot = start_dovecot(&folder, [imap, imaps, pop, pops], &key, &certificate);
    let joe = ["login=\"joe\"", "passwd=\"two words\\\""];
    let joerg = ["login=\"jörg\"", "passwd=\"süß\""];
    for (service, port) in [("imap", imap), ("imaps", imaps), ("pop", pop), ("pops", pops)] {
        // Its certificate is its own.
        let tls = service.ends_with('s').then_some("tlsverify=no");
        for login in [&[][..], &joe, &joerg] {
            let directives: Vec<&str> = login.iter().copied().chain(tls).collect();
            assert_eq!(check(service, port, &directives).await, Outcome::Passed, "{service} {login:?}");
        }
        let wrong: Vec<&str> = ["login=\"joe\"", "passwd=\"x\""].into_iter().chain(tls).collect();
        let outcome = check(service, port, &wrong).await;
        let said = |words: &str| words.contains("[AUTH") && words.contains("failed");
        assert!(matches!(&outcome, Outcome::Declined(words) if said(words)), "{service} {outcome:?}");
        if tls.is_some() {
            let outcome = check(service, port, &[]).await;
            assert!(matches!(&outcome, Outcome::Tls(why) if why.contains("self-signed")), "{outcome:?}");
        }
    }
    // Each in the other's place.
    assert!(matches!(check("imap", pop, &[]).await, Outcome::Garbled(_)));
    assert!(matches!(check("pop", imap, &[]).await, Outcome::Garbled(_)));
    assert!(matches!(check("imaps", imap, &["tlsverify=no"]).await, Outcome::Tls(_)));
    dovecot.stop(imap);
    assert_eq!(check("imap", imap, &[]).await, Outcome::Refused);
}

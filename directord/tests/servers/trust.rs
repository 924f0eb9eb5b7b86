//! TLS with verified certificates: `imaps`, `pops`, `ldaps` of Dovecot and slapd, and whatever other tests ask for, with
//! certificates that an authority of the test's own has signed. Which authorities are trusted, OpenSSL reads from `SSL_CERT_FILE`: each is asked in a process of its own.

use crate::bed::{Folder, Server, check, must, port};
use crate::{directory, mail};
use directord::check::Outcome;
use std::process::Command;

/// Tells the process that checks what to check: a line each of service, port and directives, with tabs between them.
const CHECKS: &str = "DIRECTORD_TRUST_CHECKS";
const SERVICES: [&str; 3] = ["imaps", "pops", "ldaps"];

/// A check: the service, the server's port, the section's directives.
pub type Check<'a> = (&'a str, u16, &'a [&'a str]);

/// An authority, and what it signs.
pub struct Authority {
    folder: Folder,
    name: &'static str,
}

impl Authority {
    pub fn new(name: &'static str) -> Authority {
        let folder = Folder::new();
        let [key, certificate] = ["ca.key", "ca.pem"].map(|file| folder.write(file, ""));
        let subject = format!("/CN={name}");
        openssl(&format!(
            "req -x509 -newkey rsa:2048 -nodes -days 2 -subj {subject} -keyout {key} -out {certificate}"
        ));
        Authority { folder, name }
    }

    fn certificate(&self) -> String {
        self.folder.path().join("ca.pem").to_str().unwrap().to_owned()
    }

    /// A key and a certificate for this host: their paths.
    pub fn sign(&self, host: &str) -> (String, String) {
        let [key, request, certificate] =
            ["key", "csr", "pem"].map(|ending| self.folder.write(&format!("{host}.{ending}"), ""));
        openssl(&format!("req -newkey rsa:2048 -nodes -subj /CN={host} -keyout {key} -out {request}"));
        let authority = self.certificate();
        let own_key = authority.replace("ca.pem", "ca.key");
        openssl(&format!(
            "x509 -req -in {request} -days 2 -CA {authority} -CAkey {own_key} -set_serial 7 -out {certificate}"
        ));
        (key, certificate)
    }
}

fn openssl(arguments: &str) {
    must("openssl", &arguments.split(' ').collect::<Vec<_>>());
}

/// Dovecot and slapd with a certificate; they end with this value.
struct Servers {
    ports: [u16; 3],
    _servers: [Server; 2],
    _folders: [Folder; 2],
}

impl Servers {
    fn start(key: &str, certificate: &str) -> Servers {
        let [imap, imaps, pop, pops, ldap, ldaps] = std::array::from_fn(|_| port());
        let folders = [Folder::new(), Folder::new()];
        let dovecot = mail::start_dovecot(&folders[0], [imap, imaps, pop, pops], key, certificate);
        let slapd = directory::slapd(&folders[1], ldap, ldaps, (key.to_owned(), certificate.to_owned()));
        Servers { ports: [imaps, pops, ldaps], _servers: [dovecot, slapd], _folders: folders }
    }

    /// What the checks say in a process that trusts this authority alone.
    fn checked_trusting(&self, authority: &Authority) -> Vec<String> {
        let directives = ["virtualhost=www.example.com"];
        let checks: Vec<Check<'_>> = SERVICES
            .into_iter()
            .zip(self.ports)
            .map(|(service, port)| (service, port, &directives[..]))
            .collect();
        trusting(authority, &checks)
    }
}

/// What these checks say in a process that trusts this authority alone.
pub fn trusting(authority: &Authority, checks: &[Check<'_>]) -> Vec<String> {
    let lines: Vec<String> = checks
        .iter()
        .map(|(service, port, directives)| format!("{service}\t{port}\t{}", directives.join("\t")))
        .collect();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "trust::the_chain_of_a_certificate_is_verified", "--nocapture"]);
    command
        .env(CHECKS, lines.join("\n"))
        .env("SSL_CERT_FILE", authority.certificate())
        .env("SSL_CERT_DIR", "/nonexistent");
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let lines = text.lines().filter_map(|line| line.strip_prefix("outcome: "));
    let outcomes: Vec<String> = lines.map(str::to_owned).collect();
    assert_eq!(outcomes.len(), checks.len(), "trusting {}: {text}", authority.name);
    outcomes
}

/// In the process that checks: prints how each check ended.
async fn tell(checks: &str) {
    println!();
    for line in checks.lines() {
        let words: Vec<&str> = line.split('\t').collect();
        match check(words[0], words[1].parse().unwrap(), &words[2..]).await {
            Outcome::Passed => println!("outcome: passed"),
            other => println!("outcome: {other:?}"),
        }
    }
}

#[tokio::test]
async fn the_chain_of_a_certificate_is_verified() {
    if let Ok(checks) = std::env::var(CHECKS) {
        return tell(&checks).await;
    }
    let (own, other) = (Authority::new("own"), Authority::new("other"));
    let (key, certificate) = own.sign("www.example.com");
    let servers = Servers::start(&key, &certificate);
    assert_eq!(servers.checked_trusting(&own), ["passed"; 3]);
    for outcome in servers.checked_trusting(&other) {
        assert!(
            outcome.starts_with("Tls(") && outcome.contains("unable to get local issuer certificate"),
            "nobody knows who has signed it: {outcome}"
        );
    }
    drop(servers);
    // The name is not compared, as ldirectord did not: a real server is asked by its address.
    let (key, certificate) = own.sign("other.example.net");
    assert_eq!(Servers::start(&key, &certificate).checked_trusting(&own), ["passed"; 3]);
}

//! MariaDB and PostgreSQL: `mysql`, `pgsql`.

use crate::bed::{Folder, Server, check, must, port};
use directord::check::Outcome;
use std::path::Path;

/// Neither server runs as root.
const ACCOUNT: &str = "nobody";
const UP: &str = "request=\"SELECT name, state FROM nodes\"";

/// The directives of an account.
fn account(login: &str) -> [String; 3] {
    [format!("login=\"{login}\""), "passwd=\"it's secret\"".into(), "database=\"shop\"".into()]
}

async fn asked(service: &str, port: u16, login: &str, directives: &[&str]) -> Outcome {
    let account = account(login);
    let all: Vec<&str> = account.iter().map(String::as_str).chain(directives.iter().copied()).collect();
    check(service, port, &all).await
}

fn declined(outcome: &Outcome, words: &str) {
    assert!(
        matches!(outcome, Outcome::Declined(said) if said.contains(words)),
        "{outcome:?} says no {words}"
    );
}

/// What both servers do alike.
async fn queries(service: &str, port: u16) {
    let asked = async |directives: &[&str]| asked(service, port, "checker", directives).await;
    assert_eq!(asked(&[UP]).await, Outcome::Passed);
    assert_eq!(asked(&[UP, "receive=\"^up$\""]).await, Outcome::Passed);
    assert_eq!(asked(&[UP, "receive=\"^down$\""]).await, Outcome::NoMatch("alpha, up".into()));
    assert_eq!(asked(&["request=\"SELECT name FROM nodes WHERE state = 'lost';\""]).await, Outcome::NoRow);
    assert_eq!(asked(&["request=\"SELECT 1, NULL, ''\"", "receive=\"^1$\""]).await, Outcome::Passed);
    assert_eq!(asked(&["request=\"UPDATE nodes SET state = 'up'\""]).await, Outcome::NoRow);
    let nowhere = asked(&["request=\"SELECT * FROM nowhere\""]).await;
    declined(&nowhere, "nowhere");
    let long = "request=\"SELECT concat('begin', repeat('x', 10000000))\"";
    assert_eq!(asked(&[long, "receive=\"^beginx+$\""]).await, Outcome::Passed);
}

fn mariadb(folder: &Folder, port: u16) -> Server {
    let data = folder.folder("mariadb", ACCOUNT);
    let (key, certificate) = certificate(folder);
    let data = format!("--datadir={data}");
    let user = format!("--user={ACCOUNT}");
    let normal = "--auth-root-authentication-method=normal";
    must("mariadb-install-db", &["--no-defaults", &user, &data, normal, "--skip-test-db"]);
    let method = "IDENTIFIED VIA mysql_native_password USING PASSWORD('it\\'s secret')";
    let accounts = folder.write(
        "accounts.sql",
        &format!(
            "CREATE DATABASE shop;\nCREATE TABLE shop.nodes (name TEXT, state TEXT);\n\
             INSERT INTO shop.nodes VALUES ('alpha', 'up'), ('beta', 'down');\n\
             CREATE USER checker@'127.0.0.1' {method};\nGRANT ALL ON shop.* TO checker@'127.0.0.1';\n\
             CREATE USER private@'127.0.0.1' {method} REQUIRE SSL;\nGRANT ALL ON shop.* TO private@'127.0.0.1';\n\
             CREATE USER open@'127.0.0.1';\nGRANT ALL ON shop.* TO open@'127.0.0.1';\n"
        ),
    );
    let command = [
        "mariadbd",
        "--no-defaults",
        &user,
        &data,
        &format!("--port={port}"),
        "--bind-address=127.0.0.1",
        &format!("--socket={}", folder.path().join("mariadb/socket").display()),
        &format!("--init-file={accounts}"),
        &format!("--ssl-key={key}"),
        &format!("--ssl-cert={certificate}"),
        "--skip-name-resolve",
        "--skip-log-bin",
        "--max-allowed-packet=64M",
        "--innodb-buffer-pool-size=8M",
        "--performance-schema=OFF",
    ];
    Server::start(folder, &command, &[port])
}

/// A key that its account alone may read.
fn certificate(folder: &Folder) -> (String, String) {
    let (key, certificate) = folder.certificate();
    must("chown", &[ACCOUNT, &key]);
    must("chmod", &["600", &key]);
    (key, certificate)
}

#[tokio::test]
async fn mariadb_answers_queries() {
    let (folder, port) = (Folder::new(), port());
    let server = mariadb(&folder, port);
    // Every check ends with a goodbye: none counts as aborted.
    let aborted = "request=\"SHOW GLOBAL STATUS WHERE Variable_name = 'Aborted_clients'\"";
    for _ in 0..3 {
        assert_eq!(asked("mysql", port, "checker", &[aborted, "receive=\"^0$\""]).await, Outcome::Passed);
    }
    queries("mysql", port).await;
    let denied = asked("mysql", port, "nosuch", &[UP]).await;
    declined(&denied, "Access denied for user 'nosuch'@'127.0.0.1'");
    let wrong = ["login=\"checker\"", "passwd=\"wrong\"", UP];
    declined(&check("mysql", port, &wrong).await, "(error 1045)");
    let elsewhere = ["login=\"checker\"", "passwd=\"it's secret\"", "database=\"bank\"", UP];
    declined(&check("mysql", port, &elsewhere).await, "bank");
    let without = ["login=\"open\"", "database=\"shop\"", UP];
    assert_eq!(check("mysql", port, &without).await, Outcome::Passed);
    let no_database = ["login=\"checker\"", "passwd=\"it's secret\"", "request=\"SELECT * FROM shop.nodes\""];
    assert_eq!(check("mysql", port, &no_database).await, Outcome::Passed);

    declined(&asked("mysql", port, "private", &[UP]).await, "Access denied");
    assert_eq!(asked("mysql", port, "private", &[UP, "tlsverify=no"]).await, Outcome::Passed);
    let verified = asked("mysql", port, "private", &[UP, "tlsverify=yes"]).await;
    assert!(matches!(&verified, Outcome::Tls(why) if why.contains("self-signed")), "{verified:?}");

    server.stop(port);
    assert_eq!(asked("mysql", port, "checker", &[UP]).await, Outcome::Refused);
}

/// The newest of the versions that are installed.
fn postgresql_programs() -> String {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL is not installed");
    let newest = versions.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse::<u32>().ok()).max();
    format!("/usr/lib/postgresql/{}/bin", newest.expect("PostgreSQL is not installed"))
}

/// Runs as the account.
const AS_ACCOUNT: [&str; 5] =
    ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "--pdeathsig=TERM"];

fn postgresql(folder: &Folder, port: u16) -> Server {
    let programs = postgresql_programs();
    let data = folder.folder("postgresql", ACCOUNT);
    let (key, certificate) = certificate(folder);
    let as_account = |program: &str, arguments: &[&str]| {
        let program = format!("{programs}/{program}");
        must(AS_ACCOUNT[0], &[&AS_ACCOUNT[1..], &["--", &program], arguments].concat());
    };
    as_account("initdb", &["-D", &data, "-U", "admin", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"]);
    folder.write(
        "pg_hba.conf",
        "local all admin trust\nhost all checker 127.0.0.1/32 scram-sha-256\nhost all digest 127.0.0.1/32 md5\n\
         host all clear 127.0.0.1/32 password\nhost all open 127.0.0.1/32 trust\n\
         hostssl all private 127.0.0.1/32 scram-sha-256\nhostnossl all plain 127.0.0.1/32 scram-sha-256\n",
    );
    let setting = |name: &str, value: &str| ["-c".to_owned(), format!("{name}={value}")];
    let settings: Vec<String> = [
        setting("listen_addresses", "127.0.0.1"),
        setting("port", &port.to_string()),
        setting("unix_socket_directories", &data),
        setting("hba_file", folder.path().join("pg_hba.conf").to_str().unwrap()),
        setting("ssl", "on"),
        setting("ssl_key_file", &key),
        setting("ssl_cert_file", &certificate),
        setting("fsync", "off"),
        setting("shared_buffers", "8MB"),
        setting("shared_memory_type", "mmap"),
        setting("dynamic_shared_memory_type", "mmap"),
    ]
    .concat();
    let program = format!("{programs}/postgres");
    let mut command = AS_ACCOUNT.to_vec();
    command.extend(["--", &program, "-D", &data]);
    command.extend(settings.iter().map(String::as_str));
    let server = Server::start(folder, &command, &[port]);
    let accounts = "CREATE USER checker PASSWORD 'it''s secret'; CREATE USER clear PASSWORD 'it''s secret';
        CREATE USER private PASSWORD 'it''s secret'; CREATE USER plain PASSWORD 'it''s secret'; CREATE USER open;
        SET password_encryption = 'md5'; CREATE USER digest PASSWORD 'it''s secret';";
    let tables = "CREATE TABLE nodes (name text, state text); GRANT ALL ON nodes TO PUBLIC;
        INSERT INTO nodes VALUES ('alpha', 'up'), ('beta', 'down');";
    let run = |database: &str, words: &str| {
        let port = port.to_string();
        let user = ["-h", &data, "-p", &port, "-U", "admin", "-d", database];
        as_account("psql", &[&user[..], &["-X", "-q", "-v", "ON_ERROR_STOP=1", "-c", words]].concat());
    };
    wait_until_ready(&data, port);
    run("postgres", accounts);
    run("postgres", "CREATE DATABASE shop");
    run("shop", tables);
    server
}

/// It listens a little before it answers.
fn wait_until_ready(data: &str, port: u16) {
    let pid = Path::new(data).join("postmaster.pid");
    for _ in 0..600 {
        if std::fs::read_to_string(&pid).is_ok_and(|text| text.contains("ready")) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("PostgreSQL at port {port} does not become ready");
}

#[tokio::test]
async fn postgresql_answers_queries() {
    let (folder, port) = (Folder::new(), port());
    let server = postgresql(&folder, port);
    queries("pgsql", port).await;
    for login in ["checker", "digest", "clear"] {
        assert_eq!(asked("pgsql", port, login, &[UP]).await, Outcome::Passed, "{login}");
        let login = format!("login=\"{login}\"");
        let wrong = check("pgsql", port, &[&login, "passwd=\"wrong\"", "database=\"shop\"", UP]).await;
        declined(&wrong, "(SQLSTATE 28P01)");
    }
    assert_eq!(check("pgsql", port, &["login=\"open\"", "database=\"shop\"", UP]).await, Outcome::Passed);
    declined(&asked("pgsql", port, "nosuch", &[UP]).await, "no pg_hba.conf entry");
    let elsewhere = ["login=\"checker\"", "passwd=\"it's secret\"", "database=\"bank\"", UP];
    declined(&check("pgsql", port, &elsewhere).await, "database \"bank\" does not exist");
    // Without a database it is the one of the account's name.
    declined(&check("pgsql", port, &["login=\"open\"", UP]).await, "database \"open\" does not exist");

    // As libpq: with TLS if there is one, without if that is refused.
    for login in ["private", "plain"] {
        assert_eq!(asked("pgsql", port, login, &[UP]).await, Outcome::Passed, "{login}");
    }
    assert_eq!(asked("pgsql", port, "private", &[UP, "tlsverify=no"]).await, Outcome::Passed);
    declined(&asked("pgsql", port, "plain", &[UP, "tlsverify=no"]).await, "no pg_hba.conf entry");
    let verified = asked("pgsql", port, "private", &[UP, "tlsverify=yes"]).await;
    assert!(matches!(&verified, Outcome::Tls(why) if why.contains("self-signed")), "{verified:?}");

    server.stop(port);
    assert_eq!(asked("pgsql", port, "checker", &[UP]).await, Outcome::Refused);
}

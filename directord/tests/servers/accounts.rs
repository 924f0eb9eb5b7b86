//! FreeRADIUS: `radius`.

use crate::bed::{Folder, Server, check, check_of, port};
use directord::check::Outcome;

/// A server that takes only requests with a Message-Authenticator.
fn freeradius(folder: &Folder, port: u16) -> Server {
    let path = folder.path().to_str().unwrap();
    let users = "check Cleartext-Password := \"a password of more than sixteen\"\n\
                 locked Auth-Type := Reject\n\tReply-Message = \"locked for now\"\n";
    let users = folder.write("users", users);
    let listen = |address| format!("listen {{\n type = auth\n {address}\n port = {port}\n}}\n");
    let client = |name, address| {
        format!(
            "client {name} {{\n {address}\n secret = xyzzy5461\n require_message_authenticator = yes\n}}\n"
        )
    };
    let configuration = format!(
        "prefix = /usr\nlibdir = /usr/lib/freeradius\nraddbdir = {path}\nlogdir = {path}\nrun_dir = {path}\n\
         pidfile = {path}/pid\nlog {{\n destination = stdout\n}}\n\
         {}{}modules {{\n pap {{\n }}\n files {{\n  filename = {users}\n }}\n}}\nserver default {{\n{}{}\
         authorize {{\n files\n pap\n}}\nauthenticate {{\n Auth-Type PAP {{\n  pap\n }}\n}}\n}}\n",
        client("v4", "ipaddr = 127.0.0.1"),
        client("v6", "ipv6addr = ::1"),
        listen("ipaddr = 127.0.0.1"),
        listen("ipv6addr = ::1"),
    );
    folder.write("radiusd.conf", &configuration);
    let command = ["freeradius", "-f", "-l", "stdout", "-d", path, "-D", "/usr/share/freeradius"];
    let mut server = Server::start(folder, &command, &[]);
    server.wait_for_datagrams(port);
    server
}

#[tokio::test]
async fn an_account_that_is_accepted() {
    let port = port();
    let folder = Folder::new();
    let server = freeradius(&folder, port);
    let account = ["login=\"check\"", "passwd=\"a password of more than sixteen\"", "secret=\"xyzzy5461\""];
    assert_eq!(check("radius", port, &account).await, Outcome::Passed);
    let v6 = format!(
        "virtual6=[2001:db8::1]:{port}\n\treal6=[::1]:{port} gate\n\tservice=radius\n\t{}\n",
        account.join("\n\t")
    );
    assert_eq!(check_of(&v6).await, Outcome::Passed);

    // It lets those wait who are not accepted.
    let wrong = check("radius", port, &[account[0], "passwd=\"short\"", account[2]]).await;
    assert_eq!(wrong, Outcome::Declined("Access-Reject".into()));
    let locked = check("radius", port, &["login=\"locked\"", account[1], account[2]]).await;
    assert_eq!(locked, Outcome::Declined("Access-Reject: locked for now".into()));
    // It does not answer who does not know the secret.
    let section = format!(
        "virtual=192.0.2.1:{port}\n\treal=127.0.0.1:{port} gate\n\tservice=radius\n\tchecktimeout=1\n\
         \t{}\n\t{}\n\tsecret=\"another\"\n",
        account[0], account[1]
    );
    assert!(matches!(check_of(&section).await, Outcome::Silent(_)));
    drop(server);
    assert_eq!(check("radius", port, &account).await, Outcome::Refused);
}

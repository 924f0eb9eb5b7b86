//! OpenLDAP: `ldap`, `ldaps`.

use crate::bed::{Folder, Server, check, check_of, must, port};
use directord::check::Outcome;

/// An entry that everybody sees, and one below it that a login sees.
const ENTRIES: &str = "\
dn: dc=example,dc=com
objectClass: organization
objectClass: dcObject
o: example
dc: example

dn: ou=Private,dc=example,dc=com
objectClass: organizationalUnit
ou: Private
";

pub fn slapd(folder: &Folder, plain: u16, tls: u16, (key, certificate): (String, String)) -> Server {
    let path = folder.path().to_str().unwrap();
    let configuration = format!(
        "include /etc/ldap/schema/core.schema\nmodulepath /usr/lib/ldap\nmoduleload back_mdb\n\
         pidfile {path}/pid\nargsfile {path}/arguments\n\
         TLSCertificateFile {certificate}\nTLSCertificateKeyFile {key}\n\
         database mdb\nmaxsize 1048576\ndirectory {}\nsuffix dc=example,dc=com\n\
         rootdn cn=check,dc=example,dc=com\nrootpw open\n\
         access to dn.exact=dc=example,dc=com by * read\naccess to * by users read by * none\n",
        folder.folder("database", "root")
    );
    let configuration = folder.write("slapd.conf", &configuration);
    must("slapadd", &["-f", &configuration, "-l", &folder.write("entries.ldif", ENTRIES)]);
    let urls = format!("ldap://127.0.0.1:{plain} ldap://[::1]:{plain} ldaps://127.0.0.1:{tls}");
    Server::start(folder, &["slapd", "-d", "0", "-f", &configuration, "-h", &urls], &[plain, tls])
}

#[tokio::test]
async fn an_entry_by_all_ways() {
    let (plain, tls) = (port(), port());
    let folder = Folder::new();
    let server = slapd(&folder, plain, tls, folder.certificate());
    let top = ["request=\"dc=example,dc=com\"", "receive=\"^dc=example,dc=com$\""];
    let private = "request=\"ou=private,dc=example,dc=com\"";
    let login = ["login=\"cn=check,dc=example,dc=com\"", "passwd=\"open\""];

    assert_eq!(check("ldap", plain, &top).await, Outcome::Passed);
    assert_eq!(check("ldap", plain, &[]).await, Outcome::Passed, "the root DSE");
    let other = check("ldap", plain, &["request=\"dc=example,dc=com\"", "receive=\"^ou=\""]).await;
    assert_eq!(other, Outcome::NoMatch("dc=example,dc=com".into()));
    let hidden = check("ldap", plain, &[private]).await;
    assert!(
        matches!(&hidden, Outcome::Declined(words) if words.starts_with("noSuchObject (32)")),
        "{hidden:?}"
    );
    let seen = [private, "receive=\"^ou=Private,\"", login[0], login[1]];
    assert_eq!(check("ldap", plain, &seen).await, Outcome::Passed);
    let wrong = check("ldap", plain, &[login[0], "passwd=\"shut\""]).await;
    assert_eq!(wrong, Outcome::Declined("invalidCredentials (49)".into()));
    let nonsense = check("ldap", plain, &["request=\"nonsense\""]).await;
    assert!(
        matches!(&nonsense, Outcome::Declined(words) if words.starts_with("invalidDNSyntax (34)")),
        "{nonsense:?}"
    );

    assert_eq!(check("ldaps", tls, &[top[0], top[1], "tlsverify=no"]).await, Outcome::Passed);
    assert!(matches!(check("ldaps", tls, &top).await, Outcome::Tls(_)), "nobody knows its certificate");
    assert!(matches!(check("ldaps", plain, &top).await, Outcome::Closed | Outcome::Reset | Outcome::Tls(_)));
    let v6 =
        format!("virtual6=[2001:db8::1]:{plain}\n\treal6=[::1]:{plain} gate\n\tservice=ldap\n\t{}\n", top[0]);
    assert_eq!(check_of(&v6).await, Outcome::Passed);

    drop(server);
    assert_eq!(check("ldap", plain, &top).await, Outcome::Refused);
}

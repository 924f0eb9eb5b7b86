//! vsftpd: `ftp`.

use crate::bed::{Folder, Server, check, check_of, port};
use directord::check::Outcome;

fn vsftpd(folder: &Folder, name: &str, port: u16, listen: &str) -> Server {
    let (empty, pub_) = (folder.folder(&format!("{name}-empty"), "root"), folder.path().join("pub"));
    let configuration = folder.write(
        name,
        &format!(
            "{listen}\nlisten_port={port}\nbackground=NO\nanonymous_enable=YES\nlocal_enable=NO\n\
             anon_root={}\nsecure_chroot_dir={empty}\nseccomp_sandbox=NO\nisolate=NO\nisolate_network=NO\n\
             nopriv_user=nobody\nxferlog_enable=NO\nconnect_from_port_20=NO\n",
            pub_.to_str().unwrap()
        ),
    );
    Server::start(folder, &["vsftpd", &configuration], &[port])
}

#[tokio::test]
async fn a_file_by_both_families() {
    let (v4, v6) = (port(), port());
    let folder = Folder::new();
    folder.folder("pub", "root");
    folder.folder("pub/status", "root");
    folder.write("pub/status/all", "everything\nis well\n");
    // What it says of its address is wrong, as behind address translation.
    let listen = "listen=YES\nlisten_address=127.0.0.1\npasv_address=192.0.2.99";
    let server = vsftpd(&folder, "v4.conf", v4, listen);
    let _other = vsftpd(&folder, "v6.conf", v6, "listen=NO\nlisten_ipv6=YES\nlisten_address6=::1");

    let good = ["request=\"status/all\"", "receive=\"^everything\\n.*well$\""];
    assert_eq!(check("ftp", v4, &good).await, Outcome::Passed);
    assert_eq!(check("ftp", v4, &[]).await, Outcome::Passed);
    let wrong = ["request=\"/status/all\"", "receive=\"trouble\""];
    assert_eq!(check("ftp", v4, &wrong).await, Outcome::NoMatch("everything\\nis well\\n".into()));
    let missing = check("ftp", v4, &["request=\"status/none\""]).await;
    assert!(matches!(&missing, Outcome::Declined(words) if words.starts_with("550 ")), "{missing:?}");
    let nobody = check("ftp", v4, &["login=\"joe\"", "passwd=\"x\""]).await;
    assert!(matches!(&nobody, Outcome::Declined(words) if words.starts_with("530 ")), "{nobody:?}");

    let section = format!("virtual6=[2001:db8::1]:{v6}\n\treal6=[::1]:{v6} gate\n\tservice=ftp\n");
    let receive = format!("{section}\trequest=\"status/all\"\n\treceive=\"is well\"\n");
    assert_eq!(check_of(&section).await, Outcome::Passed);
    assert_eq!(check_of(&receive).await, Outcome::Passed);

    // One that lets nobody connect for data.
    let (active, active6) = (port(), port());
    let listen = "listen=YES\nlisten_address=127.0.0.1\npasv_enable=NO";
    let _active = vsftpd(&folder, "active.conf", active, listen);
    let listen = "listen=NO\nlisten_ipv6=YES\nlisten_address6=::1\npasv_enable=NO";
    let _active6 = vsftpd(&folder, "active6.conf", active6, listen);
    assert_eq!(check("ftp", active, &good).await, Outcome::Passed);
    assert_eq!(check_of(&receive.replace(&v6.to_string(), &active6.to_string())).await, Outcome::Passed);

    server.stop(v4);
    assert_eq!(check("ftp", v4, &good).await, Outcome::Refused);
}

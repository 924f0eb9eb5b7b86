//! Unbound: `dns`.

use crate::bed::{Folder, Server, check, check_of, port};
use directord::check::Outcome;

fn unbound(folder: &Folder, port: u16) -> Server {
    let path = folder.path().to_str().unwrap();
    // Too many addresses for a datagram.
    let many: String = (1..=100).fold(String::new(), |text, last| {
        text + &format!("\tlocal-data: \"many.example.com. A 192.0.2.{last}\"\n")
    });
    let configuration = format!(
        "server:\n\tdirectory: \"{path}\"\n\tchroot: \"\"\n\tusername: \"\"\n\tpidfile: \"\"\n\tdo-daemonize: no\n\
         \tuse-syslog: no\n\tinterface: 127.0.0.1@{port}\n\tinterface: ::1@{port}\n\tmodule-config: \"iterator\"\n\
         \taccess-control: 127.0.0.0/8 allow\n\taccess-control: ::1/128 allow\n\
         \tlocal-zone: \"example.com.\" static\n\tlocal-zone: \"example.net.\" refuse\n\
         \tlocal-data: \"www.example.com. A 192.0.2.7\"\n\tlocal-data: \"www.example.com. A 192.0.2.8\"\n\
         \tlocal-data: \"www.example.com. AAAA 2001:db8::7\"\n\tlocal-data: \"text.example.com. TXT 192.0.2.7\"\n\
         \tlocal-data-ptr: \"192.0.2.7 www.example.com\"\n\tlocal-data-ptr: \"2001:db8::7 www.example.com\"\n\
         {many}remote-control:\n\tcontrol-enable: no\n"
    );
    let configuration = folder.write("unbound.conf", &configuration);
    Server::start(folder, &["unbound", "-d", "-c", &configuration], &[port])
}

#[tokio::test]
async fn names_and_addresses_by_both_transports() {
    let port = port();
    let folder = Folder::new();
    let server = unbound(&folder, port);
    for protocol in ["protocol=udp", "protocol=tcp"] {
        for (request, receive) in [
            ("www.example.com", r"^192\.0\.2\.8$"),
            ("WWW.Example.COM", "^2001:db8::7$"),
            ("192.0.2.7", "^www.example.com$"),
            ("2001:db8::7", "^www"),
            ("many.example.com", r"\.100$"),
        ] {
            let request = format!("request=\"{request}\"");
            let receive = format!("receive=\"{receive}\"");
            assert_eq!(
                check("dns", port, &[protocol, &request, &receive]).await,
                Outcome::Passed,
                "{request}"
            );
            assert_eq!(check("dns", port, &[protocol, &request]).await, Outcome::Passed, "{request}");
        }
        let other =
            check("dns", port, &[protocol, "request=\"many.example.com\"", "receive=\"10.0.0.1\""]).await;
        assert!(matches!(&other, Outcome::NoMatch(text) if text.starts_with("192.0.2.")), "{other:?}");
        let no_address =
            check("dns", port, &[protocol, "request=\"text.example.com\"", "receive=\"192\""]).await;
        assert_eq!(no_address, Outcome::NoMatch(String::new()));
        let no_name = check("dns", port, &[protocol, "request=\"none.example.com\""]).await;
        assert!(matches!(&no_name, Outcome::Declined(words) if words.starts_with("NXDOMAIN")), "{no_name:?}");
        let refused = check("dns", port, &[protocol, "request=\"www.example.net\""]).await;
        assert!(matches!(&refused, Outcome::Declined(words) if words.starts_with("REFUSED")), "{refused:?}");
    }
    let v6 = format!(
        "virtual6=[2001:db8::1]:{port}\n\treal6=[::1]:{port} gate\n\tservice=dns\n\tprotocol=udp\n\
         \trequest=\"www.example.com\"\n\treceive=\"192.0.2.7\"\n"
    );
    assert_eq!(check_of(&v6).await, Outcome::Passed);
    drop(server);
    let request = "request=\"www.example.com\"";
    assert_eq!(check("dns", port, &["protocol=udp", request]).await, Outcome::Refused);
    assert_eq!(check("dns", port, &["protocol=tcp", request]).await, Outcome::Refused);
}

//! SIPp, which answers OPTIONS as a scenario tells it: `sip`.

use crate::bed::{Folder, Server, check, port};
use directord::check::Outcome;

fn sipp(folder: &Folder, port: u16, transport: &str, answers: &[&str]) -> Server {
    let answers = answers.iter().fold(String::new(), |text, status| {
        text + &format!(
            "<send><![CDATA[\n\nSIP/2.0 {status}\n[last_Via:]\n[last_From:]\n[last_To:];tag=1\n[last_Call-ID:]\n\
             [last_CSeq:]\nContent-Length: [len]\n\n]]></send>\n"
        )
    });
    let scenario = format!(
        "<?xml version=\"1.0\" encoding=\"us-ascii\"?>\n<scenario name=\"options\">\n<recv request=\"OPTIONS\"/>\n\
         {answers}</scenario>\n"
    );
    let scenario = folder.write(&format!("{port}.xml"), &scenario);
    let number = port.to_string();
    let command = ["sipp", "-sf", &scenario, "-i", "127.0.0.1", "-p", &number, "-t", transport, "-nostdin"];
    if transport == "t1" {
        return Server::start(folder, &command, &[port]);
    }
    let mut server = Server::start(folder, &command, &[]);
    server.wait_for_datagrams(port);
    server
}

#[tokio::test]
async fn options_by_both_transports() {
    let folders = [Folder::new(), Folder::new()];
    for (transport, protocol) in [("u1", "protocol=udp"), ("t1", "protocol=tcp")] {
        let (good, busy) = (port(), port());
        let server = sipp(&folders[0], good, transport, &["100 Trying", "200 OK"]);
        let _busy = sipp(&folders[1], busy, transport, &["503 Service Unavailable"]);
        assert_eq!(check("sip", good, &[protocol]).await, Outcome::Passed, "{protocol}");
        assert_eq!(check("sip", good, &[protocol, "login=\"check@192.0.2.1\""]).await, Outcome::Passed);
        let declined = Outcome::Declined("503 Service Unavailable".into());
        assert_eq!(check("sip", busy, &[protocol]).await, declined, "{protocol}");
        drop(server);
        assert_eq!(check("sip", good, &[protocol]).await, Outcome::Refused, "{protocol}");
    }
}

//! squid: `http_proxy`.

use crate::bed::{Folder, Server, check, port};
use crate::trust::{Authority, trusting};
use crate::web::nginx;
use directord::check::Outcome;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener};

/// A web server of two pages, `/` and one that is missing; it ends with the program.
fn web() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).unwrap_or(0);
            let answer = if request[..read].starts_with(b"GET / ") {
                "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nhere"
            } else {
                "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            };
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    port
}

fn squid(folder: &Folder, port: u16, web: u16) -> Server {
    let hosts = folder.write("hosts", "127.0.0.1 www.example.com\n");
    let spool = folder.folder("spool", "proxy");
    let configuration = folder.write(
        "squid.conf",
        &format!(
            "http_port 127.0.0.1:{port}\nacl web port {web} 9\nhttp_access deny !web\nhttp_access allow all\n\
             cache deny all\naccess_log none\ncache_log {spool}/log\nnetdb_filename none\npid_filename none\n\
             coredump_dir {spool}\npinger_enable off\nshutdown_lifetime 0 seconds\nvisible_hostname proxy.example.com\n\
             hosts_file {hosts}\ndns_nameservers 127.0.0.1\nmax_filedescriptors 1024\n"
        ),
    );
    Server::start(folder, &["squid", "-N", "-f", &configuration], &[port])
}

#[tokio::test]
async fn a_page_through_squid() {
    let (folder, port, web) = (Folder::new(), port(), web());
    let server = squid(&folder, port, web);
    let page = |path: &str| format!("request=\"http://127.0.0.1:{web}{path}\"");
    let through = async |request: &str, receive: &str| check("http_proxy", port, &[request, receive]).await;
    assert_eq!(through(&page("/"), "receive=\"^here$\"").await, Outcome::Passed);
    assert_eq!(through(&page("/"), "receive=\"elsewhere\"").await, Outcome::NoMatch("here".into()));
    assert_eq!(through(&page("/x"), "receive=\"here\"").await, Outcome::Status("404 Not Found".into()));
    let refused = through("request=\"http://127.0.0.1:10/\"", "receive=\"here\"").await;
    assert_eq!(refused, Outcome::Status("403 Forbidden".into()));
    let lost = check("http_proxy", port, &["request=\"http://127.0.0.1:9/\""]).await;
    assert_eq!(lost, Outcome::Status("503 Service Unavailable".into()));
    server.stop(port);
    assert_eq!(check("http_proxy", port, &[&page("/")]).await, Outcome::Refused);
}

/// squid connects, TLS is between the check and nginx, which speaks only to those who name its host.
#[tokio::test]
async fn a_page_through_squid_by_tls() {
    let (folder, behind, port) = (Folder::new(), Folder::new(), port());
    let (own, other) = (Authority::new("own"), Authority::new("other"));
    let (_nginx, ports) = nginx(&behind, &own);
    let _squid = squid(&folder, port, ports.named);
    let page = format!("request=\"https://www.example.com:{}/\"", ports.named);
    let (right, wrong) = ("receive=\"^I am www.example.com$\"", "receive=\"somebody else\"");
    assert_eq!(check("http_proxy", port, &["tlsverify=no", &page, right]).await, Outcome::Passed);
    let answer = Outcome::NoMatch("I am www.example.com\\n".into());
    assert_eq!(check("http_proxy", port, &["tlsverify=no", &page, wrong]).await, answer);
    assert_eq!(trusting(&own, &[("http_proxy", port, &[&page, right])]), ["passed"]);
    let untrusted = trusting(&other, &[("http_proxy", port, &[&page, right])]).remove(0);
    assert!(untrusted.starts_with("Tls(") && untrusted.contains("local issuer certificate"), "{untrusted}");
    let denied = "request=\"https://www.example.com:10/\"";
    let forbidden = Outcome::Status("403 Forbidden".into());
    assert_eq!(check("http_proxy", port, &[denied]).await, forbidden);
}

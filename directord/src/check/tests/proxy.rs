//! Service `http_proxy`: a URL, fetched from the server under test. A real proxy is in tests/servers.

use super::talk::holding;
use super::*;
use crate::check::tls::Tls;

fn through(proxy: SocketAddr, url: &str, receive: Option<&str>) -> Kind {
    let Kind::Http(http) = http(proxy, receive) else { panic!() };
    let timeout = Duration::from_secs(30);
    Kind::Http(Http { url: url.into(), host: None, route: Route::Through(proxy), timeout, ..*http }.into())
}

#[tokio::test]
async fn the_whole_url_is_asked_for_with_its_host() {
    let echo = serve(|mut stream, _| async move {
        let mut request = vec![0; 4096];
        let read = stream.read(&mut request).await.unwrap_or(0);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {read}\r\n\r\n");
        let _ = stream.write_all(&[head.as_bytes(), &request[..read]].concat()).await;
    })
    .await;
    let kind = through(
        echo,
        "http://www.example.com:8080/page?a=b",
        Some(
            r"^GET http://www\.example\.com:8080/page\?a=b HTTP/1\.1\r\n(?s).*Host: www\.example\.com:8080\r\n",
        ),
    );
    assert_eq!(kind.name(), "http_proxy");
    assert_eq!(outcome(kind).await, Outcome::Passed);
}

/// A proxy that takes `CONNECT www.example.com:443` and nothing else, and passes on every byte to this server.
async fn tunnelling_to(server: SocketAddr) -> SocketAddr {
    serve(move |mut stream, _| async move {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let Ok(byte) = stream.read_u8().await else { return };
            head.push(byte);
        }
        let head = String::from_utf8_lossy(&head);
        let asked = head.starts_with("CONNECT www.example.com:443 HTTP/1.1\r\n");
        if !asked || !head.contains("\r\nHost: www.example.com:443\r\n") {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
            return;
        }
        let Ok(mut behind) = TcpStream::connect(server).await else { return };
        let _ = stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
        let _ = tokio::io::copy_bidirectional(&mut stream, &mut behind).await;
    })
    .await
}

const SECURE: &str = "https://www.example.com/";

async fn through_tls(tls: &Tls, proxy: SocketAddr, receive: &str) -> Outcome {
    let Kind::Http(probe) = through(proxy, SECURE, Some(receive)) else { panic!() };
    super::super::http::check(&tls::checker(tls), &probe, &pattern::Turn::default(), &mut None).await
}

#[tokio::test]
async fn tls_goes_through_the_proxy_too() {
    let authority = tls::Identity::new("authority", [-1, 2], None);
    let identity = tls::Identity::new(tls::NAME, [-1, 2], Some(&authority));
    let trusting = tls::trusting(&authority);
    // The server behind speaks to nobody who does not name it.
    let proxy = tunnelling_to(tls::start(&identity, Some(tls::NAME), None)).await;
    assert_eq!(through_tls(&trusting, proxy, "^hello$").await, Outcome::Passed);
    assert_eq!(through_tls(&trusting, proxy, "other").await, Outcome::NoMatch("hello".into()));
    let Outcome::Tls(why) = through_tls(&Tls::verifying().unwrap(), proxy, "^hello$").await else { panic!() };
    assert!(why.contains("unable to get local issuer certificate"), "{why}");
}

#[tokio::test]
async fn proxies_that_open_no_tunnel() {
    assert_eq!(outcome(through(refusing().await, SECURE, None)).await, Outcome::Refused);
    let denying = answering(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(outcome(through(denying, SECURE, None)).await, Outcome::Status("403 Forbidden".into()));
    let moved = answering(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(outcome(through(moved, SECURE, None)).await, Outcome::Status("302 Found".into()));
    assert_eq!(outcome(through(answering(b"").await, SECURE, None)).await, Outcome::Closed);
    let eager = answering(b"HTTP/1.1 200 OK\r\n\r\nwhatever").await;
    assert!(matches!(outcome(through(eager, SECURE, None)).await, Outcome::Tls(_)));
    let Kind::Http(probe) = through(holding(b"").await, SECURE, None) else { panic!() };
    let silent = Kind::Http(Http { timeout: LIMIT, ..*probe }.into());
    assert_eq!(outcome(silent).await, Outcome::Silent(LIMIT));
}

#[tokio::test]
async fn proxies_that_do_not_help() {
    let url = "http://www.example.com/";
    assert_eq!(outcome(through(refusing().await, url, None)).await, Outcome::Refused);
    let denying = answering(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(outcome(through(denying, url, Some("ok"))).await, Outcome::Status("403 Forbidden".into()));
    let failing = answering(b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(outcome(through(failing, url, None)).await, Outcome::Status("504 Gateway Timeout".into()));
    let other = answering(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nother").await;
    assert_eq!(outcome(through(other, url, Some("page"))).await, Outcome::NoMatch("other".into()));
    assert_eq!(outcome(through(answering(b"").await, url, None)).await, Outcome::Closed);
    let garbage = answering(b"\x00\xff\x13garbage\r\n\r\n").await;
    assert!(matches!(outcome(through(garbage, url, None)).await, Outcome::Garbled(_)));
}

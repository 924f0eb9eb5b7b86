//! Service `http_proxy`: a URL, fetched from the server under test. A real proxy is in tests/servers.

use super::*;

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

#[tokio::test]
async fn tls_goes_through_the_proxy_too() {
    let proxy = serve(|mut stream, _| async move {
        let mut request = vec![0; 4096];
        let read = stream.read(&mut request).await.unwrap_or(0);
        let refused = if request[..read].starts_with(b"CONNECT www.example.com:443 ") { 403 } else { 500 };
        let _ =
            stream.write_all(format!("HTTP/1.1 {refused} No\r\nContent-Length: 0\r\n\r\n").as_bytes()).await;
    })
    .await;
    let ended = outcome(through(proxy, "https://www.example.com/", None)).await;
    assert!(!ended.passed() && !matches!(ended, Outcome::NotRun(_)), "{ended:?}");
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

//! Services `http` and `https`: what only some servers want or say.

use super::*;

#[tokio::test]
async fn http_sends_an_account_as_it_is_meant() {
    let echo = serve(|mut stream, _| async move {
        let mut request = vec![0; 4096];
        let read = stream.read(&mut request).await.unwrap_or(0);
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await;
        let _ = stream.write_all(&request[..read]).await;
    })
    .await;
    // monitor:p=s@1
    let Kind::Http(mut http) = http(echo, Some(r"\r\nAuthorization: Basic bW9uaXRvcjpwPXNAMQ==\r\n")) else {
        panic!()
    };
    http.url = format!("http://monitor:p=s%401@{echo}/");
    assert_eq!(outcome(Kind::Http(http)).await, Outcome::Passed);
}

#[tokio::test]
async fn http_answers_after_many_empty_lines() {
    let blank =
        [b"\r\n\n".repeat(20_000), b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec()].concat();
    let blank = answering(Box::leak(blank.into_boxed_slice())).await;
    assert_eq!(outcome(http(blank, Some("ok"))).await, Outcome::Passed);
}

//! Services `http`, `https` and `http_proxy`: a page is fetched, its status must be a success, its body must match.
//!
//! As ldirectord with a current LWP did it: up to seven redirects, to any host; certificates are verified against
//! the system's authorities (unless `tlsverify=no`), the name in them is not; a body cut off by the server's close
//! counts as far as it came. Other than there: a name is sent in the TLS handshake (`virtualhost`), and a body that
//! does not end within the limit is a failure.
//!
//! One connection for each request, and hyper's protocol on it: building a whole client for every check cost half as
//! much again.

use super::heard::Heard;
use super::link::Progress;
use super::lookup::addresses;
use super::outcome::excerpt;
use super::pattern::Turn;
use super::source::{self, Stream};
use super::tls::Tls;
use super::{Http, Outcome, Route};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::header::{ACCEPT, AUTHORIZATION, CONNECTION, HOST, HeaderValue, LOCATION, USER_AGENT};
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use std::error::Error;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::OnceLock;
use tokio::io::{AsyncRead, AsyncWrite};
use url::{Host, Position, Url};

/// Redirects that are followed.
const REDIRECTS: usize = 7;
/// No more of a body is read or kept.
const BODY_LIMIT: usize = 1024 * 1024;
/// No head of an answer is longer, in bytes.
const HEAD_LIMIT: usize = 256 * 1024;
/// No more is read of everything that is said on a connection, in bytes: many short answers before the real one count,
/// and what chunks have around them.
pub(super) const HEARD_LIMIT: usize = BODY_LIMIT + HEAD_LIMIT;
const AGENT: HeaderValue = HeaderValue::from_static(concat!("directord/", env!("CARGO_PKG_VERSION")));

/// Fetches and judges.
///
/// `status` becomes the status of an answer that is a success.
pub(super) async fn check(
    probe: &Http,
    tls: Result<&Tls, &String>,
    turn: &Turn,
    status: &mut Option<u16>,
) -> Outcome {
    let tls = match tls {
        Ok(tls) => tls,
        Err(why) => return Outcome::NotRun(format!("TLS cannot be set up: {why}")),
    };
    let progress = Progress::default();
    let success = OnceLock::new();
    let outcome = progress.within(probe.timeout, fetch(probe, tls, &success, turn, &progress)).await;
    *status = success.into_inner();
    outcome
}

/// What an answer leads to.
enum Answer {
    Outcome(Outcome),
    /// The status, and where to go on.
    Redirect(String, Url),
}

async fn fetch(
    probe: &Http,
    tls: &Tls,
    success: &OnceLock<u16>,
    turn: &Turn,
    progress: &Progress,
) -> Result<Outcome, Outcome> {
    let Ok(mut url) = Url::parse(&probe.url) else {
        return Ok(Outcome::NotRun(format!("{} is not a URL", probe.url)));
    };
    let configured = url.host_str().map(str::to_owned);
    let mut host = probe.host.as_ref().and_then(|host| HeaderValue::from_str(host).ok());
    let mut last = String::new();
    for _ in 0..=REDIRECTS {
        let request = request(probe, &url, host.take())?; // a redirect names its own host
        progress.anew();
        let stream = connect(probe, &url, configured.as_deref(), progress).await?;
        progress.connected();
        let judge = |answer| judge(probe, &url, answer, success, turn);
        let answer = if url.scheme() == "https" {
            let to = stream.peer_addr().map_err(|error| Outcome::of_io(&error))?;
            let stream = tls.connect(stream, to, url.host_str()).await?;
            exchange(Heard::on(stream, progress), request, judge).await?
        } else {
            exchange(Heard::on(stream, progress), request, judge).await?
        };
        match answer {
            Answer::Outcome(outcome) => return Ok(outcome),
            Answer::Redirect(status, next) => (last, url) = (status, next),
        }
    }
    Ok(Outcome::Redirects(last))
}

/// Whether a URL is asked of the proxy itself, with its whole name.
fn is_asked_of_proxy(probe: &Http, url: &Url) -> bool {
    matches!(probe.route, Route::Through(_)) && url.scheme() == "http"
}

fn request(probe: &Http, url: &Url, host: Option<HeaderValue>) -> Result<Request<Empty<Bytes>>, Outcome> {
    let from = if is_asked_of_proxy(probe, url) { Position::BeforeScheme } else { Position::BeforePath };
    let mut plain = url.clone();
    let named = plain.set_username("").and_then(|()| plain.set_password(None));
    let unfit = |error: hyper::http::Error| Outcome::NotRun(format!("{url}: {error}"));
    let host = match host {
        Some(host) => Ok(host),
        None => HeaderValue::from_str(&url[Position::BeforeHost..Position::AfterPort]),
    };
    let mut request = Request::builder()
        .method(if probe.head { Method::HEAD } else { Method::GET })
        .uri(if named.is_ok() { &plain } else { url }[from..Position::AfterQuery].to_owned())
        .header(HOST, host.map_err(|error| unfit(error.into()))?)
        .header(USER_AGENT, AGENT)
        .header(ACCEPT, "*/*")
        .header(CONNECTION, "close");
    if !url.username().is_empty() || url.password().is_some() {
        let account = format!("{}:{}", url.username(), url.password().unwrap_or_default());
        request = request.header(AUTHORIZATION, format!("Basic {}", BASE64.encode(account)));
    }
    request.body(Empty::new()).map_err(unfit)
}

/// The connection on which a URL is asked for; `configured` is the host that the probe's way is for.
async fn connect(
    probe: &Http,
    url: &Url,
    configured: Option<&str>,
    progress: &Progress,
) -> Result<Stream, Outcome> {
    let port = url.port_or_known_default().unwrap_or(80);
    match (probe.route, url.host()) {
        (Route::Through(proxy), _) => {
            let stream = open(&[proxy]).await?;
            if url.scheme() == "http" {
                return Ok(stream);
            }
            progress.connected(); // what is missing now, is the proxy's answer
            let stream = tunnel(Heard::on(stream, progress), url, port).await?;
            progress.anew(); // the proxy has answered, the server has not
            Ok(stream)
        }
        (_, Some(Host::Ipv4(address))) => open(&[SocketAddr::new(address.into(), port)]).await,
        (_, Some(Host::Ipv6(address))) => open(&[SocketAddr::new(address.into(), port)]).await,
        (Route::To(address), Some(Host::Domain(name))) if configured == Some(name) => {
            open(&[SocketAddr::new(address.ip(), port)]).await
        }
        (_, Some(Host::Domain(name))) => {
            let all =
                addresses(name, port).await.map_err(|why| Outcome::NameUnknown(format!("{name}: {why}")))?;
            open(&all).await
        }
        (_, None) => Err(Outcome::NotRun(format!("{url} names no host"))),
    }
}

/// To the first address that takes a connection.
async fn open(all: &[SocketAddr]) -> Result<Stream, Outcome> {
    let mut failed = Outcome::NameUnknown("no address".into());
    for to in all {
        match source::stream(*to).await {
            Ok(stream) => return Ok(stream),
            Err(error) => failed = Outcome::of_io(&error),
        }
    }
    Err(failed)
}

/// Has a proxy connect to the URL's host (RFC 9110, 9.3.6).
async fn tunnel(stream: Heard<Stream>, url: &Url, port: u16) -> Result<Stream, Outcome> {
    let name = format!("{}:{port}", &url[Position::BeforeHost..Position::AfterHost]);
    let request = Request::connect(&name).header(HOST, &name).header(USER_AGENT, AGENT).body(Empty::new());
    let request = request.map_err(|error| Outcome::NotRun(format!("{url}: {error}")))?;
    let open = exchange(stream, request, |answer| async {
        match answer.status() {
            status if status.is_success() => {
                hyper::upgrade::on(answer).await.map_err(|error| of_error(&error))
            }
            status => Err(Outcome::Status(status.to_string())),
        }
    });
    let open = open.await?.downcast::<TokioIo<Heard<Stream>>>();
    let parts = open.map_err(|_| Outcome::Garbled("another connection than the one to the proxy".into()))?;
    match parts.read_buf.is_empty() {
        true => Ok(parts.io.into_inner().stream),
        false => Err(Outcome::Garbled("plain text where TLS should begin".into())),
    }
}

/// Sends a request and has the answer judged, while the connection is kept going.
async fn exchange<S, T, F>(
    stream: S,
    request: Request<Empty<Bytes>>,
    judge: impl FnOnce(Response<Incoming>) -> F,
) -> Result<T, Outcome>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Future<Output = Result<T, Outcome>>,
{
    let mut protocol = http1::Builder::new();
    protocol.title_case_headers(true).max_buf_size(HEAD_LIMIT);
    let hands = protocol.handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = hands.map_err(|error| of_error(&error))?;
    let mut connection = pin!(connection.with_upgrades());
    let mut talk = pin!(async {
        let answer = sender.send_request(request).await.map_err(|error| of_error(&error))?;
        judge(answer).await
    });
    tokio::select! {
        biased;
        done = &mut talk => done,
        // The connection is at its end: what it brought waits to be read, or why it brought nothing.
        _ = &mut connection => talk.await,
    }
}

async fn judge(
    probe: &Http,
    url: &Url,
    answer: Response<Incoming>,
    success: &OnceLock<u16>,
    turn: &Turn,
) -> Result<Answer, Outcome> {
    let status = answer.status();
    if !status.is_success() {
        let next = redirect(&answer).and_then(|location| url.join(&location).ok());
        return Ok(match next {
            Some(next) if matches!(next.scheme(), "http" | "https") => {
                Answer::Redirect(status.to_string(), next)
            }
            _ => Answer::Outcome(Outcome::Status(status.to_string())),
        });
    }
    let _ = success.set(status.as_u16());
    let body = body(answer.into_body()).await;
    let Some(pattern) = &probe.receive else { return Ok(Answer::Outcome(Outcome::Passed)) };
    let beginning = excerpt(&body);
    Ok(Answer::Outcome(match pattern.is_found_in(body, false, turn).await {
        Ok(true) => Outcome::Passed,
        Ok(false) => Outcome::NoMatch(beginning),
        Err(why) => Outcome::MatchFailed(why),
    }))
}

fn redirect(answer: &Response<Incoming>) -> Option<String> {
    if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = answer.headers().get(LOCATION)?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}

/// An error is the server's close before the end it announced: what came until then counts.
async fn body(mut incoming: Incoming) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(Ok(frame)) = incoming.frame().await {
        let Some(chunk) = frame.data_ref() else { continue };
        let room = BODY_LIMIT - body.len();
        body.extend_from_slice(chunk.get(..room).unwrap_or(chunk));
        if body.len() >= BODY_LIMIT {
            break;
        }
    }
    body
}

/// Finds the cause in the chain of errors that the libraries wrap around it.
fn of_error(error: &hyper::Error) -> Outcome {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<std::io::Error>().filter(|io| io.raw_os_error().is_some()) {
            return Outcome::of_io(io);
        }
        text = inner.to_string();
        cause = inner.source();
    }
    if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
        return Outcome::Closed;
    }
    Outcome::Garbled(text)
}

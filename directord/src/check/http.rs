//! Services `http`, `https` and `http_proxy`: a page is fetched, its status must be a success, its body must match.
//!
//! As ldirectord with a current LWP did it: up to seven redirects, to any host; certificates are verified against
//! the system's authorities (unless `tlsverify=no`), the name in them is not; a body cut off by the server's close
//! counts as far as it came. Other than there: a name is sent in the TLS handshake (`virtualhost`), and a body that
//! does not end within the limit is a failure.
//!
//! One connection for each request, and a parser for its head: a library for connections, which is made for many requests on each
//! of them, cost a check as much again as the rest of the program.

mod answer;
mod talk;

use super::link::Progress;
use super::lookup::addresses;
use super::outcome::excerpt;
use super::pattern::Turn;
use super::source::{self, Stream};
use super::{Checker, Http, Outcome, Route};
use answer::{Asked, Head};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::FutureExt;
use percent_encoding::percent_decode_str;
use std::fmt::Write;
use std::net::SocketAddr;
use std::sync::OnceLock;
use talk::Talk;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use url::{Host, Position, Url};

/// Redirects that are followed.
const REDIRECTS: usize = 7;
/// No more of a body is read or kept.
const BODY_LIMIT: usize = 1024 * 1024;
/// No head of an answer is longer, in bytes.
const HEAD_LIMIT: usize = 256 * 1024;
const AGENT: &str = concat!("directord/", env!("CARGO_PKG_VERSION"));

/// Fetches and judges.
///
/// `status` becomes the status of an answer that is a success.
pub(super) async fn check(checker: &Checker, probe: &Http, turn: &Turn, status: &mut Option<u16>) -> Outcome {
    let progress = Progress::default();
    let success = OnceLock::new();
    let talk = fetch(checker, probe, &success, turn, &progress);
    let outcome = progress.within(probe.timeout, talk).await;
    *status = success.into_inner();
    outcome
}

async fn fetch(
    checker: &Checker,
    probe: &Http,
    success: &OnceLock<u16>,
    turn: &Turn,
    progress: &Progress,
) -> Result<Outcome, Outcome> {
    let Ok(mut url) = Url::parse(&probe.url) else {
        return Ok(Outcome::NotRun(format!("{} is not a URL", probe.url)));
    };
    let configured = url.host_str().map(str::to_owned);
    let mut host = probe.host.as_deref();
    let mut last = String::new();
    for _ in 0..=REDIRECTS {
        let request = request(probe, &url, host.take())?; // a redirect names its own host
        progress.anew();
        let stream = connect(probe, &url, configured.as_deref(), progress).await?;
        progress.connected();
        let (head, body) = if url.scheme() == "https" {
            let to = stream.peer_addr().map_err(|error| Outcome::of_io(&error))?;
            let tls = Box::pin(checker.tls(probe.tls_verify)).await.map_err(no_tls)?;
            let name = url.domain(); // an address is none (RFC 6066, 3)
            let mut stream = tls.connect(stream, to, name).await?;
            let answer = page(&mut stream, probe, &request, success, progress).await?;
            let _ = stream.shutdown().now_or_never(); // a word of farewell, if it can be said
            answer
        } else {
            page(stream, probe, &request, success, progress).await?
        };
        if head.status.is_success() {
            return Ok(judge(probe, body, turn).await);
        }
        let next = redirect(&head).and_then(|location| url.join(location).ok());
        match next.filter(|next| matches!(next.scheme(), "http" | "https")) {
            Some(next) => (last, url) = (head.status.to_string(), next),
            None => return Ok(Outcome::Status(head.status.to_string())),
        }
    }
    Ok(Outcome::Redirects(last))
}

fn no_tls(why: String) -> Outcome {
    Outcome::NotRun(format!("TLS cannot be set up: {why}"))
}

/// Whether a URL is asked of the proxy itself, with its whole name.
fn is_asked_of_proxy(probe: &Http, url: &Url) -> bool {
    matches!(probe.route, Route::Through(_)) && url.scheme() == "http"
}

/// The text of a request. A URL has no control characters; what else is said must not become two lines either.
fn request(probe: &Http, url: &Url, host: Option<&str>) -> Result<String, Outcome> {
    let method = if probe.head { "HEAD" } else { "GET" };
    let whole = if is_asked_of_proxy(probe, url) { &url[..Position::BeforeUsername] } else { "" };
    let named = if whole.is_empty() { "" } else { &url[Position::BeforeHost..Position::BeforePath] };
    let path = &url[Position::BeforePath..Position::AfterQuery];
    let host = host.unwrap_or(&url[Position::BeforeHost..Position::AfterPort]);
    if host.contains(char::is_control) {
        return Err(Outcome::NotRun(format!("{host:?} cannot be asked for: it has a control character")));
    }
    let mut request = format!(
        "{method} {whole}{named}{path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {AGENT}\r\nAccept: */*\r\nConnection: close\r\n"
    );
    if !url.username().is_empty() || url.password().is_some() {
        let account = [url.username(), ":", url.password().unwrap_or_default()];
        let account: Vec<u8> = account.iter().flat_map(|part| percent_decode_str(part)).collect();
        let _ = write!(request, "Authorization: Basic {}\r\n", BASE64.encode(account));
    }
    request.push_str("\r\n");
    Ok(request)
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
            let stream = tunnel(stream, url, port, progress).await?;
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
async fn tunnel(stream: Stream, url: &Url, port: u16, progress: &Progress) -> Result<Stream, Outcome> {
    let name = format!("{}:{port}", &url[Position::BeforeHost..Position::AfterHost]);
    let mut talk = Talk::on(stream, progress);
    let request = format!("CONNECT {name} HTTP/1.1\r\nHost: {name}\r\nUser-Agent: {AGENT}\r\n\r\n");
    let head = talk.ask(&request, Asked::Tunnel).await?;
    match head.status.is_success() {
        true => Ok(talk.into_stream()),
        false => Err(Outcome::Status(head.status.to_string())),
    }
}

/// Asks, and reads the whole answer if it is a success.
async fn page(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    probe: &Http,
    request: &str,
    success: &OnceLock<u16>,
    progress: &Progress,
) -> Result<(Head, Vec<u8>), Outcome> {
    let mut talk = Talk::on(stream, progress);
    let mut head = talk.ask(request, if probe.head { Asked::Head } else { Asked::Page }).await?;
    if !head.status.is_success() {
        return Ok((head, Vec::new()));
    }
    let _ = success.set(head.status.as_u16());
    let body = talk.body(&mut head.body, probe.receive.is_some()).await;
    Ok((head, body))
}

async fn judge(probe: &Http, body: Vec<u8>, turn: &Turn) -> Outcome {
    let Some(pattern) = &probe.receive else { return Outcome::Passed };
    let beginning = excerpt(&body);
    match pattern.is_found_in(body, false, turn).await {
        Ok(true) => Outcome::Passed,
        Ok(false) => Outcome::NoMatch(beginning),
        Err(why) => Outcome::MatchFailed(why),
    }
}

/// Where an answer leads, if it does.
fn redirect(head: &Head) -> Option<&str> {
    let redirects = matches!(head.status.as_u16(), 301 | 302 | 303 | 307 | 308);
    head.location.as_deref().filter(|_| redirects)
}

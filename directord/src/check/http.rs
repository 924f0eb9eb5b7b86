//! Services `http`, `https` and `http_proxy`: a page is fetched, its status must be a success, its body must match.
//!
//! As ldirectord with a current LWP did it: up to seven redirects, to any host; certificates are verified against
//! the system's authorities (unless `tlsverify=no`), the name in them is not; a body cut off by the server's close
//! counts as far as it came. Other than there: a name is sent in the TLS handshake (`virtualhost`), and a body that
//! does not end within the limit is a failure.

use super::lookup::Lookup;
use super::outcome::excerpt;
use super::pattern::Turn;
use super::tls::Tls;
use super::{Http, Outcome, Route, source};
use reqwest::header::{CONNECTION, HOST, HeaderValue, LOCATION};
use reqwest::{Client, Method, Response, Url};
use std::error::Error;
use std::time::Duration;
use tokio::time::timeout;

/// Redirects that are followed.
const REDIRECTS: usize = 7;
/// No more of a body is read or kept.
const BODY_LIMIT: usize = 1024 * 1024;
const USER_AGENT: &str = concat!("directord/", env!("CARGO_PKG_VERSION"));

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
    match timeout(probe.timeout, fetch(probe, tls, status, turn)).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(error)) => of_error(&error, probe.timeout),
        Err(_) if status.is_some() => Outcome::Unfinished(probe.timeout),
        Err(_) => Outcome::Silent(probe.timeout),
    }
}

fn client(probe: &Http, tls: &Tls) -> reqwest::Result<Client> {
    let mut builder = Client::builder()
        .no_proxy() // none of the environment
        .redirect(reqwest::redirect::Policy::none())
        .pool_max_idle_per_host(0)
        .http1_only()
        .http1_title_case_headers()
        .referer(false)
        .user_agent(USER_AGENT)
        .dns_resolver(Lookup)
        // A little less than the whole limit, so that this is what is reported: no connection.
        .connect_timeout(probe.timeout - probe.timeout / 50)
        // For plain HTTP, too: without it every client reads the certificates again.
        .tls_backend_preconfigured(tls.connector());
    if let Some(source) = source::current() {
        builder = builder.local_address(source); // a redirect to the other family leaves it aside
    }
    match probe.route {
        Route::Resolved => {}
        Route::To(address) => {
            let url = Url::parse(&probe.url).ok();
            let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
            builder = builder.resolve(host, address);
        }
        Route::Through(proxy) => builder = builder.proxy(reqwest::Proxy::all(format!("http://{proxy}"))?),
    }
    builder.build()
}

async fn fetch(probe: &Http, tls: &Tls, success: &mut Option<u16>, turn: &Turn) -> reqwest::Result<Outcome> {
    let client = client(probe, tls)?;
    let method = if probe.head { Method::HEAD } else { Method::GET };
    let Ok(mut url) = Url::parse(&probe.url) else {
        return Ok(Outcome::NotRun(format!("{} is not a URL", probe.url)));
    };
    let mut host = probe.host.as_ref().and_then(|host| HeaderValue::from_str(host).ok());
    let mut last = String::new();
    for _ in 0..=REDIRECTS {
        let mut request = client.request(method.clone(), url.clone()).header(CONNECTION, "close");
        if let Some(host) = host.take() {
            request = request.header(HOST, host); // of the first request only: a redirect names its own
        }
        let response = request.send().await?;
        let status = response.status();
        let shown = status.to_string();
        if status.is_success() {
            *success = Some(status.as_u16());
            return judge(probe, response, turn).await;
        }
        match redirect(&response).and_then(|location| url.join(&location).ok()) {
            Some(next) if matches!(next.scheme(), "http" | "https") => url = next,
            _ => return Ok(Outcome::Status(shown)),
        }
        last = shown;
    }
    Ok(Outcome::Redirects(last))
}

fn redirect(response: &Response) -> Option<String> {
    if !matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return None;
    }
    let location = response.headers().get(LOCATION)?;
    Some(String::from_utf8_lossy(location.as_bytes()).into_owned())
}

async fn judge(probe: &Http, mut response: Response, turn: &Turn) -> reqwest::Result<Outcome> {
    let mut body = Vec::new();
    // An error is the server's close before the end it announced: what came until then is judged.
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = BODY_LIMIT - body.len();
        body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
        if body.len() >= BODY_LIMIT {
            break;
        }
    }
    let Some(pattern) = &probe.receive else { return Ok(Outcome::Passed) };
    let beginning = excerpt(&body);
    Ok(match pattern.is_found_in(body, false, turn).await {
        Ok(true) => Outcome::Passed,
        Ok(false) => Outcome::NoMatch(beginning),
        Err(why) => Outcome::MatchFailed(why),
    })
}

/// Finds the cause in the chain of errors that the libraries wrap around it.
fn of_error(error: &reqwest::Error, limit: Duration) -> Outcome {
    if error.is_timeout() {
        return if error.is_connect() { Outcome::NotConnected(limit) } else { Outcome::Silent(limit) };
    }
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(tls) = inner.downcast_ref::<native_tls::Error>() {
            return Outcome::Tls(super::tls::reason(tls));
        }
        if let Some(io) = inner.downcast_ref::<std::io::Error>().filter(|io| io.raw_os_error().is_some()) {
            return Outcome::of_io(io);
        }
        text = inner.to_string();
        cause = inner.source();
    }
    if text.contains("before message completed") {
        return Outcome::Closed;
    }
    if text.contains("lookup") || text.contains("resolve") || text.contains("dns") {
        return Outcome::NameUnknown(text);
    }
    Outcome::Garbled(text)
}

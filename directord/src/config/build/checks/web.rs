//! Checks of services `http`, `https` and `http_proxy`: the URL, where its host is, and which `Host` is sent.

use super::super::resolve::note_once;
use super::super::value;
use super::{Checks, bracketed};
use crate::check::{Http, Pattern, Route};
use crate::config::model::RealText;
use crate::config::value::Notes;
use config::{Diagnostic, Span};
use std::net::SocketAddr;

impl Checks<'_> {
    /// A path at the real server, or the URL that its own line has.
    pub(super) fn http(
        &self,
        real: &RealText,
        to: SocketAddr,
        receive: Option<Pattern>,
        notes: &mut Notes,
    ) -> Option<Http> {
        let section = self.at.section;
        let scheme = self.service.name();
        let (request, span) = self.request(real);
        let head = value(&section.head).unwrap_or(false);
        let mut http = Http {
            url: String::new(),
            route: Route::Resolved,
            host: None,
            head,
            receive,
            tls_verify: value(&section.tls_verify).unwrap_or(true),
            timeout: self.negotiate_timeout,
        };
        // A real server's own request may be a whole URL, which replaces the address too.
        if real.dialogue.is_some() && (request.starts_with("/http://") || request.starts_with("/https://")) {
            http.url = request.trim_start_matches('/').to_owned();
        } else {
            let virtual_host = section.virtual_host.as_ref().map(|host| host.value.clone());
            http.host = Some(virtual_host.clone().unwrap_or_else(|| bracketed(to.ip())));
            // The name goes into the URL for TLS, which sends it to the server; the address is set apart.
            let name = virtual_host
                .filter(|_| scheme == "https")
                .map(|host| host.split(':').next().unwrap_or("").to_owned())
                .filter(|host| {
                    url::Url::parse(&format!("https://{host}/")).is_ok_and(|url| url.domain().is_some())
                });
            http.url = match name {
                Some(name) => {
                    http.route = Route::To(to);
                    format!("{scheme}://{name}:{}{request}", to.port())
                }
                None => format!("{scheme}://{to}{request}"),
            };
        }
        if let Err(error) = url::Url::parse(&http.url) {
            notes.push(
                Diagnostic::error(span, format!("\"{}\" is not a URL: {error}", http.url))
                    .help("a path like \"/index.html\""),
            );
            return None;
        }
        self.head_without_body(&http, span, notes);
        Some(http)
    }

    /// A whole URL, fetched from the real server as a proxy.
    pub(super) fn http_proxy(
        &self,
        real: &RealText,
        proxy: SocketAddr,
        receive: Option<Pattern>,
        notes: &mut Notes,
    ) -> Option<Http> {
        let (request, span) = self.request(real);
        let url = request.trim_start_matches('/');
        let parsed = url::Url::parse(url).ok();
        if parsed.is_none_or(|url| !matches!(url.scheme(), "http" | "https") || !url.has_host()) {
            let message = format!("a check of service http_proxy needs a whole URL, not \"{url}\"");
            let error =
                Diagnostic::error(span, message).help("for example request=\"http://www.example.com/\"");
            note_once(notes, error);
            return None;
        }
        let http = Http {
            url: url.to_owned(),
            route: Route::Through(proxy),
            host: None,
            head: value(&self.at.section.head).unwrap_or(false),
            receive,
            tls_verify: value(&self.at.section.tls_verify).unwrap_or(true),
            timeout: self.negotiate_timeout,
        };
        self.head_without_body(&http, span, notes);
        Some(http)
    }

    fn head_without_body(&self, http: &Http, span: Span, notes: &mut Notes) {
        let section = self.at.section;
        if http.head && http.receive.is_some() {
            let span = section.head.as_ref().map_or(span, |head| head.span);
            notes.push(
                Diagnostic::warning(
                    span,
                    "a HEAD request has no body, so receive never matches and the server is down",
                )
                .help("leave out receive or httpmethod"),
            );
        }
    }
}

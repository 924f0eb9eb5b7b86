//! TLS as all checks use it: certificates verified against the system's authorities or, with `tlsverify=no`, not at
//! all; whatever name they have. How old a protocol version may be is left to the system's OpenSSL, as ldirectord
//! left it: Debian's refuses what is older than TLS 1.2, unless the file that `OPENSSL_CONF` names sets the
//! cipher string `DEFAULT@SECLEVEL=0`.

use super::Outcome;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_native_tls::TlsStream;

/// The TLS settings of many checks: building a connector reads the system's certificates, which takes 50 ms.
#[derive(Clone)]
pub(super) struct Tls(native_tls::TlsConnector);

impl Tls {
    /// Reads the system's certificate authorities, for checks that verify.
    pub(super) fn verifying() -> Result<Tls, native_tls::Error> {
        builder().build().map(Tls)
    }

    /// Takes every certificate: self-signed, expired, of an unknown authority.
    pub(super) fn unverified() -> Result<Tls, native_tls::Error> {
        builder().danger_accept_invalid_certs(true).disable_built_in_roots(true).build().map(Tls)
    }

    /// The handshake; `name` is sent as the server's name.
    pub(super) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: S,
        to: SocketAddr,
        name: Option<&str>,
    ) -> Result<TlsStream<S>, Outcome> {
        let address = to.ip().to_string();
        let connector = tokio_native_tls::TlsConnector::from(self.0.clone());
        connector.connect(name.unwrap_or(&address), stream).await.map_err(|error| of_error(&error))
    }

    /// Trusts this certificate (PEM), too.
    #[cfg(test)]
    pub(super) fn trusting(pem: &[u8]) -> Tls {
        let root = native_tls::Certificate::from_pem(pem).unwrap();
        Tls(builder().add_root_certificate(root).build().unwrap())
    }
}

fn builder() -> native_tls::TlsConnectorBuilder {
    let mut builder = native_tls::TlsConnector::builder();
    builder
        .danger_accept_invalid_hostnames(true) // an address is checked, its certificate names the service
        .min_protocol_version(Some(native_tls::Protocol::Tlsv10)); // and what OpenSSL's own policy allows
    builder
}

/// What went wrong in the handshake, without OpenSSL's codes, functions and source lines around it.
pub(super) fn reason(error: &native_tls::Error) -> String {
    let text = error.to_string();
    let (first, verified) = match text.rsplit_once(" (") {
        Some((first, why)) if why.ends_with(')') => (first, format!(" ({why}")),
        _ => (text.as_str(), String::new()),
    };
    // error:CODE:LIBRARY:FUNCTION:REASON:FILE:LINE:DATA, and another after a comma
    let reason = first.strip_prefix("error:").and_then(|rest| rest.split(':').nth(3)).unwrap_or(first);
    format!("{reason}{verified}")
}

/// Whether the handshake failed, or the connection under it.
fn of_error(error: &native_tls::Error) -> Outcome {
    let mut cause = error.source();
    while let Some(inner) = cause {
        if let Some(io) = inner.downcast_ref::<io::Error>().filter(|io| io.raw_os_error().is_some()) {
            return Outcome::of_io(io);
        }
        cause = inner.source();
    }
    Outcome::Tls(reason(error))
}

//! TLS as all checks use it: the system's authorities, whatever name the certificate has, old protocol versions too.

use super::Outcome;
use std::error::Error;
use std::io;
use std::net::SocketAddr;
use tokio::net::TcpStream;
use tokio_native_tls::TlsStream;

/// The TLS settings of all checks: building a connector reads the system's certificates, which takes 50 ms.
#[derive(Clone)]
pub(super) struct Tls(native_tls::TlsConnector);

impl Tls {
    /// Reads the system's certificate authorities.
    pub(super) fn new() -> Result<Tls, native_tls::Error> {
        native_tls::TlsConnector::builder()
            .danger_accept_invalid_hostnames(true) // an address is checked, its certificate names the service
            .min_protocol_version(Some(native_tls::Protocol::Tlsv10)) // old real servers
            .build()
            .map(Tls)
    }

    /// For a client that makes its own connections.
    pub(super) fn connector(&self) -> native_tls::TlsConnector {
        self.0.clone()
    }

    /// The handshake; `name` is sent as the server's name.
    pub(super) async fn connect(
        &self,
        stream: TcpStream,
        to: SocketAddr,
        name: Option<&str>,
    ) -> Result<TlsStream<TcpStream>, Outcome> {
        let address = to.ip().to_string();
        let connector = tokio_native_tls::TlsConnector::from(self.0.clone());
        connector.connect(name.unwrap_or(&address), stream).await.map_err(|error| of_error(&error))
    }

    /// Trusts this certificate (PEM), too.
    #[cfg(test)]
    pub(super) fn trusting(pem: &[u8]) -> Tls {
        let root = native_tls::Certificate::from_pem(pem).unwrap();
        let mut builder = native_tls::TlsConnector::builder();
        Tls(builder.danger_accept_invalid_hostnames(true).add_root_certificate(root).build().unwrap())
    }
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
    Outcome::Tls(error.to_string())
}

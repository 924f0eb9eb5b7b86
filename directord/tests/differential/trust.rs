//! TLS of the real servers: a certificate of their own, which the programs of the side trust.

use crate::certificate;
use openssl::ssl::{SslAcceptor, SslMethod, SslStream};
use std::net::{IpAddr, TcpStream};
use std::path::Path;

/// The variable that names the certificates to trust, to OpenSSL in whatever program.
pub const VARIABLE: &str = "SSL_CERT_FILE";

/// Key and certificate of all real servers.
pub struct Trust(SslAcceptor);

impl Trust {
    /// For servers of these addresses; writes the certificate to `file`.
    pub fn new(addresses: &[IpAddr], file: &Path) -> Trust {
        let (key, certificate) = certificate::make(addresses).expect("a certificate");
        std::fs::write(file, certificate.to_pem().unwrap()).unwrap();
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server()).unwrap();
        acceptor.set_private_key(&key).unwrap();
        acceptor.set_certificate(&certificate).unwrap();
        Trust(acceptor.build())
    }

    /// The connection after the handshake, if who connected trusts the certificate.
    pub fn accept(&self, stream: TcpStream) -> Option<SslStream<TcpStream>> {
        self.0.accept(stream).ok()
    }
}

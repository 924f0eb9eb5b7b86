//! TLS checks against real OpenSSL servers: each certificate, each protocol version, and those that do not speak it.

use super::*;
use crate::check::link::{Link, Progress};
use crate::check::tls::{Tls, reason};
use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::ssl::{
    NameType, SniError, SslAcceptor, SslAlert, SslConnector, SslMethod, SslVerifyMode, SslVersion,
};
use openssl::x509::extension::BasicConstraints;
use openssl::x509::{X509, X509Name};
use std::io::{Read, Write};
use std::time::SystemTime;

pub(super) const NAME: &str = "www.example.com";
const DAY: i64 = 24 * 3600;

/// A certificate and its key.
pub(super) struct Identity {
    pub(super) key: PKey<Private>,
    pub(super) certificate: X509,
}

impl Identity {
    /// Valid from one day to another, counted from today; signed by itself if nobody else does.
    pub(super) fn new(name: &str, days: [i64; 2], signer: Option<&Identity>) -> Identity {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        let mut subject = X509Name::builder().unwrap();
        subject.append_entry_by_text("CN", name).unwrap();
        let subject = subject.build();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let day = |day: i64| Asn1Time::from_unix(i64::try_from(now.as_secs()).unwrap() + day * DAY).unwrap();
        let mut number = BigNum::new().unwrap();
        number.rand(64, openssl::bn::MsbOption::ONE, false).unwrap();
        let mut builder = X509::builder().unwrap();
        builder.set_version(2).unwrap();
        builder.set_serial_number(&Asn1Integer::from_bn(&number).unwrap()).unwrap();
        builder.set_subject_name(&subject).unwrap();
        let issuer = signer.map_or(subject.as_ref(), |signer| signer.certificate.subject_name());
        builder.set_issuer_name(issuer).unwrap();
        builder.set_not_before(&day(days[0])).unwrap();
        builder.set_not_after(&day(days[1])).unwrap();
        builder.set_pubkey(&key).unwrap();
        if signer.is_none() {
            builder.append_extension(BasicConstraints::new().critical().ca().build().unwrap()).unwrap();
        }
        let signing_key = signer.map_or(&key, |signer| &signer.key);
        builder.sign(signing_key, MessageDigest::sha256()).unwrap();
        let certificate = builder.build();
        Identity { key, certificate }
    }
}

/// Checks that verify, do it with these settings.
pub(super) fn checker(tls: &Tls) -> Checker {
    let checker = Checker::new();
    assert!(checker.verifying.set(tls.clone()).is_ok());
    checker
}

/// Trusts an authority of the test's own, beside the system's.
pub(super) fn trusting(authority: &Identity) -> Tls {
    Tls::trusting(&authority.certificate.to_pem().unwrap())
}

/// Answers every request, also those of the test's own line protocol; insists on `sni` if it is given. Only speaks
/// `version`, if that is given.
pub(super) fn start(
    identity: &Identity,
    sni: Option<&'static str>,
    version: Option<SslVersion>,
) -> SocketAddr {
    let mut builder = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls()).unwrap();
    builder.set_private_key(&identity.key).unwrap();
    builder.set_certificate(&identity.certificate).unwrap();
    if let Some(version) = version {
        builder.set_security_level(0); // the server's own policy shall not be what refuses
        builder.set_cipher_list("ALL:@SECLEVEL=0").unwrap();
        builder.clear_options(openssl::ssl::SslOptions::NO_TLSV1 | openssl::ssl::SslOptions::NO_TLSV1_1);
        builder.set_min_proto_version(Some(version)).unwrap();
        builder.set_max_proto_version(Some(version)).unwrap();
    }
    builder.set_servername_callback(move |session, alert| match sni {
        Some(name) if session.servername(NameType::HOST_NAME) != Some(name) => {
            *alert = SslAlert::UNRECOGNIZED_NAME;
            Err(SniError::ALERT_FATAL)
        }
        _ => Ok(()),
    });
    let acceptor = Arc::new(builder.build());
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let acceptor = Arc::clone(&acceptor);
            std::thread::spawn(move || {
                let Ok(mut tls) = acceptor.accept(stream.unwrap()) else { return };
                let mut request = [0; 4096];
                if tls.read(&mut request).is_ok_and(|read| read > 0) {
                    let _ = tls.write_all(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello");
                    let _ = tls.shutdown();
                }
            });
        }
    });
    address
}

/// How a check over HTTPS ends, and how one by line does, as mail and directory checks are.
async fn both(tls: &Tls, to: SocketAddr, name: &str) -> [Outcome; 2] {
    both_within(Duration::from_secs(30), tls, to, name).await
}

async fn both_within(limit: Duration, tls: &Tls, to: SocketAddr, name: &str) -> [Outcome; 2] {
    let probe = Http {
        url: format!("https://{name}:{}/", to.port()),
        route: Route::To(to),
        host: Some(name.into()),
        head: false,
        receive: Some(Pattern::new("^hello$").unwrap()),
        tls_verify: true, // what counts is `tls`
        timeout: limit,
    };
    let progress = Progress::default();
    let talk = async {
        let mut link = Link::open_tls(to, tls, Some(name), &progress).await?;
        link.send(b"anything\r\n").await?;
        Ok(if link.line().await? == b"HTTP/1.0 200 OK" { Outcome::Passed } else { Outcome::Closed })
    };
    [
        http::check(&checker(tls), &probe, &pattern::Turn::default(), &mut None).await,
        progress.within(limit, talk).await,
    ]
}

/// Both fail in TLS, and say this.
fn refused(outcomes: &[Outcome; 2], words: &str) {
    for outcome in outcomes {
        assert!(matches!(outcome, Outcome::Tls(why) if why.contains(words)), "{outcome:?} says no {words}");
    }
}

const PASSED: [Outcome; 2] = [Outcome::Passed, Outcome::Passed];

#[tokio::test]
async fn a_chain_up_to_a_trusted_authority_passes_and_others_do_not() {
    let authority = Identity::new("authority", [-1, 2], None);
    let good = start(&Identity::new(NAME, [-1, 2], Some(&authority)), None, None);
    let own = start(&Identity::new(NAME, [-1, 2], None), None, None);
    let (tls, system) = (trusting(&authority), Tls::verifying().unwrap());
    assert_eq!(both(&tls, good, NAME).await, PASSED);
    refused(
        &both(&system, good, NAME).await,
        "certificate verify failed (unable to get local issuer certificate)",
    );
    refused(&both(&tls, own, NAME).await, "certificate verify failed (self-signed certificate)");
    let any = Tls::unverified().unwrap();
    assert_eq!(both(&any, good, NAME).await, PASSED);
    assert_eq!(both(&any, own, NAME).await, PASSED);
}

#[tokio::test]
async fn a_certificate_must_be_valid_today() {
    let authority = Identity::new("authority", [-9, 9], None);
    let expired = start(&Identity::new(NAME, [-3, -1], Some(&authority)), None, None);
    let future = start(&Identity::new(NAME, [1, 3], Some(&authority)), None, None);
    let tls = trusting(&authority);
    refused(&both(&tls, expired, NAME).await, "certificate verify failed (certificate has expired)");
    refused(&both(&tls, future, NAME).await, "certificate verify failed (certificate is not yet valid)");
    assert_eq!(both(&Tls::unverified().unwrap(), expired, NAME).await, PASSED);
}

#[tokio::test]
async fn the_name_in_the_certificate_does_not_matter() {
    let authority = Identity::new("authority", [-1, 2], None);
    let other = start(&Identity::new("other.example.net", [-1, 2], Some(&authority)), None, None);
    assert_eq!(both(&trusting(&authority), other, NAME).await, PASSED);
}

#[tokio::test]
async fn the_virtual_host_is_sent_as_the_servers_name() {
    let authority = Identity::new("authority", [-1, 2], None);
    let strict = start(&Identity::new(NAME, [-1, 2], Some(&authority)), Some(NAME), None);
    let tls = trusting(&authority);
    assert_eq!(both(&tls, strict, NAME).await, PASSED);
    refused(&both(&tls, strict, "other.example.com").await, "unrecognized name");
}

/// Debian's OpenSSL refuses what is older than TLS 1.2 by its security level, whatever a program asks for.
#[tokio::test]
async fn protocol_versions() {
    let authority = Identity::new("authority", [-1, 2], None);
    let identity = Identity::new(NAME, [-1, 2], Some(&authority));
    let tls = trusting(&authority);
    for version in [SslVersion::TLS1_2, SslVersion::TLS1_3] {
        assert_eq!(both(&tls, start(&identity, None, Some(version)), NAME).await, PASSED);
    }
    for version in [SslVersion::TLS1, SslVersion::TLS1_1] {
        let old = start(&identity, None, Some(version));
        for outcome in both(&tls, old, NAME).await {
            assert!(matches!(outcome, Outcome::Tls(_)), "{outcome:?}");
        }
        assert!(speaks_with_a_client_that_allows_it(old), "{version:?}");
    }
}

/// That an old server would answer shows who it is that refuses.
fn speaks_with_a_client_that_allows_it(to: SocketAddr) -> bool {
    let mut builder = SslConnector::builder(SslMethod::tls()).unwrap();
    builder.set_security_level(0);
    builder.set_cipher_list("ALL:@SECLEVEL=0").unwrap();
    builder.set_min_proto_version(Some(SslVersion::TLS1)).unwrap();
    builder.set_verify(SslVerifyMode::NONE);
    let stream = std::net::TcpStream::connect(to).unwrap();
    builder.build().connect(NAME, stream).is_ok()
}

#[tokio::test]
async fn servers_that_do_not_speak_tls() {
    let tls = Tls::verifying().unwrap();
    let silent = serve(|stream, _| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    let [https, line] = both_within(LIMIT, &tls, silent, NAME).await;
    assert_eq!(https, Outcome::Silent(LIMIT));
    assert_eq!(line, Outcome::Silent(LIMIT));
    let plain = serve(|mut stream, _| async move {
        let _ = stream.write_all(b"220 ready, in plain words\r\n").await;
        let _ = stream.read(&mut [0; 4096]).await;
    })
    .await;
    refused(&both(&tls, plain, NAME).await, "wrong version number");
    let closing = serve(|mut stream, _| async move {
        let _ = stream.read(&mut [0; 4096]).await;
    })
    .await;
    for outcome in both(&tls, closing, NAME).await {
        assert!(!outcome.passed(), "{outcome:?}");
    }
}

#[test]
fn openssls_reason_is_what_is_shown() {
    let error = native_tls::Identity::from_pkcs8(b"-----BEGIN nothing", b"-----BEGIN nothing").err().unwrap();
    let shown = reason(&error);
    assert!(!shown.is_empty() && !shown.contains("error:"), "{shown}");
}

//! nginx: `http`, `https`; and behind squid, [`crate::proxy`].

use crate::bed::{Folder, Server, check, port};
use crate::trust::{Authority, Check, trusting};
use directord::check::Outcome;

/// Where nginx listens: plain, TLS for two hosts, TLS 1.1 alone, and TLS for which it wants a host that it knows.
#[derive(Clone, Copy)]
pub struct Ports {
    pub plain: u16,
    pub tls: u16,
    pub old: u16,
    pub named: u16,
}

impl Ports {
    fn new() -> Ports {
        Ports { plain: port(), tls: port(), old: port(), named: port() }
    }
}

/// nginx with two hosts, each with a certificate of its own.
pub fn nginx(folder: &Folder, authority: &Authority) -> (Server, Ports) {
    let ports = Ports::new();
    let Ports { plain, tls, old, named } = ports;
    let path = folder.path().to_str().unwrap();
    // Chunks are made where the length is not known beforehand: where nginx changes the page.
    let page = |name: &str| {
        format!(
            "server_name {name};\nlocation / {{ return 200 \"I am {name}\\n\"; }}\n\
             location /nothing {{ return 204; }}\nlocation /sick {{ return 503 \"I am {name}\\n\"; }}\n\
             location /moved {{ return 301 https://127.0.0.1:{tls}/; }}\nlocation /here {{ return 302 /; }}\n\
             location /circle {{ return 302 /circle; }}\nlocation /secret {{ auth_basic closed; auth_basic_user_file /dev/null; }}\n\
             location /file {{ root {path}; sub_filter one two; sub_filter_types *; sub_filter_once off; }}\n"
        )
    };
    let host = |name: &str| {
        let (key, certificate) = authority.sign(name);
        format!("ssl_certificate {certificate};\nssl_certificate_key {key};\n{}", page(name))
    };
    let [www, other] = ["www.example.com", "other.example.net"].map(host);
    let configuration = folder.write(
        "nginx.conf",
        &format!(
            "daemon off;\nmaster_process off;\npid {path}/pid;\nerror_log stderr;\nevents {{ }}\n\
             http {{\naccess_log off;\nclient_body_temp_path {path}/a;\nproxy_temp_path {path}/b;\n\
             fastcgi_temp_path {path}/c;\nuwsgi_temp_path {path}/d;\nscgi_temp_path {path}/e;\n\
             server {{ listen 127.0.0.1:{plain}; {} }}\n\
             server {{ listen 127.0.0.1:{tls} ssl; {www} }}\nserver {{ listen 127.0.0.1:{tls} ssl; {other} }}\n\
             server {{ listen 127.0.0.1:{old} ssl; ssl_protocols TLSv1.1; ssl_ciphers ALL:@SECLEVEL=0; {www} }}\n\
             server {{ listen 127.0.0.1:{named} ssl default_server; ssl_reject_handshake on; }}\n\
             server {{ listen 127.0.0.1:{named} ssl; {www} }}\n}}\n",
            page("www.example.com")
        ),
    );
    folder.write("file", &"one and one\n".repeat(5000));
    let server =
        Server::start(folder, &["nginx", "-p", path, "-c", &configuration], &[plain, tls, old, named]);
    (server, ports)
}

#[tokio::test]
async fn pages_of_nginx() {
    let (folder, authority) = (Folder::new(), Authority::new("web"));
    let (server, Ports { plain, .. }) = nginx(&folder, &authority);
    let page = async |request: &str, receive: &str| {
        check("http", plain, &[&format!("request=\"{request}\""), receive]).await
    };
    assert_eq!(page("/", "receive=\"^I am www\\.example\\.com$\"").await, Outcome::Passed);
    assert_eq!(page("/", "").await, Outcome::Passed);
    let wrong = Outcome::NoMatch("I am www.example.com\\n".into());
    assert_eq!(page("/", "receive=\"I am somebody else\"").await, wrong);
    assert_eq!(page("/nothing", "").await, Outcome::Passed, "204 is a success");
    assert_eq!(page("/nothing", "receive=\"I am\"").await, Outcome::NoMatch(String::new()));
    let chunked = "receive=\"^(?s)two and two\\n.{59976}two and two$\"";
    assert_eq!(page("/file", chunked).await, Outcome::Passed, "in chunks");
    assert_eq!(page("/here", "receive=\"^I am\"").await, Outcome::Passed, "after a redirect");
    assert_eq!(page("/circle", "").await, Outcome::Redirects("302 Found".into()));
    assert_eq!(page("/sick", "receive=\"I am\"").await, Outcome::Status("503 Service Unavailable".into()));
    assert_eq!(page("/secret", "").await, Outcome::Status("401 Unauthorized".into()));
    assert_eq!(page("/missing", "httpmethod=HEAD").await, Outcome::Passed);
    server.stop(plain);
    assert_eq!(page("/", "").await, Outcome::Refused);
}

#[tokio::test]
async fn https_of_nginx_with_any_certificate() {
    let (folder, authority) = (Folder::new(), Authority::new("web"));
    let (server, Ports { plain, tls, old, named }) = nginx(&folder, &authority);
    let any = async |port: u16, host: &str, receive: &str| {
        let host = format!("virtualhost={host}");
        check("https", port, &["tlsverify=no", &host, "request=\"/\"", receive]).await
    };
    for name in ["www.example.com", "other.example.net"] {
        let own = format!("receive=\"^I am {name}$\"");
        assert_eq!(any(tls, name, &own).await, Outcome::Passed, "each host has its page");
    }
    let wrong = Outcome::NoMatch("I am other.example.net\\n".into());
    assert_eq!(any(tls, "other.example.net", "receive=\"www\"").await, wrong);
    assert_eq!(any(named, "www.example.com", "receive=\"www\"").await, Outcome::Passed, "the name is sent");
    let unknown = any(named, "other.example.net", "").await;
    assert!(matches!(&unknown, Outcome::Tls(why) if why.contains("unrecognized name")), "{unknown:?}");
    // Debian's OpenSSL refuses what is older than TLS 1.2.
    let older = any(old, "www.example.com", "").await;
    assert!(matches!(older, Outcome::Tls(_)), "{older:?}");
    let page = any(plain, "www.example.com", "").await;
    assert!(matches!(&page, Outcome::Tls(why) if why.contains("wrong version number")), "{page:?}");
    let moved = ["tlsverify=no", "request=\"/moved\"", "receive=\"^I am www\""];
    assert_eq!(check("http", plain, &moved).await, Outcome::Passed, "from http to https");
    server.stop(tls);
    assert_eq!(any(tls, "www.example.com", "").await, Outcome::Refused);
}

#[tokio::test]
async fn the_chain_of_nginx_is_verified() {
    let folder = Folder::new();
    let (own, other) = (Authority::new("own"), Authority::new("other"));
    let (_server, Ports { plain, tls, .. }) = nginx(&folder, &own);
    let www = ["virtualhost=www.example.com", "receive=\"^I am www.example.com$\""];
    let net = ["virtualhost=other.example.net", "receive=\"^I am other.example.net$\""];
    let unnamed = ["receive=\"^I am www.example.com$\""];
    let moved = ["request=\"/moved\"", "receive=\"^I am www.example.com$\""];
    let checks: [Check<'_>; 4] =
        [("https", tls, &www), ("https", tls, &net), ("https", tls, &unnamed), ("http", plain, &moved)];
    assert_eq!(
        trusting(&own, &checks),
        ["passed"; 4],
        "a real server is asked by its address: its name is not compared"
    );
    for outcome in trusting(&other, &checks) {
        assert!(outcome.starts_with("Tls(") && outcome.contains("local issuer certificate"), "{outcome}");
    }
    let lax = ["tlsverify=no", www[0], www[1]];
    assert_eq!(trusting(&other, &[("https", tls, &lax)]), ["passed"]);
}

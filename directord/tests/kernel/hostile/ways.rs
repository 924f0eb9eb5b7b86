//! How servers can be hostile, service by service.

use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_native_tls::TlsAcceptor;

/// A service, and how its servers behave.
pub struct Service {
    pub name: &'static str,
    pub udp: bool,
    /// Lines of its section.
    pub options: String,
    pub ways: Vec<Way>,
}

/// A way to be hostile.
#[derive(Clone)]
pub struct Way {
    pub name: &'static str,
    /// In TLS: the handshake is as it should be.
    pub private: bool,
    /// What is said at first.
    first: Vec<u8>,
    then: Then,
}

#[derive(Clone)]
enum Then {
    /// This, for as long as it is listened to.
    Flood(Vec<u8>),
    /// The same byte by byte.
    Drip(Vec<u8>),
    /// Nothing.
    Silence,
    /// The end of the connection.
    End,
    /// The same with a reset.
    Reset,
    /// Many of these for every datagram.
    Datagrams(Vec<u8>),
}

/// What a server says in a single connection at most, in bytes: far more than any check listens to.
const FLOOD: usize = 64 << 20;
/// What it says at a time.
const PIECE: usize = 64 << 10;
/// The pause between two bytes of a slow one.
const PAUSE: Duration = Duration::from_millis(20);
/// Datagrams for one question: more than a check ignores,
const DATAGRAMS: usize = 1500;
/// but no more of large ones than come to this, in bytes.
const VOLLEY: usize = 4 << 20;
/// As large as a datagram over IPv4 can be.
const LARGEST: usize = 65507;

/// All of them.
pub fn services() -> Vec<Service> {
    let mut all = vec![tcp("http", PAGE, web(false)), tcp("http_proxy", PROXIED, web(true))];
    all.extend(in_lines());
    all.extend(in_packets());
    let plain = |name| all.iter().find(|service| service.name == name).expect("a service without TLS");
    let private = [("https", "http"), ("imaps", "imap"), ("pops", "pop"), ("ldaps", "ldap")];
    let private = private.map(|(name, same)| in_tls(name, plain(same)));
    all.extend(private);
    all.extend(datagrams());
    all
}

const PAGE: &str = "\treceive=\"^fine$\"\n";
const PROXIED: &str =
    "\tvirtualhost=www.example.com\n\trequest=\"http://www.example.com/\"\n\treceive=\"^fine$\"\n";
const ACCOUNT: &str = "\tlogin=\"joe\"\n\tpasswd=\"secret\"\n";
const STORE: &str = "\tlogin=\"joe\"\n\tpasswd=\"secret\"\n\tdatabase=\"shop\"\n\trequest=\"SELECT 1\"\n";
const NAME: &str = "\trequest=\"www.example.com\"\n\treceive=\"192.0.2.8\"\n";
const RADIUS: &str = "\tlogin=\"joe\"\n\tpasswd=\"secret\"\n\tsecret=\"shared\"\n";
const TEXT: &str = "\trequest=\"hello\"\n\treceive=\"^fine$\"\n";

fn tcp(name: &'static str, options: &str, mut ways: Vec<Way>) -> Service {
    // What is hostile to whatever protocol.
    ways.extend([
        way("says nothing", b"", Then::Silence),
        way("hangs up", b"", Then::End),
        way("hangs up with a reset", b"", Then::Reset),
        flood("one endless line", b"", b"x"),
        flood("endless empty lines", b"", b"\r\n"),
        way("slow noise", b"", Then::Drip(b"x".to_vec())),
    ]);
    Service { name, udp: false, options: options.to_owned(), ways }
}

/// The same in TLS, and what is hostile in a handshake.
fn in_tls(name: &'static str, plain: &Service) -> Service {
    let mut service = tcp(name, &plain.options, handshakes());
    service.options += "\ttlsverify=no\n";
    service.ways.extend(plain.ways.iter().cloned().map(|way| Way { private: true, ..way }));
    service
}

fn way(name: &'static str, first: impl AsRef<[u8]>, then: Then) -> Way {
    Way { name, private: false, first: first.as_ref().to_vec(), then }
}

fn flood(name: &'static str, first: impl AsRef<[u8]>, then: impl AsRef<[u8]>) -> Way {
    way(name, first, Then::Flood(then.as_ref().to_vec()))
}

fn web(proxy: bool) -> Vec<Way> {
    const OK: &str = "HTTP/1.1 200 OK\r\n";
    const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let again = if proxy { "http://www.example.com/again" } else { "/again" };
    let redirect = format!("HTTP/1.1 302 Found\r\nLocation: {again}\r\nContent-Length: 0\r\n\r\n");
    let long_way = format!("HTTP/1.1 302 Found\r\nLocation: /{}\r\n\r\n", "x".repeat(200_000));
    vec![
        flood("an endless page", format!("{OK}\r\n"), "more"),
        flood("a page of 2^64 - 1 bytes", format!("{OK}Content-Length: 18446744073709551615\r\n\r\n"), "x"),
        flood(
            "a page of more than 2^64 bytes",
            format!("{OK}Content-Length: 99999999999999999999\r\n\r\n"),
            "x",
        ),
        flood("tiny chunks", CHUNKED, "1\r\nx\r\n"),
        flood("a chunk of 2^60 bytes", format!("{CHUNKED}fffffffffffffff\r\n"), "x"),
        flood("an endless name of a chunk", format!("{CHUNKED}1;"), "x"),
        flood("an endless size of a chunk", CHUNKED, "0"),
        flood("endless trailers", format!("{CHUNKED}0\r\n"), "X-Filler: a\r\n"),
        flood("endless headers", OK, "X-Filler: a\r\n"),
        flood("an endless header", format!("{OK}X-Filler: "), "a"),
        flood("an endless name of a header", OK, "a"),
        flood("an endless reason", "HTTP/1.1 200 ", "a"),
        flood("endless 100 Continue", "", "HTTP/1.1 100 Continue\r\n\r\n"),
        flood("endless 103 Early Hints", "", "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n"),
        flood(
            "another protocol",
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
            "x",
        ),
        way("redirects to itself", redirect, Then::Silence),
        way("redirects to a long address", long_way, Then::Silence),
        way("half a page and a reset", format!("{OK}Content-Length: 1000\r\n\r\nhalf"), Then::Reset),
        way("half a header and a reset", format!("{OK}X-Fil"), Then::Reset),
        way("half a page and nothing", format!("{OK}Content-Length: 1000\r\n\r\nhalf"), Then::Silence),
        way("a page byte by byte", format!("{OK}\r\n"), Then::Drip(b"more".to_vec())),
        way("headers byte by byte", OK, Then::Drip(b"X-Filler: a\r\n".to_vec())),
    ]
}

/// Protocols of lines.
fn in_lines() -> Vec<Service> {
    let replies = |more: &'static str| {
        vec![
            flood("an endless greeting", "", "220-more\r\n"),
            flood("endless refusals", "", "421 busy\r\n"),
            flood("an endless reply", "220 ready\r\n", more),
            flood("an endless line of a reply", "220 ready\r\n250-", "x"),
            way("half a reply and a reset", "220-rea", Then::Reset),
            way("a greeting byte by byte", "220-", Then::Drip(b"more\r\n220-".to_vec())),
        ]
    };
    vec![
        tcp("smtp", "", replies("250-more\r\n")),
        tcp("submission", "", replies("250-more\r\n")),
        tcp("ftp", ACCOUNT, replies("331-more\r\n")),
        tcp("nntp", "", vec![flood("an endless greeting", "200", " news")]),
        tcp(
            "pop",
            ACCOUNT,
            vec![
                // What it answers is refused at last; what comes before is as endless as the others.
                flood("an endless greeting", "+OK", " more"),
                flood("endless refusals", "+OK ready\r\n", "-ERR no\r\n"),
            ],
        ),
        tcp(
            "imap",
            ACCOUNT,
            vec![
                flood("endless news", "* OK ready\r\n", "* 1 EXISTS\r\n"),
                flood("a literal of 4 GiB", "* OK ready\r\n* LIST {4294967295}\r\n", "x"),
                flood("endless literals", "* OK ready\r\n", "* LIST {1}\r\nx\r\n"),
                flood("an endless tag", "* OK ready\r\n", "a1"),
            ],
        ),
        tcp(
            "sip",
            "",
            vec![
                flood("a body of 4 GiB", "SIP/2.0 200 OK\r\nContent-Length: 4294967295\r\n\r\n", "x"),
                flood("endless 100 Trying", "", "SIP/2.0 100 Trying\r\n\r\n"),
                flood("endless headers", "SIP/2.0 200 OK\r\n", "X-Filler: a\r\n"),
            ],
        ),
        tcp("simpletcp", TEXT, vec![flood("endless lines", "", "almost fine\n")]),
    ]
}

/// Protocols whose messages begin with their length.
fn in_packets() -> Vec<Service> {
    let greeting = [&[0x4a, 0, 0, 0, 10][..], b"8.0\0", &[1; 200]].concat();
    let notice = [&b"N"[..], &12u32.to_be_bytes(), b"Mhello\0\0"].concat();
    let longest = [&b"R"[..], &0x7fff_ffff_u32.to_be_bytes()].concat();
    let negative = [&b"R"[..], &0xffff_ffff_u32.to_be_bytes()].concat();
    vec![
        tcp(
            "ldap",
            "\trequest=\"o=example\"\n",
            vec![
                flood("a message of 2 GiB", [0x30, 0x84, 0x7f, 0xff, 0xff, 0xff], "x"),
                flood("a message of 2^64 bytes", [0x30, 0x88, 255, 255, 255, 255, 255, 255, 255, 255], "x"),
                flood("messages in messages", "", [0x30, 0x80]),
                flood("empty messages", "", [0x30, 0]),
                // Results of a search that nobody asked for: message 7, without any attribute.
                flood("endless answers", "", [0x30, 9, 2, 1, 7, 0x64, 4, 4, 0, 0x30, 0]),
            ],
        ),
        tcp(
            "mysql",
            STORE,
            vec![
                flood("a packet of 16 MiB", [0xff, 0xff, 0xff, 0, 10], "x"),
                flood("empty packets", "", [0, 0, 0, 0]),
                flood("a greeting that is cut", greeting, "x"),
            ],
        ),
        tcp(
            "pgsql",
            STORE,
            vec![
                flood("a message of 2 GiB", longest, "x"),
                flood("a message of a negative length", negative, "x"),
                flood("endless notices", "", notice),
                flood("endless refusals of TLS", "", "N"),
            ],
        ),
        tcp(
            "dns",
            NAME,
            vec![flood("the longest messages", "", [255, 255]), flood("empty messages", "", [0, 0])],
        ),
    ]
}

/// Instead of a handshake, or in the middle of one.
fn handshakes() -> Vec<Way> {
    // A ServerHello of 16 MiB, in records as long as they may be.
    let mut long = vec![0x16, 3, 3, 0x40, 0, 2, 255, 255, 255, 3, 3];
    long.resize(5 + 0x4000, 7);
    let record = [&[0x16, 3, 3, 0x40, 0][..], &[7; 0x4000]].concat();
    // One of a version: random bytes, no session, a cipher, no compression.
    let hello = |version: [u8; 2]| {
        [&[0x16, version[0], version[1], 0, 42, 2, 0, 0, 38][..], &version, &[7; 32], &[0, 0xc0, 0x2f, 0]]
            .concat()
    };
    // To be ignored in a handshake (RFC 5246, section 7.4.1.1).
    let request = [0x16, 3, 3, 0, 4, 0, 0, 0, 0];
    vec![
        flood("endless warnings", "", [0x15, 3, 3, 0, 2, 1, 0]),
        flood("a hello of 16 MiB", long, record),
        flood("empty records", "", [0x16, 3, 3, 0, 0]),
        flood("the longest record", [0x16, 3, 3, 255, 255], "x"),
        way("SSL 3.0", hello([3, 0]), Then::Silence),
        way("TLS 1.0", hello([3, 1]), Then::Silence),
        way("half a handshake and nothing", hello([3, 3]), Then::Silence),
        way("half a handshake and the end", hello([3, 3]), Then::End),
        flood("a handshake that never ends", hello([3, 3]), request),
        flood("a handshake that never begins", "", request),
        flood("no TLS at all", "220 ready\r\n", "HTTP/1.1 400 Bad Request\r\n"),
        way("a hello byte by byte", [0x16, 3, 3, 0x40, 0, 2, 0, 0x3f, 0xfc, 3, 3], Then::Drip(vec![7])),
        way("half a hello and a reset", [0x16, 3, 3, 0x40, 0, 2, 0], Then::Reset),
    ]
}

fn datagrams() -> Vec<Service> {
    let many = |name, datagram: Vec<u8>| way(name, b"", Then::Datagrams(datagram));
    let udp = |name, options: &str, extra| {
        let mut ways = vec![
            way("says nothing", b"", Then::Silence),
            many("the largest datagrams", vec![b'x'; LARGEST]),
            many("empty datagrams", Vec::new()),
            many("datagrams of NUL", vec![0; 512]),
        ];
        ways.extend::<Vec<Way>>(extra);
        Service { name, udp: true, options: options.to_owned(), ways }
    };
    // A message of DNS whose name points at itself, and one with 65535 records of each kind.
    let loops = [&[0; 4][..], &[0, 1, 0, 1, 0, 0, 0, 0, 0xc0, 12, 0, 1, 0, 1]].concat();
    let records = [&[0; 4][..], &[255; 8], &[0xc0; 4000]].concat();
    // An Access-Accept of 65535 bytes, with an attribute of no length.
    let accept = [&[2, 0, 255, 255][..], &[0; 16], &[18, 0]].concat();
    vec![
        udp("dns", NAME, vec![many("names in a circle", loops), many("65535 records", records)]),
        udp("radius", RADIUS, vec![many("a length of 65535", accept)]),
        udp("sip", "", vec![many("endless 100 Trying", b"SIP/2.0 100 Trying\r\n\r\n".to_vec())]),
    ]
}

impl Way {
    /// Listens on this address and serves whoever comes, until the runtime ends.
    pub async fn serve(self, address: SocketAddr, tls: TlsAcceptor) {
        if let Then::Datagrams(datagram) = self.then {
            let socket = UdpSocket::bind(address).await.unwrap();
            tokio::spawn(async move {
                let mut question = [0; 1024];
                while let Ok((_, from)) = socket.recv_from(&mut question).await {
                    for _ in 0..DATAGRAMS.min(VOLLEY / datagram.len().max(1)) {
                        let _ = socket.send_to(&datagram, from).await;
                    }
                }
            });
            return;
        }
        // Whoever says nothing says it to datagrams, too.
        let silent = match self.then {
            Then::Silence => Some(UdpSocket::bind(address).await.unwrap()),
            _ => None,
        };
        let listener = TcpListener::bind(address).await.unwrap();
        tokio::spawn(async move {
            let _silent = silent;
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(self.clone().answer(stream, tls.clone()));
            }
        });
    }

    /// One connection, until the client has enough.
    async fn answer(self, stream: TcpStream, tls: TlsAcceptor) -> Option<()> {
        if matches!(self.then, Then::Reset) {
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).ok()?;
        }
        if self.private { self.talk(tls.accept(stream).await.ok()?).await } else { self.talk(stream).await }
    }

    async fn talk(self, mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Option<()> {
        stream.write_all(&self.first).await.ok()?;
        match self.then {
            Then::Flood(again) => {
                let piece = again.repeat(PIECE / again.len() + 1);
                for _ in 0..FLOOD / piece.len() {
                    stream.write_all(&piece).await.ok()?;
                }
            }
            Then::Drip(again) => {
                for byte in again.into_iter().cycle().take(FLOOD) {
                    stream.write_all(&[byte]).await.ok()?;
                    tokio::time::sleep(PAUSE).await;
                }
            }
            Then::End => return stream.shutdown().await.ok(),
            Then::Reset => return None,
            Then::Silence | Then::Datagrams(_) => {}
        }
        let mut heard = [0; 4096];
        while stream.read(&mut heard).await.ok()? > 0 {}
        Some(())
    }
}

//! `ftp`, with data connections.

use super::*;
use tokio::io::AsyncBufReadExt;

const FTP: ServiceName = ServiceName::Ftp;

/// For a check that ends at it after a whole dialogue.
const PATIENT: Duration = Duration::from_secs(6);

/// Offers this text to everybody; the port.
async fn data(text: &'static [u8]) -> u16 {
    answering_at_once(text).await.port()
}

fn in_commas(port: u16) -> String {
    let [high, low] = port.to_be_bytes();
    format!("{high},{low}")
}

fn fetching(to: SocketAddr, request: &str, receive: Option<&str>) -> Dialogue {
    let receive = receive.map(|text| Pattern::new(text).unwrap());
    Dialogue { request: request.into(), receive, ..with_login(FTP, to, "joe", "two words") }
}

#[tokio::test]
async fn a_login_is_enough_where_nothing_is_asked_for() {
    let rules = [
        ("USER joe", "331 and?\r\n"),
        ("PASS two words", "230-Hi\r\n 1\r\n230 in\r\n"),
        ("QUIT", "!221\r\n"),
    ];
    let server = Server::start("220-x\r\n220 y\r\n", &rules).await;
    assert_eq!(run(fetching(server.to, "", None)).await, Outcome::Passed);
    assert_eq!(server.heard_until("QUIT").await, ["USER joe", "PASS two words", "QUIT"]);
    assert_eq!(run(fetching(slowly(server.to).await, "", None)).await, Outcome::Passed);
    assert_eq!(run(fetching(server.to, "", Some("x"))).await, Outcome::NoMatch(String::new()));

    let guests = [("USER anonymous", "331\r\n"), ("PASS ldirectord@", "230\r\n"), ("QUIT", "!221\r\n")];
    let server = Server::start("220\r\n", &guests).await;
    assert_eq!(run(dialogue(FTP, server.to)).await, Outcome::Passed);
    let nobody_asked = Server::start("220\r\n", &[("USER joe", "230 in\r\n"), ("QUIT", "!221\r\n")]).await;
    assert_eq!(run(fetching(nobody_asked.to, "", None)).await, Outcome::Passed);
}

#[tokio::test]
async fn servers_that_let_nobody_in() {
    for (greeting, user, pass, words) in [
        ("421 too many\r\n", "", "", "421 too many"),
        ("500 OOPS: cannot\r\n", "", "", "500 OOPS: cannot"),
        ("120 in a minute\r\n", "", "", "120 in a minute"),
        ("220\r\n", "530 no\r\n", "", "530 no"),
        ("220\r\n", "421 too many\r\n", "", "421 too many"),
        ("220\r\n", "331\r\n", "530 wrong\r\n", "530 wrong"),
        ("220\r\n", "331\r\n", "332 account?\r\n", "332 account?"),
    ] {
        let server = Server::start(greeting, &[("USER", user), ("PASS", pass)]).await;
        let outcome = run(fetching(server.to, "", None)).await;
        assert_eq!(outcome, Outcome::Declined(words.into()), "{greeting}{user}{pass}");
    }
}

#[tokio::test]
async fn a_file_is_fetched_and_must_match() {
    // The address in the reply is somebody else's: the data come from the server all the same.
    let passive =
        format!("227 Entering Passive Mode (192,0,2,99,{})\r\n", in_commas(data(b"it\nis well\n").await));
    let rules = [
        ("USER", "230\r\n"),
        ("CWD /", "550 no\r\n"),
        ("TYPE I", "200\r\n"),
        ("PASV", passive.as_str()),
        ("RETR /pub/state", "150 here\r\n226 done\r\n"),
        ("QUIT", "!221\r\n"),
    ];
    let server = Server::start("220\r\n", &rules).await;
    assert_eq!(run(fetching(server.to, "pub/state", Some("^it\\sis well$"))).await, Outcome::Passed);
    assert_eq!(
        server.heard_until("QUIT").await,
        ["USER joe", "CWD /", "TYPE I", "PASV", "RETR /pub/state", "QUIT"]
    );
    assert_eq!(run(fetching(server.to, "pub/state", None)).await, Outcome::Passed);
    assert_eq!(
        run(fetching(server.to, "pub/state", Some("bad"))).await,
        Outcome::NoMatch("it\\nis well\\n".into())
    );
    let slow = fetching(slowly(server.to).await, "pub/state", Some("well"));
    assert_eq!(run(slow).await, Outcome::Passed);
}

#[tokio::test]
async fn data_connections_in_every_way() {
    let extended = |port: u16| format!("229 Entering Extended Passive Mode (|||{port}|)\r\n");
    let (port, gone) = (data(b"well").await, nobody().port());
    let endless = endless(b"well ".repeat(4096)).await.port();
    let quiet = holding(b"wel").await.port();
    let retrieved = "150\r\n226\r\n";
    let cases = [
        ("500 what?\r\n".to_owned(), extended(port), retrieved, Outcome::Passed),
        ("425 no\r\n".to_owned(), "500 never\r\n".to_owned(), "", Outcome::Declined("500 never".into())),
        (
            "227 nothing\r\n".to_owned(),
            String::new(),
            "",
            Outcome::Garbled("no port in \"227 nothing\"".into()),
        ),
        ("500\r\n".into(), extended(port), "550 no file\r\n", Outcome::Declined("550 no file".into())),
        ("500\r\n".into(), extended(port), "150\r\n426 cut\r\n", Outcome::Declined("426 cut".into())),
        ("500\r\n".into(), extended(port), "!150\r\n", Outcome::Closed),
        ("500\r\n".into(), extended(endless), "150\r\n", Outcome::Passed),
        ("500\r\n".into(), extended(quiet), "150\r\n", Outcome::Unfinished(PATIENT)),
        (
            "500\r\n".into(),
            extended(gone),
            "",
            Outcome::Unreachable(format!("data connection to port {gone}: connection refused")),
        ),
    ];
    for (pasv, epsv, retr, outcome) in cases {
        let rules = [
            ("USER", "230\r\n"),
            ("CWD /", "250\r\n"),
            ("TYPE I", "200\r\n"),
            ("PASV", pasv.as_str()),
            ("EPSV", epsv.as_str()),
            ("PORT 127,0,0,1,", "500 no\r\n"),
            ("RETR /state", retr),
            ("QUIT", "!221\r\n"),
        ];
        let server = Server::start("220\r\n", &rules).await;
        let limit = if outcome == Outcome::Unfinished(PATIENT) { PATIENT } else { LONG };
        let check =
            Dialogue { check_timeout: limit, timeout: limit, ..fetching(server.to, "state", Some("well")) };
        assert_eq!(run(check).await, outcome, "{pasv}{epsv}{retr}");
    }
}

/// A server that only makes data connections itself. A stranger is faster, each time.
#[tokio::test]
async fn data_connections_from_the_server() {
    let server = serve(|stream, _| async move {
        let (lines, mut answers) = stream.into_split();
        let mut lines = tokio::io::BufReader::new(lines).lines();
        let _ = answers.write_all(b"220\r\n").await;
        let mut to = None;
        while let Ok(Some(line)) = lines.next_line().await {
            let answer = match line.get(..4) {
                Some("USER") => "230\r\n",
                Some("CWD " | "TYPE") => "200\r\n",
                Some("PORT") => {
                    let numbers: Vec<u8> =
                        line[5..].split(',').map(|number| number.parse().unwrap()).collect();
                    to = Some(SocketAddr::from((
                        [numbers[0], numbers[1], numbers[2], numbers[3]],
                        u16::from_be_bytes([numbers[4], numbers[5]]),
                    )));
                    "200\r\n"
                }
                Some("RETR") => {
                    for (from, text) in [([127, 0, 0, 2], "stranger"), ([127, 0, 0, 1], "well")] {
                        let socket = tokio::net::TcpSocket::new_v4().unwrap();
                        socket.bind((from, 0).into()).unwrap();
                        let mut data = socket.connect(to.unwrap()).await.unwrap();
                        let _ = data.write_all(text.as_bytes()).await;
                        let _ = data.shutdown().await;
                    }
                    "150\r\n226\r\n"
                }
                _ => "502\r\n",
            };
            let _ = answers.write_all(answer.as_bytes()).await;
        }
    })
    .await;
    assert_eq!(run(fetching(server, "state", Some("^well$"))).await, Outcome::Passed);
}

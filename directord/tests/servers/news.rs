//! Leafnode: `nntp`.

use crate::bed::{Folder, check};
use directord::check::Outcome;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Command, Stdio};

/// Starts leafnode for each of so many connections, as inetd does, with this name in the place of its own: it refuses to
/// work under one that is for examples.
fn leafnode(folder: &Folder, name: &str, hostname: &str, connections: usize) -> u16 {
    let text = format!("server = news.example.net\nexpire = 20\nhostname = {hostname}\n");
    let configuration = folder.write(name, &text);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(connections) {
            let stream = OwnedFd::from(stream.unwrap());
            let script = "mount --bind \"$0\" /etc/news/leafnode/config && exec leafnode";
            let child = Command::new("unshare")
                .args(["--mount", "--propagation", "private", "sh", "-c", script, &configuration])
                .stdin(Stdio::from(stream.try_clone().unwrap()))
                .stdout(Stdio::from(stream))
                .stderr(Stdio::null()) // why it does not like a name
                .spawn();
            child.unwrap().wait().unwrap();
        }
    });
    port
}

#[tokio::test]
async fn a_greeting() {
    let folder = Folder::new();
    let good = leafnode(&folder, "good", "news.lab.internal", 1);
    assert_eq!(check("nntp", good, &[]).await, Outcome::Passed);
    let nameless = leafnode(&folder, "nameless", "localhost", 1);
    let outcome = check("nntp", nameless, &[]).await;
    assert!(matches!(&outcome, Outcome::Declined(words) if words.starts_with("503 Leafnode")), "{outcome:?}");
}

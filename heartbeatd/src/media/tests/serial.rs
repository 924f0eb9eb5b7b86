//! Serial lines: the far end is the master of a pseudo-terminal.

use super::*;
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::os::fd::OwnedFd;

/// A line and its far end, which never waits.
fn line() -> (OwnedFd, Target) {
    let far = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&far).unwrap();
    unlockpt(&far).unwrap();
    fcntl_setfl(&far, OFlags::NONBLOCK).unwrap();
    let path = ptsname(&far, Vec::new()).unwrap().into_string().unwrap();
    (far, target(&path, MediumKind::Serial { baud: 19_200 }))
}

fn read(far: &OwnedFd) -> Vec<u8> {
    let (mut text, mut block) = (Vec::new(), [0; 4096]);
    while let Ok(bytes @ 1..) = rustix::io::read(far, &mut block) {
        text.extend_from_slice(&block[..bytes]);
    }
    text
}

fn message(number: usize) -> String {
    format!(">>>\nt=status\nseq={number:x}\n{}<<<\n", "pad=0123456789abcdef\n".repeat(30))
}

#[test]
fn there_and_back_in_pieces_and_with_noise() {
    let (far, target) = line();
    let mut medium = Medium::open(&target).unwrap();
    assert!(medium.takes_text());
    assert_eq!(medium.receive(&mut [0; 10]).unwrap(), None, "it never blocks");
    medium.send(b">>>\nt=x\n<<<\n").unwrap();
    assert_eq!(read(&far), b">>>\nt=x\n<<<\n", "nothing is translated");

    let noise = "\u{7f}@x>>>\nt=a\n<<<\nrubbish\n<<<\n>>>\nt=lost\n>>>\nt=b\nvalue=y>>>\n<<<\n>>>\nt=c\n<<<\n>>>\nt=d";
    for piece in noise.as_bytes().chunks(5) {
        rustix::io::write(&far, piece).unwrap();
    }
    for wanted in [">>>\nt=a\n<<<\n", ">>>\nt=b\nvalue=y>>>\n<<<\n", ">>>\nt=c\n<<<\n"] {
        assert_eq!(received(&mut medium).as_deref(), Some(wanted.as_bytes()));
    }
    rustix::io::write(&far, b"\n<<<\n").unwrap();
    assert_eq!(received(&mut medium).as_deref(), Some(&b">>>\nt=d\n<<<\n"[..]));
}

#[test]
fn where_nobody_reads_nothing_waits_and_no_message_is_cut() {
    let (far, target) = line();
    let mut medium = Medium::open(&target).unwrap();
    let begun = Instant::now();
    let sent: Vec<bool> = (0..2_000).map(|number| medium.send(message(number).as_bytes()).is_ok()).collect();
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert!(sent.contains(&true) && sent.contains(&false));
    let full = medium.send(message(0).as_bytes()).unwrap_err();
    assert_eq!(full.kind(), std::io::ErrorKind::WouldBlock, "{full}");

    let mut text = read(&far);
    while medium.is_behind() {
        medium.flush();
        text.extend(read(&far));
    }
    medium.send(message(9_999).as_bytes()).unwrap();
    text.extend(read(&far));
    let taken = (0..2_000).zip(&sent).filter(|(_, sent)| **sent).map(|(number, _)| message(number));
    let wanted: String = taken.chain([message(9_999)]).collect();
    assert!(String::from_utf8(text).unwrap() == wanted, "whole messages, in their order");
}

#[test]
fn endless_noise_takes_no_memory() {
    let (far, target) = line();
    let mut medium = Medium::open(&target).unwrap();
    let mut buffer = vec![0; 65_536];
    for _ in 0..200 {
        let _ = rustix::io::write(&far, &[b'x'; 2048]);
        assert_eq!(medium.receive(&mut buffer).unwrap(), None);
    }
    let Way::Serial(line) = &medium.way else { panic!("not a line") };
    assert!(line.held() <= 192 * 1024, "{}", line.held());
    let _ = rustix::io::write(&far, b"\n>>>\nt=x\n<<<\n");
    assert_eq!(received(&mut medium).as_deref(), Some(&b">>>\nt=x\n<<<\n"[..]));
}

#[test]
fn a_line_that_hangs_up_is_reported_and_no_longer_polled() {
    let (far, target) = line();
    let mut medium = Medium::open(&target).unwrap();
    let (tell, told) = sync_channel(8);
    let watched = vec![Watched::new(&target, Some(&medium))];
    let keeper = Keeper::start(watched, move |slot, change| tell.send((slot, change)).is_ok()).unwrap();
    drop(far);
    assert!(medium.receive(&mut [0; 10]).is_err());
    assert!(medium.poll_on().is_none());
    let (slot, change) = told.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(slot == 0 && matches!(change, Change::Lost(_)), "{change:?}");
    drop(keeper);
}

#[test]
fn only_a_terminal_is_a_line() {
    let open = |path: &str| Medium::open(&target(path, MediumKind::Serial { baud: 9_600 }));
    assert_eq!(open("/dev/null").unwrap_err().to_string(), "/dev/null is no serial line");
    assert!(open("/dev/no-such-line").is_err());
}

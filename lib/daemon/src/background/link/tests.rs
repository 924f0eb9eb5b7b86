use super::*;

/// Both ends as they are when the daemon has found its own and taken the greeting.
fn greeted() -> (Waiting, Link) {
    let (waiting, theirs) = pair().unwrap();
    assert!(is_link(&theirs));
    assert!(is_link(&theirs), "to look takes nothing away");
    let mut greeting = [0; 128];
    let (count, _) = rustix::net::recv(&theirs, greeting.as_mut_slice(), RecvFlags::DONTWAIT).unwrap();
    assert_eq!(&greeting[..count], GREETING);
    (waiting, Link(theirs))
}

#[test]
fn the_answer_arrives() {
    for answer in
        [Answer::Ready, Answer::Failed { message: "ha.cf:3:1: error: \"x\"\n".to_string(), code: 6 }]
    {
        let (waiting, link) = greeted();
        link.answer(&answer).unwrap();
        assert_eq!(waiting.wait().unwrap(), Some(answer));
    }
}

#[test]
fn an_end_without_an_answer_is_seen() {
    let (waiting, theirs) = pair().unwrap();
    drop(theirs); // with the greeting unread: a reset
    assert_eq!(waiting.wait().unwrap(), None);
    let (waiting, link) = greeted();
    drop(link);
    assert_eq!(waiting.wait().unwrap(), None);
}

#[test]
fn a_caller_that_has_gone_is_an_error_and_no_signal() {
    let (waiting, link) = greeted();
    drop(waiting);
    assert!(link.answer(&Answer::Ready).is_err());
}

#[test]
fn the_longest_message_fits_into_one_packet() {
    let message = cut(&"\u{1}".repeat(1_000_000)); // each becomes six bytes of JSON
    assert_eq!(message.len(), MESSAGE_LIMIT);
    let (waiting, link) = greeted();
    link.answer(&Answer::Failed { message: message.clone(), code: 1 }).unwrap();
    assert_eq!(waiting.wait().unwrap(), Some(Answer::Failed { message, code: 1 }));
    assert_eq!(cut(&"ü".repeat(MESSAGE_LIMIT)).len(), MESSAGE_LIMIT, "an even limit cuts no letter");
    assert_eq!(cut(&format!("x{}", "ü".repeat(MESSAGE_LIMIT))).len(), MESSAGE_LIMIT - 1);
}

#[test]
fn nothing_else_is_taken_for_a_link() {
    use rustix::net::{send, socketpair};
    assert!(!is_link(&File::open("/dev/null").unwrap()));
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    rustix::io::write(&writer, GREETING).unwrap();
    assert!(!is_link(&reader), "a pipe with the same text");
    let pair_of = |kind| socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None).unwrap();
    let (ours, theirs) = pair_of(SocketType::STREAM);
    send(&ours, GREETING, SendFlags::NOSIGNAL).unwrap();
    assert!(!is_link(&theirs), "a stream socket with the same text");
    let (ours, theirs) = pair_of(SocketType::SEQPACKET);
    assert!(!is_link(&theirs), "nothing in it");
    send(&ours, b"tandem", SendFlags::NOSIGNAL).unwrap();
    assert!(!is_link(&theirs), "another text in it");
    let (ours, theirs) = pair_of(SocketType::SEQPACKET);
    send(&ours, &[GREETING, b"!"].concat(), SendFlags::NOSIGNAL).unwrap();
    assert!(!is_link(&theirs), "a longer text in it");
}

//! Service `dns`: a name or an address is looked up, and the text of a record must match.
//!
//! A name is asked for as `A`, and if no record of that answer matches, as `AAAA`; an address as `PTR`. Records of
//! these types in the answer count, whatever name they have at the end of a chain of aliases. The name is taken as
//! it is, without the resolver's search list. Without `receive` any such record will do, where ldirectord took the
//! server for dead.

use super::datagram::{Datagrams, Heard};
use super::link::{Link, Progress};
use super::outcome::excerpt;
use super::pattern::Turn;
use super::random::random;
use super::{Dialogue, Outcome};
use crate::thread::of_check;
use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE, header_buffer};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The longest datagram that is looked at, in bytes. Without EDNS none is longer than 512.
const DATAGRAM_LIMIT: usize = 4096;
/// Hostile compression makes a longer message (65535 bytes at most) take long: that is for another thread.
const QUICK: usize = 4096;

/// Asks and judges, within `negotiatetimeout`.
pub(super) async fn check(dialogue: &Dialogue, turn: &Turn) -> Outcome {
    let progress = Progress::default();
    progress.within(dialogue.timeout, look_up(dialogue, &progress, turn)).await
}

async fn look_up(dialogue: &Dialogue, progress: &Progress, turn: &Turn) -> Result<Outcome, Outcome> {
    let (name, types) = asked(&dialogue.request);
    let mut outcome = Outcome::NoMatch(String::new());
    for kind in types {
        let query = Query::new(&name, *kind)?;
        let answer = ask(dialogue, &query, progress).await?;
        match judge(dialogue, answer, turn).await {
            Outcome::NoMatch(text) if text.is_empty() => {}
            Outcome::NoMatch(text) if outcome == Outcome::NoMatch(String::new()) => {
                outcome = Outcome::NoMatch(text);
            }
            Outcome::NoMatch(_) => {}
            ended => return Ok(ended),
        }
    }
    Ok(outcome)
}

/// The name to ask for, and the types of record in their order.
fn asked(request: &str) -> (String, &'static [TYPE]) {
    match request.parse() {
        Ok(IpAddr::V4(address)) => {
            let [a, b, c, d] = address.octets();
            (format!("{d}.{c}.{b}.{a}.in-addr.arpa"), &[TYPE::PTR])
        }
        Ok(IpAddr::V6(address)) => {
            let digits = address.octets().into_iter().rev();
            let name: String = digits.map(|byte| format!("{:x}.{:x}.", byte & 15, byte >> 4)).collect();
            (format!("{name}ip6.arpa"), &[TYPE::PTR])
        }
        Err(_) => (request.to_owned(), &[TYPE::A, TYPE::AAAA]),
    }
}

async fn ask(dialogue: &Dialogue, query: &Query, progress: &Progress) -> Result<Answer, Outcome> {
    if dialogue.udp {
        let datagrams = Datagrams::open(dialogue.to, dialogue.timeout, progress).await?;
        let read = |bytes: &[u8]| match bytes.len() {
            0..=DATAGRAM_LIMIT => query.read(bytes),
            _ => Heard::Other("a datagram that is too long"),
        };
        let answer = datagrams.ask(&query.bytes, read).await?;
        if !answer.truncated {
            return Ok(answer);
        }
    }
    let mut link = Link::open(dialogue.to, progress).await?;
    query.ask_over(&mut link, progress).await
}

async fn judge(dialogue: &Dialogue, answer: Answer, turn: &Turn) -> Outcome {
    if let Some(refusal) = answer.refusal {
        return Outcome::Declined(refusal.into());
    }
    let text = answer.records.join("\n").into_bytes();
    let beginning = excerpt(&text);
    match &dialogue.receive {
        Some(pattern) if !text.is_empty() => match pattern.is_found_in(text, true, turn).await {
            Ok(true) => Outcome::Passed,
            Ok(false) => Outcome::NoMatch(beginning),
            Err(why) => Outcome::MatchFailed(why),
        },
        None if !answer.records.is_empty() => Outcome::Passed,
        _ => Outcome::NoMatch(beginning),
    }
}

/// A question.
#[derive(Clone, Debug)]
pub(super) struct Query {
    id: u16,
    name: Name<'static>,
    kind: TYPE,
    bytes: Vec<u8>,
}

/// What the server says to it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// The texts of all addresses and names.
    records: Vec<String>,
    /// Datagrams have no room for it.
    truncated: bool,
    /// An error, by its name.
    refusal: Option<&'static str>,
}

impl Query {
    /// With an identifier that nobody knows.
    pub(super) fn new(name: &str, kind: TYPE) -> Result<Query, Outcome> {
        let wrong = |error| Outcome::NotRun(format!("\"{name}\" cannot be asked for: {error}"));
        let random = random().map_err(|error| Outcome::of_io(&error))?;
        let id = u16::from_be_bytes(random);
        let parsed = Name::new(name).map_err(wrong)?.into_owned();
        let mut packet = Packet::new_query(id);
        packet.set_flags(PacketFlag::RECURSION_DESIRED);
        packet.questions.push(Question::new(
            parsed.clone(),
            QTYPE::TYPE(kind),
            QCLASS::CLASS(CLASS::IN),
            false,
        ));
        let bytes = packet.build_bytes_vec().map_err(wrong)?;
        Ok(Query { id, name: parsed, kind, bytes })
    }

    /// Each message on a connection has its length before it.
    async fn ask_over(&self, link: &mut Link<'_>, progress: &Progress) -> Result<Answer, Outcome> {
        let length = u16::try_from(self.bytes.len()).unwrap_or(u16::MAX).to_be_bytes();
        link.send(&[length.as_slice(), &self.bytes].concat()).await?;
        loop {
            let length = link.exactly(2).await?.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            let bytes = link.exactly(length).await?;
            let heard = if length <= QUICK {
                self.read(&bytes)
            } else {
                let query = self.clone();
                let read = of_check("dns answer", move || query.read(&bytes)).await;
                read.ok_or_else(|| Outcome::NotRun("no thread to read the answer".into()))?
            };
            match heard {
                Heard::Answer(answer) => return Ok(answer),
                Heard::Later => {}
                Heard::Other(why) => progress.ignored(why),
            }
        }
    }

    /// Reads a message, which is the answer only if it repeats identifier and question.
    fn read(&self, bytes: &[u8]) -> Heard<Answer> {
        const NOT_DNS: Heard<Answer> = Heard::Other("a message that is not DNS");
        if !is_plausible(bytes) {
            return NOT_DNS;
        }
        let Ok(packet) = Packet::parse(bytes) else {
            // Where a record was cut in its middle, the connection brings the whole answer.
            let truncated = header_buffer::has_flags(bytes, PacketFlag::TRUNCATION | PacketFlag::RESPONSE);
            return match (header_buffer::id(bytes), truncated) {
                (Ok(id), Ok(true)) if id == self.id => {
                    Heard::Answer(Answer { truncated: true, ..Answer::default() })
                }
                _ => NOT_DNS,
            };
        };
        if packet.id() != self.id || !packet.has_flags(PacketFlag::RESPONSE) {
            return Heard::Other("a message that is no answer to the question");
        }
        let refusal = refusal(packet.rcode());
        match packet.questions.as_slice() {
            [question] if self.is_in(question) => {}
            [] if refusal.is_some() => {} // it did not understand the question
            _ => return Heard::Other("an answer to another question"),
        }
        let truncated = packet.has_flags(PacketFlag::TRUNCATION);
        let internet = packet.answers.iter().filter(|record| record.class == CLASS::IN);
        let records = internet.filter_map(|record| text(&record.rdata)).collect();
        Heard::Answer(Answer { records, truncated, refusal })
    }

    fn is_in(&self, question: &Question<'_>) -> bool {
        question.qname == self.name
            && question.qtype == QTYPE::TYPE(self.kind)
            && question.qclass == QCLASS::CLASS(CLASS::IN)
    }
}

/// Whether the message has room for what it claims to hold, as memory is taken for that before it is read: no more
/// than our question, and records of 11 bytes at least.
fn is_plausible(bytes: &[u8]) -> bool {
    let sections = [header_buffer::answers, header_buffer::name_servers, header_buffer::additional_records];
    let records: Option<usize> = sections.iter().map(|section| section(bytes).ok().map(usize::from)).sum();
    let questions = header_buffer::questions(bytes).unwrap_or(u16::MAX);
    questions <= 1 && records.is_some_and(|records| records * 11 <= bytes.len())
}

fn text(data: &RData<'_>) -> Option<String> {
    match data {
        RData::A(a) => Some(Ipv4Addr::from(a.address).to_string()),
        RData::AAAA(aaaa) => Some(Ipv6Addr::from(aaaa.address).to_string()),
        RData::PTR(name) => Some(name.0.to_string()),
        _ => None,
    }
}

fn refusal(code: RCODE) -> Option<&'static str> {
    Some(match code {
        RCODE::NoError => return None,
        RCODE::FormatError => "FORMERR: it does not understand the question",
        RCODE::ServerFailure => "SERVFAIL: it has a problem of its own",
        RCODE::NameError => "NXDOMAIN: there is no such name",
        RCODE::NotImplemented => "NOTIMP: it does not answer such questions",
        RCODE::Refused => "REFUSED: it does not answer us",
        _ => "an error",
    })
}

#[cfg(test)]
pub(super) mod tests;

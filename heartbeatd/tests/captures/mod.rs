//! Reads the recorded traffic of real heartbeat 3.0.6 nodes in `tests/fixtures/captures`.
#![allow(dead_code)] // each test program uses a part

use std::fs;
use std::path::{Path, PathBuf};

use heartbeatd::wire::{Key, Keys, Message, Method, Value};

/// One recorded datagram.
pub(crate) struct Capture {
    /// Where it stands, for messages of assertions.
    pub(crate) name: String,
    pub(crate) bytes: Vec<u8>,
    pub(crate) keys: Keys,
    /// Number, method and secret of the key, as words.
    pub(crate) key: (u8, String, String),
    /// Its fields in one line, as an independent decoder saw them.
    pub(crate) fields: String,
    /// Whether it carries the inner `auth` field.
    pub(crate) inner: bool,
}

impl Capture {
    pub(crate) fn is_compressed(&self) -> bool {
        self.fields.contains("_compression_algorithm=")
    }
    pub(crate) fn is_text(&self) -> bool {
        self.bytes.starts_with(b">>>\n")
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/captures").join(name)
}

/// `N METHOD [SECRET]` as in authkeys.
fn keys(line: &str) -> (Keys, (u8, String, String)) {
    let mut words = line.split_whitespace();
    let number = words.next().unwrap().parse().unwrap();
    let (word, secret) = (words.next().unwrap(), words.next().unwrap_or_default());
    let method = match word {
        "crc" => Method::Crc,
        "md5" => Method::Md5,
        "sha1" => Method::Sha1,
        other => panic!("method {other:?}"),
    };
    let ring = Keys::single(number, Key::new(method, secret).unwrap()).unwrap();
    (ring, (number, word.to_owned(), secret.to_owned()))
}

/// The golden vectors, one datagram a file; `fields` may be cut off at 230 characters.
pub(crate) fn golden() -> Vec<Capture> {
    let index = fs::read_to_string(folder("golden/INDEX.tsv")).unwrap();
    let lines = index.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let columns: Vec<&str> = line.split('\t').collect();
            let &[file, auth, _scenario, fields] = columns.as_slice() else { panic!("{line:?}") };
            let bytes = fs::read(folder("golden").join(file)).unwrap();
            let (keys, key) = keys(auth.split_once(" / ").unwrap().1);
            let inner = bytes.windows(8).any(|window| window == b":(0)auth");
            Capture { name: file.to_owned(), bytes, keys, key, fields: fields.to_owned(), inner }
        })
        .collect()
}

/// Every datagram of every transcript, in order.
pub(crate) fn transcripts() -> Vec<Capture> {
    let mut files: Vec<_> =
        fs::read_dir(folder("transcripts")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.iter().flat_map(|file| transcript(file)).collect()
}

fn transcript(file: &Path) -> Vec<Capture> {
    let text = fs::read_to_string(file).unwrap();
    let title = text.lines().next().unwrap();
    let (keys, key) = keys(title.split('"').nth(1).unwrap());
    let scenario = file.file_stem().unwrap().to_string_lossy();
    let lines: Vec<&str> = text.lines().collect();
    let blocks = lines.windows(3).filter(|block| block[1].starts_with("raw "));
    blocks
        .map(|block| Capture {
            name: format!("{scenario} {}", block[0].split(' ').next().unwrap()),
            bytes: unescape(&block[1][4..]),
            keys: keys.clone(),
            key: key.clone(),
            fields: block[2].strip_prefix("dec ").unwrap().to_owned(),
            inner: block[0].contains(" inner-auth=OK"),
        })
        .collect()
}

/// `\n`, `\\` and `\xHH`.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match (byte, byte == b'\\') {
            (byte, false) => byte,
            _ => match rest.next().unwrap() {
                b'n' => b'\n',
                b'\\' => b'\\',
                b'x' => {
                    let digits = [rest.next().unwrap(), rest.next().unwrap()];
                    u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                }
                other => panic!("escape \\{}", char::from(other)),
            },
        });
    }
    bytes
}

/// The fields of a message in the notation of the captures.
pub(crate) fn notation(message: &Message) -> String {
    let latin = |bytes: &[u8]| bytes.iter().map(|byte| char::from(*byte)).collect::<String>();
    let field = |(name, value): (&[u8], &Value)| {
        let name = latin(name);
        match value {
            Value::Binary(bytes) => {
                format!("(1){name}={}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>())
            }
            Value::Text(bytes) if bytes.is_empty() || bytes.contains(&b' ') => {
                format!("{name}='{}'", latin(bytes))
            }
            Value::Text(bytes) => format!("{name}={}", latin(bytes)),
            Value::Other { .. } => panic!("type {}", value.kind()),
        }
    };
    message.fields().map(field).collect::<Vec<_>>().join(" ")
}

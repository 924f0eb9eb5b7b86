//! What Perl takes in an expression and PCRE2 refuses, said in PCRE2's words: hyphens beside a class, two names of
//! characters, and places that are repeated (perlrecharclass, "Character Ranges"; perlunicode; pcre2compat).
//!
//! Deliberately other than Perl: `\Q...\E` quotes. In an expression that is read from a file Perl takes it for the letters
//! Q and E, which nobody can have meant.

/// The same expression for PCRE2. What Perl does not take either stays as it is.
pub(super) fn for_pcre2(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        match c {
            '[' => rest = class(rest, &mut out),
            _ if rest.starts_with("\\Q") => {
                let end = rest.find("\\E").map_or(rest.len(), |at| at + 2);
                rest = copy(rest, end, &mut out);
            }
            _ => {
                let before = out.len();
                rest = item(rest, &mut out).1;
                let place = matches!(
                    out.get(before..),
                    Some("^" | "$" | r"\A" | r"\z" | r"\Z" | r"\b" | r"\B" | r"\G")
                );
                if place && rest.starts_with(['*', '+', '?', '{']) {
                    out.insert_str(before, "(?:");
                    out.push(')');
                }
            }
        }
    }
    out
}

/// What stands in a class.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Item {
    /// A character, which may begin a range.
    Character,
    /// Many characters, such as `\w` and `[:alpha:]`: no end of a range.
    Many,
}

/// A class from its bracket on; returns what follows it. A hyphen is a plain one where a range has no two ends.
fn class<'t>(text: &'t str, out: &mut String) -> &'t str {
    let mut rest = copy(text, 1, out);
    if rest.starts_with('^') {
        rest = copy(rest, 1, out);
    }
    let mut before = None;
    if rest.starts_with(']') {
        (before, rest) = (Some(Item::Character), copy(rest, 1, out));
    } else if rest.starts_with(['.', '=', ':']) {
        out.push('\\'); // PCRE2 takes the bracket with it for a POSIX collating element
    }
    while let Some(c) = rest.chars().next() {
        match c {
            ']' => return copy(rest, 1, out),
            '-' if before.is_some() && !rest.starts_with("-]") => {
                let (next, _) = item(rest.get(1..).unwrap_or(""), &mut String::new());
                if before == Some(Item::Many) || next == Item::Many {
                    out.push('\\');
                    rest = copy(rest, 1, out);
                } else {
                    rest = item(copy(rest, 1, out), out).1;
                }
                before = None;
            }
            _ => {
                let (found, after) = item(rest, out);
                (before, rest) = (Some(found), after);
            }
        }
    }
    rest
}

/// One character, escape or POSIX class; returns what follows it.
fn item<'t>(text: &'t str, out: &mut String) -> (Item, &'t str) {
    if let Some(end) = text.strip_prefix("[:").and_then(|inner| inner.find(":]")) {
        return (Item::Many, copy(text, end + 4, out));
    }
    let mut chars = text.chars();
    let first = chars.next();
    if first != Some('\\') {
        return (Item::Character, copy(text, first.map_or(0, char::len_utf8), out));
    }
    let braced = |prefix: &str| {
        let inner = text.strip_prefix(prefix)?;
        inner.split_once('}').map(|(name, rest)| (name.to_owned(), rest))
    };
    if let Some((code, rest)) = braced("\\N{U+") {
        out.push_str(&format!("\\x{{{code}}}"));
        return (Item::Character, rest);
    }
    for property in ["\\p{", "\\P{"] {
        if let Some((name, rest)) = braced(property) {
            out.push_str(&format!("{property}{}}}", name.strip_prefix("Is").unwrap_or(&name)));
            return (Item::Many, rest);
        }
    }
    let escaped = chars.next();
    let found = match escaped {
        Some(c) if "wWdDsShHvVpP".contains(c) => Item::Many,
        _ => Item::Character,
    };
    let length = match braced("\\x{").or_else(|| braced("\\o{")) {
        Some((_, rest)) => text.len() - rest.len(),
        None => 1 + escaped.map_or(0, char::len_utf8),
    };
    (found, copy(text, length, out))
}

/// Copies so many bytes; returns the rest.
fn copy<'t>(text: &'t str, length: usize, out: &mut String) -> &'t str {
    let (taken, rest) = text.split_at_checked(length).unwrap_or((text, ""));
    out.push_str(taken);
    rest
}

#[cfg(test)]
mod tests {
    use super::super::Pattern;
    use std::io::Write;
    use std::process::{Command, Stdio};

    /// What Perl says of each expression and each text: 1, 0, or e for an expression it refuses.
    const PERL: &str = r#"no warnings; binmode STDIN; binmode STDOUT;
        my ($patterns, $texts) = map { [map { pack 'H*', substr $_, 1 } split ' '] } <STDIN>;
        for my $pattern (@$patterns) {
            print map { my $text = $_; my $is = eval { $text =~ /$pattern/ ? 1 : 0 }; defined $is ? $is : 'e' } @$texts;
            print "\n";
        }"#;
    const TEXTS: &[&[u8]] = &[
        b"",
        b"a",
        b"-",
        b"a-b",
        b"]",
        b"^",
        b"\\",
        b".",
        b"A1 b",
        b"abc\n",
        b"x\nabc",
        b"0",
        b"_",
        b"\xe9",
        b"\xc3\xa9z",
        b"HTTP/1.1 200 OK\r\n",
        b"aaa",
        b":",
        b"[",
        b"d",
    ];

    fn perl(patterns: &[String]) -> Vec<String> {
        let hex =
            |bytes: &[u8]| format!("x{}", bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
        let line = |all: Vec<String>| all.join(" ");
        let asked = line(patterns.iter().map(|pattern| hex(pattern.as_bytes())).collect());
        let texts = line(TEXTS.iter().map(|text| hex(text)).collect());
        let mut child = Command::new("perl")
            .args(["-e", PERL])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(format!("{asked}\n{texts}\n").as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }

    fn ours(pattern: &str) -> String {
        let told = |text: &&[u8]| match Pattern::new(pattern) {
            Ok(pattern) => {
                if pattern.is_match(text).unwrap() {
                    '1'
                } else {
                    '0'
                }
            }
            Err(_) => 'e',
        };
        TEXTS.iter().map(told).collect()
    }

    /// Written by a small generator of fixed sequence, so that each run asks the same.
    fn generated(count: usize) -> Vec<String> {
        const ATOMS: &[&str] = &[
            "a", "b", "-", ".", r"\d", r"\w", r"\s", r"\W", "^", "$", r"\.", r"\bab?", "(a|b)", "(?:a-b)",
            "(?i)H", r"\x41", r"\x{e9}", "200", " ", r"\]", "(?!x)", r"\A", r"\z", r"\h",
        ];
        const MEMBERS: &[&str] = &[
            "a",
            "b",
            "-",
            ".",
            r"\d",
            r"\w",
            r"\s",
            "[:alpha:]",
            "[:digit:]",
            "a-z",
            "0-9",
            r"\x41",
            r"\]",
            "^",
            ":",
            "A-Z",
            r"\-",
            "_",
        ];
        const TIMES: &[&str] = &["", "", "", "*", "+", "?", "{2}", "+?"];
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut pick = move |count: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed >> 33) as usize % count
        };
        let mut one = || {
            let mut pattern = String::new();
            for _ in 0..1 + pick(3) {
                if pick(2) == 0 {
                    pattern.push_str(ATOMS[pick(ATOMS.len())]);
                } else {
                    pattern.push_str(["[", "[^", "[]", "[^]"][pick(4)]);
                    (0..1 + pick(4)).for_each(|_| pattern.push_str(MEMBERS[pick(MEMBERS.len())]));
                    pattern.push(']');
                }
                pattern.push_str(TIMES[pick(TIMES.len())]);
            }
            pattern
        };
        (0..count).map(|_| one()).collect()
    }

    #[test]
    fn expressions_mean_what_they_mean_to_perl() {
        let by_hand = [
            r"[[:alpha:]\w-.]",
            r"[]\w-.]",
            r"[a-\d]",
            r"[\w-a-c]",
            r"[a-c-z]",
            r"[--a]",
            "[a-]",
            "[-a]",
            r"[^-\w]",
            "[[:alpha:]-z]",
            r"\N{U+41}",
            r"[\N{U+41}-C]",
            r"\p{IsAlpha}",
            r"^[\w-.]+$",
            "^OK$",
            r"a\Z",
            "(a)(?=b)",
            "a{",
            "a{1",
            "{a}",
            "*a",
            "a**",
            "(",
            "[a",
            "[z-a]",
            r"(a)\1",
            r"\1(a)",
            "a++b",
            "(?<x>a)\\k<x>",
            "(?|(a)|(b))",
            r"\R",
            r"\v",
            r"\N",
        ];
        let mut patterns: Vec<String> = by_hand.map(str::to_owned).to_vec();
        patterns.extend(generated(1_000));
        let answers = perl(&patterns);
        assert_eq!(answers.len(), patterns.len());
        let differ: Vec<String> = patterns
            .iter()
            .zip(answers)
            .filter(|(pattern, perl)| ours(pattern) != *perl)
            .map(|(pattern, perl)| format!("{pattern}\n  perl {perl}\n  ours {}", ours(pattern)))
            .collect();
        assert!(differ.is_empty(), "{} differ:\n{}", differ.len(), differ.join("\n"));
    }
}

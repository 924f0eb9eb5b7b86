//! The text of keepalived.conf as statements: words, and perhaps a block of statements.
//!
//! `#` and `!` begin a comment; a text in quotes is one word. `include` is followed, `$NAME=value` is put in where it is used. What
//! depends on the machine or is computed (`@id` lines, `~SEQ`) is left out, and said.

use super::super::{Notes, Place};
use config::{Source, Span};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Includes in includes.
const DEPTH: usize = 16;
/// Files, however they are included.
const FILES: usize = 500;
/// Blocks in blocks; what is deeper is no configuration.
const BLOCKS: usize = 32;

/// Words, and the block behind them.
#[derive(Clone, Debug)]
pub(in crate::import) struct Statement {
    /// At least one.
    pub(in crate::import) words: Vec<String>,
    /// Where the words are.
    pub(in crate::import) place: Place,
    /// What stands in braces.
    pub(in crate::import) block: Vec<Statement>,
}

impl Statement {
    /// The first word.
    pub(in crate::import) fn name(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// The word behind the first.
    pub(in crate::import) fn value(&self) -> &str {
        self.word(1)
    }

    /// A word, counted from 0; empty if there is none.
    pub(in crate::import) fn word(&self, index: usize) -> &str {
        self.words.get(index).map_or("", String::as_str)
    }

    /// Whether a switch is on: the word alone, or with a word for yes.
    pub(in crate::import) fn on(&self) -> bool {
        !matches!(self.value(), "no" | "off" | "false")
    }

    /// The last statement of this name in the block.
    pub(in crate::import) fn find(&self, name: &str) -> Option<&Statement> {
        self.block.iter().rev().find(|statement| statement.name() == name)
    }
}

/// Reads a file and what it includes.
pub(in crate::import) fn read(source: Source, notes: &mut Notes) -> Vec<Statement> {
    let mut reader = Reader { notes, variables: BTreeMap::new(), open: Vec::new(), done: Vec::new() };
    reader.file(source, 0);
    reader.finish()
}

struct Reader<'a> {
    notes: &'a mut Notes,
    variables: BTreeMap<String, String>,
    /// Blocks that are open.
    open: Vec<Statement>,
    done: Vec<Statement>,
}

impl Reader<'_> {
    fn file(&mut self, source: Source, depth: usize) {
        let folder = source.name().parent().unwrap_or(Path::new("")).to_owned();
        let file = self.notes.file(source.clone());
        let mut defining: Option<(String, String)> = None;
        for (start, line) in source.lines() {
            let place = Place { file, span: Span::new(start, start + line.trim_end().len()) };
            if let Some((name, mut value)) = defining.take() {
                value.push('\n');
                defining = self.define(name, value, line);
                continue;
            }
            let trimmed = line.trim_start();
            if let Some((name, value)) = definition(trimmed) {
                self.notes.look(place, &format!("${name}"), "a definition: it is put in where it is used");
                defining = self.define(name.to_owned(), String::new(), value);
                continue;
            }
            if trimmed.starts_with('@') {
                let advice = "put the line of this node into a file without @, and import that";
                self.notes.lost(
                    place,
                    trimmed.split_whitespace().next().unwrap_or("@"),
                    "a line for some nodes only was left out",
                    advice,
                );
                continue;
            }
            let line = self.expand(line, place);
            for part in line.split('\n') {
                self.line(part, place, &folder, depth);
            }
        }
    }

    /// A value, which goes on in the next line behind a backslash.
    fn define(&mut self, name: String, mut value: String, text: &str) -> Option<(String, String)> {
        let text = text.trim_end();
        match text.strip_suffix('\\') {
            Some(text) => {
                value.push_str(text);
                Some((name, value))
            }
            None => {
                value.push_str(text);
                self.variables.insert(name, value);
                None
            }
        }
    }

    fn expand(&mut self, line: &str, place: Place) -> String {
        let mut text = String::new();
        let mut rest = line;
        while let Some(at) = rest.find('$') {
            text.push_str(rest.get(..at).unwrap_or(""));
            let behind = rest.get(at + 1..).unwrap_or("");
            let (braced, inner) = behind.strip_prefix('{').map_or((false, behind), |inner| (true, inner));
            let length =
                inner.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(inner.len());
            let (name, after) = inner.split_at(length);
            let after = if braced { after.strip_prefix('}').unwrap_or(after) } else { after };
            match self.variables.get(name) {
                Some(value) => text.push_str(value),
                None => {
                    if !name.is_empty() {
                        self.notes.lost(
                            place,
                            &format!("${name}"),
                            "is not defined in these files",
                            "write its value",
                        );
                    }
                    text.push('$');
                    text.push_str(name);
                }
            }
            rest = after;
            // what puts itself in again and again is no configuration
            if text.len() > 64 * 1024 {
                return text.chars().take(64 * 1024).collect();
            }
        }
        text.push_str(rest);
        text
    }

    fn line(&mut self, line: &str, place: Place, folder: &Path, depth: usize) {
        let mut words = Vec::new();
        for token in tokens(line) {
            match token {
                Token::Word(word) => words.push(word),
                Token::Open => {
                    let head = self.head(std::mem::take(&mut words), place);
                    if self.open.len() < BLOCKS {
                        self.open.push(head);
                    }
                }
                Token::Close => {
                    self.statement(std::mem::take(&mut words), place);
                    if let Some(done) = self.open.pop() {
                        self.push(done);
                    }
                }
            }
        }
        let first = words.first().map_or("", String::as_str);
        if matches!(
            first,
            "include" | "include_check" | "includer" | "includem" | "includew" | "includeb" | "includea"
        ) && words.len() > 1
        {
            return self.include(&words, place, folder, depth);
        }
        self.statement(words, place);
    }

    /// The statement that a block belongs to: these words, or those of the line before.
    fn head(&mut self, words: Vec<String>, place: Place) -> Statement {
        if !words.is_empty() {
            return Statement { words, place, block: Vec::new() };
        }
        let before = self.open.last_mut().map_or(&mut self.done, |open| &mut open.block);
        before.pop().unwrap_or_else(|| Statement { words: vec![String::new()], place, block: Vec::new() })
    }

    fn statement(&mut self, words: Vec<String>, place: Place) {
        if !words.is_empty() {
            self.push(Statement { words, place, block: Vec::new() });
        }
    }

    fn push(&mut self, statement: Statement) {
        self.open.last_mut().map_or(&mut self.done, |open| &mut open.block).push(statement);
    }

    fn include(&mut self, words: &[String], place: Place, folder: &Path, depth: usize) {
        let pattern = words.get(1).map_or("", String::as_str);
        let found = files(&folder.join(pattern));
        if found.is_empty() {
            self.notes.lost(
                place,
                "include",
                format!("no file {pattern}"),
                "import the files on the machine that they are of",
            );
        }
        for path in found {
            if depth >= DEPTH || self.notes.files.len() >= FILES {
                return self.notes.lost(
                    place,
                    "include",
                    "too many files in files",
                    "does a file include itself?",
                );
            }
            match Source::read(&path) {
                Ok(source) => self.file(source, depth + 1),
                Err(error) => self.notes.lost(
                    place,
                    "include",
                    format!("{}: {error}", path.display()),
                    "let root read it",
                ),
            }
        }
    }

    fn finish(mut self) -> Vec<Statement> {
        while let Some(open) = self.open.pop() {
            self.notes.look(open.place, open.name(), "its block is not closed");
            self.push(open);
        }
        self.done
    }
}

/// `$NAME=value`.
fn definition(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.strip_prefix('$')?.split_once('=')?;
    let name = name.trim_end();
    let right = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    right.then_some((name, value.trim_start()))
}

/// The files that a path with `*` and `?` in its last part means, in order.
fn files(pattern: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (pattern.parent(), pattern.file_name()) else { return Vec::new() };
    let name = name.to_string_lossy().into_owned();
    if !name.contains(['*', '?']) {
        return if pattern.is_file() { vec![pattern.to_owned()] } else { Vec::new() };
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let fits = |path: &PathBuf| {
        path.is_file() && path.file_name().is_some_and(|file| matches(&name, &file.to_string_lossy()))
    };
    let mut found: Vec<PathBuf> = entries.filter(fits).collect();
    found.sort();
    found
}

/// Whether a name fits a pattern of `*` and `?`.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name): (Vec<char>, Vec<char>) = (pattern.chars().collect(), name.chars().collect());
    // which beginnings of the pattern fit the name so far
    let mut fits = vec![false; pattern.len() + 1];
    let skip_stars = |fits: &mut Vec<bool>| {
        for (at, c) in pattern.iter().enumerate() {
            if *c == '*' && fits.get(at) == Some(&true) {
                if let Some(next) = fits.get_mut(at + 1) {
                    *next = true;
                }
            }
        }
    };
    fits[0] = true;
    skip_stars(&mut fits);
    for letter in &name {
        let mut next = vec![false; pattern.len() + 1];
        for (at, c) in pattern.iter().enumerate().filter(|(at, _)| fits.get(*at) == Some(&true)) {
            match c {
                '*' => next[at] = true,
                '?' => next[at + 1] = true,
                c if c == letter => next[at + 1] = true,
                _ => {}
            }
        }
        fits = next;
        skip_stars(&mut fits);
    }
    fits.last() == Some(&true)
}

enum Token {
    Word(String),
    Open,
    Close,
}

fn tokens(line: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        match letter {
            '#' | '!' => break,
            '{' => tokens.push(Token::Open),
            '}' => tokens.push(Token::Close),
            c if c.is_whitespace() => {}
            '"' | '\'' => {
                let word: String = letters.by_ref().take_while(|c| *c != letter).collect();
                tokens.push(Token::Word(word));
            }
            c => {
                let mut word = String::from(c);
                while let Some(next) = letters.next_if(|c| !c.is_whitespace() && !"{}#!".contains(*c)) {
                    word.push(next);
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    tokens
}

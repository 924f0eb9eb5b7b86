//! What `check` says of a file, word for word: of one that has everything, and of one with many mistakes. The expected
//! words are in the folder `check` beside this file; with `DIRECTORD_GOLDEN=write` they are written anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test says what went wrong by failing

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What `check` says: exit code, standard output, standard error.
fn check(file: &str, options: &[&str]) -> (i32, String, String) {
    let folder = folder();
    let mut command = Command::new(env!("CARGO_BIN_EXE_directord"));
    command.args(["--run-dir", "/nonexistent", "--config-dir", "/nonexistent"]);
    let output = command.arg(folder.join(file)).arg("check").args(options).output().unwrap();
    // Where the suite lies is no part of the words.
    let text = |bytes: &[u8]| {
        String::from_utf8(bytes.to_vec()).unwrap().replace(&format!("{}/", folder.display()), "/etc/ha.d/")
    };
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check")
}

/// Compares with a file, or writes it.
fn golden(file: &str, found: &str) {
    let path = folder().join(file);
    if std::env::var_os("DIRECTORD_GOLDEN").is_some_and(|what| what == "write") {
        std::fs::write(&path, found).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(found, expected, "{}", path.display());
}

/// Without what the kernel of this machine is set to.
fn without_sysctls(text: &str) -> String {
    let lines = text.lines().filter(|line| !line.starts_with("warning: sysctl "));
    lines.map(|line| format!("{line}\n")).collect()
}

/// The same for a program.
fn json(text: &str) -> Value {
    let mut value: Value = serde_json::from_str(text).unwrap();
    assert!(value["sysctls"].take().is_array(), "{text}");
    value
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap() + "\n"
}

#[test]
fn a_plan_shows_all_that_has_an_effect() {
    let (code, plan, warnings) = check("rich.cf", &[]);
    assert_eq!((code, without_sysctls(&warnings).as_str()), (0, ""));
    golden("rich.txt", &plan);
    let (code, plan, warnings) = check("rich.cf", &["--json"]);
    assert_eq!((code, warnings.as_str()), (0, ""));
    let plan = json(&plan);
    assert!(!plan.to_string().contains("sesame"), "no password is shown");
    golden("rich.json", &pretty(&plan));
}

#[test]
fn every_mistake_is_shown_with_its_place_and_what_is_valid() {
    let (code, nothing, errors) = check("bad.cf", &[]);
    assert_eq!((code, nothing.as_str()), (2, ""));
    golden("bad.txt", &errors);
    let (code, errors, nothing) = check("bad.cf", &["--json"]);
    assert_eq!((code, nothing.as_str()), (2, ""));
    golden("bad.json", &pretty(&json(&errors)));
}

#[test]
fn warnings_are_for_programs_too_also_those_of_strict() {
    let of = |options: &[&str]| {
        let (code, text, nothing) = check("rich.cf", options);
        assert_eq!((code, nothing.as_str()), (0, ""));
        let value = json(&text);
        assert_eq!((&value["valid"], &value["config"]), (&true.into(), &"/etc/ha.d/rich.cf".into()));
        value["diagnostics"].as_array().unwrap().clone()
    };
    assert_eq!(of(&["--json"]), [Value::Null; 0]);
    let strict = of(&["--json", "--strict"]);
    assert!(strict.iter().all(|told| told["severity"] == "warning" && told["line"].is_u64()), "{strict:?}");
    assert!(strict.iter().any(|told| told["found"] == "\trise=3"), "{strict:?}");
}

#[test]
fn a_file_that_cannot_be_read_is_an_error_like_any_other() {
    let folder = std::env::temp_dir().join(format!("directord-check-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let file = folder.join("x.cf");
    std::fs::write(&file, "").unwrap();
    let run = |options: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_directord"));
        command.arg(&file).arg("check").args(options).output().unwrap()
    };
    let empty = run(&["--json"]);
    let value = json(&String::from_utf8(empty.stdout).unwrap());
    assert_eq!((empty.status.code(), &value["valid"]), (Some(0), &true.into()));
    assert_eq!(value["diagnostics"][0]["severity"], "warning");
    assert_eq!(value["services"], Value::Array(Vec::new()));
    std::fs::remove_dir_all(&folder).unwrap();
}

//! Where the programs of this build lie, and running a command of the machine.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::failure::{Context, Result, fail};

/// The directory of this build's programs: beside the running one, or beside the `deps` directory it runs from.
pub fn directory() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    let parent = own.parent().context(|| "the running program has no directory")?;
    let parent = if parent.ends_with("deps") { parent.parent().unwrap_or(parent) } else { parent };
    Ok(parent.to_path_buf())
}

/// The path of a program of this build.
pub fn find(name: &str) -> Result<PathBuf> {
    let path = directory()?.join(name);
    if path.is_file() {
        return Ok(path);
    }
    fail(format!(
        "{} is not built: run `cargo build --workspace` first, with the same profile",
        path.display()
    ))
}

/// The path of a program of the machine.
pub fn machine(name: &str) -> Result<PathBuf> {
    ["/usr/sbin", "/usr/bin", "/sbin", "/bin"]
        .iter()
        .map(|directory| Path::new(directory).join(name))
        .find(|path| path.is_file())
        .context(|| format!("this machine has no program `{name}`: install its Debian package"))
}

/// Run a command to its end; a failure tells its arguments and what it said.
pub fn run(command: &mut Command) -> Result<String> {
    let text = describe(command);
    let output = command.stdin(Stdio::null()).output().context(|| format!("cannot start `{text}`"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    fail(format!("`{text}` ended with {}: {}", output.status, said(&output)))
}

/// What a command said, on both channels.
pub fn said(output: &Output) -> String {
    let mut text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.push_str(&String::from_utf8_lossy(&output.stderr));
    text.trim().to_owned()
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

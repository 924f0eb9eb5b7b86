//! `demo [--fast] [--keep] DIRECTORY`: plays the story in a new lab with its files in DIRECTORY. `tests/demo` calls it where
//! there is a kernel with IPVS.

use std::path::PathBuf;
use std::process::ExitCode;

use lab::story::{Profile, play};

fn main() -> ExitCode {
    let (mut profile, mut keep, mut directory) = (Profile::Published, false, None);
    for word in std::env::args().skip(1) {
        match word.as_str() {
            "--fast" => profile = Profile::Fast,
            "--keep" => keep = true,
            path if !path.starts_with('-') && directory.is_none() => directory = Some(PathBuf::from(path)),
            _ => return usage(),
        }
    }
    let Some(directory) = directory else { return usage() };
    match play(profile, directory, keep) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("demo: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("usage: demo [--fast] [--keep] DIRECTORY");
    ExitCode::from(2)
}

//! `directord`, also called `ldirectord`: see the library.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    directord::main(std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()))
}

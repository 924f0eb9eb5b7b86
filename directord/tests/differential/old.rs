//! Debian's ldirectord, made quick enough for many runs in a kernel where a fork takes a fifth of a second.
//!
//! It starts ipvsadm three times for every edit. What is run here is the installed program with the two places where it reads the
//! table and the one where it changes it replaced: they pass the same arguments through a socket to this process, which starts
//! the same ipvsadm and passes back what it said. Nothing else of the program is changed.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

const INSTALLED: &str = "/usr/sbin/ldirectord";

/// In Perl: ask for a command; its exit status as `system` gives it, and its output.
const ASK: &str = r#"
sub differential_ask {
	my ($command) = @_;
	require IO::Socket::UNIX;
	my $socket = IO::Socket::UNIX->new(Peer => "@SOCKET@") or die "no answer at @SOCKET@: $!";
	print $socket "$command\n";
	$socket->flush();
	my @lines = <$socket>;
	my $status = shift @lines;
	return ($status + 0, join("", @lines));
}
sub differential_read {
	my ($status, $text) = differential_ask($_[1]);
	return open($_[0], "<", \$text);
}
sub differential_call {
	my ($status) = differential_ask(join(" ", @_));
	return $status;
}

"#;

/// Writes the program to a file, and answers it from then on.
pub fn prepare(program: &Path, socket: &Path) {
    let text = std::fs::read(INSTALLED).expect("Debian's package ldirectord is installed");
    let mut text = String::from_utf8_lossy(&text).into_owned();
    let replacements = [
        (r#"open($fh, "$IPVSADM -L -n 2>&1|")"#, r#"differential_read($fh, "$IPVSADM -L -n")"#),
        (
            r#"open($fh, "$IPVSADM -L -n --thresholds 2>&1|")"#,
            r#"differential_read($fh, "$IPVSADM -L -n --thresholds")"#,
        ),
        ("$status = system(@args);", "$status = differential_call(@args);"),
    ];
    for (from, to) in replacements {
        assert_eq!(text.matches(from).count(), 1, "{INSTALLED} is another version than expected: {from}");
        text = text.replace(from, to);
    }
    let ask = ASK.replace("@SOCKET@", &socket.display().to_string());
    let place = text.find("sub system_wrapper").expect("sub system_wrapper");
    text.insert_str(place, &ask);
    std::fs::write(program, text).unwrap();
    Command::new("chmod").arg("755").arg(program).status().unwrap();
    serve(UnixListener::bind(socket).unwrap());
}

fn serve(listener: UnixListener) {
    // What was read since the last change: nobody else changes this table.
    let read: Arc<Mutex<HashMap<String, Vec<u8>>>> = Arc::default();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let read = Arc::clone(&read);
            std::thread::spawn(move || answer(stream, &read));
        }
    });
}

fn answer(stream: UnixStream, read: &Mutex<HashMap<String, Vec<u8>>>) -> Option<()> {
    let mut line = String::new();
    BufReader::new(stream.try_clone().ok()?).read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (program, arguments) = (words.next()?, words.collect::<Vec<_>>());
    let mut read = read.lock().unwrap(); // one at a time, as ipvsadm itself would be by the kernel
    let reads = arguments.first() == Some(&"-L");
    if !reads {
        read.clear();
    }
    let said = match read.get(&line) {
        Some(said) => said.clone(),
        None => {
            let mut command = if program.ends_with("/ipvsadm") {
                let mut ipvsadm = Command::new(program);
                ipvsadm.args(&arguments);
                ipvsadm
            } else {
                // A `fallbackcommand` goes the same way, and is a line for the shell.
                let mut shell = Command::new("/bin/sh");
                shell.arg("-c").arg(&line);
                shell
            };
            let output = command.stdin(Stdio::null()).output().unwrap();
            // As wait(2) and Perl's `system` have it.
            let status = output.status.code().map_or(1, |code| code << 8);
            let said = [format!("{status}\n").into_bytes(), output.stdout].concat();
            if reads {
                read.insert(line.clone(), said.clone());
            }
            said
        }
    };
    (&stream).write_all(&said).ok()
}

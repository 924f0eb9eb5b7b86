//! The program itself: what it writes, what it says, and its exit status.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test says what went wrong by failing

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A directory that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = Folder(std::env::temp_dir().join(format!("ha-migrate-{name}-{}", std::process::id())));
        std::fs::create_dir_all(&folder.0).unwrap();
        folder
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn run(folder: &Path, arguments: &str, input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ha-migrate"));
    command.args(arguments.split(' ')).current_dir(folder);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // a program that refuses its command line does not read
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

#[test]
fn a_table_on_standard_input_becomes_a_file_that_check_accepts() {
    let folder = Folder::new("table");
    let table = "-A -t 192.0.2.1:80 -s wlc\n-a -t 192.0.2.1:80 -r 192.0.2.11:80 -g -w 1\n";
    let arguments = "import ipvsadm - --output new";
    let output = run(&folder.0, arguments, table);
    assert_eq!(code(&output), 0, "{}", String::from_utf8_lossy(&output.stderr));
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("directord --config-dir new ldirectord.cf check")
    );
    let text = std::fs::read_to_string(folder.0.join("new/ldirectord.cf")).unwrap();
    assert!(text.contains("real=192.0.2.11:80 gate 1"), "{text}");
    let output = run(&folder.0, "check new", "");
    assert_eq!(code(&output), 0, "{}", String::from_utf8_lossy(&output.stdout));

    let again = run(&folder.0, arguments, table);
    assert_eq!(code(&again), 3);
    assert!(String::from_utf8_lossy(&again.stderr).contains("--force"));
    assert_eq!(
        code(&run(&folder.0, "import ipvsadm - --output new --force", &(table.to_owned() + "nonsense\n"))),
        1
    );
}

#[test]
fn a_pair_is_written_only_for_two_names() {
    let folder = Folder::new("pair");
    let text =
        "vrrp_instance V {\n state MASTER\n interface lo\n virtual_ipaddress {\n 192.0.2.1/24\n }\n}\n";
    let import = "import keepalived - --output new --node alpha";
    assert_eq!(code(&run(&folder.0, import, text)), 3, "nothing to write without a peer");
    assert_eq!(code(&run(&folder.0, &format!("{import} --peer alpha"), text)), 3);
    assert_eq!(code(&run(&folder.0, &format!("{import} --peer b;c"), text)), 3);
    assert!(!folder.0.join("new").exists());
    assert_eq!(code(&run(&folder.0, &format!("{import} --peer beta --json"), text)), 0);
    let output = run(&folder.0, "check new --json", "");
    assert_eq!(code(&output), 0, "{}", String::from_utf8_lossy(&output.stdout));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((json["node"].as_str(), json["counts"]["change"].as_u64()), (Some("alpha"), Some(0)));
}

/// What keepalived's programs said, the script says where the files are copied to, and the staging directory is gone.
#[test]
fn what_is_imported_works_where_it_is_copied_to() {
    let folder = Folder::new("copy");
    let server = |last: u8, path: &str| {
        format!("real_server 192.0.2.{last} 80 {{\n MISC_CHECK {{\n misc_path \"{path}\"\n }}\n }}\n")
    };
    let text = format!(
        "virtual_server 192.0.2.100 80 {{\n {}{}}}\n",
        server(11, "/bin/sh -c 'exit 0'"),
        server(12, "/bin/sh -c 'exit 1'")
    );
    let import = "import keepalived - --output new --install-dir etc";
    let output = run(&folder.0, import, &text);
    assert_eq!(code(&output), 0, "{}", String::from_utf8_lossy(&output.stdout));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let etc = folder.0.join("etc");
    assert!(said.contains(&format!("a script in {}/checks: copy it", etc.display())), "{said}");
    assert!(said.contains("They belong into etc of both nodes, with checks."), "{said}");
    assert!(
        Command::new("cp").arg("-r").args(["new", "etc"]).current_dir(&folder.0).status().unwrap().success()
    );
    std::fs::remove_dir_all(folder.0.join("new")).unwrap();

    let config = std::fs::read_to_string(etc.join("ldirectord.cf")).unwrap();
    let program = config.lines().find_map(|line| line.trim().strip_prefix("checkcommand=")).unwrap();
    let up = |server: &str| {
        let mut check = Command::new(program);
        check.args(["192.0.2.100", "80", server, "80"]).status().unwrap().success()
    };
    assert!(up("192.0.2.11") && !up("192.0.2.12") && !up("192.0.2.13"));
    let checked = run(&folder.0, "check etc", "");
    assert_eq!(code(&checked), 0);
    assert!(!String::from_utf8_lossy(&checked.stdout).contains("does not exist"));

    let output = run(&folder.0, "import keepalived - --output other", &text);
    assert_eq!(code(&output), 0);
    let config = std::fs::read_to_string(folder.0.join("other/ldirectord.cf")).unwrap();
    assert!(config.contains("checkcommand=/etc/ha.d/checks/tcp-192.0.2.100-80\n"), "{config}");
}

#[test]
fn what_cannot_be_done_has_an_exit_status_of_its_own() {
    let folder = Folder::new("nothing");
    assert_eq!(code(&run(&folder.0, "check .", "")), 3);
    assert_eq!(code(&run(&folder.0, "check nowhere", "")), 3);
    assert_eq!(code(&run(&folder.0, "import keepalived nowhere --output new", "")), 3);
    assert_eq!(code(&run(&folder.0, "import ipvsadm", "")), 2);
    std::fs::write(folder.0.join("ldirectord.cf"), "virtual=192.0.2.1\n").unwrap();
    assert_eq!(code(&run(&folder.0, "check .", "")), 1);
}

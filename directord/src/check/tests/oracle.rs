//! Service `oracle`: the program that asks, and its password. sqlplus cannot be had freely: a stand-in shows what
//! it would be told.

use super::*;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder that is removed with the test.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let folder = std::env::temp_dir().join(format!("directord-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Folder(folder)
    }

    fn program(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        // Written by another program: a file that this one has open for writing could not be run by its children.
        let status = Command::new("/bin/sh")
            .args(["-c", r#"printf %s "$2" >"$1""#, "sh"])
            .args([path.as_os_str(), text.as_ref()])
            .status();
        assert!(status.unwrap().success());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[tokio::test]
async fn a_script_finds_arguments_and_password_and_its_code_counts() {
    let folder = Folder::new("script");
    let check = r#"#!/bin/sh
        [ "$1|$2|$CHECK_PASSWORD" = "192.0.2.1|SELECT 1|it's secret" ] && exit "$3"
        exit 99"#;
    let program = folder.program("check", check);
    let run = |program: &Path, code: &str| {
        Kind::Script(Box::new(Script {
            service: crate::config::model::ServiceName::Oracle,
            program: program.into(),
            arguments: ["192.0.2.1", "SELECT 1", code].map(str::to_owned).into(),
            password: Secret::new("it's secret"),
            timeout: Duration::from_secs(30),
        }))
    };
    assert_eq!(run(&program, "0").name(), "oracle");
    assert_eq!(outcome(run(&program, "0")).await, Outcome::Passed);
    assert_eq!(outcome(run(&program, "1")).await, Outcome::Exited(1));
    let missing = outcome(run(&folder.0.join("missing"), "0")).await;
    assert!(matches!(missing, Outcome::NotStarted(_)), "{missing:?}");
    let plan = serde_json::to_string(&run(&program, "0")).unwrap();
    assert!(
        !plan.contains("secret\"") && !format!("{:?}", run(&program, "0")).contains("it's secret"),
        "{plan}"
    );
}

/// Runs etc/checks/check-oracle with a sqlplus that notes what it is given and answers this.
fn check_oracle(folder: &Folder, answer: &str, login: &str, password: Option<&str>) -> (Output, String) {
    folder.program("answer", answer);
    let text = "#!/bin/sh\nhere=$(dirname \"$0\")\necho \"$*\" >\"$here/given\"\ncat >>\"$here/given\"\ncat \"$here/answer\"\n";
    folder.program("sqlplus", text);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../etc/checks/check-oracle");
    let mut command = Command::new("/bin/sh");
    command.arg(script).args(["2001:db8::1", "1521", "XE", login, "SELECT name FROM nodes; "]);
    command.env("PATH", format!("{}:/usr/bin:/bin", folder.0.display())).env_remove("CHECK_PASSWORD");
    match password {
        Some(password) => command.env("CHECK_PASSWORD", password).stdin(std::process::Stdio::null()),
        None => command.stdin(std::fs::File::open(folder.0.join("password")).unwrap()),
    };
    let output = command.output().unwrap();
    let given = std::fs::read_to_string(folder.0.join("given")).unwrap_or_default();
    let _ = std::fs::remove_file(folder.0.join("given"));
    (output, given)
}

#[test]
fn check_oracle_tells_sqlplus_everything_on_its_input_and_wants_a_row() {
    let folder = Folder::new("oracle");
    let (output, given) = check_oracle(&folder, "alpha\n\n1 row selected.\n\n", "checker", Some("it's & 1"));
    assert!(output.status.success(), "{output:?}");
    let (arguments, input) = given.split_once('\n').unwrap();
    assert_eq!(arguments, "-S -L /nolog");
    assert!(input.contains(
        "CONNECT checker/\"it's & 1\"@\"(DESCRIPTION=(ADDRESS=(PROTOCOL=TCP)(HOST=[2001:db8::1])(PORT=1521))(CONNECT_DATA=(SID=XE)))\"\nSELECT name FROM nodes;\n"
    ), "{input}");
    let (output, _) = check_oracle(&folder, "a\nb\n\n20 rows selected.\n", "checker", Some("x"));
    assert!(output.status.success(), "{output:?}");
    for (answer, words) in [
        ("\nno rows selected\n\n", "no rows selected"),
        ("ERROR:\nORA-01017: invalid username/password; logon denied\n", "ORA-01017"),
        ("", ""),
    ] {
        let (output, _) = check_oracle(&folder, answer, "checker", Some("x"));
        assert_eq!(output.status.code(), Some(1), "{answer}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(words), "{output:?}");
    }
}

#[test]
fn check_oracle_takes_the_password_from_its_input_and_no_commands_from_anywhere() {
    let folder = Folder::new("oracle-input");
    folder.program("password", "from input\nignored\n");
    let (output, given) = check_oracle(&folder, "1 row selected.\n", "checker", None);
    assert!(output.status.success() && given.contains("/\"from input\"@"), "{given}");
    for (login, password) in
        [("a/b@c", "x"), ("", "x"), ("checker", "x\"\nHOST reboot"), ("a\nHOST reboot", "x")]
    {
        let (output, given) = check_oracle(&folder, "1 row selected.\n", login, Some(password));
        assert_eq!((output.status.code(), given.as_str()), (Some(2), ""), "{login}");
    }
}

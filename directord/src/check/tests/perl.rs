//! `checktype=external-perl`: what each way to end a script means. The cases are those of ldirectord, which evaluates the
//! script as the body of a subroutine.

use super::*;
use crate::config::plan::Check;
use crate::config::{Source, SystemNames, load_source};

/// Runs a script as the real server's check, as the configuration describes it.
async fn perl(name: &str, script: &str) -> Outcome {
    let file = std::env::temp_dir().join(format!("directord-perl-{name}-{}", std::process::id()));
    std::fs::write(&file, script).unwrap();
    let text = format!(
        "checktimeout=60\nvirtual=192.0.2.1:80\n\treal=192.0.2.2:8080 gate\n\tchecktype=external-perl\n\
         \tcheckcommand={}\n",
        file.display()
    );
    let loaded = load_source(Source::new("test.cf", &text), &SystemNames::load()).unwrap();
    let Check::Probe(probe) = &loaded.plan.services[0].reals[0].check else { panic!("no check in {text}") };
    let ended = outcome(probe.kind.clone()).await;
    std::fs::remove_file(&file).unwrap();
    ended
}

#[tokio::test]
async fn the_script_is_told_which_server_it_checks() {
    let script = r#"exit(join(" ", @ARGV) eq "192.0.2.1 80 192.0.2.2 8080" ? 0 : 1);"#;
    assert_eq!(perl("arguments", script).await, Outcome::Passed);
    let script = r#"exit(join(" ", @ARGV) eq "192.0.2.1 80 192.0.2.2 8081" ? 0 : 1);"#;
    assert_eq!(perl("other-arguments", script).await, Outcome::Exited(1));
}

#[tokio::test]
async fn a_script_that_comes_to_its_end_is_up() {
    assert_eq!(perl("end", "my $sum = 1 + 1;\n0;\n").await, Outcome::Passed);
    assert_eq!(perl("empty", "").await, Outcome::Passed);
    assert_eq!(perl("exit", "exit;\n").await, Outcome::Passed);
    for (name, script) in [("return", "return;\n"), ("return-0", "return 0;\n"), ("return-5", "return 5;\n")]
    {
        assert_eq!(perl(name, script).await, Outcome::Passed, "{script}");
    }
}

#[tokio::test]
async fn an_exit_code_is_down() {
    assert_eq!(
        perl("code", "use strict;\nuse warnings;\nsub ended { exit 3 }\nended();\n").await,
        Outcome::Exited(3)
    );
}

#[tokio::test]
async fn a_script_that_dies_is_down() {
    assert_eq!(perl("die", "$! = 2;\ndie \"no answer\\n\";\n").await, Outcome::Exited(255));
    assert_eq!(perl("caught", "eval { die \"no answer\\n\" };\nexit($@ ? 0 : 1);\n").await, Outcome::Passed);
}

#[tokio::test]
async fn a_script_that_is_no_perl_is_down() {
    assert_eq!(perl("syntax", "exit 0;\nmy $sum = ;\n").await, Outcome::Exited(255));
    assert_eq!(perl("module", "use No::Such::Module;\nexit 0;\n").await, Outcome::Exited(255));
}

/// What is written for Perl itself: a first line with switches, data behind the end, a name to be called by.
#[tokio::test]
async fn scripts_for_the_command_line_work_too() {
    assert_eq!(perl("switches", "#!/usr/bin/perl -T\nexit 0;\n").await, Outcome::Passed);
    let data = "local $/;\nexit(<DATA> eq \"one\\ntwo\\n\" ? 0 : 1);\n__DATA__\none\ntwo\n";
    assert_eq!(perl("data", data).await, Outcome::Passed);
    let own = "exit($0 =~ m{^/.*directord-perl-name} && __FILE__ eq $0 ? 0 : 1);\n";
    assert_eq!(perl("name", own).await, Outcome::Passed);
    assert_eq!(perl("killed", "kill 9, $$;\nsleep 60;\n").await, Outcome::Killed(9));
}

#[tokio::test]
async fn a_script_that_is_not_there_is_down() {
    let command = ["perl", "/nonexistent/check.pl", "192.0.2.1", "80", "192.0.2.2", "8080"];
    let command = command.map(str::to_owned).into();
    let missing = Kind::External { command, timeout: 30 * LIMIT, weighs: false };
    assert_eq!(outcome(missing).await, Outcome::Exited(2));
}

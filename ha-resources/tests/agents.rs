//! The agents that need no script, with the real kernel, nft and OCF agents of this machine.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a laboratory that cannot be built fails the test")]

mod lab;

use ha_resources::event::GroupResult;
use lab::wire::Wire;
use lab::{Lab, ran, soon};
use std::fs;

#[test]
fn a_shortened_ipv6_address_is_held_and_announced() {
    let lab = Lab::new();
    lab.haresources("alpha IPv6addr::2001:db8::10/64/va\n");
    let ran = lab.run("takenode alpha");
    assert_eq!((ran.code, ran.groups()), (0, vec![GroupResult::Held]), "{ran:?}");
    assert!(lab.has("2001:db8::10/64"), "{:?}", lab.addresses());
    assert_eq!(lab.text("status IPv6addr::2001:db8:0:0:0:0:0:10").code, 0);
    assert_eq!(lab.run("givenode alpha").code, 0);
    assert!(!lab.has("2001:db8::10"));
}

/// Source address of each route, as `ip route` shows it.
fn sources(lab: &Lab) -> Vec<String> {
    let text = lab.ip("route show");
    let mut all: Vec<String> = text
        .lines()
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let source = words.iter().position(|word| *word == "src").and_then(|at| words.get(at + 1));
            format!("{} {}", words.first().unwrap(), source.unwrap_or(&"-"))
        })
        .collect();
    all.sort();
    all
}

#[test]
fn the_source_address_of_the_default_route_comes_and_goes_with_the_group() {
    let lab = Lab::new();
    lab.ip("route add default via 192.0.2.2 dev va");
    let usual = ["192.0.2.0/24 192.0.2.1", "default -"];
    assert_eq!(sources(&lab), usual);
    lab.haresources("alpha 192.0.2.10/24/va IPsrcaddr::192.0.2.10\n");
    let group = lab.run("takenode alpha");
    assert_eq!(group.code, 0, "{group:?}");
    assert_eq!(sources(&lab), ["192.0.2.0/24 192.0.2.10", "default 192.0.2.10"]);
    assert_eq!(lab.text("status IPsrcaddr::192.0.2.10").code, 0);
    let again = lab.run("takenode alpha");
    assert_eq!(again.steps().last().map(String::as_str), Some("IPsrcaddr::192.0.2.10 start already"));
    assert_eq!(lab.run("givenode alpha").code, 0);
    assert_eq!(sources(&lab), usual);
    assert_eq!(lab.text("status IPsrcaddr::192.0.2.10").code, 3);

    // When the addresses go first the kernel would take the default route with them.
    assert_eq!(lab.run("takenode alpha").code, 0);
    assert_eq!(lab.run("yieldnode alpha").code, 0);
    assert_eq!(sources(&lab), usual);

    lab.haresources("alpha IPsrcaddr::192.0.2.10 192.0.2.10/24/va\n");
    let wrong = lab.run("takenode alpha");
    assert_eq!(wrong.code, 1);
    assert!(wrong.detail().contains("has to stand before IPsrcaddr::192.0.2.10"), "{}", wrong.detail());
}

#[test]
fn the_source_address_of_an_ipv6_default_route() {
    let lab = Lab::new();
    lab.ip("-6 address add 2001:db8::1/64 dev va nodad");
    lab.ip("-6 route add default via 2001:db8::2 dev va metric 512");
    lab.haresources("alpha IPv6addr::2001:db8::10/64/va IPsrcaddr::2001:db8::10\n");
    let group = lab.run("takenode alpha");
    assert_eq!(group.code, 0, "{group:?}");
    let default = || lab.ip("-6 route show default");
    assert!(default().contains("via 2001:db8::2 dev va src 2001:db8::10 metric 512"), "{}", default());
    assert_eq!(lab.run("givenode alpha").code, 0);
    assert!(default().contains("via 2001:db8::2 dev va") && !default().contains("src"), "{}", default());
}

#[test]
fn a_delay_waits_once_and_is_ended_by_a_group_that_is_not_wanted_any_more() {
    let lab = Lab::new();
    lab.haresources("alpha Delay::0.3::0\n");
    let first = lab.run("takenode alpha");
    assert_eq!(first.steps(), ["Delay::0.3::0 start done"]);
    assert!(first.took.as_millis() >= 300, "{:?}", first.took);
    assert_eq!(lab.run("takenode alpha").steps(), ["Delay::0.3::0 start already"]);
    assert_eq!(lab.text("status Delay::0.3::0").code, 0);
    assert_eq!(lab.run("givenode alpha").steps(), ["Delay::0.3::0 stop done"]);
    assert_eq!(lab.text("status Delay::0.3::0").code, 3);

    lab.haresources("alpha Delay::3600::0\n");
    let mut command = lab.command();
    let child =
        command.args(["--json", "takenode", "alpha"]).stdout(std::process::Stdio::piped()).spawn().unwrap();
    assert!(soon(|| lab.run("statgroup Delay::3600::0").code == 0 && lab.dir.join("run/groups").exists()));
    // The signal is a wish from the moment on that the group is locked.
    let pid = rustix::process::Pid::from_child(&child);
    assert!(soon(|| fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap().lines().any(
        |line| {
            line.strip_prefix("SigCgt:")
                .is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).unwrap() & (1 << 14) != 0)
        }
    )));
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("it is no longer wanted here"));
}

#[test]
fn mail_leaves_in_the_background_once_for_each_move() {
    let lab = Lab::new();
    let program = lab.write_script(
        &lab.dir.join("sendmail"),
        "echo \"$*\" >> $DIR/mail; cat >> $DIR/mail; echo . >> $DIR/mail",
    );
    lab.haresources("alpha MailTo::root@example.org,ops@example.org::Web\n");
    let run = |verb: &str| ran(lab.command().env("SENDMAIL", &program).args(["--json", verb, "alpha"]));
    let count = || lab.read("mail").lines().filter(|line| *line == ".").count();
    assert_eq!(run("takenode").steps(), ["MailTo::root@example.org,ops@example.org::Web start done"]);
    assert!(soon(|| count() == 1), "{}", lab.read("mail"));
    let text = lab.read("mail");
    assert!(
        text.starts_with("-i -- root@example.org ops@example.org\nTo: root@example.org, ops@example.org\n"),
        "{text}"
    );
    assert!(text.contains("\nSubject: Web Takeover in progress on alpha\n"), "{text}");
    assert_eq!(run("takenode").steps(), ["MailTo::root@example.org,ops@example.org::Web start already"]);
    assert_eq!(run("givenode").code, 0);
    assert!(soon(|| count() == 2), "{}", lab.read("mail"));
    assert!(lab.read("mail").contains("\nSubject: Web Migrating resource away from alpha\n"));

    // No mail program, no failure.
    let none = ran(lab.command().env("SENDMAIL", "/nonexistent").args(["--json", "takenode", "alpha"]));
    assert_eq!(none.groups(), [GroupResult::Held]);
}

#[test]
fn an_address_is_announced_where_it_is_not_held() {
    let lab = Lab::new();
    let mut wire = Wire::listen(&lab);
    lab.haresources("alpha SendArp::192.0.2.77/va\n");
    assert_eq!(lab.run("takenode alpha").groups(), [GroupResult::Held]);
    // A request and a reply, four times. The sender's address is at byte 28 of the frame.
    let mut announced =
        || wire.seen().iter().filter(|(_, frame)| frame.get(28..32) == Some(&[192, 0, 2, 77])).count();
    assert!(soon(|| announced() == 8), "{}", announced());
    assert!(!lab.has("192.0.2.77"));
    assert_eq!(lab.text("status SendArp::192.0.2.77/va").code, 0);
    assert_eq!(lab.run("givenode alpha").code, 0);
    let ran = lab.run("status SendArp::192.0.2.77/nosuch");
    assert_eq!(ran.code, 3);
    lab.haresources("alpha SendArp::192.0.2.77/nosuch\n");
    assert_eq!(lab.run("takenode alpha").groups(), [GroupResult::Failed]);
}

#[test]
fn a_held_port_drops_while_the_group_moves() {
    let lab = Lab::new();
    // What each step sees: whether the port is held.
    lab.script("look", "nft list tables | grep -c ha_portblock_tcp_80 >> $DIR/seen; case $2 in status) echo stopped;; esac; exit 0");
    lab.haresources("alpha portblock::tcp::80::block look::x portblock::tcp::80::unblock\n");
    let seen = || {
        let text = lab.read("seen");
        let _ = fs::remove_file(lab.dir.join("seen"));
        text.lines().last().map(str::to_owned)
    };
    let tables = || lab.runs("nft list tables");
    assert_eq!(lab.run("takenode alpha").groups(), [GroupResult::Held]);
    assert_eq!(seen().as_deref(), Some("1"), "it is held while the service starts");
    assert_eq!(tables(), "", "and let through when the group is here");
    for half in ["block", "unblock"] {
        assert_eq!(lab.text(&format!("status portblock::tcp::80::{half}")).code, 0, "{half}");
    }
    assert_eq!(lab.run("givenode alpha").groups(), [GroupResult::Released]);
    assert_eq!(seen().as_deref(), Some("1"), "it is held while the service stops");
    assert_eq!(tables(), "");

    // A life that ended in the middle leaves nothing behind.
    assert_eq!(lab.run("takenode alpha").code, 0);
    lab.runs("nft add table inet ha_portblock_tcp_80");
    fs::remove_dir_all(lab.dir.join("run")).unwrap();
    assert_eq!(lab.run("clearnode alpha").code, 0);
    assert_eq!(tables(), "");
}

#[test]
fn an_ocf_agent_is_believed_by_its_exit_code() {
    let lab = Lab::new();
    let state = lab.dir.join("state");
    lab.haresources(&format!(
        "alpha ocf:heartbeat:Dummy::state={0} ocf:heartbeat:Dummy::state={0}2\n",
        state.display()
    ));
    let first = format!("ocf:heartbeat:Dummy::state={}", state.display());
    assert_eq!(lab.text(&format!("status {first}")).code, 3);
    let taken = lab.run("takenode alpha");
    assert_eq!(taken.groups(), [GroupResult::Held], "{taken:?}");
    assert!(state.exists());
    let ran = lab.text(&format!("status {first}"));
    assert_eq!((ran.code, ran.out.contains("it runs")), (0, true), "{}", ran.out);
    assert_eq!(lab.run("givenode alpha").groups(), [GroupResult::Released]);
    assert!(!state.exists());
}

/// An agent of the laboratory's own, for what real ones do rarely.
fn agents(lab: &Lab, body: &str) -> std::path::PathBuf {
    let folder = lab.dir.join("ocf/resource.d/example");
    fs::create_dir_all(&folder).unwrap();
    lab.write_script(&folder.join("Odd"), body);
    lab.dir.join("ocf")
}

#[test]
fn the_exit_codes_of_an_ocf_agent_are_said_in_words() {
    let lab = Lab::new();
    let root = agents(
        &lab,
        "case $1 in start) echo Running OK; echo no licence >&2; exit 5;; stop) exit 1;; monitor) exit ${OCF_RESKEY_monitor:-7};; *) exit 3;; esac",
    );
    let run = |verb: &str, what: &str| ran(lab.command().env("OCF_ROOT", &root).args(["--json", verb, what]));
    lab.haresources("alpha ocf:example:Odd\n");
    let taken = run("takenode", "alpha");
    assert_eq!(taken.steps(), ["ocf:example:Odd start failed", "ocf:example:Odd stop done"], "{taken:?}");
    assert_eq!(taken.detail(), "a program that the agent needs is not installed (exit code 5): no licence");
    for (code, exit, words) in [
        (0, 0, "it runs"),
        (7, 3, "it does not run"),
        (8, 0, "promoted"),
        (6, 3, "the parameters are wrong"),
        (190, 0, "not well"),
    ] {
        let status = run("status", &format!("ocf:example:Odd::monitor={code}"));
        assert_eq!(status.code, exit, "{code}");
        assert!(status.out.contains(words), "{code}: {}", status.out);
        assert_eq!(
            status.out.contains("\"running\""),
            code != 6,
            "what it does not know it does not say: {}",
            status.out
        );
    }
    let missing = run("takenode", "alpha");
    assert_eq!(missing.code, 1);
    lab.haresources("alpha ocf:example:Od\n");
    let missing = run("takenode", "alpha");
    assert!(missing.detail().contains("did you mean \"Odd\"?"), "{}", missing.detail());
}

#[test]
fn an_ocf_agent_gets_the_time_that_its_meta_data_asks_for() {
    let lab = Lab::new();
    let root = agents(
        &lab,
        "case $1 in meta-data) echo '<resource-agent name=\"Odd\"><actions><action name=\"start\" timeout=\"60s\"/></actions></resource-agent>';;
         start) sleep 1;; stop) sleep 60;; monitor) exit 0;; esac",
    );
    lab.haresources("alpha ocf:example:Odd\n");
    let run = |verb: &str| {
        ran(lab.command().env("OCF_ROOT", &root).args(["--json", "--script-limit", "0.3", verb, "alpha"]))
    };
    assert_eq!(run("takenode").steps(), ["ocf:example:Odd start done"]);
    assert_eq!(run("givenode").steps(), ["ocf:example:Odd stop timeout"]);
}

#[test]
fn check_knows_an_ocf_agents_parameters() {
    let lab = Lab::new();
    lab.haresources("alpha ocf:heartbeat:Filesystem::device=/dev/null::directry=/srv::fstype=ext4\n");
    let ran = lab.text("check");
    assert_eq!(ran.code, 0);
    for part in [
        "haresources:1:",
        "the agent Filesystem has no parameter directry",
        "did you mean \"directory\"?",
        "needs the parameter directory",
    ] {
        assert!(ran.err.contains(part), "{part} is missing in\n{}", ran.err);
    }
}

#[test]
fn the_old_names_of_ocf_agents_need_no_script_and_an_own_script_goes_first() {
    let lab = Lab::new();
    let by = |text: &str| {
        let ran = lab.text(&format!("plan takegroup {text}"));
        assert_eq!(ran.code, 0, "{ran:?}");
        ran.out
    };
    lab.haresources(
        "alpha Filesystem::/dev/vg/data::/srv::ext4\nalpha MailTo::root\nalpha LVSSyncDaemonSwap::master\n",
    );
    assert!(
        by("Filesystem::/dev/vg/data::/srv::ext4").contains("(/usr/lib/ocf/resource.d/heartbeat/Filesystem)")
    );
    assert!(
        by("MailTo::root").contains("(built in)") && by("LVSSyncDaemonSwap::master").contains("(built in)")
    );
    // Debian's wrapper changes nothing.
    lab.script("MailTo", ". /etc/ha.d/resource.d//hto-mapfuncs\nra_execocf $cmd");
    assert!(by("MailTo::root").contains("(built in)"));
    lab.service("LVSSyncDaemonSwap");
    assert!(by("LVSSyncDaemonSwap::master").contains("/resource.d/LVSSyncDaemonSwap)"));
    assert_eq!(lab.run("takegroup LVSSyncDaemonSwap::master").code, 0);
    assert_eq!(lab.log(), ["LVSSyncDaemonSwap master start"]);
}

#[test]
fn an_instance_of_the_old_ocf_script_is_set_by_its_file() {
    let lab = Lab::new();
    fs::create_dir_all(lab.dir.join("conf/OCF/Dummy")).unwrap();
    let state = lab.dir.join("state-of-one");
    fs::write(
        lab.dir.join("conf/OCF/Dummy/one"),
        format!("# an example\nOCF_RESKEY_state=\"{}\"\n", state.display()),
    )
    .unwrap();
    lab.haresources("alpha OCF::Dummy::one\n");
    assert_eq!(lab.run("takenode alpha").groups(), [GroupResult::Held]);
    assert!(state.exists());
    assert_eq!(lab.text("status OCF::Dummy::one").code, 0);
    assert_eq!(lab.run("givenode alpha").groups(), [GroupResult::Released]);
    assert!(!state.exists());
}

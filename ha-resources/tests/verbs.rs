//! What the questions print, for people and for the old callers.

mod lab;

use ha_resources::event::GroupResult;
use lab::Lab;

const FILE: &str = "\
# two groups at home here, one there
Alpha 192.0.2.10/24/va web::1   # the site
alpha IPaddr2::192.0.2.11/24/va \\
      web::2
beta  IPaddr2::192.0.2.20/24/va
";

#[test]
fn the_lists_are_those_of_resourcemanager() {
    let lab = Lab::new();
    lab.haresources(FILE);
    for (verb, out) in [
        ("allkeys", "192.0.2.10/24/va\nIPaddr2::192.0.2.11/24/va\nIPaddr2::192.0.2.20/24/va\n"),
        ("listkeys ALPHA", "192.0.2.10/24/va\nIPaddr2::192.0.2.11/24/va\n"),
        ("listkeys .*", ""),
        ("listkeys b.ta", "IPaddr2::192.0.2.20/24/va\n"),
        ("listkeys gamma", ""),
        ("ourkeys", "192.0.2.10/24/va web::1 \nIPaddr2::192.0.2.11/24/va web::2 \n"),
        ("otherkeys", "IPaddr2::192.0.2.20/24/va \n"),
    ] {
        let ran = lab.text(verb);
        assert_eq!((ran.code, ran.out.as_str()), (0, out), "{verb}");
    }
}

#[test]
fn the_state_of_a_group_is_all_some_or_none() {
    let lab = Lab::new();
    lab.service("web");
    lab.haresources(FILE);
    let key = "192.0.2.10/24/va";
    let state = || lab.text(&format!("statgroup {key}")).out;
    assert_eq!(state(), "NONE\n");
    assert_eq!(lab.text("verifyallidle").code, 0);
    // Old callers pass the whole line.
    assert_eq!(lab.text(&format!("takegroup {key} web::1")).code, 0);
    assert_eq!(state(), "ALL\n");
    let ran = lab.text("verifyallidle");
    assert_eq!(ran.code, 1, "one key runs");
    assert!(
        ran.err.contains("CRITICAL: Resource 192.0.2.10/24/va is active, and should not be!"),
        "{}",
        ran.err
    );
    lab.ip("address delete 192.0.2.10/24 dev va");
    assert_eq!(state(), "SOME\n");
    assert_eq!(lab.text(&format!("givegroup {key} web::1")).code, 0);
    assert_eq!(state(), "NONE\n");
}

#[test]
fn the_state_of_a_resource_is_an_exit_code_and_the_old_words() {
    let lab = Lab::new();
    let ran = lab.text("status 192.0.2.1");
    assert_eq!((ran.code, ran.out.as_str()), (0, "192.0.2.1: Running OK (192.0.2.1/24 on va)\n"));
    let ran = lab.text("status IPaddr2::192.0.2.77/24/va");
    assert_eq!(ran.code, 3);
    assert_eq!(ran.out, "IPaddr2::192.0.2.77/24/va: Resource is stopped (192.0.2.77 is not there)\n");
    let ran = lab.text("status IPaddr2::192.0.2.777");
    assert_eq!(ran.code, 6);
    assert!(ran.err.contains("is not an IP address"), "{}", ran.err);
}

#[test]
fn a_plan_shows_what_would_be_done_by_whom() {
    let lab = Lab::new();
    lab.haresources(FILE);
    let web = lab.script("web", "touch $DIR/called");
    let ran = lab.text("plan givenode alpha");
    let web = web.display();
    let expected = format!(
        "stop web::2 ({web})\nstop IPaddr2::192.0.2.11/24/va (built in)\nstop web::1 ({web})\nstop 192.0.2.10/24/va (built in)\n"
    );
    assert_eq!((ran.code, ran.out), (0, expected));
    let ran = lab.text("plan takegroup IPaddr2::192.0.2.11/24/va");
    assert!(ran.out.starts_with("start IPaddr2::192.0.2.11/24/va (built in)\nstart web::2"), "{}", ran.out);
    let line = lab.run("plan takegroup IPaddr2::192.0.2.20/24/va").out;
    let value: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(
        (&value["event"], &value["action"], &value["by"]),
        (&"plan".into(), &"start".into(), &"built in".into())
    );
    std::fs::remove_file(lab.dir.join("resource.d/web")).unwrap();
    let ran = lab.text("plan takenode alpha");
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("start web::1 (NOT POSSIBLE: there is no script \"web\""), "{}", ran.out);
    let ran = lab.text("check");
    assert_eq!(ran.code, 6);
    for place in
        ["haresources:2:24", "haresources:4:7", "there is no script \"web\"", "help: install its package"]
    {
        assert!(ran.err.contains(place), "{place} is missing in\n{}", ran.err);
    }
    assert!(!lab.dir.join("called").exists() && !lab.has("192.0.2.10"), "a plan does nothing");
}

#[test]
fn a_wrong_file_is_refused_with_everything_that_is_wrong() {
    let lab = Lab::new();
    lab.haresources("alpha 192.0.2.10/240\nbeta IPaddr::2001:db8::1\n");
    for verb in ["takenode alpha", "givegroup x", "allkeys", "check", "plan takenode alpha"] {
        let ran = lab.text(verb);
        assert_eq!(ran.code, 6, "{verb}");
        for part in [
            "haresources:1:18",
            "haresources:2:6",
            "\"240\" is not a network mask",
            "write IPv6addr::2001:db8:0:0:0:0:0:1",
        ] {
            assert!(ran.err.contains(part), "{part} is missing in\n{}", ran.err);
        }
    }
    std::fs::remove_file(lab.dir.join("haresources")).unwrap();
    let ran = lab.run("takenode alpha");
    assert_eq!((ran.code, ran.out.as_str()), (6, ""));
    assert!(
        ran.err.contains("haresources: No such file") && ran.err.contains("one line per group"),
        "{}",
        ran.err
    );
}

#[test]
fn an_unknown_key_is_an_error_with_the_nearest_one_and_an_unknown_node_has_no_groups() {
    let lab = Lab::new();
    lab.haresources(FILE);
    let ran = lab.run("takegroup 192.0.2.10/24/vb");
    assert_eq!((ran.code, ran.groups()), (1, vec![GroupResult::Failed]));
    assert!(ran.out.contains(r#"did you mean \"192.0.2.10/24/va\"?"#), "{}", ran.out);
    let ran = lab.run("takegroup IPaddr2::192.0.2...../24/va");
    assert!(ran.out.contains("no group"), "{}", ran.out);
    let ran = lab.run("takegroup IPaddr2::192.0.2..../24/va");
    assert_eq!((ran.code, ran.events.len()), (1, 1), "{ran:?}");
    let ran = lab.run("takenode gamma");
    assert_eq!((ran.code, ran.out.as_str()), (0, ""));
    assert_eq!(lab.text("takegroup").code, 2);
    assert_eq!(lab.text("frobnicate").code, 2);
    assert_eq!(lab.text("--script-limit -1 allkeys").code, 2);
}

#[test]
fn a_plan_for_an_unknown_node_is_an_error_with_the_nearest_name() {
    let lab = Lab::new();
    lab.haresources(FILE);
    let ran = lab.text("plan takenode alhpa");
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("there is no node \"alhpa\"; did you mean \"alpha\"?"), "{}", ran.err);
    let ran = lab.text("plan givenode delta");
    assert!(ran.code == 1 && ran.err.contains("are: alpha beta"), "{}", ran.err);
    // one without groups is no mistake
    std::fs::write(lab.dir.join("ha.cf"), "# node omega\nnode alpha,Delta # omega\n").unwrap();
    let ran = lab.text("plan givenode delta");
    assert!(ran.code == 0 && ran.err.contains("no group of node delta"), "{}", ran.err);
    let ran = lab.text("plan givenode omega");
    assert!(ran.code == 1 && ran.err.contains("are: alpha beta delta"), "{}", ran.err);
}

#[test]
fn a_check_says_what_is_valid_and_what_this_machine_does_not_have() {
    let lab = Lab::new();
    lab.service("web");
    lab.service("MailTo");
    lab.service("ldirectord");
    lab.haresources(FILE);
    let check = || {
        let ran = lab.text("check");
        assert_eq!(ran.code, 0, "{}", ran.err);
        (ran.out, ran.err)
    };
    let path = lab.dir.join("haresources");
    assert_eq!(check(), (format!("{}: valid: 3 groups, 5 resources\n", path.display()), String::new()));

    lab.haresources(
        "alpha 192.0.2.10/24/vaa ldirectord::no.cf web::1 MailTo::root\nbeta 192.0.2.11 IPaddr2::192.0.2.10/24/va web::1 MailTo::root\n",
    );
    let (out, err) = check();
    assert!(out.ends_with("valid: 2 groups, 8 resources\n"), "{out}");
    for part in [
        "haresources:1:21",
        "there is no network interface vaa on this machine now",
        "did you mean \"va\"?",
        "haresources:1:37",
        "there is no file no.cf in ",
        "haresources:2:17",
        "the address 192.0.2.10 is in the file twice, in line 1 too",
        "haresources:2:43",
        "the resource web::1 is in the file twice",
    ] {
        assert!(err.contains(part), "{part} is missing in\n{err}");
    }
    assert_eq!(err.matches("warning: ").count(), 4, "{err}");

    std::fs::create_dir(lab.dir.join("conf")).unwrap();
    std::fs::write(lab.dir.join("conf/no.cf"), "").unwrap();
    assert!(!check().1.contains("no.cf in "));

    lab.haresources("# nothing yet\n");
    let (out, err) = check();
    assert!(
        out.ends_with("valid: 0 groups, 0 resources\n") && err.contains("the file has no group"),
        "{err}"
    );
}

//! A haresources file that changes between the take and the give.

mod lab;

use ha_resources::event::GroupResult;
use ha_resources::taken;
use lab::Lab;
use std::fs;

#[test]
fn what_was_taken_is_given_although_the_file_was_edited_broken_or_removed() {
    let removed = |lab: &Lab| fs::remove_file(lab.dir.join("haresources")).unwrap();
    let edits: [&dyn Fn(&Lab); 4] = [
        &|lab| lab.haresources("alpha 192.0.2.11/24/va\n"),
        &|lab| lab.haresources("alpha 192.0.2.10/24/va\n"),
        &|lab| lab.haresources("alpha 192.0.2.10/99/va one\n"),
        &removed,
    ];
    for (number, edit) in edits.iter().enumerate() {
        for verb in ["givenode alpha", "clearnode alpha", "givegroup 192.0.2.10/24/va"] {
            let lab = Lab::new();
            lab.service("one");
            lab.haresources("alpha 192.0.2.10/24/va one\n");
            assert_eq!(lab.run("takenode alpha").code, 0);
            edit(&lab);
            let ran = lab.run(verb);
            assert_eq!(ran.code, 0, "edit {number}, {verb}: {ran:?}");
            assert!(!lab.has("192.0.2.10"), "edit {number}, {verb}: {ran:?}");
            assert!(lab.log().contains(&"one stop".to_owned()), "edit {number}, {verb}: {:?}", lab.log());
            assert!(taken::all(&lab.dir.join("run")).is_empty(), "edit {number}, {verb}: nothing is left");
        }
    }
}

#[test]
fn a_resource_that_left_its_line_while_it_ran_is_stopped_with_its_group() {
    let lab = Lab::new();
    lab.service("one");
    lab.service("two");
    lab.haresources("alpha one two\n");
    assert_eq!(lab.run("takenode alpha").code, 0);
    lab.haresources("alpha one\n");
    assert_eq!(lab.run("takenode alpha").code, 0, "a daemon that was restarted takes again");
    let ran = lab.run("givenode alpha");
    assert_eq!(ran.groups(), [GroupResult::Released], "{ran:?}");
    assert_eq!(lab.log(), ["one start", "two start", "two stop", "one stop"]);
}

#[test]
fn what_runs_is_asked_for_as_it_was_started() {
    let lab = Lab::new();
    lab.service("one");
    lab.haresources("alpha 192.0.2.10/24/va one\n");
    assert_eq!(lab.run("takenode alpha").code, 0);
    let state = |lab: &Lab, key: &str| lab.text(&format!("statgroup {key}")).out.trim().to_owned();
    let key = "192.0.2.10/24/va";
    for edited in
        ["alpha 192.0.2.10/24/va one two\n", "alpha 192.0.2.11/24/va one\n", "alpha 192.0.2.10/99/va\n"]
    {
        lab.haresources(edited);
        assert_eq!(state(&lab, key), "ALL", "{edited}");
        assert!(lab.text("verifyallidle").code >= 1, "{edited}: something runs");
    }
    lab.haresources("alpha 192.0.2.10/24/va one two\n");
    assert_eq!(lab.run("givenode alpha").code, 0);
    assert_eq!(state(&lab, key), "NONE");
    assert_eq!(lab.text("verifyallidle").code, 0);
}

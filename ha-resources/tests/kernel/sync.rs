//! The sync daemons of the kernel, with `ipvsadm` as the judge.

use crate::lab::Lab;

/// Role, interface and sync id of each daemon.
fn daemons(lab: &Lab) -> Vec<String> {
    let text = lab.runs("ipvsadm -L --daemon");
    let value = |line: &str, name: &str| {
        line.split(['(', ')', ',', ' '])
            .find_map(|word| word.strip_prefix(name).map(str::to_owned))
            .unwrap_or_default()
    };
    text.lines()
        .filter(|line| line.contains(" sync daemon"))
        .map(|line| {
            format!(
                "{} {} {}",
                line.split(' ').next().unwrap(),
                value(line, "mcast="),
                value(line, "syncid=")
            )
        })
        .collect()
}

#[test]
fn the_daemons_swap_with_the_group() {
    let lab = Lab::new();
    let key = "LVSSyncDaemonSwap::master::7::va";
    lab.haresources(&format!("alpha {key}\n"));
    assert_eq!(lab.text(&format!("status {key}")).code, 3);
    // What a node that comes up without the group does.
    assert_eq!(lab.run("clearnode alpha").code, 0);
    assert_eq!(daemons(&lab), ["backup va 7"]);
    assert_eq!(lab.run("takenode alpha").steps(), [format!("{key} start done")]);
    assert_eq!(daemons(&lab), ["master va 7"]);
    assert_eq!(lab.text(&format!("status {key}")).code, 0);
    assert_eq!(lab.run("takenode alpha").steps(), [format!("{key} start already")]);
    assert_eq!(lab.run("givenode alpha").steps(), [format!("{key} stop done")]);
    assert_eq!(daemons(&lab), ["backup va 7"]);
    assert_eq!(lab.run("givenode alpha").steps(), [format!("{key} stop already")]);
    assert_eq!(lab.run("clearnode alpha").steps(), [format!("{key} stop already")]);

    // One that somebody started otherwise is replaced.
    lab.runs("ipvsadm --stop-daemon backup");
    lab.runs("ipvsadm --start-daemon master --mcast-interface lo --syncid 1");
    assert_eq!(lab.run("takenode alpha").code, 0);
    assert_eq!(daemons(&lab), ["master va 7"]);
}

#[test]
fn an_interface_that_is_not_there_fails_the_start_and_never_the_stop() {
    let lab = Lab::new();
    lab.haresources("alpha LVSSyncDaemonSwap::master\n");
    let taken = lab.run("takenode alpha");
    assert_eq!(taken.code, 1);
    assert!(
        taken.detail().contains("there is no eth0: name the interface, LVSSyncDaemonSwap::master::va"),
        "{}",
        taken.detail()
    );
    lab.runs("ipvsadm --start-daemon master --mcast-interface va");
    assert_eq!(lab.run("givenode alpha").code, 0);
    assert_eq!(daemons(&lab), Vec::<String>::new());
}

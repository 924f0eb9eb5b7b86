//! What is told of which plan with which values.

use super::*;
use crate::config::{Names, Source, load_source};

struct NoNames;

impl Names for NoNames {
    fn host(&self, _: &str, _: Family) -> Option<IpAddr> {
        None
    }
    fn port(&self, _: &str, _: Option<&str>) -> Option<u16> {
        None
    }
}

fn plan(text: &str) -> Plan {
    load_source(Source::new("t.cf", text), &NoNames).unwrap().plan
}

/// Everything at its worst.
fn off() -> Sysctls {
    Sysctls {
        expire_quiescent_template: Some(0),
        expire_nodest_conn: Some(0),
        conn_reuse_mode: Some(0),
        forwards: Some(false),
        forwards6: Some(false),
        own: BTreeSet::new(),
    }
}

/// As an administrator of directors would have them.
fn on() -> Sysctls {
    Sysctls {
        expire_quiescent_template: Some(1),
        expire_nodest_conn: Some(1),
        conn_reuse_mode: Some(1),
        forwards: Some(true),
        forwards6: Some(true),
        own: BTreeSet::new(),
    }
}

fn told(text: &str, sysctls: &Sysctls) -> Vec<&'static str> {
    advice(&plan(text), sysctls).iter().map(|advice| advice.sysctl).collect()
}

fn section(options: &str) -> String {
    format!("virtual=192.0.2.1:80\n\treal=192.0.2.10:80 gate\n\tchecktype=connect\n{options}")
}

#[test]
fn each_is_told_where_it_matters_and_nowhere_else() {
    for (options, sysctls) in [
        ("\tquiescent=yes\n\tpersistent=600\n", vec![TEMPLATE, REUSE]),
        ("\tquiescent=yes\n", vec![REUSE]),
        ("\tquiescent=yes\n\tprotocol=udp\n", vec![]),
        ("\tquiescent=yes\n\tchecktype=on\n", vec![]),
        ("\tquiescent=no\n\tpersistent=600\n", vec![NODEST]),
        ("", vec![NODEST]),
        ("\tprotocol=udp\n\tchecktype=ping\n", vec![NODEST]),
        ("\tprotocol=udp\n\tchecktype=ping\n\tops=yes\n", vec![]),
        ("\tchecktype=on\n", vec![]),
        ("\tchecktype=off\n", vec![]),
        ("\tquiescent=yes\n\tchecktype=on\n\treal=192.0.2.11:80 masq\n", vec![FORWARD]),
        ("\tquiescent=yes\n\tchecktype=off\n\treal=192.0.2.11:80 masq\n", vec![]),
        ("\tquiescent=yes\n\tchecktype=on\n\treal=192.0.2.11:80 ipip\n", vec![]),
        ("\tquiescent=yes\n\tchecktype=on\n\tfallback=192.0.2.99:80 masq\n", vec![FORWARD]),
        ("\tquiescent=yes\n\tchecktype=on\n\tfallback=192.0.2.99:80 gate\n", vec![]),
    ] {
        let text = section(options);
        assert_eq!(told(&text, &off()), sysctls, "{text}");
        assert_eq!(told(&text, &on()), [""; 0], "{text}");
        assert_eq!(told(&text, &Sysctls::default()), [""; 0], "nothing is known: {text}");
    }
}

#[test]
fn a_reused_port_is_told_of_only_where_every_kernel_stays() {
    let text = section("\tquiescent=yes\n");
    assert_eq!(told(&text, &Sysctls { expire_nodest_conn: Some(1), ..off() }), [""; 0]);
    assert_eq!(told(&text, &Sysctls { expire_nodest_conn: None, ..off() }), [""; 0]);
    assert_eq!(told(&text, &Sysctls { conn_reuse_mode: Some(2), ..off() }), [""; 0]);
}

#[test]
fn servers_of_this_machine_need_no_forwarding() {
    let text = "virtual=192.0.2.1:80\n\tchecktype=on\n\tquiescent=yes\n\treal=192.0.2.10:80 masq\n\
                \nvirtual6=[2001:db8::1]:80\n\tchecktype=on\n\tquiescent=yes\n\treal6=[2001:db8::10]:80 masq\n";
    assert_eq!(told(text, &off()), [FORWARD, FORWARD6]);
    let own: BTreeSet<IpAddr> = ["192.0.2.10".parse().unwrap()].into();
    assert_eq!(told(text, &Sysctls { own: own.clone(), ..off() }), [FORWARD6]);
    assert_eq!(told(text, &Sysctls { own, forwards6: Some(true), ..off() }), [""; 0]);
}

#[test]
fn a_line_names_the_sysctl_its_meaning_some_services_and_the_command() {
    let mut text = String::new();
    for number in 1..=5 {
        text += &format!(
            "virtual=192.0.2.{number}:80\n\treal=192.0.2.10:80 gate\n\tpersistent=600\n\tquiescent=yes\n\n"
        );
    }
    let sysctls = Sysctls { expire_quiescent_template: Some(0), ..on() };
    let advice = advice(&plan(&text), &sysctls);
    assert_eq!(advice[0].services.len(), 5);
    assert_eq!(
        advice.iter().map(Advice::to_string).collect::<Vec<_>>(),
        [
            "sysctl net.ipv4.vs.expire_quiescent_template is 0: persistent clients of a dead server stay with it, because \
          quiescent=yes only gives it weight 0 (tcp:192.0.2.1:80, tcp:192.0.2.2:80, tcp:192.0.2.3:80 and 2 more); \
          sysctl -w net.ipv4.vs.expire_quiescent_template=1, and the same in a file of /etc/sysctl.d with ip_vs in a file \
          of /etc/modules-load.d"
        ]
    );
}

#[test]
fn the_files_are_read() {
    let folder = std::env::temp_dir().join(format!("directord-sysctls-{}", std::process::id()));
    let write = |file: &str, text: &str| {
        let path = folder.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    assert_eq!((forwards(&folder), forwards6(&folder)), (None, None));
    write("all/forwarding", "1\n");
    assert_eq!((forwards(&folder), forwards6(&folder)), (Some(true), Some(true)));
    write("all/forwarding", "0\n");
    write("lo/forwarding", "1\n");
    write("eth0/forwarding", "0\n");
    assert_eq!((forwards(&folder), forwards6(&folder)), (Some(false), Some(false)));
    write("eth1/forwarding", "1\n");
    assert_eq!((forwards(&folder), forwards6(&folder)), (Some(true), Some(false)), "one interface is enough");
    write("eth1/force_forwarding", "1\n");
    assert_eq!(forwards6(&folder), Some(true));
    std::fs::remove_dir_all(&folder).unwrap();
    let asked = ["192.0.2.77", "127.0.0.1", "::1", "192.0.2.78", "127.0.0.2", "2001:db8::77"]
        .map(|a| a.parse().unwrap());
    let ours = ["127.0.0.1", "::1", "127.0.0.2"].map(|a| a.parse().unwrap());
    assert_eq!(own(asked.into()), BTreeSet::from(ours));
}

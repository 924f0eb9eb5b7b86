//! Two routers become a pair, their services a director's.

use super::*;

const PIRANHA: &str = r#"serial_no = 12
primary = 198.51.100.1
primary_private = 192.0.2.1
service = lvs
backup = 198.51.100.2
backup_private = 192.0.2.2
keepalive = 6
deadtime = 18
network = nat
nat_router = 192.0.2.254 eth1:1
nat_nmask = 255.255.255.0
monitor_links = 1
syncdaemon = 1
syncd_iface = eth1
syncd_id = 5
tcp_timeout = 900
udp_timeout = 0
virtual web {
     active = 1
     address = 198.51.100.100 eth0:1
     vip_nmask = 255.255.255.0
     port = 80
     send = "GET /health HTTP/1.0\r\n\r\n"
     expect = "HTTP"
     load_monitor = uptime
     scheduler = wlc
     protocol = tcp
     timeout = 4
     reentry = 15
     quiesce_server = 1
     server one {
         address = 192.0.2.11
         active = 1
         weight = 3
     }
     server two {
         address = 192.0.2.12
         active = 0
     }
}
virtual mail {
     active = 1
     address = 198.51.100.100 eth0:1
     vip_nmask = 255.255.255.0
     port = 25
     expect = "220 (x)"
     protocol = tcp
     server one {
         address = 192.0.2.11
         active = 1
     }
}
"#;

fn imported(text: &str) -> Output {
    piranha::import(Source::new("lvs.cf", text), &settings())
}

#[test]
fn routers_become_a_pair_with_services() {
    let output = imported(PIRANHA);
    let plan = pair(&output);
    assert_eq!((plan.timing.keepalive.as_secs(), plan.timing.deadtime.as_secs()), (6, 18));
    let groups: Vec<&str> =
        file(&output, "haresources").lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(
        groups,
        [
            "alpha ldirectord::ldirectord.cf LVSSyncDaemonSwap::master::5::eth1 IPaddr2::192.0.2.254/24/eth1:1 \
          IPaddr2::198.51.100.100/24/eth0:1"
        ]
    );
    let services = director(&output).plan.services;
    assert_eq!((services.len(), services[0].reals.len(), services[0].reals[0].destination.weight), (2, 1, 3));
    assert!(services[0].quiescent && !services[1].quiescent);
    let probe = format!("{:?}", services[1].reals[0].check);
    assert!(probe.contains(r"220\\ \\(x\\)") || probe.contains(r"220\ \(x\)"), "{probe}");
    assert_eq!(told(&output), ["12 monitor_links", "16 tcp_timeout", "25 load_monitor"]);
}

/// The public network is where the virtual addresses are, the private one behind the router's address for the servers.
#[test]
fn each_node_hears_the_other_on_both_networks() {
    let output = imported(PIRANHA);
    let (alpha, beta) = (["198.51.100.1", "192.0.2.1"], ["198.51.100.2", "192.0.2.2"]);
    assert_eq!(links_to(&output, "alpha", &beta), ["eth0 198.51.100.2", "eth1 192.0.2.2"]);
    assert_eq!(links_to(&output, "beta", &alpha), ["eth0 198.51.100.1", "eth1 192.0.2.1"]);

    let alone = imported(&PIRANHA.replace("backup = ", "# "));
    assert!(told(&alone).contains(&"1 backup".to_owned()), "{:?}", told(&alone));
    let unknown = imported(&PIRANHA.replace("nat_router", "# "));
    assert_eq!(links_to(&unknown, "alpha", &beta), ["eth0 198.51.100.2"]);
    assert!(file(&unknown, "ha.cf").contains("# ucast INTERFACE 192.0.2.2\n"));
    assert!(
        ["3 primary_private", "6 backup_private"]
            .iter()
            .all(|line| told(&unknown).contains(&(*line).to_owned()))
    );
}

/// A service of these lines, with two servers.
fn service(lines: &str, second: &str) -> Output {
    imported(&format!(
        "primary = 192.0.2.1\nbackup = 192.0.2.2\nvirtual v {{\naddress = 192.0.2.100 eth0:1\nport = 8080\n\
         {lines}\nserver a {{\naddress = 192.0.2.11\n}}\nserver b {{\naddress = 192.0.2.12\n{second}\n}}\n}}\n"
    ))
}

#[test]
fn servers_of_a_mark_are_asked_at_their_port() {
    let output = service("fwmark = 3\nsend = \"GET /ok HTTP/1.0\"\nexpect = \"HTTP\"", "port = 8080");
    assert_eq!(told(&output), [""; 0]);
    for line in
        ["virtual=3\n", "checkport=8080\n", "checktype=negotiate\n", "service=http\n", "request=\"/ok\"\n"]
    {
        assert!(file(&output, "ldirectord.cf").contains(line), "{line}: {}", file(&output, "ldirectord.cf"));
    }
    let probe = format!("{:?}", director(&output).plan.services[0].reals[0].check);
    assert!(probe.contains("192.0.2.11:8080"), "{probe}");

    let connect = service("fwmark = 3", "port = 81");
    assert!(file(&connect, "ldirectord.cf").contains("checktype=connect\n"));
    assert_eq!(told(&connect), ["10 server b"], "one port for all");
}

#[test]
fn what_is_not_asked_as_before_is_said() {
    let text = |output: &Output| file(output, "ldirectord.cf").to_owned();
    let datagram = service("protocol = udp\nsend = \"ask\"\nexpect = \"answer\"", "");
    assert!(
        text(&datagram).contains("service=simpletcp\n") && told(&datagram).is_empty(),
        "{}",
        text(&datagram)
    );
    for lines in
        ["protocol = udp\nsend = \"ask\"", "fwmark = 3\nprotocol = udp\nsend = \"ask\"\nexpect = \"x\""]
    {
        let ping = service(lines, "");
        assert!(text(&ping).contains("checktype=ping\n"), "{}", text(&ping));
        assert!(told(&ping).iter().any(|told| told.ends_with(" send")), "{:?}", told(&ping));
    }
    let page = service("send = \"GET /\"\nexpect = \"all is (well|fine)\"\nuse_regex = 1", "");
    assert!(text(&page).contains("receive=\"all is (well|fine)\"\n"), "{}", text(&page));
    let status = service("send = \"GET /\"\nexpect = \"^HTTP/1.[01] 200\"\nuse_regex = 1", "");
    assert!(!text(&status).contains("receive="), "{}", text(&status));
    let greeting = service("expect = \"^220 .*\"\nuse_regex = 1", "");
    assert!(text(&greeting).contains("receive=\"^220 .*\"\n"), "{}", text(&greeting));
}

//! The table as a whole.
use crate::lab::{alone_in_namespace, in_namespace, ipvsadm, key, read, real, run, saved, sh};
use ipvs::{
    Client, Destination, DestinationKey, Forwarding, Protocol, Service, ServiceKey, Timeouts, listing,
};
use std::collections::BTreeSet;
use std::net::Ipv4Addr;

#[test]
fn timeouts_both_ways() {
    in_namespace(|client| {
        assert_eq!(
            ipvsadm("-L --timeout"),
            format!("Timeout (tcp tcpfin udp): {}\n", client.timeouts().unwrap())
        );
        client.set_timeouts(&Timeouts { tcp: 1000, tcp_fin: 20, udp: 30 }).unwrap();
        assert_eq!(ipvsadm("-L --timeout"), "Timeout (tcp tcpfin udp): 1000 20 30\n");
        client.set_timeouts(&Timeouts { tcp: 0, tcp_fin: 21, udp: 0 }).unwrap();
        assert_eq!(ipvsadm("-L --timeout"), "Timeout (tcp tcpfin udp): 1000 21 30\n");
        ipvsadm("--set 901 121 301");
        assert_eq!(client.timeouts().unwrap(), Timeouts { tcp: 901, tcp_fin: 121, udp: 301 });
    });
}

#[test]
fn info_is_the_head_line_of_ipvsadm() {
    in_namespace(|client| {
        let info = client.info().unwrap();
        let shown = ipvsadm("-Ln");
        assert_eq!(shown.lines().next(), Some(format!("IP Virtual Server version {info}").as_str()));
    });
}

#[test]
fn flush_takes_everything() {
    in_namespace(|client| {
        ipvsadm("-A -t 203.0.113.1:80 -s rr");
        ipvsadm("-a -t 203.0.113.1:80 -r 192.0.2.1:80 -g");
        ipvsadm("-A -f 1 -6 -s rr");
        client.flush().unwrap();
        assert_eq!(saved(), Vec::<String>::new());
        assert!(client.services().unwrap().is_empty());
        client.flush().unwrap();
    });
}

/// Lists come in many messages and datagrams.
#[test]
fn ten_thousand_destinations_and_three_thousand_services() {
    in_namespace(|client| {
        let service = key("FWM 1");
        client.add_service(&Service::new(service.clone(), "rr")).unwrap();
        let mut expected = BTreeSet::new();
        for number in 0..10_000u32 {
            let address = Ipv4Addr::from(0x0a00_0001 + number);
            let to = Destination::new(DestinationKey::new(address.into(), 0), Forwarding::DirectRoute);
            client.add_destination(&service, &Destination { weight: number, ..to.clone() }).unwrap();
            expected.insert((to.key, number));
        }
        for number in 0..3_000u16 {
            let address = Ipv4Addr::new(203, 0, 113, 1).into();
            client
                .add_service(&Service::new(ServiceKey::new(Protocol::Tcp, address, number + 1), "rr"))
                .unwrap();
        }
        let entries = client.destinations(&service).unwrap();
        assert_eq!(entries.len(), 10_000);
        let found = entries.iter().map(|entry| (entry.destination.key, entry.destination.weight)).collect();
        assert_eq!(expected, found);
        let keys: BTreeSet<ServiceKey> =
            client.services().unwrap().into_iter().map(|entry| entry.service.key).collect();
        assert_eq!(keys.len(), 3_001);
        assert_eq!(ipvsadm("-Sn").lines().count(), 13_001);
    });
}

/// What one program writes the other restores, both ways.
#[test]
fn a_saved_table_can_be_restored() {
    in_namespace(|client| {
        ipvsadm("-A -t 203.0.113.1:80 -s wlc -p 300 -M 255.255.255.0");
        ipvsadm(
            "-a -t 203.0.113.1:80 -r 192.0.2.1:80 -i -w 3 -x 9 -y 4 --tun-type gue --tun-port 6080 --tun-csum",
        );
        ipvsadm("-A -f 5 -6 -s sh -b sh-fallback,sh-port");
        let lines = read(client);
        assert!(lines.iter().any(|line| line.contains(" -x 9 -y 4 ")), "{lines:?}");
        client.flush().unwrap();
        sh(&format!("ipvsadm -R <<'END'\n{}\nEND", lines.join("\n")));
        assert_eq!(read(client), lines);
    });
}

/// Everything the list can show, in an order that is not the one of the list.
#[test]
fn the_list_is_the_one_of_ipvsadm() {
    in_namespace(|client| {
        let same = |client: &mut Client| {
            let (info, table) = (client.info().unwrap(), client.table().unwrap());
            assert_eq!(listing::sorted(&info, table.clone()), ipvsadm("-Ln"));
            assert_eq!(listing::unsorted(&info, &table), ipvsadm("-Ln --nosort"));
        };
        same(client);
        ipvsadm("-A -f 7 -6 -s sh -b sh-fallback,sh-port");
        ipvsadm("-A -f 7 -s rr -p 60 -M 255.255.255.0");
        ipvsadm("-A -u 203.0.113.1:53 -s rr -o");
        ipvsadm("-A -u 203.0.113.1:5060 -s wlc -p 300 --pe sip");
        ipvsadm("-A -t [2001:db8::1]:80 -s wrr -p 60 -M 64");
        ipvsadm("-A -t 203.0.113.1:443 -s mh -b mh-port,flag-3");
        ipvsadm("-A -t 203.0.113.1:444 -s sh -b flag-3");
        ipvsadm("-A -t 203.0.113.1:445 -s rr -b flag-1,flag-3");
        ipvsadm("-A -t 203.0.113.1:80 -s wlc");
        ipvsadm("-A -t 10.0.0.1:80 -s wlc");
        for (number, real) in
            ["192.0.2.9", "10.1.2.3", "203.0.113.77", "127.0.0.1", "198.51.100.4", "172.16.9.9"]
                .into_iter()
                .enumerate()
        {
            ipvsadm(&format!("-a -t 203.0.113.1:80 -r {real}:{} -m -w {number}", 9000 - number));
            ipvsadm(&format!("-a -f 7 -r {real} -g -w 65535"));
        }
        ipvsadm("-a -t 203.0.113.1:80 -r 192.0.2.9:80 -m -w 100000");
        ipvsadm("-a -t 10.0.0.1:80 -r 192.0.2.9:80 -i");
        ipvsadm("-a -t [2001:db8::1]:80 -r [2001:db8:1234:5678:9abc:def0:1234:5678]:8080 -m -w 3");
        ipvsadm("-a -t [2001:db8::1]:80 -r [2001:db8::5]:80 -g");
        same(client);
    });
}

/// Each namespace has a table of its own, and a client stays with the one it was made in.
#[test]
fn a_client_stays_in_its_namespace() {
    in_namespace(|outer| {
        outer.add_service(&Service::new(key("FWM 1"), "rr")).unwrap();
        run(|inner| {
            assert_eq!(inner.services().unwrap(), []);
            // `outer` is used on a thread that is now in the other namespace
            outer.add_destination(&key("FWM 1"), &real("192.0.2.1:0", Forwarding::DirectRoute)).unwrap();
            assert_eq!(outer.destinations(&key("FWM 1")).unwrap().len(), 1);
            assert_eq!(saved(), Vec::<String>::new());
        });
        assert_eq!(saved().len(), 2);
    });
}

/// A module that is loaded anew has another family number: the client finds it.
#[test]
fn the_module_may_be_loaded_anew_under_a_client() {
    alone_in_namespace(|client| {
        let modules = "lsmod | awk '/^ip_vs_/ {print $1}'";
        // tables of namespaces that are gone are cleaned up behind their removal
        sh(&format!(
            "for try in $(seq 50); do modprobe -r $({modules}) ip_vs && exit; sleep 0.1; done 2>/dev/null; lsmod; exit 1"
        ));
        sh("modprobe ip_vs");
        assert_eq!(client.services().unwrap(), []);
        client.add_service(&Service::new(key("FWM 1"), "rr")).unwrap();
        assert_eq!(saved(), ["-A -f 1 -s rr"]);
    });
}

use crate::lab::{in_namespace, ipvsadm, key, read, real, real_key, saved, sorted};
use ipvs::{Checksum, Client, Destination, Forwarding, GreChecksum, Service, Tunnel};

const SERVICE: &str = "TCP 203.0.113.1:80";

fn add_service(client: &mut Client) {
    client.add_service(&Service::new(key(SERVICE), "wlc")).unwrap();
}

fn gue(port: u16, checksum: Checksum) -> Forwarding {
    Forwarding::Tunnel(Tunnel::Gue { port, checksum })
}

fn gre(checksum: GreChecksum) -> Forwarding {
    Forwarding::Tunnel(Tunnel::Gre { checksum })
}

/// Every kind of real server, and the end of the line that `ipvsadm -Sn` has for it.
fn every_kind() -> Vec<(Destination, &'static str)> {
    let ipip = Forwarding::Tunnel(Tunnel::Ipip);
    let weight = |weight, real| Destination { weight, ..real };
    vec![
        (real("192.0.2.1:80", Forwarding::DirectRoute), "192.0.2.1:80 -g -w 1"),
        (weight(0, real("192.0.2.2:80", Forwarding::DirectRoute)), "192.0.2.2:80 -g -w 0"),
        (
            weight(i32::MAX as u32, real("192.0.2.3:80", Forwarding::DirectRoute)),
            "192.0.2.3:80 -g -w 2147483647",
        ),
        (real("192.0.2.1:8080", Forwarding::Masquerade), "192.0.2.1:8080 -m -w 1"),
        (real("192.0.2.4:80", ipip), "192.0.2.4:80 -i -w 1 --tun-type ipip"),
        (
            real("192.0.2.5:80", gue(6080, Checksum::None)),
            "192.0.2.5:80 -i -w 1 --tun-type gue --tun-port 6080 --tun-nocsum",
        ),
        (
            real("192.0.2.6:80", gue(1, Checksum::Full)),
            "192.0.2.6:80 -i -w 1 --tun-type gue --tun-port 1 --tun-csum",
        ),
        (
            real("192.0.2.7:80", gue(65535, Checksum::Remote)),
            "192.0.2.7:80 -i -w 1 --tun-type gue --tun-port 65535 --tun-remcsum",
        ),
        (real("192.0.2.8:80", gre(GreChecksum::None)), "192.0.2.8:80 -i -w 1 --tun-type gre --tun-nocsum"),
        (real("192.0.2.9:80", gre(GreChecksum::Full)), "192.0.2.9:80 -i -w 1 --tun-type gre --tun-csum"),
        (real("[2001:db8::9]:80", ipip), "[2001:db8::9]:80 -i -w 1 --tun-type ipip"),
    ]
}

fn lines(all: &[(Destination, &str)]) -> Vec<String> {
    let add = "-a -t 203.0.113.1:80 -r ";
    sorted(all.iter().map(|(_, end)| format!("{add}{end}")).chain(["-A -t 203.0.113.1:80 -s wlc".to_owned()]))
}

#[test]
fn ipvsadm_shows_what_we_add() {
    in_namespace(|client| {
        add_service(client);
        let all = every_kind();
        for (destination, _) in &all {
            client.add_destination(&key(SERVICE), destination).unwrap();
        }
        assert_eq!(saved(), lines(&all));
        assert_eq!(read(client), lines(&all));
        let entries = client.destinations(&key(SERVICE)).unwrap();
        assert_eq!(entries.len(), all.len());
        for (destination, _) in &all {
            let entry = entries.iter().find(|entry| entry.destination.key == destination.key).unwrap();
            assert_eq!(entry.destination, *destination);
        }
        for (destination, _) in &all {
            client.delete_destination(&key(SERVICE), &destination.key).unwrap();
        }
        assert_eq!(saved(), ["-A -t 203.0.113.1:80 -s wlc"]);
        assert_eq!(client.destinations(&key(SERVICE)).unwrap(), []);
    });
}

#[test]
fn we_read_what_ipvsadm_adds() {
    in_namespace(|client| {
        for line in lines(&every_kind()) {
            ipvsadm(&line);
        }
        assert_eq!(read(client), lines(&every_kind()));
        for entry in client.destinations(&key(SERVICE)).unwrap() {
            assert!(
                every_kind().iter().any(|(destination, _)| *destination == entry.destination),
                "{entry:?}"
            );
        }
    });
}

/// The two methods that ipvsadm cannot set. It shows the one, and has no word for the other.
#[test]
fn local_and_bypass() {
    in_namespace(|client| {
        add_service(client);
        for (address, forwarding, word) in
            [("192.0.2.1:80", Forwarding::Local, "Local"), ("192.0.2.2:80", Forwarding::Bypass, "(null)")]
        {
            client.add_destination(&key(SERVICE), &real(address, forwarding)).unwrap();
            let shown = ipvsadm("-Ln");
            let row = shown.lines().find(|line| line.contains(address)).unwrap();
            assert_eq!(row.split_whitespace().nth(2), Some(word), "{shown}");
        }
        let mut read: Vec<Forwarding> = client
            .destinations(&key(SERVICE))
            .unwrap()
            .iter()
            .map(|entry| entry.destination.forwarding)
            .collect();
        read.sort();
        assert_eq!(read, [Forwarding::Local, Forwarding::Bypass]);
    });
}

#[test]
fn thresholds() {
    in_namespace(|client| {
        add_service(client);
        let ours = Destination {
            upper_threshold: 100,
            lower_threshold: 50,
            ..real("192.0.2.1:80", Forwarding::DirectRoute)
        };
        client.add_destination(&key(SERVICE), &ours).unwrap();
        ipvsadm("-a -t 203.0.113.1:80 -r 192.0.2.2:80 -g -x 2147483647 -y 7");
        let shown = ipvsadm("-Ln --thresholds");
        let row = |address: &str| -> Vec<String> {
            let line = shown.lines().find(|line| line.contains(address)).unwrap();
            line.split_whitespace().skip(2).take(2).map(str::to_owned).collect()
        };
        assert_eq!(row("192.0.2.1:80"), ["100", "50"]);
        for entry in client.destinations(&key(SERVICE)).unwrap() {
            let destination = entry.destination;
            let read = [destination.upper_threshold.to_string(), destination.lower_threshold.to_string()];
            assert_eq!(row(&destination.key.to_string()), read);
        }
    });
}

/// An update replaces everything but the key.
#[test]
fn updates_replace_every_value() {
    in_namespace(|client| {
        add_service(client);
        let plain = real("192.0.2.1:80", Forwarding::DirectRoute);
        let full = Destination {
            key: plain.key,
            weight: 9,
            forwarding: gue(6080, Checksum::Remote),
            upper_threshold: 20,
            lower_threshold: 10,
        };
        client.add_destination(&key(SERVICE), &plain).unwrap();
        for destination in [&full, &plain, &full] {
            client.update_destination(&key(SERVICE), destination).unwrap();
            let entries = client.destinations(&key(SERVICE)).unwrap();
            assert_eq!(entries.iter().map(|entry| &entry.destination).collect::<Vec<_>>(), [destination]);
        }
        assert!(
            ipvsadm("-Sn").contains("-r 192.0.2.1:80 -i -w 9 --tun-type gue --tun-port 6080 --tun-remcsum")
        );
    });
}

#[test]
fn in_services_of_ipv6_and_of_marks() {
    in_namespace(|client| {
        for (service, address) in [
            ("TCP [2001:db8::1]:443", "[2001:db8::10]:443"),
            ("UDP [2001:db8::1]:53", "[2001:db8::10]:53"),
            ("FWM 5", "192.0.2.1:0"),
            ("FWM 5 IPv6", "[2001:db8::10]:0"),
            ("SCTP 203.0.113.1:99", "192.0.2.1:99"),
        ] {
            client.add_service(&Service::new(key(service), "rr")).unwrap();
            client.add_destination(&key(service), &real(address, Forwarding::DirectRoute)).unwrap();
        }
        let expected = [
            "-A --sctp-service 203.0.113.1:99 -s rr",
            "-A -f 5 -6 -s rr",
            "-A -f 5 -s rr",
            "-A -t [2001:db8::1]:443 -s rr",
            "-A -u [2001:db8::1]:53 -s rr",
            "-a --sctp-service 203.0.113.1:99 -r 192.0.2.1:99 -g -w 1",
            "-a -f 5 -6 -r [2001:db8::10]:0 -g -w 1",
            "-a -f 5 -r 192.0.2.1:0 -g -w 1",
            "-a -t [2001:db8::1]:443 -r [2001:db8::10]:443 -g -w 1",
            "-a -u [2001:db8::1]:53 -r [2001:db8::10]:53 -g -w 1",
        ];
        assert_eq!(saved(), expected);
        assert_eq!(read(client), expected);
        client.delete_destination(&key("FWM 5 IPv6"), &real_key("[2001:db8::10]:0")).unwrap();
        assert!(client.destinations(&key("FWM 5 IPv6")).unwrap().is_empty());
        assert_eq!(client.destinations(&key("FWM 5")).unwrap().len(), 1);
    });
}

//! Real connections through the table.
use crate::lab::{in_namespace, ipvsadm, key, real, sh};
use ipvs::{Client, Connections, Forwarding, Persistence, Service, Stats};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

const SERVICE: &str = "TCP 203.0.113.1:80";

/// A web server behind a virtual address, both of this machine, and three clients' requests through them,
/// of which the connections that are returned stay open.
fn three_connections(client: &mut Client, persistent: bool) -> Vec<(TcpStream, TcpStream)> {
    sh("ip addr add 203.0.113.1/32 dev lo; ip addr add 192.0.2.1/32 dev lo");
    let listener = TcpListener::bind("192.0.2.1:8080").unwrap();
    let persistence = persistent.then(|| Persistence::new(600, ipvs::Family::V4));
    client.add_service(&Service { persistence, ..Service::new(key(SERVICE), "rr") }).unwrap();
    client.add_destination(&key(SERVICE), &real("192.0.2.1:8080", Forwarding::Masquerade)).unwrap();
    (0..3)
        .map(|_| {
            let mut client = TcpStream::connect("203.0.113.1:80").unwrap();
            let (mut server, _) = listener.accept().unwrap();
            client.write_all(b"ping").unwrap();
            let mut ping = [0; 4];
            server.read_exact(&mut ping).unwrap();
            server.write_all(b"pong").unwrap();
            client.read_exact(&mut ping).unwrap();
            (client, server)
        })
        .collect()
}

/// The numbers in the row of an address.
fn row(shown: &str, address: &str) -> Vec<u64> {
    let line = shown.lines().find(|line| line.contains(address)).unwrap_or_else(|| panic!("{shown}"));
    line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

fn numbers(stats: Stats) -> Vec<u64> {
    vec![stats.connections, stats.packets_in, stats.packets_out, stats.bytes_in, stats.bytes_out]
}

/// The counters of the service and of its destination. The kernel sums them up every two seconds: waits
/// until this many connections are counted in both.
fn counted(client: &mut Client, connections: u64) -> [Stats; 2] {
    for _ in 0..100 {
        let service = client.service(&key(SERVICE)).unwrap().unwrap().stats;
        let both = [service, client.destinations(&key(SERVICE)).unwrap()[0].stats];
        if both.iter().all(|stats| stats.connections == connections) {
            return both;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("{connections} connections were not counted in ten seconds");
}

#[test]
fn statistics_are_those_that_ipvsadm_shows() {
    in_namespace(|client| {
        drop(three_connections(client, false));
        counted(client, 3);
        // the last packets of the connections may be in the next sum
        std::thread::sleep(std::time::Duration::from_millis(2500));
        let [service, destination] = counted(client, 3);
        let shown = ipvsadm("-Ln --stats --exact");
        assert_eq!(numbers(service), row(&shown, "203.0.113.1:80"));
        assert_eq!(numbers(destination), row(&shown, "192.0.2.1:8080"));
        assert!(destination.packets_in >= 9 && destination.bytes_in > 12, "{destination:?}");
        assert_eq!(
            client.services().unwrap()[0].stats,
            client.service(&key(SERVICE)).unwrap().unwrap().stats
        );
    });
}

#[test]
fn rates_are_those_that_ipvsadm_shows() {
    in_namespace(|client| {
        let _open = three_connections(client, false);
        // the estimator adds a sample every two seconds; read until it is the same before and after ipvsadm
        for _ in 0..20 {
            std::thread::sleep(std::time::Duration::from_millis(500));
            let rates = |client: &mut Client| {
                let stats = client.service(&key(SERVICE)).unwrap().unwrap().stats;
                [
                    stats.connection_rate,
                    stats.packet_rate_in,
                    stats.packet_rate_out,
                    stats.byte_rate_in,
                    stats.byte_rate_out,
                ]
            };
            let before = rates(client);
            let shown = row(&ipvsadm("-Ln --rate --exact"), "203.0.113.1:80");
            if before == rates(client) && before[3] > 0 {
                assert_eq!(shown, before);
                return;
            }
        }
        panic!("no rate was ever counted");
    });
}

#[test]
fn connections_are_those_that_ipvsadm_shows() {
    in_namespace(|client| {
        let mut open = three_connections(client, true);
        let connections = |client: &mut Client| client.destinations(&key(SERVICE)).unwrap()[0].connections;
        assert_eq!(connections(client), Connections { active: 3, inactive: 0, persistent: 1 });
        // weight, persistent, active, inactive
        assert_eq!(row(&ipvsadm("-Ln --persistent-conn"), "192.0.2.1:8080"), [1, 1, 3, 0]);
        let (near, far) = open.remove(0);
        drop(near);
        drop(far);
        std::thread::sleep(std::time::Duration::from_millis(300));
        assert_eq!(connections(client), Connections { active: 2, inactive: 1, persistent: 1 });
        assert_eq!(row(&ipvsadm("-Ln"), "192.0.2.1:8080"), [1, 2, 1]);
    });
}

/// Weight 0 keeps what is open: the quiescent real server serves on.
#[test]
fn an_update_keeps_connections() {
    in_namespace(|client| {
        let mut open = three_connections(client, false);
        let quiescent = ipvs::Destination { weight: 0, ..real("192.0.2.1:8080", Forwarding::Masquerade) };
        client.update_destination(&key(SERVICE), &quiescent).unwrap();
        let service = Service { scheduler: "wlc".to_owned(), ..Service::new(key(SERVICE), "rr") };
        client.update_service(&service).unwrap();
        for (near, far) in &mut open {
            near.write_all(b"more").unwrap();
            let mut more = [0; 4];
            far.read_exact(&mut more).unwrap();
            assert_eq!(&more, b"more");
        }
        assert_eq!(client.destinations(&key(SERVICE)).unwrap()[0].connections.active, 3);
    });
}

#[test]
fn zero_of_one_and_of_all() {
    in_namespace(|client| {
        let _open = three_connections(client, false);
        counted(client, 3);
        client.add_service(&Service::new(key("FWM 1"), "rr")).unwrap();
        client.zero(Some(&key("FWM 1"))).unwrap();
        counted(client, 3);
        client.zero(Some(&key(SERVICE))).unwrap();
        counted(client, 0);
        // the listener is gone, but the connection is counted
        TcpStream::connect("203.0.113.1:80").unwrap_err();
        counted(client, 1);
        client.zero(None).unwrap();
        counted(client, 0);
        assert_eq!(row(&ipvsadm("-Ln --stats --exact"), "203.0.113.1:80")[0], 0);
    });
}

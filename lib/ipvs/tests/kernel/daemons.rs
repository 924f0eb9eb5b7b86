use crate::lab::{in_namespace, ipvsadm, sh, sorted};
use ipvs::{SyncDaemon, SyncRole};
use std::time::Instant;

fn full(role: SyncRole, group: &str) -> SyncDaemon {
    SyncDaemon {
        max_length: Some(1400),
        group: Some(group.parse().unwrap()),
        port: Some(9000),
        ttl: Some(3),
        ..SyncDaemon::new(role, "lo", 255)
    }
}

#[test]
fn both_roles_with_the_kernels_defaults() {
    in_namespace(|client| {
        assert_eq!(client.daemons().unwrap(), []);
        client.start_daemon(&SyncDaemon::new(SyncRole::Master, "lo", 5)).unwrap();
        client.start_daemon(&SyncDaemon::new(SyncRole::Backup, "lo", 0)).unwrap();
        let shown = sorted(ipvsadm("-L --daemon").lines());
        assert_eq!(
            shown,
            [
                "backup sync daemon (mcast=lo, syncid=0, maxlen=65507, group=224.0.0.81, port=8848, ttl=1)",
                "master sync daemon (mcast=lo, syncid=5, maxlen=1472, group=224.0.0.81, port=8848, ttl=1)",
            ]
        );
        assert_eq!(sorted(client.daemons().unwrap().iter()), shown);
        client.stop_daemon(SyncRole::Master).unwrap();
        assert_eq!(client.daemons().unwrap().iter().map(|d| d.role).collect::<Vec<_>>(), [SyncRole::Backup]);
        client.stop_daemon(SyncRole::Backup).unwrap();
        assert_eq!(ipvsadm("-L --daemon"), "");
    });
}

#[test]
fn every_attribute() {
    in_namespace(|client| {
        let daemons = [full(SyncRole::Master, "224.0.0.99"), full(SyncRole::Backup, "ff02::51")];
        for daemon in &daemons {
            client.start_daemon(daemon).unwrap();
        }
        assert_eq!(
            sorted(ipvsadm("-L --daemon").lines()),
            [
                "backup sync daemon (mcast=lo, syncid=255, maxlen=1400, group=ff02::51, port=9000, ttl=3)",
                "master sync daemon (mcast=lo, syncid=255, maxlen=1400, group=224.0.0.99, port=9000, ttl=3)",
            ]
        );
        let mut read = client.daemons().unwrap();
        read.sort_by_key(|daemon| daemon.role);
        assert_eq!(read, daemons);
    });
}

#[test]
fn we_read_what_ipvsadm_starts() {
    in_namespace(|client| {
        sh("ip link add d0 type dummy && ip link set d0 up && ip addr add 192.0.2.1/24 dev d0");
        ipvsadm(
            "--start-daemon backup --mcast-interface d0 --syncid 6 --sync-maxlen 1300 --mcast-group 224.0.0.99 --mcast-port 9001 --mcast-ttl 2",
        );
        let expected = SyncDaemon {
            role: SyncRole::Backup,
            interface: "d0".to_owned(),
            id: 6,
            max_length: Some(1300),
            group: Some([224, 0, 0, 99].into()),
            port: Some(9001),
            ttl: Some(2),
        };
        assert_eq!(client.daemons().unwrap(), [expected]);
        client.stop_daemon(SyncRole::Backup).unwrap();
        assert_eq!(ipvsadm("-L --daemon"), "");
    });
}

/// A daemon that is stopped before its thread has run: the kernel stops it and sends no answer, which
/// must neither hang nor fail.
#[test]
fn a_daemon_stopped_as_soon_as_it_is_started() {
    in_namespace(|client| {
        let start = Instant::now();
        for role in [SyncRole::Master, SyncRole::Backup].repeat(20) {
            client.start_daemon(&SyncDaemon::new(role, "lo", 1)).unwrap();
            client.stop_daemon(role).unwrap();
            assert_eq!(client.daemons().unwrap(), []);
        }
        assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
    });
}

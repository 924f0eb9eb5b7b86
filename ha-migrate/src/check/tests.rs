//! A whole directory is read, and every line is judged.

use super::*;
use crate::finding::Verdict;
use std::os::unix::fs::PermissionsExt;

/// A directory with these files, removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str, files: &[(&str, &str)]) -> Folder {
        let path = std::env::temp_dir().join(format!("ha-migrate-{}-{name}", std::process::id()));
        let folder = Folder(path);
        for (name, text) in files {
            let path = folder.0.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            let mode = if name.contains("rc.d") || name.contains("resource.d") { 0o755 } else { 0o600 };
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        }
        folder
    }

    fn check(&self) -> Summary {
        let places = Places {
            directory: self.0.join("ha.d"),
            defaults: self.0.join("default"),
            node: None,
            offline: true,
        };
        directory(&places).unwrap()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const HA_CF: &str = "use_logd yes\nkeepalive 1\ndeadtime 10\nwarntime 5\ninitdead 60\nudpport 694\nbcast eth0\nauto_failback on\n\
                     node alpha beta\nping 192.0.2.254\nrespawn hacluster /usr/lib/heartbeat/ipfail\n\
                     respawn hacluster /usr/lib/heartbeat/dopd\n";
const KEYS: &str = "auth 1\n1 sha1 0123456789abcdef\n";
const GROUPS: &str =
    "alpha 192.0.2.100/24/eth0 ldirectord::www.cf nosuchscript::x\nbeta IPaddr2::192.0.2.101/24/eth0\n";
const DIRECTOR: &str = "checktimeout=3\nfork=yes\n\nvirtual=192.0.2.100:143\n\treal=192.0.2.10:143 gate\n\tservice=imap\n\
                        \tprotocol=tcp\n\nvirtual=192.0.2.100:53\n\treal=192.0.2.10:53 gate\n\tservice=dns\n\trequest=\"www.example.com\"\n\
                        \tprotocol=udp\n";

/// The findings of a file as `line verdict subject`, without those that are the same.
fn told(summary: &Summary, file: &str) -> Vec<String> {
    let files = summary.files.iter().filter(|findings| findings.file.ends_with(file));
    files
        .flat_map(|file| &file.findings)
        .filter(|finding| finding.verdict != Verdict::Same)
        .map(|finding| {
            let subject = finding.subject.clone().unwrap_or_default();
            format!("{} {:?} {subject}", finding.line.unwrap_or(0), finding.verdict)
        })
        .collect()
}

fn pair(name: &str) -> Folder {
    Folder::new(
        name,
        &[
            ("ha.d/ha.cf", HA_CF),
            ("ha.d/authkeys", KEYS),
            ("ha.d/haresources", GROUPS),
            ("ha.d/www.cf", DIRECTOR),
            ("ha.d/rc.d/status", "#!/bin/sh\n[ $HA_st = dead ] && mach_down $HA_src\n"),
            ("ha.d/rc.d/mine", "#!/bin/sh\n/usr/share/heartbeat/req_resource x\n"),
            ("ha.d/rc.d/ifstat", "#!/bin/sh\n# not mach_down\n"),
            ("ha.d/resource.d/web", "#!/bin/sh\n/usr/bin/cl_respawn hb_setsite\n"),
            ("ha.d/resource.d/good", "#!/bin/sh\necho my_mach_down\n"),
            ("default/ldirectord", "# comment\nCONFIG_FILE=/etc/x.cf\n"),
            ("default/heartbeat", "export ULIMIT=1\nif true; then :; fi\n"),
        ],
    )
}

#[test]
fn every_line_of_a_pair_is_judged() {
    let folder = pair("pair");
    let summary = folder.check();
    assert_eq!(summary.node, "alpha", "the first node of ha.cf, where this machine is none of them");
    let ha_cf = told(&summary, "ha.cf");
    for line in ["1 Differs use_logd", "10 Differs ping", "11 Differs respawn", "12 Change respawn"] {
        assert!(ha_cf.iter().any(|told| told == line), "{line}: {ha_cf:#?}");
    }
    assert!(!ha_cf.iter().any(|told| told.starts_with("2 ") || told.starts_with("7 ")), "{ha_cf:#?}");
    assert_eq!(told(&summary, "authkeys"), [""; 0]);
    assert_eq!(told(&summary, "haresources"), ["1 Look nosuchscript::x"]);
    assert_eq!(
        told(&summary, "www.cf"),
        ["0 Differs ", "2 Differs fork", "6 Differs service", "11 Differs service"]
    );
    assert_eq!(told(&summary, "rc.d/status"), ["0 Differs status"]);
    assert!(
        summary.text(false).contains("status: is never run: it calls mach_down, "),
        "{}",
        summary.text(false)
    );
    assert_eq!(told(&summary, "rc.d/mine"), ["0 Differs mine", "0 Look req_resource"]);
    assert_eq!(told(&summary, "rc.d/ifstat"), ["0 Differs ifstat"]);
    assert_eq!(told(&summary, "resource.d/web"), ["0 Look hb_setsite"]);
    assert_eq!(told(&summary, "resource.d/good"), [""; 0]);
    assert_eq!(told(&summary, "default/ldirectord"), ["2 Differs CONFIG_FILE"]);
    assert_eq!(told(&summary, "default/heartbeat"), ["1 Look ULIMIT"]);
    assert!(summary.must_change());
    assert!(!summary.text(true).contains("0123456789abcdef"), "secrets stay in their file");
}

/// A `status` is judged by what the daemon itself looks for, not by what Debian's script had.
#[test]
fn scripts_and_programs_that_nothing_takes_the_place_of_are_named() {
    for command in ["ResourceManager takegroup x", "req_resource x"] {
        let status = format!("#!/bin/sh\n# harmless\n{command}\n");
        let ha_cf = format!("{HA_CF}respawn root /usr/share/heartbeat/hb_api.py\n");
        let folder = Folder::new(
            "gone",
            &[
                ("ha.d/ha.cf", &ha_cf),
                ("ha.d/authkeys", KEYS),
                ("ha.d/haresources", GROUPS),
                ("ha.d/rc.d/status", &status),
            ],
        );
        let summary = folder.check();
        assert!(
            told(&summary, "ha.cf").contains(&"13 Change respawn".to_owned()),
            "{:#?}",
            told(&summary, "ha.cf")
        );
        let never = format!("is never run: it calls {}", command.split(' ').next().unwrap());
        assert!(summary.text(false).contains(&never), "{}", summary.text(false));
    }
}

#[test]
fn what_the_service_may_not_do_is_said() {
    let text = "callback=\"/usr/bin/true\"\nfallbackcommand=\"/sbin/iptables -F\"\nexecute=other.cf\nemailalert=\"a@example.com\"\n\
                logfile=\"/opt/x.log\"\nmaintenancedir=/home/down\n\nvirtual=192.0.2.100:80\n\treal=192.0.2.10:80 gate\n\
                \tchecktype=external\n\tcheckcommand=/root/bin/check\n\tprotocol=tcp\n\nvirtual=192.0.2.100:81\n\
                \treal=192.0.2.10:81 gate\n\tcheckcommand=/bin/true\n\tchecktype=external\n\tmonitorfile=/srv/m\n\tprotocol=tcp\n\n\
                virtual=192.0.2.100:82\n\treal=192.0.2.10:82 gate\n\tcheckcommand=/root/x\n\tchecktype=connect\n";
    let folder = Folder::new("service", &[("ha.d/ldirectord.cf", text)]);
    let told = told(&folder.check(), "ldirectord.cf");
    for line in [
        "1 Look callback",
        "2 Look fallbackcommand",
        "2 Differs fallbackcommand",
        "3 Look execute",
        "4 Look emailalert",
        "5 Differs logfile",
        "6 Differs maintenancedir",
        "11 Differs checkcommand",
        "16 Look checkcommand",
        "18 Differs monitorfile",
    ] {
        assert!(told.iter().any(|told| told == line), "{line}: {told:#?}");
    }
    assert!(!told.iter().any(|told| told.starts_with("22 Differs")), "not used: {told:#?}");
    let with_smtp = format!("smtp=mail.example.com\n{text}").replace("/opt/x.log", "/var/log/x.log");
    let folder = Folder::new("smtp", &[("ha.d/ldirectord.cf", &with_smtp)]);
    let told = super::tests::told(&folder.check(), "ldirectord.cf");
    assert!(!told.iter().any(|told| told.ends_with("emailalert") || told.ends_with("logfile")), "{told:#?}");
}

#[test]
fn text_and_json_say_the_same() {
    let folder = pair("json");
    let summary = folder.check();
    let json: serde_json::Value = serde_json::from_str(&summary.json()).unwrap();
    assert_eq!(json["counts"]["change"], 1);
    let files = json["files"].as_array().unwrap();
    let dopd = files.iter().flat_map(|file| file["findings"].as_array().unwrap());
    let dopd: Vec<_> = dopd.filter(|finding| finding["verdict"] == "change").collect();
    assert_eq!((dopd.len(), &dopd[0]["line"]), (1, &12.into()));
    let text = summary.text(false);
    for part in ["must change:", "12:1  respawn: dopd asks", "the same: keepalive, deadtime", "1 must change"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn what_the_daemons_refuse_must_change() {
    let folder = Folder::new(
        "refused",
        &[
            ("ha.d/ha.cf", "node alpha beta\nbcast eth0\ndeadtim 3\n"),
            ("ha.d/authkeys", "auth 2\n1 sha1 0123456789abcdef\n"),
            ("ha.d/haresources", "gamma 192.0.2.1\nalpha IPaddr::192.0.2.300\n"),
            ("ha.d/ldirectord.cf", "virtual=192.0.2.1\n\treal=192.0.2.2:80 gate\n"),
        ],
    );
    let summary = folder.check();
    for (file, line) in [
        ("ha.cf", "3 Change "),
        ("authkeys", "1 Change "),
        ("haresources", "1 Change "),
        ("haresources", "2 Change "),
        ("ldirectord.cf", "1 Change "),
    ] {
        assert!(
            told(&summary, file).iter().any(|told| told == line),
            "{file} {line}: {:#?}",
            told(&summary, file)
        );
    }
}

#[test]
fn a_director_alone_is_checked_and_nothing_is_an_error() {
    let folder = Folder::new("director", &[("ha.d/conf/ldirectord.cf", DIRECTOR)]);
    assert_eq!(folder.check().files.len(), 1);
    let places = |directory: PathBuf| Places {
        directory,
        defaults: PathBuf::from("/nowhere"),
        node: None,
        offline: true,
    };
    assert!(matches!(directory(&places(folder.0.join("nowhere"))), Err(CheckError::NoDirectory(_))));
    assert!(matches!(directory(&places(folder.0.clone())), Err(CheckError::NoFiles(_))));
}

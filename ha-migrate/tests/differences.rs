//! The tables of docs/migration.md and `ha-migrate check` say the same: each difference is found in a file that has it, or is
//! one that no file shows.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)] // a test says what went wrong by failing

use ha_migrate::check::{Places, directory};
use ha_migrate::finding::Verdict;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// How one learns of a difference.
enum How {
    /// By a finding that has these words, when a line is added to this file.
    Found(&'static str, &'static str, &'static str),
    /// It is about what happens, not about what is in a file.
    NotInFiles,
}
use How::{Found, NotInFiles};

const HA_CF: &str = "keepalive 1\ndeadtime 10\nauto_failback on\nbcast eth0\nnode alpha beta\n";
const SERVICE: &str = "virtual=192.0.2.100:80\n\treal=192.0.2.10:80 gate\n\tprotocol=tcp\n";

/// By the first column of the table, in its order.
const HEARTBEAT: &[(&str, How)] = &[
    ("dead node", NotInFiles),
    ("healed partition", NotInFiles),
    ("a machine that was paused", NotInFiles),
    ("first start of both", NotInFiles),
    ("start and ping nodes", Found("ha.d/ha.cf", "ping 192.0.2.254", "does not wait")),
    ("a time in ha.cf", NotInFiles), // heartbeat refused the unit
    ("several values where one counts", Found("ha.d/ha.cf", "warntime 3 4", "warntime")),
    ("byte order mark", Found("ha.d/ha.cf", "\u{feff}", "byte order mark")),
    ("`auto_failback legacy`", Found("ha.d/ha.cf", "auto_failback legacy", "legacy")),
    ("`respawn … ipfail`", Found("ha.d/ha.cf", "respawn hacluster /usr/lib/heartbeat/ipfail", "built in")),
    (
        "clients of heartbeat's socket (dopd, ccm, apphbd, SNMP agent)",
        Found("ha.d/ha.cf", "respawn hacluster /usr/lib/heartbeat/dopd", "client socket"),
    ),
    ("`apiauth`", Found("ha.d/ha.cf", "apiauth ipfail uid=hacluster", "changes nothing")),
    ("ha_logd, `use_logd`", Found("ha.d/ha.cf", "use_logd yes", "no ha_logd")),
    (
        "`coredumps coreroot memreserve conn_logd_time syslogmsgfmt use_apphbd` and what concerns Pacemaker",
        Found("ha.d/ha.cf", "use_apphbd yes", "has no effect"),
    ),
    ("`cluster quorum_server normalpoll`", Found("ha.d/ha.cf", "cluster web", "as before")),
    ("compression", Found("ha.d/ha.cf", "compression zlib", "never compressed")),
    ("`crm on`, `autojoin other`, three nodes", Found("ha.d/ha.cf", "crm on", "crm")),
    ("authkeys", NotInFiles), // what is new heartbeat refused
    ("a malformed packet", NotInFiles),
    (
        "IPaddr, IPaddr2, IPv6addr, SendArp, IPsrcaddr, LVSSyncDaemonSwap, ldirectord and others",
        NotInFiles, // they do the same; "ha-resources check" tells
    ),
    ("announcements", NotInFiles),
    ("time limits of scripts", NotInFiles),
    ("a group that cannot be started", NotInFiles),
    ("a stop that fails", NotInFiles),
    ("groups of a node at its stop", NotInFiles),
    ("`hb_takeover failback`", NotInFiles),
    ("`hb_takeover`, `hb_standby`", NotInFiles),
    ("`hb_addnode`, `hb_delnode`", NotInFiles),
    ("`cl_status`", NotInFiles),
    ("rc.d scripts", Found("ha.d/rc.d/status", "#!/bin/sh\nreq_resource $1", "calls req_resource")),
    ("`/etc/default/heartbeat`", Found("default/heartbeat", "ULIMIT=1", "/etc/init.d/heartbeat")),
    ("`cl_respawn`", NotInFiles), // it does nearly the same
    ("`req_resource`, `mach_down`", Found("ha.d/rc.d/mine", "#!/bin/sh\nreq_resource $1", "takes nothing")),
    (
        "`hb_setweight hb_setsite ha_propagate drbd-peer-outdater`",
        Found("ha.d/rc.d/mine", "#!/bin/sh\nha_propagate", "but say so"),
    ),
    (
        "`hb_api.py`",
        Found("ha.d/ha.cf", "respawn root /usr/share/heartbeat/hb_api.py", "goes with the package"),
    ),
    ("the daemon is killed", NotInFiles),
    ("an address of a group is removed or added by hand", NotInFiles),
    ("addresses left by an earlier life", NotInFiles),
    ("haresources edited while it runs", NotInFiles),
    ("key of a group on the command line", NotInFiles),
    ("`verifyallidle` at the start", NotInFiles),
    ("stonith", Found("ha.d/ha.cf", "stonith_host * meatware alpha beta", "resets first")),
    ("watchdog", Found("ha.d/ha.cf", "watchdog /dev/watchdog", "released")),
    ("serial line missing at the start", Found("ha.d/ha.cf", "serial /dev/ttyS0", "when it comes")),
    ("reload", NotInFiles),
    ("different files on the two nodes", NotInFiles),
    ("second start", NotInFiles),
];

const CF: &str = "ha.d/ldirectord.cf";

const LDIRECTORD: &[(&str, How)] = &[
    ("checks", Found(CF, "", "at the same time")),
    ("`fork=yes`", Found(CF, "fork=yes", "no process for each service")),
    ("`checkinterval` of a section without `fork=yes`", Found(CF, "\tcheckinterval=5", "fork=no")),
    ("start and reload", Found(CF, "", "no traffic to a server before its first good check")),
    ("stop and reload in the middle of a check", NotInFiles),
    ("a file with a mistake", NotInFiles),
    (
        "`virtual` without a port, half a host name, half a scheduler's name",
        Found(CF, "virtual=192.0.2.1", "port"),
    ),
    (
        "`virtual=0`, or port 0 without `persistent`",
        Found(CF, "virtual=0\n\treal=192.0.2.11 gate", "not a firewall mark"),
    ),
    (
        "`netmask` such as 255.255.255.999, `persistent` above 31 days",
        Found(CF, "\tpersistent=60\n\tnetmask=255.255.255.999", "not a netmask"),
    ),
    ("`schedflags`", Found(CF, "\tschedflags=sh-port", "has no effect")),
    ("`l:` above `u:`, or without it", Found(CF, "\treal=192.0.2.11:80 gate 1 l:10", "refuses this server")),
    ("a weight above 65535", Found(CF, "\treal=192.0.2.11:80 gate 99999", "too large for a weight")),
    (
        "`checktype` that only has a digit in it (`external2`, `-1`)",
        Found(CF, "\tchecktype=external2", "not a check type"),
    ),
    (
        "`emailalert`, `emailalertfrom`, `smtp`, `virtualhost` that can be none",
        Found(CF, "emailalert=not an address", "not a mail address"),
    ),
    (
        "`mysql`, `pgsql`, `oracle` without `login` or `request`",
        Found(CF, "\tservice=mysql", "needs a login"),
    ),
    (
        "`logfile` that is neither a path nor a facility",
        Found(CF, "logfile=\"local9\"", "not a syslog facility"),
    ),
    ("`masq` to a loopback address", Found(CF, "fallback=127.0.0.1:80 masq", "the kernel drops")),
    (
        "`checkcommand` with arguments",
        Found(CF, "\tchecktype=external\n\tcheckcommand=\"/bin/true a\"", "these arguments"),
    ),
    ("values of the kernel that defeat the file, such as `expire_quiescent_template=0`", NotInFiles),
    ("lines of syslog", NotInFiles),
    ("`Invoking` and `Exiting` in the log", NotInFiles),
    ("mails", NotInFiles),
    (
        "a comment or a blank behind a value, blank lines and two blanks of indentation in a section, CR LF, a byte order mark",
        NotInFiles, // ldirectord refused them
    ),
    ("bad expression in `receive`", Found(CF, "\treceive=\"(\"", "regular expression")),
    ("`stop`", NotInFiles),
    ("`start`", NotInFiles),
    ("rights", Found(CF, "fallbackcommand=\"/sbin/iptables -F\"", "as the user directord")),
    ("the service on a pair", Found("default/ldirectord", "CONFIG_FILE=x", "MODE=--standby")),
    ("the table is changed by", NotInFiles),
    ("the same services under a second name", NotInFiles),
    ("failure counter of a server in several services", NotInFiles),
    ("`failurecount` with `ldap`, `ldaps`", Found(CF, "\tservice=ldap", "twice")),
    (
        "`ldap`, `ldaps` that refuse connections or logins, while ipvsadm is slower than `checktimeout`",
        NotInFiles,
    ),
    (
        "`u:20 l:10` behind a real server",
        Found(CF, "\treal=192.0.2.11:80 gate 1 u:20 l:10", "lost the upper one"),
    ),
    (
        "a real server's own request that begins with `/`",
        Found(CF, "\treal=192.0.2.11:80 gate \"/a\", \"b\"", "ldirectord forgot"),
    ),
    ("`virtual` as the last line", Found(CF, "virtual=192.0.2.1:80", "no real server")),
    ("a relative path of the configuration", NotInFiles),
    ("thresholds of a quiescent server", NotInFiles),
    ("gate and ipip with another port", Found(CF, "\treal=192.0.2.11:8080 gate", "keep the service's port")),
    (
        "global `fallback` with a firewall mark",
        Found(CF, "fallback=127.0.0.1:80\nvirtual=7\n\treal=192.0.2.10 gate", "firewall marks"),
    ),
    ("`fallbackcommand`", Found(CF, "fallbackcommand=\"/bin/true\"", "when the daemon stops")),
    ("`pop`, `imap` without login", Found(CF, "\tservice=pop", "good greeting")),
    ("`imap`, `imaps`", Found(CF, "\tservice=imap", "configured port")),
    ("`ftp` without `receive`", Found(CF, "\tservice=ftp", "when the login fails")),
    ("`dns`", Found(CF, "\tservice=dns\n\trequest=\"www.example.com\"", "any record")),
    ("a database whose driver for Perl is not installed (`oracle`: is not in Debian)", NotInFiles),
    (
        "`mysql`, `pgsql`, `oracle` with `receive`",
        Found(CF, "\tservice=mysql\n\tlogin=\"a\"\n\trequest=\"select 1\"\n\treceive=\"1\"", "first row"),
    ),
    ("`sip`", Found(CF, "\tservice=sip", "final answer")),
    ("`simpletcp`", Found(CF, "\tservice=simpletcp\n\treceive=\"ok\"", "any line")),
    ("`http`, `https`", Found(CF, "\tservice=https", "TLS handshake")),
    ("an HTTP answer that ends within its head, or has none (HTTP/0.9)", NotInFiles),
    (
        "`external` killed by a signal",
        Found(CF, "\tchecktype=external\n\tcheckcommand=/bin/true", "a signal has killed"),
    ),
    ("`external-perl`", Found(CF, "\tchecktype=external-perl\n\tcheckcommand=/bin/true", "perl runs")),
    ("`radius` server that cannot be reached", NotInFiles),
    ("names in `maintenancedir`", Found(CF, "maintenancedir=/etc/ha.d/off", "names of its files")),
    (
        "checks without a time limit (POP, SQL)",
        Found(CF, "\tservice=pgsql\n\tlogin=\"a\"\n\trequest=\"select 1\"", "limits of the file"),
    ),
    (
        "mail over `smtp` to several addresses",
        Found(CF, "emailalert=\"a@example.com, b@example.com\"", "of several"),
    ),
    (
        "`monitorfile` that cannot be written",
        Found(CF, "\tmonitorfile=/var/log/m", "does not end the daemon"),
    ),
    ("names of real servers", NotInFiles), // the same
    ("the table edited by hand", NotInFiles),
    ("`load`", NotInFiles), // the same
    ("its own", NotInFiles),
];

/// The first column of the table below a heading.
fn subjects(heading: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/migration.md");
    let text = std::fs::read_to_string(path).unwrap();
    let lines = text.lines().skip_while(|line| *line != heading).skip(1);
    let table = lines.skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    table.skip(2).map(|line| line.split('|').nth(1).unwrap().trim().to_owned()).collect()
}

fn agree(heading: &str, known: &[(&str, How)]) {
    let (written, known): (Vec<String>, Vec<&str>) =
        (subjects(heading), known.iter().map(|(subject, _)| *subject).collect());
    assert!(written.len() > 20, "{heading}: no table");
    let missing: Vec<_> = written.iter().filter(|subject| !known.contains(&subject.as_str())).collect();
    let gone: Vec<_> = known.iter().filter(|subject| !written.iter().any(|row| row == *subject)).collect();
    assert!(missing.is_empty() && gone.is_empty(), "only in the table: {missing:#?}; only here: {gone:#?}");
}

/// A directory with the file, which has the line; removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(number: usize, file: &str, line: &str) -> Folder {
        let name = format!("ha-migrate-differences-{}-{number}", std::process::id());
        let folder = Folder(std::env::temp_dir().join(name));
        let text = match file {
            "ha.d/ha.cf" if line == "\u{feff}" => format!("{line}{HA_CF}"),
            "ha.d/ha.cf" if line.starts_with("auto_failback") => HA_CF.replace("auto_failback on", line),
            "ha.d/ha.cf" => format!("{HA_CF}{line}\n"),
            CF if line.starts_with("virtual") => format!("{SERVICE}\n{line}\n"),
            CF if line.starts_with('\t') => format!("{SERVICE}{line}\n"),
            CF => format!("{line}\n{SERVICE}"),
            _ => format!("{line}\n"),
        };
        // without a file of its own there is nothing to check
        for (file, text) in [(CF, SERVICE), (file, text.as_str())] {
            let path = folder.0.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        folder
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn every_row_is_found_in_a_file_or_in_none() {
    agree("## What is different from heartbeat 3.0.6", HEARTBEAT);
    agree("## What is different from ldirectord 4.12", LDIRECTORD);
}

/// What is said of a file that has this line.
fn told(number: usize, file: &str, line: &str) -> Vec<String> {
    let folder = Folder::new(number, file, line);
    let places = Places {
        directory: folder.0.join("ha.d"),
        defaults: folder.0.join("default"),
        node: Some("alpha".to_owned()),
        offline: true,
    };
    let summary = directory(&places).unwrap();
    let findings =
        summary.files.iter().filter(|told| told.file.ends_with(file)).flat_map(|told| &told.findings);
    let text = |part: &Option<String>| part.clone().unwrap_or_default();
    findings
        .filter(|finding| finding.verdict != Verdict::Same)
        .map(|finding| format!("{} {} {}", text(&finding.subject), finding.message, text(&finding.advice)))
        .collect()
}

#[test]
fn every_difference_of_a_file_is_found() {
    for (number, (subject, how)) in HEARTBEAT.iter().chain(LDIRECTORD).enumerate() {
        let Found(file, line, words) = how else { continue };
        let has = |told: &[String]| told.iter().any(|told| told.contains(words));
        let with = told(number, file, line);
        assert!(has(&with), "{subject}: no {words:?} in {with:#?}");
        let without = told(number, file, "");
        assert!(line.is_empty() || !has(&without), "{subject}: also without the line: {without:#?}");
    }
}

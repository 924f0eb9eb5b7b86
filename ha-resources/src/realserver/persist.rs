//! What is written so that a real server is one after its next start, too. Pure.
//!
//! A oneshot unit of systemd that runs this program again: it depends neither on ifupdown nor on systemd-networkd nor on
//! NetworkManager, of which Debian machines have one or another, and it sets the values before the address. The file in
//! sysctl.d has the same values, because `sysctl --system` sets everything again as files say.

use std::net::IpAddr;
use std::path::Path;

use super::Mode;

/// The values, below the root.
pub const SYSCTL: &str = "etc/sysctl.d/60-ha-realserver.conf";
/// The unit, below the root.
pub const UNIT: &str = "etc/systemd/system/ha-realserver.service";
/// What `systemctl enable` makes, below the root.
pub const WANTS: &str = "etc/systemd/system/multi-user.target.wants/ha-realserver.service";

const MARK: &str =
    "# Written by `ha-resources realserver --persist`, removed by `ha-resources realserver VIP... --remove`.";
const LINE: &str = "# addresses:";

/// The addresses of a file that was written here, and how they are taken; `None`: it was not.
pub fn read(text: &str) -> Option<(Vec<IpAddr>, Vec<IpAddr>)> {
    let mut lines = text.lines();
    if lines.next() != Some(MARK) {
        return None;
    }
    let list = |mode: &str| {
        let prefix = format!("{LINE} {mode}");
        let line = text.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default();
        line.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    };
    Some((list(word(Mode::Loopback)), list(word(Mode::Redirect))))
}

/// Whether a file was written by somebody else.
pub fn foreign(text: &str) -> bool {
    text.lines().next() != Some(MARK)
}

fn word(mode: Mode) -> &'static str {
    match mode {
        Mode::Loopback => "lo",
        Mode::Redirect => "redirect",
    }
}

/// The file of sysctl.d; `None`: no address needs values.
pub fn sysctl(loopback: &[IpAddr]) -> Option<String> {
    loopback.iter().any(IpAddr::is_ipv4).then(|| {
        format!(
            "{MARK}\n# A real server does not answer ARP for addresses on lo, and does not use them to ask.\n\
             net.ipv4.conf.all.arp_ignore = 1\nnet.ipv4.conf.all.arp_announce = 2\n"
        )
    })
}

/// The unit; `None`: there is nothing to set up.
pub fn unit(program: &Path, loopback: &[IpAddr], redirect: &[IpAddr]) -> Option<String> {
    if loopback.is_empty() && redirect.is_empty() {
        return None;
    }
    let words = |list: &[IpAddr]| list.iter().map(|ip| format!(" {ip}")).collect::<String>();
    // quoted for systemd: the path may have blanks, and a percent sign begins a specifier
    let program = program
        .display()
        .to_string()
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('%', "%%")
        .replace('$', "$$");
    let mut text = format!(
        "{MARK}\n{LINE} lo{}\n{LINE} redirect{}\n[Unit]\nDescription=Real server by direct routing: virtual addresses\n\
         Documentation=man:ha-resources(8)\nAfter=systemd-sysctl.service network-pre.target nftables.service\nBefore=network-online.target\n\n\
         [Service]\nType=oneshot\nRemainAfterExit=yes\n",
        words(loopback),
        words(redirect)
    );
    for (list, option) in [(loopback, ""), (redirect, " --redirect")] {
        if !list.is_empty() {
            text += &format!("ExecStart=\"{program}\" realserver{}{option}\n", words(list));
        }
    }
    text += "\n[Install]\nWantedBy=multi-user.target\n";
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_they_were_written() {
        let (one, two) = (IpAddr::from([192, 0, 2, 1]), "2001:db8::1".parse().unwrap());
        let text = unit(Path::new("/usr/lib/a b/ha-resources"), &[one, two], &[]).unwrap();
        assert_eq!(read(&text), Some((vec![one, two], vec![])));
        assert!(
            text.contains("ExecStart=\"/usr/lib/a b/ha-resources\" realserver 192.0.2.1 2001:db8::1\n"),
            "{text}"
        );
        let text = unit(Path::new("/x"), &[], &[one]).unwrap();
        assert_eq!(read(&text), Some((vec![], vec![one])));
        assert!(text.contains("realserver 192.0.2.1 --redirect\n"));
        assert_eq!(read("[Unit]\n# addresses: lo 192.0.2.1"), None, "somebody else's");
        assert_eq!((unit(Path::new("/x"), &[], &[]), sysctl(&[two])), (None, None));
        assert!(sysctl(&[one]).is_some_and(|text| read(&text).is_some()));
    }
}

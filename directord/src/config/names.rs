//! Host and port names → numbers. Done once, when a file is loaded; never in a check.

use ipvs::Family;
use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use std::path::Path;

/// Who knows names. The real one is [`SystemNames`].
pub trait Names {
    /// The first address of a family.
    fn host(&self, name: &str, family: Family) -> Option<IpAddr>;
    /// A port by its name; of any protocol if none is given.
    fn port(&self, name: &str, protocol: Option<&str>) -> Option<u16>;
}

/// The system's resolver and `/etc/services`.
#[derive(Clone, Debug, Default)]
pub struct SystemNames {
    services: Vec<(String, u16, String)>,
}

impl SystemNames {
    /// Reads `/etc/services`; without the file only numbers are known.
    pub fn load() -> SystemNames {
        SystemNames::from_services(Path::new("/etc/services"))
    }

    fn from_services(path: &Path) -> SystemNames {
        let text =
            std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
        SystemNames { services: text.lines().flat_map(services_of_line).collect() }
    }
}

impl Names for SystemNames {
    fn host(&self, name: &str, family: Family) -> Option<IpAddr> {
        (name, 0)
            .to_socket_addrs()
            .ok()?
            .map(|socket| socket.ip())
            .find(|address| Family::of(*address) == family)
    }

    fn port(&self, name: &str, protocol: Option<&str>) -> Option<u16> {
        self.services
            .iter()
            .find(|(known, _, its_protocol)| known == name && protocol.is_none_or(|p| p == its_protocol))
            .map(|(_, port, _)| *port)
    }
}

/// `name port/protocol alias... # comment`, services(5).
fn services_of_line(line: &str) -> Vec<(String, u16, String)> {
    let mut words = line.split('#').next().unwrap_or("").split_whitespace();
    let (Some(name), Some((port, protocol))) =
        (words.next(), words.next().and_then(|word| word.split_once('/')))
    else {
        return Vec::new();
    };
    let Ok(port) = port.parse::<u16>() else { return Vec::new() };
    std::iter::once(name).chain(words).map(|name| (name.to_owned(), port, protocol.to_owned())).collect()
}

/// An address: literal, in one of the short forms of inet_aton(3) (`10.1` is 10.0.0.1), or by name.
/// What looks like an IPv4 address never goes to the resolver.
pub(super) fn resolve_host(names: &dyn Names, host: &str, family: Family) -> Option<IpAddr> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Some(address).filter(|address| Family::of(*address) == family);
    }
    if host.chars().all(|c| c.is_ascii_digit() || c == '.') {
        return short_address(host).map(IpAddr::V4).filter(|_| family == Family::V4);
    }
    if host.contains(':') {
        return None;
    }
    names.host(host, family)
}

/// A port: a number up to 65535, or a name.
pub(super) fn resolve_port(names: &dyn Names, port: &str, protocol: Option<&str>) -> Option<u16> {
    if port.chars().all(|c| c.is_ascii_digit()) { port.parse().ok() } else { names.port(port, protocol) }
}

/// Up to four decimal numbers; the last fills all bytes that are left. A leading 0 (octal for inet_aton) is refused.
fn short_address(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = text
        .split('.')
        .map(|part| part.parse().ok().filter(|_| part == "0" || !part.starts_with('0')))
        .collect::<Option<_>>()?;
    let (last, first) = parts.split_last()?;
    let mut value = 0u32;
    for part in first {
        value = (value << 8) | u32::from(u8::try_from(*part).ok()?);
    }
    let left = 32 - 8 * u32::try_from(first.len()).ok().filter(|count| *count < 4)?;
    if left < 32 && *last >> left != 0 {
        return None;
    }
    Some(Ipv4Addr::from(if left == 32 { *last } else { (value << left) | last }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Knows nothing.
    struct Nobody;

    impl Names for Nobody {
        fn host(&self, name: &str, _: Family) -> Option<IpAddr> {
            panic!("asked the resolver for {name}")
        }
        fn port(&self, _: &str, _: Option<&str>) -> Option<u16> {
            None
        }
    }

    #[test]
    fn numbers_never_reach_the_resolver() {
        for (text, expected) in [
            ("192.0.2.1", Some("192.0.2.1")),
            ("10.1", Some("10.0.0.1")),
            ("10.1.2", Some("10.1.0.2")),
            ("167772161", Some("10.0.0.1")),
            ("1.2.3.444", None),
            ("1.2.3.4.5", None),
            ("1.2.3.", None),
            ("010.1.2.3", None),
            ("2001:db8::1", None),
        ] {
            let expected = expected.map(|text| text.parse::<IpAddr>().unwrap());
            assert_eq!(resolve_host(&Nobody, text, Family::V4), expected, "{text}");
        }
        assert_eq!(resolve_host(&Nobody, "1.2.3.4", Family::V6), None);
        assert!(resolve_host(&Nobody, "2001:db8::1", Family::V6).is_some());
    }

    #[test]
    fn services_file() {
        let lines = "# comment\nhttp 80/tcp www # web\ntftp 69/udp\nbad\nworse x/tcp\n";
        let names = SystemNames { services: lines.lines().flat_map(services_of_line).collect() };
        assert_eq!(resolve_port(&names, "www", Some("tcp")), Some(80));
        assert_eq!(resolve_port(&names, "tftp", Some("tcp")), None);
        assert_eq!(resolve_port(&names, "tftp", None), Some(69));
        assert_eq!(resolve_port(&names, "65535", None), Some(65535));
        assert_eq!(resolve_port(&names, "65536", None), None);
    }
}

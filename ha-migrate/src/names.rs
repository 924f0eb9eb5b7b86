//! Host names of a file that is read on another machine than its own: none is looked up.

use directord::config::{Names, SystemNames};
use ipvs::Family;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Any host name is some address, of its own and none that a network uses (RFC 1112, 240.0.0.0/4; RFC 3849), so that
/// two names are never taken for one host; the names of services are this machine's.
pub struct AnyHost(SystemNames);

impl AnyHost {
    /// Reads this machine's names of services.
    pub fn load() -> AnyHost {
        AnyHost(SystemNames::load())
    }
}

impl Names for AnyHost {
    fn host(&self, name: &str, family: Family) -> Option<IpAddr> {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        let number = hasher.finish();
        Some(match family {
            Family::V4 => Ipv4Addr::from(0xf000_0000 | (number >> 37) as u32).into(),
            Family::V6 => Ipv6Addr::from(0x2001_0db8_ffff_ffff_u128 << 64 | u128::from(number)).into(),
        })
    }

    fn port(&self, name: &str, protocol: Option<&str>) -> Option<u16> {
        self.0.port(name, protocol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_a_host_of_its_own() {
        let names = AnyHost::load();
        for family in [Family::V4, Family::V6] {
            assert_eq!(names.host("web1", family), names.host("web1", family));
            assert_ne!(names.host("web1", family), names.host("web2", family));
        }
    }
}

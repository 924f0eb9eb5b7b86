//! `ldirectord.cf`.
#![no_main]

use directord::config::{Check, LoadError, Names, Source, load_source};
use fuzz::check_report;
use ipvs::Family;
use libfuzzer_sys::fuzz_target;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Knows short names without asking anybody.
struct ShortNames;

impl Names for ShortNames {
    fn host(&self, name: &str, family: Family) -> Option<IpAddr> {
        let known = (1..=8).contains(&name.len());
        known.then_some(match family {
            Family::V4 => Ipv4Addr::new(192, 0, 2, 7).into(),
            Family::V6 => Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 7).into(),
        })
    }

    fn port(&self, name: &str, _: Option<&str>) -> Option<u16> {
        (1..=8).contains(&name.len()).then_some(80)
    }
}

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let load = || load_source(Source::new("ldirectord.cf", text.as_ref()), &ShortNames);
    match (load(), load()) {
        (Ok(loaded), Ok(again)) => {
            check_report(&loaded.report);
            assert!(!loaded.report.has_errors());
            assert_eq!(again.plan, loaded.plan, "read twice");
            serde_json::to_string(&loaded.plan).expect("has a JSON form");
            for service in &loaded.plan.services {
                assert!(service.failure_count > 0 && service.rise > 0);
                for real in &service.reals {
                    if let Check::Probe(probe) = &real.check {
                        assert!(!probe.interval.is_zero() && !probe.kind.limit().is_zero(), "{probe:?}");
                    }
                }
            }
        }
        (Err(LoadError::Refused(report)), Err(LoadError::Refused(again))) => {
            check_report(&report);
            assert!(report.has_errors(), "refused, and nobody says why");
            assert_eq!(again.render(), report.render(), "read twice");
        }
        other => panic!("{other:?}"),
    }
});

//! For the fuzz targets: one mail to two receivers, handed to whoever answers.

use super::route::Queued;
use super::smtp;
use crate::alerts::Mail;
use crate::config::{Address, Alerts, MailHost, Phase, Phases};
use std::time::{Duration, SystemTime};

/// Who is not taken, or why the mail goes to nobody.
pub(crate) async fn send(limit: Duration) -> Result<Vec<String>, String> {
    let host = MailHost { host: "127.0.0.1".into(), port: 25 };
    let to: Vec<Address> =
        ["ops@example.com", "Team <team@example.com>"].into_iter().filter_map(Address::new).collect();
    let mail = Mail {
        settings: Alerts { to, via: Some(host.clone()), every: None, when: Phases::ALL },
        from: Address::new("lvs@example.com"),
        event: "Deleted real server: 192.0.2.10:80 (192.0.2.1:80)".into(),
        service: None,
        comment: None,
        check: None,
        phase: Phase::Running,
    };
    let queued = Queued::new(&mail, 1, SystemTime::UNIX_EPOCH);
    match smtp::send(&host, &queued, limit).await {
        Ok(refused) => {
            Ok(refused.into_iter().map(|(to, failure)| format!("{}: {}", to.path(), failure.why)).collect())
        }
        Err(failure) => Err(failure.why),
    }
}

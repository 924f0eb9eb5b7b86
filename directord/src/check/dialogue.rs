//! What the checks of the mail, directory, database and other services have in common, as plain data.

use super::{Outcome, Pattern, probe::seconds};
use crate::config::model::ServiceName;
use serde::{Serialize, Serializer};
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// A check in a service's own protocol.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Dialogue {
    /// The protocol.
    pub service: ServiceName,
    /// Whereto.
    pub to: SocketAddr,
    /// Datagrams instead of a connection, where the protocol has both.
    pub udp: bool,
    /// `login`; empty if there is none.
    pub login: String,
    /// `passwd`.
    pub password: Secret,
    /// `database`.
    pub database: String,
    /// `secret`, which client and server of RADIUS share.
    pub secret: Secret,
    /// `request`, without the `/` at its beginning.
    pub request: String,
    /// What must be found in the answer.
    pub receive: Option<Pattern>,
    /// `virtualhost`: what TLS sends as server name.
    pub virtual_host: Option<String>,
    /// `tlsverify`, if the section has it.
    pub tls_verify: Option<bool>,
    /// The limit of those protocols for which ldirectord(8) names `checktimeout`.
    #[serde(serialize_with = "seconds")]
    pub check_timeout: Duration,
    /// `negotiatetimeout`. The whole check ends within the longer of the two limits.
    #[serde(serialize_with = "seconds")]
    pub timeout: Duration,
}

impl Dialogue {
    /// Whether the connection begins with TLS.
    pub fn is_tls(&self) -> bool {
        matches!(self.service, ServiceName::Imaps | ServiceName::Ldaps | ServiceName::Pops)
    }

    /// Whether TLS may be needed: from the beginning, or as database clients do it. Without `tlsverify` those of
    /// PostgreSQL use it where the server offers it, those of MySQL never; with it the server must have it.
    pub fn may_use_tls(&self) -> bool {
        match self.service {
            ServiceName::Mysql => self.tls_verify.is_some(),
            ServiceName::Pgsql => true,
            _ => self.is_tls(),
        }
    }

    /// Whether TLS certificates must be of an authority that the system trusts.
    pub fn verifies(&self) -> bool {
        self.tls_verify.unwrap_or(self.service != ServiceName::Pgsql)
    }

    /// The name that TLS sends, if `virtualhost` is one: it may have a port behind it, or be an address.
    pub(super) fn server_name(&self) -> Option<&str> {
        let name = self.virtual_host.as_deref()?.split(':').next()?;
        let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
        Some(name).filter(|name| !name.is_empty() && name.chars().all(plain))
    }

    /// The longest time that one run may take.
    pub fn limit(&self) -> Duration {
        self.check_timeout.max(self.timeout)
    }

    /// What the server says, judged by `receive`.
    pub(super) async fn judge(&self, answer: Vec<u8>, turn: &super::pattern::Turn) -> Outcome {
        let Some(pattern) = &self.receive else { return Outcome::Passed };
        let beginning = super::outcome::excerpt(&answer);
        match pattern.is_found_in(answer, false, turn).await {
            Ok(true) => Outcome::Passed,
            Ok(false) => Outcome::NoMatch(beginning),
            Err(why) => Outcome::MatchFailed(why),
        }
    }
}

/// A password: it is sent to its server, and shown nowhere.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Wraps one.
    pub fn new(text: impl Into<String>) -> Secret {
        Secret(text.into())
    }

    /// For the one who sends it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "(none)" } else { "(secret)" })
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bool(!self.0.is_empty())
    }
}

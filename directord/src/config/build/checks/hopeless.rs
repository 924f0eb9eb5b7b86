//! Checks that no server can pass, because the section does not say what they need. ldirectord took such servers for down
//! without a word.

use super::Checks;
use crate::config::model::ServiceName;
use crate::config::value::Notes;
use config::{Diagnostic, Span};

impl Checks<'_> {
    /// Warns of them: a file with one is read, as it always was.
    pub(super) fn hopeless(&self, notes: &mut Notes) {
        if !self.negotiates() || self.at.section.reals.is_empty() {
            return;
        }
        let section = self.at.section;
        let place = section.service.as_ref().map_or(section.span, |service| service.span);
        let mut warn = |span: Span, message: &str, help: &str| {
            notes.push(Diagnostic::warning(span, message).help(help));
        };
        // Each real server may bring its own request and receive.
        let without_own = section.reals.iter().any(|real| real.dialogue.is_none());
        let no_request = section.request.is_none() && without_own;
        match self.service {
            ServiceName::Dns if no_request => warn(
                place,
                "a check of service dns without request asks for the root, which has no address: these servers are down",
                "write request=\"NAME\" with a name that the servers know, or an address",
            ),
            ServiceName::Ftp if no_request => {
                if let Some(receive) = &section.receive {
                    warn(
                        receive.span,
                        "receive is matched with the file that request names, and there is no request: these servers are down",
                        "write request=\"FILE\", or leave receive out to check the login alone",
                    );
                }
            }
            ServiceName::Radius => {
                let missing = match (&section.login, &section.secret) {
                    (None, None) => "login and secret",
                    (None, Some(_)) => "login",
                    (Some(_), None) => "secret",
                    (Some(_), Some(_)) => return,
                };
                let message = format!(
                    "a check of service radius without {missing} is not accepted: these servers are down"
                );
                warn(
                    place,
                    &message,
                    "write login=\"USER\", passwd=\"PASSWORD\" and secret=\"SECRET\", or checktype=ping",
                );
            }
            _ => {}
        }
    }
}

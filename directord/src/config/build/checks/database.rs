//! Checks of databases: what a section must say, and the program that asks Oracle.

use super::super::resolve::note_once;
use super::{Checks, text};
use crate::check::Script;
use crate::config::model::{RealText, ServiceName};
use crate::config::value::Notes;
use config::Diagnostic;
use std::net::SocketAddr;
use std::path::Path;

/// Where programs for checks are installed.
const PROGRAMS: &str = "/usr/share/directord";

impl Checks<'_> {
    /// A database without account or query was logged and always down with ldirectord.
    pub(super) fn is_complete(&self, notes: &mut Notes) -> bool {
        use ServiceName::{Mysql, Oracle, Pgsql};
        let section = self.at.section;
        if !self.negotiates() || !matches!(self.service, Mysql | Oracle | Pgsql) {
            return true;
        }
        let login = section.login.is_some();
        let request = section.request.is_some()
            || (!section.reals.is_empty() && section.reals.iter().all(|real| real.dialogue.is_some()));
        let missing = match (login, request) {
            (true, true) => {
                self.receive_of_a_row(notes);
                return true;
            }
            (false, false) => "a login and a request",
            (false, true) => "a login",
            (true, false) => "a request",
        };
        let span = section.service.as_ref().map_or(section.span, |service| service.span);
        let message = format!("a check of service {} needs {missing}", self.service.name());
        notes.push(Diagnostic::error(span, message).help(
            "write login=\"USER\", passwd=\"PASSWORD\", database=\"NAME\" and request=\"SELECT ...\" in the section, or checktype=connect",
        ));
        false
    }

    fn receive_of_a_row(&self, notes: &mut Notes) {
        let section = self.at.section;
        let own = section.reals.iter().filter_map(|real| Some(&real.dialogue.as_ref()?.1));
        let Some(receive) = section.receive.iter().chain(own).next() else { return };
        let message = match self.service {
            ServiceName::Oracle => "receive has no effect with service oracle: one row is enough",
            _ => "receive must match a value of the first row; ldirectord was content with any row",
        };
        notes.push(
            Diagnostic::warning(receive.span, message).help("leave it out if a row is all that is needed"),
        );
    }

    /// By a program of the administrator's: Oracle's client cannot be part of this one.
    pub(super) fn oracle(&self, real: &RealText, to: SocketAddr, notes: &mut Notes) -> Script {
        let section = self.at.section;
        let own =
            std::env::current_exe().ok().and_then(|program| Some(program.parent()?.join("check-oracle")));
        let installed = Path::new(PROGRAMS).join("check-oracle");
        let found = own.into_iter().chain([installed.clone()]).find(|path| path.is_file());
        if found.is_none() {
            let span = section.service.as_ref().map_or(section.span, |service| service.span);
            let message = "the program check-oracle, which checks service oracle, is not installed";
            note_once(
                notes,
                Diagnostic::warning(span, message).help(
                    "install Oracle's sqlplus, and check-oracle in /usr/share/directord; until then these servers are down",
                ),
            );
        }
        let query = self.request(real).0.trim_start_matches('/').to_owned();
        Script {
            service: self.service,
            program: found.unwrap_or(installed),
            arguments: vec![
                to.ip().to_string(),
                to.port().to_string(),
                text(&section.database),
                self.login(),
                query,
            ],
            password: self.password(),
            timeout: self.negotiate_timeout,
        }
    }
}

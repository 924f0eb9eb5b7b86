//! What children get and who may ask the daemon: `env`, `apiauth`.

use super::Parser;
use crate::config::line::{Line, Word};

/// The variable of `env` that says what a failed stop leads to.
const STOP_FAILURE: &str = "STOP_FAILURE";

impl Parser<'_> {
    /// `env NAME=VALUE`: for the children, and what this daemon itself understands of it.
    pub(super) fn environment(&mut self, line: &Line<'_>) {
        for value in &line.values {
            match value.text.split_once('=') {
                Some((name, set)) if !name.is_empty() => {
                    if name == STOP_FAILURE {
                        self.stop_failure(*value, set);
                    }
                    self.draft.environment.insert(name.to_owned(), set.to_owned());
                }
                _ => {
                    let message = format!("env \"{}\" sets nothing", value.text);
                    self.error(value.span, message, "write \"env NAME=VALUE\"");
                }
            }
        }
    }

    /// What follows when a group cannot be stopped. A variable, so that heartbeat 3.0.6 takes the same file.
    fn stop_failure(&mut self, value: Word<'_>, set: &str) {
        match set {
            "alarm" => self.draft.fence_stuck = None,
            "fence" => self.draft.fence_stuck = Some(value.span),
            _ => {
                let message = format!("{STOP_FAILURE} \"{set}\" is not valid");
                let help =
                    "alarm: log and status tell of it (the default); fence: the other node resets this one";
                self.error(value.span, message, help);
            }
        }
    }

    /// `apiauth CLIENT uid=NAME,... gid=NAME,...`: only checked, for the mode of the control socket decides who may ask;
    /// so a mistake in it is no reason to refuse the start.
    pub(super) fn api_authority(&mut self, line: &Line<'_>) {
        // The comma separates words, too: what follows a list is one more name of it.
        let mut in_list = false;
        for value in line.values.iter().skip(1) {
            match value.text.split_once('=') {
                Some(("uid" | "gid", names)) if !names.is_empty() => in_list = true,
                None if in_list => {}
                _ => {
                    let message = format!("apiauth \"{}\" is not valid", value.text);
                    let help = "write \"apiauth CLIENT uid=NAME,NAME gid=NAME\", without blanks around \"=\"";
                    return self.warning(value.span, message, help);
                }
            }
        }
        if !in_list {
            let help = "write \"apiauth CLIENT uid=NAME,NAME gid=NAME\"";
            self.warning(line.directive.span, "apiauth names neither a user nor a group", help);
        }
    }
}

//! `respawn USER COMMAND…` and `failfast USER COMMAND…`: programs that live with the daemon (ha.cf(5)).

use super::hacf::Parser;
use super::line::Line;
use super::plan::Respawn;
use nix::unistd::User;
use rustix::fs::{Access, access};
use std::path::Path;

/// Reads a line. A program or user that is missing on this machine is only warned of: the pair serves without it.
pub(super) fn apply(parser: &mut Parser<'_>, line: &Line<'_>) {
    let directive = line.directive;
    let (Some(user), Some(program)) = (line.values.first(), line.values.get(1)) else {
        let help = format!("write \"{} USER /PATH/TO/PROGRAM ARGUMENTS\"", directive.text);
        return parser.error(line.rest.span, format!("{} names no program", directive.text), help);
    };
    let path = Path::new(program.text);
    if path.file_name().is_some_and(|name| name == "ipfail") {
        // It is built in, wherever the old program was.
        parser.draft.ipfail = true;
        return;
    }
    if !path.is_absolute() {
        let message = format!("\"{}\" is not a full path", program.text);
        return parser.error(program.span, message, "the program's path begins with /");
    }
    if access(path, Access::EXEC_OK).is_err() || path.is_dir() {
        let message = format!("{} is no program that can be run on this machine", path.display());
        parser.warning(program.span, message, "install it, or remove the line; the daemon starts without it");
    }
    if !matches!(User::from_name(user.text), Ok(Some(_))) {
        let message = format!("there is no user {} on this machine", user.text);
        parser.warning(
            user.span,
            message,
            "create the user, or name another one; the program is not started",
        );
    }
    let command = line.rest.text.get(program.span.start - line.rest.span.start..).unwrap_or_default();
    parser.draft.respawns.push(Respawn {
        user: user.text.to_owned(),
        command: command.to_owned(),
        failfast: directive.text == "failfast",
    });
}

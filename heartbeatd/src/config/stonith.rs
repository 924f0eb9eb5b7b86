//! `stonith TYPE FILE` and `stonith_host HOST TYPE PARAMETERS…`: the devices by which this node cuts off the other
//! (ha.cf(5)). HOST is the node that reaches the device, `*` for both; lines for the other node are only checked.

use super::draft::{Draft, Spanned};
use super::hacf::Parser;
use super::line::{Line, Word};
use super::plan::{StonithDevice, StonithParameters};
use config::{Diagnostic, Report, nearest};
use std::path::{Path, PathBuf};

const ANY_NODE: &str = "*";

/// A line, and the node it is for.
#[derive(Clone, Debug)]
pub(super) struct StonithLine {
    host: String,
    device: StonithDevice,
}

/// Reads a line.
pub(super) fn apply(parser: &mut Parser<'_>, line: &Line<'_>) {
    if line.directive.text == "stonith" { by_file(parser, line) } else { by_line(parser, line) }
}

fn by_file(parser: &mut Parser<'_>, line: &Line<'_>) {
    let (Some(kind), Some(file)) = (line.values.first(), line.values.get(1)) else {
        let help = "write \"stonith TYPE FILE\": the file has the device's parameters; \"stonith -L\" lists the types";
        return parser.error(line.rest.span, "stonith needs the type of a device and a file", help);
    };
    if !Path::new(file.text).is_file() {
        let message = format!("{}: there is no such file on this machine", file.text);
        let help = "without it the device cannot be used, and a dead node's resources are not taken";
        parser.warning(file.span, message, help);
    }
    let parameters = StonithParameters::File(PathBuf::from(file.text));
    add(parser, Word { text: ANY_NODE, span: line.directive.span }, *kind, parameters);
}

fn by_line(parser: &mut Parser<'_>, line: &Line<'_>) {
    let (Some(host), Some(kind)) = (line.values.first(), line.values.get(1)) else {
        let help = "write \"stonith_host * TYPE PARAMETERS\"; \"stonith -L\" lists the types of devices";
        return parser.error(line.rest.span, "stonith_host needs a node and the type of a device", help);
    };
    // passwords are in here: neither tools nor scripts are shown them
    parser.draft.parameters.insert("stonith_host".to_owned(), format!("{} {} …", host.text, kind.text));
    let behind = line.rest.text.get(kind.span.end - line.rest.span.start..).unwrap_or_default();
    add(parser, *host, *kind, StonithParameters::Line(behind.trim().to_owned()));
}

fn add(parser: &mut Parser<'_>, host: Word<'_>, kind: Word<'_>, parameters: StonithParameters) {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/' | '.');
    if !kind.text.chars().all(plain) || kind.text.starts_with(['-', '/', '.']) || kind.text.contains("..") {
        let message = format!("\"{}\" is not the type of a stonith device", kind.text);
        return parser.error(
            kind.span,
            message,
            "one that \"stonith -L\" lists, or the name of a fence-agents program",
        );
    }
    let device = StonithDevice { kind: kind.text.to_owned(), parameters };
    if let (true, StonithParameters::Line(text)) = (device.is_fence_agent(), &device.parameters) {
        if let Some(word) = text.split_whitespace().find(|word| !word.contains('=')) {
            let message = format!("\"{word}\": a program of fence-agents has its parameters as NAME=VALUE");
            let help = format!("\"{} -o metadata\" lists the names", kind.text);
            return parser.error(kind.span, message, help);
        }
    }
    parser
        .draft
        .stonith
        .push(Spanned::new(StonithLine { host: host.text.to_lowercase(), device }, host.span));
}

/// The devices that `node` reaches, in the order of the file.
pub(super) fn devices(
    report: &mut Report,
    draft: &Draft,
    node: &str,
    nodes: &[String],
) -> Vec<StonithDevice> {
    let mut devices = Vec::new();
    for Spanned { value: StonithLine { host, device }, span } in &draft.stonith {
        if host == ANY_NODE || host == node {
            devices.push(device.clone());
        } else if !nodes.contains(host) {
            let near = nearest(host, nodes.iter().map(String::as_str));
            let help = near.map(|near| format!("did you mean \"{near}\"? ")).unwrap_or_default();
            let help =
                format!("{help}the first word is the node that reaches the device, or * for every node");
            report.push(
                Diagnostic::error(*span, format!("stonith_host [{host}] is not a node of ha.cf")).help(help),
            );
        }
    }
    let written = draft.stonith.last().map(|line| line.span);
    if let (Some(span), true, true) = (written, devices.is_empty(), !report.has_errors()) {
        let message =
            "no stonith device is for this node: the other one's resources are taken without fencing it";
        report.push(Diagnostic::warning(span, message).help("add a line for this node, or for *"));
    }
    devices
}

/// Warns of a file that shows everybody how to switch off the nodes.
pub(super) fn check_mode(report: &mut Report, devices: &[StonithDevice], mode: u32) {
    let shows = |device: &StonithDevice| matches!(&device.parameters, StonithParameters::Line(text) if text.split_whitespace().count() > 1);
    if mode & 0o004 != 0 && devices.iter().any(shows) {
        let message = "every user of this machine can read the parameters of stonith_host";
        let help = "chmod 600 it, if there are passwords among them";
        report.push(Diagnostic::warning(None, message).help(help));
    }
}

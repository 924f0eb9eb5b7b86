//! What `ha.cf` says, before it is checked as a whole and completed with defaults.

use super::plan::{Failback, GenerationMethod, Log, Medium, PingNode, Respawn, Timing, UuidFrom};
use super::stonith::StonithLine;
use super::time::shown;
use config::{Diagnostic, Report, Span};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Spanned<T> {
    pub(super) value: T,
    pub(super) span: Span,
}

impl<T> Spanned<T> {
    pub(super) fn new(value: T, span: Span) -> Spanned<T> {
        Spanned { value, span }
    }
}

/// What a file says, without the plan's promises.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) nodes: Vec<Spanned<String>>,
    pub(super) keepalive: Option<Spanned<Duration>>,
    pub(super) deadtime: Option<Spanned<Duration>>,
    pub(super) warntime: Option<Spanned<Duration>>,
    pub(super) initdead: Option<Spanned<Duration>>,
    pub(super) deadping: Option<Spanned<Duration>>,
    pub(super) rexmit_delay: Duration,
    pub(super) media: Vec<Medium>,
    /// Lines that name a medium, right or wrong.
    pub(super) media_lines: usize,
    /// Those of them that carry no heartbeats: ping nodes.
    pub(super) other_media: usize,
    pub(super) pings: Vec<Spanned<PingNode>>,
    pub(super) respawns: Vec<Respawn>,
    pub(super) ipfail: bool,
    /// `baud` so far.
    pub(super) baud: u32,
    pub(super) stonith: Vec<Spanned<StonithLine>>,
    /// `udpport` so far, and whether a line of this kind has used it.
    pub(super) port: u16,
    pub(super) bcast_port: Option<u16>,
    pub(super) ucast_port: Option<u16>,
    pub(super) failback: Option<Spanned<Failback>>,
    pub(super) hop_fudge: u32,
    pub(super) generation: GenerationMethod,
    pub(super) uuid_from: UuidFrom,
    pub(super) inner_auth: bool,
    pub(super) realtime: bool,
    pub(super) priority: u8,
    pub(super) watchdog: Option<PathBuf>,
    pub(super) log: Log,
    pub(super) log_named: bool,
    pub(super) use_logd: bool,
    pub(super) log_bad_packets: bool,
    pub(super) debug: u8,
    pub(super) environment: BTreeMap<String, String>,
    /// `env STOP_FAILURE=fence`, and where.
    pub(super) fence_stuck: Option<Span>,
    pub(super) parameters: BTreeMap<String, String>,
}

impl Draft {
    /// The defaults of heartbeat 3.0.6.
    pub(super) fn new(services_port: Option<u16>) -> Draft {
        Draft {
            nodes: Vec::new(),
            keepalive: None,
            deadtime: None,
            warntime: None,
            initdead: None,
            deadping: None,
            rexmit_delay: Duration::from_millis(250),
            media: Vec::new(),
            media_lines: 0,
            other_media: 0,
            pings: Vec::new(),
            respawns: Vec::new(),
            ipfail: false,
            baud: 19_200,
            stonith: Vec::new(),
            port: services_port.unwrap_or(694),
            bcast_port: None,
            ucast_port: None,
            failback: None,
            hop_fudge: 1,
            generation: GenerationMethod::File,
            uuid_from: UuidFrom::File,
            inner_auth: true,
            realtime: true,
            priority: 1,
            watchdog: None,
            log: Log::default(),
            log_named: false,
            use_logd: false,
            log_bad_packets: true,
            debug: 0,
            environment: BTreeMap::new(),
            fence_stuck: None,
            parameters: BTreeMap::new(),
        }
    }

    /// The timers, completed and checked against each other.
    pub(super) fn timing(&self, report: &mut Report) -> Timing {
        let or = |set: &Option<Spanned<Duration>>, default| set.as_ref().map_or(default, |s| s.value);
        let span = |set: &Option<Spanned<Duration>>| set.as_ref().map(|s| s.span);
        let keepalive = or(&self.keepalive, Duration::from_secs(1));
        let deadtime = or(&self.deadtime, Duration::from_secs(30));
        let warntime = or(&self.warntime, deadtime / 2);
        let initdead = or(&self.initdead, default_initdead(deadtime));
        let deadping = or(&self.deadping, deadtime);
        // A default that stands in for a value with an error of its own proves nothing.
        let wrong = report.has_errors();
        let known = |set: &Option<Spanned<Duration>>| set.is_some() || !wrong;
        for (name, word, time, at) in [
            ("Dead time", "deadtime", deadtime, &self.deadtime),
            ("Ping dead time", "deadping", deadping, &self.deadping),
        ] {
            if time <= keepalive * 2 && known(at) && known(&self.keepalive) {
                let (time, keepalive, twice) = (shown(time), shown(keepalive), shown(keepalive * 2));
                let message = format!("{name} [{time}] is too small compared to keepalive [{keepalive}]");
                let at = span(at).or(span(&self.keepalive));
                let help = format!("{word} must be more than twice keepalive: more than {twice}");
                report.push(Diagnostic::error(at, message).help(help));
            }
        }
        if initdead < deadtime && known(&self.initdead) && known(&self.deadtime) {
            let message =
                format!("initdead [{}] is smaller than deadtime [{}]", shown(initdead), shown(deadtime));
            report.push(
                Diagnostic::error(span(&self.initdead), message)
                    .help(format!("at least {}", shown(deadtime))),
            );
        } else if initdead < Duration::from_secs(10) && known(&self.initdead) {
            let message = format!("Initial dead time [{}] may be too small!", shown(initdead));
            let help = "a node that is slower to boot finds its resources taken; 10s or more is usual";
            report.push(Diagnostic::warning(span(&self.initdead), message).help(help));
        }
        if warntime >= deadtime {
            let message =
                format!("warntime [{}] is not below deadtime [{}]", shown(warntime), shown(deadtime));
            report.push(
                Diagnostic::warning(span(&self.warntime), message).help("no late heartbeat will be reported"),
            );
        }
        Timing { keepalive, deadtime, warntime, initdead, deadping, rexmit_delay: self.rexmit_delay }
    }
}

/// `initdead` when it is not set: long enough for the network to come up.
fn default_initdead(deadtime: Duration) -> Duration {
    let seconds = Duration::from_secs;
    match deadtime {
        long if long > seconds(10) => long,
        short if short < seconds(6) => seconds(12),
        middle => middle * 2,
    }
}

//! What monitoring collects, as OpenMetrics text (<https://prometheus.io/docs/specs/om/open_metrics_spec/>).
//!
//! The daemon answers it on its control socket. A snapshot is taken by the loop; the text is made elsewhere.

mod tally;

pub use tally::{Edits, Histogram, Tally};

use crate::control::DaemonStatus;
use crate::director::{ServerStatus, ServiceStatus};
use crate::verdict::State;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeCounterValue, EncodeGaugeValue, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;
use std::fmt;

/// Everything at one moment.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// The daemon itself.
    pub daemon: DaemonStatus,
    /// The services.
    pub services: Vec<ServiceStatus>,
    /// Of every service: how long checks took, and how they ended for each of its servers.
    pub tallies: Vec<(Histogram, Vec<Tally>)>,
    /// Edits of the kernel's table.
    pub edits: Edits,
    /// How late the loop was.
    pub lag: Histogram,
}

/// The text.
///
/// # Errors
/// Never, as it is written to memory; the library's signature has one.
pub fn render(snapshot: Snapshot) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(snapshot));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

/// Labels and a value.
type Sample<const N: usize, V> = ([(&'static str, String); N], V);

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut out = Writer(&mut encoder);
        self.of_daemon(&mut out)?;
        self.of_services(&mut out)?;
        self.of_servers(&mut out)?;
        self.of_checks(&mut out)
    }
}

impl Snapshot {
    fn of_daemon(&self, out: &mut Writer<'_, '_>) -> fmt::Result {
        let daemon = &self.daemon;
        let version = [("version", daemon.version.clone()), ("config", daemon.config.clone())];
        out.gauges("directord_build_info", "The program and its configuration", [(version, 1u64)])?;
        let one = |value| [([] as [(&'static str, String); 0], value)];
        out.gauges("directord_start_time_seconds", "When the daemon began, since 1970", one(daemon.started))?;
        out.gauges(
            "directord_config_loaded_time_seconds",
            "When the configuration in force was read",
            one(daemon.loaded),
        )?;
        let ok = u64::from(daemon.load_error.is_none());
        out.gauges("directord_config_ok", "Whether the file as it is now is in force", one(ok))?;
        let readable = u64::from(daemon.table_unknown.is_none());
        out.gauges("directord_table_readable", "Whether the kernel told its table", one(readable))?;
        out.gauges(
            "directord_table_errors",
            "What of the plan is not in the kernel's table",
            one(daemon.table_errors.len() as u64),
        )?;
        let edits = self.edits.iter().map(|(action, count)| ([("action", action.to_owned())], count));
        out.counters("directord_table_edits", "Edits of the kernel's table", edits)?;
        out.counters(
            "directord_table_edit_failures",
            "Edits that the kernel refused",
            one(self.edits.failed),
        )?;
        out.counters(
            "directord_table_repairs",
            "Edits that repaired what somebody else had changed",
            one(daemon.repairs),
        )?;
        out.counters("directord_log_lines_dropped", "Lost log lines", one(daemon.log_dropped))?;
        out.counters(
            "directord_mails_sent",
            "Mails that went out, for each receiver",
            one(daemon.mails_sent),
        )?;
        out.counters(
            "directord_mails_lost",
            "Mails that did not, for each receiver",
            one(daemon.mails_lost),
        )?;
        out.histograms(
            "directord_loop_lag_seconds",
            "How late the daemon's loop was",
            [([] as [(&'static str, String); 0], &self.lag)],
        )
    }

    fn of_services(&self, out: &mut Writer<'_, '_>) -> fmt::Result {
        let each = |value: fn(&ServiceStatus) -> u64| {
            self.services.iter().map(move |service| ([("service", service.service.clone())], value(service)))
        };
        out.gauges(
            "directord_service_servers",
            "Real servers of a service",
            each(|s| s.servers.len() as u64),
        )?;
        out.gauges("directord_service_servers_up", "Those that are up", each(|s| s.up as u64))?;
        if self.daemon.table_unknown.is_some() {
            return Ok(());
        }
        let in_table = each(|s| u64::from(s.in_table));
        out.gauges("directord_service_in_table", "Whether the kernel's table holds it", in_table)?;
        let fallback = each(|s| u64::from(s.fallback_active));
        out.gauges("directord_service_fallback_active", "Whether the fallback takes connections", fallback)
    }

    fn of_servers(&self, out: &mut Writer<'_, '_>) -> fmt::Result {
        let each = |value: fn(&ServerStatus) -> Option<f64>| {
            self.servers()
                .filter_map(move |(service, server)| Some((labels(service, server), value(server)?)))
        };
        out.gauges("directord_server_up", "Whether it is up", each(|s| flag(s.state == State::Up)))?;
        out.gauges(
            "directord_server_drained",
            "Out of service by hand",
            each(|s| flag(s.drained.is_some())),
        )?;
        out.gauges("directord_server_maintenance", "In maintenance", each(|s| flag(s.maintenance)))?;
        out.gauges(
            "directord_server_weight_configured",
            "Weight in the file",
            each(|s| Some(s.weight.into())),
        )?;
        out.gauges(
            "directord_server_weight_wanted",
            "Weight that it shall have now",
            each(|s| s.wanted_weight.map(f64::from)),
        )?;
        out.gauges(
            "directord_server_weight_kernel",
            "Weight in the kernel's table, if it is there",
            each(|s| s.table_weight.map(f64::from)),
        )?;
        out.gauges(
            "directord_server_active_connections",
            "Established connections in the kernel",
            each(|s| s.active.map(f64::from)),
        )?;
        out.gauges(
            "directord_server_inactive_connections",
            "Other connections in the kernel",
            each(|s| s.inactive.map(f64::from)),
        )?;
        out.gauges(
            "directord_server_state_time_seconds",
            "Since when it is up or down, since 1970",
            each(|s| Some(s.since as f64)),
        )?;
        out.gauges(
            "directord_server_last_check_duration_seconds",
            "How long its last check took",
            each(|s| s.took_ms.map(|took| took / 1e3)),
        )?;
        out.gauges(
            "directord_server_last_check_time_seconds",
            "When its last check ended, since 1970",
            each(|s| s.checked.map(|at| at as f64)),
        )
    }

    fn of_checks(&self, out: &mut Writer<'_, '_>) -> fmt::Result {
        let tallied = self.services.iter().zip(&self.tallies);
        let results = tallied.clone().flat_map(|(service, (_, tallies))| {
            service.servers.iter().zip(tallies).flat_map(|(server, tally)| {
                let [a, b] = labels(service, server);
                tally.iter().map(move |(outcome, count)| {
                    ([a.clone(), b.clone(), ("outcome", outcome.to_owned())], count)
                })
            })
        });
        out.counters("directord_server_check_results", "Checks by the way they ended", results)?;
        let durations = tallied.map(|(service, (took, _))| ([("service", service.service.clone())], took));
        out.histograms("directord_check_duration_seconds", "How long checks took", durations)
    }

    fn servers(&self) -> impl Iterator<Item = (&ServiceStatus, &ServerStatus)> {
        self.services.iter().flat_map(|service| service.servers.iter().map(move |server| (service, server)))
    }
}

fn flag(flag: bool) -> Option<f64> {
    Some(f64::from(u8::from(flag)))
}

fn labels(service: &ServiceStatus, server: &ServerStatus) -> [(&'static str, String); 2] {
    [("service", service.service.clone()), ("server", server.server.clone())]
}

/// One family after the other.
struct Writer<'a, 'b>(&'a mut DescriptorEncoder<'b>);

impl Writer<'_, '_> {
    fn gauges<const N: usize, V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = Sample<N, V>>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (labels, value) in samples {
            family.encode_family(&labels)?.encode_gauge(&value)?;
        }
        Ok(())
    }

    fn counters<const N: usize, V: EncodeCounterValue>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = Sample<N, V>>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Counter)?;
        for (labels, value) in samples {
            family.encode_family(&labels)?.encode_counter::<NoLabelSet, _, f64>(&value, None)?;
        }
        Ok(())
    }

    fn histograms<'h, const N: usize>(
        &mut self,
        name: &str,
        help: &str,
        samples: impl IntoIterator<Item = Sample<N, &'h Histogram>>,
    ) -> fmt::Result {
        let mut family = self.0.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (labels, took) in samples {
            let buckets = took.buckets();
            family.encode_family(&labels)?.encode_histogram::<NoLabelSet>(
                took.sum(),
                took.count(),
                &buckets,
                None,
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;

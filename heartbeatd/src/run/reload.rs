//! A changed configuration: what differs is applied, what does not is left alone.

use super::environment;
use super::orders::Order;
use super::pinging::PingPlan;
use super::shell::Shell;
use super::start;
use crate::cluster::{Event, Settings};
use crate::config::{self, Plan};
use crate::media::{self, Target};

/// Reads the files again and applies the difference. Nothing is changed when something is wrong with them.
pub(super) async fn reload(shell: &mut Shell) -> Result<String, String> {
    let reading = config::read(&shell.arguments.config_dir, &shell.plan.node);
    if reading.plan.as_ref() == Some(&shell.plan) {
        tracing::info!("Configuration unchanged.");
        return Ok("Configuration unchanged.".to_owned());
    }
    for (level, line) in reading.lines() {
        match level {
            ::config::Level::Error => tracing::error!("{line}"),
            ::config::Level::Warning => tracing::warn!("{line}"),
        }
    }
    let Some(plan) = reading.plan else {
        let reason = "the configuration has errors, so the old one stays in use";
        tracing::error!("{reason}");
        let lines: Vec<String> = reading.reports.iter().flat_map(::config::Report::lines).collect();
        return Err(format!("{reason}: {}", lines.join(" | ")));
    };
    // A peer's name that is not found now would keep a new process from starting, too.
    let targets = media::resolve(&plan.media)
        .inspect_err(|error| tracing::error!("{error}; the old configuration stays in use"))?;
    if plan.nodes != shell.plan.nodes {
        shell.restart = true;
        let note = "the nodes have changed: the daemon starts anew";
        tracing::info!("{note}");
        return Ok(note.to_owned());
    }
    shell.restart = false;
    apply(shell, plan, &targets).await
}

async fn apply(shell: &mut Shell, plan: Plan, targets: &[Target]) -> Result<String, String> {
    let mut applied = Vec::new();
    if start::packets(&plan) != start::packets(&shell.plan) {
        shell.give(Order::Packets(Box::new(start::packets(&plan)))).await;
        applied.push("keys");
    }
    let links = start::links(&plan);
    let old = &shell.settings;
    let settings = start::settings(&plan, &links, old.uuid, old.generation, old.configuration.haresources);
    let settings = Settings { seed: old.seed, peer_generation: old.peer_generation, ..settings };
    if settings != shell.settings {
        // before the media: they name their links by the number in this list
        shell.give(Order::Event(Event::Reload(Box::new(settings.clone())))).await;
        (shell.settings, shell.links) = (settings, links);
        applied.push("timers, links and failback");
    }
    if plan.media != shell.plan.media {
        replace_media(shell, targets).await.inspect_err(|error| tracing::error!("{error}"))?;
        applied.push("media");
    }
    // deadping follows deadtime: without ping nodes it changes nothing
    let later = !plan.pings.is_empty() && plan.timing.deadping != shell.plan.timing.deadping;
    if (&plan.pings, plan.ipfail) != (&shell.plan.pings, shell.plan.ipfail) || later {
        shell.give(Order::Pings(Box::new(PingPlan::open(&plan)))).await;
        shell.look_up_pings(&plan.pings);
        applied.push("ping nodes");
    }
    let log = start::log_settings(&plan, &shell.arguments, shell.debug);
    if log != start::log_settings(&shell.plan, &shell.arguments, shell.debug) {
        shell.log.reconfigure(log);
        applied.push("log");
    }
    shell.runner.environment =
        environment::variables(&plan, &shell.arguments.config_dir, &shell.arguments.state_dir);
    shell.runner.refill();
    if (plan.realtime, plan.uuid_from) != (shell.plan.realtime, shell.plan.uuid_from) {
        tracing::warn!("realtime, rtprio and uuidfrom take effect at the next start");
    }
    if plan.respawns != shell.plan.respawns {
        applied.push("respawn and failfast");
    }
    if plan.stonith != shell.plan.stonith {
        shell.fencer.probe(&plan);
        applied.push("stonith devices");
    }
    if plan.watchdog != shell.plan.watchdog {
        applied.push("watchdog");
    }
    shell.plan = plan;
    shell.run_programs();
    shell.use_watchdog().await;
    if applied.is_empty() {
        applied.push("parameters");
    }
    let note = format!("configuration read again; new: {}", applied.join(", "));
    tracing::info!("{note}");
    Ok(note)
}

/// Opens the new media before the old ones are closed: not a beat is lost.
async fn replace_media(shell: &mut Shell, targets: &[Target]) -> Result<(), String> {
    let slots = start::slots(targets, &shell.links)?;
    let watched = start::watched(targets, &slots);
    // The old keeper must not report any more when the numbers of the media change.
    shell.keeper.stop();
    shell.give(Order::Replace(slots)).await;
    shell.keeper =
        start::keep(watched, &shell.orders).map_err(|error| format!("heartbeat: thread: {error}"))?;
    Ok(())
}

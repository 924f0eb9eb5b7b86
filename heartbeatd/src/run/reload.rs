//! A changed configuration: what differs is applied, what does not is left alone.

use super::beat::Order;
use super::environment;
use super::shell::Shell;
use super::start;
use crate::cluster::{Event, Settings};
use crate::config::{self, Plan};
use crate::media;

/// Reads the files again and applies the difference. Nothing is changed when something is wrong with them.
pub(super) async fn reload(shell: &mut Shell) -> Result<String, String> {
    let reading = config::read(&shell.arguments.config_dir, &shell.plan.node);
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
    if plan == shell.plan {
        tracing::info!("Configuration unchanged.");
        return Ok("Configuration unchanged.".to_owned());
    }
    if needs_new_process(&shell.plan, &plan) {
        // A peer's name that is not found now would keep the new process from starting.
        media::resolve(&plan.media)
            .inspect_err(|error| tracing::error!("{error}; the old configuration stays in use"))?;
        shell.restart = true;
        let note = "nodes, media or priorities have changed: the daemon starts anew and keeps its resources";
        tracing::info!("{note}");
        return Ok(note.to_owned());
    }
    shell.restart = false;
    Ok(apply(shell, plan).await)
}

async fn apply(shell: &mut Shell, plan: Plan) -> String {
    let mut applied = Vec::new();
    if start::packets(&plan) != start::packets(&shell.plan) {
        shell.give(Order::Packets(Box::new(start::packets(&plan)))).await;
        applied.push("keys");
    }
    let settings = start::settings(&plan, &shell.links, shell.settings.uuid, shell.settings.generation);
    let settings = Settings { seed: shell.settings.seed, ..settings };
    if settings != shell.settings {
        shell.give(Order::Event(Event::Reload(settings.clone()))).await;
        shell.settings = settings;
        applied.push("timers and failback");
    }
    let log = start::log_settings(&plan, &shell.arguments, shell.debug);
    if log != start::log_settings(&shell.plan, &shell.arguments, shell.debug) {
        shell.log.reconfigure(log);
        applied.push("log");
    }
    shell.runner.environment =
        environment::variables(&plan, &shell.arguments.config_dir, &shell.arguments.state_dir);
    shell.plan = plan;
    if applied.is_empty() {
        applied.push("parameters");
    }
    let note = format!("configuration read again; new: {}", applied.join(", "));
    tracing::info!("{note}");
    note
}

/// What threads and sockets were started with.
fn needs_new_process(old: &Plan, new: &Plan) -> bool {
    (&old.nodes, &old.media, old.realtime, old.uuid_from)
        != (&new.nodes, &new.media, new.realtime, new.uuid_from)
}

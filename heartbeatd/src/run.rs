//! The thin shell around the core: performs what it decides.
//!
//! ```text
//!  beat thread (beat.rs)                    bounded, try_send        main thread (shell.rs), tokio
//!  ┌──────────────────────────────┐  Report: jobs, pictures, notices  ┌──────────────────────────────┐
//!  │ media ⇄ wire ⇄ cluster       │ ────────────────────────────────► │ control socket, signals      │
//!  │ SCHED_RR, locked memory,     │ ◄──────────────────────────────── │ ha-resources (jobs.rs)       │
//!  │ never waits for anybody      │  Order: events, media, keys       │ hb_generation, status, load  │
//!  └──────────────────────────────┘  + eventfd                        └──────────────────────────────┘
//!               ▲ opened and lost media
//!  keeper thread (media/keeper.rs)
//! ```

mod address_news;
mod addresses;
mod arguments;
mod beat;
mod child;
mod clock;
mod commands;
mod environment;
mod fence;
mod fifo;
mod files;
mod guard;
mod here;
mod identity;
mod jobs;
mod kept;
mod last_request;
mod lateness;
mod listing;
mod orders;
mod picture;
mod pinging;
mod progress;
mod refusals;
mod rehearsal;
mod reload;
mod reporter;
mod respawn;
mod scripts;
mod shell;
mod slot;
mod spares;
mod start;
mod status;
mod tools;
mod watchdog;
mod whereabouts;

pub use arguments::Arguments;
pub use scripts::why_not_run;

use std::process::ExitCode;

/// Does what the command line asks: starts the daemon, or speaks about one that runs.
pub fn run(arguments: Arguments) -> ExitCode {
    if arguments.version {
        println!("{}", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    if arguments.defaults || arguments.wiki {
        return commands::defaults(arguments.wiki);
    }
    match () {
        () if arguments.status => commands::status(&arguments),
        () if arguments.kill => commands::stop(&arguments),
        () if arguments.check => commands::check(&arguments),
        () if arguments.reload => commands::reload(&arguments),
        () => start::daemon(arguments),
    }
}

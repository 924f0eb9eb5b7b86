//! `check`: whether a configuration is right, what it asks for, and what the kernel's values make of it. For people: the
//! plan on standard output, all else on standard error. With `--json`: one object, also for a file with errors.

use crate::cli::Arguments;
use crate::config::{LoadError, Plan, Source, SystemNames, ldirectords_view, load};
use crate::instance::Instance;
use crate::show;
use crate::start::CONFIG_CODE;
use crate::sysctls::{self, Advice};
use config::{Report, Told};
use serde::Serialize;
use std::process::ExitCode;

/// What is known of a file.
#[derive(Default)]
struct Findings {
    plan: Option<Plan>,
    /// What ldirectord would make of it, and what is to be said of it: both with their places.
    reports: Vec<Report>,
    /// The file cannot be read; which one and why.
    unreadable: Option<String>,
    advice: Vec<Advice>,
}

/// The answer to a program.
#[derive(Serialize)]
struct Answer<'a> {
    /// The file.
    config: String,
    /// Whether directord would take it.
    valid: bool,
    diagnostics: Vec<Told>,
    /// Values of the kernel that defeat it.
    sysctls: &'a [Advice],
    #[serde(flatten)]
    plan: Option<&'a Plan>,
}

pub(super) fn check(arguments: &Arguments, instance: &Instance) -> ExitCode {
    let findings = find(arguments.strict, instance);
    if arguments.json {
        show::json(&findings.answer(instance));
    } else {
        findings.print();
    }
    if findings.plan.is_some() { ExitCode::SUCCESS } else { ExitCode::from(CONFIG_CODE) }
}

fn find(strict: bool, instance: &Instance) -> Findings {
    let mut findings = Findings::default();
    if strict {
        findings.reports.extend(Source::read(&instance.config).ok().map(ldirectords_view));
    }
    match load(&instance.config, &SystemNames::load()) {
        Ok(loaded) => {
            findings.advice = sysctls::here(&loaded.plan);
            findings.reports.push(loaded.report);
            findings.plan = Some(loaded.plan);
        }
        Err(LoadError::Refused(report)) => findings.reports.push(*report),
        Err(error) => findings.unreadable = Some(error.to_string()),
    }
    findings
}

impl Findings {
    fn print(&self) {
        self.reports.iter().for_each(|report| eprint!("{}", report.render()));
        self.advice.iter().for_each(|advice| eprintln!("warning: {advice}"));
        if let Some(error) = &self.unreadable {
            eprintln!("directord: {error}");
        }
        if let Some(plan) = &self.plan {
            show::out(&show::plan(plan));
        }
    }

    fn answer(&self, instance: &Instance) -> Answer<'_> {
        let config = instance.config.display().to_string();
        let unreadable = self.unreadable.iter().map(|error| Told::error(&config, error));
        let diagnostics = self.reports.iter().flat_map(Report::told).chain(unreadable).collect();
        Answer {
            valid: self.plan.is_some(),
            diagnostics,
            sysctls: &self.advice,
            plan: self.plan.as_ref(),
            config,
        }
    }
}

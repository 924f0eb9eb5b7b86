//! Every directive of the file: its name, where it may stand, and whether this version acts on it.

/// Where a directive may stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// At the left margin, for all services.
    Global,
    /// Indented, below a `virtual` line.
    Section,
    /// Both; the section's value wins.
    Both,
}

/// What comes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It works.
    Yes,
    /// The old program refused it and named what replaces it.
    Replaced(&'static str),
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct Directive {
    /// The word before `=`.
    pub name: &'static str,
    /// Where it may stand.
    pub scope: Scope,
    /// What comes of it.
    pub effect: Effect,
}

const fn row(name: &'static str, scope: Scope) -> Directive {
    Directive { name, scope, effect: Effect::Yes }
}

/// The table, after ldirectord(8), and what this program has beyond it.
pub const DIRECTIVES: &[Directive] = &[
    row("virtual", Scope::Global),
    row("virtual6", Scope::Global),
    row("checktimeout", Scope::Both),
    row("negotiatetimeout", Scope::Both),
    row("checkinterval", Scope::Both),
    row("checkcount", Scope::Both),
    row("failurecount", Scope::Both),
    row("rise", Scope::Both),
    row("recheckinterval", Scope::Both),
    row("slowstart", Scope::Both),
    row("weightfromcheck", Scope::Both),
    row("keeplast", Scope::Both),
    row("sourceaddress", Scope::Both),
    row("sourceaddress6", Scope::Both),
    row("autoreload", Scope::Global),
    row("callback", Scope::Global),
    row("fallback", Scope::Both),
    row("fallback6", Scope::Both),
    row("fallbackcommand", Scope::Both),
    row("logfile", Scope::Global),
    row("emailalert", Scope::Both),
    row("emailalertfrom", Scope::Global),
    row("emailalertfreq", Scope::Both),
    row("emailalertstatus", Scope::Both),
    row("smtp", Scope::Both),
    row("execute", Scope::Global),
    row("supervised", Scope::Global),
    row("fork", Scope::Global),
    row("quiescent", Scope::Both),
    row("readdquiescent", Scope::Global),
    row("cleanstop", Scope::Both),
    row("maintenancedir", Scope::Global),
    Directive {
        name: "timeout",
        scope: Scope::Global,
        effect: Effect::Replaced("checktimeout and negotiatetimeout"),
    },
    Directive { name: "connecttimeout", scope: Scope::Both, effect: Effect::Replaced("negotiatetimeout") },
    row("real", Scope::Section),
    row("real6", Scope::Section),
    row("checktype", Scope::Section),
    row("service", Scope::Section),
    row("checkcommand", Scope::Section),
    row("checkport", Scope::Section),
    row("request", Scope::Section),
    row("receive", Scope::Section),
    row("httpmethod", Scope::Section),
    row("virtualhost", Scope::Section),
    row("login", Scope::Section),
    row("passwd", Scope::Section),
    row("database", Scope::Section),
    row("secret", Scope::Section),
    row("load", Scope::Section),
    row("tlsverify", Scope::Section), // not in ldirectord(8)
    row("scheduler", Scope::Section),
    row("schedflags", Scope::Section),
    row("persistent", Scope::Section),
    row("netmask", Scope::Section),
    row("protocol", Scope::Section),
    row("monitorfile", Scope::Section),
    row("ops", Scope::Section),
    row("servicename", Scope::Section),
    row("comment", Scope::Section),
];

/// The row of a name.
pub fn find(name: &str) -> Option<&'static Directive> {
    DIRECTIVES.iter().find(|directive| directive.name == name)
}

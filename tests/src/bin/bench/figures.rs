//! Medians and ratios.

use crate::peers::Program;

/// What was measured of one program, in milliseconds.
#[derive(Debug)]
pub(crate) struct Figures {
    program: Program,
    values: Vec<f64>,
}

impl Figures {
    pub(crate) fn new(program: Program) -> Self {
        Self { program, values: Vec::new() }
    }

    pub(crate) fn add(&mut self, value: f64) {
        self.values.push(value);
        self.values.sort_by(f64::total_cmp);
    }

    /// The lower of the two in the middle, where there are two.
    fn median(&self) -> f64 {
        self.values.get(self.values.len().saturating_sub(1) / 2).copied().unwrap_or(f64::NAN)
    }
}

/// Prints a line for each program, with its median as a multiple of the first one's.
pub(crate) fn compare(what: &str, all: &[Figures]) {
    println!("  {what} (ms)");
    let first = all.first().map_or(f64::NAN, Figures::median);
    for figures in all {
        let of = |value: Option<&f64>| value.map_or_else(|| "-".to_owned(), |value| format!("{value:.1}"));
        let ratio = match figures.median() / first {
            ratio if ratio.is_finite() && ratio > 0.0 => {
                format!(", {ratio:.1} times {}", all[0].program.name())
            }
            _ => String::new(),
        };
        println!(
            "    {:<12} min {:>7}  median {:>7}  max {:>7}  (n = {}{})",
            figures.program.name(),
            of(figures.values.first()),
            of(Some(&figures.median())),
            of(figures.values.last()),
            figures.values.len(),
            if std::ptr::eq(figures, &all[0]) { "" } else { &ratio },
        );
    }
}

//! A table of figures: a line for each figure, a column for each program, the other programs also as multiples of the first.

use super::programs::Program;

/// Figures of some programs in one case.
pub(crate) struct Sheet {
    programs: Vec<Program>,
    lines: Vec<(String, Vec<Vec<f64>>)>,
}

impl Sheet {
    pub(crate) fn new(programs: &[Program]) -> Self {
        Self { programs: programs.to_vec(), lines: Vec::new() }
    }

    /// Adds a value to a figure.
    pub(crate) fn add(&mut self, program: Program, figure: &str, value: f64) {
        let Some(column) = self.programs.iter().position(|one| *one == program) else { return };
        let line = match self.lines.iter().position(|(name, _)| name == figure) {
            Some(line) => line,
            None => {
                self.lines.push((figure.to_owned(), vec![Vec::new(); self.programs.len()]));
                self.lines.len() - 1
            }
        };
        self.lines[line].1[column].push(value);
    }

    /// Prints medians with what they lie between.
    pub(crate) fn print(mut self) {
        print!("  {:<44}", "");
        for program in &self.programs {
            print!("{:<38}", program.name());
        }
        println!();
        for (figure, columns) in &mut self.lines {
            print!("  {figure:<44}");
            let mut first = f64::NAN;
            for (number, values) in columns.iter_mut().enumerate() {
                values.sort_by(f64::total_cmp);
                let (Some(least), Some(most)) = (values.first(), values.last()) else {
                    print!("{:<38}", "-");
                    continue;
                };
                let median = values[(values.len() - 1) / 2];
                let ratio = match median / first {
                    _ if number == 0 => {
                        first = median;
                        String::new()
                    }
                    ratio if ratio.is_finite() => format!(" = {ratio:.2} x"),
                    _ => String::new(),
                };
                let text = match values.len() {
                    1 => format!("{median:.2}{ratio}"),
                    count => format!("{median:.2} ({least:.2}..{most:.2}, n {count}){ratio}"),
                };
                print!("{text:<38}");
            }
            println!();
        }
    }
}

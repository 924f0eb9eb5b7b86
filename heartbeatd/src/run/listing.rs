//! The groups that the status shows: those of haresources, and those that run although the file has them no longer. Pure.

use crate::config::Group;

/// A group to be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    /// Its first resource.
    pub(super) key: String,
    pub(super) home: String,
    /// As in the file; those that it was started with if it has left the file.
    pub(super) resources: Vec<String>,
    /// What it was started with here, if that is something else than the file says now.
    pub(super) started: Vec<String>,
    /// The file does not have it any more.
    pub(super) gone: bool,
}

/// The groups of the file, in its order, then those that were started here and have left it since.
pub(super) fn listed(file: &[Group], taken: &[Group]) -> Vec<Listed> {
    let there = file.iter().filter_map(|group| {
        let key = group.resources.first()?;
        let started = taken.iter().find(|taken| taken.resources.first() == Some(key));
        let changed = started.filter(|started| started.resources != group.resources);
        Some(Listed {
            key: key.clone(),
            home: group.home.clone(),
            resources: group.resources.clone(),
            started: changed.map(|started| started.resources.clone()).unwrap_or_default(),
            gone: false,
        })
    });
    let gone = taken.iter().filter_map(|group| {
        let key = group.resources.first()?;
        let known = file.iter().any(|line| line.resources.first() == Some(key));
        (!known).then(|| Listed {
            key: key.clone(),
            home: group.home.to_lowercase(),
            resources: group.resources.clone(),
            started: Vec::new(),
            gone: true,
        })
    });
    there.chain(gone).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn group(line: &str) -> Group {
        let mut words = line.split(' ').map(str::to_owned);
        Group { home: words.next().unwrap(), resources: words.collect() }
    }

    #[test]
    fn what_runs_is_shown_whatever_the_file_says_by_now() {
        let taken = [group("alpha one two"), group("alpha three"), group("alpha four")];
        let file = [group("alpha one new"), group("beta five"), group("alpha four"), group("alpha")];
        let listed = listed(&file, &taken);
        let lines: Vec<String> = listed
            .iter()
            .map(|group| {
                let (now, then) = (group.resources.join(" "), group.started.join(" "));
                format!("{}: {now} | {then}{}", group.home, if group.gone { " (gone)" } else { "" })
            })
            .collect();
        assert_eq!(
            lines,
            ["alpha: one new | one two", "beta: five | ", "alpha: four | ", "alpha: three |  (gone)"]
        );
    }
}

//! Whether the kernel that runs can have a scheduler: it loads one as module `ip_vs_NAME` when a service asks for it.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

/// What is to be said about schedulers that this machine's kernel does not have. Blocks: reads files. Where the
/// kernel's modules cannot be seen, as in a container, nothing is said.
pub(crate) fn warnings(wanted: &BTreeSet<String>) -> Vec<String> {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    let modules = Path::new("/lib/modules").join(&release);
    missing(wanted, &modules, Path::new("/sys/module"), &release)
}

/// The modules of these schedulers that this kernel has and has not loaded. Blocks. To place the first service of a
/// scheduler the kernel loads it by a program of its own: tens of milliseconds that a take-over need not wait for.
pub(crate) fn not_loaded(wanted: &BTreeSet<String>) -> Vec<String> {
    let release = rustix::system::uname().release().to_string_lossy().into_owned();
    loadable(wanted, &Path::new("/lib/modules").join(release), Path::new("/sys/module"))
}

/// What loads modules.
pub(crate) fn loading(modules: &[String]) -> Command {
    let mut command = Command::new("/sbin/modprobe");
    command.args(["-q", "-a", "--"]).args(modules).current_dir("/");
    command
}

fn loadable(wanted: &BTreeSet<String>, modules: &Path, loaded: &Path) -> Vec<String> {
    let list = std::fs::read(modules.join("modules.dep")).unwrap_or_default();
    let list = String::from_utf8_lossy(&list);
    let known: BTreeSet<&str> = list.lines().filter_map(of_line).collect();
    let wanted = wanted.iter().filter(|name| known.contains(name.as_str()));
    wanted.map(|name| format!("ip_vs_{name}")).filter(|module| !loaded.join(module).exists()).collect()
}

fn missing(wanted: &BTreeSet<String>, modules: &Path, loaded: &Path, release: &str) -> Vec<String> {
    let lists: Vec<String> = ["modules.dep", "modules.builtin"]
        .iter()
        .filter_map(|list| std::fs::read(modules.join(list)).ok())
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .collect();
    if lists.is_empty() {
        return Vec::new();
    }
    let known: BTreeSet<&str> = lists.iter().flat_map(|list| list.lines()).filter_map(of_line).collect();
    wanted
        .iter()
        .filter(|name| !known.contains(name.as_str()) && !loaded.join(format!("ip_vs_{name}")).exists())
        .map(|name| {
            let known = known.iter().filter(|name| super::config::SCHEDULERS.contains(name)).copied();
            format!(
                "scheduler {name}: kernel {release} has no module ip_vs_{name}, so it will refuse the service; \
                 it has: {}",
                known.collect::<Vec<_>>().join(" ")
            )
        })
        .collect()
}

/// `kernel/net/netfilter/ipvs/ip_vs_rr.ko.xz: ...` is `rr`.
fn of_line(line: &str) -> Option<&str> {
    let path = line.split(':').next()?;
    let (name, _) = path.rsplit('/').next()?.split_once(".ko")?;
    name.strip_prefix("ip_vs_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_loaded_built_in_and_missing() {
        let folder = std::env::temp_dir().join(format!("directord-schedulers-{}", std::process::id()));
        let wanted: BTreeSet<String> = ["rr", "mh", "sh", "wlcc"].map(str::to_owned).into();
        assert!(missing(&wanted, &folder, &folder, "6.1").is_empty(), "nothing is known of the kernel");
        std::fs::create_dir_all(folder.join("ip_vs_sh")).unwrap();
        let ipvs = "kernel/net/netfilter/ipvs";
        let modules = format!(
            "{ipvs}/ip_vs.ko.xz: x\n{ipvs}/ip_vs_rr.ko.xz: {ipvs}/ip_vs.ko.xz\n{ipvs}/ip_vs_ftp.ko: x\n"
        );
        std::fs::write(folder.join("modules.dep"), modules).unwrap();
        std::fs::write(folder.join("modules.builtin"), format!("{ipvs}/ip_vs_mh.ko\n")).unwrap();
        let found = missing(&wanted, &folder, &folder, "6.1");
        // rr is a module, mh built in, sh loaded, and wlcc nothing.
        assert_eq!(loadable(&wanted, &folder, &folder), ["ip_vs_rr"]);
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(
            found,
            [
                "scheduler wlcc: kernel 6.1 has no module ip_vs_wlcc, so it will refuse the service; it has: mh rr"
            ]
        );
    }
}

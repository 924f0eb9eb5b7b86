//! A node: a machine of the lab with interfaces, files that survive a power-off, and programs.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Output, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::Signal;
use serde::{Deserialize, Serialize};

use crate::failure::{Context, Result, fail};
use crate::kernel::{self, VirtualService};
use crate::machine::Machine;
use crate::moment::Moment;
use crate::network::{Fabric, Link};
use crate::process::Process;
use crate::programs;

/// The longest a command in a node may take.
const COMMAND_LIMIT: Duration = Duration::from_secs(180);

/// What a node is: enough to boot it again.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// Its `uname -n`.
    pub name: String,
    /// Its interfaces.
    pub links: Vec<Link>,
    /// Shell lines that run at the end of each boot, in order; one that fails fails the boot.
    pub boot: Vec<String>,
    /// What an administrator's init system starts after that: [`Node::start_services`].
    pub services: Vec<String>,
}

impl Spec {
    /// A node without interfaces.
    pub fn new(name: &str) -> Self {
        Self { name: name.to_owned(), links: Vec::new(), boot: Vec::new(), services: Vec::new() }
    }

    /// With an interface on a switch, and its addresses (`192.0.2.1/24`).
    #[must_use]
    pub fn link(mut self, interface: &str, switch: &str, addresses: &[&str]) -> Self {
        let addresses = addresses.iter().map(|&address| address.to_owned()).collect();
        self.links.push(Link {
            interface: interface.to_owned(),
            switch: switch.to_owned(),
            addresses,
            port: 0,
        });
        self
    }

    /// With a shell line at the end of each boot.
    #[must_use]
    pub fn boot(mut self, line: impl Into<String>) -> Self {
        self.boot.push(line.into());
        self
    }

    /// With a shell line for [`Node::start_services`].
    #[must_use]
    pub fn service(mut self, line: impl Into<String>) -> Self {
        self.services.push(line.into());
        self
    }
}

/// A node of the lab. Clones are the same node.
#[derive(Clone, Debug)]
pub struct Node(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    spec: Spec,
    directory: PathBuf,
    fabric: Arc<Mutex<Fabric>>,
    machine: Mutex<Option<Machine>>,
}

/// A lock that a panicking test left is as good as any other: only the clean-up follows.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Node {
    pub(crate) fn new(
        spec: Spec,
        directory: PathBuf,
        fabric: Arc<Mutex<Fabric>>,
        machine: Option<Machine>,
    ) -> Self {
        Self(Arc::new(Inner { spec, directory, fabric, machine: Mutex::new(machine) }))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.0.spec.name
    }

    /// What it is.
    pub fn spec(&self) -> &Spec {
        &self.0.spec
    }

    /// The hardware address of an interface.
    pub fn mac(&self, interface: &str) -> Result<String> {
        self.link(interface).map(Link::mac)
    }

    /// Process number of its process 1 outside; `None` while it has no power.
    pub fn pid(&self) -> Option<u32> {
        lock(&self.0.machine).as_ref().map(Machine::pid)
    }

    // ---- power ----

    /// Boot it: a new file tree where it is not kept, interfaces with their own addresses only, then the boot lines.
    pub fn power_on(&self) -> Result<()> {
        if self.pid().is_some() {
            return fail(format!("{} has power already", self.name()));
        }
        let machine = Machine::boot(self.name(), Some(&self.0.directory))?;
        let plugged = lock(&self.0.fabric).plug_in(&self.0.spec.links, &machine);
        *lock(&self.0.machine) = Some(machine);
        plugged.context(|| format!("plugging {} in", self.name()))?;
        for line in &self.0.spec.boot {
            self.sh(line)?;
        }
        Ok(())
    }

    /// Run its service lines, which a story may want to do later than the boot.
    pub fn start_services(&self) -> Result<()> {
        self.0.spec.services.iter().try_for_each(|line| self.sh(line).map(drop))
    }

    /// Cut its power: at once nothing from it reaches the network, then all its processes, interfaces and addresses are gone.
    /// The moment is that of the cut.
    pub fn power_off(&self) -> Result<Moment> {
        let Some(mut machine) = lock(&self.0.machine).take() else {
            return fail(format!("{} has no power", self.name()));
        };
        let fabric = lock(&self.0.fabric);
        // First the switch: the kernel would answer for the node's addresses as long as its processes are being killed.
        let cut = fabric.cut(&self.0.spec.links);
        let moment = Moment::now();
        machine.kill()?;
        fabric.remove(&self.0.spec.links);
        cut.map(|()| moment)
    }

    /// Stop all its processes (not its kernel: it still answers for its addresses), until [`Node::thaw`].
    pub fn freeze(&self) -> Result<usize> {
        self.with(|machine| machine.signal_all(Signal::STOP))
    }

    /// Let frozen processes run on.
    pub fn thaw(&self) -> Result<usize> {
        self.with(|machine| machine.signal_all(Signal::CONT))
    }

    // ---- cables ----

    /// Nothing passes an interface any more; its carrier stays.
    pub fn cut(&self, interface: &str) -> Result<Moment> {
        lock(&self.0.fabric).cut([self.link(interface)?])?;
        Ok(Moment::now())
    }

    /// Undo [`Node::cut`].
    pub fn heal(&self, interface: &str) -> Result<Moment> {
        lock(&self.0.fabric).heal([self.link(interface)?])?;
        Ok(Moment::now())
    }

    /// All interfaces at once: the node is alone.
    pub fn cut_all(&self) -> Result<Moment> {
        lock(&self.0.fabric).cut(&self.0.spec.links)?;
        Ok(Moment::now())
    }

    /// Undo [`Node::cut_all`].
    pub fn heal_all(&self) -> Result<Moment> {
        lock(&self.0.fabric).heal(&self.0.spec.links)?;
        Ok(Moment::now())
    }

    /// Pull a cable: the interface loses its carrier.
    pub fn unplug(&self, interface: &str) -> Result<()> {
        lock(&self.0.fabric).unplug([self.link(interface)?])
    }

    /// Undo [`Node::unplug`].
    pub fn plug(&self, interface: &str) -> Result<()> {
        lock(&self.0.fabric).plug([self.link(interface)?])
    }

    /// Loss, delay, duplication of what arrives at an interface and of what leaves it: words of tc-netem(8); `None` ends it.
    pub fn impair(&self, interface: &str, rule: Option<&str>) -> Result<()> {
        lock(&self.0.fabric).impair(self.link(interface)?, rule)?;
        match rule {
            Some(rule) => self.sh(&format!("tc qdisc replace dev {interface} root netem {rule}")).map(drop),
            None => self.sh(&format!("tc qdisc delete dev {interface} root")).map(drop),
        }
    }

    fn link(&self, interface: &str) -> Result<&Link> {
        let links = &self.0.spec.links;
        links
            .iter()
            .find(|link| link.interface == interface)
            .context(|| format!("{} has no interface {interface}", self.name()))
    }

    // ---- programs ----

    /// Run a shell line to its end; what it printed. A failure tells what it said.
    pub fn sh(&self, line: &str) -> Result<String> {
        self.run(&["/bin/sh", "-c", line])
    }

    /// Run a program to its end; what it printed.
    pub fn run(&self, words: &[&str]) -> Result<String> {
        let output = self.output(words)?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        fail(format!(
            "{}: `{}` ended with {}: {}",
            self.name(),
            words.join(" "),
            output.status,
            programs::said(&output)
        ))
    }

    /// Run a program to its end, however it ends.
    pub fn output(&self, words: &[&str]) -> Result<Output> {
        let mut command = self.with(|machine| machine.command("timeout"))?;
        command.args(["--kill-after=1", &COMMAND_LIMIT.as_secs().to_string()]).args(words);
        command.output().context(|| format!("cannot start {words:?} in {}", self.name()))
    }

    /// Run a command, or without one a shell, on this program's own terminal; its exit code.
    pub fn enter(&self, words: &[&str]) -> Result<ExitCode> {
        let (program, arguments) = words.split_first().unwrap_or((&"bash", &[]));
        let mut command = self.with(|machine| machine.command("env"))?;
        let terminal = std::env::var("TERM").unwrap_or_else(|_| "dumb".to_owned());
        command.arg(format!("TERM={terminal}")).arg(program).args(arguments).stdin(Stdio::inherit());
        let status = command.status().context(|| format!("cannot start {words:?} in {}", self.name()))?;
        Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)))
    }

    /// Start a program that ends when its standard input does, and read what it prints.
    pub fn spawn(&self, words: &[&str]) -> Result<Process> {
        let (program, arguments) = words.split_first().context(|| "no program given")?;
        let mut command = self.with(|machine| machine.command(program))?;
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Process::start(command, format!("{} in {}", words.join(" "), self.name()))
    }

    /// Numbers, outside, of all its processes but process 1.
    pub fn pids(&self) -> Result<Vec<i32>> {
        self.with(Machine::processes)
    }

    /// Numbers, outside, of its processes whose command line begins with a program of this name.
    pub fn pids_of(&self, program: &str) -> Result<Vec<i32>> {
        self.pids_of_each(&[program])
    }

    /// The same, of those whose command line has all of these words besides, anywhere.
    pub fn pids_of_each(&self, words: &[&str]) -> Result<Vec<i32>> {
        let (program, rest) = words.split_first().context(|| "no program given")?;
        let named = |pid: &i32| {
            let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line).into_owned();
            let said: Vec<&str> = line.split('\0').collect();
            let first = said.first().copied().unwrap_or_default();
            Path::new(first).file_name().is_some_and(|name| name == *program)
                && rest.iter().all(|word| said.contains(word))
        };
        Ok(self.with(Machine::processes)?.into_iter().filter(named).collect())
    }

    /// Send a signal to every process of a program; how many there were.
    pub fn signal(&self, program: &str, signal: Signal) -> Result<usize> {
        self.signal_each(&[program], signal)
    }

    /// Send a signal to every process of [`Node::pids_of_each`]; how many there were.
    pub fn signal_each(&self, words: &[&str], signal: Signal) -> Result<usize> {
        let pids = self.pids_of_each(words)?;
        for pid in pids.iter().filter_map(|&pid| rustix::process::Pid::from_raw(pid)) {
            let _ = rustix::process::kill_process(pid, signal); // it may have ended meanwhile
        }
        Ok(pids.len())
    }

    // ---- files ----

    /// Write a file, mode 0644 unless told otherwise with [`Node::write_mode`]. `/etc/ha.d`, `/var/lib/heartbeat` and
    /// `/var/log` can be written while the node has no power.
    pub fn write(&self, path: &str, text: &str) -> Result<()> {
        self.write_mode(path, text, 0o644)
    }

    /// Write a file with this mode.
    pub fn write_mode(&self, path: &str, text: &str, mode: u32) -> Result<()> {
        let place = self.place(path)?;
        if let Some(parent) = place.parent() {
            fs::create_dir_all(parent).context(|| parent.display())?;
        }
        fs::write(&place, text).context(|| place.display())?;
        fs::set_permissions(&place, fs::Permissions::from_mode(mode)).context(|| place.display())
    }

    /// Read a file.
    pub fn read(&self, path: &str) -> Result<String> {
        let place = self.place(path)?;
        fs::read(&place)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .context(|| format!("{}:{path}", self.name()))
    }

    /// Connect to a UNIX socket of one of its programs.
    pub fn connect(&self, path: &str) -> Result<UnixStream> {
        UnixStream::connect(self.place(path)?).context(|| format!("{}:{path}", self.name()))
    }

    fn place(&self, path: &str) -> Result<PathBuf> {
        for (kept, place) in crate::init::KEPT {
            if let Ok(rest) = Path::new(path).strip_prefix(place) {
                return Ok(self.0.directory.join(kept).join(rest));
            }
        }
        let pid = self.pid().context(|| format!("{} has no power, {path} is not kept", self.name()))?;
        Ok(Path::new(&format!("/proc/{pid}/root")).join(path.trim_start_matches('/')))
    }

    // ---- what its kernel says ----

    /// Whether it holds this address now.
    pub fn holds(&self, address: IpAddr) -> Result<bool> {
        if self.pid().is_none() {
            return Ok(false);
        }
        match address {
            IpAddr::V4(address) => self
                .with(|machine| machine.proc_file("net/fib_trie"))
                .map(|text| kernel::holds_v4(&text, address)),
            IpAddr::V6(address) => self
                .with(|machine| machine.proc_file("net/if_inet6"))
                .map(|text| kernel::holds_v6(&text, address)),
        }
    }

    /// Its IPVS table, as the kernel prints it; empty while it has no power.
    pub fn ipvs(&self) -> Result<Vec<VirtualService>> {
        if self.pid().is_none() {
            return Ok(Vec::new());
        }
        kernel::parse_ipvs(&self.with(|machine| machine.proc_file("net/ip_vs"))?)
    }

    /// Weight of a real server in its IPVS table, by the server's address; `None` if it is in no service.
    pub fn weight(&self, server: IpAddr) -> Result<Option<u32>> {
        let table = self.ipvs()?;
        let mut servers = table.iter().flat_map(|service| &service.servers);
        Ok(servers.find(|entry| entry.address.ip() == server).map(|entry| entry.weight))
    }

    pub(crate) fn keep(&self) -> Result<()> {
        lock(&self.0.machine).as_mut().map_or(Ok(()), Machine::keep)
    }

    pub(crate) fn is_up(&self) -> bool {
        lock(&self.0.machine).as_ref().is_some_and(Machine::is_up)
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.0.directory
    }

    pub(crate) fn end(&self) {
        drop(lock(&self.0.machine).take());
    }

    fn with<T>(&self, act: impl FnOnce(&Machine) -> Result<T>) -> Result<T> {
        match &*lock(&self.0.machine) {
            Some(machine) => act(machine),
            None => fail(format!("{} has no power", self.name())),
        }
    }
}

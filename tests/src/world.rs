//! A lab: switches and nodes that are gone when it is dropped, whatever happened, unless it is kept for testing by hand.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};

use crate::failure::{Context, Result, fail};
use crate::holding::HoldingWatcher;
use crate::machine::Machine;
use crate::network::Fabric;
use crate::node::{Node, Spec, lock};

/// Switches and nodes.
#[derive(Debug)]
pub struct Lab {
    directory: PathBuf,
    fabric: Arc<Mutex<Fabric>>,
    nodes: Vec<Node>,
    kept: bool,
}

/// What a kept lab's file says.
#[derive(Serialize, Deserialize)]
struct Record {
    fabric: u32,
    nodes: Vec<(Spec, Option<u32>)>,
}

impl Lab {
    /// An empty lab with a new directory for its files.
    pub fn new() -> Result<Self> {
        let base = std::env::temp_dir();
        for number in 0..10_000 {
            let directory = base.join(format!("tandem-lab.{}.{number}", std::process::id()));
            match fs::create_dir(&directory) {
                Ok(()) => return Self::at(directory),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error).context(|| directory.display()),
            }
        }
        fail(format!("no free name for a directory in {}", base.display()))
    }

    /// An empty lab with its files in `directory`, which is removed with it.
    pub fn at(directory: PathBuf) -> Result<Self> {
        fs::create_dir_all(&directory).context(|| directory.display())?;
        let fabric = Fabric::new().inspect_err(|_| drop(fs::remove_dir_all(&directory)))?;
        Ok(Self { directory, fabric: Arc::new(Mutex::new(fabric)), nodes: Vec::new(), kept: false })
    }

    /// A lab that [`Lab::keep`] left.
    pub fn open(directory: &Path) -> Result<Self> {
        let file = directory.join("lab.json");
        let text = fs::read_to_string(&file).context(|| file.display())?;
        let record: Record = serde_json::from_str(&text).context(|| file.display())?;
        let fabric = Arc::new(Mutex::new(Fabric::attach(record.fabric)));
        if !lock(&fabric).machine().is_up() {
            return fail(format!("the lab in {} no longer runs", directory.display()));
        }
        let node = |(spec, pid): (Spec, Option<u32>)| {
            let place = directory.join(&spec.name);
            Node::new(spec, place, Arc::clone(&fabric), pid.map(Machine::attach))
        };
        let nodes = record.nodes.into_iter().map(node).collect();
        Ok(Self { directory: directory.to_owned(), fabric, nodes, kept: true })
    }

    /// Let everything run on when this value is dropped, for [`Lab::open`].
    pub fn keep(&mut self) -> Result<()> {
        self.kept = true;
        for node in &self.nodes {
            node.keep()?;
        }
        let mut fabric = lock(&self.fabric);
        fabric.machine_mut().keep()?;
        let nodes = self.nodes.iter().map(|node| (node.spec().clone(), node.pid())).collect();
        let record = Record { fabric: fabric.machine().pid(), nodes };
        let file = self.directory.join("lab.json");
        let text = serde_json::to_string_pretty(&record).context(|| "lab.json")?;
        fs::write(&file, text).context(|| file.display())
    }

    /// End a lab that was kept, and remove its files.
    pub fn end(mut self) -> Result<()> {
        for node in self.nodes.iter().filter(|node| node.is_up()) {
            node.power_off()?;
        }
        lock(&self.fabric).machine_mut().kill()?;
        self.kept = false; // the rest is done by drop
        Ok(())
    }

    /// A new switch; names are those of interfaces: at most 15 characters.
    pub fn switch(&self, name: &str) -> Result<()> {
        lock(&self.fabric).switch(name)
    }

    /// See [`Fabric::lose`].
    pub fn lose(&self, percent: u8) -> Result<()> {
        lock(&self.fabric).lose(percent)
    }

    /// A new node without power.
    pub fn node(&mut self, mut spec: Spec) -> Result<Node> {
        for link in &mut spec.links {
            link.port = lock(&self.fabric).port();
        }
        let directory = self.directory.join(&spec.name);
        fs::create_dir_all(&directory).context(|| directory.display())?;
        let node = Node::new(spec, directory, Arc::clone(&self.fabric), None);
        self.nodes.push(node.clone());
        Ok(node)
    }

    /// A new node, booted.
    pub fn boot(&mut self, spec: Spec) -> Result<Node> {
        let node = self.node(spec)?;
        node.power_on()?;
        Ok(node)
    }

    /// Watch from now on who holds which address; to be started before the nodes are.
    pub fn watch_holding(&self) -> Result<HoldingWatcher> {
        HoldingWatcher::start(lock(&self.fabric).machine())
    }

    /// A node by its name.
    pub fn find(&self, name: &str) -> Result<Node> {
        let names = || self.nodes.iter().map(Node::name).collect::<Vec<_>>().join(", ");
        self.nodes
            .iter()
            .find(|node| node.name() == name)
            .cloned()
            .context(|| format!("no node `{name}`: there are {}", names()))
    }

    /// All nodes.
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Where its files are.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The last lines of every log of every node: what one wants to see when something did not happen.
    pub fn evidence(&self, lines: usize) -> String {
        let mut text = String::new();
        for node in &self.nodes {
            let mut logs = Vec::new();
            find_files(&node.directory().join("log"), &mut logs);
            logs.sort();
            for log in logs {
                let content = String::from_utf8_lossy(&fs::read(&log).unwrap_or_default()).into_owned();
                let all: Vec<&str> = content.lines().collect();
                if all.is_empty() {
                    continue;
                }
                let name = log.strip_prefix(node.directory()).unwrap_or(&log).display().to_string();
                text += &format!("--- {}: /var/{name}\n", node.name());
                for line in all.iter().skip(all.len().saturating_sub(lines)) {
                    text += line;
                    text.push('\n');
                }
            }
        }
        text
    }
}

fn find_files(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { find_files(&path, files) } else { files.push(path) }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        if std::thread::panicking() {
            eprintln!("{}", self.evidence(40));
        }
        for node in &self.nodes {
            node.end();
        }
        let _ = lock(&self.fabric).machine_mut().kill();
        let _ = fs::remove_dir_all(&self.directory);
    }
}

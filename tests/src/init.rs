//! Process 1 of a node: gives it a file tree of its own where it matters, collects its syslog, and ends with its maker.
//!
//! Private are `/run` and `/dev` (new at each boot), changes in `/etc` and `/var` (lost at power-off) and, kept in the node's
//! directory over a power-off, `/etc/ha.d`, `/var/lib/heartbeat` and `/var/log`. Everything else is the machine's.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, Write};
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change};

use crate::failure::{Context, Result};

/// Directories of a node's directory and where they appear in the node.
pub(crate) const KEPT: [(&str, &str); 3] =
    [("ha.d", "/etc/ha.d"), ("lib", "/var/lib/heartbeat"), ("log", "/var/log")];

/// Device files a daemon or a script may want.
const DEVICES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// Be process 1. Says its number, as the machine outside sees it, on standard output when the node is ready.
pub fn run(name: &str, directory: Option<&Path>) -> Result<()> {
    // The proc file system still is the one outside, where this process has another number.
    let outside = fs::read_link("/proc/self")?;
    rustix::system::sethostname(name.as_bytes())?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .context(|| "making mounts private")?;
    if let Some(directory) = directory {
        file_tree(name, directory)?;
        collect_syslog()?;
    }
    // A new proc hides the processes outside, and names this network's files.
    mount("proc", "/proc", "proc", MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, None)
        .context(|| "/proc")?;
    println!("{}", outside.display());

    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line)?;
    if line.trim() != "keep" {
        return Ok(()); // the maker has ended, and with process 1 everything in the node ends
    }
    loop {
        std::thread::park();
    }
}

fn file_tree(name: &str, directory: &Path) -> Result<()> {
    mount("sysfs", "/sys", "sysfs", MountFlags::empty(), None).context(|| "/sys")?;
    tmpfs("/run", 0o755)?;
    for path in ["/run/lock", "/run/.node"] {
        fs::create_dir_all(path)?;
    }
    for top in ["etc", "var"] {
        let (upper, work) = (format!("/run/.node/{top}"), format!("/run/.node/{top}-work"));
        fs::DirBuilder::new().mode(0o755).create(&upper)?;
        fs::create_dir(&work)?;
        let options = std::ffi::CString::new(format!("lowerdir=/{top},upperdir={upper},workdir={work}"))
            .context(|| "overlay options")?;
        mount("overlay", format!("/{top}"), "overlay", MountFlags::empty(), &*options)
            .context(|| format!("an overlay on /{top}"))?;
    }
    for (kept, place) in KEPT {
        let source = directory.join(kept);
        fs::create_dir_all(&source)?;
        fs::create_dir_all(place)?;
        mount_bind(&source, place).context(|| format!("binding {place}"))?;
    }
    fs::write("/etc/hostname", format!("{name}\n"))?;
    fs::write("/etc/hosts", format!("127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {name}\n"))?;
    // A link into /run would be followed by a plain write, and /run is empty here.
    let _ = fs::remove_file("/etc/resolv.conf");
    fs::write("/etc/resolv.conf", "")?;
    devices()
}

fn devices() -> Result<()> {
    tmpfs("/dev", 0o755)?;
    for (device, major, minor) in DEVICES {
        let mode = Mode::from_raw_mode(0o666);
        mknodat(CWD, format!("/dev/{device}"), FileType::CharacterDevice, mode, makedev(major, minor))
            .context(|| format!("making /dev/{device}"))?;
        fs::set_permissions(format!("/dev/{device}"), std::os::unix::fs::PermissionsExt::from_mode(0o666))?;
    }
    fs::create_dir("/dev/pts")?;
    fs::create_dir("/dev/shm")?;
    let options = c"newinstance,ptmxmode=0666,mode=620";
    mount("devpts", "/dev/pts", "devpts", MountFlags::NOSUID | MountFlags::NOEXEC, options)
        .context(|| "/dev/pts")?;
    tmpfs("/dev/shm", 0o1777)?;
    for (link, target) in [
        ("ptmx", "pts/ptmx"),
        ("fd", "/proc/self/fd"),
        ("stdin", "fd/0"),
        ("stdout", "fd/1"),
        ("stderr", "fd/2"),
    ] {
        symlink(target, format!("/dev/{link}"))?;
    }
    Ok(())
}

fn tmpfs(path: &str, mode: u32) -> Result<()> {
    let options = std::ffi::CString::new(format!("mode={mode:o}")).context(|| "tmpfs options")?;
    mount("tmpfs", path, "tmpfs", MountFlags::NOSUID, &*options).context(|| path.to_owned())
}

/// What daemons and scripts send to syslog goes to `/var/log/syslog` of the node, one message a line.
fn collect_syslog() -> Result<()> {
    let socket = UnixDatagram::bind("/dev/log").context(|| "/dev/log")?;
    fs::set_permissions("/dev/log", std::os::unix::fs::PermissionsExt::from_mode(0o666))?;
    let mut log: File = OpenOptions::new().create(true).append(true).open("/var/log/syslog")?;
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(length) = socket.recv(&mut buffer) {
            let text = buffer.get(..length).unwrap_or_default();
            let _ = writeln!(log, "{}", String::from_utf8_lossy(text).trim_end_matches(['\0', '\n']));
        }
    });
    Ok(())
}

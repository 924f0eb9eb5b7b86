//! The system calls that no safe crate offers: the only unsafe code of the crate.
#![allow(unsafe_code)]

use nix::unistd::{Gid, Uid, User, getgrouplist, setgid, setgroups, setuid};
use rustix::ioctl;
use std::collections::BTreeMap;
use std::ffi::{CStr, CString};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::ptr::NonNull;

/// One address of a network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InterfaceAddress {
    pub(crate) interface: String,
    pub(crate) address: IpAddr,
    /// The broadcast address that belongs to it.
    pub(crate) broadcast: Option<Ipv4Addr>,
}

/// All addresses of all interfaces of this network namespace (getifaddrs(3)).
pub(crate) fn interface_addresses() -> io::Result<Vec<InterfaceAddress>> {
    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: getifaddrs writes a pointer into `list` when it returns 0, and nothing otherwise.
    if unsafe { libc::getifaddrs(&mut list) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut addresses = Vec::new();
    let mut next = NonNull::new(list);
    while let Some(entry) = next {
        // SAFETY: every entry of the list is valid until freeifaddrs below.
        let entry = unsafe { entry.as_ref() };
        // SAFETY: ifa_name is a NUL-terminated string that lives as long as the entry.
        let interface = unsafe { CStr::from_ptr(entry.ifa_name) }.to_string_lossy().into_owned();
        let broadcasts = entry.ifa_flags & libc::IFF_BROADCAST as u32 != 0;
        let broadcast = match ip_address(entry.ifa_ifu).filter(|_| broadcasts) {
            Some(IpAddr::V4(address)) => Some(address),
            _ => None,
        };
        if let Some(address) = ip_address(entry.ifa_addr) {
            addresses.push(InterfaceAddress { interface, address, broadcast });
        }
        next = NonNull::new(entry.ifa_next);
    }
    // SAFETY: `list` came from getifaddrs, is freed once, and no reference into it is left.
    unsafe { libc::freeifaddrs(list) };
    Ok(addresses)
}

/// The flags (`IFF_UP`, `IFF_RUNNING`) of every interface of this network namespace (getifaddrs(3)).
pub(crate) fn interface_flags() -> io::Result<BTreeMap<String, u32>> {
    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: getifaddrs writes a pointer into `list` when it returns 0, and nothing otherwise.
    if unsafe { libc::getifaddrs(&mut list) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let mut flags = BTreeMap::new();
    let mut next = NonNull::new(list);
    while let Some(entry) = next {
        // SAFETY: every entry of the list is valid until freeifaddrs below.
        let entry = unsafe { entry.as_ref() };
        // SAFETY: ifa_name is a NUL-terminated string that lives as long as the entry.
        let interface = unsafe { CStr::from_ptr(entry.ifa_name) }.to_string_lossy().into_owned();
        flags.insert(interface, entry.ifa_flags);
        next = NonNull::new(entry.ifa_next);
    }
    // SAFETY: `list` came from getifaddrs, is freed once, and no reference into it is left.
    unsafe { libc::freeifaddrs(list) };
    Ok(flags)
}

fn ip_address(address: *const libc::sockaddr) -> Option<IpAddr> {
    let address = NonNull::new(address.cast_mut())?;
    // SAFETY: a sockaddr that getifaddrs points to starts with its family.
    match i32::from(unsafe { address.as_ref() }.sa_family) {
        libc::AF_INET => {
            // SAFETY: of family AF_INET it is a sockaddr_in; the read does not ask for its alignment.
            let v4 = unsafe { address.cast::<libc::sockaddr_in>().as_ptr().read_unaligned() };
            Some(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: of family AF_INET6 it is a sockaddr_in6; the read does not ask for its alignment.
            let v6 = unsafe { address.cast::<libc::sockaddr_in6>().as_ptr().read_unaligned() };
            Some(Ipv6Addr::from(v6.sin6_addr.s6_addr).into())
        }
        _ => None,
    }
}

/// Sets SO_DONTROUTE (socket(7)): a broadcast leaves by its own network and by no gateway.
pub(crate) fn set_dont_route(socket: BorrowedFd<'_>) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option value is a c_int that lives through the call, and its length is given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_DONTROUTE,
            (&raw const on).cast(),
            size_of_val(&on) as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Gives a thread or process (0: the calling thread) the real-time policy SCHED_RR with a priority of 1–99
/// (sched(7)); its children are ordinary again.
pub(crate) fn set_round_robin(process: u32, priority: u8) -> io::Result<()> {
    let parameters = libc::sched_param { sched_priority: libc::c_int::from(priority) };
    let process = libc::pid_t::try_from(process).map_err(|_| io::Error::from_raw_os_error(libc::ESRCH))?;
    // SAFETY: the parameters live through the call; a number that names no process is an error.
    let result = unsafe {
        libc::sched_setscheduler(process, libc::SCHED_RR | libc::SCHED_RESET_ON_FORK, &raw const parameters)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A user of this machine with all groups it is a member of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    uid: Uid,
    gid: Gid,
    groups: Vec<Gid>,
}

impl Account {
    /// Looks a user up by name; `None` if there is none. May wait for whoever knows the users.
    pub(crate) fn find(name: &str) -> io::Result<Option<Account>> {
        let Some(user) = User::from_name(name)? else { return Ok(None) };
        let name = CString::new(name).map_err(io::Error::other)?;
        let groups = getgrouplist(&name, user.gid)?;
        Ok(Some(Account { uid: user.uid, gid: user.gid, groups }))
    }

    /// The user's and its first group's number.
    pub(crate) fn ids(&self) -> (u32, u32) {
        (self.uid.as_raw(), self.gid.as_raw())
    }
}

/// Lets a command run as a user, with SIGTERM at the death of the thread that starts it: a program that lives with
/// this daemon must not be there twice after a crash.
pub(crate) fn run_as(command: &mut Command, account: Account) {
    let become_user = move || -> io::Result<()> {
        // Without privilege only the own account is possible, and its groups are there already.
        if Uid::effective().is_root() {
            setgroups(&account.groups)?;
            setgid(account.gid)?;
        }
        setuid(account.uid)?;
        // Last: a change of the user takes it back (prctl(2)).
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
        Ok(())
    };
    // SAFETY: the closure runs between fork and exec: it makes system calls alone, allocates nothing (an error is a
    // number), and what it reads was made before the fork.
    unsafe { command.pre_exec(become_user) };
}

/// Unmaps the pages of this process's programs and libraries: each is mapped again when it is next executed.
///
/// The start of a daemon runs through much that it never needs again, and what is mapped when memory is locked stays.
pub(crate) fn forget_programs() {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return };
    for line in maps.lines() {
        // ADDRESS-ADDRESS PERMISSIONS OFFSET DEVICE INODE PATH (proc_pid_maps(5)); inode 0 is no file
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let [range, "r-xp", _, _, inode, ..] = words.as_slice() else { continue };
        let Some((from, to)) = range.split_once('-').filter(|_| *inode != "0") else { continue };
        let address = |hex| usize::from_str_radix(hex, 16);
        let (Ok(from), Ok(to)) = (address(from), address(to)) else { continue };
        // SAFETY: the range is a private mapping of a file that is executed and never written, so that what is read
        // again is what was there.
        unsafe {
            libc::madvise(std::ptr::with_exposed_provenance_mut(from), to - from, libc::MADV_DONTNEED);
        }
    }
}

/// WDIOC_SETTIMEOUT (the kernel's Documentation/watchdog/watchdog-api.rst): the seconds that the device makes of it.
pub(crate) fn set_watchdog_timeout(device: BorrowedFd<'_>, seconds: u32) -> io::Result<u32> {
    const SET: ioctl::Opcode = ioctl::opcode::read_write::<libc::c_int>(b'W', 6);
    let mut value = libc::c_int::try_from(seconds).unwrap_or(libc::c_int::MAX);
    // SAFETY: the request reads and writes one c_int, which lives through the call.
    unsafe { ioctl::ioctl(device, ioctl::Updater::<SET, libc::c_int>::new(&mut value)) }?;
    u32::try_from(value).map_err(|_| io::ErrorKind::InvalidData.into())
}

/// WDIOC_GETTIMEOUT: the seconds after which the device acts.
pub(crate) fn watchdog_timeout(device: BorrowedFd<'_>) -> io::Result<u32> {
    const GET: ioctl::Opcode = ioctl::opcode::read::<libc::c_int>(b'W', 7);
    // SAFETY: the request writes one c_int.
    let value = unsafe { ioctl::ioctl(device, ioctl::Getter::<GET, libc::c_int>::new()) }?;
    u32::try_from(value).map_err(|_| io::ErrorKind::InvalidData.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_has_its_address() {
        let addresses = interface_addresses().unwrap();
        let lo = addresses.iter().find(|a| a.interface == "lo" && a.address.is_ipv4()).unwrap();
        assert_eq!(lo.address, IpAddr::from([127, 0, 0, 1]));
        assert_eq!(lo.broadcast, None);
        assert!(
            interface_flags().unwrap().get("lo").is_some_and(|flags| flags & libc::IFF_LOOPBACK as u32 != 0)
        );
    }
}

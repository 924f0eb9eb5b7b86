//! How the C library's allocator is to behave: the one place with unsafe code, as no safe crate has these calls
//! (mallopt(3), malloc_trim(3)).
#![allow(unsafe_code)]

use std::sync::OnceLock;

const MAPS: &str = "/proc/self/smaps";
/// What is as large as this is mapped on its own, and given back to the system as soon as it is free: the text of a
/// configuration, a list of thousands of servers.
const ALONE: libc::c_int = 64 * 1024;

/// Where code and constants of the program and of the libraries that it is linked with lie: the dynamic linker never takes
/// these away, other than a library that is loaded for a name look-up.
static LINKED: OnceLock<Vec<(usize, usize)>> = OnceLock::new();

/// One heap for all threads, so that what one of them frees serves the others: the work that they do at the same time
/// is a few hundred allocations a second. To be called before any other thread is started.
pub(crate) fn settle() {
    LINKED.get_or_init(|| unwritten(&std::fs::read_to_string(MAPS).unwrap_or_default()));
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt only sets parameters of the allocator; these two are documented, and take any positive number.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, ALONE);
    }
}

/// No longer keeps mapped what of the program and its libraries was needed to start and to read a configuration, but
/// not since: it stays in the system's cache, and what is needed again is mapped again without being read from a disk.
pub(crate) fn forget_start() {
    let (Ok(maps), Some(linked)) = (std::fs::read_to_string(MAPS), LINKED.get()) else { return };
    for (start, length) in unwritten(&maps).into_iter().filter(|range| linked.contains(range)) {
        // SAFETY: the range is a mapping of this process that cannot be written, of a file, and has no page of its own, neither
        // now nor before the first thread: a page that is no longer mapped is mapped again, with the same content, when it is
        // touched. Nothing else can have taken its place since it was looked at, as it is never unloaded.
        unsafe {
            libc::madvise(start as *mut libc::c_void, length, libc::MADV_DONTNEED);
        }
    }
}

/// Where code and constants are mapped that are the same as in their file, and how long that is: from the text of smaps
/// (proc_pid_smaps(5)). What the dynamic linker has written into before it became constant has pages of its own.
fn unwritten(maps: &str) -> Vec<(usize, usize)> {
    let (mut found, mut range) = (Vec::new(), None);
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        match (words.next(), words.next()) {
            (Some("Anonymous:"), Some("0")) => {}
            (Some("Anonymous:"), Some(_)) => range = None,
            (Some("Swap:"), Some("0")) => found.extend(range.take()),
            (Some(_), Some("r-xp" | "r--p")) => range = range_of(line).filter(|_| line.contains(" /")),
            (Some(_), Some(mode)) if mode.len() == 4 && mode.ends_with(['p', 's']) => range = None,
            _ => {}
        }
    }
    found
}

/// `START-END` in front of a line, as start and length.
fn range_of(line: &str) -> Option<(usize, usize)> {
    let (start, end) = line.split(' ').next()?.split_once('-')?;
    let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    Some((start, end.checked_sub(start)?))
}

/// Gives free memory back to the system, when much of it has become free: a configuration was read, a table edited.
pub(crate) fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim touches free memory alone, and takes the allocator's own locks.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_as_in_its_file() {
        let maps = "\
55d0c0000000-55d0c0010000 r--p 00000000 fe:00 1 /usr/sbin/directord
Rss:                  64 kB
Anonymous:             0 kB
Swap:                  0 kB
55d0c0010000-55d0c0050000 r-xp 00010000 fe:00 1 /usr/sbin/directord
Rss:                 256 kB
Anonymous:             0 kB
Swap:                  0 kB
VmFlags: rd ex mr mw me
55d0c0060000-55d0c0070000 r--p 00050000 fe:00 1 /usr/sbin/directord
Anonymous:            64 kB
Swap:                  0 kB
55d0c0070000-55d0c0080000 r--p 00060000 fe:00 1 /usr/sbin/directord
Anonymous:             0 kB
Swap:                 64 kB
7f0000000000-7f0000001000 r-xp 00000000 fe:00 2 /lib/patched.so
Anonymous:             4 kB
Swap:                  0 kB
7f0000002000-7f0000003000 r-xp 00000000 00:00 0 [vdso]
Anonymous:             0 kB
Swap:                  0 kB
7f0000003000-7f0000004000 r--p 00000000 00:00 0
Anonymous:             0 kB
Swap:                  0 kB
7f0000004000-7f0000005000 rw-p 00000000 fe:00 2 /lib/patched.so
Anonymous:             0 kB
Swap:                  0 kB
7f0000006000-7f0000008000 r-xp 00000000 fe:00 3 /lib/libc.so.6
Anonymous:             0 kB
Swap:                  0 kB
";
        let expected =
            [(0x55d0_c000_0000, 0x1_0000), (0x55d0_c001_0000, 0x4_0000), (0x7f00_0000_6000, 0x2000)];
        assert_eq!(unwritten(maps), expected);
    }

    #[test]
    fn the_program_goes_on() {
        settle();
        let kept: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
        forget_start();
        trim();
        assert_eq!(kept.iter().filter_map(|text| text.parse::<usize>().ok()).sum::<usize>(), 499_500);
    }
}

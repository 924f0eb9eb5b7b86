//! How the C library's allocator is to behave: the one place with unsafe code, as no safe crate has these calls
//! (mallopt(3), malloc_trim(3)).
#![allow(unsafe_code)]

/// What is as large as this is mapped on its own, and given back to the system as soon as it is free: the text of a
/// configuration, a list of thousands of servers.
const ALONE: libc::c_int = 64 * 1024;

/// One heap for all threads, so that what one of them frees serves the others: the work that they do at the same time
/// is a few hundred allocations a second. To be called before any other thread is started.
pub(crate) fn settle() {
    #[cfg(target_env = "gnu")]
    // SAFETY: mallopt only sets parameters of the allocator; these two are documented, and take any positive number.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, ALONE);
    }
}

/// Gives free memory back to the system, when much of it has become free: a configuration was read, a table edited.
pub(crate) fn trim() {
    #[cfg(target_env = "gnu")]
    // SAFETY: malloc_trim touches free memory alone, and takes the allocator's own locks.
    unsafe {
        libc::malloc_trim(0);
    }
}

//! Addresses while nobody moves anything: what follows from what the kernel and other machines say. Pure; the shell
//! around it is the verb `watch`.

pub mod conflict;
pub mod judge;

//! (media)

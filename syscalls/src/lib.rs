//! What each call means, whatever the platform.
//!
//! - `family`: calls that one libc function or one purpose may turn into
//! - `paths`: which arguments of a call are paths, and where they start from

#![no_std]
#![forbid(unsafe_code)]

pub mod family;
pub mod paths;

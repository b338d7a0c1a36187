//! The process: numbers, names, limits and its end.
//!
//! - `identity`: process and user numbers, names, `uname`, `prctl`
//! - `limits`: resource limits and what was used
//! - `scheduling`: priorities and processors
//! - `exit`: the end

mod exit;
mod identity;
mod limits;
mod scheduling;

pub use exit::*;
pub use identity::*;
pub use limits::*;
pub use scheduling::*;

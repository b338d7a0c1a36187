//! The process: numbers, names, limits and its end.
//!
//! - `identity`: process numbers, names, `uname`, `prctl`
//! - `users`: user and group numbers
//! - `limits`: resource limits and what was used
//! - `scheduling`: priorities and processors
//! - `exit`: the end

mod exit;
mod identity;
mod limits;
mod scheduling;
mod users;

pub use exit::*;
pub use identity::*;
pub use limits::*;
pub use scheduling::*;
pub use users::*;

//! The socket calls, answered by a network stack in Rust: an ordinary application of the public
//! interface, which needs nothing that another one could not use.
#![cfg_attr(target_os = "none", no_std)]

#[cfg(target_os = "none")]
mod object;

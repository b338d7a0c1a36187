//! The runtime: what every image holds between musl and the platform.
//!
//! Compiled for `x86_64-unknown-none`, it becomes one relocatable object inside libc.a; compiled
//! for a host it offers the table to the tools.
//!
//! - `table`: THE list, one line a call
//! - `boot`: the first code of a process, before its first call
//! - `dispatch`: slots and numbers; changing the code of a slot
//! - `chain`: what runs when a slot has registered handlers; `inside`: whether a thread is inside
//!   one; `own_stack`: stacks for those that want one
//! - `register`, `families`: registration from outside, the C symbols of `muslin.h`
//! - `counting`, `seal`: the counters of `muslin run --count`; the table read-only
//! - `heap`, `console`, `thread`, `raw`: what handlers stand on, none of it through libc
//!
//! Every file but `table` and `support` is a door to unsafe code: this room is the boundary
//! between C and Rust.

#![no_std]

pub mod support;
pub mod table;

#[cfg(target_os = "none")]
mod boot;
#[cfg(target_os = "none")]
mod chain;
#[cfg(target_os = "none")]
mod console;
#[cfg(target_os = "none")]
mod counting;
#[cfg(target_os = "none")]
mod dispatch;
#[cfg(target_os = "none")]
mod entry;
#[cfg(target_os = "none")]
mod families;
#[cfg(target_os = "none")]
mod heap;
#[cfg(target_os = "none")]
mod inside;
#[cfg(target_os = "none")]
mod note;
#[cfg(target_os = "none")]
mod own_stack;
#[cfg(target_os = "none")]
mod panic;
#[cfg(target_os = "none")]
mod raw;
#[cfg(target_os = "none")]
mod register;
#[cfg(target_os = "none")]
mod seal;
#[cfg(target_os = "none")]
mod thread;

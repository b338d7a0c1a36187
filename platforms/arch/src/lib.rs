//! What depends on the processor and on nothing else: the thread pointer, the switch to
//! another stack or thread, how a call is made, and what ring 0 has. Every file here is unsafe by nature; its callers need not be.

#![no_std]

pub mod code;
pub mod context;
pub mod control;
pub mod interrupted;
pub mod paging;
pub mod privilege;
pub mod pthread;
pub mod stack;
pub mod thread_pointer;
pub mod traps;
pub mod vectors;

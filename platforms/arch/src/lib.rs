//! What depends on the processor and on nothing else: the thread pointer and the switch to
//! another stack. Every file here is unsafe by nature; its callers need not be.

#![no_std]

pub mod control;
pub mod paging;
pub mod privilege;
pub mod pthread;
pub mod stack;
pub mod thread_pointer;
pub mod traps;

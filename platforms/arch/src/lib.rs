//! What depends on the processor and on nothing else: the thread pointer, the switch to
//! another stack or thread, how a call is made, and what a guest that has the processor to itself has. Most files here
//! are unsafe by nature; their callers need not be.

#![no_std]

pub mod code;
pub mod context;
pub mod control;
pub mod entropy;
pub mod exceptions;
pub mod fault;
pub mod host;
pub mod interrupted;
pub mod paging;
pub mod places;
pub mod privilege;
pub mod pthread;
pub mod space;
pub mod stack;
pub mod thread_pointer;
pub mod traps;
pub mod vectors;

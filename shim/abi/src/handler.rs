//! What crosses the C boundary when a handler is registered and called: see `muslin.h`.

/// Call the handler also for calls that are made inside another handler on the same thread.
pub const REENTRANT: u32 = 1;

/// Run the handler on a stack of the runtime, whatever is left of the caller's.
pub const OWN_STACK: u32 = 2;

/// Size of the stack that [`OWN_STACK`] gives, in bytes.
pub const OWN_STACK_BYTES: usize = 64 * 1024;

/// A call on its way through a chain of handlers: `struct muslin_call`.
#[derive(Debug)]
#[repr(C)]
pub struct Call {
    /// The handler that is being called, opaque.
    pub handler: *const core::ffi::c_void,
    /// The call's number.
    pub nr: usize,
    /// Its six words.
    pub args: [usize; 6],
    /// The runtime's own: see `shim/runtime/src/chain.rs`.
    pub state: usize,
}

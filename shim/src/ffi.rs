//! The C symbols of the runtime: see `muslin.h`. Used by the macros of this crate; not an interface.

use core::ffi::{c_char, c_void};

use muslin_abi::{SyscallArgs, SyscallResult};

use crate::context::{Context, adapt};

pub use muslin_abi::handler::{Call, OWN_STACK, REENTRANT};

/// `muslin_handler_fn`.
pub type Function = unsafe extern "C" fn(*const Call, *mut c_void) -> isize;

/// `struct muslin_handler`, for a registration that lies in the image.
#[repr(C)]
pub struct StaticHandler {
    /// What is called.
    pub function: Function,
    /// Its second argument.
    pub context: *mut c_void,
    /// The call's number.
    pub nr: usize,
    /// REENTRANT, OWN_STACK.
    pub flags: usize,
    /// The runtime's.
    pub rest: [core::sync::atomic::AtomicUsize; 2],
}

// SAFETY: only the runtime touches what changes, and it does so atomically.
unsafe impl Sync for StaticHandler {}

unsafe extern "C" {
    /// See `muslin.h`.
    pub fn muslin_register(
        nr: isize,
        function: Function,
        context: *mut c_void,
        flags: u32,
        previous: *mut *const c_void,
    ) -> i32;
    /// See `muslin.h`.
    pub fn muslin_register_static(handler: *const StaticHandler);
    /// See `muslin.h`.
    pub fn muslin_restore(nr: isize) -> i32;
    /// See `muslin.h`.
    pub fn muslin_reinstate(handler: *const c_void) -> i32;
    /// See `muslin.h`.
    pub fn muslin_next(call: *const Call) -> isize;
    /// See `muslin.h`.
    pub fn muslin_call(handler: *const c_void, nr: isize, args: *const [usize; 6]) -> isize;
    /// See `muslin.h`.
    pub fn muslin_passthrough(nr: isize, args: *const [usize; 6]) -> isize;
    /// See `muslin.h`.
    pub fn muslin_alloc(size_bytes: usize, align_bytes: usize) -> *mut u8;
    /// See `muslin.h`.
    pub fn muslin_free(memory: *mut u8);
    /// See `muslin.h`.
    pub fn muslin_abort(why: *const c_char) -> !;
    /// See `muslin.h`.
    pub fn muslin_path(call: *const Call, which: i32, dirfd: *mut i32) -> *const c_char;
}

/// What `static_handler!` accepts behind the handler.
#[allow(
    non_upper_case_globals,
    reason = "they read as the methods of `Registration`"
)]
pub mod wish {
    /// [`Registration::reentrant`](crate::Registration::reentrant)
    pub const reentrant: u32 = super::REENTRANT;
    /// [`Registration::own_stack`](crate::Registration::own_stack)
    pub const own_stack: u32 = super::OWN_STACK;
}

/// The C function for a handler without data.
pub const fn adapter<F>(_handler: &F) -> Function
where
    F: Fn(&Context<'_>, &SyscallArgs) -> SyscallResult + Send + Sync + 'static,
{
    assert!(size_of::<F>() == 0, "a static handler captures nothing");
    adapt::<F>
}

//! The C symbols of the runtime: see `muslin.h`. Used by the macros of this crate; not an interface.

use core::ffi::{c_char, c_void};

use muslin_abi::file::{FileOps, ServiceFn};
use muslin_abi::net_device::NetDevice;
use muslin_abi::{SyscallArgs, SyscallResult};

use muslin_arch::{pthread, stack, thread_pointer};

use crate::context::{Context, adapt, answer};

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
    /// What the slot may hold while this handler is alone: see [`direct`].
    pub direct: Option<Code>,
}

/// The code of a slot: six words and the number.
pub type Code = unsafe extern "C" fn(usize, usize, usize, usize, usize, usize, usize) -> isize;

// SAFETY: only the runtime touches what changes, and it does so atomically.
unsafe impl Sync for StaticHandler {}

unsafe extern "C" {
    /// The code of a slot that has handlers.
    fn __muslin_enter(
        a: usize,
        b: usize,
        c: usize,
        d: usize,
        e: usize,
        f: usize,
        nr: usize,
    ) -> isize;
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
    pub fn muslin_print(text: *const c_char);
    /// See `muslin.h`.
    pub fn muslin_abort(why: *const c_char) -> !;
    /// See `muslin.h`.
    pub fn muslin_path(call: *const Call, which: i32, dirfd: *mut i32) -> *const c_char;
    /// See `muslin.h`.
    pub fn muslin_fd_mint(
        ops: *const FileOps,
        object: *mut c_void,
        flags: u32,
        readiness: u32,
        file: *mut *mut c_void,
    ) -> i32;
    /// See `muslin.h`.
    pub fn muslin_fd_get(fd: i32, ops: *const FileOps) -> *mut c_void;
    /// See `muslin.h`.
    pub fn muslin_fd_flags(fd: i32) -> isize;
    /// See `muslin.h`.
    pub fn muslin_file_changed(file: *mut c_void, readiness: u32, events: u32);
    /// See `muslin.h`.
    pub fn muslin_file_seen(file: *const c_void) -> u32;
    /// See `muslin.h`.
    pub fn muslin_file_wait(
        call: *const Call,
        file: *mut c_void,
        seen: u32,
        events: u32,
        deadline_ns: u64,
    ) -> isize;
    /// See `muslin.h`.
    pub fn muslin_file_release(file: *mut c_void);
    /// See `muslin.h`.
    pub fn muslin_service(run: ServiceFn, context: *mut c_void) -> i32;
    /// See `muslin.h`.
    pub fn muslin_service_kick();
    /// See `muslin.h`.
    pub fn muslin_lock(word: *mut u32);
    /// See `muslin.h`.
    pub fn muslin_unlock(word: *mut u32);
    /// See `muslin.h`.
    pub fn muslin_now_ns() -> u64;
    /// See `muslin.h`.
    pub fn muslin_random(bytes: *mut u8, len_bytes: usize) -> i32;
    /// See `muslin.h`.
    pub fn muslin_user_check(address: *const u8, len_bytes: usize, is_write: i32) -> i32;
    /// See `muslin.h`.
    pub fn muslin_option(name: *const c_char) -> *const c_char;
    /// See `muslin.h`.
    pub fn muslin_net_device(index: u32, device: *mut NetDevice) -> i32;
    /// See `muslin.h`.
    pub safe fn muslin_net_offload(index: u32) -> i32;

    pub fn muslin_net_receive(index: u32, frame: *mut u8, len_bytes: usize) -> isize;
    /// See `muslin.h`.
    pub fn muslin_net_send(index: u32, frame: *const u8, len_bytes: usize) -> isize;
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

/// What the runtime does around a handler (see `shim/runtime/src/chain.rs`), with the handler as
/// part of it: the code of a slot whose one handler is a static one without wishes.
///
/// # Safety
/// The runtime calls it as the code of `handler`'s slot.
#[inline(always)]
pub unsafe fn direct<F>(
    handler: &'static StaticHandler,
    answer_with: &F,
    args: [usize; 6],
    nr: usize,
) -> isize
where
    F: Fn(&Context<'_>, &SyscallArgs) -> SyscallResult,
{
    let block = thread_pointer::read();
    // SAFETY: fields of the calling thread's own block. Volatile, because a signal handler that
    // interrupts this one reads them.
    unsafe {
        let inside = block.add(pthread::MUSLIN_OFFSET).cast::<usize>();
        let in_cp = block.add(pthread::IN_CP_OFFSET);
        let errno = block.add(pthread::ERRNO_OFFSET).cast::<i32>();
        if inside.read_volatile() != 0 || in_cp.read_volatile() != 0 {
            let [a, b, c, d, e, f] = args;
            return __muslin_enter(a, b, c, d, e, f, nr);
        }
        let errno_before = errno.read();
        inside.write_volatile(stack::pointer());
        let call = Call {
            handler: (&raw const *handler).cast(),
            nr,
            args,
            state: 0,
        };
        let raw = answer(answer_with, &call);
        inside.write_volatile(0);
        in_cp.write_volatile(0);
        errno.write(errno_before);
        raw
    }
}

//! What a handler is given besides the arguments.

use core::ffi::{CStr, c_void};
use core::marker::PhantomData;

use muslin_abi::args::{from_raw, to_raw};
use muslin_abi::{Errno, SyscallArgs, SyscallResult, Sysno};

use crate::fd::{File, Seen};
use crate::ffi;

/// The shape of a handler. A closure of this shape that is `Send + Sync` will do as well.
pub type HandlerFn = fn(&Context<'_>, &SyscallArgs) -> SyscallResult;

/// A call on its way through the handlers.
pub struct Context<'a> {
    call: &'a ffi::Call,
    /// A call belongs to the thread that makes it.
    not_send: PhantomData<*const ()>,
}

impl Context<'_> {
    /// The number that was called: of interest to a handler of a family.
    pub fn nr(&self) -> Sysno {
        Sysno(self.call.nr as u32)
    }

    /// Passes the call on to the handler below this one, with these arguments; below the last one
    /// is the platform.
    ///
    /// # Errors
    /// What that handler, or the platform, answers.
    pub fn next(&self, args: &SyscallArgs) -> SyscallResult {
        let call = ffi::Call {
            handler: self.call.handler,
            nr: self.call.nr,
            args: args.0,
            state: self.call.state,
        };
        // SAFETY: a copy of the call that came, for the duration of this one.
        from_raw(unsafe { ffi::muslin_next(&raw const call) })
    }

    /// Makes a call of the platform, past all handlers.
    ///
    /// # Errors
    /// What the platform answers.
    ///
    /// # Safety
    /// The call does to memory and to the process what its man page says.
    pub unsafe fn passthrough(&self, nr: Sysno, args: &SyscallArgs) -> SyscallResult {
        // SAFETY: as the caller promises.
        from_raw(unsafe { ffi::muslin_passthrough(nr.0 as isize, &raw const args.0) })
    }

    /// Waits until something has happened to a file since [`seen`](File::seen) was taken; then the caller
    /// looks again, as something else may have happened, or somebody else taken it. `events` is what it
    /// waits for (`POLL*` bits), errors among it in any case. No lock may be held. With a deadline of 0 it does
    /// not wait; but the service looks at its devices first, as in every wait.
    ///
    /// # Errors
    /// `EAGAIN` the monotonic clock has passed the deadline · `EINTR` a function of a signal has run that
    /// is not `SA_RESTART`, or there was a deadline, or the thread is to be cancelled.
    pub fn wait(
        &self,
        file: &File,
        seen: Seen,
        events: u32,
        deadline_ns: Option<u64>,
    ) -> Result<(), Errno> {
        file.wait(self.call, seen, events, deadline_ns)
    }

    /// The `which`-th path that the call names, counted from 0, and the descriptor of the directory
    /// that a relative one starts from (`AT_FDCWD` is -100). `None` if the call has no such path,
    /// or passes a null for it.
    pub fn path(&self, which: usize) -> Option<(i32, &CStr)> {
        let mut dirfd = 0;
        let which = i32::try_from(which).ok()?;
        // SAFETY: the call is the one that came.
        let path = unsafe { ffi::muslin_path(self.call, which, &raw mut dirfd) };
        // SAFETY: the program passed this address to the kernel as that of a path: an allegation
        // that the kernel would answer with EFAULT; here it is a fault of the program's.
        (!path.is_null()).then(|| (dirfd, unsafe { CStr::from_ptr(path) }))
    }
}

/// Says which call's handler panicked while the panic passes by; then the process ends, since a
/// panic cannot pass through C.
struct Panicking(Sysno);

impl Drop for Panicking {
    fn drop(&mut self) {
        crate::print!("muslin: the handler of {} panicked", self.0);
        let why = c"muslin: a panic cannot pass through C, so the process ends";
        // SAFETY: a C string.
        unsafe { ffi::muslin_abort(why.as_ptr()) }
    }
}

/// The C function for a handler of a type without data: the adapter costs nothing, because the
/// handler is part of it.
///
/// # Safety
/// The runtime calls it with a call; `F` has a value, and no size.
pub unsafe extern "C" fn adapt<F>(call: *const ffi::Call, _context: *mut c_void) -> isize
where
    F: Fn(&Context<'_>, &SyscallArgs) -> SyscallResult,
{
    // SAFETY: a type without data has one value, and the registration had it.
    let handler: &F = unsafe { core::ptr::NonNull::dangling().as_ref() };
    // SAFETY: the runtime's call lives until this function returns.
    answer(handler, unsafe { &*call })
}

/// The C function for a handler with data, which `context` points to.
///
/// # Safety
/// The runtime calls it with a call; `context` points to an `F` for ever.
pub unsafe extern "C" fn adapt_data<F>(call: *const ffi::Call, context: *mut c_void) -> isize
where
    F: Fn(&Context<'_>, &SyscallArgs) -> SyscallResult,
{
    // SAFETY: as the caller promises.
    let (handler, call) = unsafe { (&*context.cast::<F>(), &*call) };
    answer(handler, call)
}

/// Calls a handler with a call, and makes its answer one for C.
#[inline(always)]
pub fn answer<F>(handler: &F, call: &ffi::Call) -> isize
where
    F: Fn(&Context<'_>, &SyscallArgs) -> SyscallResult,
{
    let panicking = Panicking(Sysno(call.nr as u32));
    let context = Context {
        call,
        not_send: PhantomData,
    };
    let result = handler(&context, &SyscallArgs(call.args));
    core::mem::forget(panicking);
    to_raw(result)
}

//! What is to be done at the end of calls, if anything is: signals are delivered there.

use core::sync::atomic::{AtomicUsize, Ordering};

use muslin_abi::{SyscallArgs, SyscallResult};

use crate::context::Context;

/// A handler of the library OS.
pub type HandlerFn = fn(&Context<'_>, &SyscallArgs) -> SyscallResult;

/// A call whose handler has answered, and who made it.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Call {
    /// r15, r14, r13, r12, rbp, rbx: as they were at the call, and as they will be after it.
    pub registers: [usize; 6],
    /// The answer, for musl: a value or a negative errno.
    pub result: isize,
    /// Who answered.
    pub handler: HandlerFn,
    /// The arguments.
    pub args: SyscallArgs,
    /// Where the call returns to. The stack pointer is behind this word then.
    pub return_address: usize,
    /// The number.
    pub nr: usize,
}

/// Does what is to be done at the end of a call, on the stack of the thread that made it and as if the
/// thread itself did it: no call is being answered meanwhile. `true` makes the call again.
pub type AttendFn = fn(&Context<'_>, &mut Call) -> bool;

/// What is done at the end of every call: nothing, most of the time. The word is the address of an
/// [`AttendFn`] or 0; who calls looks at it.
#[repr(transparent)]
pub struct Attention(AtomicUsize);

impl Attention {
    /// Nothing is done.
    pub const fn new() -> Self {
        Self(AtomicUsize::new(0))
    }

    /// From now on this is done.
    pub fn demand(&self, attend: AttendFn) {
        self.0.store(attend as usize, Ordering::Relaxed);
    }

    /// Nothing is done any more.
    pub fn clear(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// What is done.
    pub fn demanded(&self) -> Option<AttendFn> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            // SAFETY: only `demand` puts anything else there.
            attend => Some(unsafe { core::mem::transmute::<usize, AttendFn>(attend) }),
        }
    }
}

impl Default for Attention {
    fn default() -> Self {
        Self::new()
    }
}

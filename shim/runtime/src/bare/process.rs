//! The one process, and how a call reaches its handler.

use core::sync::atomic::{AtomicUsize, Ordering};

use muslin_abi::args::to_raw;
use muslin_abi::{Errno, SyscallArgs, SyscallResult, Sysno};
use muslin_platform::{Memory, Platform, Power};
use muslin_solo5::spt::SPT;

use crate::missing::missing;
use crate::raw::Code;

/// What a handler is given.
pub struct Context<'a> {
    /// The world underneath.
    pub platform: &'a dyn Platform,
}

/// A handler of the library OS.
pub type HandlerFn = fn(&Context<'_>, &SyscallArgs) -> SyscallResult;

/// Makes the process. Once, at boot.
pub fn begin() {
    NEXT.store(SPT.range().start, Ordering::Relaxed);
}

/// Answers a call with `handler`.
pub fn answer(handler: HandlerFn, args: [usize; 6]) -> isize {
    to_raw(handler(&Context { platform: &SPT }, &SyscallArgs(args)))
}

static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Takes whole pages for the runtime's heap.
pub fn take_pages(len_bytes: usize) -> Option<*mut u8> {
    let len = len_bytes.next_multiple_of(4096);
    Some(NEXT.fetch_add(len, Ordering::Relaxed) as *mut u8)
}

/// Gives pages back.
pub fn give_pages(_address: usize, _len_bytes: usize) {}

/// The code of a number without a slot that the linker kept.
///
/// # Safety
/// As any code of a slot.
#[unsafe(export_name = "__muslin_passthrough")]
pub unsafe extern "C" fn by_number(
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
    nr: usize,
) -> isize {
    // SAFETY: the call is the program's own.
    unsafe { missing(a, b, c, d, e, f, nr) }
}

pub fn sys_write(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let bytes = unsafe { core::slice::from_raw_parts(args.addr(1) as *const u8, args.size(2)) };
    Ok(context.platform.console().write(bytes))
}
pub fn sys_writev(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let v = unsafe { core::slice::from_raw_parts(args.addr(1) as *const [usize; 2], args.size(2)) };
    let mut n = 0;
    for [p, l] in v {
        n += context
            .platform
            .console()
            .write(unsafe { core::slice::from_raw_parts(*p as *const u8, *l) });
    }
    Ok(n)
}
pub fn sys_exit_group(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    context.platform.power().exit(args.int(0) & 0xff)
}
pub fn sys_ioctl(_: &Context<'_>, _: &SyscallArgs) -> SyscallResult {
    Err(Errno::ENOTTY)
}
pub fn sys_arch_prctl(_: &Context<'_>, _: &SyscallArgs) -> SyscallResult {
    Ok(0)
}
pub fn sys_set_tid_address(_: &Context<'_>, _: &SyscallArgs) -> SyscallResult {
    Ok(1)
}

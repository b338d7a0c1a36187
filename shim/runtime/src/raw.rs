//! What the runtime asks of Linux for itself: past the table, but counted when counting is on.
//!
//! On bare platforms `bare/raw.rs` stands in its place.

use core::ffi::c_int;
use core::sync::atomic::{AtomicBool, Ordering};

use muslin_abi::Sysno;
use muslin_arch::thread_pointer;
pub use muslin_linux::passthrough::{__muslin_passthrough, __muslin_passthrough_base};

use crate::counting;
use crate::dispatch::Slot;

/// This platform in the note of the image.
pub const PLATFORM: u32 = 0;

/// Whether a slot may hold a static handler's own code.
pub const HAS_DIRECT: bool = true;

/// The program's call `nr` was answered by its handlers: the kernel does what is to be done by itself.
#[inline(always)]
pub const fn handled(_nr: usize) {}

/// Makes a call of the platform for the runtime itself.
///
/// # Safety
/// As [`muslin_linux::passthrough::call`].
pub unsafe fn call(nr: Sysno, args: [usize; 6]) -> isize {
    counting::count_own(nr);
    // SAFETY: as promised by the caller.
    unsafe { muslin_linux::passthrough::call(nr, args) }
}

const PROT_READ_WRITE: usize = 3;
const MAP_PRIVATE_ANONYMOUS: usize = 0x22;

/// How much memory a heap takes at once.
pub const fn chunk_bytes() -> usize {
    64 * 1024
}

/// Maps `len_bytes` of zeroed memory, or `None` when the platform has no more.
pub fn map(len_bytes: usize) -> Option<*mut u8> {
    let args = [
        0,
        len_bytes,
        PROT_READ_WRITE,
        MAP_PRIVATE_ANONYMOUS,
        usize::MAX,
        0,
    ];
    // SAFETY: a new private mapping touches nothing that exists.
    let raw = unsafe { call(Sysno::mmap, args) };
    let address = muslin_abi::args::from_raw(raw).ok()?;
    Some(address as *mut u8)
}

/// Gives memory back.
///
/// # Safety
/// It came from [`map`], with this length, and is not used any more.
pub unsafe fn unmap(address: usize, len_bytes: usize) {
    // SAFETY: as the caller promises.
    unsafe { call(Sysno::munmap, [address, len_bytes, 0, 0, 0, 0]) };
}

/// Makes pages that came from [`map`] a guard: whoever touches them faults.
///
/// # Safety
/// Nothing uses them.
pub unsafe fn guard(address: usize, len_bytes: usize) {
    // SAFETY: as the caller promises.
    unsafe { call(Sysno::mprotect, [address, len_bytes, 0, 0, 0, 0]) };
}

const PROT_READ: usize = 1;
const PROT_WRITE: usize = 2;

/// Makes pages of the image readable, and writable or not; whether that was done.
///
/// # Safety
/// Nothing is written there while it is not writable.
pub unsafe fn protect_image(start: usize, len_bytes: usize, is_writable: bool) -> bool {
    let protection = if is_writable {
        PROT_READ | PROT_WRITE
    } else {
        PROT_READ
    };
    // SAFETY: as the caller promises.
    unsafe { call(Sysno::mprotect, [start, len_bytes, protection, 0, 0, 0]) == 0 }
}

const STDERR: usize = 2;

/// Writes `text` to the person in front, as far as the platform takes it.
pub fn write(text: &[u8]) {
    let args = [STDERR, text.as_ptr() as usize, text.len(), 0, 0, 0];
    // SAFETY: the kernel reads a slice that is alive.
    unsafe { call(Sysno::write, args) };
}

/// Ends the process.
pub fn exit(status: usize) -> ! {
    loop {
        // SAFETY: the process ends here.
        unsafe { call(Sysno::exit_group, [status, 0, 0, 0, 0, 0]) };
    }
}

const SIGABRT: usize = 6;

/// Ends the process by SIGABRT, whatever the program thinks of that signal.
pub fn abort() -> ! {
    let default_action = [0usize; 4];
    let unblocked = 0u64;
    // SAFETY: the process ends here; the structures are alive until then.
    unsafe {
        let action = [SIGABRT, &raw const default_action as usize, 0, 8, 0, 0];
        call(Sysno::rt_sigaction, action);
        let mask = [SIG_SETMASK, &raw const unblocked as usize, 0, 8, 0, 0];
        call(Sysno::rt_sigprocmask, mask);
        let thread = call(Sysno::gettid, [0; 6]) as usize;
        call(Sysno::tkill, [thread, SIGABRT, 0, 0, 0, 0]);
    }
    exit(134)
}

const SIG_SETMASK: usize = 2;

/// Sets the thread's signal mask; the one before.
pub fn set_signal_mask(mask: u64) -> u64 {
    let mut before = 0u64;
    // SAFETY: the structures are alive.
    unsafe {
        let (new, old) = (&raw const mask as usize, &raw mut before as usize);
        call(Sysno::rt_sigprocmask, [SIG_SETMASK, new, old, 8, 0, 0]);
    }
    before
}

const SS_ONSTACK: i32 = 1;

/// The alternate stack for signals, its address and its length in bytes, if the thread runs on it.
pub fn alternate_stack_in_use() -> Option<(usize, usize)> {
    // struct stack_t: address, flags, size.
    let mut stack = [0usize; 3];
    let args = [0, &raw mut stack as usize, 0, 0, 0, 0];
    // SAFETY: asks for the current alternate stack only.
    let raw = unsafe { call(Sysno::sigaltstack, args) };
    let [start, flags, len_bytes] = stack;
    (raw == 0 && flags as i32 & SS_ONSTACK != 0).then_some((start, len_bytes))
}

/// The numbers of the process and of the thread.
pub fn identity() -> (u32, u32) {
    // SAFETY: calls that only answer.
    unsafe {
        (
            call(Sysno::getpid, [0; 6]) as u32,
            call(Sysno::gettid, [0; 6]) as u32,
        )
    }
}

/// Lets another thread run.
pub fn give_way() {
    // SAFETY: gives up the processor.
    unsafe { call(Sysno::sched_yield, [0; 6]) };
}

static HAS_WRFSBASE: AtomicBool = AtomicBool::new(false);

const ARCH_SET_FS: usize = 0x1002;

/// Tells whether the processor and the kernel allow `wrfsbase`.
pub fn set_wrfsbase(allowed: bool) {
    HAS_WRFSBASE.store(allowed, Ordering::Relaxed);
}

/// Sets the thread pointer without going through the table.
///
/// # Safety
/// `block` is a `struct pthread`, or as much of one as the runtime knows, whose first word is its
/// own address.
pub unsafe fn set_thread_pointer(block: *mut u8) {
    if HAS_WRFSBASE.load(Ordering::Relaxed) {
        // SAFETY: allowed, as the kernel told at boot; the block is the caller's promise.
        unsafe { thread_pointer::write(block) };
    } else {
        // Not `call`: its count may want a thread pointer.
        // SAFETY: as above.
        unsafe {
            muslin_linux::passthrough::call(
                Sysno::arch_prctl,
                [ARCH_SET_FS, block as usize, 0, 0, 0, 0],
            )
        };
        counting::count_own(Sysno::arch_prctl);
    }
}

/// How often it helps to look at a lock before waiting for it, as musl has it.
pub const SPINS: c_int = 100;

/// Whether vfork may be made as the kernel offers it; if so, and counting is on, it is counted.
pub fn vfork_is_raw(slot: &Slot) -> bool {
    let is_raw = slot.is_passthrough();
    if is_raw {
        counting::count_own(Sysno::vfork);
    }
    is_raw
}

/// A fork, as a call answers.
pub fn fork() -> isize {
    // SAFETY: fork returns once in each process.
    unsafe { call(Sysno::fork, [0; 6]) }
}

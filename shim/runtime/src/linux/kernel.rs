//! The kernel's calls that minted descriptors and the service stand on, past the table.

use core::sync::atomic::AtomicU32;

use muslin_abi::args::from_raw;
use muslin_abi::{SyscallResult, Sysno};
use muslin_linux::vdso;

use crate::raw;

/// Makes a call.
///
/// # Safety
/// As [`raw::call`]: what the arguments point to is alive, and the process bears what the call does.
pub unsafe fn call(nr: Sysno, args: [usize; 6]) -> SyscallResult {
    // SAFETY: as the caller promises.
    from_raw(unsafe { raw::call(nr, args) })
}

/// Closes a descriptor.
pub fn close(fd: i32) {
    // SAFETY: callers close their own.
    let _closed = unsafe { call(Sysno::close, [fd as usize, 0, 0, 0, 0, 0]) };
}

const FUTEX_WAIT_PRIVATE: usize = 128;
const FUTEX_WAKE_PRIVATE: usize = 1 | 128;
/// With an absolute deadline of the monotonic clock.
pub const FUTEX_WAIT_BITSET_PRIVATE: usize = 9 | 128;
/// Any of the bits.
pub const FUTEX_BITSET_MATCH_ANY: usize = 0xffff_ffff;

/// Sleeps while `word` is `value`, or a little shorter.
pub fn futex_wait(word: &AtomicU32, value: u32) {
    let args = [
        word.as_ptr() as usize,
        FUTEX_WAIT_PRIVATE,
        value as usize,
        0,
        0,
        0,
    ];
    // SAFETY: the word is alive. Whatever ends the wait, the caller looks again.
    let _ended = unsafe { call(Sysno::futex, args) };
}

/// Wakes up to `count` of those that sleep on `word`.
pub fn futex_wake(word: &AtomicU32, count: i32) {
    let args = [
        word.as_ptr() as usize,
        FUTEX_WAKE_PRIVATE,
        count as usize,
        0,
        0,
        0,
    ];
    // SAFETY: the word is alive.
    let _woken = unsafe { call(Sysno::futex, args) };
}

const CLOCK_MONOTONIC: usize = 1;

/// The monotonic clock in nanoseconds.
pub fn now_ns() -> u64 {
    let mut time = [0u64; 2];
    let nr = Sysno::clock_gettime.0 as usize;
    // SAFETY: the code of the call's slot, with a structure that is alive.
    unsafe {
        vdso::__muslin_clock_gettime(CLOCK_MONOTONIC, &raw mut time as usize, 0, 0, 0, 0, nr)
    };
    time[0] * 1_000_000_000 + time[1]
}

/// Lets another thread go on, which is to be done soon; from its hundredth time in a row on it sleeps.
pub fn pause(times: u32) {
    const MANY: u32 = 100;
    if times < MANY {
        raw::give_way();
        return;
    }
    let time = [0u64, 50_000];
    // SAFETY: the structure is alive.
    let _slept = unsafe { call(Sysno::nanosleep, [&raw const time as usize, 0, 0, 0, 0, 0]) };
}

/// Fills memory with random bytes; whether that was done.
pub fn random(bytes: &mut [u8]) -> bool {
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..)
        && !rest.is_empty()
    {
        let args = [rest.as_mut_ptr() as usize, rest.len(), 0, 0, 0, 0];
        // SAFETY: a slice that is ours alone.
        match unsafe { call(Sysno::getrandom, args) } {
            Ok(0) => return false,
            Ok(more) => filled += more,
            Err(muslin_abi::Errno::EINTR) => {}
            Err(_) => return false,
        }
    }
    true
}

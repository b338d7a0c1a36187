//! Time, randomness, the program's memory and options for handlers: C symbols of `muslin.h`.

use core::ffi::{CStr, c_char, c_int};

use crate::below::host::host;
use muslin_abi::Errno;
use muslin_syscalls::memory::Access;
use muslin_syscalls::user_mem::UserBufMut;

use crate::process;
use crate::start;

/// The monotonic clock, in nanoseconds.
#[unsafe(no_mangle)]
extern "C" fn muslin_now_ns() -> u64 {
    host().clock().monotonic_ns()
}

/// Fills memory with random bytes: 0 or -EIO.
///
/// # Safety
/// `bytes` has `len_bytes`, which are the caller's.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_random(bytes: *mut u8, len_bytes: usize) -> c_int {
    // SAFETY: as the caller promises.
    let bytes = unsafe { core::slice::from_raw_parts_mut(bytes, len_bytes) };
    let filled = match process::context() {
        Some(context) => {
            let mut to = UserBufMut::from_slice(bytes);
            context.process.random.fill(host(), &mut to).map(|_| ())
        }
        None => host().entropy().fill(bytes),
    };
    filled.map_or(-Errno::EIO.raw(), |()| 0)
}

/// Whether the program's memory may be read or written: 0 or -EFAULT.
#[unsafe(no_mangle)]
extern "C" fn muslin_user_check(address: usize, len_bytes: usize, is_write: c_int) -> c_int {
    let access = match is_write {
        0 => Access::Read,
        _ => Access::Write,
    };
    let Some(context) = process::context() else {
        return 0;
    };
    let checked = context.process.memory.check(address, len_bytes, access);
    checked.map_or(-Errno::EFAULT.raw(), |()| 0)
}

/// The value of an option, a C string, or null.
///
/// # Safety
/// `name` is a C string.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_option(name: *const c_char) -> *const c_char {
    // SAFETY: as the caller promises.
    let name = unsafe { CStr::from_ptr(name) };
    start::option(name.to_bytes()).map_or(core::ptr::null(), CStr::as_ptr)
}

//! Time, randomness and options, as programs ask the runtime for them.

use core::ffi::{CStr, c_char};

use muslin_linux::auxv::{AT_SECURE, Auxv};

use crate::boot;
use crate::kernel;

/// The longest name of a variable.
const NAME_BYTES: usize = 64;
const PREFIX: &[u8] = b"MUSLIN_";

/// The value of an environment variable, unless the process runs with privileges that its user does not
/// have.
pub fn variable(name: &str) -> Option<&'static CStr> {
    // SAFETY: the environment as the kernel laid it out.
    let auxv = unsafe { Auxv::behind(boot::environment_start()) };
    if auxv.get(AT_SECURE) != 0 {
        return None;
    }
    let value = boot::environment(name)?;
    // SAFETY: a C string, which stays: setenv makes a new one.
    Some(unsafe { CStr::from_ptr(value.cast()) })
}

/// The value of an option: `ipv4-gateway` is the variable `MUSLIN_IPV4_GATEWAY`.
///
/// # Safety
/// `name` is a C string.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_option(name: *const c_char) -> *const c_char {
    // SAFETY: as the caller promises.
    let name = unsafe { CStr::from_ptr(name) }.to_bytes();
    let mut spelled = [0; NAME_BYTES];
    spelled[..PREFIX.len()].copy_from_slice(PREFIX);
    let end = PREFIX.len() + name.len();
    let Some(place) = spelled.get_mut(PREFIX.len()..end) else {
        return core::ptr::null();
    };
    for (place, &byte) in place.iter_mut().zip(name) {
        *place = match byte {
            b'-' => b'_',
            other => other.to_ascii_uppercase(),
        };
    }
    core::str::from_utf8(&spelled[..end])
        .ok()
        .and_then(variable)
        .map_or(core::ptr::null(), CStr::as_ptr)
}

/// The monotonic clock in nanoseconds.
#[unsafe(no_mangle)]
extern "C" fn muslin_now_ns() -> u64 {
    kernel::now_ns()
}

/// Fills memory with random bytes: 0 or -EIO.
///
/// # Safety
/// `bytes` are as many, writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_random(bytes: *mut u8, len_bytes: usize) -> i32 {
    if len_bytes == 0 {
        return 0;
    }
    // SAFETY: as the caller promises.
    let bytes = unsafe { core::slice::from_raw_parts_mut(bytes, len_bytes) };
    if kernel::random(bytes) {
        0
    } else {
        -muslin_abi::Errno::EIO.raw()
    }
}

/// Whether the program's memory may be used: always, here.
#[unsafe(no_mangle)]
extern "C" fn muslin_user_check(_address: *const u8, _len_bytes: usize, _is_write: i32) -> i32 {
    0
}

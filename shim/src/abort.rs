//! An end for a handler's own broken invariants.

use core::ffi::CStr;

use crate::ffi;

/// Writes a line to standard error and ends the process as abort(3) does, past the table: for the panic
/// handler of a program without the standard library.
pub fn abort(why: &CStr) -> ! {
    // SAFETY: a C string.
    unsafe { ffi::muslin_abort(why.as_ptr()) }
}

//! What the person who starts the program says to its handlers.

use core::ffi::CStr;

use crate::ffi;

/// The value of an option by its name, such as `c"ipv4"`: the environment variable `MUSLIN_IPV4` or, in a
/// guest, the word `--ipv4=value` among those before the program's own arguments.
pub fn option(name: &CStr) -> Option<&'static CStr> {
    // SAFETY: a C string; what comes back lives for ever.
    unsafe {
        let value = ffi::muslin_option(name.as_ptr());
        (!value.is_null()).then(|| CStr::from_ptr(value))
    }
}

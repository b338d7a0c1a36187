//! Random bytes, past the table.

use muslin_abi::Errno;
use muslin_abi::args::from_raw;

use crate::ffi;

/// Fills `bytes` with random ones that are fit for keys.
///
/// # Errors
/// `EIO` there is no source that can be trusted.
pub fn fill(bytes: &mut [u8]) -> Result<(), Errno> {
    // SAFETY: a slice that is ours alone.
    let raw = unsafe { ffi::muslin_random(bytes.as_mut_ptr(), bytes.len()) };
    from_raw(raw as isize).map(|_| ())
}

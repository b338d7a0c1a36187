//! Calls that the runtime makes for itself: past the table, but counted when counting is on.

use muslin_abi::Sysno;

use crate::counting;

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

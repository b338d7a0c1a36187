//! The page that Xen and the guest share: events, time.

use crate::abi::SharedInfo;

/// Where the page is, in low memory below the program's stack.
pub const ADDRESS: usize = 0x1_0000;

/// The page. Xen writes to it at any time, so its words are read and written one by one, by raw pointer.
pub fn shared_info() -> *mut SharedInfo {
    ADDRESS as *mut SharedInfo
}

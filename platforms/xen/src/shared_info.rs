//! The page that Xen and the guest share: events, time.

use crate::abi;
use crate::layout::SHARED_INFO;

/// The page. Xen writes to it at any time, so its words are read and written one by one, by raw pointer.
pub fn shared_info() -> *mut abi::shared_info {
    SHARED_INFO as *mut abi::shared_info
}

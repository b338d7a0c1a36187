//! What differs between the two ways in which Xen runs a guest.

use core::ops::Range;

use muslin_abi::Errno;
use muslin_platform::{Paging, Protection};

/// A guest's memory and processor, as one of the two ways has them.
pub trait Machine: Sync {
    /// What the platform is called.
    fn name(&self) -> &'static str;
    /// Address translation.
    fn paging(&self) -> &dyn Paging;
    /// Changes what may be done with frames at their own addresses.
    fn protect_frames(&self, pages: Range<usize>, protection: Protection);
    /// What may be done at an address, if something is there.
    fn protection_at(&self, address: usize) -> Option<Protection>;
    /// Sets the thread pointer where the processor has no instruction for it.
    ///
    /// # Safety
    /// `block` stays valid for as long as it is the thread pointer.
    unsafe fn set_thread_pointer(&self, block: *mut u8);
    /// The frame that other guests and Xen know a page of this guest's memory by. `address` is the
    /// memory's own.
    fn machine_frame(&self, address: usize) -> u64;
    /// Puts page `index` of the guest's grant table, whose frame is `frame`, in the place of a page of the
    /// image.
    ///
    /// # Safety
    /// Nobody uses that page.
    unsafe fn place_grants(&self, page: usize, index: usize, frame: u64);
    /// How another guest's page is mapped there (`GNTMAP_…`).
    fn map_flags(&self) -> u32;
    /// Makes the place of a page free for another guest's page.
    ///
    /// # Errors
    /// What Xen says; the page is as it was.
    ///
    /// # Safety
    /// The page is of this guest's memory, at its own address, and nobody uses it.
    unsafe fn vacate(&self, page: usize) -> Result<(), Errno>;
    /// Puts memory behind such a page again.
    ///
    /// # Errors
    /// What Xen says; nothing is there.
    ///
    /// # Safety
    /// The page was made free, and nothing is there any more.
    unsafe fn take_back(&self, page: usize) -> Result<(), Errno>;
}

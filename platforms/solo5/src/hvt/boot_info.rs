//! What the tender leaves in memory at the start. Source: Solo5 0.12.1 `include/hvt_abi.h`.

use muslin_arch::paging::LARGE_BYTES;

/// `struct hvt_boot_info`, as far as all versions of the tender have it.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BootInfo {
    /// The first address behind the guest's memory.
    pub memory_end: usize,
    /// Where the image ends, as the tender sees it: zeroed data may be missing.
    pub image_end: usize,
    /// Ticks of the processor's counter in a second.
    pub ticks_per_second: u64,
    /// The address of the command line, a C string.
    pub command_line: usize,
    /// The address of the manifest.
    pub manifest: usize,
}

/// Where it lies.
const ADDRESS: usize = 0x10000;

/// Where later tenders say what else they have, and where that ends.
const FEATURES: usize = ADDRESS + 40;
const RING: usize = ADDRESS + 48;
const END: usize = ADDRESS + 56;

/// `HVT_FEATURE_RING_IO`.
const FEATURE_RING: u32 = 1;

impl BootInfo {
    /// A copy of what the tender left.
    ///
    /// # Safety
    /// This is a guest of hvt.
    pub unsafe fn read() -> Self {
        // SAFETY: the tender puts it there before it enters the guest.
        unsafe { *(ADDRESS as *const Self) }
    }

    /// Where the tender has a ring of frames, behind the guest's memory, if it has one.
    ///
    /// # Safety
    /// This is a guest of hvt.
    pub unsafe fn ring(&self) -> Option<usize> {
        if self.manifest.min(self.command_line) < END {
            // Earlier tenders have something else there.
            return None;
        }
        // SAFETY: the tender wrote as far as that.
        let (features, ring) = unsafe { (*(FEATURES as *const u32), *(RING as *const usize)) };
        let is_there = features & FEATURE_RING != 0 && ring >= self.memory_end;
        (is_there && ring.is_multiple_of(LARGE_BYTES)).then_some(ring)
    }
}

//! What the tender leaves in memory at the start. Source: Solo5 0.12.1 `include/hvt_abi.h`.

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

impl BootInfo {
    /// A copy of what the tender left.
    ///
    /// # Safety
    /// This is a guest of hvt.
    pub unsafe fn read() -> Self {
        // SAFETY: the tender puts it there before it enters the guest.
        unsafe { *(ADDRESS as *const Self) }
    }
}

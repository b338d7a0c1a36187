//! What the tender leaves in memory at the start. Source: Solo5 0.12.1 `include/spt_abi.h`.

use core::ffi::CStr;

/// Where it lies.
const ADDRESS: usize = 0x11000;
/// Below this address lie the tender's own tables and the command line.
pub const TABLES_END: usize = 0x20000;

/// `struct spt_boot_info`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct BootInfo {
    /// The first address behind the guest's memory.
    pub memory_end: usize,
    /// Where the image ends, as the tender sees it: zeroed data may be missing.
    pub image_end: usize,
    /// The address of the command line, a C string.
    pub command_line: usize,
    /// The address of the manifest.
    pub manifest: usize,
    /// What waiting for devices and for the timer goes through.
    pub epoll_fd: i32,
    /// The timer.
    pub timer_fd: i32,
}

impl BootInfo {
    /// A copy of what the tender left.
    ///
    /// # Safety
    /// This is a guest of spt, and nothing has written below [`TABLES_END`] yet.
    pub unsafe fn read() -> Self {
        // SAFETY: the tender puts it there before it enters the guest.
        unsafe { *(ADDRESS as *const Self) }
    }

    /// Whether the tender says that the instruction `wrfsbase` is allowed, by its name behind the command
    /// line. Those of Solo5 say nothing: there are zeros.
    ///
    /// # Safety
    /// As [`read`](Self::read).
    pub unsafe fn may_write_thread_pointer(&self) -> bool {
        const NAME: &[u8; 8] = b"wrfsbase";
        // SAFETY: as the caller promises; the command line ends below the image.
        let behind = unsafe { self.command_line() }
            .to_bytes_with_nul()
            .as_ptr_range()
            .end;
        // SAFETY: still below the image.
        unsafe { behind.cast::<[u8; 8]>().read() == *NAME }
    }

    /// The command line.
    ///
    /// # Safety
    /// As [`read`](Self::read).
    pub unsafe fn command_line(&self) -> &'static CStr {
        // SAFETY: the tender ends it with a zero.
        unsafe { CStr::from_ptr(self.command_line as *const core::ffi::c_char) }
    }
}

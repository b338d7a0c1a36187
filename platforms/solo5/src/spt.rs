//! The platform of a guest of spt: one process of the host with nine calls.
//!
//! Memory lies from 0x10000 up in one piece. The stack is what is below the image, so an overflow
//! runs off the guest's memory and ends it; the rest behind the image is the library OS's. Pages
//! cannot be protected, discarded or added.

use core::ffi::CStr;
use core::ops::Range;
use core::sync::atomic::{AtomicI32, Ordering};

use muslin_abi::Errno;
use muslin_arch::thread_pointer;
use muslin_platform::{
    BlockDevice, Clock, Console, Entropy, Memory, Platform, Power, Protection, Wait,
};

use crate::block::BLOCKS;
use crate::boot_info::{BootInfo, TABLES_END};
use crate::host_clock::HostClock;
use crate::host_files::HOST_FILES;
use crate::manifest::Entry;
use crate::{PAGE_BYTES, calls, manifest};
use muslin_arch::entropy;
use muslin_arch::host::Host;
use muslin_arch::places::Places;

/// The guest's platform.
#[derive(Debug)]
pub struct Spt {
    places: Places,
    epoll_fd: AtomicI32,
    timer_fd: AtomicI32,
    clock: HostClock,
}

/// The one platform of the guest.
pub static SPT: Spt = Spt {
    places: Places::new(),
    epoll_fd: AtomicI32::new(-1),
    timer_fd: AtomicI32::new(-1),
    clock: HostClock::new(),
};

impl Spt {
    /// Takes over what the tender says; the command line. `image` is where the image lies, with its
    /// zeroed data.
    ///
    /// # Safety
    /// This is a guest of spt that was just entered.
    pub unsafe fn start(&self, image: Range<usize>) -> &'static CStr {
        // SAFETY: as the caller promises.
        let info = unsafe { BootInfo::read() };
        self.places
            .set(image.end..info.memory_end, TABLES_END..image.start);
        self.epoll_fd.store(info.epoll_fd, Ordering::Relaxed);
        self.timer_fd.store(info.timer_fd, Ordering::Relaxed);
        // SAFETY: as the caller promises.
        unsafe {
            if info.may_write_thread_pointer() {
                thread_pointer::allow_write();
            }
            BLOCKS.take(manifest::blocks(info.manifest), &HOST_FILES);
            info.command_line()
        }
    }
}

impl Spt {
    /// The network devices, each with its handle.
    pub fn nets(&self) -> impl Iterator<Item = (usize, Entry)> {
        // SAFETY: this guest's memory begins behind what the tender has left, so it is as it was.
        unsafe { manifest::nets(BootInfo::read().manifest) }
    }
}

impl Host for Spt {
    unsafe fn set_thread_pointer(&self, block: *mut u8) {
        // SAFETY: as the caller promises.
        unsafe { calls::set_thread_pointer(block) };
    }
}

impl Platform for Spt {
    fn name(&self) -> &'static str {
        "solo5-spt"
    }
    muslin_platform::own_parts!(memory: Memory, wait: Wait, entropy: Entropy, console: Console, power: Power);
    fn clock(&self) -> &dyn Clock {
        &self.clock
    }
    fn block(&self, index: usize) -> Option<(&str, &dyn BlockDevice)> {
        BLOCKS.get(index)
    }
}

impl Memory for Spt {
    fn range(&self) -> Range<usize> {
        self.places.memory()
    }
    fn page_bytes(&self) -> usize {
        PAGE_BYTES
    }
    fn protect(&self, _pages: Range<usize>, _protection: Protection) -> Result<(), Errno> {
        Err(Errno::ENOSYS)
    }
    fn stack(&self) -> Range<usize> {
        self.places.stack()
    }
}

impl Wait for Spt {
    fn wait_until(&self, deadline_ns: Option<u64>) {
        let [epoll_fd, timer_fd] =
            [&self.epoll_fd, &self.timer_fd].map(|fd| fd.load(Ordering::Relaxed));
        calls::wait_until(epoll_fd, timer_fd, deadline_ns);
    }
}

impl Entropy for Spt {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Errno> {
        entropy::fill(bytes, self)
    }
}

impl Console for Spt {
    fn write(&self, bytes: &[u8]) -> usize {
        usize::try_from(calls::write(calls::STDOUT, bytes)).unwrap_or(0)
    }
}

impl Power for Spt {
    fn exit(&self, status: i32) -> ! {
        calls::exit(status)
    }
}

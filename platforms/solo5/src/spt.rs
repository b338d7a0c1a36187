//! The platform of a guest of spt: one process of the host with nine calls.
//!
//! Memory lies from 0x10000 up in one piece. The stack is what is below the image, so an overflow
//! runs off the guest's memory and ends it; the rest behind the image is the library OS's. Pages
//! cannot be protected, discarded or added.

use core::arch::x86_64::{__cpuid, _rdrand64_step, _rdtsc};
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, AtomicUsize, Ordering};

use muslin_abi::Errno;
use muslin_platform::{Clock, Console, Entropy, Memory, Platform, Power, Protection, Wait};

use crate::boot_info::{BootInfo, TABLES_END};
use crate::calls::{self, ClockId};
use crate::steady::Steady;

/// Size of a page in bytes.
pub const PAGE_BYTES: usize = 4096;

/// The guest's platform. It must be told where things lie before it is used: see [`start`](Spt::start).
#[derive(Debug)]
pub struct Spt {
    memory: [AtomicUsize; 2],
    stack: [AtomicUsize; 2],
    epoll_fd: AtomicI32,
    timer_fd: AtomicI32,
    /// Does the processor's counter run at one rate, whatever the processor does?
    is_counter_steady: AtomicBool,
    monotonic: Steady,
    realtime: Steady,
    /// The latest answer of the monotonic clock.
    latest_ns: AtomicU64,
}

/// The one platform of the guest.
pub static SPT: Spt = Spt {
    memory: [const { AtomicUsize::new(0) }; 2],
    stack: [const { AtomicUsize::new(0) }; 2],
    epoll_fd: AtomicI32::new(-1),
    timer_fd: AtomicI32::new(-1),
    is_counter_steady: AtomicBool::new(false),
    monotonic: Steady::new(),
    realtime: Steady::new(),
    latest_ns: AtomicU64::new(0),
};

impl Spt {
    /// Takes over what the tender says. `image` is where the image lies, with its zeroed data.
    pub fn start(&self, info: &BootInfo, image: Range<usize>) {
        let pages = [
            image.end.next_multiple_of(PAGE_BYTES),
            info.memory_end & !(PAGE_BYTES - 1),
        ];
        let stack = [TABLES_END, image.start & !(PAGE_BYTES - 1)];
        for (place, value) in self.memory.iter().zip(pages) {
            place.store(value, Ordering::Relaxed);
        }
        for (place, value) in self.stack.iter().zip(stack) {
            place.store(value, Ordering::Relaxed);
        }
        let is_steady = __cpuid(POWER_LEAF & EXTENDED_LEAVES).eax >= POWER_LEAF
            && __cpuid(POWER_LEAF).edx & HAS_STEADY_COUNTER != 0;
        self.is_counter_steady.store(is_steady, Ordering::Relaxed);
        self.epoll_fd.store(info.epoll_fd, Ordering::Relaxed);
        self.timer_fd.store(info.timer_fd, Ordering::Relaxed);
    }

    /// Sets the thread pointer.
    ///
    /// # Safety
    /// `block` stays valid for as long as it is the thread pointer.
    pub unsafe fn set_thread_pointer(&self, block: *mut u8) {
        // SAFETY: as the caller promises.
        unsafe { calls::set_thread_pointer(block) };
    }
}

fn range(ends: &[AtomicUsize; 2]) -> Range<usize> {
    ends[0].load(Ordering::Relaxed)..ends[1].load(Ordering::Relaxed)
}

impl Platform for Spt {
    fn name(&self) -> &'static str {
        "solo5-spt"
    }
    fn memory(&self) -> &dyn Memory {
        self
    }
    fn clock(&self) -> &dyn Clock {
        self
    }
    fn wait(&self) -> &dyn Wait {
        self
    }
    fn entropy(&self) -> &dyn Entropy {
        self
    }
    fn console(&self) -> &dyn Console {
        self
    }
    fn power(&self) -> &dyn Power {
        self
    }
}

impl Memory for Spt {
    fn range(&self) -> Range<usize> {
        range(&self.memory)
    }
    fn page_bytes(&self) -> usize {
        PAGE_BYTES
    }
    fn protect(&self, _pages: Range<usize>, _protection: Protection) -> Result<(), Errno> {
        Err(Errno::ENOSYS)
    }
    fn stack(&self) -> Range<usize> {
        range(&self.stack)
    }
}

/// Leaf of cpuid that tells about power, the highest leaf's leaf, and the bit of edx that says that
/// the counter runs at one rate.
const POWER_LEAF: u32 = 0x8000_0007;
const EXTENDED_LEAVES: u32 = 0x8000_0000;
const HAS_STEADY_COUNTER: u32 = 1 << 8;

impl Clock for Spt {
    fn monotonic_ns(&self) -> u64 {
        let ns = self.read(&self.monotonic, ClockId::Monotonic);
        // A question may find the clock a little behind what the counter said.
        self.latest_ns.fetch_max(ns, Ordering::Relaxed).max(ns)
    }
    fn realtime_ns(&self) -> i64 {
        self.read(&self.realtime, ClockId::Realtime) as i64
    }
}

impl Spt {
    fn read(&self, clock: &Steady, id: ClockId) -> u64 {
        if !self.is_counter_steady.load(Ordering::Relaxed) {
            return nanoseconds(id) as u64;
        }
        // SAFETY: every x86_64 has the instruction.
        clock.now(|| unsafe { _rdtsc() }, || nanoseconds(id) as u64)
    }
}

fn nanoseconds(id: ClockId) -> i64 {
    let [seconds, nanoseconds] = calls::clock(id);
    seconds
        .wrapping_mul(1_000_000_000)
        .wrapping_add(nanoseconds)
}

impl Wait for Spt {
    fn wait_until(&self, deadline_ns: Option<u64>) {
        if let Some(deadline_ns) = deadline_ns {
            calls::set_timer(self.timer_fd.load(Ordering::Relaxed), deadline_ns);
        }
        calls::wait(self.epoll_fd.load(Ordering::Relaxed));
    }
}

/// Bit of cpuid leaf 1, ecx: the processor has `rdrand`.
const HAS_RDRAND: u32 = 1 << 30;
/// How often a word is asked for before the source counts as broken. Source: Intel, "Digital Random
/// Number Generator Software Implementation Guide", section 5.2.1.
const RDRAND_TRIES: usize = 10;

#[target_feature(enable = "rdrand")]
fn random_word() -> Option<u64> {
    let mut word = 0;
    (0..RDRAND_TRIES)
        .any(|_| _rdrand64_step(&mut word) == 1)
        .then_some(word)
}

impl Entropy for Spt {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Errno> {
        if __cpuid(1).ecx & HAS_RDRAND == 0 {
            self.write(b"muslin: this processor has no rdrand, and there is no other source of random bytes\n");
            return Err(Errno::EIO);
        }
        for chunk in bytes.chunks_mut(size_of::<u64>()) {
            // SAFETY: the processor has the instruction.
            let Some(word) = (unsafe { random_word() }) else {
                self.write(b"muslin: the processor's rdrand gives no random bytes\n");
                return Err(Errno::EIO);
            };
            chunk.copy_from_slice(&word.to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    }
}

impl Console for Spt {
    fn write(&self, bytes: &[u8]) -> usize {
        usize::try_from(calls::write(bytes)).unwrap_or(0)
    }
}

impl Power for Spt {
    fn exit(&self, status: i32) -> ! {
        calls::exit(status)
    }
}

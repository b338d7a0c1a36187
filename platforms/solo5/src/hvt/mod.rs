//! The platform of a guest of hvt: a virtual machine with one processor, in ring 0.
//!
//! - `boot_info`: what the tender leaves in memory at the start
//! - `calls`: hypercalls
//! - `clock`: the processor's counter as a clock
//! - `ring`: frames that go without a hypercall for each
//! - `space`: address translation, the processor's tables, where what lies
//!
//! There are no interrupts: nothing but an exception comes between two instructions.

mod boot_info;
mod calls;
mod clock;
mod ring;
mod space;

use core::arch::x86_64::_rdtsc;
use core::ffi::CStr;
use core::ops::Range;

use muslin_abi::Errno;
use muslin_abi::fault::FaultRecord;
use muslin_abi::net_device::HEADER_BYTES;
use muslin_arch::exceptions::{Exceptions, LastWords};
use muslin_arch::fault::Scene;
use muslin_arch::host::{Above, Host};
use muslin_arch::paging::LARGE_BYTES;
use muslin_arch::places::Places;
use muslin_arch::space::Space;
use muslin_arch::traps::Frame;
use muslin_arch::{control, entropy, thread_pointer};
use muslin_platform::{
    BlockDevice, Clock, Console, Entropy, Memory, Paging, Platform, Power, Protection, Wait,
};

use crate::PAGE_BYTES;
use crate::block::{BLOCKS, Block, Sectors};
use crate::manifest::{self, Entry};
use crate::net::{Frames, Net};
use crate::steady::Steady;
use boot_info::BootInfo;
use clock::Counter;
use ring::Shared;

/// The guest's platform.
#[derive(Debug)]
pub struct Hvt {
    places: Places,
    space: Space,
    monotonic: Counter,
    realtime: Steady,
    exceptions: Exceptions,
}

/// The one platform of the guest.
pub static HVT: Hvt = Hvt {
    places: Places::new(),
    space: Space::new(),
    monotonic: Counter::new(),
    realtime: Steady::new(),
    exceptions: Exceptions::new(),
};

impl Hvt {
    /// Takes over what the tender says, address translation and the exceptions; the command line.
    ///
    /// # Safety
    /// This is a guest of hvt that was just entered. `image` is where it lies, with its zeroed data,
    /// and `segments` what may be done with its pages.
    pub unsafe fn start(
        &self,
        image: Range<usize>,
        segments: &mut dyn Iterator<Item = (Range<usize>, Protection)>,
        above: Above,
    ) -> &'static CStr {
        // SAFETY: as the caller promises.
        let info = unsafe { BootInfo::read() };
        // SAFETY: every x86_64 has the instruction.
        self.monotonic
            .start(unsafe { _rdtsc() }, info.ticks_per_second);
        let tables = space::reserve(image.end, info.memory_end);
        // Tenders take nothing that ends at the very end of memory: its last page is left alone.
        let end = info.memory_end.saturating_sub(PAGE_BYTES);
        self.places
            .set(tables.end..end, space::STACK_START..image.start);
        // SAFETY: nothing else runs.
        unsafe { self.exceptions.begin(above) };
        // SAFETY: as the caller promises; the functions are what they say.
        let is_done = unsafe {
            space::take_over(
                &self.space,
                &info,
                &image,
                segments,
                on_exception,
                above.call,
            )
        };
        if !is_done {
            self.write(b"muslin: too little memory: give the guest more (--mem)\n");
            calls::halt(1, 0);
        }
        // SAFETY: as the caller promises; the manifest and the command line are as the tender left
        // them, the latter with a zero at its end.
        unsafe {
            BLOCKS.take(manifest::blocks(info.manifest), &HVT);
            CStr::from_ptr(info.command_line as *const core::ffi::c_char)
        }
    }
}

/// # Safety
/// The processor comes here, by way of `muslin_arch::traps`.
unsafe extern "C" fn on_exception(frame: &mut Frame) {
    HVT.exceptions.handle(frame, control::fault_address(), &HVT);
}

impl Scene for Hvt {
    fn stack_guard(&self) -> Range<usize> {
        space::STACK_GUARD
    }
    fn protection_at(&self, address: usize) -> Option<Protection> {
        self.space.protection_at(address)
    }
    fn word_at(&self, address: usize) -> u64 {
        // SAFETY: the caller has seen that it may be read.
        unsafe { (address as *const u64).read_unaligned() }
    }
}

impl LastWords for Hvt {
    fn say(&self, text: &[u8]) {
        self.write(text);
    }
    fn end(&self, status: i32, record: Option<FaultRecord>) -> ! {
        let Some(record) = record else {
            calls::halt(status, 0)
        };
        let cookie = space::LAST_WORDS as *mut FaultRecord;
        // SAFETY: the lowest bytes of the stack that this runs on, far below what is in use.
        unsafe { cookie.write(record) };
        calls::halt(status, space::LAST_WORDS)
    }
}

impl Host for Hvt {
    unsafe fn set_thread_pointer(&self, block: *mut u8) {
        // SAFETY: as the caller promises; this is ring 0.
        unsafe {
            if !thread_pointer::try_write(block) {
                control::write_msr(control::FS_BASE, block as u64);
            }
        }
    }
    fn show(&self, addresses: Range<usize>) {
        let start = addresses.start & !(PAGE_BYTES - 1);
        self.space.protect_frames(
            start..addresses.end.next_multiple_of(PAGE_BYTES),
            muslin_arch::space::READ,
        );
    }
}

impl Platform for Hvt {
    fn name(&self) -> &'static str {
        "solo5-hvt"
    }
    muslin_platform::own_parts!(memory: Memory, clock: Clock, wait: Wait, entropy: Entropy, console: Console, power: Power);
    fn block(&self, index: usize) -> Option<(&str, &dyn BlockDevice)> {
        BLOCKS.get(index)
    }
}

impl Memory for Hvt {
    fn range(&self) -> Range<usize> {
        self.places.memory()
    }
    fn page_bytes(&self) -> usize {
        PAGE_BYTES
    }
    fn protect(&self, pages: Range<usize>, protection: Protection) -> Result<(), Errno> {
        self.space.protect_frames(pages, protection);
        Ok(())
    }
    fn stack(&self) -> Range<usize> {
        self.places.stack()
    }
    fn paging(&self) -> Option<&dyn Paging> {
        Some(&self.space)
    }
}

impl Clock for Hvt {
    fn monotonic_ns(&self) -> u64 {
        // SAFETY: every x86_64 has the instruction.
        self.monotonic.ns(unsafe { _rdtsc() })
    }
    fn realtime_ns(&self) -> i64 {
        // SAFETY: as above.
        self.realtime
            .now(|| unsafe { _rdtsc() }, calls::wall_time_ns) as i64
    }
}

/// What waiting for ever is: the tender wants a number.
const LONG_NS: u64 = 3_600_000_000_000;

impl Wait for Hvt {
    fn wait_until(&self, deadline_ns: Option<u64>) {
        let left = deadline_ns.map_or(LONG_NS, |end| end.saturating_sub(self.monotonic_ns()));
        calls::wait(left.min(LONG_NS));
    }
}

impl Entropy for Hvt {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), Errno> {
        entropy::fill(bytes, self)
    }
}

impl Console for Hvt {
    fn write(&self, bytes: &[u8]) -> usize {
        calls::write(bytes, self.places.memory().end);
        bytes.len()
    }
}

impl Power for Hvt {
    fn exit(&self, status: i32) -> ! {
        calls::finish();
        calls::halt(status, 0)
    }
}

impl Hvt {
    /// The network devices, each with its handle. Called once: then they can be used.
    pub fn nets(&self) -> impl Iterator<Item = (usize, Entry)> {
        // SAFETY: this is the guest of hvt, and what the tender has left is read-only.
        let (info, ring) = unsafe {
            let info = BootInfo::read();
            (info, info.ring())
        };
        // SAFETY: as above.
        let nets = || unsafe { manifest::nets(info.manifest) };
        let is_short =
            |(_, net): (usize, Entry)| HEADER_BYTES + net.mtu_bytes() <= ring::FRAME_BYTES_MAX;
        if let Some(ring) = ring
            && nets().all(is_short)
        {
            // A large page is all the ring's, and needs no table.
            let pages = ring..ring + LARGE_BYTES;
            self.space
                .protect_frames(pages, muslin_arch::space::READ_WRITE);
            // SAFETY: the tender says that it is there, and it is readable and writable now.
            unsafe { calls::FRAMES.begin(ring as *mut Shared) };
        }
        nets()
    }
}

/// Frames come from and go to anywhere: what lies where addresses are no frames of memory goes by way of
/// a buffer.
impl Frames for Hvt {
    fn receive(&self, device: &Net, frame: &mut [u8]) -> Result<usize, Errno> {
        calls::net_read(device.handle, frame, self.places.memory().end)
    }
    fn send(&self, device: &Net, frame: &[u8]) -> Result<(), Errno> {
        calls::net_write(device.handle, frame, self.places.memory().end)
    }
    fn offload(&self, _device: &Net) -> Result<(), Errno> {
        Err(Errno::EOPNOTSUPP)
    }
}

/// The library OS keeps sectors on its heap, where addresses are frames.
impl Sectors for Hvt {
    fn read_sector(
        &self,
        device: &Block,
        offset_bytes: u64,
        sector: &mut [u8],
    ) -> Result<(), Errno> {
        let is_reachable = sector.as_ptr_range().end.addr() <= self.places.memory().end;
        if is_reachable && calls::read_sector(device.handle, offset_bytes, sector) {
            Ok(())
        } else {
            Err(Errno::EIO)
        }
    }
    fn write_sector(&self, device: &Block, offset_bytes: u64, sector: &[u8]) -> Result<(), Errno> {
        let is_reachable = sector.as_ptr_range().end.addr() <= self.places.memory().end;
        if is_reachable && calls::write_sector(device.handle, offset_bytes, sector) {
            Ok(())
        } else {
            Err(Errno::EIO)
        }
    }
}

//! A paravirtualised guest: it has no ring 0, and Xen checks every change of its page tables.
//!
//! The program, and the library OS with it, runs as what Xen calls the guest's program, on the same page
//! tables as the guest's kernel. So Xen leaves the program's stack alone, the red zone below its pointer
//! among it, and an instruction `syscall` of the program is none of Xen's. The guest's kernel is no more
//! than a door (`entry`), with a stack of its own: exceptions come there, and `syscall`.
//!
//! - `entry`: the first code, and the door
//! - `space`: page tables

pub mod entry;
mod space;

use core::ffi::CStr;
use core::ops::Range;

use muslin_abi::Errno;
use muslin_arch::code::Code;
use muslin_arch::{control, traps};
use muslin_platform::{Paging, Protection};

use crate::abi::{
    __HYPERVISOR_set_segment_base, GNTMAP_application_map, GNTMAP_host_map, SEGBASE_FS,
    SIF_INITDOMAIN,
};
use crate::console;
use crate::host::{Ring, Started};
use crate::hypercall::{self, Way};
use crate::layout::{SHARED_INFO, TRAP_STACK};
use crate::machine::Machine;
use space::Space;

/// The page tables.
pub static PV: Pv = Pv {
    space: Space::new(),
};

/// A paravirtualised guest.
#[derive(Debug)]
pub struct Pv {
    space: Space,
}

impl Pv {
    /// Whether this is the machine's first guest.
    ///
    /// # Safety
    /// The image was entered at `entry`.
    pub unsafe fn is_first(&self) -> bool {
        // SAFETY: as the caller promises; nobody writes there.
        unsafe { &*entry::start_info() }.flags & SIF_INITDOMAIN != 0
    }

    /// Takes over what the loader says, page tables and exceptions; comes back as the guest's program.
    /// `None`: there is too little memory.
    ///
    /// # Safety
    /// The image, which lies at `image` and is what `segments` says, was just entered at `entry`.
    pub unsafe fn start(
        &self,
        image: &Range<usize>,
        segments: &mut dyn Iterator<Item = (Range<usize>, Protection)>,
        call: Code,
    ) -> Option<Started> {
        hypercall::choose(Way::Syscall);
        if entry::shift() != 0 {
            // SAFETY: the loader's; nobody has a reference, and nothing else runs.
            let info = unsafe { space::shift_back(entry::start_info(), entry::shift()) };
            entry::is_shifted_back(info);
        }
        // SAFETY: as the caller promises; nobody writes there.
        let info = unsafe { &*entry::start_info() };
        // SAFETY: as the caller promises.
        let is_first = unsafe { self.is_first() };
        let ring = |machine_frame, port| Ring {
            address: space::frame_of(machine_frame),
            port,
        };
        if !is_first {
            // SAFETY: this is not a machine's first guest, where something else is there.
            let console = unsafe { info.console.domU };
            let ring = ring(console.mfn, console.evtchn);
            // SAFETY: a page of the guest's, which stays where it is.
            unsafe { console::begin(ring) };
        }
        // SAFETY: the addresses are what the loader says, and nothing else runs.
        let memory = unsafe {
            space::map_machine_frame(SHARED_INFO, info.shared_info);
            self.space.take_over(info, image, segments)?
        };
        // SAFETY: this is the guest's kernel, for which Xen does what ring 0 would; its stack is for the
        // door alone.
        unsafe {
            traps::take_calls(call, control::enable_vectors());
            entry::open_door(TRAP_STACK.end);
            self.space.share_with_program();
            entry::become_program();
        }
        Some(Started {
            memory,
            xenstore: (!is_first).then(|| ring(info.store_mfn, info.store_evtchn)),
            // SAFETY: the loader ends it with a zero.
            command_line: unsafe { CStr::from_ptr(info.cmd_line.as_ptr().cast()) },
            initrd: (info.mod_len != 0).then(|| {
                let start = info.mod_start as usize;
                start..start + info.mod_len as usize
            }),
        })
    }
}

impl Machine for Pv {
    fn name(&self) -> &'static str {
        "xen-pv"
    }
    fn paging(&self) -> &dyn Paging {
        &self.space
    }
    fn protect_frames(&self, pages: Range<usize>, protection: Protection) {
        self.space.protect_frames(pages, protection);
    }
    fn protection_at(&self, address: usize) -> Option<Protection> {
        self.space.protection_at(address)
    }
    unsafe fn set_thread_pointer(&self, block: *mut u8) {
        // SAFETY: as the caller promises.
        unsafe {
            hypercall::call(
                __HYPERVISOR_set_segment_base,
                [SEGBASE_FS, block as usize, 0, 0, 0],
            )
        };
    }
    fn machine_frame(&self, address: usize) -> u64 {
        space::machine_frame(address)
    }
    unsafe fn place_grants(&self, page: usize, _index: usize, frame: u64) {
        // SAFETY: as the caller promises.
        unsafe { space::map_machine_frame(page, frame * crate::PAGE_BYTES as u64) };
    }
    fn map_flags(&self) -> u32 {
        // The guest's program is who uses it.
        GNTMAP_host_map | GNTMAP_application_map
    }
    unsafe fn vacate(&self, page: usize) -> Result<(), Errno> {
        // SAFETY: as the caller promises.
        unsafe { space::unmap(page) }
    }
    unsafe fn take_back(&self, page: usize) -> Result<(), Errno> {
        let frame = space::machine_frame(page);
        // SAFETY: nothing is there, and the frame is the page's.
        unsafe { space::map_machine_frame(page, frame * crate::PAGE_BYTES as u64) };
        Ok(())
    }
}

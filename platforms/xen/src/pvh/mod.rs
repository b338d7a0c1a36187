//! A guest in a virtual machine: one processor, in ring 0, with page tables of its own.
//!
//! - `entry`: the first code
//!
//! What the first guest of a machine sees of the lowest MiB is the machine's own, with holes: so there what
//! is needed at low addresses lies in frames behind the image. There are no interrupts.

pub mod entry;

use core::arch::asm;
use core::arch::x86_64::__cpuid;
use core::ffi::CStr;
use core::ops::Range;

use muslin_abi::Errno;
use muslin_arch::code::Code;
use muslin_arch::control;
use muslin_arch::paging::PAGE_BYTES;
use muslin_arch::space::{READ, READ_WRITE, Space, tables_max};
use muslin_arch::traps::{Descriptors, Frame};
use muslin_platform::{Paging, Protection};

use crate::abi::{
    __HYPERVISOR_hvm_op, __HYPERVISOR_memory_op, __guest_handle_void, __guest_handle_xen_pfn_t,
    DOMID_SELF, GNTMAP_host_map, HVM_PARAM_CALLBACK_IRQ, HVM_PARAM_CONSOLE_EVTCHN,
    HVM_PARAM_CONSOLE_PFN, HVM_PARAM_STORE_EVTCHN, HVM_PARAM_STORE_PFN, HVMOP_get_param,
    HVMOP_set_param, MemoryRegion, XEN_HVM_MEMMAP_TYPE_RAM, XENMAPSPACE_grant_table,
    XENMAPSPACE_shared_info, XENMEM_add_to_physmap, XENMEM_decrease_reservation, XENMEM_memory_map,
    XENMEM_populate_physmap, hvm_modlist_entry, xen_add_to_physmap, xen_hvm_param, xen_memory_map,
    xen_memory_reservation,
};
use crate::console;
use crate::host::{self, Ring, Started};
use crate::hypercall::{self, Way, ask};
use crate::layout::{DESCRIPTORS, FIRST_STACK_TOP, SHARED_INFO, STACK_START, TRAP_STACK};
use crate::machine::Machine;
use entry::StartInfo;

/// Where the command line is kept: behind the descriptors, in their page.
const COMMAND_LINE: usize = DESCRIPTORS.start + 0x400;
/// The longest command line in bytes, with its final zero.
const COMMAND_LINE_MAX: usize = DESCRIPTORS.end - COMMAND_LINE;
/// A frame that nobody uses at the start.
const SCRATCH: usize = 0x8000;
/// Memory above this is not used.
const MEMORY_END_MAX: usize = 0xf000_0000;
/// The last frame that the first tables have.
const FIRST_FRAME_MAX: u64 = (1 << 32) / PAGE_BYTES as u64 - 1;
/// Tables for the rings, which lie far above memory.
const TABLES_OF_RINGS: usize = 4;
/// Regions of memory that are looked at.
const REGIONS_MAX: usize = 64;
/// Names of makers of processors, their first letters, whose instruction for hypercalls is AMD's.
const LIKE_AMD: [u32; 2] = [u32::from_le_bytes(*b"Auth"), u32::from_le_bytes(*b"Hygo")];

/// The guest.
#[derive(Debug)]
pub struct Pvh {
    space: Space,
}

/// The one guest.
pub static PVH: Pvh = Pvh {
    space: Space::new(),
};

impl Pvh {
    /// Takes over what the loader says, page tables and exceptions. `None`: there is too little memory.
    ///
    /// # Safety
    /// The image, which lies at `image` and is what `segments` says, was just entered at `entry`, with
    /// `info`.
    pub unsafe fn start(
        &self,
        info: &StartInfo,
        image: &Range<usize>,
        segments: &mut dyn Iterator<Item = (Range<usize>, Protection)>,
        call: Code,
    ) -> Option<Started> {
        hypercall::choose(match LIKE_AMD.contains(&__cpuid(0).ebx) {
            true => Way::Vmmcall,
            false => Way::Vmcall,
        });
        // SAFETY: the loader's, anywhere in the lowest 4 GiB; nothing has been written but low memory.
        let initrd = unsafe { module(info) };
        // SAFETY: as above. What else the loader has left may be overwritten from here on.
        unsafe { keep_command_line(info.cmdline as usize) };
        let behind = initrd.as_ref().map_or(0, |range| range.end).max(image.end);
        let behind = behind.next_multiple_of(PAGE_BYTES);
        let memory = memory_around(image.start).unwrap_or_default();
        let end = memory.end;
        // Frames for low addresses, which are their own where the lowest MiB is this guest's.
        let (low, stack, tables) = match memory.start {
            0 => (SHARED_INFO, STACK_START, behind),
            _ => {
                let stack = behind + (TRAP_STACK.end - SHARED_INFO);
                (behind, stack, stack + (image.start - STACK_START))
            }
        };
        let start = tables + (tables_max(end) + TABLES_OF_RINGS) * PAGE_BYTES;
        if start >= end {
            begin_console_early(info);
            return None;
        }
        take_in(low, XENMAPSPACE_shared_info, 0);
        ask_for_wall_time();
        let space = &self.space;
        let low_frame = |address: usize| low + (address - SHARED_INFO);
        // SAFETY: memory that nobody uses, at its own address.
        unsafe {
            let own = low + PAGE_BYTES..low_frame(TRAP_STACK.end);
            core::ptr::write_bytes(own.start as *mut u8, 0, own.len());
            core::ptr::write_bytes(tables as *mut u8, 0, start - tables);
            core::ptr::copy_nonoverlapping(
                SCRATCH as *const u8,
                low_frame(COMMAND_LINE) as *mut u8,
                COMMAND_LINE_MAX,
            );
            space.begin([tables..start, 0..0, 0..0], end);
        }
        let shared = SHARED_INFO..TRAP_STACK.end;
        space.map(shared, low, READ_WRITE);
        space.map(STACK_START..image.start, stack, READ_WRITE);
        for (pages, protection) in segments {
            space.map(pages.clone(), pages.start, protection);
        }
        if let Some(initrd) = &initrd {
            let pages = initrd.start & !(PAGE_BYTES - 1)..initrd.end.next_multiple_of(PAGE_BYTES);
            space.map(pages.clone(), pages.start, READ);
        }
        space.map(start..end, start, READ_WRITE);
        // SAFETY: all that is in use is where it was, but the stack, which is copied; the page and the
        // stack of exceptions are for them.
        unsafe {
            copy_stack(stack, space.root());
            space.take_over();
            core::ptr::write_bytes(start as *mut u8, 0, end - start);
            let descriptors = DESCRIPTORS.start as *mut Descriptors;
            Descriptors::install(descriptors, TRAP_STACK.end, on_exception, call);
            space.map(DESCRIPTORS, low_frame(DESCRIPTORS.start), READ);
            control::flush(DESCRIPTORS);
        }
        let (mut xenstore, mut console) = (None, None);
        if !info.is_first() {
            xenstore = self.ring(HVM_PARAM_STORE_PFN, HVM_PARAM_STORE_EVTCHN);
            console = self.ring(HVM_PARAM_CONSOLE_PFN, HVM_PARAM_CONSOLE_EVTCHN);
        }
        if let Some(ring) = console {
            // SAFETY: the page stays where it is.
            unsafe { console::begin(ring) };
        }
        Some(Started {
            memory: start..end,
            xenstore,
            // SAFETY: `keep_command_line` ended it with a zero.
            command_line: unsafe { CStr::from_ptr(COMMAND_LINE as *const core::ffi::c_char) },
            initrd,
        })
    }
}

impl Pvh {
    /// The page and the port of these parameters, which is put at its own address.
    fn ring(&self, frame: u32, port: u32) -> Option<Ring> {
        let (frame, port) = (parameter(frame)?, parameter(port)?);
        let address = frame as usize * PAGE_BYTES;
        let is_outside = self.space.protection_at(address).is_none();
        (frame != 0 && is_outside && address < 1 << 32).then(|| {
            let page = address..address + PAGE_BYTES;
            self.space.map(page, address, READ_WRITE);
            Ring {
                address,
                port: port as u32,
            }
        })
    }
}

/// Has Xen write the wall clock into the shared page. It does that for a virtual machine when it is told how events
/// are to come; here they come in no way.
fn ask_for_wall_time() {
    let parameter = xen_hvm_param {
        domid: DOMID_SELF,
        index: HVM_PARAM_CALLBACK_IRQ,
        ..xen_hvm_param::default()
    };
    let arguments = [HVMOP_set_param, &raw const parameter as usize, 0, 0, 0];
    // Without it the guest's time begins in 1970.
    // SAFETY: the argument is the operation's.
    let _ = unsafe { ask(__HYPERVISOR_hvm_op, arguments) };
}

/// What Xen says of one of this guest's parameters.
fn parameter(index: u32) -> Option<u64> {
    let mut parameter = xen_hvm_param {
        domid: DOMID_SELF,
        index,
        ..xen_hvm_param::default()
    };
    let arguments = [HVMOP_get_param, &raw mut parameter as usize, 0, 0, 0];
    // SAFETY: the argument is the operation's.
    unsafe { ask(__HYPERVISOR_hvm_op, arguments) }.ok()?;
    Some(parameter.value)
}

/// Where the first module lies.
///
/// # Safety
/// `info` is the loader's.
unsafe fn module(info: &StartInfo) -> Option<Range<usize>> {
    if info.nr_modules == 0 {
        return None;
    }
    // SAFETY: as the caller promises.
    let module = unsafe { &*(info.modlist as *const hvm_modlist_entry) };
    let start = module.paddr as usize;
    Some(start..start + module.size as usize)
}

/// Copies the command line to a place that nothing overwrites, as far as there is room.
///
/// # Safety
/// It is the loader's, or 0.
unsafe fn keep_command_line(from: usize) {
    let to = SCRATCH as *mut u8;
    for at in 0..COMMAND_LINE_MAX {
        // SAFETY: not behind the zero that ends it; the frame is nobody's.
        unsafe {
            let byte = match from {
                0 => 0,
                _ => *((from + at) as *const u8),
            };
            let byte = if at + 1 == COMMAND_LINE_MAX { 0 } else { byte };
            to.add(at).write(byte);
            if byte == 0 {
                return;
            }
        }
    }
}

/// Has a console before this guest has tables of its own, for last words.
fn begin_console_early(info: &StartInfo) {
    if info.is_first() {
        return;
    }
    let (frame, port) = (
        parameter(HVM_PARAM_CONSOLE_PFN),
        parameter(HVM_PARAM_CONSOLE_EVTCHN),
    );
    if let (Some(frame @ 1..=FIRST_FRAME_MAX), Some(port)) = (frame, port) {
        take_in(SHARED_INFO, XENMAPSPACE_shared_info, 0);
        // SAFETY: the first tables have all frames so low at their own addresses, for good.
        unsafe {
            console::begin(Ring {
                address: frame as usize * PAGE_BYTES,
                port: port as u32,
            });
        }
    }
}

/// The memory that the image lies in.
fn memory_around(image_start: usize) -> Option<Range<usize>> {
    let mut regions = [MemoryRegion::default(); REGIONS_MAX];
    let mut map = xen_memory_map {
        nr_entries: REGIONS_MAX as u32,
        buffer: __guest_handle_void {
            p: regions.as_mut_ptr().cast(),
        },
    };
    let arguments = [XENMEM_memory_map, &raw mut map as usize, 0, 0, 0];
    // SAFETY: the argument is the operation's.
    unsafe { ask(__HYPERVISOR_memory_op, arguments) }.ok()?;
    let regions = regions.iter().take(map.nr_entries as usize);
    let found = regions
        .filter(|region| region.kind == XEN_HVM_MEMMAP_TYPE_RAM)
        .map(|region| region.addr as usize..(region.addr + region.size) as usize)
        .find(|region| region.contains(&image_start))?;
    Some(found.start..found.end.min(MEMORY_END_MAX) & !(PAGE_BYTES - 1))
}

/// Has Xen put a page of its own in the place of a frame.
fn take_in(frame: usize, space: u32, index: usize) {
    let place = xen_add_to_physmap {
        domid: DOMID_SELF,
        size: 0,
        space,
        idx: index as u64,
        gpfn: (frame / PAGE_BYTES) as u64,
    };
    let arguments = [XENMEM_add_to_physmap, &raw const place as usize, 0, 0, 0];
    // SAFETY: nobody uses the frame.
    let done = unsafe { ask(__HYPERVISOR_memory_op, arguments) };
    assert!(done.is_ok(), "Xen shares no page with this guest");
}

/// Copies the stack in use to the frames of the program's, and makes the processor use the tree that has
/// them there: one step, so that nothing is written to the old one in between.
///
/// # Safety
/// The tree at `root` translates all that is in use, and has the stack at `frames`.
unsafe fn copy_stack(frames: usize, root: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        asm!(
            "rep movsq",
            "mov cr3, {root}",
            root = in(reg) root,
            inout("rsi") STACK_START => _,
            inout("rdi") frames => _,
            inout("rcx") (FIRST_STACK_TOP - STACK_START) / 8 => _,
            options(nostack),
        );
    }
}

/// # Safety
/// The processor comes here, by way of `muslin_arch::traps`.
unsafe extern "C" fn on_exception(frame: &mut Frame) {
    host::on_exception(frame, control::fault_address());
}

impl Machine for Pvh {
    fn name(&self) -> &'static str {
        "xen-pvh"
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
        // SAFETY: this is ring 0; the rest the caller promises.
        unsafe { control::write_msr(control::FS_BASE, block as u64) };
    }
    fn machine_frame(&self, address: usize) -> u64 {
        (address / PAGE_BYTES) as u64
    }
    unsafe fn place_grants(&self, page: usize, index: usize, _frame: u64) {
        take_in(page, XENMAPSPACE_grant_table, index);
    }
    fn map_flags(&self) -> u32 {
        GNTMAP_host_map
    }
    unsafe fn vacate(&self, page: usize) -> Result<(), Errno> {
        reserve(XENMEM_decrease_reservation, page)
    }
    unsafe fn take_back(&self, page: usize) -> Result<(), Errno> {
        reserve(XENMEM_populate_physmap, page)
    }
}

/// Gives the memory behind a frame back to Xen, or takes some for it.
fn reserve(operation: usize, frame: usize) -> Result<(), Errno> {
    let mut number = (frame / PAGE_BYTES) as u64;
    let reservation = xen_memory_reservation {
        extent_start: __guest_handle_xen_pfn_t { p: &raw mut number },
        nr_extents: 1,
        extent_order: 0,
        mem_flags: 0,
        domid: DOMID_SELF,
    };
    let arguments = [operation, &raw const reservation as usize, 0, 0, 0];
    // SAFETY: the callers' callers promise that nobody uses the frame.
    match unsafe { ask(__HYPERVISOR_memory_op, arguments) } {
        // How many were done.
        Ok(1) => Ok(()),
        Ok(_) => Err(Errno::ENOMEM),
        Err(errno) => Err(errno),
    }
}

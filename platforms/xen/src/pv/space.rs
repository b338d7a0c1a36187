//! Page tables of a paravirtualised guest. Their entries name machine frames; to the rest of the room a
//! frame is what the guest calls it, which is its own address as well. Tables can be read, and are
//! changed by hypercalls.
//!
//! Low memory is laid out as on hvt: nothing where null pointers reach, the page that is shared with Xen,
//! the stack of the door between two guards, the program's stack. Behind the image lies what the loader
//! left (the list of machine frames, its tables), then tables made here, then the library OS's memory.

use core::cell::UnsafeCell;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};

use muslin_abi::Errno;
use muslin_arch::paging::{
    ENTRIES, FRAME, LARGE_BYTES, NOTHING, NoTable, PAGE_BYTES, PRESENT, Store, Tables, leaf,
};
use muslin_platform::{Paging, Protection};

use crate::abi::{
    __HYPERVISOR_mmu_update, __HYPERVISOR_mmuext_op, __HYPERVISOR_update_va_mapping, DOMID_SELF,
    MACH2PHYS_VIRT_START, MMUEXT_INVLPG_LOCAL, MMUEXT_NEW_USER_BASEPTR, MMUEXT_TLB_FLUSH_LOCAL,
    UVMF_INVLPG, mmu_update, mmuext_op, mmuext_op__bindgen_ty_1, start_info,
};
use crate::hypercall::ask;
use crate::layout::{SHARED_INFO, STACK_GUARD, STACK_START, TRAP_STACK};

/// Addresses without memory of their own.
const WINDOW: Range<usize> = 0x1000_0000_0000..0x7000_0000_0000;
/// In an entry: also for the program. Xen would add it; with it, translations outlive the door.
const USER: u64 = 1 << 2;
/// Changes that go to Xen together.
const TOGETHER: usize = 64;
/// From this many pages on, forgetting all translations is cheaper.
const FLUSHES_MAX: usize = 32;

const READ: Protection = Protection {
    read: true,
    ..NOTHING
};
const READ_WRITE: Protection = Protection {
    write: true,
    ..READ
};

/// The guest's tables.
#[derive(Debug)]
pub struct Space {
    root: AtomicUsize,
}

/// The list of machine frames.
static MACHINE_FRAMES: AtomicUsize = AtomicUsize::new(0);

/// The machine frame that a frame is. Frames are named by address.
pub fn machine_frame(frame: usize) -> u64 {
    let list = MACHINE_FRAMES.load(Ordering::Relaxed) as *const u64;
    // SAFETY: the loader's list has all frames of the guest.
    unsafe { list.add(frame / PAGE_BYTES).read() }
}

/// The frame that a machine frame of the guest's is.
pub fn frame_of(machine_frame: u64) -> usize {
    let list = MACH2PHYS_VIRT_START as *const u64;
    // SAFETY: Xen's list has all machine frames, and every guest may read it.
    let number = unsafe { list.add(machine_frame as usize).read() };
    number as usize * PAGE_BYTES
}

/// An entry with a frame, as Xen wants it.
fn machine_entry(entry: u64) -> u64 {
    if entry == 0 {
        return 0;
    }
    let user = if entry & PRESENT == 0 { 0 } else { USER };
    let machine = machine_frame((entry & FRAME) as usize) * PAGE_BYTES as u64;
    entry & !FRAME | machine | user
}

/// Puts a machine page at an address that has a table.
///
/// # Safety
/// Nobody uses what was there.
pub unsafe fn map_machine_frame(address: usize, machine_address: u64) {
    let entry = leaf(0, READ_WRITE) | machine_address & FRAME | USER;
    let arguments = [address, entry as usize, UVMF_INVLPG, 0, 0];
    // SAFETY: as the caller promises.
    must(unsafe { ask(__HYPERVISOR_update_va_mapping, arguments) });
}

/// Takes away what is at an address that has a table.
///
/// # Errors
/// What Xen says.
///
/// # Safety
/// Nobody uses it.
pub unsafe fn unmap(address: usize) -> Result<(), Errno> {
    let arguments = [address, 0, UVMF_INVLPG, 0, 0];
    // SAFETY: as the caller promises.
    unsafe { ask(__HYPERVISOR_update_va_mapping, arguments) }.map(|_| ())
}

/// Xen refuses a change of tables only if this room has lost count.
fn must(answer: Result<usize, Errno>) {
    assert!(answer.is_ok(), "Xen refuses a change of the page tables");
}

struct Queue(UnsafeCell<[mmu_update; TOGETHER]>);

// SAFETY: one thread runs at a time, and the handler of a fault does not come between.
unsafe impl Sync for Queue {}

static QUEUE: Queue = Queue(UnsafeCell::new([mmu_update { ptr: 0, val: 0 }; TOGETHER]));
static QUEUED: AtomicUsize = AtomicUsize::new(0);

/// Tables that Xen checks.
#[derive(Clone, Copy, Debug)]
struct Checked;

impl Store for Checked {
    const HAS_LARGE: bool = false;

    fn read(&self, table: usize, index: usize) -> u64 {
        // SAFETY: tables are at their own address, readable.
        let entry = unsafe { (table as *const u64).add(index).read_volatile() };
        match entry & FRAME {
            0 => entry,
            machine => entry & !FRAME | frame_of(machine / PAGE_BYTES as u64) as u64 & FRAME,
        }
    }

    fn write(&self, table: usize, index: usize, entry: u64) {
        let count = QUEUED.load(Ordering::Relaxed);
        let update = mmu_update {
            ptr: machine_frame(table) * PAGE_BYTES as u64 + index as u64 * 8,
            val: machine_entry(entry),
        };
        // SAFETY: nobody has a reference; the count is below its maximum.
        unsafe { (*QUEUE.0.get())[count] = update };
        QUEUED.store(count + 1, Ordering::Relaxed);
        if count + 1 == TOGETHER {
            self.settle();
        }
    }

    fn adopt(&self, table: usize) {
        self.settle();
        let entry = machine_entry(leaf(table, READ));
        let arguments = [table, entry as usize, UVMF_INVLPG, 0, 0];
        // SAFETY: nobody uses the frame any more.
        must(unsafe { ask(__HYPERVISOR_update_va_mapping, arguments) });
    }

    fn settle(&self) {
        let count = QUEUED.swap(0, Ordering::Relaxed);
        if count == 0 {
            return;
        }
        let arguments = [QUEUE.0.get() as usize, count, 0, DOMID_SELF as usize, 0];
        // SAFETY: as many changes as were written; what they mean is this room's affair.
        must(unsafe { ask(__HYPERVISOR_mmu_update, arguments) });
    }
}

/// Puts everything where the image was linked for that the loader has put higher by `by`, which is what a
/// table of pages has: each entry of the table of tables goes to the place before its own. The first has
/// gone already. Where `info` then is.
///
/// # Safety
/// The image was just entered, `info` is what the loader says, and all of this room's code and data, and
/// the stack, are in what the first of these tables has.
pub unsafe fn shift_back(info: *mut start_info, by: usize) -> *mut start_info {
    // SAFETY: tables of the loader's tree, where it has put them.
    let first_below = |table: usize| unsafe { *(table as *const u64) } & FRAME;
    let above = |machine: u64| frame_of(machine / PAGE_BYTES as u64) + by;
    // SAFETY: as the caller promises.
    let root = unsafe { (*info).pt_base } as usize;
    let machine = first_below(above(first_below(root)));
    // SAFETY: as above; a copy, since the table's own place changes.
    let entries = unsafe { *(above(machine) as *const [u64; ENTRIES]) };
    let mut updates = (1..ENTRIES - 1).map_while(|index| {
        (entries[index] != 0).then(|| mmu_update {
            ptr: machine + index as u64 * 8,
            val: entries[index + 1],
        })
    });
    loop {
        let mut together = [mmu_update { ptr: 0, val: 0 }; TOGETHER];
        let mut count = 0;
        for (place, update) in together.iter_mut().zip(&mut updates) {
            *place = update;
            count += 1;
        }
        if count == 0 {
            break;
        }
        let arguments = [together.as_ptr() as usize, count, 0, DOMID_SELF as usize, 0];
        // SAFETY: what the entries have stays in the tree.
        must(unsafe { ask(__HYPERVISOR_mmu_update, arguments) });
    }
    must(extended(&[forget_all()]));
    let info = info.wrapping_byte_sub(by);
    // SAFETY: there it is now.
    unsafe {
        (*info).pt_base -= by as u64;
        (*info).mfn_list -= by as u64;
        if (*info).mod_len != 0 {
            (*info).mod_start -= by as u64;
        }
    }
    info
}

/// Has all translations forgotten.
fn forget_all() -> mmuext_op {
    mmuext_op {
        cmd: MMUEXT_TLB_FLUSH_LOCAL,
        ..mmuext_op::default()
    }
}

fn extended(operations: &[mmuext_op]) -> Result<usize, Errno> {
    let arguments = [
        operations.as_ptr() as usize,
        operations.len(),
        0,
        DOMID_SELF as usize,
        0,
    ];
    // SAFETY: the operations change no table.
    unsafe { ask(__HYPERVISOR_mmuext_op, arguments) }
}

fn flush(pages: Range<usize>) {
    let mut operations = [mmuext_op::default(); FLUSHES_MAX];
    let count = pages.len().div_ceil(PAGE_BYTES);
    let chosen = match operations.get_mut(..count) {
        Some(each) => {
            for (operation, page) in each.iter_mut().zip(pages.step_by(PAGE_BYTES)) {
                operation.cmd = MMUEXT_INVLPG_LOCAL;
                operation.arg1.linear_addr = page as u64;
            }
            each
        }
        None => {
            operations[0] = forget_all();
            &mut operations[..1]
        }
    };
    must(extended(chosen));
}

impl Space {
    /// Nothing yet.
    pub const fn new() -> Self {
        Self {
            root: AtomicUsize::new(0),
        }
    }

    fn tables(&self) -> Tables<Checked> {
        // SAFETY: the loader's tree, and frames that were made tables by Xen's leave.
        unsafe { Tables::stored(self.root.load(Ordering::Relaxed), Checked) }
    }

    /// Takes the tables over from the loader: all memory at its own address, each page with its
    /// protection. What the library OS has of it, cleared; `None` if there is too little.
    ///
    /// # Safety
    /// Xen just entered the image, which lies at `image` and is what `segments` says, and `info` is what
    /// it says. Nobody uses the loader's stack.
    pub unsafe fn take_over(
        &self,
        info: &start_info,
        image: &Range<usize>,
        segments: &mut dyn Iterator<Item = (Range<usize>, Protection)>,
    ) -> Option<Range<usize>> {
        MACHINE_FRAMES.store(info.mfn_list as usize, Ordering::Relaxed);
        let root = info.pt_base as usize;
        self.root.store(root, Ordering::Relaxed);
        let tables = self.tables();
        let end = info.nr_pages as usize * PAGE_BYTES;
        let mut free = root + info.nr_pt_frames as usize * PAGE_BYTES;
        let is_mapped = |page: usize| tables.first(page..page + PAGE_BYTES).is_some();
        let mut mapped_end = (free..end)
            .step_by(PAGE_BYTES)
            .find(|&page| !is_mapped(page))
            .unwrap_or(end);
        while mapped_end < end {
            let area_end = (mapped_end + 1).next_multiple_of(LARGE_BYTES).min(end);
            self.map_area(mapped_end..area_end, &mut free).ok()?;
            mapped_end = area_end;
        }
        if free >= end {
            return None;
        }
        // What the loader has left, and what others have.
        // SAFETY: memory that nobody uses.
        unsafe { core::ptr::write_bytes(free as *mut u8, 0, end - free) };

        for hole in [
            0..SHARED_INFO,
            SHARED_INFO + PAGE_BYTES..TRAP_STACK.start,
            STACK_GUARD,
        ] {
            for page in hole.step_by(PAGE_BYTES) {
                tables.unback(page);
            }
        }
        let behind_image = image.end.next_multiple_of(PAGE_BYTES);
        for pages in [TRAP_STACK, STACK_START..image.start, behind_image..root] {
            tables.protect(pages, READ_WRITE);
        }
        for (pages, protection) in segments {
            tables.protect(pages, protection);
        }
        Checked.settle();
        must(extended(&[forget_all()]));
        Some(free..end)
    }

    /// Maps pages in one table's area, which has none, by a table that is filled before Xen looks at it.
    fn map_area(&self, pages: Range<usize>, free: &mut usize) -> Result<(), NoTable> {
        let limit = pages.start;
        let mut new_table = || {
            let table = *free;
            *free += PAGE_BYTES;
            (*free <= limit).then(|| {
                // SAFETY: a mapped page that nobody uses.
                unsafe { core::ptr::write_bytes(table as *mut u8, 0, PAGE_BYTES) };
                table
            })
        };
        let table = new_table().ok_or(NoTable)?;
        for page in pages.clone().step_by(PAGE_BYTES) {
            let place = (table as *mut u64).wrapping_add(page / PAGE_BYTES % ENTRIES);
            // SAFETY: in that page, which is no table yet.
            unsafe { place.write(machine_entry(leaf(page, READ_WRITE))) };
        }
        self.tables().graft(pages.start, table, &mut new_table)
    }

    /// Makes the guest's program run by the same tables.
    ///
    /// # Safety
    /// This is the guest's kernel.
    pub unsafe fn share_with_program(&self) {
        must(extended(&[mmuext_op {
            cmd: MMUEXT_NEW_USER_BASEPTR,
            arg1: mmuext_op__bindgen_ty_1 {
                mfn: machine_frame(self.root.load(Ordering::Relaxed)),
            },
            ..mmuext_op::default()
        }]));
    }

    /// Changes what may be done with frames at their own addresses.
    pub fn protect_frames(&self, pages: Range<usize>, protection: Protection) {
        let mapped = self
            .tables()
            .map(pages.clone(), pages.start, protection, &mut || None);
        assert!(mapped.is_ok(), "memory that was never mapped");
        Checked.settle();
        flush(pages);
    }

    /// What may be done at an address, if something is there.
    pub fn protection_at(&self, address: usize) -> Option<Protection> {
        // Xen has the upper half.
        if address >= WINDOW.end {
            return None;
        }
        let page = address & !(PAGE_BYTES - 1);
        let (_, found) = self.tables().first(page..page + PAGE_BYTES)?;
        Some(found.protection)
    }
}

impl Paging for Space {
    fn addresses(&self) -> Range<usize> {
        WINDOW
    }
    fn prepare(
        &self,
        pages: Range<usize>,
        table_page: &mut dyn FnMut() -> Option<usize>,
    ) -> Result<(), Errno> {
        self.tables()
            .prepare(pages, table_page)
            .map_err(|_| Errno::ENOMEM)
    }
    fn back(&self, page: usize, frame: usize, protection: Protection) {
        self.tables().back(page, frame, protection);
        Checked.settle();
    }
    fn unback(&self, page: usize) -> Option<usize> {
        let frame = self.tables().unback(page)?;
        Checked.settle();
        flush(page..page + PAGE_BYTES);
        Some(frame)
    }
    fn protect(&self, pages: Range<usize>, protection: Protection) {
        self.tables().protect(pages.clone(), protection);
        Checked.settle();
        flush(pages);
    }
    fn first_backed(&self, pages: Range<usize>) -> Option<(usize, usize)> {
        let (page, found) = self.tables().first(pages)?;
        Some((page, found.frame))
    }
}

//! Where what lies in a guest of hvt, and how it takes address translation over from the tender.
//!
//! Low memory, where the tender's own tables are until the guest has some, holds what this needs:
//!
//! | frames | at their own address |
//! |---|---|
//! | 0 to 0x10000 | nothing: null pointers; tables |
//! | to 0x14000 | what the tender says, read-only |
//! | to 0x15000 | the processor's descriptors, read-only |
//! | to 0x1a000 | the stack of exceptions |
//! | to 0x20000 | nothing: the guard of the program's stack; tables |
//!
//! Tables that find no room there take the first pages behind the image.

use core::ops::Range;

use muslin_arch::code::Code;
use muslin_arch::control;
use muslin_arch::paging::{LARGE_BYTES, PAGE_BYTES, Tables};
use muslin_arch::space::{ALL, READ, READ_WRITE, Space, tables_max};
use muslin_arch::traps::{Descriptors, Handler};
use muslin_platform::Protection;

use super::boot_info::BootInfo;

/// What the tender says, and where that ends.
const SAID: Range<usize> = 0x1_0000..0x1_4000;
const DESCRIPTORS: Range<usize> = 0x1_4000..0x1_5000;
const TRAP_STACK: Range<usize> = 0x1_5000..0x1_a000;
/// The lowest bytes of that stack are for the last words to the tender.
pub const LAST_WORDS: usize = TRAP_STACK.start;
/// Where nothing is, below the program's stack.
pub const STACK_GUARD: Range<usize> = TRAP_STACK.end..STACK_START;
/// The first address of the program's stack.
pub const STACK_START: usize = 0x2_0000;

/// Frames of low memory for tables. Frame 0 is left alone.
const LOW_TABLES: [Range<usize>; 2] = [PAGE_BYTES..0x1_0000, 0x1_a000..0x2_0000];

fn pages(range: &Range<usize>) -> usize {
    range.len() / PAGE_BYTES
}

/// Frames behind the image at `image_end` that are for tables.
pub fn reserve(image_end: usize, memory_end: usize) -> Range<usize> {
    let low: usize = LOW_TABLES.iter().map(pages).sum();
    let start = image_end.next_multiple_of(PAGE_BYTES);
    start..start + tables_max(memory_end).saturating_sub(low) * PAGE_BYTES
}

/// Takes translation over from the tender, and then the exceptions: they go to `handler`, and
/// `syscall` to `call`. `false`: there is no memory for it.
///
/// # Safety
/// The tender just entered the image, which lies at `image` and is what `segments` says.
pub unsafe fn take_over(
    space: &Space,
    info: &BootInfo,
    image: &Range<usize>,
    segments: &mut dyn Iterator<Item = (Range<usize>, Protection)>,
    handler: Handler,
    call: Code,
) -> bool {
    let memory_end = info.memory_end;
    let reserve = reserve(image.end, memory_end);
    // SAFETY: every processor that runs 64-bit guests can forbid execution.
    unsafe {
        let efer = control::read_msr(control::EFER);
        control::write_msr(control::EFER, efer | control::EFER_NO_EXECUTE);
    }
    // The tender's tables do not let the guest write to low memory. So a first tree, behind the
    // image, lets it.
    let first = reserve.end;
    let mut first_end = first;
    let mut new_table = || {
        let frame = first_end;
        first_end += PAGE_BYTES;
        (first_end < memory_end).then(|| {
            space.clear(frame);
            frame
        })
    };
    let _ = new_table();
    // SAFETY: nobody has this memory yet, and it is at its own address.
    let tables = unsafe { Tables::new(first, 0) };
    let whole = 0..memory_end.next_multiple_of(LARGE_BYTES);
    if tables.map(whole.clone(), 0, ALL, &mut new_table).is_err() {
        return false;
    }
    // SAFETY: all that is in use is where it was.
    unsafe { control::set_tables(first) };

    let [low, middle] = LOW_TABLES;
    // SAFETY: this memory is for tables, and at its own address.
    unsafe { space.begin([low, middle, reserve], memory_end) };
    let same = |pages: Range<usize>, protection| space.map(pages.clone(), pages.start, protection);
    same(SAID, READ);
    same(DESCRIPTORS, READ_WRITE);
    same(TRAP_STACK, READ_WRITE);
    same(STACK_START..image.start, READ_WRITE);
    for (pages, protection) in segments {
        same(pages, protection);
    }
    same(first..memory_end & !(PAGE_BYTES - 1), READ_WRITE);
    // SAFETY: all that is in use is where it was.
    unsafe { space.take_over() };
    for frame in (first..first_end).step_by(PAGE_BYTES) {
        space.clear(frame);
    }
    let descriptors = DESCRIPTORS.start as *mut Descriptors;
    // SAFETY: the page is for this, and so is the stack.
    unsafe { Descriptors::install(descriptors, TRAP_STACK.end, handler, call) };
    space.protect_frames(DESCRIPTORS, READ);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[test]
    fn small_memory_needs_no_tables_behind_the_image() {
        for mib in [2, 4, 16, 24] {
            assert!(reserve(0x12_3456, mib * MIB).is_empty(), "{mib}");
        }
        let behind = reserve(0x12_3456, 512 * MIB);
        assert_eq!(behind.start, 0x12_4000);
        assert!(behind.len() < 512 * MIB / 500, "{behind:x?}");
    }
}

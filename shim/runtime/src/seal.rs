//! The table read-only: slots lie in RELRO (shim/muslin.ld), which is protected once the static
//! handlers are in. Registration at run time opens it for as long as it writes.

use core::sync::atomic::{AtomicUsize, Ordering};

use crate::dispatch;
use crate::raw;

unsafe extern "C" {
    static __ehdr_start: [u8; 64];
}

/// Start and size in bytes of the sealed pages; 0 while nothing is sealed.
static SEALED: [AtomicUsize; 2] = [AtomicUsize::new(0), AtomicUsize::new(0)];

const PAGE_BYTES: usize = 4096;
const PT_GNU_RELRO: u32 = 0x6474_e552;
const PT_LOAD: u32 = 1;

/// The whole pages of RELRO, if the slots lie in them.
fn pages() -> Option<(usize, usize)> {
    let header = &raw const __ehdr_start as usize;
    // SAFETY: all reads are inside the ELF header and the program headers of this very image,
    // which the first segment maps.
    let word = |at: usize| unsafe { (at as *const usize).read_unaligned() };
    let count = word(header + 56) as u16 as usize;
    let table = header + word(header + 32);
    let mut base = None;
    for at in (0..count).map(|i| table + i * 56) {
        let kind = word(at) as u32;
        let (address, len_bytes) = (word(at + 16), word(at + 40));
        if kind == PT_LOAD && base.is_none() {
            // The image was linked for `address - offset` and lies at `header`.
            base = Some(header.wrapping_sub(address.wrapping_sub(word(at + 8))));
        }
        if kind == PT_GNU_RELRO {
            let start = base?.wrapping_add(address);
            let end = (start + len_bytes) & !(PAGE_BYTES - 1);
            let start = start & !(PAGE_BYTES - 1);
            let slots = dispatch::slots().as_ptr_range();
            let holds_slots = start <= slots.start as usize && slots.end as usize <= end;
            return (holds_slots && end > start).then_some((start, end - start));
        }
    }
    None
}

/// Seals the table, if the image was linked so that it can be.
pub fn seal() {
    if let Some((start, len_bytes)) = pages()
        && protect(start, len_bytes, false)
    {
        SEALED[0].store(start, Ordering::Relaxed);
        SEALED[1].store(len_bytes, Ordering::Relaxed);
    }
}

/// Runs `write` while the table is writable, or not at all where it cannot be opened. Callers hold
/// the lock of `register`.
pub fn with_writable<T>(write: impl FnOnce() -> T) -> Option<T> {
    let [start, len_bytes] = [
        SEALED[0].load(Ordering::Relaxed),
        SEALED[1].load(Ordering::Relaxed),
    ];
    if start == 0 {
        return Some(write());
    }
    if !protect(start, len_bytes, true) {
        return None;
    }
    let result = write();
    protect(start, len_bytes, false);
    Some(result)
}

fn protect(start: usize, len_bytes: usize, is_writable: bool) -> bool {
    // SAFETY: RELRO is written by self-relocation and by `with_writable` only.
    unsafe { raw::protect_image(start, len_bytes, is_writable) }
}

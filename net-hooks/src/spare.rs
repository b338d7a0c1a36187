//! The network's allocator: the runtime's heap, and a spare for small blocks where that has no more.
//!
//! What a peer or a program can make large or many is asked for in a way that may fail. The rest is
//! small and soon over (a packet's copy, an open file), and must not end the program; it comes from
//! the spare when memory is out. While much of the spare is in use, the stack takes nothing new.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU64, Ordering};

/// The size of a spare block: a frame, with what is before it.
const BLOCK_BYTES: usize = 2048;
const BLOCKS: usize = 64;
/// How many may be in use while the stack still takes what is new.
const BUSY_BLOCKS: u32 = 8;

/// The spare blocks.
#[repr(C, align(2048))]
struct Blocks(UnsafeCell<[u8; BLOCKS * BLOCK_BYTES]>);

// SAFETY: each block belongs to who set its bit.
unsafe impl Sync for Blocks {}

static SPARE: Blocks = Blocks(UnsafeCell::new([0; BLOCKS * BLOCK_BYTES]));
/// A bit for each block in use.
static USED: AtomicU64 = AtomicU64::new(0);

/// The allocator.
pub struct Heap;

/// Whether there is memory for what is new.
pub fn has_memory() -> bool {
    USED.load(Ordering::Relaxed).count_ones() < BUSY_BLOCKS
}

fn take() -> *mut u8 {
    let mut used = USED.load(Ordering::Relaxed);
    loop {
        let index = used.trailing_ones();
        if index as usize >= BLOCKS {
            return core::ptr::null_mut();
        }
        let new = used | 1 << index;
        match USED.compare_exchange_weak(used, new, Ordering::Acquire, Ordering::Relaxed) {
            Ok(_) => return start().wrapping_add(index as usize * BLOCK_BYTES),
            Err(now) => used = now,
        }
    }
}

fn start() -> *mut u8 {
    SPARE.0.get().cast()
}

// SAFETY: blocks of the runtime's heap are as `muslin::Heap` promises; a spare block is one caller's
// until it is given back, aligned to its size, and never handed out for more than that.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as this trait's contract has it.
        let memory = unsafe { muslin::Heap.alloc(layout) };
        if memory.is_null() && layout.size() <= BLOCK_BYTES && layout.align() <= BLOCK_BYTES {
            return take();
        }
        memory
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        let offset = (memory as usize).wrapping_sub(start() as usize);
        if offset < BLOCKS * BLOCK_BYTES {
            let bit = 1 << (offset / BLOCK_BYTES);
            USED.fetch_and(!bit, Ordering::Release);
            return;
        }
        // SAFETY: it is not of the spare, so it came from there.
        unsafe { muslin::Heap.dealloc(memory, layout) };
    }
}

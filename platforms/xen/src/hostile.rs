//! For tests: pages that another side writes, and numbers by seed.

pub mod world;

use std::alloc::{Layout, alloc_zeroed, dealloc};

use crate::PAGE_BYTES;

/// A page, aligned.
pub struct Page(*mut u8);

const LAYOUT: Layout = match Layout::from_size_align(PAGE_BYTES, PAGE_BYTES) {
    Ok(layout) => layout,
    Err(_) => panic!(),
};

impl Page {
    /// A page of zeros.
    pub fn new() -> Self {
        // SAFETY: the layout has a size.
        Self(unsafe { alloc_zeroed(LAYOUT) })
    }

    /// Its address.
    pub fn pointer(&self) -> *mut u8 {
        self.0
    }

    /// What is in it, for the other side.
    pub fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the page is this value's; the side under test only has a pointer.
        unsafe { std::slice::from_raw_parts_mut(self.0, PAGE_BYTES) }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: it was made so.
        unsafe { dealloc(self.0, LAYOUT) };
    }
}

/// Numbers by seed: xorshift.
pub struct Numbers(u64);

impl Numbers {
    /// From a seed that is not 0.
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// The next number below a limit.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

//! Pages of channels that are closed here, and that other guests have not let go of.

use alloc::vec::Vec;
use core::cell::UnsafeCell;

use super::memory::Lent;

struct Kept(UnsafeCell<Vec<Lent>>);

// SAFETY: threads take turns, and none is taken away while it is here.
unsafe impl Sync for Kept {}

static KEPT: Kept = Kept(UnsafeCell::new(Vec::new()));

/// Keeps pages until they are back. Without memory for that they are lost.
pub fn keep(lent: Lent) {
    // SAFETY: nobody else is here.
    let kept = unsafe { &mut *KEPT.0.get() };
    if kept.try_reserve(1).is_ok() {
        kept.push(lent);
    }
}

/// Takes back what can be.
pub fn settle() {
    // SAFETY: nobody else is here.
    let kept = unsafe { &mut *KEPT.0.get() };
    kept.retain_mut(|lent| !lent.is_back());
}

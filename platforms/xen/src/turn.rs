//! What all threads use: they take turns, and none is taken away while it is in a device's call.

use core::cell::UnsafeCell;

/// A value that is used by whoever's turn it is.
#[derive(Debug)]
pub struct Turn<T>(UnsafeCell<T>);

// SAFETY: threads take turns, and none is taken away while it is in a device's call.
unsafe impl<T> Sync for Turn<T> {}

impl<T> Turn<T> {
    /// Holds this value.
    pub const fn new(value: T) -> Self {
        Self(UnsafeCell::new(value))
    }

    /// The value, for a device's call: such calls do not nest.
    #[allow(
        clippy::mut_from_ref,
        reason = "threads take turns, and calls do not nest"
    )]
    pub fn get(&self) -> &mut T {
        // SAFETY: as the reason says.
        unsafe { &mut *self.0.get() }
    }
}

//! The lock of everything that the library OS keeps: one vCPU runs it and nothing interrupts it, so a
//! lock costs a load and two stores, and one that is held already is a mistake of ours, not a wait.

use core::cell::{Cell, UnsafeCell};
use core::ops::{Deref, DerefMut};

/// A value that one at a time may use. In this order the mark is near, and what touches it short.
#[derive(Default)]
#[repr(C)]
pub struct Mutex<T> {
    /// No atomic: who else would look? So the compiler may put uses that follow each other together.
    is_held: Cell<bool>,
    value: UnsafeCell<T>,
}

// SAFETY: the machine has one vCPU, on which threads take turns and none gives its turn away while it
// holds a lock; a test keeps each machine that it simulates on one thread.
unsafe impl<T: Send> Sync for Mutex<T> {}

impl<T> Mutex<T> {
    /// A lock that nobody holds.
    pub const fn new(value: T) -> Self {
        Self {
            is_held: Cell::new(false),
            value: UnsafeCell::new(value),
        }
    }

    /// Takes the lock until what comes back is dropped.
    ///
    /// # Panics
    /// If it is held: nobody could ever give it back.
    #[inline]
    pub fn lock(&self) -> Guard<'_, T> {
        // Not one exchange: that would cost more than most calls do between lock and unlock.
        if self.is_held.get() {
            taken_twice();
        }
        self.is_held.set(true);
        Guard(self)
    }
}

/// Apart, because there are many callers and each would hold the words.
#[cold]
#[inline(never)]
fn taken_twice() -> ! {
    panic!("a lock is taken twice")
}

/// The use of a value.
pub struct Guard<'a, T>(&'a Mutex<T>);

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the lock is held by this guard alone.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held by this guard alone.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.0.is_held.set(false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_used_by_one_at_a_time() {
        let lock = Mutex::new(1);
        *lock.lock() += 1;
        let first = lock.lock();
        assert_eq!(*first, 2);
        let again = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| *lock.lock()));
        assert!(again.is_err());
        drop(first);
        assert_eq!(*lock.lock(), 2);
    }
}

//! A lock for what handlers share.

use core::cell::UnsafeCell;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

use crate::ffi;

/// Something that handlers, in several threads, and the [service](crate::service) share.
///
/// Signals are held back while it is locked, so what a signal's function calls never meets it half done. It
/// is not recursive, and nothing waits or makes calls while it is locked.
#[derive(Default)]
pub struct Lock<T> {
    word: UnsafeCell<u32>,
    value: UnsafeCell<T>,
}

// SAFETY: the word gives the value to one thread at a time.
unsafe impl<T: Send> Send for Lock<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Lock<T> {}

impl<T> Lock<T> {
    /// Not locked.
    pub const fn new(value: T) -> Self {
        Self {
            word: UnsafeCell::new(0),
            value: UnsafeCell::new(value),
        }
    }

    /// Locks it until the guard is dropped.
    pub fn lock(&self) -> Guard<'_, T> {
        // SAFETY: the word is the runtime's.
        unsafe { ffi::muslin_lock(self.word.get()) };
        Guard {
            lock: self,
            not_send: PhantomData,
        }
    }
}

impl<T> fmt::Debug for Lock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

/// What is locked, until this is dropped.
#[derive(Debug)]
pub struct Guard<'a, T> {
    lock: &'a Lock<T>,
    /// The thread that locked it unlocks it.
    not_send: PhantomData<*const ()>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the word gives the value to this guard alone.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    fn drop(&mut self) {
        // SAFETY: this guard has locked it.
        unsafe { ffi::muslin_unlock(self.lock.word.get()) };
    }
}

//! What a guest that has the processor to itself does with exceptions: the library OS above repairs them, or
//! the guest ends with a report.

use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicBool, Ordering};

use muslin_abi::Errno;
use muslin_abi::fault::{Cause, FaultRecord};

use crate::fault::{self, Scene};
use crate::host::Above;
use crate::traps::Frame;

/// The status after a fault in the handling of a fault: that of SIGSEGV.
const EXIT_NESTED: i32 = 139;

/// How a guest ends by a fault.
pub trait LastWords: Scene {
    /// Says it where people read it.
    fn say(&self, text: &[u8]);
    /// Ends the guest with a status; `record` is what happened, unless that was a fault while a report was made.
    fn end(&self, status: i32, record: Option<FaultRecord>) -> !;
}

/// The state of a guest's exceptions.
#[derive(Debug)]
pub struct Exceptions {
    above: UnsafeCell<Above>,
    /// An exception is being handled.
    is_handling: AtomicBool,
    /// The last words are being said.
    is_ending: AtomicBool,
}

// SAFETY: `above` is written once, when nothing else runs; the others are atomic.
unsafe impl Sync for Exceptions {}

impl Exceptions {
    /// Nothing is repaired yet.
    pub const fn new() -> Self {
        Self {
            above: UnsafeCell::new(Above {
                call: no_call,
                repair: |_, _| false,
                is_behind_file: |_| false,
                is_inside: || true,
            }),
            is_handling: AtomicBool::new(false),
            is_ending: AtomicBool::new(false),
        }
    }

    /// From now on `above` repairs what it can.
    ///
    /// # Safety
    /// Nothing else runs.
    pub unsafe fn begin(&self, above: Above) {
        // SAFETY: as the caller promises.
        unsafe { *self.above.get() = above };
    }

    /// Handles an exception; `address` is what a page fault was about.
    pub fn handle(&self, frame: &mut Frame, address: usize, guest: &impl LastWords) {
        let is_nested = self.is_handling.swap(true, Ordering::Relaxed);
        if is_nested || !(self.above().repair)(frame, address) {
            self.end(frame, address, is_nested, guest);
        }
        self.is_handling.store(false, Ordering::Relaxed);
    }

    fn end(&self, frame: &Frame, address: usize, is_nested: bool, guest: &impl LastWords) -> ! {
        if self.is_ending.swap(true, Ordering::Relaxed) {
            guest.say(b"muslin: and a fault while that was said\n");
            guest.end(EXIT_NESTED, None);
        }
        let mut record = fault::record(frame, address, guest);
        let remark = if is_nested {
            ", inside the runtime while it handled a fault"
        } else if (self.above().is_inside)() {
            ", inside the runtime"
        } else {
            let is_wild = record.cause == Cause::WILD_POINTER.0;
            if is_wild && (self.above().is_behind_file)(address) {
                record.cause = Cause::BEHIND_FILE.0;
            }
            ""
        };
        fault::report(&record, remark, &mut |text| guest.say(text));
        let signal = Cause(record.cause).signal();
        guest.end(128 + i32::from(signal), Some(record))
    }

    fn above(&self) -> &Above {
        // SAFETY: nobody writes it any more.
        unsafe { &*self.above.get() }
    }
}

impl Default for Exceptions {
    fn default() -> Self {
        Self::new()
    }
}

unsafe extern "C" fn no_call(
    _: usize,
    _: usize,
    _: usize,
    _: usize,
    _: usize,
    _: usize,
    _: usize,
) -> isize {
    -(Errno::ENOSYS.raw() as isize)
}

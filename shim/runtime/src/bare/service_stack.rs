//! What runs beside the calls has a stack of its own: it comes by on any thread's stack, also on the small one on
//! which a thread ends, and a packet goes through many hands.

use muslin_arch::stack;
use muslin_platform::Protection;
use muslin_syscalls::memory::Owner;

use crate::below::host::host;
use crate::process;

const STACK_BYTES: usize = 64 * 1024;
/// Below it, where the host can: who goes too deep is reported and writes over nothing.
const GUARD_BYTES: usize = 4096;

const NOTHING: Protection = Protection {
    read: false,
    write: false,
    execute: false,
};

/// A stack that is there for good.
pub struct ServiceStack {
    top: *mut u8,
}

// SAFETY: its memory is nobody else's; who runs on it sees to it that nobody does meanwhile.
unsafe impl Send for ServiceStack {}
// SAFETY: as above.
unsafe impl Sync for ServiceStack {}

impl ServiceStack {
    /// Takes one; `None`: there is no memory.
    pub fn take() -> Option<Self> {
        let start = process::take_pages(GUARD_BYTES + STACK_BYTES, Owner::Kernel)?;
        let guard = start as usize..start as usize + GUARD_BYTES;
        // A guard that cannot be is none.
        let _ = host().memory().protect(guard, NOTHING);
        Some(Self {
            top: start.wrapping_add(GUARD_BYTES + STACK_BYTES),
        })
    }

    /// Does something on it.
    ///
    /// # Safety
    /// Nobody else is on it, and `work` does not wait.
    pub unsafe fn run(&self, mut work: &mut dyn FnMut()) {
        // SAFETY: 1. as the caller promises. 2. The function takes the address of a reference to work.
        unsafe {
            stack::call_on(
                take_turn,
                core::ptr::null(),
                (&raw mut work).cast(),
                self.top,
            );
        }
    }
}

/// Does it on the stack that this is called on.
///
/// # Safety
/// `work` is the address of a reference to it.
unsafe extern "C" fn take_turn(_: *const u8, work: *mut u8) -> isize {
    // SAFETY: as above.
    unsafe { (*work.cast::<&mut dyn FnMut()>())() };
    0
}

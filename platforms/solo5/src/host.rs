//! The host: who entered the image. One image runs in several.
//!
//! At the first entry the processor and the stack pointer tell. A stack that Linux has laid out for
//! a process lies high, one at the end of a tender's memory lies low; then ring 0 is a guest of hvt,
//! ring 3 one of spt. valgrind puts a process's stack lower, and is known by its code segment.

use core::cell::UnsafeCell;
use core::ops::Range;

use muslin_arch::host::{Above, Entered, Host};
use muslin_arch::{privilege, stack};
use muslin_platform::Protection;

use crate::hvt::HVT;
use crate::linux_process::LINUX_PROCESS;
use crate::spt::SPT;

/// The lowest address that a stack of a Linux process has, and more than any guest's memory.
const PROCESS_STACK_MIN: usize = 1 << 44;

/// The bits of a segment's selector that are the ring.
const RING: u16 = 3;

struct Chosen(UnsafeCell<&'static dyn Host>);

// SAFETY: written once, by `enter`, when nothing else runs.
unsafe impl Sync for Chosen {}

static CHOSEN: Chosen = Chosen(UnsafeCell::new(&SPT));

/// The host. [`enter`] must have been called.
#[inline(always)]
pub fn host() -> &'static dyn Host {
    // SAFETY: nobody writes it any more.
    unsafe { *CHOSEN.0.get() }
}

/// Finds the host and takes over what it says. `image` is where the image lies, with its zeroed
/// data, and `segments` what may be done with its pages.
///
/// # Safety
/// The image was just entered, and this is called once. If Linux entered it, `environment` is as the
/// kernel laid it out.
pub unsafe fn enter(
    image: Range<usize>,
    segments: &mut dyn Iterator<Item = (Range<usize>, Protection)>,
    above: Above,
    environment: *mut *const u8,
) -> Entered {
    // SAFETY: each host is started where it is the host, says what was found; the rest the caller
    // promises. Nothing else looks at the choice yet.
    unsafe {
        let segment = privilege::code_segment();
        if segment == 0 || stack::pointer() >= PROCESS_STACK_MIN {
            *CHOSEN.0.get() = &LINUX_PROCESS;
            LINUX_PROCESS.start(image, environment);
            // valgrind's own calls would be caught as well.
            #[cfg(target_os = "none")]
            if segment != 0 {
                crate::stray::catch(above.call);
            }
            Entered::AsProcess
        } else if segment & RING == 0 {
            *CHOSEN.0.get() = &HVT;
            Entered::AsGuest(HVT.start(image, segments, above))
        } else {
            *CHOSEN.0.get() = &SPT;
            Entered::AsGuest(SPT.start(image))
        }
    }
}

//! What the runtime and a platform without a kernel below have to say to each other at the start.

use core::ffi::CStr;
use core::ops::Range;

use muslin_platform::Platform;

use crate::code::Code;
use crate::traps::Frame;

/// A platform that can be below an image with a library OS.
pub trait Host: Platform {
    /// Sets the thread pointer.
    ///
    /// # Safety
    /// `block` stays valid for as long as it is the thread pointer.
    unsafe fn set_thread_pointer(&self, block: *mut u8);

    /// A tar archive that the host has for the root directory.
    fn initrd(&self) -> Option<&'static [u8]> {
        None
    }

    /// Makes what a host put behind the guest's memory readable.
    fn show(&self, _addresses: Range<usize>) {}
}

/// What the runtime does for a host that leaves the processor to its guest.
#[derive(Clone, Copy, Debug)]
pub struct Above {
    /// Makes a call that the program makes by the instruction `syscall`.
    pub call: Code,
    /// Repairs the cause of an exception; `false` if it cannot. The second argument is what a page
    /// fault is about. The interrupted code goes on with the registers of the frame.
    pub repair: fn(&mut Frame, usize) -> bool,
    /// Whether a page that is not there is mapped, and behind the end of the file that is mapped there.
    pub is_behind_file: fn(usize) -> bool,
    /// Whether a call of the program is being answered.
    pub is_inside: fn() -> bool,
}

/// How the image was entered.
#[derive(Clone, Copy, Debug)]
pub enum Entered {
    /// By a host of guests, with a command line and a stack that holds nothing.
    AsGuest(&'static CStr),
    /// By Linux, with the stack of a process.
    AsProcess,
}

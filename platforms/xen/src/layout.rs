//! Low memory: the same in both ways.
//!
//! | addresses | |
//! |---|---|
//! | 0 to 0x10000 | nothing: null pointers |
//! | to 0x11000 | what Xen and the guest share |
//! | to 0x12000 | the processor's descriptors, where the guest has some |
//! | to 0x1a000 | the stack of exceptions |
//! | to 0x20000 | nothing: the guard of the program's stack |
//! | to the image | the program's stack |

use core::ops::Range;

/// The page that Xen and the guest share.
pub const SHARED_INFO: usize = 0x1_0000;
/// The processor's descriptors.
pub const DESCRIPTORS: Range<usize> = 0x1_1000..0x1_2000;
/// The stack of exceptions.
pub const TRAP_STACK: Range<usize> = 0x1_2000..0x1_a000;
/// Where nothing is, below the program's stack.
pub const STACK_GUARD: Range<usize> = TRAP_STACK.end..STACK_START;
/// The first address of the program's stack.
pub const STACK_START: usize = 0x2_0000;
/// Where the first code has its stack: in the lower half of the program's.
pub const FIRST_STACK_TOP: usize = 0x6_0000;

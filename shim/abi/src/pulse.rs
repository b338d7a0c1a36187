//! What a guest shows of its threads, for a watchdog outside: words in its data, behind a mark.

/// The mark that the words begin with, at an address that is a multiple of 8.
pub const MAGIC: [u64; 2] = [0x7573_6c70_6e69_6c73, 0x31f1_0c5a_93b7_d26e];

/// The words behind the mark.
pub const WORDS: usize = 5;

/// Turns that have begun: while this stays the same, one thread has the processor.
pub const TURNS: usize = 0;
/// The thread that has it; 0 while all wait.
pub const THREAD: usize = 1;
/// Others that could run.
pub const READY: usize = 2;
/// When a timer is due next, in nanoseconds of the guest's steady clock; 0 is never.
pub const NEXT_NS: usize = 3;
/// What that clock said when the guest looked at it last.
pub const SEEN_NS: usize = 4;

//! The words of mappings: what they are, where they go, what is asked of them, and who holds how much.

use muslin_platform::Protection;

/// Readable and writable.
pub(super) const READ_WRITE: Protection = Protection {
    read: true,
    write: true,
    execute: false,
};

/// What a handler wants to do with memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Load from it.
    Read,
    /// Store to it.
    Write,
}

/// What a region is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A segment of the image.
    Image,
    /// The boot stack.
    Stack,
    /// Between the start and the end of the break.
    Break,
    /// From `mmap` without a file.
    Anonymous,
    /// From `mmap` without a file and with `MAP_NORESERVE`: memory is not promised.
    Sparse,
    /// From `mmap` with a file, whose bytes were read in.
    File,
    /// Behind those, where the file has no byte any more: who touches it gets `SIGBUS`.
    BehindFile,
    /// From `mmap` with a file, whose pages it shows.
    Shared {
        /// The file was open for writing.
        can_write: bool,
    },
}

/// Where a mapping goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Where there is room; there, if it is not 0 and free.
    Hint(usize),
    /// There, in place of what is there: `MAP_FIXED`.
    Replace(usize),
    /// There, if it is free: `MAP_FIXED_NOREPLACE`.
    Free(usize),
}

/// How `mremap` may act.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MoveFlags {
    /// Where it is.
    Stay,
    /// Where there is room.
    MayMove,
    /// To that address, in place of what is there.
    To(usize),
}

/// Who holds how much, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// All memory that the library OS manages.
    pub total: usize,
    /// Nobody's.
    pub free: usize,
    /// The program's, by `mmap` and `brk`.
    pub program: usize,
    /// The content of files.
    pub files: usize,
    /// The library OS's heap.
    pub kernel: usize,
    /// Tables of address translation.
    pub tables: usize,
    /// The most that was in use at once when a mapping was made.
    pub peak: usize,
}

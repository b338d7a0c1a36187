//! What crosses the C boundary when a handler makes descriptors: see `muslin.h`.

use core::ffi::{c_char, c_void};

use crate::flags::{O_ACCMODE, O_CLOEXEC, O_NONBLOCK};

/// A piece of the program's memory that has been checked: `struct muslin_piece`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Piece {
    /// Where it begins.
    pub base: *mut u8,
    /// Its length.
    pub len_bytes: usize,
}

/// Where C has a number of nanoseconds: for ever.
pub const FOR_EVER_NS: u64 = u64::MAX;

/// Moves bytes between an object and pieces; how many, or a negative errno.
pub type MoveFn = unsafe extern "C" fn(*mut c_void, *const Piece, usize) -> isize;
/// Answers a request of an object.
pub type IoctlFn = unsafe extern "C" fn(*mut c_void, usize, usize) -> isize;
/// How many nanoseconds a wait may take; all ones is for ever.
pub type TimeoutFn = unsafe extern "C" fn(*mut c_void) -> u64;
/// Tells an object something.
pub type TellFn = unsafe extern "C" fn(*mut c_void);
/// What runs beside the calls, with its context and the time; when it wants to run again.
pub type ServiceFn = unsafe extern "C" fn(*mut c_void, u64) -> u64;

/// What an object behind a descriptor can do: `struct muslin_file_ops`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct FileOps {
    /// The size of this, for those that know more or less of it.
    pub size: usize,
    /// What it is, for reports.
    pub name: *const c_char,
    /// `st_mode` of `fstat`.
    pub mode: u32,
    /// Reads.
    pub read: Option<MoveFn>,
    /// Writes.
    pub write: Option<MoveFn>,
    /// Other requests.
    pub ioctl: Option<IoctlFn>,
    /// How long a read may wait.
    pub read_timeout_ns: Option<TimeoutFn>,
    /// How long a write may wait.
    pub write_timeout_ns: Option<TimeoutFn>,
    /// The last descriptor has been closed.
    pub closed: Option<TellFn>,
    /// Takes a reference.
    pub retain: Option<TellFn>,
    /// Gives one back.
    pub release: Option<TellFn>,
}

impl FileOps {
    /// Whether these are known, and a descriptor may have such flags.
    pub fn can_be_minted(&self, flags: u32) -> bool {
        self.size >= size_of::<Self>() && flags & !(O_NONBLOCK | O_CLOEXEC | O_ACCMODE) == 0
    }
}

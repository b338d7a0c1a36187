//! What an open file can do, whatever it is: the trait between the calls and the kinds of files.

use core::any::Any;
use core::ops::Range;

use muslin_abi::flags::*;
use muslin_abi::layout::Stat;
use muslin_abi::{Errno, SyscallResult};
use muslin_platform::Protection;

use super::file::File;
use crate::context::Context;
use crate::memory::{AddressSpace, Place};
use crate::threads::WaitQueue;
use crate::user_mem::{UserBuf, UserBufMut};

/// What `poll` says of a file: `POLL*` bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness(pub u16);

impl Readiness {
    /// Can be read without waiting.
    pub const READABLE: Self = Self(POLLIN | POLLRDNORM);
    /// Can be written without waiting.
    pub const WRITABLE: Self = Self(POLLOUT | POLLWRNORM);
    /// Both.
    pub const BOTH: Self = Self(Self::READABLE.0 | Self::WRITABLE.0);

    /// Either of two.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// An open file of some kind. The defaults answer what Linux answers for a kind that cannot.
///
/// Nothing here waits: what would have to answers `EAGAIN`, and the caller waits in the
/// [`queue`](FileOps::queue), or hands `EAGAIN` on when `O_NONBLOCK` is set.
/// Whether the file was opened for reading or writing is the caller's check.
pub trait FileOps: Any + Send + Sync {
    /// Reads what comes next from a file without places.
    ///
    /// # Errors
    /// `EINVAL` nothing can be read · `EAGAIN` nothing is there yet · the kind's own.
    fn read(&self, _context: &Context<'_>, _dst: &mut UserBufMut<'_>) -> Result<usize, Errno> {
        Err(Errno::EINVAL)
    }

    /// Writes to a file without places; may take less than all.
    ///
    /// # Errors
    /// `EINVAL` nothing can be written · `EAGAIN` there is no room yet · the kind's own.
    fn write(&self, _context: &Context<'_>, _src: &UserBuf<'_>) -> Result<usize, Errno> {
        Err(Errno::EINVAL)
    }

    /// A read of the program as a whole, for kinds whose reads have borders: the addresses and lengths
    /// of its pieces, not yet checked. Waits as `file` allows. `None`: piece after piece will do.
    fn read_whole(
        &self,
        _context: &Context<'_>,
        _file: &File,
        _pieces: &[(usize, usize)],
    ) -> Option<SyscallResult> {
        None
    }

    /// The same of a write.
    fn write_whole(
        &self,
        _context: &Context<'_>,
        _file: &File,
        _pieces: &[(usize, usize)],
    ) -> Option<SyscallResult> {
        None
    }

    /// Whether bytes have places: then [`read_at`](FileOps::read_at) and
    /// [`write_at`](FileOps::write_at) are called, and the description keeps the place.
    fn has_places(&self) -> bool {
        false
    }

    /// Reads at a place.
    ///
    /// # Errors
    /// `ESPIPE` there are no places.
    fn read_at(
        &self,
        _context: &Context<'_>,
        _offset_bytes: u64,
        _dst: &mut UserBufMut<'_>,
    ) -> Result<usize, Errno> {
        Err(Errno::ESPIPE)
    }

    /// Writes at a place; `None` is the end, wherever that is by then.
    ///
    /// Returns how much was written and where it ends.
    ///
    /// # Errors
    /// `ESPIPE` there are no places.
    fn write_at(
        &self,
        _context: &Context<'_>,
        _offset_bytes: Option<u64>,
        _src: &UserBuf<'_>,
    ) -> Result<(usize, u64), Errno> {
        Err(Errno::ESPIPE)
    }

    /// The place that `lseek` means, from the present one.
    ///
    /// # Errors
    /// `ESPIPE` there are no places · `EINVAL` a negative one, or no such `whence`.
    fn seek(&self, _place: u64, _offset: i64, _whence: u32) -> Result<u64, Errno> {
        Err(Errno::ESPIPE)
    }

    /// What can be done now without waiting.
    fn poll(&self, _context: &Context<'_>) -> Readiness {
        Readiness::BOTH
    }

    /// Who waits for the file to become ready: whoever changes what [`poll`](FileOps::poll) says wakes
    /// it. `None`: it is always ready, or nobody can know when it will be.
    fn queue(&self) -> Option<&WaitQueue> {
        None
    }

    /// What it is called where it has no path.
    fn name(&self) -> &'static str {
        "[file]"
    }

    /// What `fstat` says of a file that is not in the file system.
    ///
    /// # Errors
    /// `EBADF` it says nothing.
    fn stat(&self) -> Result<Stat, Errno> {
        Err(Errno::EBADF)
    }

    /// Maps pages of the file that everybody shares; `None` if this kind has none.
    fn map_shared(
        &self,
        _memory: &AddressSpace,
        _place: Place,
        _pages: Range<u64>,
        _protection: Protection,
        _can_write: bool,
    ) -> Option<SyscallResult> {
        None
    }

    /// A request of this kind of file.
    ///
    /// # Errors
    /// `ENOTTY` no such request.
    fn ioctl(&self, _context: &Context<'_>, _request: u32, _arg: usize) -> SyscallResult {
        Err(Errno::ENOTTY)
    }

    /// The kind itself, for those who know it.
    fn as_any(&self) -> &dyn Any;
}

/// What `fstat` says of a file that is nowhere in a file system.
pub fn anonymous_stat() -> Stat {
    Stat {
        st_nlink: 1,
        st_mode: 0o600,
        st_blksize: 4096,
        ..Stat::default()
    }
}

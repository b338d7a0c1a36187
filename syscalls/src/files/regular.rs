//! Open files and directories of the file system.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::ops::Range;

use muslin_abi::flags::*;
use muslin_abi::{Errno, SyscallResult};
use muslin_platform::Protection;

use super::content::{Content, FILE_BYTES_MAX};
use super::file_ops::FileOps;
use super::inode::{Body, Inode, Time};
use crate::context::Context;
use crate::lock::Mutex;
use crate::memory::{self, AddressSpace, Place};
use crate::user_mem::{UserBuf, UserBufMut};

/// An open regular file.
pub struct RegularFile {
    inode: Arc<Inode>,
    keeps_access_time: bool,
}

impl RegularFile {
    /// Opens it.
    pub fn new(inode: Arc<Inode>, flags: u32) -> Self {
        Self {
            inode,
            keeps_access_time: flags & O_NOATIME != 0,
        }
    }

    #[inline]
    fn content(&self) -> Result<&Mutex<Content>, Errno> {
        match &self.inode.body {
            Body::Regular(content) => Ok(content),
            _ => Err(Errno::EINVAL),
        }
    }
}

impl FileOps for RegularFile {
    fn map_shared(
        &self,
        memory: &AddressSpace,
        place: Place,
        pages: Range<u64>,
        protection: Protection,
        can_write: bool,
    ) -> Option<SyscallResult> {
        let content = self.content().ok()?;
        Some(memory::map_shared(
            memory, place, content, pages, protection, can_write,
        ))
    }

    fn has_places(&self) -> bool {
        true
    }

    fn read_at(
        &self,
        context: &Context<'_>,
        offset_bytes: u64,
        dst: &mut UserBufMut<'_>,
    ) -> Result<usize, Errno> {
        let len = dst.len();
        check_end(offset_bytes, len)?;
        let content = self.content()?.lock();
        let got = match content.in_one_page(offset_bytes, len) {
            Some(bytes) => dst.copy_in(0, bytes),
            None => content.read(offset_bytes, len, |at, bytes| {
                dst.copy_in(at, bytes);
            }),
        };
        drop(content);
        if got > 0 && !self.keeps_access_time {
            self.inode.set_accessed(context.platform);
        }
        Ok(got)
    }

    fn write_at(
        &self,
        context: &Context<'_>,
        offset_bytes: Option<u64>,
        src: &UserBuf<'_>,
    ) -> Result<(usize, u64), Errno> {
        let place = offset_bytes.unwrap_or_else(|| self.inode.len_bytes());
        if let Some(place) = offset_bytes {
            check_end(place, src.len())?;
        }
        let len = super::room_for(context, place, src.len() as u64)? as usize;
        let written = self.content()?.lock().write(place, len, |at, page| {
            src.copy_out(at, page);
        })?;
        if written > 0 {
            self.inode.set_modified(Time::now(context.platform));
        }
        Ok((written, place + written as u64))
    }

    fn seek(&self, place: u64, offset: i64, whence: u32) -> Result<u64, Errno> {
        let content = self.content()?;
        let from_start = || u64::try_from(offset).map_err(|_| Errno::ENXIO);
        match whence {
            SEEK_SET | SEEK_CUR => seek_from(place, 0, offset, whence),
            SEEK_DATA => content.lock().next_data(from_start()?),
            SEEK_HOLE => content.lock().next_hole(from_start()?),
            _ => seek_from(place, content.lock().len_bytes(), offset, whence),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A text that was made when the file was opened.
pub struct Snapshot(pub Vec<u8>);

impl FileOps for Snapshot {
    fn has_places(&self) -> bool {
        true
    }

    fn read_at(
        &self,
        _context: &Context<'_>,
        offset_bytes: u64,
        dst: &mut UserBufMut<'_>,
    ) -> Result<usize, Errno> {
        let at = usize::try_from(offset_bytes).unwrap_or(usize::MAX);
        Ok(dst.copy_in(0, self.0.get(at..).unwrap_or(&[])))
    }

    fn seek(&self, place: u64, offset: i64, whence: u32) -> Result<u64, Errno> {
        seek_from(place, self.0.len() as u64, offset, whence)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// An open directory: `getdents` reads it, from the place that the description keeps.
pub struct OpenDirectory;

impl FileOps for OpenDirectory {
    fn read(&self, _context: &Context<'_>, _dst: &mut UserBufMut<'_>) -> Result<usize, Errno> {
        Err(Errno::EISDIR)
    }

    fn read_at(
        &self,
        _context: &Context<'_>,
        _offset_bytes: u64,
        _dst: &mut UserBufMut<'_>,
    ) -> Result<usize, Errno> {
        Err(Errno::EISDIR)
    }

    fn seek(&self, place: u64, offset: i64, whence: u32) -> Result<u64, Errno> {
        match whence {
            SEEK_SET | SEEK_CUR => seek_from(place, 0, offset, whence),
            _ => Err(Errno::EINVAL),
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// A place in the tree, opened by `O_PATH`: nothing can be done with what is there.
pub struct PathOnly;

impl FileOps for PathOnly {
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Places end where offsets do.
#[inline]
fn check_end(place: u64, len: usize) -> Result<(), Errno> {
    if place.saturating_add(len as u64) > FILE_BYTES_MAX {
        return Err(Errno::EINVAL);
    }
    Ok(())
}

#[inline]
fn seek_from(place: u64, len_bytes: u64, offset: i64, whence: u32) -> Result<u64, Errno> {
    let base = match whence {
        SEEK_SET => 0,
        SEEK_CUR => place,
        SEEK_END => len_bytes,
        _ => return Err(Errno::EINVAL),
    };
    let place = base.checked_add_signed(offset).ok_or(Errno::EINVAL)?;
    if place > FILE_BYTES_MAX {
        return Err(Errno::EINVAL);
    }
    Ok(place)
}

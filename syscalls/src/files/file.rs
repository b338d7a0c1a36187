//! An open file description: what `open` makes and `dup` shares.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::any::Any;
use core::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};

use crate::lock::Mutex;
use muslin_abi::Errno;
use muslin_abi::flags::*;
use muslin_abi::layout::Stat;

use super::directory::Name;
use super::file_ops::FileOps;
use super::inode::Inode;
use super::observe::OBSERVERS;
use super::range_locks::Holder;
use super::regular::RegularFile;
use super::waiting::Waits;
use crate::context::Context;
use crate::process::exit_by_deadlock;
use crate::user_mem::{UserBuf, UserBufMut};

/// The flags that `F_SETFL` can change.
const CHANGEABLE: u32 = O_APPEND | O_NONBLOCK | O_ASYNC | O_DIRECT | O_NOATIME;
/// The flags that say how a file is opened, not how it stays.
const PASSING: u32 = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC;

/// Those who are told when a description goes: they hold places in the file's queue.
pub trait AtClose: Any + Send {
    /// The description goes, and its kind after this.
    fn closed(self: Box<Self>, file: &File);
    /// Who it is, for those who know it.
    fn as_any(&mut self) -> &mut dyn Any;
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);

/// An open file description.
///
/// Lock order: `offset`, then the locks of the file itself.
///
/// What every call looks at comes first, in one cache line: a program may use one of many files.
#[repr(C)]
pub struct File {
    /// What the kind of file can do.
    pub ops: Box<dyn FileOps>,
    flags: AtomicU32,
    /// Is it an open file of the file system, whose bytes are in memory?
    is_regular: bool,
    /// The file in the file system, if it is there.
    pub inode: Option<Arc<Inode>>,
    /// The name it was opened by, for `/proc/self/fd`.
    pub name: Option<(Arc<Inode>, Name)>,
    /// Who this is, for `flock`.
    id: u64,
    offset: Mutex<u64>,
    /// `F_SETOWN`.
    pub owner: AtomicI32,
    /// `F_SETSIG`.
    pub signal: AtomicI32,
    /// Who is to be told when it goes.
    pub at_close: Mutex<Option<Box<dyn AtClose>>>,
}

impl File {
    /// A description with the flags of `open`.
    pub fn new(ops: Box<dyn FileOps>, inode: Option<Arc<Inode>>, flags: u32) -> Self {
        let is_regular = ops.as_any().is::<RegularFile>();
        Self {
            is_regular,
            ops,
            inode,
            name: None,
            id: NEXT_ID.fetch_add(1, Ordering::Relaxed),
            flags: AtomicU32::new(flags & !PASSING),
            offset: Mutex::new(0),
            owner: AtomicI32::new(0),
            signal: AtomicI32::new(0),
            at_close: Mutex::new(None),
        }
    }

    /// The flags as `F_GETFL` says them.
    pub fn flags(&self) -> u32 {
        self.flags.load(Ordering::Relaxed)
    }

    /// Changes the flags that can be changed.
    pub fn set_flags(&self, flags: u32) {
        let kept = self.flags() & !CHANGEABLE;
        self.flags
            .store(kept | (flags & CHANGEABLE), Ordering::Relaxed);
    }

    /// Whether its bytes are in memory: using it neither waits nor runs anything of the program's.
    pub fn is_regular(&self) -> bool {
        self.is_regular
    }

    /// Whether only the place in the tree is open, `O_PATH`.
    pub fn is_path(&self) -> bool {
        self.flags() & O_PATH != 0
    }

    /// Whether reading is allowed.
    pub fn can_read(&self) -> bool {
        !self.is_path() && self.flags() & O_ACCMODE != O_WRONLY
    }

    /// Whether writing is allowed.
    pub fn can_write(&self) -> bool {
        !self.is_path() && matches!(self.flags() & O_ACCMODE, O_WRONLY | O_RDWR)
    }

    /// Itself, if reading is allowed.
    ///
    /// # Errors
    /// `EBADF` it is not.
    pub fn if_readable(&self) -> Result<&Self, Errno> {
        self.can_read().then_some(self).ok_or(Errno::EBADF)
    }

    /// Itself, if writing is allowed.
    ///
    /// # Errors
    /// `EBADF` it is not.
    pub fn if_writable(&self) -> Result<&Self, Errno> {
        self.can_write().then_some(self).ok_or(Errno::EBADF)
    }

    /// Whether waiting is forbidden.
    pub fn is_nonblocking(&self) -> bool {
        self.flags() & O_NONBLOCK != 0
    }

    /// The place in the file.
    pub fn offset(&self) -> &Mutex<u64> {
        &self.offset
    }

    /// What `fstat` says.
    ///
    /// # Errors
    /// `EBADF` nothing is known.
    pub fn stat(&self) -> Result<Stat, Errno> {
        match &self.inode {
            Some(inode) => Ok(inode.stat()),
            None => self.ops.stat(),
        }
    }

    /// Reads from a place, and tells of it.
    ///
    /// # Errors
    /// The kind's own.
    pub fn read_at(
        &self,
        context: &Context<'_>,
        offset_bytes: u64,
        dst: &mut UserBufMut<'_>,
    ) -> Result<usize, Errno> {
        let got = self.ops.read_at(context, offset_bytes, dst)?;
        if got > 0 && self.is_regular {
            self.tell(IN_ACCESS);
        }
        Ok(got)
    }

    /// Writes to a place, or at the end, and tells of it. How much, and where that ended.
    ///
    /// # Errors
    /// The kind's own.
    pub fn write_at(
        &self,
        context: &Context<'_>,
        offset_bytes: Option<u64>,
        src: &UserBuf<'_>,
    ) -> Result<(usize, u64), Errno> {
        let (written, end) = self.ops.write_at(context, offset_bytes, src)?;
        if written > 0 && self.is_regular {
            self.tell(IN_MODIFY);
        }
        Ok((written, end))
    }

    /// Reads what comes next. Waits unless `O_NONBLOCK` is set.
    ///
    /// # Errors
    /// The kind's own.
    pub fn read(&self, context: &Context<'_>, dst: &mut UserBufMut<'_>) -> Result<usize, Errno> {
        if self.ops.has_places() {
            let mut offset = self.offset.lock();
            let got = self.read_at(context, *offset, dst)?;
            *offset += got as u64;
            return Ok(got);
        }
        match self.ops.read(context, dst) {
            Err(Errno::EAGAIN) if !self.is_nonblocking() => {
                (self.waits(context).read)(&*self.ops, context, dst)
            }
            other => other,
        }
    }

    /// Writes what comes next. Waits until all is written unless `O_NONBLOCK` is set.
    ///
    /// # Errors
    /// The kind's own, if nothing was written.
    pub fn write(&self, context: &Context<'_>, src: &UserBuf<'_>) -> Result<usize, Errno> {
        if self.ops.has_places() {
            // Not held meanwhile: a signal's function may run and write here too.
            let offset = *self.offset.lock();
            let place = (self.flags() & O_APPEND == 0).then_some(offset);
            let (written, end) = self.write_at(context, place, src)?;
            // Nothing moves nothing, not even to the end.
            if written > 0 {
                *self.offset.lock() = end;
            }
            return Ok(written);
        }
        let mut done = 0;
        loop {
            let rest = src.part(done, src.len());
            let result = match self.ops.write(context, &rest) {
                Err(Errno::EAGAIN) if !self.is_nonblocking() => {
                    (self.waits(context).write)(&*self.ops, context, &rest)
                }
                other => other,
            };
            match result {
                Ok(written) => {
                    done += written;
                    if done >= src.len() || self.is_nonblocking() || written == 0 {
                        return Ok(done);
                    }
                }
                Err(_) if done > 0 => return Ok(done),
                Err(errno) => return Err(errno),
            }
        }
    }

    /// How this file is waited for. The only thread would wait for ever: the program ends, and says so.
    fn waits(&self, context: &Context<'_>) -> &'static Waits {
        match context.process.threads.waits() {
            Some(waits) => waits,
            None => exit_by_deadlock(context, self.ops.name()),
        }
    }

    /// Something happens to the file by this description.
    #[inline]
    pub(super) fn tell(&self, mask: u32) {
        if let Some(observers) = OBSERVERS.get()
            && let Some(inode) = &self.inode
            && !self.is_path()
        {
            let name = self.name.as_ref();
            (observers.file)(inode, name, mask);
        }
    }

    /// Which description this is: no two ever have the same number.
    pub fn id(&self) -> u64 {
        self.id
    }

    /// Whose locks of ranges belong to this description.
    pub fn holder(&self) -> Holder {
        Holder::Description(self.id)
    }

    /// One of its descriptors is closed.
    pub fn descriptor_closed(&self) {
        if let Some(inode) = &self.inode
            && let Some(locks) = &mut *inode.locks.lock()
        {
            locks.descriptor_closed();
        }
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let at_close = self.at_close.lock().take();
        if let Some(at_close) = at_close {
            at_close.closed(self);
        }
        if let Some(inode) = &self.inode
            && let Some(locks) = &mut *inode.locks.lock()
        {
            locks.description_closed(self.id);
        }
        self.tell(if self.can_write() {
            IN_CLOSE_WRITE
        } else {
            IN_CLOSE_NOWRITE
        });
    }
}

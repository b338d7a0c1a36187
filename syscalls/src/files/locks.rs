//! Locks of files: `flock`'s of the whole, and `fcntl`'s of ranges; who waits for one.
//!
//! An inode holds them behind a trait, from the first lock on: every file may be closed and so give
//! locks back, and few programs take one.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;

use muslin_abi::Errno;

use super::file_ops::Readiness;
use super::inode::Inode;
use super::range_locks::{Holder, RangeLocks};
use crate::context::Context;
use crate::threads::{WaitQueue, Waiting, wait_with_others};

/// The locks of one file, as files know them.
pub trait Locks: Any + Send {
    /// One of the process's descriptors of the file is closed: the process has no locks of ranges of it
    /// any more.
    fn descriptor_closed(&mut self);
    /// A description goes, and its locks with it.
    fn description_closed(&mut self, id: u64);
    /// The locks themselves, for those who take them.
    fn as_any(&mut self) -> &mut dyn Any;
}

/// The locks of one file.
#[derive(Default)]
pub(super) struct FileLocks {
    /// Which descriptions have locked the whole, and whether alone.
    whole: Vec<(u64, bool)>,
    pub ranges: RangeLocks,
    waits: Arc<WaitQueue>,
}

impl FileLocks {
    /// `flock`: takes the lock for a description, or changes it. As on Linux one that is changed is given
    /// back first.
    ///
    /// # Errors
    /// `EWOULDBLOCK` another description holds it.
    pub fn lock_whole(&mut self, id: u64, is_exclusive: bool) -> Result<(), Errno> {
        if self.whole.contains(&(id, is_exclusive)) {
            return Ok(());
        }
        self.unlock_whole(id);
        if self.whole.iter().any(|&(_, alone)| is_exclusive || alone) {
            return Err(Errno::EWOULDBLOCK);
        }
        self.whole.push((id, is_exclusive));
        Ok(())
    }

    /// `flock`: gives the lock back.
    pub fn unlock_whole(&mut self, id: u64) {
        let count = self.whole.len();
        self.whole.retain(|&(other, _)| other != id);
        // Those that wait try so themselves: who gives nothing back wakes nobody.
        if self.whole.len() < count {
            self.try_again();
        }
    }

    /// A lock was given back, or a part of one: those that wait try again.
    pub fn try_again(&self) {
        self.waits.wake(Readiness::BOTH);
    }
}

impl Locks for FileLocks {
    fn descriptor_closed(&mut self) {
        self.ranges.release(Holder::Process);
        self.try_again();
    }

    fn description_closed(&mut self, id: u64) {
        self.ranges.release(Holder::Description(id));
        self.try_again();
        self.unlock_whole(id);
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

/// Uses the locks of a file.
///
/// # Errors
/// Those of `act`.
pub(super) fn with_locks<T>(
    inode: &Inode,
    act: impl FnOnce(&mut FileLocks) -> Result<T, Errno>,
) -> Result<T, Errno> {
    let mut locks = inode.locks.lock();
    let locks = locks.get_or_insert_with(|| Box::new(FileLocks::default()));
    act(locks.as_any().downcast_mut().ok_or(Errno::ENOLCK)?)
}

/// Takes a lock, if need be when others have given theirs back.
///
/// # Errors
/// `EAGAIN` another's is in the way, and it may not wait · [`Errno::RESTART`] a signal came first · the
/// lock's own.
pub(super) fn when_free(
    context: &Context<'_>,
    inode: &Inode,
    may_wait: bool,
    take: &dyn Fn(&mut FileLocks) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let waiting = Waiting {
        what: "a lock of file number",
        object: inode.number() as usize,
    };
    loop {
        let result = with_locks(inode, take);
        if result != Err(Errno::EAGAIN) || !may_wait {
            return result;
        }
        let waits = with_locks(inode, |locks| Ok(locks.waits.clone()))?;
        wait_with_others(context, &waits, Readiness::BOTH, waiting)?;
    }
}

//! Reads and writes that wait.
//!
//! Every read and write comes here by a pointer that `clone` or a timer has set, so that a program in
//! which nobody could end a wait holds none of this.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ptr;

use muslin_abi::Errno;
use muslin_abi::flags::*;

use super::file::File;
use super::file_ops::{FileOps, Readiness};
use crate::context::Context;
use crate::threads::{Key, WaitQueue, Waiter, Waiting, block, wait_on};
use crate::user_mem::{UserBuf, UserBufMut};

/// A read that waits.
pub type ReadFn = fn(&dyn FileOps, &Context<'_>, &mut UserBufMut<'_>) -> Result<usize, Errno>;
/// A write that waits.
pub type WriteFn = fn(&dyn FileOps, &Context<'_>, &UserBuf<'_>) -> Result<usize, Errno>;

/// A wait for several files.
pub type WaitForFilesFn = fn(&Context<'_>, &[Looked], Option<u64>) -> Result<(), Errno>;
/// What somebody looked at: a file, and what would be ready there.
pub type Looked = (Arc<File>, Readiness);

/// What is told unasked.
pub const ALWAYS: Readiness = Readiness(POLLERR | POLLHUP);

/// What ends a wait to read: something is there, or nothing will ever be.
pub const TO_READ: Readiness = Readiness(Readiness::READABLE.0 | ALWAYS.0);
/// What ends a wait to write.
pub const TO_WRITE: Readiness = Readiness(Readiness::WRITABLE.0 | ALWAYS.0);

/// Reads as soon as something is there.
///
/// # Errors
/// As [`FileOps::read`] · [`Errno::RESTART`] a signal came first · `EFAULT` the buffer has gone.
fn read(
    ops: &dyn FileOps,
    context: &Context<'_>,
    dst: &mut UserBufMut<'_>,
) -> Result<usize, Errno> {
    let queue = ops.queue().ok_or(Errno::EAGAIN)?;
    loop {
        wait_on(context, queue, TO_READ, None, to(ops, queue))?;
        dst.check_again(context)?;
        let result = ops.read(context, dst);
        if result != Err(Errno::EAGAIN) {
            pass_on(ops, context, queue, TO_READ);
            return result;
        }
    }
}

/// Writes as soon as there is room.
///
/// # Errors
/// As [`FileOps::write`] · [`Errno::RESTART`] a signal came first · `EFAULT` the buffer has gone.
fn write(ops: &dyn FileOps, context: &Context<'_>, src: &UserBuf<'_>) -> Result<usize, Errno> {
    let queue = ops.queue().ok_or(Errno::EAGAIN)?;
    loop {
        wait_on(context, queue, TO_WRITE, None, to(ops, queue))?;
        src.check_again(context)?;
        let result = ops.write(context, src);
        if result != Err(Errno::EAGAIN) {
            pass_on(ops, context, queue, TO_WRITE);
            return result;
        }
    }
}

/// Waits until one of several files may be ready, and takes the wake from nobody.
///
/// # Errors
/// `ETIMEDOUT` the time is over · [`Errno::RESTART`] a signal came first.
pub fn wait_for_files(
    context: &Context<'_>,
    files: &[Looked],
    deadline_ns: Option<u64>,
) -> Result<(), Errno> {
    match context.process.threads.waits() {
        Some(waits) => (waits.files)(context, files, deadline_ns),
        None => block(context, FILES, deadline_ns).into_result(),
    }
}

const FILES: Waiting = Waiting {
    what: "files",
    object: 0,
};

/// [`wait_for_files`] among others.
fn wait_in_queues(
    context: &Context<'_>,
    files: &[Looked],
    deadline_ns: Option<u64>,
) -> Result<(), Errno> {
    let thread = context.process.threads.current();
    let add = |(file, interest): &Looked| {
        Some(file.ops.queue()?.add(Waiter::Thread {
            thread,
            interest: interest.with(ALWAYS),
            is_exclusive: false,
        }))
    };
    let keys: Vec<Option<Key>> = files.iter().map(add).collect();
    let woken = block(context, FILES, deadline_ns);
    for ((file, _), key) in files.iter().zip(keys) {
        if let (Some(queue), Some(key)) = (file.ops.queue(), key) {
            queue.remove(key);
        }
    }
    woken.into_result()
}

/// What the waits of files need once somebody could end them.
pub struct Waits {
    /// A read that would answer `EAGAIN`.
    pub read: ReadFn,
    /// A write that would.
    pub write: WriteFn,
    /// `poll` and its kin.
    pub files: WaitForFilesFn,
}

/// All of them.
pub const WAITS: Waits = Waits {
    read,
    write,
    files: wait_in_queues,
};

/// Whoever was woken alone wakes the next one, if there is still something for it.
fn pass_on(ops: &dyn FileOps, context: &Context<'_>, queue: &WaitQueue, interest: Readiness) {
    let left = Readiness(ops.poll(context).0 & interest.0);
    if left != Readiness::default() {
        queue.wake(left);
    }
}

fn to(ops: &dyn FileOps, queue: &WaitQueue) -> Waiting {
    Waiting {
        what: ops.name(),
        object: ptr::from_ref(queue).addr(),
    }
}

//! Files of a handler's making: an object that somebody else answers for, behind a descriptor.
//!
//! What `poll` says of them is told ([`State::changed`]), not asked. Only what makes such a file names
//! this, so other programs hold none of it.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

use muslin_abi::file::Piece;
use muslin_abi::flags::*;
use muslin_abi::layout::Stat;
use muslin_abi::{Errno, SyscallResult};

use super::file::File;
use super::file_ops::{FileOps, Readiness, anonymous_stat};
use super::new_descriptor;
use super::pipe::SIGPIPE;
use super::waiting::ALWAYS;
use crate::context::Context;
use crate::signals;
use crate::threads::{WaitQueue, Waiting, wait_with_limit};
use crate::user_mem::{UserBuf, UserBufMut};

/// What ends waits to write, but for what ends all.
const WRITABLE: u16 = Readiness::WRITABLE.0 | POLLWRBAND;
/// The same, with that.
const TO_WRITE: u16 = WRITABLE | ALWAYS.0;
/// What ends other waits.
const TO_READ: u16 = !WRITABLE;

/// The half of a count that is about reads.
const READS: u32 = 0xffff;
/// The half that is about writes.
const WRITES: u32 = !READS;

/// What a file of this kind can do. Nothing here waits or makes calls.
pub trait Object: Send + Sync {
    /// Reads into pieces that were checked.
    ///
    /// # Errors
    /// `EAGAIN` nothing is there yet · its own.
    fn read(&self, pieces: &[Piece]) -> Result<usize, Errno>;

    /// Writes pieces that were checked; may take less than all.
    ///
    /// # Errors
    /// `EAGAIN` there is no room yet · its own.
    fn write(&self, pieces: &[Piece]) -> Result<usize, Errno>;

    /// Another request.
    ///
    /// # Errors
    /// `ENOTTY` no such request · its own.
    fn ioctl(&self, request: u32, argument: usize) -> SyscallResult;

    /// How long a read may wait; `None` is for ever.
    fn read_timeout_ns(&self) -> Option<u64>;

    /// The same of a write.
    fn write_timeout_ns(&self) -> Option<u64>;

    /// What it is called.
    fn name(&self) -> &'static str;

    /// `st_mode`.
    fn mode(&self) -> u32;

    /// The last descriptor has been closed, and nobody uses the object any more.
    fn closed(&self);

    /// The object itself, for whoever made it.
    fn as_any(&self) -> &dyn Any;
}

/// What is known of such a file, for those who change it, wait for it or ask.
pub struct State {
    readiness: AtomicU32,
    /// How often something has happened: in the lower half what ends reads, in the upper what ends writes.
    seen: AtomicU32,
    /// Whether it has had a descriptor.
    was_open: AtomicBool,
    queue: WaitQueue,
}

impl State {
    fn new(readiness: u32) -> Self {
        Self {
            readiness: AtomicU32::new(readiness),
            seen: AtomicU32::new(0),
            was_open: AtomicBool::new(false),
            queue: WaitQueue::new(),
        }
    }

    /// The file is now ready so (`POLL*` bits), and `events` of these happened anew: wakes who waits for
    /// either.
    pub fn changed(&self, readiness: u32, events: u32) {
        let before = self.readiness.swap(readiness, Ordering::Relaxed);
        let news = bits(readiness & !before | events);
        if news != Readiness::default() {
            let seen = self.seen();
            let [reads, writes] = [TO_READ, TO_WRITE].map(|ends| u32::from(news.0 & ends != 0));
            let reads = seen.wrapping_add(reads) & READS;
            let writes = (seen & WRITES).wrapping_add(writes << 16);
            self.seen.store(reads | writes, Ordering::Relaxed);
            self.queue.wake(news);
        }
    }

    /// How often something has happened; for [`wait`](Self::wait).
    pub fn seen(&self) -> u32 {
        self.seen.load(Ordering::Relaxed)
    }

    /// Whether something of `events` has happened since [`seen`](Self::seen) answered `seen`.
    fn has_happened(&self, seen: u32, events: u32) -> bool {
        let changed = self.seen() ^ seen;
        let wanted = bits(events).0;
        (wanted == 0 || wanted & !WRITABLE != 0) && changed & READS != 0
            || wanted & WRITABLE != 0 && changed & WRITES != 0
    }

    /// Waits until something of `events` has happened since [`seen`](Self::seen) answered `seen`. No lock may be
    /// held. What runs beside the calls looks at its devices first, unless it has just done so.
    ///
    /// # Errors
    /// `EAGAIN` the time is over · `EINTR` a signal came to a wait with a limit of time ·
    /// [`Errno::RESTART`] to one without.
    pub fn wait(
        &self,
        context: &Context<'_>,
        what: &'static str,
        seen: u32,
        events: u32,
        deadline_ns: Option<u64>,
    ) -> Result<(), Errno> {
        if !self.has_happened(seen, events) {
            context.process.threads.look_outside(context);
        }
        if self.has_happened(seen, events) {
            return Ok(());
        }
        if deadline_ns == Some(0) {
            return Err(Errno::EAGAIN);
        }
        let interest = bits(events).with(ALWAYS);
        let object = core::ptr::from_ref(self).addr();
        wait_with_limit(
            context,
            &self.queue,
            interest,
            deadline_ns,
            Waiting { what, object },
        )
    }
}

/// What is said of readiness, with the names that mean the same.
fn bits(readiness: u32) -> Readiness {
    let mut bits = Readiness(readiness as u16);
    if bits.0 & POLLIN != 0 {
        bits = bits.with(Readiness::READABLE);
    }
    if bits.0 & POLLOUT != 0 {
        bits = bits.with(Readiness::WRITABLE);
    }
    bits
}

/// The last number that such a file got.
static LAST_NUMBER: AtomicU64 = AtomicU64::new(0);

/// The kind of file.
pub struct Minted {
    object: Box<dyn Object>,
    /// `st_ino`: programs compare it to know one socket from another.
    number: u64,
    state: Arc<State>,
}

/// Makes a descriptor for an object, and what those need who change it.
///
/// # Errors
/// `EMFILE` · `ENOMEM`: the object is dropped, and not told that it was closed.
pub fn mint(
    context: &Context<'_>,
    object: Box<dyn Object>,
    flags: u32,
    readiness: u32,
) -> Result<(i32, Arc<State>), Errno> {
    let state = Arc::new(State::new(readiness));
    let minted = Minted {
        object,
        number: LAST_NUMBER.fetch_add(1, Ordering::Relaxed) + 1,
        state: state.clone(),
    };
    let fd = new_descriptor(context, Box::new(minted), flags)?;
    state.was_open.store(true, Ordering::Relaxed);
    Ok((fd as i32, state))
}

/// Looks at the object behind a descriptor; `None` if there is none.
pub fn look_at_object<T>(
    context: &Context<'_>,
    fd: i32,
    look: impl FnOnce(&dyn Object) -> T,
) -> Option<T> {
    let file = context.process.files.file(fd).ok()?;
    let minted = file.ops.as_any().downcast_ref::<Minted>()?;
    Some(look(&*minted.object))
}

impl Drop for Minted {
    fn drop(&mut self) {
        if self.state.was_open.load(Ordering::Relaxed) {
            self.object.closed();
        }
    }
}

impl Minted {
    /// Tries until it need not wait, or may not. `wait` is what it may wait for and for how long.
    fn try_until(
        &self,
        context: &Context<'_>,
        is_nonblocking: bool,
        (events, timeout_ns): (u16, &dyn Fn() -> Option<u64>),
        attempt: &mut dyn FnMut() -> Result<usize, Errno>,
    ) -> Result<usize, Errno> {
        let mut deadline_ns = None;
        let mut has_waited = false;
        loop {
            // Before the attempt: what it finds wanting may come while it is still made.
            let seen = self.state.seen();
            match attempt() {
                Err(Errno::EAGAIN) => {}
                result => return result,
            }
            if is_nonblocking {
                deadline_ns = Some(0);
            } else if !has_waited {
                let now_ns = context.platform.clock().monotonic_ns();
                deadline_ns = timeout_ns().map(|ns| now_ns.saturating_add(ns));
                has_waited = true;
            }
            let what = self.object.name();
            self.state
                .wait(context, what, seen, events.into(), deadline_ns)?;
        }
    }
}

/// So many pieces of a call need no memory: most calls have one.
const FEW: usize = 4;

/// Has `work` done with the pieces of the program's behind the first `done` bytes, each checked by `check`.
fn checked(
    pieces: &[(usize, usize)],
    mut done: usize,
    check: impl Fn(usize, usize) -> Result<Piece, Errno>,
    work: impl FnOnce(&[Piece]) -> Result<usize, Errno>,
) -> Result<usize, Errno> {
    let mut few = [const {
        Piece {
            base: core::ptr::null_mut(),
            len_bytes: 0,
        }
    }; FEW];
    let mut many = Vec::new();
    let places = match few.get_mut(..pieces.len()) {
        Some(places) => places,
        None => {
            many.try_reserve_exact(pieces.len())
                .map_err(|_| Errno::ENOMEM)?;
            many.resize(pieces.len(), few[0]);
            &mut many[..]
        }
    };
    let mut count = 0;
    for &(address, len_bytes) in pieces {
        let skipped = done.min(len_bytes);
        done -= skipped;
        if len_bytes > skipped || len_bytes == 0 {
            places[count] = check(address + skipped, len_bytes - skipped)?;
            count += 1;
        }
    }
    work(&places[..count])
}

/// Tells who wrote why nothing was written, as Linux does those who write to a pipe or a socket that nobody reads.
fn tell(context: &Context<'_>, errno: Errno) {
    if errno == Errno::EPIPE {
        signals::raise(context, SIGPIPE);
    }
}

impl FileOps for Minted {
    fn read(&self, _context: &Context<'_>, dst: &mut UserBufMut<'_>) -> Result<usize, Errno> {
        self.object.read(&[dst.piece()])
    }

    fn write(&self, context: &Context<'_>, src: &UserBuf<'_>) -> Result<usize, Errno> {
        let written = self.object.write(&[src.piece()]);
        written.inspect_err(|&errno| tell(context, errno))
    }

    fn read_whole(
        &self,
        context: &Context<'_>,
        file: &File,
        pieces: &[(usize, usize)],
    ) -> Option<SyscallResult> {
        if pieces.iter().all(|&(_, len_bytes)| len_bytes == 0) {
            return Some(Ok(0));
        }
        let check = |address, len_bytes| {
            UserBufMut::new(context, address, len_bytes).map(|mut buffer| buffer.piece())
        };
        let timeout_ns = || self.object.read_timeout_ns();
        let patience: (u16, &dyn Fn() -> Option<u64>) = (POLLIN, &timeout_ns);
        Some(
            self.try_until(context, file.is_nonblocking(), patience, &mut || {
                checked(pieces, 0, check, |pieces| self.object.read(pieces))
            }),
        )
    }

    fn write_whole(
        &self,
        context: &Context<'_>,
        file: &File,
        pieces: &[(usize, usize)],
    ) -> Option<SyscallResult> {
        let check = |address, len_bytes| {
            UserBuf::new(context, address, len_bytes).map(|buffer| buffer.piece())
        };
        let timeout_ns = || self.object.write_timeout_ns();
        let patience: (u16, &dyn Fn() -> Option<u64>) = (POLLOUT, &timeout_ns);
        let all_bytes: usize = pieces.iter().map(|&(_, len_bytes)| len_bytes).sum();
        let mut done = 0;
        loop {
            let result = self.try_until(context, file.is_nonblocking(), patience, &mut || {
                checked(pieces, done, check, |pieces| self.object.write(pieces))
            });
            match result {
                Ok(written) => done += written,
                Err(_) if done > 0 => return Some(Ok(done)),
                Err(errno) => {
                    tell(context, errno);
                    return Some(Err(errno));
                }
            }
            if done >= all_bytes || file.is_nonblocking() || result == Ok(0) {
                return Some(Ok(done));
            }
        }
    }

    fn poll(&self, _context: &Context<'_>) -> Readiness {
        bits(self.state.readiness.load(Ordering::Relaxed))
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.state.queue)
    }

    fn name(&self) -> &'static str {
        self.object.name()
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(Stat {
            st_mode: self.object.mode(),
            st_ino: self.number,
            ..anonymous_stat()
        })
    }

    fn ioctl(&self, _context: &Context<'_>, request: u32, arg: usize) -> SyscallResult {
        self.object.ioctl(request, arg)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

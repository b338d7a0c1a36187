//! Pipes, with names and without.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec;
use core::any::Any;
use core::ptr;

use crate::lock::Mutex;
use muslin_abi::flags::*;
use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use super::fd_table::Descriptor;
use super::file::File;
use super::file_ops::{FileOps, Readiness};
use super::inode::{Body, Inode, Time};
use crate::context::Context;
use crate::signals;
use crate::threads::{WaitQueue, Waiting, wait_with_others};
use crate::user_mem::{self, UserBuf, UserBufMut};

/// What a pipe holds at first.
pub const PIPE_BYTES: usize = 65536;
/// The least it can hold.
const PIPE_BYTES_MIN: usize = 4096;
/// The most it can be told to hold.
const PIPE_BYTES_MAX: usize = 1 << 20;
/// What a write to a pipe without a reader brings.
pub(super) const SIGPIPE: i32 = 13;
/// A write up to this size is whole or not at all.
const PIPE_BUF: usize = 4096;

/// What both ends share.
#[derive(Default)]
pub struct Pipe {
    state: Mutex<State>,
    queue: WaitQueue,
    /// Who waits for a fifo's other end to be opened.
    opening: WaitQueue,
}

struct State {
    bytes: VecDeque<u8>,
    /// With `O_DIRECT`: the sizes of the writes, each of which is one read.
    packets: VecDeque<usize>,
    capacity_bytes: usize,
    readers: usize,
    writers: usize,
    /// How many readers there have ever been, and how many writers: some are gone before those who wait
    /// for them look.
    readers_ever: u64,
    writers_ever: u64,
}

impl Default for State {
    fn default() -> Self {
        Self {
            bytes: VecDeque::new(),
            packets: VecDeque::new(),
            capacity_bytes: PIPE_BYTES,
            readers: 0,
            writers: 0,
            readers_ever: 0,
            writers_ever: 0,
        }
    }
}

impl State {
    fn has_room(&self) -> bool {
        self.bytes.len() + PIPE_BUF <= self.capacity_bytes
    }
}

impl Pipe {
    /// What it can hold, in bytes.
    pub fn capacity_bytes(&self) -> usize {
        self.state.lock().capacity_bytes
    }

    /// Makes it hold more or less: a power of two of at least a page.
    ///
    /// # Errors
    /// `EPERM` more than the most · `EBUSY` it holds more already.
    pub fn set_capacity(&self, len_bytes: usize) -> Result<usize, Errno> {
        if len_bytes > PIPE_BYTES_MAX {
            return Err(Errno::EPERM);
        }
        let len_bytes = len_bytes.max(PIPE_BYTES_MIN).next_power_of_two();
        let mut state = self.state.lock();
        if state.bytes.len() > len_bytes {
            return Err(Errno::EBUSY);
        }
        state.capacity_bytes = len_bytes;
        let has_room = state.has_room();
        drop(state);
        if has_room {
            self.queue.wake(Readiness::WRITABLE);
        }
        Ok(len_bytes)
    }
}

/// A pipe as its inode holds it.
pub trait Fifo: Send + Sync {
    /// Opens an end by the flags of `open`; waits for the other one unless `O_NONBLOCK` is set.
    ///
    /// # Errors
    /// `ENXIO` nobody could read what is written, and it may not wait · [`Errno::RESTART`] a signal came
    /// first.
    fn open(self: Arc<Self>, context: &Context<'_>, flags: u32) -> Result<Box<dyn FileOps>, Errno>;
}

impl Fifo for Pipe {
    fn open(self: Arc<Self>, context: &Context<'_>, flags: u32) -> Result<Box<dyn FileOps>, Errno> {
        let (access, may_wait) = (flags & O_ACCMODE, flags & O_NONBLOCK == 0);
        if access == O_WRONLY && !may_wait && self.state.lock().readers == 0 {
            return Err(Errno::ENXIO);
        }
        let end = PipeEnd::open(&self, flags);
        if may_wait && access != O_RDWR {
            end.wait_for_other_end(context)?;
        }
        Ok(Box::new(end))
    }
}

/// One open end, or with `O_RDWR` both.
pub struct PipeEnd {
    pipe: Arc<Pipe>,
    reads: bool,
    writes: bool,
    /// `O_DIRECT`: writes are packets.
    is_packets: bool,
    /// How many writers there had been when it was opened to read without one. Until there is another
    /// it is not at its end.
    without_writer: Option<u64>,
}

impl PipeEnd {
    /// Opens an end by the flags of `open` or `pipe2`.
    pub fn open(pipe: &Arc<Pipe>, flags: u32) -> Self {
        let reads = flags & O_ACCMODE != O_WRONLY;
        let writes = flags & O_ACCMODE != O_RDONLY;
        let mut state = pipe.state.lock();
        let without_writer = (state.writers == 0).then_some(state.writers_ever);
        state.readers += usize::from(reads);
        state.writers += usize::from(writes);
        state.readers_ever += u64::from(reads);
        state.writers_ever += u64::from(writes);
        drop(state);
        pipe.opening.wake(Readiness::BOTH);
        Self {
            pipe: pipe.clone(),
            reads,
            writes,
            is_packets: flags & O_DIRECT != 0,
            without_writer: without_writer.filter(|_| !writes),
        }
    }

    /// Waits until the other end of a fifo has been opened, which may be closed again by then.
    ///
    /// # Errors
    /// [`Errno::RESTART`] a signal came first.
    pub fn wait_for_other_end(&self, context: &Context<'_>) -> Result<(), Errno> {
        let count = |state: &State| match self.reads {
            true => (state.writers, state.writers_ever),
            false => (state.readers, state.readers_ever),
        };
        let (present, ever) = count(&self.pipe.state.lock());
        let waiting = Waiting {
            what: "the other end of a fifo",
            object: ptr::from_ref(&*self.pipe).addr(),
        };
        if present > 0 {
            return Ok(());
        }
        while count(&self.pipe.state.lock()).1 == ever {
            wait_with_others(context, &self.pipe.opening, Readiness::BOTH, waiting)?;
        }
        Ok(())
    }

    /// What both ends share.
    pub fn pipe(&self) -> &Arc<Pipe> {
        &self.pipe
    }

    /// Whether a read would not wait.
    pub fn has_something(&self) -> bool {
        let state = self.pipe.state.lock();
        !state.bytes.is_empty() || state.writers == 0
    }

    /// How much can be written.
    ///
    /// # Errors
    /// `EPIPE` nobody could read.
    pub fn room_bytes(&self) -> Result<usize, Errno> {
        let state = self.pipe.state.lock();
        if state.readers == 0 {
            return Err(Errno::EPIPE);
        }
        Ok(state.capacity_bytes.saturating_sub(state.bytes.len()))
    }

    /// Hands up to `len` bytes to `put` without taking them out when `stays` is set.
    ///
    /// # Errors
    /// `EAGAIN` it is empty and somebody could write.
    pub fn drain(
        &self,
        len: usize,
        stays: bool,
        mut put: impl FnMut(usize, &[u8]),
    ) -> Result<usize, Errno> {
        let mut state = self.pipe.state.lock();
        if len == 0 {
            return Ok(0);
        }
        if state.bytes.is_empty() {
            return if state.writers > 0 {
                Err(Errno::EAGAIN)
            } else {
                Ok(0)
            };
        }
        let packet = state.packets.front().copied();
        let len = len.min(packet.unwrap_or(state.bytes.len()));
        let (first, second) = state.bytes.as_slices();
        let from_first = first.len().min(len);
        put(0, &first[..from_first]);
        if from_first < len {
            put(from_first, &second[..len - from_first]);
        }
        if !stays {
            let taken = match packet {
                Some(packet) => {
                    state.packets.pop_front();
                    packet
                }
                None => len,
            };
            let had_room = state.has_room();
            state.bytes.drain(..taken);
            let has_room = state.has_room();
            drop(state);
            if has_room && !had_room {
                self.pipe.queue.wake(Readiness::WRITABLE);
            }
        }
        Ok(len)
    }

    /// Takes in as much as there is room for.
    ///
    /// # Errors
    /// `EPIPE` nobody could read · `EAGAIN` no room · `ENOMEM`.
    pub fn fill(&self, src: &UserBuf<'_>) -> Result<usize, Errno> {
        let mut state = self.pipe.state.lock();
        if src.is_empty() {
            return Ok(0);
        }
        if state.readers == 0 {
            return Err(Errno::EPIPE);
        }
        let room = state.capacity_bytes.saturating_sub(state.bytes.len());
        if room == 0 || (src.len() <= PIPE_BUF && room < src.len()) {
            return Err(Errno::EAGAIN);
        }
        let mut len = room.min(src.len());
        if self.is_packets {
            len = len.min(PIPE_BUF);
        }
        state.bytes.try_reserve(len).map_err(|_| Errno::ENOMEM)?;
        let mut piece = [0; 512];
        let mut done = 0;
        while done < len {
            let size = piece.len().min(len - done);
            src.copy_out(done, &mut piece[..size]);
            state.bytes.extend(&piece[..size]);
            done += size;
        }
        if self.is_packets {
            state.packets.push_back(len);
        }
        drop(state);
        self.pipe.queue.wake(Readiness::READABLE);
        Ok(len)
    }
}

impl Drop for PipeEnd {
    fn drop(&mut self) {
        let mut state = self.pipe.state.lock();
        state.readers -= usize::from(self.reads);
        state.writers -= usize::from(self.writes);
        let is_last = state.readers == 0 || state.writers == 0;
        if state.readers == 0 && state.writers == 0 {
            state.bytes = VecDeque::new();
            state.packets = VecDeque::new();
        }
        drop(state);
        if is_last {
            let gone = Readiness(POLLHUP | POLLERR);
            self.pipe.queue.wake(Readiness::BOTH.with(gone));
        }
    }
}

impl FileOps for PipeEnd {
    fn read(&self, _context: &Context<'_>, dst: &mut UserBufMut<'_>) -> Result<usize, Errno> {
        self.drain(dst.len(), false, |at, bytes| {
            dst.copy_in(at, bytes);
        })
    }

    fn write(&self, context: &Context<'_>, src: &UserBuf<'_>) -> Result<usize, Errno> {
        let result = self.fill(src);
        if result == Err(Errno::EPIPE) {
            signals::raise(context, SIGPIPE);
        }
        result
    }

    fn write_whole(
        &self,
        context: &Context<'_>,
        file: &File,
        pieces: &[(usize, usize)],
    ) -> Option<SyscallResult> {
        let len: usize = pieces.iter().map(|&(_, len)| len).sum();
        if pieces.len() < 2 || len > PIPE_BUF {
            return None;
        }
        let gather = || {
            let mut bytes = vec![0; len];
            let mut done = 0;
            for &(address, len) in pieces {
                let src = UserBuf::new(context, address, len)?;
                done += src.copy_out(0, &mut bytes[done..]);
            }
            file.write(context, &UserBuf::from_slice(&bytes))
        };
        Some(gather())
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.pipe.queue)
    }

    fn name(&self) -> &'static str {
        "a pipe"
    }

    fn poll(&self, _context: &Context<'_>) -> Readiness {
        let state = self.pipe.state.lock();
        let mut bits = 0;
        if self.reads {
            if !state.bytes.is_empty() {
                bits |= Readiness::READABLE.0;
            }
            if state.writers == 0 && self.without_writer != Some(state.writers_ever) {
                bits |= POLLHUP;
            }
        }
        if self.writes {
            if state.has_room() {
                bits |= Readiness::WRITABLE.0;
            }
            if state.readers == 0 {
                bits |= POLLERR;
            }
        }
        Readiness(bits)
    }

    fn ioctl(&self, context: &Context<'_>, request: u32, arg: usize) -> SyscallResult {
        if request != FIONREAD {
            return Err(Errno::ENOTTY);
        }
        let waiting = self.pipe.state.lock().bytes.len() as i32;
        user_mem::write(context, arg, &waiting)?;
        Ok(0)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// `pipe(pipefd)` — makes a pipe; see [`sys_pipe2`].
///
/// # Errors
/// As [`sys_pipe2`].
pub fn sys_pipe(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    make(context, args.addr(0), 0)
}

/// `pipe2(pipefd, flags)` — makes a pipe.
///
/// - `pipefd`: where the two descriptors go, first the one to read.
/// - `flags`: `O_CLOEXEC`, `O_NONBLOCK`, `O_DIRECT`.
///
/// # Errors
/// `EINVAL` another flag · `EMFILE` · `EFAULT`.
/// # Source
/// pipe(2).
pub fn sys_pipe2(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    make(context, args.addr(0), args.int(1) as u32)
}

fn make(context: &Context<'_>, place: usize, flags: u32) -> SyscallResult {
    if flags & !(O_CLOEXEC | O_NONBLOCK | O_DIRECT) != 0 {
        return Err(Errno::EINVAL);
    }
    context.process.memory.has_room_for_kernel()?;
    let pipe = Arc::new(Pipe::default());
    let now = Time::now(context.platform);
    let inode = Inode::new(Body::Pipe(pipe.clone()), 0o600, now);
    let end = |access: u32| {
        let flags = flags & (O_NONBLOCK | O_DIRECT | O_CLOEXEC) | access;
        let ops = Box::new(PipeEnd::open(&pipe, flags));
        Descriptor {
            file: Arc::new(File::new(ops, Some(inode.clone()), flags)),
            closes_on_exec: flags & O_CLOEXEC != 0,
        }
    };
    let (reading, writing) = (end(O_RDONLY), end(O_WRONLY));
    // Checked before there are descriptors that nobody would learn of.
    UserBufMut::new(context, place, 8)?;
    let mut table = context.process.files.table().lock();
    let first = table.insert(reading, 0)?;
    let second = match table.insert(writing, 0) {
        Ok(fd) => fd,
        Err(errno) => {
            table.remove(first)?;
            return Err(errno);
        }
    };
    drop(table);
    user_mem::write(context, place, &[first, second])?;
    Ok(0)
}

//! inotify: what happens to files, read as events.
//!
//! A watch is a mark at its inode, which names the instance and what it asks for; the instance keeps the
//! watches by their numbers. Whatever happens to a file is told to the marks of its inode and to those
//! of the directory that it is in: of several the one whose name it was opened by, or the last one.
//!
//! Lock order: an inode's marks, then an instance.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::any::Any;
use core::sync::atomic::{AtomicU32, Ordering};

use muslin_abi::flags::*;
use muslin_abi::layout::Stat;
use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use super::directory::Name;
use super::file_ops::{FileOps, Readiness, anonymous_stat};
use super::inode::{Body, Inode};
use super::observe::{Named, OBSERVERS, Observers};
use super::{new_descriptor, walk};
use crate::context::Context;
use crate::lock::Mutex;
use crate::threads::WaitQueue;
use crate::user_mem::{self, UserBufMut};

/// All bits that Linux knows: one of them must be set.
const KNOWN: u32 = IN_ALL_EVENTS
    | 0xe000
    | IN_ONLYDIR
    | IN_DONT_FOLLOW
    | IN_EXCL_UNLINK
    | IN_MASK_CREATE
    | IN_MASK_ADD
    | IN_ISDIR
    | IN_ONESHOT;
/// What a watch keeps of its mask.
const KEPT: u32 = IN_ALL_EVENTS | IN_EXCL_UNLINK | IN_ONESHOT;

/// Events that wait at most; one more says that some were lost.
const EVENTS_MAX: usize = 16384;
/// `struct inotify_event` without its name; names are filled up to a multiple of it.
const EVENT_BYTES: usize = 16;

/// An open instance.
struct InotifyFile(Arc<Inotify>);

#[derive(Default)]
struct Inotify {
    state: Mutex<State>,
    queue: WaitQueue,
}

#[derive(Default)]
struct State {
    watches: BTreeMap<i32, Weak<Inode>>,
    last_watch: i32,
    events: VecDeque<Event>,
    has_overflow: bool,
}

#[derive(PartialEq, Eq)]
struct Event {
    watch: i32,
    mask: u32,
    cookie: u32,
    name: Option<Name>,
}

/// The watches of one inode.
#[derive(Default)]
struct Marks(Vec<Mark>);

struct Mark {
    inotify: Weak<Inotify>,
    watch: i32,
    mask: u32,
}

/// `inotify_init()` — see [`sys_inotify_init1`], without flags.
///
/// # Errors
/// As [`sys_inotify_init1`].
pub fn sys_inotify_init(context: &Context<'_>, _args: &SyscallArgs) -> SyscallResult {
    make(context, 0)
}

/// `inotify_init1(flags)` — makes a descriptor that events of files are read from.
///
/// - `flags`: `IN_CLOEXEC`, `IN_NONBLOCK`.
///
/// # Errors
/// `EINVAL` another flag · `EMFILE` · `ENOMEM`.
/// # Source
/// inotify_init(2), man-pages 6.9
pub fn sys_inotify_init1(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    make(context, args.int(0) as u32)
}

/// `inotify_add_watch(fd, pathname, mask)` — asks for the events of a file, or changes what is asked.
///
/// Returns the watch's number.
///
/// # Errors
/// `EBADF` · `EINVAL` not such a descriptor, or a mask that asks for nothing · `EEXIST` there is a watch
/// and `IN_MASK_CREATE` · `ENOTDIR` no directory and `IN_ONLYDIR` · `EFAULT` · as [`walk`].
/// # Differs from Linux
/// Of a file with several names, what is done by a path tells the directory of the name that it was given
/// last, whichever the path is. Fifos, sockets and devices tell of being opened and closed, not of being read and written.
/// # Source
/// inotify_add_watch(2), man-pages 6.9
pub fn sys_inotify_add_watch(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let mask = args.int(2) as u32;
    if mask & KNOWN == 0 {
        return Err(Errno::EINVAL);
    }
    let file = context.process.files.file(args.fd(0))?;
    if mask & IN_MASK_ADD != 0 && mask & IN_MASK_CREATE != 0 {
        return Err(Errno::EINVAL);
    }
    let inotify = inotify_of(&*file.ops)?;
    let follows = if mask & IN_DONT_FOLLOW != 0 {
        AT_SYMLINK_NOFOLLOW
    } else {
        0
    };
    let inode = walk::file_at(context, AT_FDCWD, args.addr(1), follows)?;
    if mask & IN_ONLYDIR != 0 && !inode.is_directory() {
        return Err(Errno::ENOTDIR);
    }
    context.process.memory.has_room_for_kernel()?;
    inotify.watch(&inode, mask).map(|watch| watch as usize)
}

/// `inotify_rm_watch(fd, wd)` — asks no more for the events of a file.
///
/// # Errors
/// `EBADF` · `EINVAL` not such a descriptor, or no such watch.
/// # Source
/// inotify_rm_watch(2), man-pages 6.9
pub fn sys_inotify_rm_watch(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let file = context.process.files.file(args.fd(0))?;
    let inotify = inotify_of(&*file.ops)?;
    let removed = inotify.state.lock().watches.remove(&args.int(1));
    let inode = removed.ok_or(Errno::EINVAL)?;
    if let Some(inode) = inode.upgrade() {
        with_marks(&inode, |marks| {
            marks.0.retain(|mark| !mark.is_of(inotify));
        });
    }
    inotify.ignored(args.int(1));
    Ok(0)
}

fn make(context: &Context<'_>, flags: u32) -> SyscallResult {
    if flags & !(O_CLOEXEC | O_NONBLOCK) != 0 {
        return Err(Errno::EINVAL);
    }
    OBSERVERS.call_once(|| &HOOKS);
    let ops = Box::new(InotifyFile(Arc::default()));
    new_descriptor(context, ops, O_RDONLY | flags)
}

fn inotify_of(ops: &dyn FileOps) -> Result<&Arc<Inotify>, Errno> {
    let file: Option<&InotifyFile> = ops.as_any().downcast_ref();
    file.map(|InotifyFile(inotify)| inotify)
        .ok_or(Errno::EINVAL)
}

/// What files call once there is an instance.
static HOOKS: Observers = Observers {
    file: |inode, opened_by, mask| {
        let mask = mask | if inode.is_directory() { IN_ISDIR } else { 0 };
        let links = inode.meta().links;
        // Of several names the one that was used, if it is still there.
        let used = opened_by.filter(|_| links > 1);
        let used = used.filter(|(parent, name)| names(parent, name, inode));
        if let Some((parent, name)) = used.cloned().or_else(|| inode.home()) {
            let is_unlinked = links == 0;
            tell(&parent, mask, 0, Some(&name), is_unlinked);
        }
        tell(inode, mask, 0, None, false);
    },
    own: |inode, mask| tell(inode, mask, 0, None, false),
    name: |directory, Named { mask, cookie, name }| {
        tell(directory, mask, cookie, Some(name), false);
    },
    cookie: || {
        static LAST: AtomicU32 = AtomicU32::new(0);
        LAST.fetch_add(1, Ordering::Relaxed).wrapping_add(1).max(1)
    },
    gone: |inode| {
        let marks = inode.marks.lock().take();
        let Some(Ok(marks)) = marks.map(|marks| marks.downcast::<Marks>()) else {
            return;
        };
        let is_unlinked = inode.meta().links == 0;
        for mark in marks.0 {
            if let Some(inotify) = mark.inotify.upgrade() {
                if is_unlinked && mark.mask & IN_DELETE_SELF != 0 {
                    inotify.push(mark.watch, IN_DELETE_SELF, 0, None);
                }
                inotify.state.lock().watches.remove(&mark.watch);
                inotify.ignored(mark.watch);
            }
        }
    },
};

/// Whether a name in a directory is this file's.
fn names(directory: &Inode, name: &[u8], inode: &Inode) -> bool {
    let Body::Directory(directory) = &directory.body else {
        return false;
    };
    let directory = directory.lock();
    let found = directory.get(name);
    found.is_some_and(|found| core::ptr::eq(&raw const **found, inode))
}

/// Tells the marks of an inode.
fn tell(inode: &Inode, mask: u32, cookie: u32, name: Option<&[u8]>, is_unlinked: bool) {
    with_marks(inode, |marks| {
        marks.0.retain(|mark| {
            let Some(inotify) = mark.inotify.upgrade() else {
                return false;
            };
            let is_past = is_unlinked && mark.mask & IN_EXCL_UNLINK != 0;
            if mark.mask & mask & IN_ALL_EVENTS == 0 || is_past {
                return true;
            }
            inotify.push(mark.watch, mask, cookie, name);
            if mark.mask & IN_ONESHOT == 0 {
                return true;
            }
            inotify.state.lock().watches.remove(&mark.watch);
            inotify.ignored(mark.watch);
            false
        });
    });
}

fn with_marks(inode: &Inode, act: impl FnOnce(&mut Marks)) {
    let mut marks = inode.marks.lock();
    if let Some(marks) = marks.as_mut().and_then(|marks| marks.downcast_mut()) {
        act(marks);
    }
}

impl Mark {
    fn is_of(&self, inotify: &Arc<Inotify>) -> bool {
        core::ptr::eq(self.inotify.as_ptr(), Arc::as_ptr(inotify))
    }
}

impl Inotify {
    /// Adds a watch, or changes the one that there is.
    fn watch(self: &Arc<Self>, inode: &Arc<Inode>, mask: u32) -> Result<i32, Errno> {
        let kept = mask & KEPT;
        let mut marks = inode.marks.lock();
        let marks = marks.get_or_insert_with(|| Box::new(Marks::default()));
        let Marks(marks) = marks.downcast_mut().ok_or(Errno::EINVAL)?;
        if let Some(mark) = marks.iter_mut().find(|mark| mark.is_of(self)) {
            if mask & IN_MASK_CREATE != 0 {
                return Err(Errno::EEXIST);
            }
            mark.mask = kept
                | if mask & IN_MASK_ADD != 0 {
                    mark.mask
                } else {
                    0
                };
            return Ok(mark.watch);
        }
        let mut state = self.state.lock();
        state.last_watch += 1;
        let watch = state.last_watch;
        state.watches.insert(watch, Arc::downgrade(inode));
        marks.push(Mark {
            inotify: Arc::downgrade(self),
            watch,
            mask: kept,
        });
        Ok(watch)
    }

    fn ignored(&self, watch: i32) {
        self.push(watch, IN_IGNORED, 0, None);
    }

    /// Adds an event, unless it is the last one once more.
    fn push(&self, watch: i32, mask: u32, cookie: u32, name: Option<&[u8]>) {
        let mut state = self.state.lock();
        let is_again = state.events.back().is_some_and(|last| {
            last.watch == watch && last.mask == mask && last.name.as_deref() == name
        });
        if is_again {
            return;
        }
        let mut event = Event {
            watch,
            mask,
            cookie,
            name: name.map(Name::from),
        };
        if state.events.len() >= EVENTS_MAX {
            if state.has_overflow {
                return;
            }
            state.has_overflow = true;
            event = Event {
                watch: -1,
                mask: IN_Q_OVERFLOW,
                cookie: 0,
                name: None,
            };
        }
        state.events.push_back(event);
        drop(state);
        self.queue.wake(Readiness::READABLE);
    }
}

impl Event {
    /// The name with its final 0, filled up; none is nothing.
    fn name_bytes(&self) -> usize {
        let name = self.name.as_ref();
        name.map_or(0, |name| (name.len() + 1).next_multiple_of(EVENT_BYTES))
    }

    fn to_vec(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(EVENT_BYTES + self.name_bytes());
        for word in [self.watch as u32, self.mask, self.cookie] {
            bytes.extend_from_slice(&word.to_le_bytes());
        }
        bytes.extend_from_slice(&(self.name_bytes() as u32).to_le_bytes());
        if let Some(name) = &self.name {
            bytes.extend_from_slice(name);
        }
        bytes.resize(EVENT_BYTES + self.name_bytes(), 0);
        bytes
    }
}

impl FileOps for InotifyFile {
    fn read(&self, _context: &Context<'_>, dst: &mut UserBufMut<'_>) -> Result<usize, Errno> {
        let mut state = self.0.state.lock();
        let mut done = 0;
        while let Some(event) = state.events.front() {
            if EVENT_BYTES + event.name_bytes() > dst.len() - done {
                break;
            }
            done += dst.copy_in(done, &event.to_vec());
            if event.mask == IN_Q_OVERFLOW {
                state.has_overflow = false;
            }
            state.events.pop_front();
        }
        match done {
            0 if state.events.is_empty() => Err(Errno::EAGAIN),
            0 => Err(Errno::EINVAL),
            done => Ok(done),
        }
    }

    fn poll(&self, _context: &Context<'_>) -> Readiness {
        if self.0.state.lock().events.is_empty() {
            Readiness::default()
        } else {
            Readiness::READABLE
        }
    }

    fn queue(&self) -> Option<&WaitQueue> {
        Some(&self.0.queue)
    }

    fn ioctl(&self, context: &Context<'_>, request: u32, arg: usize) -> SyscallResult {
        if request != FIONREAD {
            return Err(Errno::ENOTTY);
        }
        let bytes = |event: &Event| EVENT_BYTES + event.name_bytes();
        let waiting: usize = self.0.state.lock().events.iter().map(bytes).sum();
        user_mem::write(context, arg, &(waiting as i32))?;
        Ok(0)
    }

    fn stat(&self) -> Result<Stat, Errno> {
        Ok(anonymous_stat())
    }

    fn name(&self) -> &'static str {
        "inotify"
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Drop for InotifyFile {
    fn drop(&mut self) {
        let watches = core::mem::take(&mut self.0.state.lock().watches);
        for inode in watches.into_values() {
            if let Some(inode) = inode.upgrade() {
                with_marks(&inode, |marks| marks.0.retain(|mark| !mark.is_of(&self.0)));
            }
        }
    }
}

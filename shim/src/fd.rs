//! Descriptors of a handler's making.
//!
//! A handler can answer with a descriptor of its own: an object behind a number that `read`, `write`,
//! `poll`, `epoll`, `dup`, `fstat`, `close` and their kin understand as they do any other. A kind of
//! such objects is a type that implements [`FileObject`] and a static [`Kind`]:
//!
//! ```no_run
//! # extern crate alloc;
//! use alloc::sync::Arc;
//! use core::ffi::CStr;
//! use muslin::Errno;
//! use muslin::fd::{FileObject, Kind, POLLIN};
//! use muslin::user::Output;
//!
//! struct Zeros;
//!
//! impl FileObject for Zeros {
//!     const NAME: &'static CStr = c"zeros";
//!     const MODE: u32 = 0o020_666;
//!
//!     fn read(&self, to: &mut Output<'_>) -> Result<usize, Errno> {
//!         Ok(to.put(&[0; 16]))
//!     }
//! }
//!
//! static ZEROS: Kind<Zeros> = Kind::new();
//!
//! let (fd, file) = ZEROS.mint(Arc::new(Zeros), 0, POLLIN)?;
//! assert!(ZEROS.get(fd).is_some());
//! # drop(file);
//! # Ok::<(), Errno>(())
//! ```

use alloc::sync::Arc;
use core::ffi::{CStr, c_int, c_void};
use core::marker::PhantomData;
use core::ptr::{self, NonNull};
use core::sync::atomic::AtomicUsize;

use muslin_abi::args::{from_raw, to_raw};
use muslin_abi::file::{FOR_EVER_NS, FileOps, Piece};
use muslin_abi::{Errno, SyscallResult};

use crate::ffi;
use crate::user::{Input, Output};

/// There is something to read.
pub const POLLIN: u32 = 0x001;
/// There is something urgent to read.
pub const POLLPRI: u32 = 0x002;
/// There is room to write.
pub const POLLOUT: u32 = 0x004;
/// There is an error to be taken.
pub const POLLERR: u32 = 0x008;
/// The other side has gone.
pub const POLLHUP: u32 = 0x010;
/// The other side will not write any more.
pub const POLLRDHUP: u32 = 0x2000;

/// What an object behind a descriptor can do.
///
/// Nothing here waits or makes calls: what would have to wait answers `EAGAIN`, and the runtime waits,
/// or not, as `O_NONBLOCK` says. It may run in any thread.
pub trait FileObject: Send + Sync + Sized + 'static {
    /// What such a thing is called in reports.
    const NAME: &'static CStr;
    /// `st_mode` of `fstat`: its type and permissions.
    const MODE: u32;

    /// Reads; 0 is the end.
    ///
    /// # Errors
    /// `EAGAIN` nothing is there yet · `EINVAL` nothing can be read · its own.
    fn read(&self, _to: &mut Output<'_>) -> Result<usize, Errno> {
        Err(Errno::EINVAL)
    }

    /// Writes; may take less than all, and one that waits goes on then until all is taken.
    ///
    /// # Errors
    /// `EAGAIN` there is no room yet · `EINVAL` nothing can be written · its own.
    fn write(&self, _from: &mut Input<'_>) -> Result<usize, Errno> {
        Err(Errno::EINVAL)
    }

    /// Another request.
    ///
    /// # Errors
    /// `ENOTTY` no such request · its own.
    fn ioctl(&self, _request: u32, _argument: usize) -> SyscallResult {
        Err(Errno::ENOTTY)
    }

    /// How long a read may wait before it answers `EAGAIN`; `None` is for ever.
    fn read_timeout_ns(&self) -> Option<u64> {
        None
    }

    /// The same of a write.
    fn write_timeout_ns(&self) -> Option<u64> {
        None
    }

    /// The last descriptor has been closed.
    fn closed(&self) {}
}

/// A kind of objects behind descriptors. Its address says which descriptors are its own, so it is a
/// static, and there is one for each type.
pub struct Kind<T> {
    ops: FileOps,
    /// Something that could change: two kinds never share a place.
    _place: AtomicUsize,
    objects: PhantomData<fn(T) -> T>,
}

// SAFETY: the functions and the name live for ever, and nothing changes.
unsafe impl<T> Sync for Kind<T> {}

impl<T: FileObject> Kind<T> {
    /// The kind of this type of objects.
    #[allow(
        clippy::new_without_default,
        reason = "a kind is a static: one that is made as the program runs is of no use"
    )]
    pub const fn new() -> Self {
        Self {
            ops: FileOps {
                size: size_of::<FileOps>(),
                name: T::NAME.as_ptr(),
                mode: T::MODE,
                read: Some(read::<T>),
                write: Some(write::<T>),
                ioctl: Some(ioctl::<T>),
                read_timeout_ns: Some(read_timeout_ns::<T>),
                write_timeout_ns: Some(write_timeout_ns::<T>),
                closed: Some(closed::<T>),
                retain: Some(retain::<T>),
                release: Some(release::<T>),
            },
            _place: AtomicUsize::new(0),
            objects: PhantomData,
        }
    }

    /// Makes a descriptor, the lowest that is free, for an object that is ready as `readiness` says.
    /// `flags` are `O_NONBLOCK`, `O_CLOEXEC` and the access mode.
    ///
    /// # Errors
    /// `EMFILE` `ENFILE` no number is free · `ENOMEM` · `EINVAL` other flags.
    pub fn mint(
        &'static self,
        object: Arc<T>,
        flags: u32,
        readiness: u32,
    ) -> Result<(c_int, File), Errno> {
        let object = Arc::into_raw(object);
        let mut file = ptr::null_mut();
        // SAFETY: the functions take such an object, and with it goes a reference.
        let fd = unsafe {
            ffi::muslin_fd_mint(
                &raw const self.ops,
                object.cast_mut().cast(),
                flags,
                readiness,
                &raw mut file,
            )
        };
        match (from_raw(fd as isize), NonNull::new(file)) {
            (Ok(_), Some(file)) => Ok((fd, File(file))),
            (result, _) => {
                // SAFETY: it was not taken over.
                drop(unsafe { Arc::from_raw(object) });
                Err(result.err().unwrap_or(Errno::ENOMEM))
            }
        }
    }

    /// The object of a descriptor; `None` if it is not open, or not of this kind.
    pub fn get(&'static self, fd: c_int) -> Option<Arc<T>> {
        // SAFETY: only objects of this kind come back, each with a reference.
        unsafe {
            let object = ffi::muslin_fd_get(fd, &raw const self.ops);
            (!object.is_null()).then(|| Arc::from_raw(object.cast::<T>()))
        }
    }
}

/// The flags of an open descriptor, as `F_GETFL` says them.
///
/// # Errors
/// `EBADF` it is not open.
pub fn flags(fd: c_int) -> Result<u32, Errno> {
    // SAFETY: asks only.
    from_raw(unsafe { ffi::muslin_fd_flags(fd) }).map(|flags| flags as u32)
}

/// An open file description of a handler's making. Whoever has this tells what becomes of it, even
/// after its descriptors are closed.
#[derive(Debug)]
pub struct File(NonNull<c_void>);

// SAFETY: the runtime's functions may be called from any thread.
unsafe impl Send for File {}
// SAFETY: as above.
unsafe impl Sync for File {}

/// How often something had happened to a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen(u32);

impl File {
    /// The object is now ready as `readiness` says (`POLL*` bits), and `events` of these happened anew
    /// even if they were set before. Wakes who waits for either; calls nothing of the object, so locks
    /// may be held, and should be, so that changes are told in their order.
    ///
    /// What is no longer there is told as well: after a read or write that answered `EAGAIN` the bit has to
    /// be away until it would go on, or its return is no news and wakes nobody.
    pub fn changed(&self, readiness: u32, events: u32) {
        // SAFETY: the file is this one's until it is dropped.
        unsafe { ffi::muslin_file_changed(self.0.as_ptr(), readiness, events) };
    }

    /// What to begin a [wait](crate::Context::wait) with: taken before the object is looked at.
    pub fn seen(&self) -> Seen {
        // SAFETY: as above.
        Seen(unsafe { ffi::muslin_file_seen(self.0.as_ptr()) })
    }

    /// See [`Context::wait`](crate::Context::wait).
    pub(crate) fn wait(
        &self,
        call: &ffi::Call,
        Seen(seen): Seen,
        events: u32,
        deadline_ns: Option<u64>,
    ) -> Result<(), Errno> {
        let deadline_ns = deadline_ns.unwrap_or(FOR_EVER_NS);
        // SAFETY: as above; the call lives until this returns.
        let raw =
            unsafe { ffi::muslin_file_wait(call, self.0.as_ptr(), seen, events, deadline_ns) };
        from_raw(raw).map(|_| ())
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // SAFETY: nobody uses it any more.
        unsafe { ffi::muslin_file_release(self.0.as_ptr()) };
    }
}

/// What C names by addresses.
///
/// # Safety
/// The object is of the kind whose function this is, and the pieces were checked. (So for all below.)
unsafe fn of_c<'a, T>(
    object: *mut c_void,
    pieces: *const Piece,
    count: usize,
) -> (&'a T, &'a [Piece]) {
    // SAFETY: as the caller promises.
    unsafe {
        (
            &*object.cast::<T>(),
            core::slice::from_raw_parts(pieces, count),
        )
    }
}

unsafe extern "C" fn read<T: FileObject>(
    object: *mut c_void,
    pieces: *const Piece,
    count: usize,
) -> isize {
    // SAFETY: as the caller promises.
    let (object, pieces) = unsafe { of_c::<T>(object, pieces, count) };
    // SAFETY: the runtime has checked them.
    let mut to = unsafe { Output::of_checked(pieces) };
    to_raw(object.read(&mut to))
}

unsafe extern "C" fn write<T: FileObject>(
    object: *mut c_void,
    pieces: *const Piece,
    count: usize,
) -> isize {
    // SAFETY: as the caller promises.
    let (object, pieces) = unsafe { of_c::<T>(object, pieces, count) };
    // SAFETY: the runtime has checked them.
    let mut from = unsafe { Input::of_checked(pieces) };
    to_raw(object.write(&mut from))
}

unsafe extern "C" fn ioctl<T: FileObject>(
    object: *mut c_void,
    request: usize,
    argument: usize,
) -> isize {
    // SAFETY: as the caller promises.
    to_raw(unsafe { &*object.cast::<T>() }.ioctl(request as u32, argument))
}

unsafe extern "C" fn read_timeout_ns<T: FileObject>(object: *mut c_void) -> u64 {
    // SAFETY: as the caller promises.
    let timeout = unsafe { &*object.cast::<T>() }.read_timeout_ns();
    timeout.unwrap_or(FOR_EVER_NS)
}

unsafe extern "C" fn write_timeout_ns<T: FileObject>(object: *mut c_void) -> u64 {
    // SAFETY: as the caller promises.
    let timeout = unsafe { &*object.cast::<T>() }.write_timeout_ns();
    timeout.unwrap_or(FOR_EVER_NS)
}

unsafe extern "C" fn closed<T: FileObject>(object: *mut c_void) {
    // SAFETY: as the caller promises.
    unsafe { &*object.cast::<T>() }.closed();
}

unsafe extern "C" fn retain<T: FileObject>(object: *mut c_void) {
    // SAFETY: it came from `Arc::into_raw`, and is alive.
    unsafe { Arc::increment_strong_count(object.cast::<T>()) };
}

unsafe extern "C" fn release<T: FileObject>(object: *mut c_void) {
    // SAFETY: as above, and the reference is given back.
    unsafe { Arc::decrement_strong_count(object.cast::<T>()) };
}

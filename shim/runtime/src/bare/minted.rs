//! Descriptors of a handler's making: the C symbols of `muslin.h`, over the library OS's files.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::any::Any;
use core::ffi::{CStr, c_int, c_void};
use core::mem::offset_of;
use core::ptr;

use muslin_abi::args::{from_raw, to_raw};
use muslin_abi::file::{FOR_EVER_NS, FileOps, MoveFn, Piece, TimeoutFn};
use muslin_abi::handler::Call;
use muslin_abi::{Errno, SyscallArgs, SyscallResult};
use muslin_syscalls::context::Context;
use muslin_syscalls::files::minted::{self, Object, State};

use crate::answer;
use crate::chain;
use crate::console;
use crate::process;

/// What a program sees that has no call under way for a wait.
const NO_CALL: usize = usize::MAX;

/// An object of C, with the functions that know it.
struct Foreign {
    ops: &'static FileOps,
    object: *mut c_void,
}

// SAFETY: whoever minted it promises that its functions may run in any thread.
unsafe impl Send for Foreign {}
// SAFETY: as above.
unsafe impl Sync for Foreign {}

impl Foreign {
    fn move_bytes(&self, function: Option<MoveFn>, pieces: &[Piece]) -> Result<usize, Errno> {
        let function = function.ok_or(Errno::EINVAL)?;
        // SAFETY: a function of this object, with pieces that were checked.
        from_raw(unsafe { function(self.object, pieces.as_ptr(), pieces.len()) })
    }

    fn timeout_ns(&self, function: Option<TimeoutFn>) -> Option<u64> {
        // SAFETY: a function of this object.
        let ns = unsafe { function?(self.object) };
        (ns != FOR_EVER_NS).then_some(ns)
    }
}

impl Object for Foreign {
    fn read(&self, pieces: &[Piece]) -> Result<usize, Errno> {
        self.move_bytes(self.ops.read, pieces)
    }

    fn write(&self, pieces: &[Piece]) -> Result<usize, Errno> {
        self.move_bytes(self.ops.write, pieces)
    }

    fn ioctl(&self, request: u32, argument: usize) -> SyscallResult {
        let function = self.ops.ioctl.ok_or(Errno::ENOTTY)?;
        // SAFETY: a function of this object.
        from_raw(unsafe { function(self.object, request as usize, argument) })
    }

    fn read_timeout_ns(&self) -> Option<u64> {
        self.timeout_ns(self.ops.read_timeout_ns)
    }

    fn write_timeout_ns(&self) -> Option<u64> {
        self.timeout_ns(self.ops.write_timeout_ns)
    }

    fn name(&self) -> &'static str {
        // SAFETY: a C string that lives for ever, as whoever minted it promises.
        let name = unsafe { CStr::from_ptr(self.ops.name) };
        name.to_str().unwrap_or("[minted]")
    }

    fn mode(&self) -> u32 {
        self.ops.mode
    }

    fn closed(&self) {
        for function in [self.ops.closed, self.ops.release].into_iter().flatten() {
            // SAFETY: functions of this object, whose reference is given back with the last.
            unsafe { function(self.object) };
        }
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn context() -> &'static Context<'static> {
    match process::context() {
        Some(context) => context,
        None => console::fatal(&[
            b"muslin: a handler made a descriptor or a service before the process was made",
        ]),
    }
}

fn negative(errno: Errno) -> c_int {
    -errno.raw()
}

/// Makes a descriptor; see `muslin.h`.
///
/// # Safety
/// `ops` lives for ever, and its functions take `object`; `file` is writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_fd_mint(
    ops: *const FileOps,
    object: *mut c_void,
    flags: u32,
    readiness: u32,
    file: *mut *const State,
) -> c_int {
    // SAFETY: as the caller promises.
    let ops: &'static FileOps = unsafe { &*ops };
    if !ops.can_be_minted(flags) {
        return negative(Errno::EINVAL);
    }
    let foreign = Box::new(Foreign { ops, object });
    match minted::mint(context(), foreign, flags, readiness) {
        Ok((fd, state)) => {
            // SAFETY: as the caller promises.
            unsafe { file.write(Arc::into_raw(state)) };
            fd
        }
        Err(errno) => negative(errno),
    }
}

/// The object of a descriptor; see `muslin.h`.
///
/// # Safety
/// None: it is unsafe only to be a C symbol.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_fd_get(fd: c_int, ops: *const FileOps) -> *mut c_void {
    let look = |object: &dyn Object| {
        let foreign = object.as_any().downcast_ref::<Foreign>()?;
        if !ptr::eq(foreign.ops, ops) {
            return None;
        }
        if let Some(retain) = foreign.ops.retain {
            // SAFETY: a function of this object, which its descriptor keeps alive.
            unsafe { retain(foreign.object) };
        }
        Some(foreign.object)
    };
    let found = minted::look_at_object(context(), fd, look).flatten();
    found.unwrap_or(ptr::null_mut())
}

/// The flags of an open descriptor; see `muslin.h`.
#[unsafe(no_mangle)]
extern "C" fn muslin_fd_flags(fd: c_int) -> isize {
    let file = context().process.files.file(fd);
    to_raw(file.map(|file| file.flags() as usize))
}

/// Tells that a file has changed; see `muslin.h`.
///
/// # Safety
/// `file` came from [`muslin_fd_mint`] and was not released.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_file_changed(file: *const State, readiness: u32, events: u32) {
    // SAFETY: as the caller promises.
    unsafe { &*file }.changed(readiness, events);
}

/// How often something has happened to a file; see `muslin.h`.
///
/// # Safety
/// As [`muslin_file_changed`].
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_file_seen(file: *const State) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { &*file }.seen()
}

/// Gives a file back.
///
/// # Safety
/// As [`muslin_file_changed`], and nobody uses it any more.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_file_release(file: *const State) {
    // SAFETY: as the caller promises.
    drop(unsafe { Arc::from_raw(file) });
}

/// Waits for a file; see `muslin.h`.
///
/// The wait is a call of its own, as those are that handlers make below `muslin_next`: signals are
/// delivered at its end, and it is made again if they say so.
///
/// # Safety
/// As [`muslin_file_changed`]; `call` is null or came to a handler.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_file_wait(
    call: *const Call,
    file: *const State,
    seen: u32,
    events: u32,
    deadline_ns: u64,
) -> isize {
    let none = Call {
        handler: ptr::null(),
        nr: NO_CALL,
        args: [0; 6],
        state: 0,
    };
    let args = [
        file as usize,
        seen as usize,
        events as usize,
        deadline_ns as usize,
        0,
        0,
    ];
    // SAFETY: a call that the caller names, and what `wait_code` takes.
    unsafe { chain::wait_outside(call.as_ref().unwrap_or(&none), wait_code, &args) }
}

answer::own_call! {
    /// The code of that call; its words are those of [`wait`].
    wait_code: wait
}

/// Waits for a file: its address, what was seen, what is waited for, until when.
fn wait(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    // SAFETY: `muslin_file_wait` alone makes this call, with a file that its caller keeps.
    let file = unsafe { &*(args.addr(0) as *const State) };
    let deadline_ns = args.raw(3) as u64;
    let deadline_ns = (deadline_ns != FOR_EVER_NS).then_some(deadline_ns);
    let (seen, events) = (args.raw(1) as u32, args.raw(2) as u32);
    file.wait(context, "a file of a handler's", seen, events, deadline_ns)?;
    Ok(0)
}

const _: () = assert!(
    offset_of!(FileOps, read) == 24 && size_of::<FileOps>() == 88,
    "muslin.h says so"
);

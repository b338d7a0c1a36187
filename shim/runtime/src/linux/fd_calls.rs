//! The calls that name descriptors, where these may be minted: handlers of the runtime's own, below those
//! of the program. They are registered when something is minted for the first time; a program
//! that mints nothing has none of them.
//!
//! What a socket of the kernel's answers as any descriptor does (`lseek`, `mmap`, `pread`, `tee` …) has no
//! handler here.

use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicPtr, AtomicUsize};

use muslin_abi::args::to_raw;
use muslin_abi::flags::{S_IFMT, S_IFSOCK};
use muslin_abi::handler::{Call, REENTRANT};
use muslin_abi::layout::{Mmsghdr, Msghdr, Pod};
use muslin_abi::{Errno, SyscallResult, Sysno};

use crate::chain::{self, Handler};
use crate::ending;
use crate::fd_numbers as numbers;
use crate::fd_pieces as pieces;
use crate::fd_splice as splice;
use crate::fd_table::{self, Entry, Held, World};
use crate::fd_watch as watch;
use crate::lead_waits;
use crate::lock;
use crate::mirror;
use crate::register;
use crate::restarts;

/// What a child process gets for a descriptor that its parent minted.
pub const ELSEWHERE: Errno = Errno::ESTALE;

/// A handler of the runtime's own.
pub type Answer = fn(&Call) -> SyscallResult;

struct Handlers([Handler; COUNT]);

// SAFETY: what changes in a registration is atomic.
unsafe impl Sync for Handlers {}

macro_rules! handlers {
    ($($name:ident => $answer:path;)*) => {
        const COUNT: usize = [$(stringify!($name)),*].len();
        static HANDLERS: Handlers = Handlers([$(handler(Sysno::$name, $answer)),*]);
    };
}

handlers! {
    read => pieces::read;
    readv => pieces::readv;
    preadv2 => pieces::preadv2;
    write => pieces::write;
    writev => pieces::writev;
    pwritev2 => pieces::pwritev2;
    sendfile => pieces::sendfile;
    splice => splice::splice;
    close => numbers::close;
    close_range => numbers::close_range;
    dup => numbers::dup;
    dup2 => numbers::dup2;
    dup3 => numbers::dup3;
    fcntl => numbers::fcntl;
    ioctl => numbers::ioctl;
    fstat => numbers::fstat;
    newfstatat => numbers::newfstatat;
    statx => numbers::statx;
    poll => watch::poll;
    ppoll => watch::ppoll;
    select => watch::select;
    pselect6 => watch::pselect6;
    epoll_ctl => watch::epoll_ctl;
    epoll_wait => lead_waits::epoll_wait;
    epoll_pwait => lead_waits::epoll_pwait;
    epoll_pwait2 => lead_waits::epoll_pwait2;
    rt_sigaction => restarts::rt_sigaction;
    fork => fork;
    clone => clone;
    exit_group => ending::exit_group;
    connect => socket;
    accept => socket;
    sendto => socket;
    recvfrom => socket;
    sendmsg => socket;
    recvmsg => socket;
    shutdown => socket;
    bind => socket;
    listen => socket;
    getsockname => socket;
    getpeername => socket;
    setsockopt => socket;
    getsockopt => socket;
    accept4 => socket;
    recvmmsg => socket;
    sendmmsg => socket;
}

const fn handler(nr: Sysno, answer: Answer) -> Handler {
    Handler {
        function: enter,
        context: answer as *mut c_void,
        nr: nr.0 as usize,
        flags: REENTRANT as usize | chain::OF_PLATFORM,
        next: AtomicPtr::new(ptr::null_mut()),
        bottom: AtomicUsize::new(0),
        direct: 0,
    }
}

unsafe extern "C" fn enter(call: *const Call, context: *mut c_void) -> isize {
    // SAFETY: the context is an `Answer`, and the call lives until it is answered.
    let (answer, call) = unsafe { (core::mem::transmute::<*mut c_void, Answer>(context), &*call) };
    to_raw(answer(call))
}

/// Registers all of them, below what the program has registered. Once.
pub fn register() -> Result<(), Errno> {
    for handler in &HANDLERS.0 {
        register::put_below(handler)?;
    }
    Ok(())
}

/// Passes a call on.
pub fn next(call: &Call) -> SyscallResult {
    muslin_abi::args::from_raw(chain::next(call))
}

/// Passes a call that waits on.
pub fn wait_below(call: &Call) -> SyscallResult {
    muslin_abi::args::from_raw(chain::wait_below(call))
}

/// The minted file of a descriptor that a call names. `Ok(None)`: the call is the kernel's.
pub fn minted(fd: usize) -> Result<Option<Held>, Errno> {
    match fd_table::look_up(fd as i32) {
        Entry::Host => Ok(None),
        Entry::Hidden => Err(Errno::EBADF),
        Entry::Minted(_) if fd_table::world(false) == World::Copy => Err(ELSEWHERE),
        Entry::Minted(file) => {
            ending::stay();
            Ok(Some(file))
        }
    }
}

/// Calls of sockets: whoever has minted a socket answers them above.
fn socket(call: &Call) -> SyscallResult {
    match minted(call.args[0])? {
        None => {
            if may_pass_descriptors(call) {
                mirror::show_at_once();
            }
            next(call)
        }
        Some(file) if file.ops().mode & S_IFMT == S_IFSOCK => Err(Errno::EOPNOTSUPP),
        Some(_) => Err(Errno::ENOTSOCK),
    }
}

/// Whether another process may get descriptors by this call: a message has more than bytes.
fn may_pass_descriptors(call: &Call) -> bool {
    let is = |nr: Sysno| call.nr == nr.0 as usize;
    let [_, messages, count, ..] = call.args;
    let count = if is(Sysno::sendmsg) {
        1
    } else if is(Sysno::sendmmsg) {
        count as u32 as usize
    } else {
        return false;
    };
    let mut headers = (0..count).map(|at| messages.wrapping_add(at * Mmsghdr::BYTES));
    messages != 0
        && headers.any(|header| {
            // SAFETY: the program says that there are as many; a bad address is its own fault.
            unsafe { (*(header as *const Msghdr)).msg_controllen != 0 }
        })
}

fn fork(call: &Call) -> SyscallResult {
    mirror::show_late();
    lock::while_none_is_held(|| next(call))
}

fn clone(call: &Call) -> SyscallResult {
    const CLONE_VM: usize = 0x100;
    if call.args[0] & CLONE_VM != 0 {
        return next(call);
    }
    fork(call)
}

//! Signals that end a program, told by a descriptor instead: what is open beside a guest is closed
//! behind it, in good order.

use std::fmt;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

use libc::{c_int, pid_t, signalfd_siginfo, sigset_t};

const ENDING: [c_int; 4] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT];

/// Holds back the signals as long as it lives: for the thread that made it, and those it makes.
pub(crate) struct Signals {
    fd: OwnedFd,
    before: sigset_t,
}

impl Signals {
    pub(crate) fn hold_back() -> io::Result<Self> {
        // SAFETY: the sets are ours; the descriptor is nobody else's.
        unsafe {
            let mut set = MaybeUninit::<sigset_t>::zeroed().assume_init();
            let mut before = set;
            libc::sigemptyset(&raw mut set);
            for signal in ENDING {
                libc::sigaddset(&raw mut set, signal);
            }
            let fd = libc::signalfd(-1, &raw const set, libc::SFD_NONBLOCK | libc::SFD_CLOEXEC);
            if fd < 0 {
                return Err(io::Error::last_os_error());
            }
            let fd = OwnedFd::from_raw_fd(fd);
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, &raw mut before);
            Ok(Self { fd, before })
        }
    }

    /// Sends on to a child what has come.
    pub(crate) fn send_on(&self, child: pid_t) {
        let mut info = MaybeUninit::<signalfd_siginfo>::zeroed();
        let bytes = size_of::<signalfd_siginfo>();
        // SAFETY: the kernel writes one structure, or nothing. The child is ours.
        unsafe {
            while libc::read(self.fd.as_raw_fd(), info.as_mut_ptr().cast(), bytes) == bytes as isize
            {
                libc::kill(child, info.assume_init_ref().ssi_signo as c_int);
            }
        }
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("Signals");
        shown.field("fd", &self.fd).finish_non_exhaustive()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // SAFETY: the set is what the kernel wrote.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, ptr::null_mut())
        };
    }
}

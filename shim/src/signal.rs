//! SIGPIPE, by libc's own `raise`, as any program would send it to itself.

use core::ffi::c_int;

use muslin_abi::Errno;
use muslin_abi::flags::MSG_NOSIGNAL;

const SIGPIPE: c_int = 13;

unsafe extern "C" {
    safe fn raise(signal: c_int) -> c_int;
}

/// Tells a program that nobody reads what it sends, unless it asked not to be told so. For handlers of
/// sockets, before they answer `EPIPE`; `flags` are those of the call.
pub fn tell_if_broken(errno: Errno, flags: u32) {
    if errno == Errno::EPIPE && flags & MSG_NOSIGNAL == 0 {
        raise(SIGPIPE);
    }
}

//! Calls that wait.

use core::ffi::c_int;

use muslin::{Context, Errno, clock, fd};
use muslin_abi::flags::{MSG_DONTWAIT, O_NONBLOCK};
use muslin_platform::Channels;

use crate::entry::{Entry, Settings};
use crate::sockets::{self, Id};

/// How long a call may wait: until the steady clock says so, 0 not at all; `None` as long as it takes.
pub type Deadline = Option<u64>;

/// That of a call on this descriptor with these `MSG_*` flags, and the socket's own limit.
///
/// # Errors
/// `EBADF` the descriptor was closed meanwhile.
pub fn deadline(
    fd: c_int,
    flags: u32,
    id: Id,
    limit_ns: fn(&Settings) -> Option<u64>,
) -> Result<Deadline, Errno> {
    if flags & MSG_DONTWAIT != 0 || fd::flags(fd)? & O_NONBLOCK != 0 {
        return Ok(Some(0));
    }
    let limit_ns = sockets::with_one(id, |entry, _| Ok(limit_ns(&entry.settings)))?;
    Ok(limit_ns.map(|ns| clock::now_ns().saturating_add(ns)))
}

/// Does something with a socket, again and again while that answers `EAGAIN` and the call may wait.
///
/// # Errors
/// What it answers; `EAGAIN` the time is over; `EINTR`.
pub fn until<R>(
    context: &Context<'_>,
    id: Id,
    events: u32,
    deadline: Deadline,
    mut act: impl FnMut(&mut Entry, &dyn Channels) -> Result<R, Errno>,
) -> Result<R, Errno> {
    loop {
        let file = sockets::with(|sockets| sockets.file(id))?;
        let seen = file.seen();
        match sockets::with_one(id, &mut act) {
            Err(Errno::EAGAIN) => context.wait(&file, seen, events, deadline)?,
            result => return result,
        }
    }
}

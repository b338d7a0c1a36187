//! Calls that wait.

use core::ffi::c_int;

use muslin::fd;
use muslin::{Context, Errno, clock};
use muslin_abi::flags::{MSG_DONTWAIT, O_NONBLOCK};

use crate::kept::Kept;
use crate::net::{self, Net};
use crate::socket::Socket;

/// How long a call may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Patience {
    /// Not at all.
    None,
    /// Until the steady clock says so.
    Until(u64),
    /// As long as it takes.
    Endless,
}

impl Patience {
    /// Of a call on this descriptor with these `MSG_*` flags, and the socket's own limit, which is asked for
    /// only where it counts: that takes the lock once more.
    ///
    /// # Errors
    /// `EBADF` the descriptor was closed meanwhile.
    pub fn of(
        fd: c_int,
        flags: u32,
        socket: &Socket,
        limit_ns: fn(&Kept) -> Option<u64>,
    ) -> Result<Self, Errno> {
        if flags & MSG_DONTWAIT != 0 || fd::flags(fd)? & O_NONBLOCK != 0 {
            return Ok(Self::None);
        }
        let limit_ns = net::attempt(|net| Ok(limit_ns(net.kept(socket.id)?)))?;
        Ok(match limit_ns {
            Some(ns) => Self::Until(clock::now_ns().saturating_add(ns)),
            None => Self::Endless,
        })
    }

    fn deadline_ns(self) -> Option<u64> {
        match self {
            Self::None => Some(0),
            Self::Until(at_ns) => Some(at_ns),
            Self::Endless => None,
        }
    }
}

/// Does something with a socket, again and again while that answers `EAGAIN` and the call may wait.
///
/// # Errors
/// What it answers; `EAGAIN` the time is over; `EINTR`.
pub fn until<R>(
    context: &Context<'_>,
    socket: &Socket,
    events: u32,
    patience: Patience,
    mut act: impl FnMut(&mut Net) -> Result<R, Errno>,
) -> Result<R, Errno> {
    loop {
        let (file, seen, result) = net::attempt(|net| {
            let file = net.file(socket.id)?;
            let seen = file.seen();
            let result = act(net);
            net.tell_level(socket.id);
            Ok((file, seen, result))
        })?;
        match result {
            Err(Errno::EAGAIN) => context.wait(&file, seen, events, patience.deadline_ns())?,
            result => return result,
        }
    }
}

//! Waiting for an end: for a message, for room, for a connection.

use muslin_abi::Errno;
use muslin_abi::flags::*;

use super::endpoint::Endpoint;
use crate::context::Context;
use crate::files::Readiness;
use crate::files::file::File;
use crate::threads::{WaitQueue, Waiting, wait_with_limit};

/// All that ends a wait: who waits looks again.
const ANYTHING: Readiness = Readiness(!0);

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
    /// How long a call with these `MSG_*` flags waits to receive.
    pub fn to_receive(context: &Context<'_>, file: &File, end: &Endpoint, flags: u32) -> Self {
        Self::of(context, file, flags, end.state().options.receive_timeout_ns)
    }

    /// How long a call with these `MSG_*` flags waits to send.
    pub fn to_send(context: &Context<'_>, file: &File, end: &Endpoint, flags: u32) -> Self {
        Self::of(context, file, flags, end.state().options.send_timeout_ns)
    }

    fn of(context: &Context<'_>, file: &File, flags: u32, timeout_ns: Option<u64>) -> Self {
        match timeout_ns {
            _ if file.is_nonblocking() || flags & MSG_DONTWAIT != 0 => Self::None,
            Some(0) => Self::None,
            Some(ns) => Self::Until(context.platform.clock().monotonic_ns().saturating_add(ns)),
            None => Self::Endless,
        }
    }

    /// Waits until an end has changed. No lock is held.
    ///
    /// # Errors
    /// `EAGAIN` the time is over · `EINTR` a signal came to a call with a limit of time ·
    /// [`Errno::RESTART`] to one without.
    pub fn wait(
        self,
        context: &Context<'_>,
        queue: &WaitQueue,
        what: &'static str,
    ) -> Result<(), Errno> {
        let deadline_ns = match self {
            Self::None => return Err(Errno::EAGAIN),
            Self::Until(at) => Some(at),
            Self::Endless => None,
        };
        // Not one alone: who is woken may leave something to others.
        let object = core::ptr::from_ref(queue).addr();
        wait_with_limit(
            context,
            queue,
            ANYTHING,
            deadline_ns,
            Waiting { what, object },
        )
    }
}

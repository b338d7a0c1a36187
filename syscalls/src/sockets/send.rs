//! Sends one message.

use alloc::sync::Arc;
use alloc::vec::Vec;

use muslin_abi::flags::*;
use muslin_abi::layout::Ucred;
use muslin_abi::{Errno, SyscallResult, Sysno};

use super::address::Address;
use super::connect::find;
use super::domain::Domain;
use super::endpoint::{Endpoint, Kind, Phase};
use super::message::{Cargo, Message, STREAM_MESSAGE_BYTES_MAX};
use super::names::bind_anywhere;
use super::pieces::Source;
use super::wait::Patience;
use crate::context::Context;
use crate::files::file::File;
use crate::gap::gap;
use crate::process::PID;
use crate::signals;

/// What a write brings that nobody will read.
const SIGPIPE: i32 = 13;
/// What the kernel keeps of a sender's room.
const KEPT_BYTES: usize = 32;

/// A message to send.
pub struct Sending<'a> {
    /// The end that sends.
    pub end: &'a Arc<Endpoint>,
    /// What.
    pub source: &'a dyn Source,
    /// To whom, if the call says so: the bytes of an address.
    pub to: Option<Vec<u8>>,
    /// Open files that go with it.
    pub files: Vec<Arc<File>>,
    /// Credentials that the program names.
    pub credentials: Option<Ucred>,
    /// `MSG_*`.
    pub flags: u32,
    /// How long to wait.
    pub patience: Patience,
    /// For a report.
    pub call: Sysno,
}

impl Sending<'_> {
    /// Sends it: bytes sent.
    ///
    /// # Errors
    /// Those of send(2).
    pub fn send(mut self, context: &Context<'_>) -> SyscallResult {
        let domain = context.process.sockets.domain();
        let files = core::mem::take(&mut self.files);
        let cargo = (!files.is_empty()).then(|| Cargo::new(domain, files));
        if self.flags & MSG_OOB != 0 {
            return Err(match self.end.kind {
                Kind::Stream => gap!(context, self.call, "urgent bytes", EOPNOTSUPP),
                Kind::Datagram | Kind::Packets => Errno::EOPNOTSUPP,
            });
        }
        match self.end.kind {
            Kind::Stream => self.send_stream(context, cargo),
            Kind::Datagram => self.send_message(context, domain, cargo),
            Kind::Packets => {
                has_peer_for_packets(self.end)?;
                self.to = None;
                self.send_message(context, domain, cargo)
            }
        }
    }

    fn send_stream(&self, context: &Context<'_>, mut cargo: Option<Cargo>) -> SyscallResult {
        let (phase, peer, is_shut, send_bytes) = {
            let state = self.end.state();
            let send_bytes = state.options.send_bytes;
            (
                state.phase,
                state.peer.clone(),
                state.is_shut_for_writing,
                send_bytes,
            )
        };
        if self.to.is_some() {
            return Err(match phase {
                Phase::Connected => Errno::EISCONN,
                _ => Errno::EOPNOTSUPP,
            });
        }
        let peer = peer.ok_or(Errno::ENOTCONN)?;
        if is_shut {
            return self.broken(context, 0);
        }
        let most = (send_bytes / 2)
            .saturating_sub(64)
            .clamp(1, STREAM_MESSAGE_BYTES_MAX);
        let mut done = 0;
        while done < self.source.len() {
            let len = most.min(self.source.len() - done);
            let made = self
                .wait_for_room(context)
                .and_then(|()| self.source.take(context, done, len));
            let bytes = match made {
                Ok(bytes) => bytes,
                Err(_) if done > 0 => return Ok(done),
                Err(errno) => return Err(errno),
            };
            let is_refused = {
                let there = peer.state();
                there.is_over || there.is_shut_for_reading
            };
            if is_refused {
                return self.broken(context, done);
            }
            self.deliver(context, &peer, bytes, cargo.take());
            done += len;
        }
        Ok(done)
    }

    /// Nobody reads: the bytes that were sent before, or the signal.
    fn broken(&self, context: &Context<'_>, done: usize) -> SyscallResult {
        if done > 0 {
            return Ok(done);
        }
        if self.flags & MSG_NOSIGNAL == 0 {
            signals::raise(context, SIGPIPE);
        }
        Err(Errno::EPIPE)
    }

    fn send_message(
        &self,
        context: &Context<'_>,
        domain: &Arc<Domain>,
        cargo: Option<Cargo>,
    ) -> SyscallResult {
        let address = self.to.as_deref().map(Address::parse).transpose()?;
        let (passes_credentials, send_bytes) = {
            let state = self.end.state();
            (state.options.passes_credentials, state.options.send_bytes)
        };
        if passes_credentials {
            bind_anywhere(domain, self.end)?;
        }
        let len = self.source.len();
        if len > send_bytes.saturating_sub(KEPT_BYTES) {
            return Err(Errno::EMSGSIZE);
        }
        self.wait_for_room(context)?;
        let bytes = self.source.take(context, 0, len)?;
        loop {
            let to = match &address {
                Some(address) => find(context, self.end.kind, address)?,
                None => self.end.peer().ok_or(Errno::ENOTCONN)?,
            };
            if !self.end.may_send_to(&to) {
                return Err(Errno::EPERM);
            }
            let (is_over, is_shut) = {
                let there = to.state();
                (there.is_over, there.is_shut_for_reading)
            };
            if is_over && self.end.kind == Kind::Datagram {
                self.end.associate(None)?;
                return Err(Errno::ECONNREFUSED);
            }
            if is_over || is_shut {
                return Err(Errno::EPIPE);
            }
            if self.end.finds_full(&to) {
                self.patience
                    .wait(context, &to.room, "room for a datagram")?;
                continue;
            }
            self.deliver(context, &to, bytes, cargo);
            return Ok(len);
        }
    }

    fn wait_for_room(&self, context: &Context<'_>) -> Result<(), Errno> {
        loop {
            match self.end.may_send() {
                Err(Errno::EAGAIN) => {
                    let queue = &self.end.queue;
                    self.patience.wait(context, queue, "room to send")?;
                }
                other => return other,
            }
        }
    }

    fn deliver(
        &self,
        context: &Context<'_>,
        to: &Arc<Endpoint>,
        bytes: Vec<u8>,
        cargo: Option<Cargo>,
    ) {
        let passes = |end: &Endpoint| end.state().options.passes_credentials;
        let mut message = Message::new(self.end, bytes);
        message.cargo = cargo;
        message.credentials = self.credentials;
        if message.credentials.is_none() && (passes(self.end) || passes(to)) {
            message.credentials = Some(own_credentials(context));
        }
        to.deliver(message);
    }
}

/// What is looked at first of an end of packets, before anything of the message.
///
/// # Errors
/// `ENOTCONN` it has no peer · an error that waits to be told.
pub fn has_peer_for_packets(end: &Endpoint) -> Result<(), Errno> {
    let mut state = end.state();
    if end.kind != Kind::Packets {
        return Ok(());
    }
    state.take_error()?;
    match state.phase {
        Phase::Connected => Ok(()),
        _ => Err(Errno::ENOTCONN),
    }
}

/// Who the program is.
pub fn own_credentials(context: &Context<'_>) -> Ucred {
    let (users, groups) = context.process.identity.numbers();
    Ucred {
        pid: PID,
        uid: users[1],
        gid: groups[1],
    }
}

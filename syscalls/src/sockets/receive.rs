//! Receives one message, or what has come of a stream.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use muslin_abi::flags::*;
use muslin_abi::layout::Ucred;
use muslin_abi::{Errno, SyscallResult, Sysno};

use super::address::bytes_of;
use super::endpoint::{Endpoint, Kind, Phase};
use super::message::{Cargo, Message};
use super::pieces::Target;
use super::wait::Patience;
use crate::context::Context;
use crate::files::file::File;
use crate::gap::gap;

/// Whom a message is from that was sent before anybody wanted to know.
const NOBODY: Ucred = Ucred {
    pid: 0,
    uid: 65_534,
    gid: 65_534,
};

/// A call that receives.
pub struct Receiving<'a> {
    /// The end.
    pub end: &'a Arc<Endpoint>,
    /// Where the bytes go.
    pub target: &'a mut dyn Target,
    /// `MSG_*`.
    pub flags: u32,
    /// How long to wait.
    pub patience: Patience,
    /// For a report.
    pub call: Sysno,
}

/// What came with the bytes.
#[derive(Default)]
pub struct Received {
    /// Open files.
    pub files: Vec<Arc<File>>,
    /// Who sent it, if the end wants to know.
    pub credentials: Option<Ucred>,
    /// The sender's address, if it has one.
    pub from: Option<Vec<u8>>,
    /// `MSG_TRUNC`.
    pub flags: u32,
}

impl Receiving<'_> {
    /// Receives: bytes received, or with `MSG_TRUNC` the length of the whole message.
    ///
    /// # Errors
    /// Those of recv(2).
    pub fn receive(mut self, context: &Context<'_>) -> Result<(usize, Received), Errno> {
        let mut received = Received::default();
        let phase = self.end.state().phase;
        let is_connected = phase == Phase::Connected;
        match self.end.kind {
            Kind::Stream if !is_connected => return Err(Errno::EINVAL),
            Kind::Packets if !is_connected => return Err(Errno::ENOTCONN),
            _ => {}
        }
        if self.flags & MSG_OOB != 0 {
            return Err(match self.end.kind {
                Kind::Stream => gap!(context, self.call, "urgent bytes", EOPNOTSUPP),
                Kind::Datagram | Kind::Packets => Errno::EOPNOTSUPP,
            });
        }
        let done = match self.end.kind {
            Kind::Stream => self.receive_stream(context, &mut received)?,
            Kind::Datagram | Kind::Packets => self.receive_message(context, &mut received)?,
        };
        Ok((done, received))
    }

    fn receive_stream(&mut self, context: &Context<'_>, received: &mut Received) -> SyscallResult {
        let len = self.target.len();
        let least = match self.flags & MSG_WAITALL {
            0 => self.end.state().options.receive_least_bytes.min(len),
            _ => len,
        };
        let mut done = 0;
        loop {
            let is_enough = self.take_stream(context, &mut done, received)?;
            if is_enough || done >= least.max(1) {
                return Ok(done);
            }
            let ended = {
                let mut state = self.end.state();
                match state.take_error() {
                    Ok(()) if state.is_shut_for_reading => Ok(true),
                    other => other.map(|()| false),
                }
            };
            let waited = match ended {
                Ok(true) => {
                    // As Linux does: the end is from nobody.
                    if self.end.state().options.passes_credentials {
                        received.credentials.get_or_insert(Ucred::default());
                    }
                    return Ok(done);
                }
                Ok(false) => self
                    .patience
                    .wait(context, &self.end.queue, "bytes of a stream"),
                Err(errno) => Err(errno),
            };
            match waited {
                Ok(()) => {}
                Err(_) if done > 0 => return Ok(done),
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Takes what there is of a stream. `true`: more would not belong to it.
    fn take_stream(
        &mut self,
        context: &Context<'_>,
        done: &mut usize,
        received: &mut Received,
    ) -> Result<bool, Errno> {
        let peeks = self.flags & MSG_PEEK != 0;
        let mut index = 0;
        let mut has_looked = false;
        let mut skip = match peeks {
            true => self.end.state().options.peek_offset(),
            false => 0,
        };
        loop {
            let mut state = self.end.state();
            let passes_credentials = state.options.passes_credentials;
            let Some(message) = state.messages.get_mut(index) else {
                return Ok(has_looked);
            };
            if skip > 0 && skip >= message.rest().len() {
                skip -= message.rest().len();
                index += 1;
                continue;
            }
            if passes_credentials {
                let credentials = message.credentials.unwrap_or(NOBODY);
                if *received.credentials.get_or_insert(credentials) != credentials {
                    return Ok(true);
                }
            }
            let rest = &message.rest()[core::mem::take(&mut skip)..];
            let count = rest.len().min(self.target.len() - *done);
            match self.target.put(context, *done, &rest[..count]) {
                Ok(()) => {}
                Err(_) if *done > 0 => return Ok(true),
                Err(errno) => return Err(errno),
            }
            *done += count;
            let (is_all, has_cargo) = (count == rest.len(), message.cargo.is_some());
            let from = message.sender().clone();
            let mut cargo = None;
            let mut finished: Option<Message> = None;
            if peeks {
                received.files.extend(files_of(message));
                index += 1;
                has_looked = true;
                state.options.looked_at(count);
            } else {
                message.take(count);
                cargo = message.cargo.take();
                if is_all {
                    finished = state.messages.pop_front();
                }
                state.options.received(count);
            }
            drop(state);
            received.from = address_of(&from);
            received
                .files
                .extend(cargo.map(Cargo::unload).into_iter().flatten());
            drop(finished);
            // As Linux does: a look goes on to the first files, also behind the bytes that it gives.
            let is_full = !peeks && (!is_all || *done == self.target.len());
            if has_cargo || is_full {
                return Ok(true);
            }
        }
    }

    fn receive_message(&mut self, context: &Context<'_>, received: &mut Received) -> SyscallResult {
        let peeks = self.flags & MSG_PEEK != 0;
        loop {
            let mut state = self.end.state();
            state.take_error()?;
            let is_shut = state.is_shut_for_reading;
            let passes_credentials = state.options.passes_credentials;
            let (index, skip) = match peeks {
                true => behind(&state.messages, state.options.peek_offset()),
                false => (0, 0),
            };
            let Some(message) = state.messages.get(index) else {
                drop(state);
                let is_over = self.end.kind == Kind::Packets || self.patience != Patience::None;
                if is_shut && is_over {
                    return Ok(0);
                }
                self.patience.wait(context, &self.end.queue, "a datagram")?;
                continue;
            };
            let rest = &message.rest()[skip..];
            let (len, count) = (rest.len(), rest.len().min(self.target.len()));
            let copied = self.target.put(context, 0, &rest[..count]);
            received.credentials =
                passes_credentials.then(|| message.credentials.unwrap_or(NOBODY));
            let from = message.sender().clone();
            if count < len {
                received.flags |= MSG_TRUNC;
            }
            let mut taken = None;
            if peeks {
                received.files = files_of(message);
                state.options.looked_at(count);
            } else {
                taken = state.messages.pop_front();
                state.options.received(len);
            }
            drop(state);
            received.from = address_of(&from);
            if let Some(mut message) = taken {
                self.end.has_room();
                received.files = message.cargo.take().map_or_else(Vec::new, Cargo::unload);
            }
            copied?;
            return Ok(if self.flags & MSG_TRUNC != 0 {
                len
            } else {
                count
            });
        }
    }
}

/// The message in which the byte at `offset` is, and where there. None is there if the offset is behind all.
fn behind(messages: &VecDeque<Message>, offset: usize) -> (usize, usize) {
    let mut skip = offset;
    for (index, message) in messages.iter().enumerate() {
        let len = message.rest().len();
        if skip == 0 || skip < len {
            return (index, skip);
        }
        skip -= len;
    }
    (messages.len(), 0)
}

fn files_of(message: &Message) -> Vec<Arc<File>> {
    let cargo = message.cargo.as_ref();
    cargo.map_or_else(Vec::new, |cargo| cargo.files().to_vec())
}

/// The bytes of the sender's address; none if it has no name.
fn address_of(sender: &Endpoint) -> Option<Vec<u8>> {
    sender.name().map(|name| bytes_of(Some(&name)))
}

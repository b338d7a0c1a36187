//! What a socket is and does.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;

use muslin::Errno;
use muslin::fd::{POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP};
use muslin::user::{Input, Output};
use muslin_platform::{Channel, ChannelState, Channels, Coming};

use crate::address::Address;

/// Bytes that are copied at once.
const BOUNCE_BYTES: usize = 4096;

/// How far a socket is.
pub enum Role {
    /// Nothing has been done with it, or what was done came to nothing.
    Fresh,
    /// Others may come.
    Listening {
        /// How many have, and wait to be asked in.
        waiting: usize,
        /// Connections that were, and got no descriptor.
        returned: VecDeque<Entry>,
    },
    /// It is on its way to another guest.
    Coming {
        /// The attempt.
        attempt: Box<dyn Coming>,
        /// When it is given up.
        deadline_ns: u64,
    },
    /// It is connected.
    Open(Open),
    /// It was, and the program has shut it both ways.
    Shut,
    /// It was, and is lost: nothing comes and nothing goes any more.
    Over,
}

/// A connection.
pub struct Open {
    channel: Box<dyn Channel>,
    state: ChannelState,
    /// How much had come, and whether that was all, when who waits was told last.
    told: (u32, bool),
    /// Bytes that were looked at before they were read.
    ahead: VecDeque<u8>,
    reads_no_more: bool,
    writes_no_more: bool,
}

/// What can be set.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// `SO_RCVTIMEO`; none is for ever.
    pub receive_timeout_ns: Option<u64>,
    /// `SO_SNDTIMEO`
    pub send_timeout_ns: Option<u64>,
    /// `SO_VM_SOCKETS_CONNECT_TIMEOUT`
    pub connect_timeout_ns: u64,
    /// `SO_VM_SOCKETS_BUFFER_SIZE`, and between which it may be.
    pub buffer_bytes: [u64; 3],
}

/// A socket.
pub struct Entry {
    /// How far it is.
    pub role: Role,
    /// Its own address.
    pub local: Option<Address>,
    /// That of the other end.
    pub peer: Option<Address>,
    /// An error that was not told yet.
    pub error: Option<Errno>,
    /// What was set.
    pub settings: Settings,
}

impl Open {
    /// A connection by this channel.
    pub fn new(channel: Box<dyn Channel>) -> Self {
        Self {
            channel,
            state: ChannelState::default(),
            told: (0, false),
            ahead: VecDeque::new(),
            reads_no_more: false,
            writes_no_more: false,
        }
    }

    fn has_end(&self) -> bool {
        self.state.is_silent || self.state.is_gone
    }

    fn readiness(&self) -> u32 {
        let mut readiness = 0;
        let is_end = self.has_end() || self.reads_no_more;
        if is_end || self.state.ready > 0 || !self.ahead.is_empty() {
            readiness |= POLLIN;
        }
        if is_end {
            readiness |= POLLRDHUP;
        }
        if !self.writes_no_more && (self.state.room > 0 || self.state.is_gone) {
            readiness |= POLLOUT;
        }
        if is_end && self.writes_no_more {
            readiness |= POLLHUP;
        }
        readiness
    }

    /// Reads ahead until so many bytes are there, or no more are.
    fn fill_ahead(&mut self, len: usize) -> Result<(), Errno> {
        let missing = len.saturating_sub(self.ahead.len()).min(self.state.ready);
        let mut room = Vec::new();
        room.try_reserve_exact(missing)
            .and_then(|()| self.ahead.try_reserve(missing))
            .map_err(|_| Errno::ENOBUFS)?;
        room.resize(missing, 0);
        let count = self.channel.read(&mut room)?;
        self.ahead.extend(room.iter().take(count));
        Ok(())
    }

    fn peek(&mut self, to: &mut Output<'_>) -> Result<usize, Errno> {
        match self.fill_ahead(to.len()) {
            Err(errno) if self.ahead.is_empty() => return Err(errno),
            // What is there can be looked at; the read behind it says what is wrong.
            _ => {}
        }
        let (first, rest) = self.ahead.as_slices();
        Ok(to.put(first) + to.put(rest))
    }

    fn read(&mut self, to: &mut Output<'_>) -> Result<usize, Errno> {
        let (first, rest) = self.ahead.as_slices();
        let mut done = to.put(first) + to.put(rest);
        self.ahead.drain(..done);
        let mut bounce = [0; BOUNCE_BYTES];
        while !to.is_empty() {
            let room = to.len().min(bounce.len());
            let count = match self.channel.read(&mut bounce[..room]) {
                // What was taken is not lost; the next read says what is wrong.
                Err(_) if done > 0 => break,
                Ok(0) => break,
                Ok(count) => count,
                Err(errno) => return Err(errno),
            };
            to.put(&bounce[..count]);
            done += count;
        }
        Ok(done)
    }

    fn write(&mut self, from: &mut Input<'_>) -> Result<usize, Errno> {
        let mut done = 0;
        let mut bounce = [0; BOUNCE_BYTES];
        while !from.is_empty() {
            let mut ahead = from.clone();
            let len = ahead.take(&mut bounce);
            let count = match self.channel.write(&bounce[..len]) {
                Ok(count) => count,
                Err(_) if done > 0 => break,
                Err(errno) => return Err(errno),
            };
            from.take(&mut bounce[..count]);
            done += count;
            if count < len {
                break;
            }
        }
        Ok(done)
    }
}

impl Entry {
    /// A socket with these settings.
    pub fn new(role: Role, settings: Settings) -> Self {
        Self {
            role,
            local: None,
            peer: None,
            error: None,
            settings,
        }
    }

    /// What it is ready for (`POLL*` bits).
    pub fn readiness(&self) -> u32 {
        let error = match self.error {
            Some(_) => POLLERR | POLLIN | POLLOUT,
            None => 0,
        };
        error
            | match &self.role {
                Role::Fresh => POLLOUT | POLLHUP,
                Role::Listening {
                    waiting: 0,
                    returned,
                } if returned.is_empty() => 0,
                Role::Listening { .. } => POLLIN,
                Role::Coming { .. } => 0,
                Role::Open(open) => open.readiness(),
                Role::Shut => POLLIN | POLLHUP | POLLRDHUP,
                Role::Over => POLLIN | POLLOUT | POLLHUP | POLLRDHUP,
            }
    }

    /// Whether something has come that nobody was told of; it is told now.
    pub fn take_news(&mut self) -> bool {
        let Role::Open(open) = &mut self.role else {
            return false;
        };
        let now = (open.state.come, open.has_end());
        core::mem::replace(&mut open.told, now) != now
    }

    /// Does what is to be done. `is_thorough` looks also whether the other guest is still there. Whether
    /// somebody has come, or an attempt is over.
    pub fn go_on(&mut self, channels: &dyn Channels, now_ns: u64, is_thorough: bool) -> bool {
        match &mut self.role {
            Role::Fresh | Role::Shut | Role::Over => false,
            Role::Listening { waiting, .. } => {
                let Some(local) = self.local else {
                    return false;
                };
                let before = *waiting;
                match channels.waiting(local.port) {
                    Ok(now) => *waiting = now,
                    Err(errno) => {
                        self.error.get_or_insert(errno);
                    }
                }
                *waiting > before
            }
            Role::Coming {
                attempt,
                deadline_ns,
            } => {
                match attempt.go_on() {
                    Ok(channel) => {
                        let mut open = Open::new(channel);
                        if let Ok(state) = open.channel.state(false) {
                            open.state = state;
                        }
                        self.role = Role::Open(open);
                    }
                    Err(Errno::EAGAIN) if now_ns < *deadline_ns => return false,
                    Err(Errno::EAGAIN) => self.fail(Errno::ETIMEDOUT, Role::Fresh),
                    Err(errno) => self.fail(errno, Role::Fresh),
                }
                true
            }
            Role::Open(open) => {
                match open.channel.state(is_thorough) {
                    Ok(state) => {
                        open.state = state;
                        // Whatever call sees it first, it is told once: by `take_news`.
                        false
                    }
                    // What was looked at can still be read; the read behind it says what is wrong.
                    Err(_) if !open.ahead.is_empty() => false,
                    Err(errno) => {
                        self.fail(errno, Role::Over);
                        true
                    }
                }
            }
        }
    }

    fn fail(&mut self, errno: Errno, role: Role) {
        self.error = Some(errno);
        if matches!(role, Role::Fresh) {
            self.peer = None;
        }
        self.role = role;
    }

    /// The error that was not told yet, once.
    ///
    /// # Errors
    /// It.
    pub fn take_error(&mut self) -> Result<(), Errno> {
        self.error.take().map_or(Ok(()), Err)
    }

    /// The connection.
    ///
    /// # Errors
    /// `ENOTCONN` · an error that was not told yet.
    fn open(&mut self) -> Result<Option<&mut Open>, Errno> {
        match &mut self.role {
            Role::Open(open) => Ok(Some(open)),
            Role::Shut | Role::Over => self.error.take().map_or(Ok(None), Err),
            _ => Err(self.error.take().unwrap_or(Errno::ENOTCONN)),
        }
    }

    /// Reads; 0 is the end.
    ///
    /// # Errors
    /// `EAGAIN` · `ENOTCONN` · `ECONNRESET` `EPROTO` the other end is lost.
    pub fn read(&mut self, to: &mut Output<'_>, is_peek: bool) -> Result<usize, Errno> {
        let Some(open) = self.open()? else {
            return Ok(0);
        };
        if open.reads_no_more || to.is_empty() {
            return Ok(0);
        }
        let looked = open.channel.state(false).map(|state| open.state = state);
        let done = match looked {
            // What has come can still be read.
            Err(errno) if open.ahead.is_empty() => Err(errno),
            _ if is_peek => open.peek(to),
            _ => open.read(to),
        };
        match done {
            Ok(0) if open.has_end() => Ok(0),
            Ok(0) => Err(Errno::EAGAIN),
            Ok(count) => {
                if let Ok(state) = open.channel.state(false) {
                    open.state = state;
                }
                Ok(count)
            }
            Err(errno @ (Errno::ECONNRESET | Errno::EPROTO)) => {
                self.role = Role::Over;
                Err(errno)
            }
            Err(errno) => Err(errno),
        }
    }

    /// Writes as much as there is room for.
    ///
    /// # Errors
    /// `EAGAIN` · `ENOTCONN` · `EPIPE` nobody reads · `ECONNRESET` `EPROTO` the other end is lost.
    pub fn write(&mut self, from: &mut Input<'_>) -> Result<usize, Errno> {
        let open = self.open()?.ok_or(Errno::EPIPE)?;
        if open.writes_no_more {
            return Err(Errno::EPIPE);
        }
        let state = open.channel.state(false);
        let done = state.and_then(|state| {
            open.state = state;
            match state.is_gone {
                true => Err(Errno::EPIPE),
                false => open.write(from),
            }
        });
        if let Ok(state) = open.channel.state(false) {
            open.state = state;
        }
        match done {
            Ok(0) if !from.is_empty() => Err(Errno::EAGAIN),
            Err(errno @ (Errno::ECONNRESET | Errno::EPROTO)) => {
                self.role = Role::Over;
                Err(errno)
            }
            done => done,
        }
    }

    /// Reads or writes no more.
    ///
    /// # Errors
    /// `ENOTCONN`.
    pub fn shut(&mut self, reads: bool, writes: bool) -> Result<(), Errno> {
        let Role::Open(open) = &mut self.role else {
            return match self.role {
                Role::Shut | Role::Over => Ok(()),
                _ => Err(Errno::ENOTCONN),
            };
        };
        if writes && !open.writes_no_more {
            open.writes_no_more = true;
            open.channel.fall_silent();
        }
        open.reads_no_more |= reads;
        if open.reads_no_more && open.writes_no_more {
            self.role = Role::Shut;
        }
        Ok(())
    }

    /// How many bytes can be read.
    pub fn ready_bytes(&mut self) -> usize {
        match &mut self.role {
            Role::Open(open) => {
                if let Ok(state) = open.channel.state(false) {
                    open.state = state;
                }
                open.ahead.len() + open.state.ready
            }
            _ => 0,
        }
    }
}

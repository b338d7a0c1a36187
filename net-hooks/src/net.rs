//! The stack, the sockets that have a descriptor, and the one lock around both.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use muslin::fd::{File, POLLIN};
use muslin::user::{Input, Output};
use muslin::{Errno, Lock, clock, service};
use muslin_net_stack::{Failure, Kind, ReceiveHow, Received, SendTo, SocketId, Stack};

use crate::configure;
use crate::kept::Kept;
use crate::socket::Socket;

/// Bytes that are copied at once; the longest datagram has less.
const BOUNCE_BYTES: usize = 64 * 1024;
/// How often the stack may have something to do at once before others have their turn.
const ROUNDS_MAX: usize = 8;

/// What all calls share.
pub struct Net {
    /// The stack.
    pub stack: Box<dyn Stack + Send>,
    /// Sockets by the places that the stack gives them.
    entries: Vec<Option<Entry>>,
    /// The program's bytes on their way.
    bounce: Vec<u8>,
    /// When the service will run at the latest.
    service_at_ns: u64,
}

/// A socket that has a descriptor.
struct Entry {
    id: SocketId,
    file: Arc<File>,
    kept: Kept,
}

/// Nothing before the first socket.
static NET: Lock<Option<Net>> = Lock::new(None);

/// Makes the network if it is not there yet.
///
/// # Errors
/// The service cannot run.
pub fn begin() -> Result<(), Errno> {
    if NET.lock().is_some() {
        return Ok(());
    }
    let stack = configure::stack()?;
    let mut bounce = Vec::new();
    let room = bounce.try_reserve_exact(BOUNCE_BYTES);
    room.map_err(|_| Errno::ENOBUFS)?;
    bounce.resize(BOUNCE_BYTES, 0);
    let net = Net {
        stack,
        entries: Vec::new(),
        bounce,
        service_at_ns: 0,
    };
    let is_first = {
        let mut place = NET.lock();
        let is_first = place.is_none();
        if is_first {
            *place = Some(net);
        }
        is_first
    };
    if is_first {
        service::start(serve)?;
    }
    Ok(())
}

/// Does something with the network; then packets move and whoever waits is told.
///
/// # Errors
/// `EBADF` there is none yet: nobody has a socket.
pub fn with<R>(act: impl FnOnce(&mut Net) -> R) -> Result<R, Errno> {
    let mut place = NET.lock();
    let net = place.as_mut().ok_or(Errno::EBADF)?;
    let now_ns = clock::now_ns();
    net.stack.set_time(now_ns);
    let result = act(net);
    net.settle(now_ns);
    Ok(result)
}

/// As [`with`], for what answers by itself.
///
/// # Errors
/// What it answers.
pub fn attempt<R>(act: impl FnOnce(&mut Net) -> Result<R, Errno>) -> Result<R, Errno> {
    with(act)?
}

/// What runs beside the calls.
fn serve(now_ns: u64) -> Option<u64> {
    let mut place = NET.lock();
    let net = place.as_mut()?;
    net.stack.set_time(now_ns);
    let deadline_ns = net.stack.poll(now_ns);
    net.tell();
    net.service_at_ns = deadline_ns;
    (deadline_ns != u64::MAX).then_some(deadline_ns)
}

impl Net {
    /// Moves what is due and tells whoever waits.
    fn settle(&mut self, now_ns: u64) {
        let mut deadline_ns = self.stack.deadline();
        for _ in 0..ROUNDS_MAX {
            if deadline_ns > now_ns {
                break;
            }
            deadline_ns = self.stack.poll(now_ns);
        }
        self.tell();
        if deadline_ns < self.service_at_ns {
            self.service_at_ns = deadline_ns;
            service::kick();
        }
    }

    fn tell(&mut self) {
        while let Some(id) = self.stack.take_changed() {
            if let Some(entry) = self.entry(id) {
                let readiness = u32::from(self.stack.readiness(id));
                entry.file.changed(readiness, readiness & POLLIN);
            }
        }
    }

    /// Tells what a socket is ready for behind what the program did with it: it may be less than before,
    /// and nothing has come.
    pub fn tell_level(&self, id: SocketId) {
        if let Some(entry) = self.entry(id) {
            entry.file.changed(self.stack.readiness(id).into(), 0);
        }
    }

    /// Tells all that a socket is ready for as if it had just become so: a kernel shows what it may write
    /// anew only if that was away.
    pub fn tell_anew(&self, id: SocketId) {
        if let Some(entry) = self.entry(id) {
            let readiness = self.stack.readiness(id).into();
            entry.file.changed(0, 0);
            entry.file.changed(readiness, readiness);
        }
    }

    fn entry(&self, id: SocketId) -> Option<&Entry> {
        let entry = self.entries.get(id.index as usize)?.as_ref()?;
        (entry.id == id).then_some(entry)
    }

    /// Makes a place for a socket that will get a descriptor.
    ///
    /// # Errors
    /// `ENOBUFS`.
    pub fn make_room(&mut self, id: SocketId) -> Result<(), Errno> {
        let index = id.index as usize;
        if index >= self.entries.len() {
            let more = index + 1 - self.entries.len();
            let room = self.entries.try_reserve(more);
            room.map_err(|_| Errno::ENOBUFS)?;
            self.entries.resize_with(index + 1, || None);
        }
        Ok(())
    }

    /// Remembers a socket that has got its descriptor, and for which there is a place.
    pub fn enter(&mut self, id: SocketId, file: Arc<File>, kept: Kept) {
        let readiness = u32::from(self.stack.readiness(id));
        file.changed(readiness, readiness);
        if let Some(place) = self.entries.get_mut(id.index as usize) {
            *place = Some(Entry { id, file, kept });
        }
    }

    /// Its last descriptor is closed.
    pub fn leave(&mut self, id: SocketId) {
        let place = self.entries.get_mut(id.index as usize);
        if let Some(place) = place
            && place.as_ref().is_some_and(|entry| entry.id == id)
        {
            *place = None;
        }
        self.stack.close(id);
    }

    /// The program is over: closes all that it has open.
    pub fn leave_all(&mut self) {
        for at in 0..self.entries.len() {
            let entry = self.entries.get(at).and_then(Option::as_ref);
            if let Some(id) = entry.map(|entry| entry.id) {
                self.leave(id);
            }
        }
    }

    /// The open file of a socket, to wait for.
    ///
    /// # Errors
    /// `EBADF` it is closed.
    pub fn file(&self, id: SocketId) -> Result<Arc<File>, Errno> {
        let entry = self.entry(id).ok_or(Errno::EBADF)?;
        Ok(entry.file.clone())
    }

    /// What the calls themselves keep of a socket's options.
    ///
    /// # Errors
    /// `EBADF` it is closed.
    pub fn kept(&mut self, id: SocketId) -> Result<&mut Kept, Errno> {
        let place = self.entries.get_mut(id.index as usize);
        match place.and_then(Option::as_mut) {
            Some(entry) if entry.id == id => Ok(&mut entry.kept),
            _ => Err(Errno::EBADF),
        }
    }

    /// Sends what the program has: a stream as much as there is room for, else one datagram.
    ///
    /// # Errors
    /// Those of [`Stack::send`].
    pub fn send(
        &mut self,
        socket: &Socket,
        from: &mut Input<'_>,
        to: &SendTo,
        more: bool,
    ) -> Result<usize, Errno> {
        if socket.kind != Kind::Stream && from.len() > self.bounce.len() {
            return Err(Errno::EMSGSIZE);
        }
        let mut sent = 0;
        let kept = self.kept(socket.id)?;
        let more = more || kept.is_corked;
        let to = &SendTo {
            segment_bytes: to.segment_bytes.or(kept.segment_bytes),
            ..*to
        };
        loop {
            let mut ahead = from.clone();
            let len = ahead.take(&mut self.bounce);
            let Some(bytes) = self.bounce.get(..len) else {
                return Ok(sent);
            };
            if sent > 0 && len == 0 {
                return Ok(sent);
            }
            let more = more || !ahead.is_empty();
            match self.stack.send(socket.id, &[bytes], to, more) {
                Ok(taken) if taken == len => {
                    *from = ahead;
                    sent += taken;
                    if socket.kind != Kind::Stream || from.is_empty() {
                        return Ok(sent);
                    }
                }
                Ok(taken) => {
                    if let Some(bytes) = self.bounce.get_mut(..taken) {
                        from.take(bytes);
                    }
                    return Ok(sent + taken);
                }
                Err(_) if sent > 0 => return Ok(sent),
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Receives into the program's memory: of a stream what is there, else one datagram. What is
    /// `discarded` is taken and not copied.
    ///
    /// # Errors
    /// Those of [`Stack::receive`].
    pub fn receive(
        &mut self,
        socket: &Socket,
        to: &mut Output<'_>,
        how: ReceiveHow,
        is_discarded: bool,
    ) -> Result<Received, Errno> {
        let mut whole: Option<Received> = None;
        loop {
            let room = to.len().min(self.bounce.len());
            let place = self.bounce.get_mut(..room).unwrap_or_default();
            let received = match (self.stack.receive(socket.id, &mut [place], how), whole) {
                (Ok(received), _) => received,
                (Err(_), Some(whole)) => return Ok(whole),
                (Err(errno), None) => return Err(errno),
            };
            let bytes = self.bounce.get(..received.bytes).unwrap_or_default();
            if is_discarded {
                to.skip(bytes.len());
            } else {
                to.put(bytes);
            }
            let before = whole.map_or(0, |whole| whole.bytes);
            let is_full = received.bytes == room;
            let whole = whole.insert(Received {
                bytes: before + received.bytes,
                full_length: before + received.full_length,
                ..received
            });
            let goes_on = socket.kind == Kind::Stream && is_full && !how.peek && !to.is_empty();
            if !goes_on {
                return Ok(*whole);
            }
        }
    }

    /// Tells of a message that did not arrive.
    ///
    /// # Errors
    /// Those of [`Stack::receive_failure`].
    pub fn receive_failure(
        &mut self,
        socket: &Socket,
        to: &mut Output<'_>,
    ) -> Result<Failure, Errno> {
        let room = to.len().min(self.bounce.len());
        let place = self.bounce.get_mut(..room).unwrap_or_default();
        let failure = self.stack.receive_failure(socket.id, &mut [place])?;
        let bytes = self.bounce.get(..failure.received.bytes);
        to.put(bytes.unwrap_or_default());
        self.tell_level(socket.id);
        Ok(failure)
    }
}

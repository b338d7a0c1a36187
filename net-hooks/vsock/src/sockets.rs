//! All sockets, and the lock around them.

use alloc::sync::Arc;
use alloc::vec::Vec;

use muslin::fd::{File, POLLIN, POLLOUT};
use muslin::{Errno, Lock, service};
use muslin_platform::Channels;

use crate::address::{ANY, Address};
use crate::entry::{Entry, Role};

/// How often it is looked whether other guests are still there: no event tells of one's end.
const LOOK_NS: u64 = 300_000_000;
/// Ports that are given to those who name none.
const FIRST_PORT: u32 = 1 << 20;

/// Runs something beside the calls from now on, as [`muslin::service::start`] does; but there may be other
/// services.
pub type StartFn = fn(muslin::service::RunFn) -> Result<(), Errno>;

/// What all calls share.
pub struct Sockets {
    /// The channels of the platform.
    pub channels: &'static dyn Channels,
    start: StartFn,
    has_started: bool,
    places: Vec<Option<Place>>,
    /// When all were last looked at thoroughly.
    looked_ns: u64,
    next_port: u32,
}

/// A socket that has a descriptor, or will have one soon.
struct Place {
    id: u64,
    file: Option<Arc<File>>,
    entry: Entry,
}

/// The name of a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Id {
    index: usize,
    /// No other socket ever has the same.
    number: u64,
}

static SOCKETS: Lock<Option<Sockets>> = Lock::new(None);
static NEXT: Lock<u64> = Lock::new(0);

/// Says where channels come from, and what starts a service.
pub fn choose(channels: &'static dyn Channels, start: StartFn) {
    *SOCKETS.lock() = Some(Sockets {
        channels,
        start,
        has_started: false,
        places: Vec::new(),
        looked_ns: 0,
        next_port: FIRST_PORT,
    });
}

/// Does something with the sockets.
///
/// # Errors
/// What it answers.
pub fn with<R>(act: impl FnOnce(&mut Sockets) -> Result<R, Errno>) -> Result<R, Errno> {
    let mut sockets = SOCKETS.lock();
    act(sockets.as_mut().ok_or(Errno::EAFNOSUPPORT)?)
}

/// Does something with one, and tells what it is ready for then.
///
/// # Errors
/// What it answers · `EBADF` it is closed.
pub fn with_one<R>(
    id: Id,
    act: impl FnOnce(&mut Entry, &dyn Channels) -> Result<R, Errno>,
) -> Result<R, Errno> {
    with(|sockets| {
        let channels = sockets.channels;
        let place = sockets.place(id)?;
        let result = act(&mut place.entry, channels);
        place.tell(false);
        result
    })
}

/// Starts what runs beside the calls, if it is not there yet.
///
/// # Errors
/// `ENOMEM`.
pub fn begin() -> Result<(), Errno> {
    let start = with(|sockets| {
        let is_first = !core::mem::replace(&mut sockets.has_started, true);
        Ok(is_first.then_some(sockets.start))
    })?;
    match start {
        Some(start) => start(serve).inspect_err(|_| {
            // The next socket may find memory for it.
            let _ = with(|sockets| {
                sockets.has_started = false;
                Ok(())
            });
        }),
        None => {
            // It may have nothing to look at so far.
            service::kick();
            Ok(())
        }
    }
}

fn serve(now_ns: u64) -> Option<u64> {
    let mut sockets = SOCKETS.lock();
    let sockets = sockets.as_mut()?;
    let is_thorough = now_ns.saturating_sub(sockets.looked_ns) >= LOOK_NS;
    if is_thorough {
        sockets.looked_ns = now_ns;
        sockets.channels.settle();
    }
    let mut is_busy = false;
    for place in sockets.places.iter_mut().flatten() {
        is_busy |= !matches!(place.entry.role, Role::Fresh | Role::Shut | Role::Over);
        let has_come = place.entry.go_on(sockets.channels, now_ns, is_thorough);
        place.tell(has_come);
    }
    is_busy.then_some(sockets.looked_ns.saturating_add(LOOK_NS))
}

impl Place {
    /// Tells what it is ready for, and whether that has just come.
    fn tell(&mut self, is_anew: bool) {
        let is_anew = self.entry.take_news() || is_anew;
        if let Some(file) = &self.file {
            let readiness = self.entry.readiness();
            let anew = if is_anew { POLLIN | POLLOUT } else { 0 };
            file.changed(readiness, readiness & anew);
        }
    }
}

impl Sockets {
    fn place(&mut self, id: Id) -> Result<&mut Place, Errno> {
        match self.places.get_mut(id.index) {
            Some(Some(place)) if place.id == id.number => Ok(place),
            _ => Err(Errno::EBADF),
        }
    }

    /// Keeps a socket.
    ///
    /// # Errors
    /// `ENOBUFS`.
    pub fn add(&mut self, entry: Entry) -> Result<Id, Errno> {
        let free = self.places.iter().position(Option::is_none);
        let index = free.unwrap_or(self.places.len());
        if free.is_none() {
            self.places.try_reserve(1).map_err(|_| Errno::ENOBUFS)?;
            self.places.push(None);
        }
        let mut next = NEXT.lock();
        *next += 1;
        let number = *next;
        if let Some(place) = self.places.get_mut(index) {
            *place = Some(Place {
                id: number,
                file: None,
                entry,
            });
        }
        Ok(Id { index, number })
    }

    /// It has a descriptor now.
    ///
    /// # Errors
    /// `EBADF` it is closed already.
    pub fn enter(&mut self, id: Id, file: Arc<File>) -> Result<(), Errno> {
        let place = self.place(id)?;
        place.file = Some(file);
        place.tell(true);
        Ok(())
    }

    /// Gives a socket its own address.
    ///
    /// # Errors
    /// `EINVAL` it has one, or was used without · `EBADF` it is closed.
    pub fn bind(&mut self, id: Id, local: Address) -> Result<(), Errno> {
        let entry = &mut self.place(id)?.entry;
        if entry.local.is_some() || !matches!(entry.role, Role::Fresh) {
            return Err(Errno::EINVAL);
        }
        entry.local = Some(local);
        Ok(())
    }

    /// The open file of a socket, to wait for.
    ///
    /// # Errors
    /// `EBADF` it is closed.
    pub fn file(&mut self, id: Id) -> Result<Arc<File>, Errno> {
        self.place(id)?.file.clone().ok_or(Errno::EBADF)
    }

    /// Its last descriptor is closed.
    pub fn leave(&mut self, id: Id) {
        if let Ok(place) = self.place(id) {
            let port = place.entry.local.map(|local| local.port);
            let was_listening = matches!(place.entry.role, Role::Listening { .. });
            if let Some(place) = self.places.get_mut(id.index) {
                *place = None;
            }
            if let Some(port) = port
                && was_listening
            {
                self.channels.close(port);
            }
        }
    }

    /// A connection that gets no descriptor waits again at the socket where it came, for whoever asks next.
    ///
    /// # Errors
    /// `EBADF` that is closed, and so is the connection · `EINVAL` it listens no more · `ENOBUFS`.
    pub fn put_back(&mut self, listener: Id, id: Id) -> Result<(), Errno> {
        self.place(id)?;
        let place = self.places.get_mut(id.index).and_then(Option::take);
        let entry = place.ok_or(Errno::EBADF)?.entry;
        let listener = self.place(listener)?;
        let Role::Listening { returned, .. } = &mut listener.entry.role else {
            return Err(Errno::EINVAL);
        };
        returned.try_reserve(1).map_err(|_| Errno::ENOBUFS)?;
        returned.push_front(entry);
        listener.tell(true);
        Ok(())
    }

    /// The program is over: closes all that it has open.
    pub fn leave_all(&mut self) {
        for index in 0..self.places.len() {
            let place = self.places.get(index).and_then(Option::as_ref);
            if let Some(number) = place.map(|place| place.id) {
                self.leave(Id { index, number });
            }
        }
    }

    /// Whether a socket is bound to this port.
    pub fn is_bound(&self, port: u32) -> bool {
        let mut places = self.places.iter().flatten();
        places.any(|place| {
            let entry = &place.entry;
            entry.peer.is_none() && entry.local.is_some_and(|local| local.port == port)
        })
    }

    /// A port that nobody has.
    pub fn free_port(&mut self) -> u32 {
        loop {
            let port = self.next_port;
            self.next_port = match port + 1 {
                ANY => FIRST_PORT,
                next => next,
            };
            if !self.is_bound(port) {
                return port;
            }
        }
    }
}

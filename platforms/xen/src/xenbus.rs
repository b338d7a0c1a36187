//! How a device's two ends find each other: the front end is this guest's, the back end another's. Each
//! has a place in xenstore, and says there how far it is.
//!
//! Source: Xen 4.17 `xen/include/public/io/xenbus.h`.

use muslin_abi::Errno;

use crate::abi;
use crate::guest::Guest;
use crate::ring::Broken;
use crate::xenstore::{ALONE, Bell, PATH_BYTES_MAX, Store, decimal};

/// How long a back end may take from one state to the next.
const STEP_NS_MAX: u64 = 30_000_000_000;

/// How far an end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct State(pub u64);

impl State {
    /// The back end waits for what the front end says.
    pub const INIT_WAIT: Self = Self(abi::XenbusStateInitWait);
    /// This end has said everything.
    pub const INITIALISED: Self = Self(abi::XenbusStateInitialised);
    /// The device works.
    pub const CONNECTED: Self = Self(abi::XenbusStateConnected);
    /// This end goes away, or has gone.
    pub const CLOSING: Self = Self(abi::XenbusStateClosing);
    /// See [`CLOSING`](Self::CLOSING).
    pub const CLOSED: Self = Self(abi::XenbusStateClosed);
}

/// Part of a path.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    bytes: [u8; PATH_BYTES_MAX],
    len: usize,
}

impl Path {
    fn new(parts: &[&str]) -> Result<Self, Errno> {
        let mut path = Self {
            bytes: [0; PATH_BYTES_MAX],
            len: 0,
        };
        for part in parts {
            let end = path.len + part.len();
            let place = path.bytes.get_mut(path.len..end).ok_or(Errno::E2BIG)?;
            place.copy_from_slice(part.as_bytes());
            path.len = end;
        }
        Ok(path)
    }

    /// Its text.
    pub fn text(&self) -> &str {
        str::from_utf8(&self.bytes[..self.len]).unwrap_or_default()
    }
}

/// A front end.
#[derive(Clone, Copy, Debug)]
pub struct Front {
    path: Path,
    back: Path,
    /// The guest with the back end.
    pub domain: u16,
}

impl Front {
    /// The front end of the device `number` of a kind, as xenstore spells it.
    ///
    /// # Errors
    /// `ENOENT`: there is no such device · others of xenstore.
    pub fn find<B: Bell>(store: &mut Store<B>, kind: &str, number: u64) -> Result<Self, Errno> {
        let mut digits = [0; 20];
        let number = decimal(number, &mut digits);
        let path = Path::new(&["device/", kind, "/", number, "/"])?;
        let mut room = [0; PATH_BYTES_MAX];
        let back = store.read(ALONE, &[path.text(), "backend"], &mut room)?;
        let back = str::from_utf8(back).map_err(|_| Errno::EPROTO)?;
        let domain = store.number(ALONE, &[path.text(), "backend-id"])?;
        Ok(Self {
            path,
            back: Path::new(&[back, "/"])?,
            domain: u16::try_from(domain).map_err(|_| Errno::EPROTO)?,
        })
    }

    /// Says something.
    ///
    /// # Errors
    /// Those of xenstore.
    pub fn say<B: Bell>(
        &self,
        store: &mut Store<B>,
        name: &str,
        value: &[u8],
    ) -> Result<(), Errno> {
        store.write(ALONE, &[self.path.text(), name], value)
    }

    /// Says a number.
    ///
    /// # Errors
    /// Those of xenstore.
    pub fn say_number<B: Bell>(
        &self,
        store: &mut Store<B>,
        name: &str,
        number: u64,
    ) -> Result<(), Errno> {
        store.write_number(ALONE, &[self.path.text(), name], number)
    }

    /// Says how far this end is.
    ///
    /// # Errors
    /// Those of xenstore.
    pub fn enter<B: Bell>(&self, store: &mut Store<B>, state: State) -> Result<(), Errno> {
        self.say_number(store, "state", state.0)
    }

    /// A text that is said of this end.
    ///
    /// # Errors
    /// Those of xenstore.
    pub fn own_text<'a, B: Bell>(
        &self,
        store: &mut Store<B>,
        name: &str,
        room: &'a mut [u8],
    ) -> Result<&'a str, Errno> {
        let text = store.read(ALONE, &[self.path.text(), name], room)?;
        str::from_utf8(text).map_err(|_| Errno::EPROTO)
    }

    /// A number that the back end says.
    ///
    /// # Errors
    /// Those of xenstore.
    pub fn number<B: Bell>(&self, store: &mut Store<B>, name: &str) -> Result<u64, Errno> {
        store.number(ALONE, &[self.back.text(), name])
    }

    /// How far the back end is; one that has no place any more is closed.
    ///
    /// # Errors
    /// Those of xenstore.
    pub fn state<B: Bell>(&self, store: &mut Store<B>) -> Result<State, Errno> {
        match self.number(store, "state") {
            Err(Errno::ENOENT) => Ok(State::CLOSED),
            state => state.map(State),
        }
    }

    /// Finds out whether the back end of a device that works is still there. It is asked only if something in
    /// xenstore has changed since the last time, of which `seen` is kept.
    ///
    /// # Errors
    /// [`Broken::Gone`].
    pub fn look_after<B: Bell>(&self, store: &mut Store<B>, seen: &mut u32) -> Result<(), Broken> {
        let gone = |_: Errno| Broken::Gone;
        let changes = store.changes().map_err(gone)?;
        if changes == *seen {
            return Ok(());
        }
        *seen = changes;
        match self.state(store).map_err(gone)? {
            State::CONNECTED => Ok(()),
            _ => Err(Broken::Gone),
        }
    }

    /// Waits until the back end is as far as `wanted`, or farther. It is watched from now on.
    ///
    /// # Errors
    /// `ENXIO` it goes away · `ETIMEDOUT` nothing came of it · `EPROTO` it says what is no state · those of
    /// xenstore.
    pub fn wait_for(&self, guest: &mut impl Guest, wanted: State) -> Result<(), Errno> {
        match guest.store().watch(&[self.back.text(), "state"]) {
            // It is watched already.
            Ok(()) | Err(Errno::EEXIST) => {}
            Err(errno) => return Err(errno),
        }
        let deadline_ns = guest.now_ns().saturating_add(STEP_NS_MAX);
        loop {
            let seen = guest.store().changes()?;
            match self.state(guest.store())? {
                State::CLOSING | State::CLOSED => return Err(Errno::ENXIO),
                state if state > State::CONNECTED => return Err(Errno::EPROTO),
                state if state >= wanted => return Ok(()),
                _ => {}
            }
            while guest.store().changes()? == seen {
                if guest.now_ns() >= deadline_ns {
                    return Err(Errno::ETIMEDOUT);
                }
                guest.wait(Some(deadline_ns));
            }
        }
    }
}

/// Why a device cannot be had, in words.
pub fn why(errno: Errno) -> &'static str {
    match errno {
        Errno::ENXIO => "its back end has gone away",
        Errno::ETIMEDOUT => "its back end does not answer",
        Errno::ENOSPC => "this guest has no grants or channels left",
        Errno::EACCES | Errno::EPERM => "xenstore does not let this guest see to it",
        Errno::EPROTO | Errno::EINVAL | Errno::ENOENT => "what xenstore says of it makes no sense",
        errno => errno.name().unwrap_or("it cannot be connected"),
    }
}

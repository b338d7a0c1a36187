//! xenstore: the tree of names and values by which guests and their devices find each other.
//!
//! [`Store`] asks one thing at a time and waits for the answer. Events of watches that come between are
//! kept, as far as there is room: only that something changed is known, and who watches looks again.
//!
//! The other side is dom0's and writes the page as well: its counters, lengths and numbers are checked.
//!
//! Source: Xen 4.17 `docs/misc/xenstore-ring.txt`, `docs/misc/xenstore.txt`, `io/xs_wire.h`.

use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, Ordering, fence};

use muslin_abi::Errno;

use crate::abi::{self, xenstore_domain_interface};

/// Bytes of each of the two rings.
const RING_BYTES: usize = abi::XENSTORE_RING_SIZE;
/// Where in the page they are, and the words that count their bytes: made and taken.
const OUT_AT: usize = offset_of!(xenstore_domain_interface, req);
const IN_AT: usize = offset_of!(xenstore_domain_interface, rsp);
const OUT_TAKEN: usize = offset_of!(xenstore_domain_interface, req_cons);
const OUT_MADE: usize = offset_of!(xenstore_domain_interface, req_prod);
const IN_TAKEN: usize = offset_of!(xenstore_domain_interface, rsp_cons);
const IN_MADE: usize = offset_of!(xenstore_domain_interface, rsp_prod);

/// Bytes of a message's header: what it is, whose answer, in which transaction, and how long.
const HEADER_BYTES: usize = size_of::<abi::xsd_sockmsg>();
/// The longest content of a message.
pub const CONTENT_BYTES_MAX: usize = abi::XENSTORE_PAYLOAD_MAX;
/// The longest path.
pub const PATH_BYTES_MAX: usize = 256;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
enum Kind {
    Directory = abi::XS_DIRECTORY,
    Read = abi::XS_READ,
    Permissions = abi::XS_GET_PERMS,
    Watch = abi::XS_WATCH,
    Unwatch = abi::XS_UNWATCH,
    TransactionStart = abi::XS_TRANSACTION_START,
    TransactionEnd = abi::XS_TRANSACTION_END,
    Write = abi::XS_WRITE,
    Remove = abi::XS_RM,
    Permit = abi::XS_SET_PERMS,
    WatchEvent = abi::XS_WATCH_EVENT,
    Error = abi::XS_ERROR,
    DirectoryPart = abi::XS_DIRECTORY_PART,
}

/// How often a transaction that others came between is tried.
const TRIES_MAX: usize = 100;

/// How the other side is told of something, and waited for.
pub trait Bell {
    /// Tells it.
    fn ring(&self);
    /// Waits until it may have done something.
    fn wait(&self);
}

/// A transaction; 0 is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transaction(u32);

/// Each request by itself.
pub const ALONE: Transaction = Transaction(0);

/// A client.
#[derive(Debug)]
pub struct Store<B> {
    page: *mut u8,
    bell: B,
    /// The number of the last request.
    number: u32,
    /// How often something changed that is watched.
    changes: u32,
}

// SAFETY: the page is the client's for as long as that is there; threads take turns.
unsafe impl<B: Send> Send for Store<B> {}

impl<B: Bell> Store<B> {
    /// A client by the page that is shared with xenstore.
    ///
    /// # Safety
    /// The page is writable and nobody else's but the other side's, for ever.
    pub unsafe fn new(page: *mut u8, bell: B) -> Self {
        Self {
            page,
            bell,
            number: 0,
            changes: 0,
        }
    }

    /// Reads a value into `room`.
    ///
    /// # Errors
    /// What xenstore says: `ENOENT`, `EACCES` … · `EMSGSIZE` it is longer than the room · `EPROTO` the other
    /// side does not keep to the rules.
    pub fn read<'a>(
        &mut self,
        within: Transaction,
        path: &[&str],
        room: &'a mut [u8],
    ) -> Result<&'a [u8], Errno> {
        let len = self.ask(Kind::Read, within, path, &[b"\0"], room)?;
        room.get(..len).ok_or(Errno::EMSGSIZE)
    }

    /// Reads a number.
    ///
    /// # Errors
    /// As [`read`](Self::read) · `EINVAL` it is no number.
    pub fn number(&mut self, within: Transaction, path: &[&str]) -> Result<u64, Errno> {
        let mut room = [0; 24];
        let text = self.read(within, path, &mut room)?;
        let text = str::from_utf8(text).map_err(|_| Errno::EINVAL)?;
        text.trim().parse().map_err(|_| Errno::EINVAL)
    }

    /// The names below a path, each ended by a zero: all of them, or, where there is no room for all, as many
    /// of the oldest as there is room for.
    ///
    /// # Errors
    /// As [`read`](Self::read), but for `EMSGSIZE`.
    pub fn names<'a>(&mut self, path: &[&str], room: &'a mut [u8]) -> Result<Names<'a>, Errno> {
        let (len, are_all) = match self.ask(Kind::Directory, ALONE, path, &[b"\0"], room) {
            Ok(len) => (len, len <= room.len()),
            // More than xenstore says at once.
            Err(Errno::E2BIG) => {
                let from_first = [&b"\0"[..], b"0\0"];
                let len = self.ask(Kind::DirectoryPart, ALONE, path, &from_first, room)?;
                (len, false)
            }
            Err(errno) => return Err(errno),
        };
        let mut names = &room[..len.min(room.len())];
        if len > names.len() {
            // The last one is not whole.
            let end = names.iter().rposition(|&byte| byte == 0);
            names = &names[..end.map_or(0, |end| end + 1)];
        }
        Ok(Names { names, are_all })
    }

    /// Writes a value; what is above it in the tree is made.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn write(&mut self, within: Transaction, path: &[&str], value: &[u8]) -> Result<(), Errno> {
        self.ask(Kind::Write, within, path, &[b"\0", value], &mut [])
            .map(|_| ())
    }

    /// Writes a number.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn write_number(
        &mut self,
        within: Transaction,
        path: &[&str],
        number: u64,
    ) -> Result<(), Errno> {
        let mut digits = [0; 20];
        self.write(within, path, decimal(number, &mut digits).as_bytes())
    }

    /// Removes a value and what is below it.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn remove(&mut self, within: Transaction, path: &[&str]) -> Result<(), Errno> {
        self.ask(Kind::Remove, within, path, &[b"\0"], &mut [])
            .map(|_| ())
    }

    /// Has [`changes`](Self::changes) tell when something at or below the path changes.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn watch(&mut self, path: &[&str]) -> Result<(), Errno> {
        self.ask(Kind::Watch, ALONE, path, &[b"\0w\0"], &mut [])
            .map(|_| ())
    }

    /// Undoes [`watch`](Self::watch).
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn unwatch(&mut self, path: &[&str]) -> Result<(), Errno> {
        self.ask(Kind::Unwatch, ALONE, path, &[b"\0w\0"], &mut [])
            .map(|_| ())
    }

    /// Which guest a value belongs to.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn owner(&mut self, path: &[&str]) -> Result<u32, Errno> {
        let mut room = [0; 16];
        self.ask(Kind::Permissions, ALONE, path, &[b"\0"], &mut room)?;
        // The owner comes first: a letter for what all others may, and its number, ended by a zero.
        let first = room.split(|&byte| byte == 0).next().unwrap_or_default();
        let digits = first
            .get(1..)
            .and_then(|digits| str::from_utf8(digits).ok());
        let number = digits.and_then(|digits| digits.parse().ok());
        number.ok_or(Errno::EPROTO)
    }

    /// Says who may do what with a value: for each guest a letter, `n` nothing, `r` read, `w` write, `b`
    /// both, and its number, ended by a zero. The first is the owner, and its letter is for all others.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub fn permit(
        &mut self,
        within: Transaction,
        path: &[&str],
        permissions: &[u8],
    ) -> Result<(), Errno> {
        self.ask(Kind::Permit, within, path, &[b"\0", permissions], &mut [])
            .map(|_| ())
    }

    /// How often something changed that is watched, so far: who remembers the number knows when to look
    /// again. Does not wait.
    ///
    /// # Errors
    /// `EPROTO`.
    pub fn changes(&mut self) -> Result<u32, Errno> {
        while self.ready()? != 0 {
            let header = self.header()?;
            if header.kind != Kind::WatchEvent as u32 {
                // An answer, and nothing was asked.
                return Err(Errno::EPROTO);
            }
            self.content(header.len, &mut [])?;
            self.changes = self.changes.wrapping_add(1);
        }
        Ok(self.changes)
    }

    /// Does all of `work`, or nothing of it, as if nobody else did anything meanwhile.
    ///
    /// # Errors
    /// As [`read`](Self::read), and those of `work` · `EAGAIN` somebody always came between.
    pub fn transaction<T>(
        &mut self,
        mut work: impl FnMut(&mut Self, Transaction) -> Result<T, Errno>,
    ) -> Result<T, Errno> {
        for _ in 0..TRIES_MAX {
            let mut room = [0; 16];
            let len = self.ask(Kind::TransactionStart, ALONE, &[], &[b"\0"], &mut room)?;
            let text = room.get(..len).and_then(|text| str::from_utf8(text).ok());
            let number = text.and_then(|text| text.trim_end_matches('\0').parse().ok());
            let within = Transaction(number.ok_or(Errno::EPROTO)?);
            let done = work(self, within);
            let word: &[u8] = if done.is_ok() { b"T\0" } else { b"F\0" };
            let ended = self.ask(Kind::TransactionEnd, within, &[], &[word], &mut []);
            match (done, ended) {
                (Ok(done), Ok(_)) => return Ok(done),
                (Ok(_), Err(Errno::EAGAIN)) => {}
                (Err(errno), _) | (Ok(_), Err(errno)) => return Err(errno),
            }
        }
        Err(Errno::EAGAIN)
    }

    /// Asks; the answer's length, which may be more than there is room for.
    fn ask(
        &mut self,
        kind: Kind,
        within: Transaction,
        path: &[&str],
        rest: &[&[u8]],
        room: &mut [u8],
    ) -> Result<usize, Errno> {
        let path_bytes: usize = path.iter().map(|part| part.len()).sum();
        let rest_bytes: usize = rest.iter().map(|part| part.len()).sum();
        if path_bytes > PATH_BYTES_MAX || path_bytes + rest_bytes > CONTENT_BYTES_MAX {
            return Err(Errno::E2BIG);
        }
        self.number = self.number.wrapping_add(1);
        let words = [
            kind as u32,
            self.number,
            within.0,
            (path_bytes + rest_bytes) as u32,
        ];
        for word in words {
            self.put(&word.to_le_bytes())?;
        }
        for part in path {
            self.put(part.as_bytes())?;
        }
        for part in rest {
            self.put(part)?;
        }
        self.bell.ring();
        loop {
            let header = self.header()?;
            if header.kind == Kind::WatchEvent as u32 {
                self.content(header.len, &mut [])?;
                self.changes = self.changes.wrapping_add(1);
                continue;
            }
            if header.number != self.number {
                return Err(Errno::EPROTO);
            }
            if header.kind == Kind::Error as u32 {
                let mut name = [0; 16];
                self.content(header.len, &mut name)?;
                let name = name.get(..header.len).unwrap_or(&name);
                return Err(errno_of(name));
            }
            if header.kind != kind as u32 {
                return Err(Errno::EPROTO);
            }
            self.content(header.len, room)?;
            return Ok(header.len);
        }
    }

    fn header(&mut self) -> Result<Header, Errno> {
        let mut bytes = [0; HEADER_BYTES];
        self.take(&mut bytes)?;
        let (words, _) = bytes.as_chunks::<4>();
        let [kind, number, _, len] = [0, 1, 2, 3].map(|index| u32::from_le_bytes(words[index]));
        let len = len as usize;
        if len > CONTENT_BYTES_MAX {
            return Err(Errno::EPROTO);
        }
        Ok(Header { kind, number, len })
    }

    /// Takes a content; what there is no room for is dropped.
    fn content(&mut self, len: usize, room: &mut [u8]) -> Result<(), Errno> {
        let taken = len.min(room.len());
        self.take(&mut room[..taken])?;
        for _ in taken..len {
            self.take(&mut [0])?;
        }
        Ok(())
    }

    fn word(&self, at: usize) -> &AtomicU32 {
        // SAFETY: an aligned word of the page, which is there for as long as this value.
        unsafe { AtomicU32::from_ptr(self.page.add(at).cast()) }
    }

    /// Bytes that are ready to be taken.
    fn ready(&self) -> Result<usize, Errno> {
        let made = self.word(IN_MADE).load(Ordering::Acquire);
        let taken = self.word(IN_TAKEN).load(Ordering::Relaxed);
        match made.wrapping_sub(taken) as usize {
            ready @ 0..=RING_BYTES => Ok(ready),
            _ => Err(Errno::EPROTO),
        }
    }

    fn take(&mut self, mut bytes: &mut [u8]) -> Result<(), Errno> {
        while !bytes.is_empty() {
            let ready = self.ready()?;
            if ready == 0 {
                self.bell.wait();
                continue;
            }
            let start = self.word(IN_TAKEN).load(Ordering::Relaxed);
            let (now, later) = bytes.split_at_mut(ready.min(bytes.len()));
            let mut at = start;
            for byte in now.iter_mut() {
                // SAFETY: inside the ring.
                *byte = unsafe {
                    let place = self.page.add(IN_AT + at as usize % RING_BYTES);
                    place.read_volatile()
                };
                at = at.wrapping_add(1);
            }
            self.word(IN_TAKEN).store(at, Ordering::Release);
            fence(Ordering::SeqCst);
            let made = self.word(IN_MADE).load(Ordering::Relaxed);
            if made.wrapping_sub(start) as usize >= RING_BYTES {
                // The ring was full: it waits for room.
                self.bell.ring();
            }
            bytes = later;
        }
        Ok(())
    }

    fn put(&mut self, mut bytes: &[u8]) -> Result<(), Errno> {
        while !bytes.is_empty() {
            let made = self.word(OUT_MADE).load(Ordering::Relaxed);
            let open = made.wrapping_sub(self.word(OUT_TAKEN).load(Ordering::Acquire));
            let room = RING_BYTES.checked_sub(open as usize).ok_or(Errno::EPROTO)?;
            if room == 0 {
                self.bell.ring();
                self.bell.wait();
                continue;
            }
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            let mut at = made;
            for &byte in now {
                // SAFETY: inside the ring.
                unsafe {
                    let place = self.page.add(OUT_AT + at as usize % RING_BYTES);
                    place.write_volatile(byte);
                }
                at = at.wrapping_add(1);
            }
            self.word(OUT_MADE).store(at, Ordering::Release);
            bytes = later;
        }
        Ok(())
    }
}

/// Names below a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Names<'a> {
    /// Each is ended by a zero. In front of some there may be a number, which is none of them.
    pub names: &'a [u8],
    /// There are no others.
    pub are_all: bool,
}

struct Header {
    kind: u32,
    number: u32,
    len: usize,
}

/// xenstore tells errors by name.
fn errno_of(name: &[u8]) -> Errno {
    const NAMES: [(&str, Errno); 14] = [
        ("EINVAL", Errno::EINVAL),
        ("EACCES", Errno::EACCES),
        ("EEXIST", Errno::EEXIST),
        ("EISDIR", Errno::EISDIR),
        ("ENOENT", Errno::ENOENT),
        ("ENOMEM", Errno::ENOMEM),
        ("ENOSPC", Errno::ENOSPC),
        ("EIO", Errno::EIO),
        ("ENOSYS", Errno::ENOSYS),
        ("EROFS", Errno::EROFS),
        ("EBUSY", Errno::EBUSY),
        ("EAGAIN", Errno::EAGAIN),
        ("E2BIG", Errno::E2BIG),
        ("EPERM", Errno::EPERM),
    ];
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    let known = NAMES.iter().find(|(known, _)| known.as_bytes() == name);
    known.map_or(Errno::EIO, |&(_, errno)| errno)
}

/// A number's digits.
pub fn decimal(mut number: u64, room: &mut [u8; 20]) -> &str {
    let mut at = room.len();
    loop {
        at -= 1;
        room[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    str::from_utf8(&room[at..]).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests;

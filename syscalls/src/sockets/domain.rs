//! What all ends share: their names, and the open files that are on their way.
//!
//! An open file that is on its way lives by the message that it is in. A socket that is on its way only
//! in messages that wait in itself, or in such sockets in turn, can never be received: when as many
//! sockets have been closed as are on their way, those are looked for and emptied.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use muslin_abi::Errno;

use super::address::Name;
use super::endpoint::{Endpoint, Kind};
use super::message::Message;
use super::socket::Socket;
use crate::files::file::File;
use crate::lock::Mutex;

/// Names that the machine chooses itself are below this: five digits.
const AUTOMATIC_NAMES: u32 = 1 << 20;

/// How an end is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// By the number of the file that is its name.
    Inode(u64),
    /// By its name: each kind has names of its own.
    Abstract(Kind, Vec<u8>),
}

impl Key {
    /// The key of a name.
    pub fn of(kind: Kind, name: &Name) -> Self {
        match name {
            Name::Path { inode, .. } => Self::Inode(inode.number()),
            Name::Abstract(name) => Self::Abstract(kind, name.clone()),
        }
    }
}

/// See the module.
#[derive(Default)]
pub struct Domain {
    names: Mutex<BTreeMap<Key, Weak<Endpoint>>>,
    next_automatic: AtomicU32,
    /// Sockets that are on their way, by the addresses of their descriptions.
    travellers: Mutex<BTreeMap<usize, Traveller>>,
    /// Sockets that were closed since those were last looked for.
    closed: AtomicUsize,
    dead: Mutex<Dead>,
}

/// A socket that is on its way.
struct Traveller {
    file: Weak<File>,
    /// In how many messages, or how often in one.
    count: usize,
}

/// Messages that nobody will receive.
#[derive(Default)]
struct Dead {
    messages: Vec<Message>,
    is_burying: bool,
}

impl Domain {
    /// The end that has this name.
    pub fn find(&self, key: &Key) -> Option<Arc<Endpoint>> {
        self.names.lock().get(key)?.upgrade()
    }

    /// Gives an end a name.
    ///
    /// # Errors
    /// `EADDRINUSE` another has it.
    pub fn put(&self, key: Key, endpoint: &Arc<Endpoint>) -> Result<(), Errno> {
        let mut names = self.names.lock();
        if names.contains_key(&key) {
            return Err(Errno::EADDRINUSE);
        }
        names.insert(key, Arc::downgrade(endpoint));
        Ok(())
    }

    /// Gives an end a name that nobody has.
    ///
    /// # Errors
    /// `ENOSPC` all are taken.
    pub fn put_anywhere(&self, endpoint: &Arc<Endpoint>) -> Result<Name, Errno> {
        for _ in 0..AUTOMATIC_NAMES {
            let number = self.next_automatic.fetch_add(1, Ordering::Relaxed) % AUTOMATIC_NAMES;
            let name = Name::Abstract(format!("\0{number:05x}").into_bytes());
            if self.put(Key::of(endpoint.kind, &name), endpoint).is_ok() {
                return Ok(name);
            }
        }
        Err(Errno::ENOSPC)
    }

    /// Nobody has this name any more.
    pub fn remove(&self, key: &Key) {
        self.names.lock().remove(key);
    }

    /// Files are on their way.
    pub fn departed(&self, files: &[Arc<File>]) {
        for file in files.iter().filter(|file| Socket::of(file).is_some()) {
            let mut travellers = self.travellers.lock();
            let traveller = travellers.entry(address_of(file)).or_insert(Traveller {
                file: Arc::downgrade(file),
                count: 0,
            });
            traveller.count += 1;
        }
    }

    /// They are not any more.
    pub fn arrived(&self, files: &[Arc<File>]) {
        for file in files.iter().filter(|file| Socket::of(file).is_some()) {
            let mut travellers = self.travellers.lock();
            if let Some(traveller) = travellers.get_mut(&address_of(file)) {
                traveller.count -= 1;
                if traveller.count == 0 {
                    travellers.remove(&address_of(file));
                }
            }
        }
    }

    /// Drops messages that nobody will receive. A socket in one of them is dropped with it, and its
    /// messages come here in turn: they wait until it is their turn, however many there are.
    pub fn bury(&self, messages: impl IntoIterator<Item = Message>) {
        {
            let mut dead = self.dead.lock();
            dead.messages.extend(messages);
            if dead.is_burying {
                return;
            }
            dead.is_burying = true;
        }
        loop {
            let message = self.dead.lock().messages.pop();
            if message.is_none() {
                break;
            }
        }
        self.dead.lock().is_burying = false;
    }

    /// A socket was closed.
    pub fn closed(&self) {
        let travellers = self.travellers.lock().len();
        let closed = self.closed.fetch_add(1, Ordering::Relaxed) + 1;
        if closed < travellers {
            return;
        }
        self.closed.store(0, Ordering::Relaxed);
        if travellers > 0 {
            self.collect();
        }
    }

    /// Empties the sockets that only messages in themselves keep open.
    fn collect(&self) {
        // Those that have no descriptor, and which of them each holds.
        let mut holders = BTreeMap::new();
        let mut from_outside: BTreeMap<usize, usize> = BTreeMap::new();
        for (&address, traveller) in self.travellers.lock().iter() {
            if traveller.file.strong_count() == traveller.count {
                from_outside.insert(address, traveller.count);
                holders.insert(address, traveller.file.clone());
            }
        }
        let mut held: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (&address, file) in &holders {
            let Some(file) = file.upgrade() else { continue };
            let Some(endpoint) = Socket::of(&file) else {
                continue;
            };
            let mut files = endpoint.addresses_held();
            files.retain(|file| holders.contains_key(file));
            for file in &files {
                if let Some(count) = from_outside.get_mut(file) {
                    *count -= 1;
                }
            }
            held.insert(address, files);
        }
        // Whom a message elsewhere holds can be received, and with it all that it holds.
        let mut reached = BTreeSet::new();
        let mut next: Vec<usize> = from_outside
            .iter()
            .filter(|&(_, &count)| count > 0)
            .map(|(&address, _)| address)
            .collect();
        while let Some(address) = next.pop() {
            if reached.insert(address) {
                next.extend(held.get(&address).into_iter().flatten());
            }
        }
        let lost = holders
            .iter()
            .filter(|(address, _)| !reached.contains(*address));
        let lost: Vec<Arc<File>> = lost.filter_map(|(_, file)| file.upgrade()).collect();
        for file in &lost {
            if let Some(endpoint) = Socket::of(file) {
                self.bury(endpoint.take_all());
            }
        }
    }

    /// Whether no socket is on its way.
    #[cfg(test)]
    pub fn has_no_travellers(&self) -> bool {
        self.travellers.lock().is_empty()
    }
}

/// What names a description as long as it lives.
pub fn address_of(file: &Arc<File>) -> usize {
    Arc::as_ptr(file).addr()
}

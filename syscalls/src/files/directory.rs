//! A directory: names by their bytes, and an order that stays while names come and go, so that
//! reading it piece by piece meets every name once.

use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

use muslin_abi::Errno;
use muslin_abi::flags::{IN_ATTRIB, IN_CREATE};

use super::entries::{Entries, Entry};
use super::inode::{Inode, LINKS_MAX, Time};

/// Longest name in bytes.
pub const NAME_BYTES_MAX: usize = 255;

/// A name: shared between the two maps of a directory.
pub type Name = Arc<[u8]>;

/// The names in a directory.
pub struct Directory {
    entries: Entries,
    /// By place; a name that is gone leaves its place empty until most are.
    order: Vec<(u64, Option<Name>)>,
    next_place: u64,
    /// Where `..` leads.
    pub parent: Weak<Inode>,
    /// Its own name in the parent; empty for the root.
    pub name: Name,
    /// Whether `rmdir` took it away: no name can come into it any more.
    pub is_removed: bool,
}

/// An empty directory keeps the memory of no more places than this.
const EMPTY_PLACES_MAX: usize = 64;

/// The places that `.` and `..` have in the order.
pub const FIRST_PLACE: u64 = 2;

impl Directory {
    /// An empty one.
    pub fn new(parent: Weak<Inode>) -> Self {
        Self {
            entries: Entries::default(),
            order: Vec::new(),
            next_place: FIRST_PLACE,
            parent,
            name: Name::from(&[][..]),
            is_removed: false,
        }
    }

    /// How many names there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The file of that name.
    pub fn get(&self, name: &[u8]) -> Option<&Arc<Inode>> {
        self.entries.get(name).map(|entry| &entry.inode)
    }

    /// The names from a place of the order on, with their places.
    pub fn from_place(&self, place: u64) -> impl Iterator<Item = (u64, &Name, &Arc<Inode>)> {
        let first = self.order.partition_point(|&(at, _)| at < place);
        self.order[first..].iter().filter_map(|(place, name)| {
            let name = name.as_ref()?;
            Some((*place, name, self.get(name)?))
        })
    }

    /// Has room for as many more names before anything is changed. The list of a large directory is
    /// more than the little that is asked for beforehand.
    fn reserve(&mut self, count: usize) -> Result<(), Errno> {
        self.entries.reserve()?;
        self.order.try_reserve(count).map_err(|_| Errno::ENOMEM)
    }

    /// A name as it is kept here.
    fn name_of(&self, name: &[u8]) -> Option<Name> {
        Some(self.entries.get(name)?.name.clone())
    }

    fn put(&mut self, name: &[u8], inode: Arc<Inode>) {
        let name = Name::from(name);
        let place = self.next_place;
        self.next_place += 1;
        self.order.push((place, Some(name.clone())));
        self.entries.insert(Entry { name, place, inode });
    }

    fn take(&mut self, name: &[u8]) -> Option<Arc<Inode>> {
        let entry = self.entries.remove(name)?;
        let at = self.order.binary_search_by_key(&entry.place, |&(at, _)| at);
        if let Some(place) = at.ok().and_then(|at| self.order.get_mut(at)) {
            place.1 = None;
        }
        if self.is_empty() && self.order.capacity() > EMPTY_PLACES_MAX {
            self.order = Vec::new();
            self.entries = Entries::default();
        } else if self.order.len() > 2 * self.entries.len() {
            self.order.retain(|(_, name)| name.is_some());
        }
        Some(entry.inode)
    }
}

/// Gives a file one more name. Whether it is a new one does not matter: what counts the names is the
/// caller's, but a directory's place is set here.
///
/// # Errors
/// `EEXIST` the name is taken · `ENOENT` the directory was removed · `ENOMEM` no memory for the list
/// of its names.
pub fn insert(
    parent: &Arc<Inode>,
    name: &[u8],
    inode: &Arc<Inode>,
    now: Time,
) -> Result<(), Errno> {
    insert_quietly(parent, name, inode, now)?;
    parent.tell_of_name(IN_CREATE, name, inode.is_directory());
    Ok(())
}

fn insert_quietly(
    parent: &Arc<Inode>,
    name: &[u8],
    inode: &Arc<Inode>,
    now: Time,
) -> Result<(), Errno> {
    let mut directory = parent.directory()?.lock();
    if directory.get(name).is_some() {
        return Err(Errno::EEXIST);
    }
    if directory.is_removed {
        return Err(Errno::ENOENT);
    }
    directory.reserve(1)?;
    directory.put(name, inode.clone());
    drop(directory);
    settle(parent, name, inode, now);
    Ok(())
}

/// Takes a name away, and with a directory its place. Telling of it is the caller's: the file may be gone
/// for good only when the caller holds it no more.
///
/// # Errors
/// `ENOENT` there is no such name.
pub fn remove(parent: &Arc<Inode>, name: &[u8], now: Time) -> Result<(), Errno> {
    let inode = parent.directory()?.lock().take(name).ok_or(Errno::ENOENT)?;
    if let Ok(directory) = inode.directory() {
        directory.lock().is_removed = true;
        parent.update(|meta| meta.links -= 1);
        inode.update(|meta| meta.links = 0);
    } else {
        inode.update(|meta| meta.links -= 1);
    }
    inode.update(|meta| meta.changed = now);
    parent.set_modified(now);
    Ok(())
}

/// One more name for a file that has one.
///
/// # Errors
/// `EMLINK` it has too many · as [`insert`].
pub fn link(parent: &Arc<Inode>, name: &[u8], inode: &Arc<Inode>, now: Time) -> Result<(), Errno> {
    if inode.meta().links >= LINKS_MAX {
        return Err(Errno::EMLINK);
    }
    insert_quietly(parent, name, inode, now)?;
    inode.update(|meta| {
        meta.links += 1;
        meta.changed = now;
    });
    inode.tell_own(IN_ATTRIB);
    parent.tell_of_name(IN_CREATE, name, false);
    Ok(())
}

/// Moves a name; what had the new name loses it. All checks are the caller's.
///
/// # Errors
/// As [`insert`] and [`remove`].
pub fn rename(
    from: (&Arc<Inode>, &[u8]),
    to: (&Arc<Inode>, &[u8]),
    now: Time,
) -> Result<(), Errno> {
    if to.0.directory()?.lock().is_removed {
        return Err(Errno::ENOENT);
    }
    to.0.directory()?.lock().reserve(1)?;
    if to.0.directory()?.lock().get(to.1).is_some() {
        remove(to.0, to.1, now)?;
    }
    let inode = from
        .0
        .directory()?
        .lock()
        .take(from.1)
        .ok_or(Errno::ENOENT)?;
    unsettle(from.0, &inode, now);
    to.0.directory()?.lock().put(to.1, inode.clone());
    settle(to.0, to.1, &inode, now);
    inode.update(|meta| meta.changed = now);
    Ok(())
}

/// Gives each of two files the other's name.
///
/// # Errors
/// `ENOENT` one of them is not there · `ENOMEM` as [`insert`].
pub fn exchange(
    one: (&Arc<Inode>, &[u8]),
    other: (&Arc<Inode>, &[u8]),
    now: Time,
) -> Result<(), Errno> {
    // Both names may be in one directory.
    one.0.directory()?.lock().reserve(2)?;
    other.0.directory()?.lock().reserve(2)?;
    let first = one.0.directory()?.lock().take(one.1).ok_or(Errno::ENOENT)?;
    let Some(second) = other.0.directory()?.lock().take(other.1) else {
        one.0.directory()?.lock().put(one.1, first);
        return Err(Errno::ENOENT);
    };
    for (from, to, inode) in [(one, other, first), (other, one, second)] {
        unsettle(from.0, &inode, now);
        to.0.directory()?.lock().put(to.1, inode.clone());
        settle(to.0, to.1, &inode, now);
        inode.update(|meta| meta.changed = now);
    }
    Ok(())
}

/// Whether `inode` is `ancestor` or lies below it.
pub fn is_within(inode: &Arc<Inode>, ancestor: &Arc<Inode>) -> bool {
    let mut current = inode.clone();
    loop {
        if Arc::ptr_eq(&current, ancestor) {
            return true;
        }
        let parent = match current.directory() {
            Ok(directory) => directory.lock().parent.upgrade(),
            Err(_) => None,
        };
        match parent {
            Some(parent) if !Arc::ptr_eq(&parent, &current) => current = parent,
            _ => return false,
        }
    }
}

fn settle(parent: &Arc<Inode>, name: &[u8], inode: &Arc<Inode>, now: Time) {
    if let Ok(directory) = inode.directory() {
        let mut directory = directory.lock();
        directory.parent = Arc::downgrade(parent);
        directory.name = Name::from(name);
        drop(directory);
        parent.update(|meta| meta.links += 1);
    } else if let Ok(directory) = parent.directory() {
        let name = directory.lock().name_of(name);
        *inode.home.lock() = name.map(|name| (Arc::downgrade(parent), name));
    }
    parent.set_modified(now);
}

fn unsettle(parent: &Arc<Inode>, inode: &Arc<Inode>, now: Time) {
    if inode.is_directory() {
        parent.update(|meta| meta.links -= 1);
    }
    parent.set_modified(now);
}

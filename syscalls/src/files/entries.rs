//! The names of a directory by their bytes: sorted, in pieces of a bounded length.
//!
//! A look-up is two binary searches; a name that comes or goes moves those of its piece. A map of the
//! standard library does the same with ten times the code, which every image with files would hold.

use alloc::sync::Arc;
use alloc::vec::Vec;

use muslin_abi::Errno;

use super::directory::Name;
use super::inode::Inode;

/// A name, and what it names.
pub struct Entry {
    /// The name.
    pub name: Name,
    /// Where it stands in the directory's order.
    pub place: u64,
    /// The file.
    pub inode: Arc<Inode>,
}

/// Names of a piece at most: with what the heap adds, half a page. A block of a page or more would stay
/// with the heap once its names are gone.
const PIECE_ENTRIES_MAX: usize = 63;

/// Entries by their names; none twice.
#[derive(Default)]
pub struct Entries {
    /// None is empty.
    pieces: Vec<Vec<Entry>>,
    len: usize,
}

impl Entries {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The entry of that name.
    pub fn get(&self, name: &[u8]) -> Option<&Entry> {
        let (piece, at) = self.find(name);
        self.pieces.get(piece)?.get(at.ok()?)
    }

    /// Has room in the list of pieces for two more names. A piece itself is no more than the little that is
    /// asked for beforehand.
    ///
    /// # Errors
    /// `ENOMEM` no memory for the list.
    pub fn reserve(&mut self) -> Result<(), Errno> {
        self.pieces.try_reserve(2).map_err(|_| Errno::ENOMEM)
    }

    /// Adds an entry whose name is not there.
    pub fn insert(&mut self, entry: Entry) {
        self.len += 1;
        let (mut piece, at) = self.find(&entry.name);
        let mut at = at.unwrap_or_else(|at| at);
        match self.pieces.get_mut(piece) {
            None => self.pieces.push(Vec::new()),
            Some(full) if full.len() == PIECE_ENTRIES_MAX => {
                let upper = full.split_off(PIECE_ENTRIES_MAX / 2);
                self.pieces.insert(piece + 1, upper);
                if at > PIECE_ENTRIES_MAX / 2 {
                    at -= PIECE_ENTRIES_MAX / 2;
                    piece += 1;
                }
            }
            Some(_) => {}
        }
        if let Some(piece) = self.pieces.get_mut(piece) {
            if piece.len() == piece.capacity() {
                let capacity = (2 * piece.len() + 1).min(PIECE_ENTRIES_MAX);
                piece.reserve_exact(capacity - piece.len());
            }
            piece.insert(at, entry);
        }
    }

    /// Takes the entry of that name.
    pub fn remove(&mut self, name: &[u8]) -> Option<Entry> {
        let (number, at) = self.find(name);
        let piece = self.pieces.get_mut(number)?;
        let entry = piece.remove(at.ok()?);
        self.len -= 1;
        if piece.is_empty() {
            self.pieces.remove(number);
        } else if piece.len() < piece.capacity() / 4 {
            piece.shrink_to(2 * piece.len());
        }
        Some(entry)
    }

    /// The piece for a name, and where in it the name is, or would be.
    fn find(&self, name: &[u8]) -> (usize, Result<usize, usize>) {
        let begins_after =
            |piece: &Vec<Entry>| piece.first().is_some_and(|first| *first.name > *name);
        let number = match self.pieces.len() {
            // Most directories are one piece.
            ..=1 => 0,
            _ => {
                let after = self.pieces.partition_point(|piece| !begins_after(piece));
                after.saturating_sub(1)
            }
        };
        let at = match self.pieces.get(number) {
            Some(piece) => piece.binary_search_by(|entry| (*entry.name).cmp(name)),
            None => Err(0),
        };
        (number, at)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::inode::{Body, Time};
    use super::*;
    use crate::testing::numbers;
    use std::collections::BTreeMap;

    #[test]
    fn agree_with_an_ordered_map_over_seeded_operations() {
        let mut next = numbers(1);
        let inode = Inode::new(Body::Symlink(Vec::new()), 0, Time::default());
        let (mut entries, mut model) = (Entries::default(), BTreeMap::new());
        let mut most = 0;
        // Grows to many pieces, and goes back to few names.
        for step in 0..12_000_u64 {
            let removes = if step < 6000 { 1 } else { 3 };
            let name = std::format!("{}", next(3000)).into_bytes();
            if next(4) < removes {
                let removed = entries.remove(&name).map(|entry| entry.place);
                assert_eq!(removed, model.remove(&name), "step {step}");
            } else if entries.get(&name).is_none() {
                entries.reserve().unwrap();
                let (name, inode) = (Name::from(&name[..]), inode.clone());
                model.insert(name.to_vec(), step);
                entries.insert(Entry {
                    name,
                    place: step,
                    inode,
                });
            }
            assert_eq!(entries.len(), model.len());
            let probe = std::format!("{}", next(3000)).into_bytes();
            let found = entries.get(&probe).map(|entry| entry.place);
            assert_eq!(found, model.get(&probe).copied(), "step {step}");
            most = most.max(entries.pieces.len());
        }
        let sorted: Vec<Vec<u8>> = entries
            .pieces
            .iter()
            .flatten()
            .map(|entry| entry.name.to_vec())
            .collect();
        assert!(sorted.iter().eq(model.keys()) && most > 10);
        let room: usize = entries.pieces.iter().map(Vec::capacity).sum();
        assert!(
            room < 4 * model.len() + 4 * entries.pieces.len(),
            "{room} for {}",
            model.len()
        );
        for name in sorted {
            assert!(entries.remove(&name).is_some());
        }
        assert!(entries.pieces.is_empty() && entries.len() == 0);
    }
}

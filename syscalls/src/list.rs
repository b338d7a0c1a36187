//! Lists whose entries are removed from anywhere: each has a key.
//!
//! The entries lie in one vector, linked in both directions, so that adding, taking the first and
//! removing by key take the same time however long the list is. The first place is in the list itself:
//! most lists are of one, and those of many files are then found without another look at memory.

use alloc::vec::Vec;

/// Names an entry for as long as it is in its list, and nothing afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    place: u32,
    /// Which of the entries that were at this place.
    turn: u32,
}

/// No place.
const NONE: u32 = u32::MAX;

/// A list in the order in which entries were added.
#[repr(C)]
pub struct List<T> {
    first: u32,
    last: u32,
    /// The first of the places that are free, linked by `next`.
    free: u32,
    /// Place 0.
    one: Node<T>,
    /// Those from 1 on.
    more: Vec<Node<T>>,
}

struct Node<T> {
    entry: Option<T>,
    turn: u32,
    previous: u32,
    next: u32,
}

impl<T> Node<T> {
    const FREE: Self = Self {
        entry: None,
        turn: 0,
        previous: NONE,
        next: NONE,
    };
}

impl<T> List<T> {
    /// An empty list, without memory.
    pub const fn new() -> Self {
        Self {
            first: NONE,
            last: NONE,
            free: 0,
            one: Node::FREE,
            more: Vec::new(),
        }
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.first == NONE
    }

    /// Adds an entry behind all others.
    pub fn push(&mut self, entry: T) -> Key {
        let place = match self.free {
            NONE => {
                self.more.push(Node::FREE);
                self.more.len() as u32
            }
            place => {
                self.free = self.node_mut(place).next;
                place
            }
        };
        let previous = core::mem::replace(&mut self.last, place);
        match previous {
            NONE => self.first = place,
            previous => self.node_mut(previous).next = place,
        }
        let node = self.node_mut(place);
        (node.entry, node.previous, node.next) = (Some(entry), previous, NONE);
        Key {
            place,
            turn: node.turn,
        }
    }

    /// The entry of a key, if it is still there.
    pub fn get(&self, key: Key) -> Option<&T> {
        let node = self.node(key.place)?;
        node.entry.as_ref().filter(|_| node.turn == key.turn)
    }

    /// Takes the entry of a key away, if it is still there.
    pub fn remove(&mut self, key: Key) -> Option<T> {
        self.get(key)?;
        let free = self.free;
        let node = self.node_mut(key.place);
        let entry = node.entry.take();
        node.turn = node.turn.wrapping_add(1);
        let (previous, next) = (node.previous, node.next);
        node.next = free;
        self.free = key.place;
        match previous {
            NONE => self.first = next,
            previous => self.node_mut(previous).next = next,
        }
        match next {
            NONE => self.last = previous,
            next => self.node_mut(next).previous = previous,
        }
        entry
    }

    /// The key of the first entry.
    pub fn first(&self) -> Option<Key> {
        self.key(self.first)
    }

    /// The key of the entry behind that of a key; `None` also if that is gone.
    pub fn after(&self, key: Key) -> Option<Key> {
        self.get(key)?;
        self.key(self.node(key.place)?.next)
    }

    fn node(&self, place: u32) -> Option<&Node<T>> {
        match place {
            0 => Some(&self.one),
            place => self.more.get(place as usize - 1),
        }
    }

    /// The node of a place that there is.
    fn node_mut(&mut self, place: u32) -> &mut Node<T> {
        match place {
            0 => &mut self.one,
            place => &mut self.more[place as usize - 1],
        }
    }

    fn key(&self, place: u32) -> Option<Key> {
        let turn = self.node(place)?.turn;
        Some(Key { place, turn })
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn entries(list: &List<u32>) -> Vec<u32> {
        let mut key = list.first();
        let mut entries = Vec::new();
        while let Some(at) = key {
            entries.push(*list.get(at).unwrap());
            key = list.after(at);
        }
        entries
    }

    #[test]
    fn entries_keep_their_order_and_go_from_anywhere() {
        let mut list = List::new();
        assert!(list.is_empty());
        let keys: Vec<Key> = (0..5).map(|entry| list.push(entry)).collect();
        assert_eq!(list.remove(keys[2]), Some(2));
        assert_eq!(list.remove(keys[0]), Some(0));
        assert_eq!(list.remove(keys[4]), Some(4));
        assert_eq!(entries(&list), [1, 3]);
        list.push(5);
        assert_eq!(entries(&list), [1, 3, 5]);
        assert_eq!(list.remove(keys[1]), Some(1));
        assert_eq!(list.remove(keys[3]), Some(3));
        assert_eq!(list.remove(list.first().unwrap()), Some(5));
        assert!(list.is_empty() && list.first().is_none());
    }

    #[test]
    fn a_key_names_nothing_once_its_entry_is_gone() {
        let mut list = List::new();
        let old = list.push(1);
        assert_eq!(list.remove(old), Some(1));
        let new = list.push(2);
        assert_eq!(list.remove(old), None);
        assert_eq!(list.get(old), None);
        assert_eq!(list.after(old), None);
        assert_eq!(list.get(new), Some(&2));
        assert!(list.more.is_empty());
    }
}

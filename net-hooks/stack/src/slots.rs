//! Places for things that come and go, with names that are not given twice.

use alloc::vec::Vec;

/// The name of a thing: its place, and which of the things that were there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub(crate) struct Name {
    pub index: u32,
    pub generation: u32,
}

struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

/// Things with names. Finding one takes the same time however many there are.
pub(crate) struct Slots<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

impl<T> Slots<T> {
    pub const fn new() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// How many places there are.
    pub fn places(&self) -> usize {
        self.slots.len()
    }

    /// Whether there is memory for one more, and for its end.
    pub fn has_room(&mut self) -> bool {
        let more = self.slots.len() + 1 - self.free.len();
        self.slots.try_reserve(1).is_ok() && self.free.try_reserve(more).is_ok()
    }

    /// Puts what `make` gives for its name into a free place. See [`Slots::has_room`].
    pub fn insert(&mut self, make: impl FnOnce(Name) -> T) -> Name {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                value: None,
            });
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[index as usize];
        let name = Name {
            index,
            generation: slot.generation,
        };
        slot.value = Some(make(name));
        name
    }

    /// Takes one out. Its name names nothing from now on.
    pub fn remove(&mut self, name: Name) -> Option<T> {
        let slot = self.slots.get_mut(name.index as usize)?;
        if slot.generation != name.generation {
            return None;
        }
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(name.index);
        Some(value)
    }

    pub fn get(&self, name: Name) -> Option<&T> {
        let slot = self.slots.get(name.index as usize)?;
        (slot.generation == name.generation)
            .then_some(slot.value.as_ref())
            .flatten()
    }

    pub fn get_mut(&mut self, name: Name) -> Option<&mut T> {
        let slot = self.slots.get_mut(name.index as usize)?;
        (slot.generation == name.generation)
            .then_some(slot.value.as_mut())
            .flatten()
    }

    /// The name of what is at a place.
    pub fn at(&self, index: u32) -> Option<Name> {
        let slot = self.slots.get(index as usize)?;
        slot.value.as_ref().map(|_| Name {
            index,
            generation: slot.generation,
        })
    }

    /// All that are there.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().filter_map(|slot| slot.value.as_ref())
    }
}

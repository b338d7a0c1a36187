//! What is to happen at which time: a heap of deadlines, the next one on top.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::context::Context;
use crate::threads::Thread;

/// Something that happens when its time has come.
pub trait Due: Send + Sync {
    /// The time has come: it is `now_ns` of the steady clock. The entry is gone from the queue, and no
    /// lock is held. May wake threads and set timers; may not wait.
    fn due(&self, context: &Context<'_>, now_ns: u64);
}

/// What a deadline is for.
#[derive(Clone)]
pub enum Target {
    /// A thread that waits no longer than that.
    Thread(&'static Thread),
    /// Anything else.
    Due(Arc<dyn Due>),
}

/// Names an entry for as long as it is in the queue, and nothing afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerKey {
    place: u32,
    turn: u32,
}

/// Deadlines of the steady clock. Of two that are the same, the one that was set first comes first.
/// Setting and removing one of n takes log n steps.
pub struct TimerQueue {
    /// Places of entries; none is due before the one at half its index, rounded as heaps do.
    heap: Vec<u32>,
    entries: Vec<Entry>,
    free: Vec<u32>,
    set_count: u64,
}

struct Entry {
    deadline_ns: u64,
    /// How many were set before.
    order: u64,
    /// Where in the heap it is.
    index: u32,
    /// Which of the entries that were at this place.
    turn: u32,
    target: Option<Target>,
}

impl TimerQueue {
    /// An empty queue, without memory.
    pub const fn new() -> Self {
        Self {
            heap: Vec::new(),
            entries: Vec::new(),
            free: Vec::new(),
            set_count: 0,
        }
    }

    /// Adds a deadline.
    pub fn insert(&mut self, deadline_ns: u64, target: Target) -> TimerKey {
        let index = self.heap.len();
        let mut entry = Entry {
            deadline_ns,
            order: self.set_count,
            index: index as u32,
            turn: 0,
            target: Some(target),
        };
        self.set_count += 1;
        let place = match self.free.pop() {
            Some(place) => {
                let old = &mut self.entries[place as usize];
                entry.turn = old.turn;
                *old = entry;
                place
            }
            None => {
                self.entries.push(entry);
                self.entries.len() as u32 - 1
            }
        };
        self.heap.push(place);
        self.rise(index);
        TimerKey {
            place,
            turn: self.entries[place as usize].turn,
        }
    }

    /// Takes a deadline away; `None` if it was due already.
    pub fn remove(&mut self, key: TimerKey) -> Option<Target> {
        let entry = self.entries.get_mut(key.place as usize)?;
        if entry.turn != key.turn {
            return None;
        }
        let target = entry.target.take()?;
        entry.turn = entry.turn.wrapping_add(1);
        let index = entry.index as usize;
        self.free.push(key.place);
        let last = self.heap.pop()?;
        if index < self.heap.len() {
            self.put(index, last);
            self.rise(index);
            self.sink(self.entries[last as usize].index as usize);
        }
        Some(target)
    }

    /// The next deadline.
    pub fn next(&self) -> Option<u64> {
        let &place = self.heap.first()?;
        Some(self.entries[place as usize].deadline_ns)
    }

    /// Takes away what is due at `now_ns`, one after the other.
    pub fn pop_due(&mut self, now_ns: u64) -> Option<Target> {
        let &place = self.heap.first()?;
        let entry = &self.entries[place as usize];
        if entry.deadline_ns > now_ns {
            return None;
        }
        let turn = entry.turn;
        self.remove(TimerKey { place, turn })
    }

    fn put(&mut self, index: usize, place: u32) {
        self.heap[index] = place;
        self.entries[place as usize].index = index as u32;
    }

    /// Whether the entry at one index of the heap comes before that at another.
    fn is_before(&self, one: usize, other: usize) -> bool {
        let key = |index: usize| {
            let entry = &self.entries[self.heap[index] as usize];
            (entry.deadline_ns, entry.order)
        };
        key(one) < key(other)
    }

    fn exchange(&mut self, one: usize, other: usize) {
        let (first, second) = (self.heap[one], self.heap[other]);
        self.put(one, second);
        self.put(other, first);
    }

    fn rise(&mut self, mut index: usize) {
        while index > 0 {
            let parent = (index - 1) / 2;
            if !self.is_before(index, parent) {
                return;
            }
            self.exchange(index, parent);
            index = parent;
        }
    }

    fn sink(&mut self, mut index: usize) {
        loop {
            let mut child = 2 * index + 1;
            if child >= self.heap.len() {
                return;
            }
            if child + 1 < self.heap.len() && self.is_before(child + 1, child) {
                child += 1;
            }
            if !self.is_before(child, index) {
                return;
            }
            self.exchange(index, child);
            index = child;
        }
    }
}

impl Default for TimerQueue {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use std::sync::Mutex;

    struct Note(Mutex<Vec<u64>>);

    impl Due for Note {
        fn due(&self, _: &Context<'_>, now_ns: u64) {
            self.0.lock().unwrap().push(now_ns);
        }
    }

    fn number_of(target: Target, notes: &[Arc<Note>]) -> usize {
        let Target::Due(due) = target else {
            panic!("no thread was put in")
        };
        let is_it = |note: &Arc<Note>| core::ptr::addr_eq(Arc::as_ptr(note), Arc::as_ptr(&due));
        notes.iter().position(is_it).unwrap()
    }

    #[test]
    fn deadlines_come_in_order_and_go_from_anywhere() {
        const COUNT: usize = 2000;
        let notes: Vec<Arc<Note>> = (0..COUNT)
            .map(|_| Arc::new(Note(Mutex::new(Vec::new()))))
            .collect();
        let mut queue = TimerQueue::new();
        // 389 and the count have no common divisor; each deadline is there twice.
        let deadline = |number: usize| (number * 389 % COUNT / 2) as u64;
        let keys: Vec<TimerKey> = (0..COUNT)
            .map(|number| queue.insert(deadline(number), Target::Due(notes[number].clone())))
            .collect();
        for number in (0..COUNT).step_by(3) {
            let target = queue.remove(keys[number]).unwrap();
            assert_eq!(number_of(target, &notes), number);
            assert!(queue.remove(keys[number]).is_none());
        }
        let mut expected: Vec<usize> = (0..COUNT).filter(|number| number % 3 != 0).collect();
        expected.sort_by_key(|&number| (deadline(number), number));
        let mut found = Vec::new();
        while let Some(next) = queue.next() {
            assert!(next == 0 || queue.pop_due(next - 1).is_none());
            found.push(number_of(queue.pop_due(next).unwrap(), &notes));
        }
        assert_eq!(found, expected);
        assert!(keys.iter().all(|&key| queue.remove(key).is_none()));
        // Places are used again.
        queue.insert(1, Target::Due(notes[0].clone()));
        assert_eq!(queue.entries.len(), COUNT);
    }
}

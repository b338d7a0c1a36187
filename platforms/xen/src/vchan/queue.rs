//! Who has come to a port and was not asked in yet, in a fair order: a guest that comes often waits behind
//! one that comes for the first time.

use alloc::collections::VecDeque;

use muslin_abi::Errno;

/// How many of one guest may wait at a port.
const OF_ONE_MAX: usize = 8;

/// Those who wait, with their guests.
#[derive(Debug)]
pub struct Queue<T> {
    waiting: VecDeque<(u16, T)>,
}

impl<T> Queue<T> {
    /// Nobody.
    pub const fn new() -> Self {
        Self {
            waiting: VecDeque::new(),
        }
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// May one more of this guest's come, where `most` may wait? The first of each may always.
    pub fn has_room(&self, domain: u16, most: usize) -> bool {
        match self.count(domain) {
            0 => true,
            count => count < OF_ONE_MAX && self.len() < most,
        }
    }

    fn count(&self, domain: u16) -> usize {
        let of_it = self.waiting.iter().filter(|(whose, _)| *whose == domain);
        of_it.count()
    }

    /// Makes a place for one more.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn reserve(&mut self) -> Result<(), Errno> {
        let place = self.waiting.try_reserve(1);
        place.map_err(|_| Errno::ENOMEM)
    }

    /// Somebody waits from now on: behind those who have no more of their own before them than this one.
    pub fn put(&mut self, domain: u16, one: T) {
        let own = self.count(domain);
        let before = |at: usize| {
            let whose = self.waiting.get(at).map(|(whose, _)| *whose);
            let before = self.waiting.iter().take(at);
            before.filter(|(other, _)| Some(*other) == whose).count()
        };
        let place = (0..self.len()).find(|&at| before(at) > own);
        self.waiting
            .insert(place.unwrap_or(self.len()), (domain, one));
    }

    /// Takes who is next.
    pub fn take(&mut self) -> Option<(u16, T)> {
        self.waiting.pop_front()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::hostile::Numbers;

    #[test]
    fn who_comes_first_in_its_guest_is_before_who_comes_again() {
        let mut queue = Queue::new();
        for one in 0..4 {
            queue.put(7, one);
        }
        queue.put(8, 10);
        queue.put(9, 20);
        queue.put(8, 11);
        let order: Vec<i32> = core::iter::from_fn(|| queue.take().map(|(_, one)| one)).collect();
        assert_eq!(order, [0, 10, 20, 1, 11, 2, 3]);
    }

    #[test]
    fn a_guest_that_comes_all_the_time_shuts_nobody_out() {
        for seed in 1..100 {
            let mut numbers = Numbers::new(seed);
            let mut queue = Queue::new();
            let most = numbers.below(20) as usize + 1;
            let mut waits = None;
            for _ in 0..2000 {
                // Two that come whenever they can.
                for hostile in [1, 2] {
                    while queue.has_room(hostile, most) {
                        queue.put(hostile, ());
                    }
                    assert!(queue.count(hostile) <= OF_ONE_MAX.min(most.max(1)));
                }
                assert!(queue.len() <= most + 3);
                if waits.is_none() && numbers.below(5) == 0 {
                    assert!(queue.has_room(3, most), "seed {seed}");
                    queue.put(3, ());
                    waits = Some(0);
                }
                let (who, ()) = queue.take().unwrap();
                if let Some(count) = &mut waits {
                    *count += 1;
                    // Each of the others at most once before it, and who came first of all.
                    assert!(*count <= 3, "seed {seed}");
                    if who == 3 {
                        waits = None;
                    }
                }
            }
        }
    }
}

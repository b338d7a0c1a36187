//! Locks of ranges of a file: `fcntl`'s, which belong to the process or to one open file description.

use alloc::vec::Vec;

use muslin_abi::Errno;

/// Whose a lock is: the process, or a description by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// `F_SETLK`: all descriptors of the process.
    Process,
    /// `F_OFD_SETLK`: one open file description.
    Description(u64),
}

/// A lock: of the bytes `first` to `last`, both in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RangeLock {
    /// Whose it is.
    pub holder: Holder,
    /// The first byte.
    pub first: u64,
    /// The last byte.
    pub last: u64,
    /// To write; to read otherwise.
    pub is_exclusive: bool,
}

impl RangeLock {
    fn overlaps(&self, first: u64, last: u64) -> bool {
        self.first <= last && first <= self.last
    }

    /// Whether it continues another one of the same kind.
    fn continues(&self, other: &Self) -> bool {
        self.holder == other.holder
            && self.is_exclusive == other.is_exclusive
            && self.overlaps(other.first.saturating_sub(1), other.last.saturating_add(1))
    }
}

/// The locks of one file: those of one holder never overlap.
#[derive(Debug, Default)]
pub struct RangeLocks(Vec<RangeLock>);

impl RangeLocks {
    /// The lowest lock that stands in the way of another.
    pub fn in_the_way(&self, wanted: &RangeLock) -> Option<RangeLock> {
        let others = self.0.iter().filter(|lock| {
            lock.holder != wanted.holder
                && lock.overlaps(wanted.first, wanted.last)
                && (lock.is_exclusive || wanted.is_exclusive)
        });
        others.min_by_key(|lock| lock.first).copied()
    }

    /// Takes a lock; what the holder had there becomes this one.
    ///
    /// # Errors
    /// `EAGAIN` another's stands in the way · `ENOLCK` no memory.
    pub fn lock(&mut self, mut wanted: RangeLock) -> Result<(), Errno> {
        if self.in_the_way(&wanted).is_some() {
            return Err(Errno::EAGAIN);
        }
        self.unlock(wanted.holder, wanted.first, wanted.last)?;
        self.0.try_reserve(1).map_err(|_| Errno::ENOLCK)?;
        self.0.retain(|lock| {
            let is_part = wanted.continues(lock);
            if is_part {
                wanted.first = wanted.first.min(lock.first);
                wanted.last = wanted.last.max(lock.last);
            }
            !is_part
        });
        self.0.push(wanted);
        Ok(())
    }

    /// Gives a range back; what is locked beside it stays.
    ///
    /// # Errors
    /// `ENOLCK` no memory for a lock that falls into two.
    pub fn unlock(&mut self, holder: Holder, first: u64, last: u64) -> Result<(), Errno> {
        // One lock at most falls into two.
        self.0.try_reserve(1).map_err(|_| Errno::ENOLCK)?;
        let mut at = 0;
        while let Some(&lock) = self.0.get(at) {
            if lock.holder != holder || !lock.overlaps(first, last) {
                at += 1;
                continue;
            }
            self.0.swap_remove(at);
            if lock.first < first {
                self.0.push(RangeLock {
                    last: first - 1,
                    ..lock
                });
            }
            if last < lock.last {
                self.0.push(RangeLock {
                    first: last + 1,
                    ..lock
                });
            }
        }
        Ok(())
    }

    /// Gives back all that a holder has.
    pub fn release(&mut self, holder: Holder) {
        self.0.retain(|lock| lock.holder != holder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::numbers;

    /// For each byte and holder: 0 free, 1 to read, 2 to write.
    type Model = [[u8; 3]; 40];

    fn holder(index: usize) -> Holder {
        match index {
            0 => Holder::Process,
            _ => Holder::Description(index as u64),
        }
    }

    #[test]
    fn agrees_with_a_table_of_bytes_over_seeded_operations() {
        for seed in 1..30_u64 {
            let mut next = numbers(seed);
            let mut locks = RangeLocks::default();
            let mut model: Model = [[0; 3]; 40];
            for step in 0..300 {
                let who = next(3) as usize;
                let (a, b) = (next(40), next(40));
                let (first, last) = (a.min(b), a.max(b));
                let range = first as usize..=last as usize;
                let kind = next(4) as u8;
                if kind == 3 {
                    locks.release(holder(who));
                    model.iter_mut().for_each(|byte| byte[who] = 0);
                } else if kind == 0 {
                    assert_eq!(locks.unlock(holder(who), first, last), Ok(()));
                    model[range].iter_mut().for_each(|byte| byte[who] = 0);
                } else {
                    let wanted = RangeLock {
                        holder: holder(who),
                        first,
                        last,
                        is_exclusive: kind == 2,
                    };
                    let is_free = model[range.clone()].iter().all(|byte| {
                        (0..3).all(|other| {
                            other == who || byte[other] == 0 || (byte[other] == 1 && kind == 1)
                        })
                    });
                    let expected = if is_free { Ok(()) } else { Err(Errno::EAGAIN) };
                    assert_eq!(locks.lock(wanted), expected, "seed {seed}, step {step}");
                    if is_free {
                        model[range].iter_mut().for_each(|byte| byte[who] = kind);
                    }
                }
                let mut found: Model = [[0; 3]; 40];
                for lock in &locks.0 {
                    let who = match lock.holder {
                        Holder::Process => 0,
                        Holder::Description(number) => number as usize,
                    };
                    for byte in &mut found[lock.first as usize..=lock.last as usize] {
                        assert_eq!(byte[who], 0, "locks of one holder overlap");
                        byte[who] = 1 + u8::from(lock.is_exclusive);
                    }
                }
                assert_eq!(found, model, "seed {seed}, step {step}");
            }
        }
    }

    #[test]
    fn neighbours_become_one() {
        let lock = |first, last| RangeLock {
            holder: Holder::Process,
            first,
            last,
            is_exclusive: true,
        };
        let mut locks = RangeLocks::default();
        for (first, last) in [(0, 9), (20, 29), (10, 19), (30, u64::MAX)] {
            assert_eq!(locks.lock(lock(first, last)), Ok(()));
        }
        assert_eq!(locks.0, [lock(0, u64::MAX)]);
    }
}

//! How long the runs of free pages are: a binary tree over the words of a bit map, so that the
//! highest run of any length is found, and a change noted, in O(log n).
//!
//! A node says what its pages lack to being free altogether, so that zeroed memory is a tree of free
//! pages and nothing has to be set up.

const BITS: usize = u64::BITS as usize;

/// What a node's pages lack: at the low end, at the high end, and in the longest run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Lack {
    low: u32,
    high: u32,
    longest: u32,
}

/// Free pages of a node: at the low end, at the high end, and in the longest run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Free {
    low: usize,
    high: usize,
    longest: usize,
}

impl Free {
    const NONE: Self = Self {
        low: 0,
        high: 0,
        longest: 0,
    };

    /// Of a word whose set bits are pages in use.
    fn of(word: u64) -> Self {
        let mut longest = 0;
        let mut rest = word;
        let mut bits = BITS;
        while bits > 0 {
            let free = (rest.trailing_zeros() as usize).min(bits);
            longest = longest.max(free);
            bits -= free;
            if bits == 0 {
                break;
            }
            rest >>= free;
            let used = (rest.trailing_ones() as usize).min(bits);
            bits -= used;
            rest = rest.checked_shr(used as u32).unwrap_or(0);
        }
        Self {
            low: word.trailing_zeros() as usize,
            high: word.leading_zeros() as usize,
            longest,
        }
    }

    /// Of two halves of `half` pages each.
    fn join(low: Self, high: Self, half: usize) -> Self {
        Self {
            low: if low.low == half {
                half + high.low
            } else {
                low.low
            },
            high: if high.high == half {
                half + low.high
            } else {
                high.high
            },
            longest: low.longest.max(high.longest).max(low.high + high.low),
        }
    }
}

/// The tree.
pub struct Runs {
    /// The root at 1, the children of `i` at `2 * i` and `2 * i + 1`.
    nodes: &'static mut [Lack],
    /// Levels above the words.
    height: u32,
}

impl Runs {
    /// How many nodes it takes for this many words.
    pub const fn nodes_count(words_count: usize) -> usize {
        2 * words_count.next_power_of_two()
    }

    /// A tree that [`begin`](Self::begin) must be called for. `nodes` are zero, and as many as
    /// [`nodes_count`](Self::nodes_count) says.
    pub fn new(nodes: &'static mut [Lack], words_count: usize) -> Self {
        let height = words_count.next_power_of_two().ilog2();
        Self { nodes, height }
    }

    /// Makes it the tree of these words. All but the last two are zero.
    pub fn begin(&mut self, words: &[u64]) {
        let mut last = words.len() - 1;
        self.put(0, last, Free::of(words[last]));
        for level in 1..=self.height {
            // The nodes behind the last one have no pages; one of them at most is looked at.
            if last.is_multiple_of(2) {
                self.put(level - 1, last + 1, Free::NONE);
            }
            last /= 2;
            self.join(level, last);
        }
        self.note(words, words.len().saturating_sub(2)..words.len());
    }

    /// Notes that these words changed.
    pub fn note(&mut self, words: &[u64], changed: core::ops::Range<usize>) {
        let (mut first, mut last) = (changed.start, changed.end - 1);
        let mut has_changed = false;
        for (index, &word) in (first..=last).zip(&words[changed]) {
            has_changed |= self.put(0, index, Free::of(word));
        }
        for level in 1..=self.height {
            if !has_changed {
                return;
            }
            (first, last) = (first / 2, last / 2);
            has_changed = false;
            for index in first..=last {
                has_changed |= self.join(level, index);
            }
        }
    }

    /// Makes a node of its children. Whether that was news.
    fn join(&mut self, level: u32, index: usize) -> bool {
        let low = self.get(level - 1, 2 * index);
        let high = self.get(level - 1, 2 * index + 1);
        self.put(level, index, Free::join(low, high, BITS << (level - 1)))
    }

    /// The highest run of at least `count` pages: its last `count` pages, by the first of them.
    pub fn find_highest(&self, words: &[u64], count: usize) -> Option<usize> {
        let mut index = 0;
        if self.get(self.height, 0).longest < count {
            return None;
        }
        for level in (1..=self.height).rev() {
            let low = self.get(level - 1, 2 * index);
            let high = self.get(level - 1, 2 * index + 1);
            if high.longest >= count {
                index = 2 * index + 1;
            } else if low.high + high.low >= count {
                let middle = (2 * index + 1) * (BITS << (level - 1));
                return Some(middle + high.low - count);
            } else {
                index *= 2;
            }
        }
        highest_in(words[index], count).map(|bit| index * BITS + bit)
    }

    #[inline]
    fn place(&self, level: u32, index: usize) -> usize {
        (1 << (self.height - level)) + index
    }

    #[inline]
    fn get(&self, level: u32, index: usize) -> Free {
        let pages = BITS << level;
        let lack = self.nodes[self.place(level, index)];
        Free {
            low: pages - lack.low as usize,
            high: pages - lack.high as usize,
            longest: pages - lack.longest as usize,
        }
    }

    /// Whether that was news.
    #[inline]
    fn put(&mut self, level: u32, index: usize, free: Free) -> bool {
        let pages = BITS << level;
        let lack = Lack {
            low: (pages - free.low) as u32,
            high: (pages - free.high) as u32,
            longest: (pages - free.longest) as u32,
        };
        let place = self.place(level, index);
        core::mem::replace(&mut self.nodes[place], lack) != lack
    }
}

/// The highest `count` clear bits in a row: the lowest of them.
fn highest_in(word: u64, count: usize) -> Option<usize> {
    let mut bits = BITS;
    while bits >= count {
        // The bit below `bits` as the highest.
        let rest = word << (BITS - bits);
        let free = (rest.leading_zeros() as usize).min(bits);
        if free >= count {
            return Some(bits - count);
        }
        bits -= free;
        if bits == 0 {
            return None;
        }
        let rest = word << (BITS - bits);
        bits -= (rest.leading_ones() as usize).min(bits);
        if bits == 0 {
            return None;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;
    use crate::testing::numbers;
    use std::boxed::Box;
    use std::vec;
    use std::vec::Vec;

    /// The naive answer: page by page from the top.
    fn highest(words: &[u64], count: usize) -> Option<usize> {
        let is_free = |page: usize| words[page / BITS] >> (page % BITS) & 1 == 0;
        let mut run = 0;
        for page in (0..words.len() * BITS).rev() {
            run = if is_free(page) { run + 1 } else { 0 };
            if run == count {
                return Some(page);
            }
        }
        None
    }

    #[test]
    fn the_highest_run_is_found_whatever_the_bits() {
        let mut numbers = numbers(1);
        let mut next = |below: usize| numbers(below as u64) as usize;
        for words_count in [1, 2, 3, 5, 8, 13] {
            let mut words: Vec<u64> = vec![0; words_count];
            let nodes = vec![Lack::default(); Runs::nodes_count(words_count)];
            let mut runs = Runs::new(Box::leak(nodes.into_boxed_slice()), words_count);
            runs.begin(&words);
            let pages = words_count * BITS;
            assert_eq!(runs.find_highest(&words, pages), Some(0));
            assert_eq!(runs.find_highest(&words, pages + 1), None);
            for _ in 0..1000 {
                let start = next(pages);
                let end = (start + 1 + next(100)).min(pages);
                let is_used = next(2) == 0;
                for page in start..end {
                    let bit = 1 << (page % BITS);
                    if is_used {
                        words[page / BITS] |= bit;
                    } else {
                        words[page / BITS] &= !bit;
                    }
                }
                runs.note(&words, start / BITS..(end - 1) / BITS + 1);
                for count in [1, 2, 7, 63, 64, 65, 130, 500] {
                    assert_eq!(
                        runs.find_highest(&words, count),
                        highest(&words, count),
                        "{count} of {words:x?}"
                    );
                }
            }
        }
    }
}

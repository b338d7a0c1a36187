//! Regions by a number, in its order: a tree that is a heap by what a hash makes of the numbers, so that
//! its depth is what chance gives, and O(log n).
//!
//! A B-tree of the standard library does the same with five times the code, which every image would hold.
//! Nothing here calls itself, however deep the tree is: calls may run on small stacks.

use alloc::boxed::Box;

use super::regions::Region;

/// Regions by their keys.
#[derive(Default)]
pub struct Treap {
    root: Link,
}

type Link = Option<Box<Node>>;

struct Node {
    key: usize,
    region: Region,
    /// Lower keys; of a lower rank, as those above.
    below: Link,
    /// Higher keys.
    above: Link,
}

impl Node {
    /// Where a key is that is not the node's.
    fn toward(&mut self, key: usize) -> &mut Link {
        if key < self.key {
            &mut self.below
        } else {
            &mut self.above
        }
    }
}

/// A number that looks like chance, another one for each key.
fn rank(key: usize) -> usize {
    const ODD: usize = 0x9e37_79b9_7f4a_7c15;
    let mixed = (key ^ key >> 32).wrapping_mul(ODD);
    (mixed ^ mixed >> 29).wrapping_mul(ODD)
}

impl Treap {
    /// The region with the lowest key from `key` on.
    pub fn first_from(&self, key: usize) -> Option<(usize, &Region)> {
        let mut found = None;
        let mut next = &self.root;
        while let Some(node) = next {
            if node.key < key {
                next = &node.above;
            } else {
                found = Some((node.key, &node.region));
                next = &node.below;
            }
        }
        found
    }

    /// The region with this key.
    pub fn get_mut(&mut self, key: usize) -> Option<&mut Region> {
        self.place(key).as_mut().map(|node| &mut node.region)
    }

    /// All of them, the lowest key first.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &Region)> {
        core::iter::successors(self.first_from(0), |(key, _)| self.first_from(key + 1))
    }

    /// Adds a region, in place of one with the same key.
    pub fn insert(&mut self, key: usize, region: Region) {
        let mut place = &mut self.root;
        while place
            .as_ref()
            .is_some_and(|node| rank(node.key) > rank(key))
            && let Some(node) = place
        {
            place = node.toward(key);
        }
        let there = place.take();
        let node = place.insert(Box::new(Node {
            key,
            region,
            below: None,
            above: None,
        }));
        // What was there comes below it, each node on its side of the key.
        let (mut below, mut above) = (&mut node.below, &mut node.above);
        let mut rest = there;
        while let Some(mut node) = rest {
            if node.key < key {
                rest = node.above.take();
                below = &mut below.insert(node).above;
            } else if node.key > key {
                rest = node.below.take();
                above = &mut above.insert(node).below;
            } else {
                *below = node.below;
                *above = node.above;
                return;
            }
        }
    }

    /// Takes the region with this key out.
    pub fn remove(&mut self, key: usize) {
        let mut place = self.place(key);
        let Some(node) = place.take() else {
            return;
        };
        let (mut below, mut above) = (node.below, node.above);
        loop {
            match (below, above) {
                (Some(lower), Some(higher)) if rank(lower.key) > rank(higher.key) => {
                    let node = place.insert(lower);
                    (below, above) = (node.above.take(), Some(higher));
                    place = &mut node.above;
                }
                (Some(lower), Some(higher)) => {
                    let node = place.insert(higher);
                    (below, above) = (Some(lower), node.below.take());
                    place = &mut node.below;
                }
                (lower, higher) => {
                    *place = lower.or(higher);
                    return;
                }
            }
        }
    }

    /// Where the node with this key is, or nothing.
    fn place(&mut self, key: usize) -> &mut Link {
        let mut place = &mut self.root;
        while place.as_ref().is_some_and(|node| node.key != key)
            && let Some(node) = place
        {
            place = node.toward(key);
        }
        place
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::kinds::{Kind, READ_WRITE};
    use super::*;
    use crate::testing::numbers;
    use std::collections::BTreeMap;

    fn depth(link: &Link) -> usize {
        match link {
            Some(node) => 1 + depth(&node.below).max(depth(&node.above)),
            None => 0,
        }
    }

    #[test]
    fn agrees_with_an_ordered_map_over_seeded_operations() {
        let mut numbers = numbers(1);
        let mut next = |below| numbers(below) as usize;
        let (mut treap, mut model) = (Treap::default(), BTreeMap::new());
        for step in 0..40_000 {
            let key = next(600) * 4096;
            let region = Region::new(step, READ_WRITE, Kind::Anonymous);
            match next(5) {
                0 | 1 => {
                    treap.insert(key, region);
                    model.insert(key, region);
                }
                2 | 3 => {
                    treap.remove(key);
                    model.remove(&key);
                }
                _ => {
                    let (one, other) = (treap.get_mut(key), model.get_mut(&key));
                    assert_eq!(one, other, "step {step}");
                    if let (Some(one), Some(other)) = (one, other) {
                        (one.start, other.start) = (step, step);
                    }
                }
            }
            let from = next(600 * 4096);
            let expected = model.range(from..).next();
            let found = treap.first_from(from);
            assert_eq!(found, expected.map(|(&key, region)| (key, region)));
            if step % 100 == 0 {
                let expected = model.iter().map(|(&key, region)| (key, region));
                assert!(treap.iter().eq(expected), "step {step}");
            }
        }
        assert!(treap.first_from(usize::MAX).is_none());
    }

    #[test]
    fn keys_in_any_order_make_no_deep_tree() {
        const COUNT: usize = 100_000;
        // Sixteen times what the best tree has would still be fine; a list has a hundred thousand.
        const DEPTH_MAX: usize = 64;
        let region = Region::new(0, READ_WRITE, Kind::Anonymous);
        for step in [1, 2, 4096, 4096 * 3, 0x20_0000, 1 << 36] {
            let (mut up, mut down) = (Treap::default(), Treap::default());
            for number in 0..COUNT {
                up.insert(number * step, region);
                down.insert((COUNT - number) * step, region);
            }
            let depths = [depth(&up.root), depth(&down.root)];
            assert!(
                depths.iter().all(|&depth| depth < DEPTH_MAX),
                "{depths:?} by {step}"
            );
        }
    }
}

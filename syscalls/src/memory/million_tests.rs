//! A million maps, unmaps and moves by a seed, where addresses are memory: against a model that knows
//! each mapping, and with as much work a call at the end as at the start.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;

use muslin_abi::Errno;
use muslin_platform::Entropy;
use muslin_sim::{PAGE_BYTES, Sim};

use super::*;
use crate::testing::World;

const RW: usize = 3;
const PLAIN: usize = 0x22;
const MAYMOVE: usize = 1;

const PAGES: usize = 1 << 16;
const CALLS: usize = 1_000_000;
/// Mappings at a time, about.
const MAPPINGS: usize = 4000;

#[test]
fn a_million_calls_agree_with_a_model() {
    let seed = std::env::var("MUSLIN_SEED").map_or(20_261_120, |text| text.parse().unwrap());
    std::println!("MUSLIN_SEED={seed}");
    let draws = Sim::new(1, seed);
    let mut state = {
        let mut bytes = [0; 8];
        draws.fill(&mut bytes).unwrap();
        u64::from_le_bytes(bytes) | 1
    };
    let mut below = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 16) as usize % limit
    };
    let world = World::with(Sim::new(PAGES, 1), None);
    let free = world.process.memory.usage().free;
    // By start: pages, and the number that is written into the first and the last.
    let mut model: BTreeMap<usize, (usize, u64)> = BTreeMap::new();
    let mut mapped = 0;
    let ends = |start: usize, count: usize| [start, start + (count - 1) * PAGE_BYTES];
    let stamp = |start: usize, count: usize, number: u64| {
        for page in ends(start, count) {
            let put = |bytes: &mut [u8]| bytes[..8].copy_from_slice(&number.to_le_bytes());
            world.pages.with_bytes(page, put);
        }
    };
    let read = |page: usize| {
        world.pages.with_bytes(page, |bytes| {
            u64::from_le_bytes(bytes[..8].try_into().unwrap())
        })
    };
    for call in 1..=CALLS as u64 {
        let is_full = model.len() >= MAPPINGS;
        let what = below(8);
        let Some((&start, &(count, number))) = model
            .range(below(usize::MAX)..)
            .next()
            .or_else(|| model.iter().next())
            .filter(|_| is_full || what >= 4)
        else {
            let count = 1 + if below(10) == 0 { below(200) } else { below(8) };
            match world.call(sys_mmap, [0, count * PAGE_BYTES, RW, PLAIN, usize::MAX, 0]) {
                Ok(start) => {
                    // Nobody else has it, and it reads as zeros.
                    let before = model.range(..start + count * PAGE_BYTES).next_back();
                    let is_alone = before
                        .is_none_or(|(&other, &(pages, _))| other + pages * PAGE_BYTES <= start);
                    assert!(is_alone, "call {call}");
                    assert!(ends(start, count).map(read) == [0, 0], "call {call}");
                    stamp(start, count, call);
                    model.insert(start, (count, call));
                    mapped += count;
                }
                Err(errno) => assert_eq!(errno, Errno::ENOMEM, "call {call}"),
            }
            continue;
        };
        assert!(
            ends(start, count).map(read) == [number, number],
            "call {call}"
        );
        if what % 2 == 0 || is_full {
            assert_eq!(world.call(sys_munmap, [start, count * PAGE_BYTES]), Ok(0));
            model.remove(&start);
            mapped -= count;
            continue;
        }
        let new_count = 1 + below(2 * count);
        let words = [start, count * PAGE_BYTES, new_count * PAGE_BYTES, MAYMOVE];
        match world.call(sys_mremap, words) {
            Ok(moved) => {
                assert_eq!(read(moved), number, "call {call}");
                if new_count >= count {
                    assert_eq!(
                        read(moved + (count - 1) * PAGE_BYTES),
                        number,
                        "call {call}"
                    );
                }
                model.remove(&start);
                stamp(moved, new_count, call);
                model.insert(moved, (new_count, call));
                mapped = mapped - count + new_count;
            }
            Err(errno) => assert_eq!(errno, Errno::ENOMEM, "call {call}"),
        }
        if call % 10_000 == 0 {
            let usage = world.process.memory.usage();
            assert_eq!(usage.program, mapped * PAGE_BYTES, "call {call}");
            assert_eq!(usage.free, free - mapped * PAGE_BYTES, "call {call}");
        }
    }
    assert!(model.len() > 100, "{}", model.len());
    for (start, (count, _)) in model {
        assert_eq!(world.call(sys_munmap, [start, count * PAGE_BYTES]), Ok(0));
    }
    assert_eq!(world.process.memory.usage().free, free);
    assert_eq!(world.process.memory.mapped_bytes(), 0);
}

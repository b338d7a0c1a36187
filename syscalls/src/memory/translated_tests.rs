//! Mappings where the platform translates addresses: what is promised, touched and given back.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::vec::Vec;

use muslin_abi::{Errno, SyscallResult};
use muslin_platform::{Entropy, Paging, Platform};
use muslin_sim::{PAGE_BYTES, Sim};

use super::*;
use crate::testing::World;

const NONE: usize = 0;
const READ: usize = 1;
const RW: usize = 3;
const PLAIN: usize = 0x22;
const FIXED: usize = 0x10;
const NORESERVE: usize = 0x4000;
const GIB: usize = 1 << 30;

fn world(pages: usize) -> World {
    World::with(Sim::new(pages, 1).with_paging(), None)
}

fn paging(world: &World) -> &dyn Paging {
    world.sim.memory().paging().unwrap()
}

fn map(world: &World, place: usize, len_bytes: usize, prot: usize, flags: usize) -> SyscallResult {
    world.call(sys_mmap, [place, len_bytes, prot, flags, usize::MAX, 0])
}

fn free_pages(world: &World) -> usize {
    world.process.memory.usage().free / PAGE_BYTES
}

/// What the processor does with an access of the program: the byte's frame, or a fault.
fn touch(world: &World, address: usize, is_write: bool) -> Option<usize> {
    let page = address / PAGE_BYTES * PAGE_BYTES;
    let memory = &world.process.memory;
    let access = if is_write {
        Access::Write
    } else {
        Access::Read
    };
    let backed = || paging(world).first_backed(page..page + PAGE_BYTES);
    if backed().is_none() && !memory.fault(address, is_write, false) {
        return None;
    }
    memory.check(address, 1, access).ok()?;
    let (_, frame) = backed()?;
    Some(frame)
}

fn store(world: &World, address: usize, byte: u8) -> bool {
    let Some(frame) = touch(world, address, true) else {
        return false;
    };
    world
        .pages
        .with_bytes(frame, |bytes| bytes[address % PAGE_BYTES] = byte);
    true
}

fn load(world: &World, address: usize) -> Option<u8> {
    let frame = touch(world, address, false)?;
    Some(
        world
            .pages
            .with_bytes(frame, |bytes| bytes[address % PAGE_BYTES]),
    )
}

#[test]
fn reservations_cost_nothing() {
    let world = world(256);
    let free = free_pages(&world);
    let start = map(&world, 0, 64 * GIB, NONE, PLAIN).unwrap();
    let sparse = map(&world, 0, 64 * GIB, RW, PLAIN | NORESERVE).unwrap();
    assert_eq!(free_pages(&world), free);
    assert_eq!(load(&world, start + 5 * GIB), None);
    // Part of it becomes memory: promised at once, taken when touched.
    let words = [start + GIB, 4 * PAGE_BYTES, RW];
    assert_eq!(world.call(sys_mprotect, words), Ok(0));
    let tables = world.process.memory.usage().tables / PAGE_BYTES;
    assert_eq!(free_pages(&world), free - 4 - tables);
    assert!(store(&world, start + GIB + PAGE_BYTES, 7));
    assert_eq!(load(&world, start + GIB + PAGE_BYTES), Some(7));
    assert_eq!(load(&world, start + GIB), Some(0));
    assert!(store(&world, sparse + 40 * GIB, 9));
    assert_eq!(load(&world, sparse + 40 * GIB), Some(9));
    assert_eq!(world.call(sys_munmap, [start, 64 * GIB]), Ok(0));
    assert_eq!(world.call(sys_munmap, [sparse, 64 * GIB]), Ok(0));
    let tables = world.process.memory.usage().tables / PAGE_BYTES;
    assert_eq!(free_pages(&world), free - tables);
    assert_eq!(load(&world, start + GIB + PAGE_BYTES), None);
}

#[test]
fn what_is_granted_can_be_touched_to_its_end() {
    let world = world(512);
    let mut maps = Vec::new();
    while let Ok(start) = map(&world, 0, 16 * PAGE_BYTES, RW, PLAIN) {
        maps.push(start);
    }
    assert!(maps.len() > 20, "{}", maps.len());
    let reservation = map(&world, 0, GIB, NONE, PLAIN).unwrap();
    let words = [reservation, 64 * PAGE_BYTES, RW];
    assert_eq!(world.call(sys_mprotect, words), Err(Errno::ENOMEM));
    assert_eq!(
        world.call(sys_mremap, [maps[0], 16 * PAGE_BYTES, 80 * PAGE_BYTES, 1]),
        Err(Errno::ENOMEM)
    );
    for &start in &maps {
        for page in 0..16 {
            assert!(store(&world, start + page * PAGE_BYTES, 1));
        }
    }
    // What was never promised is refused when it is touched, and nothing else is lost by it.
    let sparse = map(&world, 0, GIB, RW, PLAIN | NORESERVE).unwrap();
    let touched = (0..64).filter(|page| store(&world, sparse + page * PAGE_BYTES, 2));
    assert!(touched.count() < 20);
    assert_eq!(load(&world, maps[0]), Some(1));
}

#[test]
fn advice_gives_memory_back_and_keeps_the_promise() {
    let world = world(256);
    let start = map(&world, 0, 8 * PAGE_BYTES, RW, PLAIN).unwrap();
    let free = free_pages(&world);
    for page in 0..8 {
        assert!(store(&world, start + page * PAGE_BYTES, 3));
    }
    assert_eq!(free_pages(&world), free);
    let words = [start + PAGE_BYTES, 4 * PAGE_BYTES, 4];
    assert_eq!(world.call(sys_madvise, words), Ok(0));
    assert_eq!(world.process.memory.usage().program, 4 * PAGE_BYTES);
    assert_eq!(free_pages(&world), free);
    assert_eq!(load(&world, start), Some(3));
    assert_eq!(load(&world, start + PAGE_BYTES), Some(0));
}

#[test]
fn protection_and_moves_take_the_memory_along() {
    let world = world(256);
    let wall = map(&world, 0, PAGE_BYTES, RW, PLAIN).unwrap();
    let start = map(&world, 0, 4 * PAGE_BYTES, RW, PLAIN).unwrap();
    assert_eq!(start + 4 * PAGE_BYTES, wall);
    assert!(store(&world, start + PAGE_BYTES, 5));
    assert_eq!(
        world.call(sys_mprotect, [start, 4 * PAGE_BYTES, READ]),
        Ok(0)
    );
    assert!(!store(&world, start + PAGE_BYTES, 6));
    assert!(!store(&world, start, 6));
    assert_eq!(load(&world, start + PAGE_BYTES), Some(5));
    assert_eq!(world.call(sys_mprotect, [start, 4 * PAGE_BYTES, RW]), Ok(0));
    // In the way of growing: it moves, and the page with it.
    let words = [start, 4 * PAGE_BYTES, 6 * PAGE_BYTES, 1];
    let moved = world.call(sys_mremap, words).unwrap();
    assert_ne!(moved, start);
    assert_eq!(load(&world, moved + PAGE_BYTES), Some(5));
    assert_eq!(load(&world, moved + 5 * PAGE_BYTES), Some(0));
    assert_eq!(load(&world, start + PAGE_BYTES), None);
    // Anywhere, even where nothing ever was.
    let far = paging(&world).addresses().start + 40 * GIB;
    let words = [moved, 6 * PAGE_BYTES, 2 * PAGE_BYTES, 3, far];
    assert_eq!(world.call(sys_mremap, words), Ok(far));
    assert_eq!(load(&world, far + PAGE_BYTES), Some(5));
    assert_eq!(map(&world, far, PAGE_BYTES, RW, PLAIN | FIXED), Ok(far));
    assert_eq!(load(&world, far), Some(0));
    assert_eq!(load(&world, far + PAGE_BYTES), Some(5));
    let end = world.call(sys_brk, [0]).unwrap();
    assert_eq!(
        world.call(sys_brk, [end + 3 * PAGE_BYTES]),
        Ok(end + 3 * PAGE_BYTES)
    );
    assert!(store(&world, end + 2 * PAGE_BYTES, 8));
    assert_eq!(
        world.call(sys_brk, [end + PAGE_BYTES]),
        Ok(end + PAGE_BYTES)
    );
    assert_eq!(load(&world, end + 2 * PAGE_BYTES), None);
}

/// A page of the model: not mapped, or its protection and what it holds.
type Model = Vec<Option<(usize, u8)>>;

/// Random calls against a naive model, with every page compared now and then; at the end everything
/// is given back.
#[test]
fn random_calls_agree_with_a_naive_model() {
    const PAGES: usize = 200;
    let world = world(1024);
    let draws = Sim::new(1, 20_261_120);
    let below = |limit: usize| {
        let mut bytes = [0; 8];
        draws.fill(&mut bytes).unwrap();
        u64::from_le_bytes(bytes) as usize % limit
    };
    let base = paging(&world).addresses().start + GIB;
    let address_of = |page: usize| base + page * PAGE_BYTES;
    let mut model: Model = std::vec![None; PAGES];
    let free = free_pages(&world);
    for step in 0..20_000 {
        let at = below(PAGES);
        let count = 1 + below(20.min(PAGES - at));
        let range = at..at + count;
        let len_bytes = count * PAGE_BYTES;
        let prot = [RW, RW, READ, NONE][below(4)];
        match below(6) {
            0 => {
                let flags = PLAIN | FIXED;
                let result = map(&world, address_of(at), len_bytes, prot, flags);
                assert_eq!(result, Ok(address_of(at)));
                model[range].fill(Some((prot, 0)));
            }
            1 => {
                assert_eq!(world.call(sys_munmap, [address_of(at), len_bytes]), Ok(0));
                model[range].fill(None);
            }
            2 => {
                let is_mapped = model[range.clone()].iter().all(Option::is_some);
                let words = [address_of(at), len_bytes, prot];
                assert_eq!(world.call(sys_mprotect, words).is_ok(), is_mapped);
                if is_mapped {
                    for page in model[range].iter_mut().flatten() {
                        page.0 = prot;
                    }
                }
            }
            3 => {
                let is_mapped = model[range.clone()].iter().all(Option::is_some);
                let words = [address_of(at), len_bytes, 4];
                assert_eq!(world.call(sys_madvise, words).is_ok(), is_mapped);
                for page in model[range].iter_mut().flatten() {
                    page.1 = 0;
                }
            }
            _ => {
                let can = model[at].is_some_and(|(prot, _)| prot == RW);
                assert_eq!(store(&world, address_of(at), step as u8), can);
                if let Some(page) = &mut model[at]
                    && can
                {
                    page.1 = step as u8;
                }
            }
        }
        if step % 50 == 0 {
            for (page, state) in model.iter().enumerate() {
                let expected = state.and_then(|(prot, byte)| (prot != NONE).then_some(byte));
                assert_eq!(
                    load(&world, address_of(page)),
                    expected,
                    "step {step}, page {page}"
                );
            }
        }
    }
    assert_eq!(world.call(sys_munmap, [base, PAGES * PAGE_BYTES]), Ok(0));
    let tables = world.process.memory.usage().tables / PAGE_BYTES;
    assert_eq!(free_pages(&world), free - tables);
    assert_eq!(world.process.memory.usage().program, 0);
}

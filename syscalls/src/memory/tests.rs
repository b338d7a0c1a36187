//! The calls of the address space against a naive model, and case by case.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::vec::Vec;

use muslin_abi::{Errno, SyscallResult};
use muslin_platform::{Entropy, Memory, Platform};
use muslin_sim::{PAGE_BYTES, Sim};

use super::*;
use crate::testing::World;

const READ: usize = 1;
const WRITE: usize = 2;
const EXECUTE: usize = 4;
const RW: usize = READ | WRITE;

const PRIVATE: usize = 2;
const FIXED: usize = 0x10;
const ANONYMOUS: usize = 0x20;
const NOREPLACE: usize = 0x10_0000;
const PLAIN: usize = PRIVATE | ANONYMOUS;

const MAYMOVE: usize = 1;
const MOVE_FIXED: usize = 3;

const NO_FILE: usize = usize::MAX;

fn map(world: &World, address: usize, pages: usize, prot: usize, flags: usize) -> SyscallResult {
    let len_bytes = pages * PAGE_BYTES;
    world.call(sys_mmap, [address, len_bytes, prot, flags, NO_FILE, 0])
}

fn unmap(world: &World, address: usize, pages: usize) -> SyscallResult {
    world.call(sys_munmap, [address, pages * PAGE_BYTES])
}

fn free_bytes(world: &World) -> usize {
    world.process.memory.usage().free
}

#[test]
fn memory_reads_as_zeros_even_when_it_was_used_before() {
    let world = World::new();
    let first = map(&world, 0, 3, RW, PLAIN).unwrap();
    world.put(first, &[0xaa; 3 * PAGE_BYTES]);
    assert_eq!(unmap(&world, first, 3), Ok(0));
    assert_eq!(
        world.process.memory.check(first, 1, Access::Read),
        Err(Errno::EFAULT)
    );
    let second = map(&world, 0, 3, RW, PLAIN).unwrap();
    assert_eq!(second, first);
    assert_eq!(world.get(second, 3 * PAGE_BYTES), [0; 3 * PAGE_BYTES]);
}

#[test]
fn a_hole_in_the_middle_is_used_again() {
    let world = World::new();
    let start = map(&world, 0, 5, RW, PLAIN).unwrap();
    world.put(start, &[7; 5 * PAGE_BYTES]);
    let middle = start + 2 * PAGE_BYTES;
    assert_eq!(unmap(&world, middle, 1), Ok(0));
    let memory = &world.process.memory;
    assert_eq!(memory.check(start, 2 * PAGE_BYTES, Access::Write), Ok(()));
    assert_eq!(
        memory.check(start, 2 * PAGE_BYTES + 1, Access::Write),
        Err(Errno::EFAULT)
    );
    assert_eq!(world.get(middle + PAGE_BYTES, 1), [7]);
    assert_eq!(map(&world, 0, 1, RW, PLAIN), Ok(middle));
    assert_eq!(world.get(middle, 1), [0]);
    // Alike neighbours are one region again.
    assert_eq!(
        memory
            .regions()
            .iter()
            .filter(|(_, _, kind)| *kind == Kind::Anonymous)
            .count(),
        1
    );
}

#[test]
fn exhaustion_is_enomem_and_leaves_all_as_it_was() {
    let world = World::new();
    let mut taken = Vec::new();
    while let Ok(address) = map(&world, 0, 16, RW, PLAIN) {
        taken.push(address);
    }
    assert!(taken.len() > 50, "{}", taken.len());
    while let Ok(address) = map(&world, 0, 1, RW, PLAIN) {
        taken.push(address);
    }
    let left = free_bytes(&world);
    assert_eq!(map(&world, 0, 1, RW, PLAIN), Err(Errno::ENOMEM));
    assert_eq!(map(&world, 0, 1 << 40, RW, PLAIN), Err(Errno::ENOMEM));
    assert_eq!(
        world.call(sys_mmap, [0, usize::MAX, RW, PLAIN, NO_FILE, 0]),
        Err(Errno::ENOMEM)
    );
    assert_eq!(
        world.call(
            sys_mremap,
            [taken[0], 16 * PAGE_BYTES, 17 * PAGE_BYTES, MAYMOVE]
        ),
        Err(Errno::ENOMEM)
    );
    let end = world.call(sys_brk, [0]).unwrap();
    assert_eq!(world.call(sys_brk, [end + 1]), Ok(end));
    assert_eq!(free_bytes(&world), left);
    // What the library OS keeps for itself is there.
    assert!(left >= 8 * PAGE_BYTES, "{left}");
    assert_eq!(unmap(&world, taken[3], 16), Ok(0));
    assert_eq!(map(&world, 0, 16, RW, PLAIN), Ok(taken[3]));
}

#[test]
fn fixed_mappings_take_the_place_of_what_is_there() {
    let world = World::new();
    let start = map(&world, 0, 6, RW, PLAIN).unwrap();
    world.put(start, &[9; 6 * PAGE_BYTES]);
    assert_eq!(unmap(&world, start + 3 * PAGE_BYTES, 1), Ok(0));
    let before = free_bytes(&world);
    let inner = start + PAGE_BYTES;
    assert_eq!(
        map(&world, inner, 4, RW, PLAIN | NOREPLACE),
        Err(Errno::EEXIST)
    );
    assert_eq!(map(&world, inner, 4, RW, PLAIN | FIXED), Ok(inner));
    assert_eq!(before - free_bytes(&world), PAGE_BYTES);
    let bytes = world.get(start, 6 * PAGE_BYTES);
    for (page, byte) in [9, 0, 0, 0, 0, 9].into_iter().enumerate() {
        assert_eq!(bytes[page * PAGE_BYTES], byte, "page {page}");
    }
    assert_eq!(unmap(&world, start, 6), Ok(0));
    assert_eq!(map(&world, inner, 2, RW, PLAIN | NOREPLACE), Ok(inner));
    for address in [PAGE_BYTES, usize::MAX - PAGE_BYTES + 1] {
        assert_eq!(
            map(&world, address, 1, RW, PLAIN | FIXED),
            Err(Errno::ENOMEM)
        );
    }
    assert_eq!(
        map(&world, inner + 1, 1, RW, PLAIN | FIXED),
        Err(Errno::EINVAL)
    );
}

#[test]
fn a_fixed_mapping_over_pages_of_the_library_changes_nothing() {
    let world = World::new();
    let kernel = world.pages.allocate(1, Owner::Kernel).unwrap();
    let mapped = map(&world, 0, 1, RW, PLAIN).unwrap();
    assert_eq!(mapped, kernel - PAGE_BYTES);
    world.put(mapped, b"stays");
    let before = free_bytes(&world);
    let start = mapped - 2 * PAGE_BYTES;
    assert_eq!(map(&world, start, 4, RW, PLAIN | FIXED), Err(Errno::ENOMEM));
    assert_eq!(free_bytes(&world), before);
    assert_eq!(world.get(mapped, 5), b"stays");
    assert_eq!(map(&world, start, 2, RW, PLAIN | NOREPLACE), Ok(start));
}

#[test]
fn small_things_are_refused_before_the_library_runs_out() {
    use crate::files::{sys_mkdir, sys_open, sys_pipe2};

    const O_CREAT: usize = 0o100;

    let world = World::new();
    let (name, other) = (world.text("/new"), world.text("/other"));
    let pair = world.room(8);
    let make = || {
        [
            world.call(sys_mkdir, [name, 0o755]),
            world.call(sys_open, [other, O_CREAT, 0o600]),
            world.call(sys_pipe2, [pair, 0]),
        ]
    };
    // The program leaves enough.
    let taken = {
        let mut taken = Vec::new();
        while let Ok(address) = map(&world, 0, 1, RW, PLAIN) {
            taken.push(address);
        }
        taken
    };
    assert_eq!(world.process.memory.has_room_for_kernel(), Ok(()));
    while world.process.memory.has_room_for_kernel().is_ok() {
        world.pages.allocate(1, Owner::Kernel).unwrap();
    }
    assert_eq!(make(), [Err(Errno::ENOMEM); 3]);
    assert_eq!(unmap(&world, taken[0], 1), Ok(0));
    assert_eq!(make(), [Ok(0), Ok(3), Ok(0)]);
}

#[test]
fn a_hint_is_followed_if_there_is_room() {
    let world = World::new();
    let used = map(&world, 0, 1, RW, PLAIN).unwrap();
    let below = used - 10 * PAGE_BYTES;
    assert_eq!(map(&world, below - 5, 1, RW, PLAIN), Ok(below));
    assert_ne!(map(&world, used, 1, RW, PLAIN), Ok(used));
    assert!(map(&world, 0x1000, 1, RW, PLAIN).is_ok());
}

#[test]
fn wrong_arguments_are_refused() {
    let world = World::new();
    let start = map(&world, 0, 1, RW, PLAIN).unwrap();
    assert_eq!(map(&world, 0, 0, RW, PLAIN), Err(Errno::EINVAL));
    assert_eq!(map(&world, 0, 1, RW, ANONYMOUS), Err(Errno::EINVAL));
    assert_eq!(map(&world, 0, 1, RW, PLAIN | 0x4_0000), Err(Errno::EINVAL));
    assert_eq!(
        world.call(sys_mmap, [0, 1, RW, PLAIN, NO_FILE, 1]),
        Err(Errno::EINVAL)
    );
    assert_eq!(map(&world, 0, 1, RW, PRIVATE), Err(Errno::EBADF));
    assert_eq!(world.call(sys_munmap, [start, 0]), Err(Errno::EINVAL));
    assert_eq!(world.call(sys_munmap, [start + 1, 1]), Err(Errno::EINVAL));
    assert_eq!(
        world.call(sys_munmap, [start, usize::MAX]),
        Err(Errno::EINVAL)
    );
    assert_eq!(world.call(sys_munmap, [PAGE_BYTES, 1]), Ok(0));
    assert_eq!(world.call(sys_mprotect, [start, 1, 8]), Err(Errno::EINVAL));
    assert_eq!(
        world.call(sys_mprotect, [start, 2 * PAGE_BYTES + 1, RW]),
        Err(Errno::ENOMEM)
    );
    assert_eq!(world.call(sys_mprotect, [start, 0, RW]), Ok(0));
    assert_eq!(world.call(sys_madvise, [start, 1, 99]), Err(Errno::EINVAL));
    assert_eq!(
        world.call(sys_madvise, [PAGE_BYTES, 1, 3]),
        Err(Errno::ENOMEM)
    );
    assert_eq!(world.call(sys_msync, [start, 1, 5]), Err(Errno::EINVAL));
    assert_eq!(world.call(sys_msync, [start, 1, 4]), Ok(0));
    assert_eq!(world.call(sys_mlock, [start + 5, 10]), Ok(0));
    assert_eq!(
        world.call(sys_mlock, [start, PAGE_BYTES + 1]),
        Err(Errno::ENOMEM)
    );
    assert_eq!(world.call(sys_mlockall, [0]), Err(Errno::EINVAL));
    assert_eq!(world.call(sys_mlockall, [3]), Ok(0));
}

#[test]
fn calls_respect_protection_even_where_the_platform_cannot() {
    let world = World::new();
    let start = map(&world, 0, 3, RW, PLAIN).unwrap();
    let memory = &world.process.memory;
    assert_eq!(
        world.call(sys_mprotect, [start + PAGE_BYTES, PAGE_BYTES, READ]),
        Ok(0)
    );
    assert_eq!(memory.check(start, 3 * PAGE_BYTES, Access::Read), Ok(()));
    assert_eq!(
        memory.check(start, 3 * PAGE_BYTES, Access::Write),
        Err(Errno::EFAULT)
    );
    assert_eq!(world.call(sys_mprotect, [start, 3 * PAGE_BYTES, 0]), Ok(0));
    assert_eq!(memory.check(start, 1, Access::Read), Err(Errno::EFAULT));
    assert_eq!(
        world.call(sys_mprotect, [start, PAGE_BYTES, READ | EXECUTE]),
        Err(Errno::EACCES)
    );
    let before = free_bytes(&world);
    assert_eq!(map(&world, 0, 1, READ | EXECUTE, PLAIN), Err(Errno::EACCES));
    assert_eq!(free_bytes(&world), before);
}

#[test]
fn the_platform_protects_where_it_can() {
    let world = World::with(Sim::new(64, 1).with_protection(), None);
    let start = map(&world, 0, 1, READ | EXECUTE, PLAIN).unwrap();
    let protection = world.sim.protection_of(start).unwrap();
    assert!(protection.execute && !protection.write, "{protection:?}");
    assert_eq!(world.call(sys_mprotect, [start, 1, 0]), Ok(0));
    assert!(!world.sim.protection_of(start).unwrap().read);
    // Whoever gets the pages next can write to them.
    assert_eq!(unmap(&world, start, 1), Ok(0));
    assert!(world.sim.protection_of(start).unwrap().write);
}

#[test]
fn a_mapping_of_a_file_is_a_copy_with_zeros_behind() {
    use crate::files::{sys_open, sys_write};

    const O_RDWR_CREAT: usize = 0o102;
    const O_WRONLY: usize = 1;

    let world = World::new();
    let content: Vec<u8> = (0..2 * PAGE_BYTES + 100).map(|i| (i % 251) as u8).collect();
    let path = world.text("/cloth");
    let fd = world.call(sys_open, [path, O_RDWR_CREAT, 0o600]).unwrap();
    let from = world.bytes(&content);
    assert_eq!(
        world.call(sys_write, [fd, from, content.len()]),
        Ok(content.len())
    );
    let map_file = |prot, flags, fd, offset: usize| {
        let len_bytes = 2 * PAGE_BYTES + 10;
        world.call(sys_mmap, [0, len_bytes, prot, flags, fd, offset])
    };
    let free = free_bytes(&world);
    let start = map_file(READ, PRIVATE, fd, PAGE_BYTES).unwrap();
    let bytes = world.get(start, 3 * PAGE_BYTES);
    let there = content.len() - PAGE_BYTES;
    assert_eq!(bytes[..there], content[PAGE_BYTES..]);
    assert!(bytes[there..].iter().all(|&byte| byte == 0));
    assert_eq!(
        world.process.memory.check(start, 1, Access::Write),
        Err(Errno::EFAULT)
    );
    let writable = map_file(RW, PRIVATE, fd, 0).unwrap();
    world.put(writable, b"mine");
    let again = map_file(RW, PRIVATE, fd, 0).unwrap();
    assert_eq!(world.get(again, 4), content[..4]);
    assert_eq!(free - free_bytes(&world), 3 * 3 * PAGE_BYTES);

    assert_eq!(map_file(READ, PRIVATE, fd, 1), Err(Errno::EINVAL));
    assert_eq!(map_file(READ, PRIVATE, 99, 0), Err(Errno::EBADF));
    let blind = world.call(sys_open, [path, O_WRONLY]).unwrap();
    assert_eq!(map_file(READ, PRIVATE, blind, 0), Err(Errno::EACCES));
    let root = world.text("/");
    let directory = world.call(sys_open, [root, 0]).unwrap();
    assert_eq!(map_file(READ, PRIVATE, directory, 0), Err(Errno::ENODEV));
    // Three pages end where offsets do, or behind.
    let last = isize::MAX as usize + 1 - 4 * PAGE_BYTES;
    for flags in [PRIVATE, 1] {
        for offset in [last + PAGE_BYTES, usize::MAX - (PAGE_BYTES - 1)] {
            assert_eq!(map_file(READ, flags, fd, offset), Err(Errno::EOVERFLOW));
        }
    }
    assert_eq!(free - free_bytes(&world), 3 * 3 * PAGE_BYTES + PAGE_BYTES);
    assert!(map_file(READ, PRIVATE, fd, last).is_ok());
}

#[test]
fn mappings_grow_shrink_and_move() {
    let world = World::new();
    let wall = map(&world, 0, 1, RW, PLAIN).unwrap();
    let start = map(&world, 0, 2, RW, PLAIN).unwrap();
    assert_eq!(start, wall - 2 * PAGE_BYTES);
    world.put(start, &[5; 2 * PAGE_BYTES]);
    let remap = |at, old, new, flags, to| {
        world.call(
            sys_mremap,
            [at, old * PAGE_BYTES, new * PAGE_BYTES, flags, to],
        )
    };
    // In the way, and not mapped.
    assert_eq!(remap(start, 2, 3, 0, 0), Err(Errno::ENOMEM));
    assert_eq!(remap(PAGE_BYTES, 1, 2, 0, 0), Err(Errno::EFAULT));
    let before = free_bytes(&world);
    let moved = remap(start, 2, 4, MAYMOVE, 0).unwrap();
    assert!(moved + 4 * PAGE_BYTES <= start);
    assert_eq!(before - free_bytes(&world), 2 * PAGE_BYTES);
    let bytes = world.get(moved, 4 * PAGE_BYTES);
    assert_eq!(bytes[..2 * PAGE_BYTES], [5; 2 * PAGE_BYTES]);
    assert_eq!(bytes[2 * PAGE_BYTES..], [0; 2 * PAGE_BYTES]);
    assert_eq!(
        world.process.memory.check(start, 1, Access::Read),
        Err(Errno::EFAULT)
    );
    // The old place is free, so it grows there.
    assert_eq!(remap(moved, 4, 6, 0, 0), Ok(moved));
    assert_eq!(remap(moved, 6, 1, 0, 0), Ok(moved));
    assert_eq!(free_bytes(&world), before + PAGE_BYTES);
    // To a place of its choice, over the wall.
    assert_eq!(remap(moved, 1, 1, MOVE_FIXED, moved), Err(Errno::EINVAL));
    assert_eq!(remap(moved, 1, 1, 2, wall), Err(Errno::EINVAL));
    assert_eq!(remap(moved, 1, 1, MOVE_FIXED, wall), Ok(wall));
    assert_eq!(world.get(wall, 1), [5]);
    assert_eq!(free_bytes(&world), before + 2 * PAGE_BYTES);
    assert_eq!(remap(wall, 0, 1, MAYMOVE, 0), Err(Errno::EINVAL));
    assert_eq!(remap(wall, 1, 0, MAYMOVE, 0), Err(Errno::EINVAL));
}

#[test]
fn the_size_of_the_stack_can_be_found_by_asking() {
    // As pthread_getattr_np of musl does: down from the top until it is not ENOMEM.
    let world = World::new();
    let stack = world.sim.stack();
    let mut pages = 1;
    while world.call(
        sys_mremap,
        [
            stack.end - (pages + 1) * PAGE_BYTES,
            PAGE_BYTES,
            2 * PAGE_BYTES,
            0,
        ],
    ) == Err(Errno::ENOMEM)
    {
        pages += 1;
        assert!(pages <= stack.len() / PAGE_BYTES);
    }
    assert!(pages >= stack.len() / PAGE_BYTES - 1, "{pages}");
}

#[test]
fn the_break_moves_and_keeps_its_place() {
    let world = World::new();
    let start = world.call(sys_brk, [0]).unwrap();
    assert_eq!(world.call(sys_brk, [start + 100]), Ok(start + 100));
    world.put(start, &[3; 100]);
    assert_eq!(
        world.call(sys_brk, [start + 5 * PAGE_BYTES]),
        Ok(start + 5 * PAGE_BYTES)
    );
    world.put(start + 4 * PAGE_BYTES, &[4; PAGE_BYTES]);
    assert_eq!(
        world.call(sys_brk, [start + 2 * PAGE_BYTES]),
        Ok(start + 2 * PAGE_BYTES)
    );
    assert_eq!(
        world
            .process
            .memory
            .check(start + 2 * PAGE_BYTES, 1, Access::Read),
        Err(Errno::EFAULT)
    );
    assert_eq!(
        world.call(sys_brk, [start + 5 * PAGE_BYTES]),
        Ok(start + 5 * PAGE_BYTES)
    );
    assert_eq!(world.get(start, 100), [3; 100]);
    assert_eq!(world.get(start + 4 * PAGE_BYTES, 1), [0]);
    // Below its start, beyond memory, and over a mapping: it stays.
    let end = start + 5 * PAGE_BYTES;
    assert_eq!(world.call(sys_brk, [start - 1]), Ok(end));
    assert_eq!(world.call(sys_brk, [usize::MAX]), Ok(end));
    let wall = end + 2 * PAGE_BYTES;
    assert_eq!(map(&world, wall, 1, RW, PLAIN | NOREPLACE), Ok(wall));
    assert_eq!(world.call(sys_brk, [wall + 1]), Ok(end));
    assert_eq!(world.call(sys_brk, [wall]), Ok(wall));
}

#[test]
fn advice_clears_and_pages_are_in_memory() {
    let world = World::new();
    let start = map(&world, 0, 3, RW, PLAIN).unwrap();
    world.put(start, &[6; 3 * PAGE_BYTES]);
    assert_eq!(
        world.call(sys_madvise, [start + PAGE_BYTES, PAGE_BYTES, 4]),
        Ok(0)
    );
    let bytes = world.get(start, 3 * PAGE_BYTES);
    assert_eq!([0, 1, 2].map(|page| bytes[page * PAGE_BYTES]), [6, 0, 6]);
    assert_eq!(world.call(sys_madvise, [start, PAGE_BYTES, 8]), Ok(0));
    let room = world.room(3);
    assert_eq!(
        world.call(sys_mincore, [start, 2 * PAGE_BYTES + 1, room]),
        Ok(0)
    );
    assert_eq!(world.get(room, 4), [1, 1, 1, 0]);
}

#[test]
fn the_librarys_heap_takes_pages_and_gives_them_back() {
    let sim: &'static Sim = std::boxed::Box::leak(std::boxed::Box::new(Sim::new(130, 1)));
    #[allow(unsafe_code, reason = "tests")]
    // SAFETY: the simulated memory is new, and nothing else uses it.
    let pages = unsafe { Pages::new(sim.memory()) };
    let (count, free) = pages.count();
    assert_eq!((count, free), (130, 129));
    let reserve = pages::RESERVE_PAGES_MIN;
    assert!(pages.allocate(free - reserve, Owner::Program).is_ok());
    assert_eq!(pages.allocate(1, Owner::Program), Err(Errno::ENOMEM));
    let heap = pages.allocate(reserve, Owner::Kernel).unwrap();
    assert_eq!(pages.allocate(1, Owner::Kernel), Err(Errno::ENOMEM));
    pages.free(heap..heap + reserve * PAGE_BYTES, Owner::Kernel);
    assert_eq!(pages.count().1, reserve);
    assert_eq!(
        pages.claim(heap..heap + (reserve + 1) * PAGE_BYTES, Owner::Kernel),
        Err(Errno::EEXIST)
    );
    assert_eq!(
        pages.claim(heap - PAGE_BYTES..heap, Owner::Kernel),
        Err(Errno::ENOMEM)
    );
    assert_eq!(pages.claim(heap..heap + PAGE_BYTES, Owner::Kernel), Ok(()));
}

/// The naive model: each page has its content's byte and protection, or is not mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ModelPage {
    byte: u8,
    prot: usize,
}

struct Draws(Sim);

impl Draws {
    fn below(&self, limit: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes).unwrap();
        u64::from_le_bytes(bytes) as usize % limit
    }
}

/// Random calls, each followed by a comparison of every page with the model.
#[test]
fn random_calls_agree_with_a_naive_model() {
    let seed = std::env::var("MUSLIN_SEED").map_or(20_261_120, |text| text.parse().unwrap());
    std::println!("MUSLIN_SEED={seed}");
    const PAGES: usize = 96;
    let draws = Draws(Sim::new(1, seed));
    for round in 0..8 {
        let world = World::with(Sim::new(PAGES, 1), None);
        let base = Memory::range(world.sim).start;
        let address_of = |page: usize| base + page * PAGE_BYTES;
        let page_of = |address: usize| (address - base) / PAGE_BYTES;
        let mut model: Vec<Option<ModelPage>> = std::vec![None; PAGES];
        let new = |prot| Some(ModelPage { byte: 0, prot });
        // Pages that are nobody's and yet not free: the allocator's own.
        let own = PAGES - free_bytes(&world) / PAGE_BYTES;
        for step in 0..400 {
            let at = own + draws.below(PAGES - own);
            let count = 1 + draws.below(12.min(PAGES - at));
            let prot = [RW, RW, READ, 0][draws.below(4)];
            let range = at..at + count;
            let what = draws.below(7);
            let has_room = |model: &[Option<ModelPage>], wanted: usize| {
                let free = model[own..].iter().filter(|page| page.is_none()).count();
                wanted <= free.saturating_sub(pages::RESERVE_PAGES_MIN)
            };
            match what {
                0 => match map(&world, 0, count, prot, PLAIN) {
                    Ok(address) => {
                        let first = page_of(address);
                        assert!(model[first..first + count].iter().all(Option::is_none));
                        model[first..first + count].fill(new(prot));
                    }
                    Err(errno) => {
                        assert_eq!(errno, Errno::ENOMEM);
                        let run = model[own..]
                            .split(Option::is_some)
                            .map(<[_]>::len)
                            .max()
                            .unwrap_or(0);
                        assert!(run < count || !has_room(&model, count));
                    }
                },
                1 => {
                    let missing = model[range.clone()].iter().filter(|p| p.is_none()).count();
                    let result = map(&world, address_of(at), count, prot, PLAIN | FIXED);
                    if result.is_ok() {
                        model[range].fill(new(prot));
                    } else {
                        assert_eq!(result, Err(Errno::ENOMEM));
                        assert!(!has_room(&model, missing));
                    }
                }
                2 => {
                    assert_eq!(unmap(&world, address_of(at), count), Ok(0));
                    model[range].fill(None);
                }
                3 => {
                    let is_mapped = model[range.clone()].iter().all(Option::is_some);
                    let result =
                        world.call(sys_mprotect, [address_of(at), count * PAGE_BYTES, prot]);
                    assert_eq!(result.is_ok(), is_mapped);
                    if is_mapped {
                        for page in model[range].iter_mut().flatten() {
                            page.prot = prot;
                        }
                    }
                }
                4 => {
                    let is_mapped = model[range.clone()].iter().all(Option::is_some);
                    let result = world.call(sys_madvise, [address_of(at), count * PAGE_BYTES, 4]);
                    assert_eq!(result.is_ok(), is_mapped);
                    for page in model[range].iter_mut().flatten() {
                        page.byte = 0;
                    }
                }
                5 => {
                    let new_count = 1 + draws.below(12);
                    let old = model[range.clone()].to_vec();
                    let is_one = old.iter().all(|page| {
                        page.is_some_and(|page| Some(page.prot) == old[0].map(|page| page.prot))
                    });
                    let result = world.call(
                        sys_mremap,
                        [
                            address_of(at),
                            count * PAGE_BYTES,
                            new_count * PAGE_BYTES,
                            MAYMOVE,
                        ],
                    );
                    match result {
                        Ok(address) => {
                            assert!(is_one || new_count <= count);
                            let first = page_of(address);
                            model[range].fill(None);
                            let added = new(old[0].unwrap().prot);
                            for i in 0..new_count {
                                assert_eq!(model[first + i], None);
                                model[first + i] = old.get(i).copied().unwrap_or(added);
                            }
                        }
                        Err(Errno::EFAULT) => assert!(!is_one),
                        Err(errno) => assert_eq!(errno, Errno::ENOMEM),
                    }
                }
                _ => {
                    let byte = step as u8;
                    if let Some(page) = &mut model[at]
                        && page.prot == RW
                    {
                        world.put(address_of(at), &[byte; PAGE_BYTES]);
                        page.byte = byte;
                    }
                }
            }
            let memory = &world.process.memory;
            for (number, page) in model.iter().enumerate() {
                let address = address_of(number);
                let case = std::format!("round {round}, step {step}, call {what}, page {number}");
                let can = |access| memory.check(address, PAGE_BYTES, access).is_ok();
                let prot = page.map_or(0, |page| page.prot);
                assert_eq!(can(Access::Read), prot & RW != 0, "{case}");
                assert_eq!(can(Access::Write), prot & WRITE != 0, "{case}");
                let is_mapped = memory.is_mapped(address..address + PAGE_BYTES);
                assert_eq!(is_mapped, page.is_some(), "{case}");
                if let Some(page) = page
                    && page.prot & RW != 0
                {
                    let bytes = world.get(address, PAGE_BYTES);
                    assert!(bytes == [page.byte; PAGE_BYTES], "{case}");
                }
            }
            let mapped = model.iter().flatten().count() * PAGE_BYTES;
            let usage = memory.usage();
            assert_eq!(usage.program, mapped);
            assert_eq!(usage.total - usage.free, mapped + own * PAGE_BYTES);
        }
    }
}

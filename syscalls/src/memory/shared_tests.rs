//! Shared mappings of files, where addresses are memory and where they are translated.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::vec::Vec;

use muslin_abi::{Errno, SyscallResult};
use muslin_platform::{Memory, Platform};
use muslin_sim::{PAGE_BYTES, Sim};

use super::*;
use crate::files::{sys_ftruncate, sys_open, sys_pread64, sys_pwrite64, sys_unlink};
use crate::testing::World;

const READ: usize = 1;
const RW: usize = 3;
const SHARED: usize = 1;
const FIXED: usize = 0x10;
const O_RDONLY: usize = 0;
const O_RDWR_CREAT: usize = 0o102;

/// A world with a file of three pages, `a`, `b` and `c`.
struct Cloth {
    world: World,
    fd: usize,
    path: usize,
    room: usize,
}

impl Cloth {
    fn new(sim: Sim) -> Self {
        let world = World::with(sim, None);
        // What the calls read and write lies outside: a test has no page tables of its own.
        let outside = Memory::stack(world.sim).start;
        let path = outside;
        world.put(path, b"/cloth\0");
        let room = outside + 64;
        let fd = world.call(sys_open, [path, O_RDWR_CREAT, 0o600]).unwrap();
        let cloth = Self {
            world,
            fd,
            path,
            room,
        };
        for (page, byte) in b"abc".iter().enumerate() {
            cloth.write(page * PAGE_BYTES, *byte);
        }
        assert_eq!(cloth.cut(3 * PAGE_BYTES), Ok(0));
        cloth
    }

    fn map(
        &self,
        place: usize,
        prot: usize,
        flags: usize,
        first: usize,
        pages: usize,
    ) -> SyscallResult {
        let offset = first * PAGE_BYTES;
        let len_bytes = pages * PAGE_BYTES;
        self.world
            .call(sys_mmap, [place, len_bytes, prot, flags, self.fd, offset])
    }

    fn cut(&self, len_bytes: usize) -> SyscallResult {
        self.world.call(sys_ftruncate, [self.fd, len_bytes])
    }

    fn write(&self, offset: usize, byte: u8) {
        self.world.put(self.room, &[byte]);
        let words = [self.fd, self.room, 1, offset];
        assert_eq!(self.world.call(sys_pwrite64, words), Ok(1));
    }

    fn read(&self, offset: usize) -> Option<u8> {
        let words = [self.fd, self.room, 1, offset];
        let got = self.world.call(sys_pread64, words).unwrap();
        (got == 1).then(|| self.world.get(self.room, 1)[0])
    }

    /// Where the byte of an address of the program is, once that has touched it; `None`: a fault.
    fn touch(&self, address: usize) -> Option<usize> {
        let Some(paging) = self.world.sim.memory().paging() else {
            return Some(address);
        };
        let page = address / PAGE_BYTES * PAGE_BYTES;
        let backed = || paging.first_backed(page..page + PAGE_BYTES);
        if backed().is_none() && !self.world.process.memory.fault(address, true, false) {
            return None;
        }
        Some(backed()?.1 + address % PAGE_BYTES)
    }

    fn place_of(&self, address: usize) -> usize {
        self.touch(address).unwrap()
    }

    fn load(&self, address: usize) -> u8 {
        self.world
            .pages
            .with_bytes(self.place_of(address) / PAGE_BYTES * PAGE_BYTES, |bytes| {
                bytes[address % PAGE_BYTES]
            })
    }

    fn store(&self, address: usize, byte: u8) {
        self.world
            .pages
            .with_bytes(self.place_of(address) / PAGE_BYTES * PAGE_BYTES, |bytes| {
                bytes[address % PAGE_BYTES] = byte
            });
    }
}

fn both() -> [Cloth; 2] {
    [
        Cloth::new(Sim::new(512, 1)),
        Cloth::new(Sim::new(512, 1).with_paging()),
    ]
}

#[test]
fn mappings_and_calls_see_the_same() {
    for cloth in both() {
        let one = cloth.map(0, RW, SHARED, 0, 3).unwrap();
        let two = cloth.map(0, RW, SHARED, 1, 1).unwrap();
        let texts = [0, 1, 2].map(|page| cloth.load(one + page * PAGE_BYTES));
        assert_eq!(&texts, b"abc");
        assert_eq!(cloth.load(two), b'b');
        cloth.store(two, b'X');
        assert_eq!(cloth.load(one + PAGE_BYTES), b'X');
        assert_eq!(cloth.read(PAGE_BYTES), Some(b'X'));
        cloth.write(PAGE_BYTES, b'Y');
        assert_eq!(cloth.load(two), b'Y');
        // Either may go first.
        assert_eq!(cloth.world.call(sys_munmap, [one, 3 * PAGE_BYTES]), Ok(0));
        let memory = &cloth.world.process.memory;
        assert_eq!(memory.check(two, PAGE_BYTES, Access::Write), Ok(()));
        cloth.store(two, b'Z');
        assert_eq!(cloth.read(PAGE_BYTES), Some(b'Z'));
        assert_eq!(cloth.world.call(sys_munmap, [two, PAGE_BYTES]), Ok(0));
        assert_eq!(memory.check(two, 1, Access::Read), Err(Errno::EFAULT));
        // What was stored stays in the file, and is found again.
        let again = cloth.map(0, READ, SHARED, 0, 3).unwrap();
        assert_eq!(cloth.load(again + PAGE_BYTES), b'Z');
    }
}

#[test]
fn a_file_that_is_cut_and_grows_again_reads_as_zeros() {
    for cloth in both() {
        let start = cloth.map(0, RW, SHARED, 0, 3).unwrap();
        assert_eq!(cloth.cut(PAGE_BYTES), Ok(0));
        assert_eq!(cloth.read(2 * PAGE_BYTES), None);
        assert_eq!(cloth.cut(3 * PAGE_BYTES), Ok(0));
        assert_eq!(cloth.load(start + 2 * PAGE_BYTES), 0);
        cloth.store(start + 2 * PAGE_BYTES, b'n');
        assert_eq!(cloth.read(2 * PAGE_BYTES), Some(b'n'));
        assert_eq!(cloth.read(PAGE_BYTES), Some(0));
    }
}

#[test]
fn pages_behind_the_end_are_a_fault_where_addresses_are_translated() {
    const PRIVATE: usize = 2;
    let [flat, cloth] = both();
    let start = flat.map(0, RW, SHARED, 2, 2).unwrap();
    assert_eq!(flat.load(start + PAGE_BYTES), 0);

    let memory = &cloth.world.process.memory;
    let faults = |address: usize| {
        let is_behind = memory.is_behind_file(address);
        assert_eq!(cloth.touch(address).is_none(), is_behind, "{address:#x}");
        is_behind
    };
    let shared = cloth.map(0, RW, SHARED, 1, 4).unwrap();
    let free = memory.usage().free;
    let private = cloth.map(0, RW, PRIVATE, 1, 40).unwrap();
    assert!(free - memory.usage().free <= 3 * PAGE_BYTES);
    for start in [shared, private] {
        assert_eq!(cloth.load(start + PAGE_BYTES), b'c');
        assert!(faults(start + 2 * PAGE_BYTES) && faults(start + 4 * PAGE_BYTES - 1));
        assert!(!faults(start + PAGE_BYTES));
    }
    // The file grows by a byte, and is cut within a page.
    cloth.write(3 * PAGE_BYTES, b'd');
    assert_eq!(cloth.load(shared + 2 * PAGE_BYTES), b'd');
    assert!(faults(shared + 3 * PAGE_BYTES) && faults(private + 2 * PAGE_BYTES));
    assert_eq!(cloth.cut(PAGE_BYTES + 1), Ok(0));
    assert!(!faults(shared) && faults(shared + PAGE_BYTES) && !faults(private + PAGE_BYTES));
    // A mapping that is made, moved or protected meanwhile.
    let other = cloth.map(0, READ, SHARED, 1, 2).unwrap();
    let words = [
        shared,
        4 * PAGE_BYTES,
        4 * PAGE_BYTES,
        3,
        shared - 16 * PAGE_BYTES,
    ];
    let moved = cloth.world.call(sys_mremap, words).unwrap();
    let words = [moved, 4 * PAGE_BYTES, READ];
    assert_eq!(cloth.world.call(sys_mprotect, words), Ok(0));
    assert!(faults(other + PAGE_BYTES) && faults(moved + PAGE_BYTES) && !faults(moved));
    assert_eq!(cloth.cut(3 * PAGE_BYTES), Ok(0));
    assert!(!memory.is_behind_file(other + PAGE_BYTES));
    assert!(!memory.is_behind_file(moved + 2 * PAGE_BYTES - 1));
    // Handlers go on.
    assert_eq!(cloth.cut(PAGE_BYTES), Ok(0));
    assert!(memory.fault(other, false, true) && memory.fault(private + 3 * PAGE_BYTES, true, true));
    for (start, pages) in [(other, 2), (moved, 4), (private, 40)] {
        assert_eq!(
            cloth.world.call(sys_munmap, [start, pages * PAGE_BYTES]),
            Ok(0)
        );
    }
    assert_eq!(cloth.world.process.memory.usage().program, 0);
}

#[test]
fn pages_go_back_with_the_last_who_has_them() {
    for cloth in both() {
        let free = cloth.world.process.memory.usage().free;
        let start = cloth.map(0, RW, SHARED, 0, 3).unwrap();
        assert_eq!(cloth.world.call(sys_unlink, [cloth.path]), Ok(0));

        assert_eq!(cloth.world.call(crate::files::sys_close, [cloth.fd]), Ok(0));
        // The file is gone, and its pages are still mapped.
        assert_eq!(cloth.load(start), b'a');
        let files = cloth.world.process.memory.usage().files;
        assert_eq!(files, 3 * PAGE_BYTES);
        assert_eq!(cloth.world.call(sys_munmap, [start, 3 * PAGE_BYTES]), Ok(0));
        assert_eq!(cloth.world.process.memory.usage().files, 0);
        let tables = cloth.world.process.memory.usage().tables;
        assert_eq!(cloth.world.process.memory.usage().free, free - tables);
    }
}

#[test]
fn what_a_descriptor_is_not_open_for_is_refused() {
    for mut cloth in both() {
        cloth.fd = cloth.world.call(sys_open, [cloth.path, O_RDONLY]).unwrap();
        assert_eq!(cloth.map(0, RW, SHARED, 0, 1), Err(Errno::EACCES));
        let start = cloth.map(0, READ, SHARED, 0, 1).unwrap();
        let words = [start, PAGE_BYTES, RW];
        assert_eq!(cloth.world.call(sys_mprotect, words), Err(Errno::EACCES));
        assert_eq!(cloth.map(0, READ, SHARED, 0, 0), Err(Errno::EINVAL));
    }
}

#[test]
fn a_mapping_that_is_refused_leaves_the_file_as_it_was() {
    for cloth in both() {
        let free = cloth.world.process.memory.usage().free;
        // More than there is, far more, and more than can be counted page by page.
        for pages in [600, 1 << 20, 1 << 40] {
            assert_eq!(cloth.map(0, RW, SHARED, 0, pages), Err(Errno::ENOMEM));
        }
        assert_eq!(cloth.world.process.memory.usage().free, free);
        let said = cloth.world.sim.take_output();
        assert!(said.starts_with(b"muslin: out of memory: mmap asked for 2400 KiB"));
        assert_eq!(cloth.read(2 * PAGE_BYTES), Some(b'c'));
    }
}

#[test]
fn a_mapping_that_moves_shows_the_same_file() {
    let [flat, translated] = both();
    let words = |start: usize| {
        [
            start,
            3 * PAGE_BYTES,
            3 * PAGE_BYTES,
            3,
            start - 8 * PAGE_BYTES,
        ]
    };
    let start = translated.map(0, RW, SHARED, 0, 3).unwrap();
    let moved = translated.world.call(sys_mremap, words(start)).unwrap();
    assert_eq!(moved, start - 8 * PAGE_BYTES);
    translated.store(moved + PAGE_BYTES, b'm');
    assert_eq!(translated.read(PAGE_BYTES), Some(b'm'));
    let memory = &translated.world.process.memory;
    assert_eq!(memory.check(start, 1, Access::Read), Err(Errno::EFAULT));
    assert_eq!(
        translated.world.call(sys_munmap, [moved, 3 * PAGE_BYTES]),
        Ok(0)
    );
    assert_eq!(translated.read(PAGE_BYTES), Some(b'm'));

    let start = flat.map(0, RW, SHARED, 0, 3).unwrap();
    assert_eq!(
        flat.world.call(sys_mremap, words(start)),
        Err(Errno::ENOMEM)
    );
    assert_eq!(flat.load(start), b'a');
}

#[test]
fn where_addresses_are_memory_a_page_of_a_file_has_one() {
    let [flat, translated] = both();
    let first = flat.map(0, RW, SHARED, 1, 1).unwrap();
    // The page before it has no place beside it.
    assert_eq!(flat.map(0, RW, SHARED, 0, 2), Err(Errno::ENODEV));
    assert_eq!(
        flat.map(first - PAGE_BYTES, RW, SHARED | FIXED, 1, 1),
        Err(Errno::ENODEV)
    );
    assert_eq!(flat.world.call(sys_munmap, [first, PAGE_BYTES]), Ok(0));
    // Nobody shows it any more: all of them move.
    let all = flat.map(0, RW, SHARED, 0, 3).unwrap();
    let texts: Vec<u8> = (0..3)
        .map(|page| flat.load(all + page * PAGE_BYTES))
        .collect();
    assert_eq!(texts, b"abc");

    let first = translated.map(0, RW, SHARED, 1, 1).unwrap();
    let all = translated.map(0, RW, SHARED, 0, 3).unwrap();
    translated.store(first, b'!');
    assert_eq!(translated.load(all + PAGE_BYTES), b'!');
}

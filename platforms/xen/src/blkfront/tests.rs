#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::boxed::Box;
use std::prelude::rust_2024::*;
use std::rc::Rc;
use std::{assert, assert_eq, panic, vec};

use core::cell::{Cell, RefCell};

use muslin_abi::Errno;

use super::disk::{Disk, Trouble, UNIT_BYTES};
use super::pools::{POOL, Pools};
use crate::PAGE_BYTES;
use crate::hostile::Numbers;
use crate::hostile::world::{Beside, World, granted};
use crate::ring::Broken;

/// The tree with a disk, before anything was said.
const TREE: &[(&str, &str)] = &[
    ("device/vbd/51712/backend", "/back"),
    ("device/vbd/51712/backend-id", "0"),
    ("/back/state", "2"),
    ("/back/sectors", "2048"),
    ("/back/sector-size", "512"),
    ("/back/info", "0"),
    ("/back/feature-flush-cache", "1"),
    ("/back/feature-discard", "1"),
    ("/back/feature-max-indirect-segments", "256"),
];
const STATE: &str = "device/vbd/51712/state";
const NUMBER: u64 = 51712;
const DISK_BYTES: usize = 2048 * UNIT_BYTES;

/// Where the ring's requests begin, and the size of each.
const RING_AT: usize = 64;
const REQUEST_BYTES: usize = 112;
const RING_SIZE: u32 = 32;

fn pools() -> &'static Pools {
    Box::leak(Box::new(Pools::new()))
}

/// A back end with a disk in memory.
struct Back {
    bytes: Vec<u8>,
    answered: u32,
    /// The operations that were asked for.
    operations: Vec<u8>,
    status: i16,
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

impl Back {
    fn new() -> Self {
        Self {
            bytes: vec![0; DISK_BYTES],
            answered: 0,
            operations: vec![],
            status: 0,
        }
    }

    /// Goes with the front end from state to state.
    fn follow(&self, beside: &mut Beside) {
        let state = |name: &str| beside.tree.get(name).map(String::as_str);
        if (state(STATE), state("/back/state")) == (Some("3"), Some("2")) {
            beside.write("/back/state", "4");
        }
    }

    /// Does what is asked, and answers.
    fn serve(&mut self, beside: &mut Beside) {
        self.follow(beside);
        let Some(ring) = beside.tree.get("device/vbd/51712/ring-ref") else {
            return;
        };
        let ring = ring.parse().unwrap();
        let asked = word(granted(beside, ring, 0, 8), 0) as u32;
        while self.answered != asked {
            let place = RING_AT + (self.answered % RING_SIZE) as usize * REQUEST_BYTES;
            let request = granted(beside, ring, place, REQUEST_BYTES).to_vec();
            let response = granted(beside, ring, place, 16);
            response[..8].copy_from_slice(&request[8..16]);
            response[8] = request[0];
            self.serve_one(beside, &request);
            response[10..12].copy_from_slice(&self.status.to_le_bytes());
            self.answered = self.answered.wrapping_add(1);
        }
        granted(beside, ring, 8, 4).copy_from_slice(&self.answered.to_le_bytes());
    }

    fn serve_one(&mut self, beside: &Beside, request: &[u8]) {
        self.operations.push(request[0]);
        let mut at = word(request, 16) as usize * UNIT_BYTES;
        let (operation, segments) = match request[0] {
            0 | 1 => (
                request[0],
                request[24..][..usize::from(request[1]) * 8].to_vec(),
            ),
            6 => {
                let count = usize::from(u16::from_le_bytes([request[2], request[3]]));
                let list = (word(request, 24) >> 32) as u32;
                (request[1], granted(beside, list, 0, count * 8).to_vec())
            }
            5 => {
                let len = word(request, 24) as usize * UNIT_BYTES;
                self.bytes[at..at + len].fill(0xdd);
                return;
            }
            _ => return,
        };
        for segment in segments.chunks(8) {
            let grant = word(segment, 0) as u32;
            let start = usize::from(segment[4]) * UNIT_BYTES;
            let len = (usize::from(segment[5]) + 1) * UNIT_BYTES - start;
            let page = granted(beside, grant, start, len);
            match operation {
                0 => page.copy_from_slice(&self.bytes[at..at + len]),
                _ => self.bytes[at..at + len].copy_from_slice(page),
            }
            at += len;
        }
    }
}

/// A world with a back end that keeps to the rules, and the disk.
fn honest(tree: &[(&str, &str)]) -> (World<'static>, Rc<RefCell<Back>>, Result<Disk, Errno>) {
    let back = Rc::new(RefCell::new(Back::new()));
    let serving = back.clone();
    let mut world = World::new(tree, move |beside| serving.borrow_mut().serve(beside));
    let disk = Disk::connect(&mut world, pools(), NUMBER);
    (world, back, disk)
}

/// The tree with some values changed; without those that are empty.
fn with<'a>(changes: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let others = TREE
        .iter()
        .filter(|(name, _)| !changes.iter().any(|(changed, _)| changed == name));
    let mut tree: Vec<_> = others.copied().collect();
    tree.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    tree
}

#[test]
fn what_is_written_is_read_whatever_the_back_end_offers() {
    for (offers, operations) in [
        (vec![], vec![6, 6, 6]),
        (
            vec![("/back/feature-max-indirect-segments", "")],
            vec![1, 1, 1, 1, 1, 1, 1],
        ),
        (
            vec![("/back/feature-max-indirect-segments", "31")],
            vec![1, 1, 1, 1, 1, 1, 1],
        ),
    ] {
        let (mut world, back, disk) = honest(&with(&offers));
        let mut disk = disk.unwrap();
        // More than two transfers; the last one fits without a list if lists are short.
        let len = 2 * POOL * PAGE_BYTES + 13 * PAGE_BYTES + 512 - 2 * PAGE_BYTES;
        let bytes: Vec<u8> = (0..len).map(|at| (at * 7 + at / 251) as u8).collect();
        disk.write(&mut world, 3 * 512, &bytes).unwrap();
        let asked: Vec<u8> = back
            .borrow()
            .operations
            .iter()
            .map(|it| *it.max(&1))
            .collect();
        if offers.is_empty() {
            assert_eq!(asked, operations);
        } else {
            assert_eq!(asked, [1; 8], "{operations:?}");
        }
        assert_eq!(back.borrow().bytes[3 * 512..][..len], bytes);
        assert!(back.borrow().bytes[..3 * 512].iter().all(|byte| *byte == 0));
        let mut found = vec![0; len];
        disk.read(&mut world, 3 * 512, &mut found).unwrap();
        assert!(found == bytes);
    }
}

#[test]
fn a_disk_is_what_its_back_end_says() {
    let (mut world, back, disk) = honest(&with(&[
        ("/back/info", "4"),
        ("/back/sector-size", "4096"),
        ("/back/sectors", "2047"),
    ]));
    let mut disk = disk.unwrap();
    assert_eq!((disk.sector_bytes, disk.is_read_only), (4096, true));
    assert_eq!(disk.capacity_bytes, 255 * 4096);
    let sector = [0; 4096];
    let refused = |done| Err(Trouble::Errno(done));
    assert_eq!(disk.write(&mut world, 0, &sector), refused(Errno::EPERM));
    assert_eq!(disk.discard(&mut world, 0, 4096), refused(Errno::EPERM));
    let mut found = [0; 4096];
    for (at, len) in [
        (512, 4096),
        (0, 512),
        (255 * 4096, 4096),
        (u64::MAX - 4095, 4096),
    ] {
        let done = disk.read(&mut world, at, &mut found[..len]);
        assert_eq!(done, refused(Errno::EINVAL), "{at} {len}");
    }
    assert_eq!(disk.read(&mut world, 254 * 4096, &mut found), Ok(()));
    assert_eq!(back.borrow().operations, [0]);
    // A later part of the size that is no whole sector is not there.
    for (name, value) in [
        ("/back/sector-size", "8192"),
        ("/back/sector-size", "513"),
        ("/back/sector-size", "0"),
        ("/back/sectors", "18446744073709551615"),
        ("/back/sectors", "many"),
    ] {
        let (world, _, disk) = honest(&with(&[(name, value)]));
        let errno = disk.unwrap_err();
        assert!(matches!(errno, Errno::EPROTO | Errno::EINVAL), "{value}");
        let beside = world.beside.borrow();
        assert_eq!(beside.granted.len(), beside.grants_back, "{value}");
        assert!(!beside.has_channel && beside.tree[STATE] == "6");
    }
}

#[test]
fn flushes_and_discards_reach_a_back_end_that_knows_them() {
    for (changes, operations) in [
        (vec![], vec![3, 5]),
        (
            vec![
                ("/back/feature-flush-cache", "0"),
                ("/back/feature-barrier", "1"),
            ],
            vec![2, 5],
        ),
        (
            vec![
                ("/back/feature-flush-cache", ""),
                ("/back/feature-discard", ""),
            ],
            vec![],
        ),
    ] {
        let (mut world, back, disk) = honest(&with(&changes));
        let mut disk = disk.unwrap();
        assert_eq!(disk.flush(&mut world), Ok(()));
        let discarded = disk.discard(&mut world, 1024, 2048);
        if operations.is_empty() {
            assert_eq!(discarded, Err(Trouble::Errno(Errno::EOPNOTSUPP)));
        } else {
            assert_eq!(discarded, Ok(()));
            assert_eq!(back.borrow().bytes[1023..1025], [0, 0xdd]);
            assert_eq!(back.borrow().bytes[3071..3073], [0xdd, 0]);
        }
        assert_eq!(back.borrow().operations, operations);
        // It says that it cannot after all: that is no error of who asked, once.
        back.borrow_mut().status = -2;
        assert_eq!(disk.flush(&mut world), Ok(()));
        let asked = back.borrow().operations.len();
        assert_eq!(disk.flush(&mut world), Ok(()));
        assert_eq!(back.borrow().operations.len(), asked);
        // Others are.
        let io = Err(Trouble::Errno(Errno::EIO));
        assert_eq!(disk.read(&mut world, 0, &mut [0; 512]), io);
        back.borrow_mut().status = -1;
        assert_eq!(disk.write(&mut world, 0, &[0; 512]), io);
        assert_eq!(disk.check(), Ok(()));
    }
}

#[test]
fn a_disk_that_does_not_come_to_work_is_named_and_leaves_nothing() {
    // Nothing there is no error.
    let (_, _, none) = honest(&[]);
    assert_eq!(none.unwrap_err(), Errno::ENODEV);
    // A back end that stands still, goes away, or jumps.
    for (state, next, errno) in [
        ("1", "1", Errno::ETIMEDOUT),
        ("2", "2", Errno::ETIMEDOUT),
        ("5", "6", Errno::ENXIO),
        ("2", "5", Errno::ENXIO),
        ("2", "6", Errno::ENXIO),
        ("2", "", Errno::ENXIO),
        ("2", "7", Errno::EPROTO),
        ("2", "99", Errno::EPROTO),
        ("2", "-1", Errno::EINVAL),
        ("", "", Errno::ENXIO),
    ] {
        let mut world = World::new(&with(&[("/back/state", state)]), |beside| {
            if beside.tree.get(STATE).is_some_and(|state| state == "3")
                && beside
                    .tree
                    .get("/back/state")
                    .is_some_and(|now| now != next)
            {
                match next {
                    "" => beside.remove("/back/state"),
                    next => beside.write("/back/state", next),
                }
            }
        });
        let found = Disk::connect(&mut world, pools(), NUMBER);
        assert_eq!(found.unwrap_err(), errno, "{state} {next}");
        let beside = world.beside.borrow();
        assert_eq!(beside.granted.len(), beside.grants_back);
        assert!(!beside.has_channel);
    }
    // Each place where xenstore may refuse.
    for denied in ["ring-ref", "event-channel", "protocol", "state"] {
        let mut world = World::new(TREE, |_| {});
        world.beside.borrow_mut().denied = Some(denied);
        let found = Disk::connect(&mut world, pools(), NUMBER);
        assert_eq!(found.unwrap_err(), Errno::EACCES, "{denied}");
        let beside = world.beside.borrow();
        assert_eq!(beside.granted.len(), beside.grants_back);
    }
    // As many grants as there are.
    for grants_max in [0, 1, 2, POOL + 1] {
        let mut world = World::new(TREE, |_| {});
        world.beside.borrow_mut().grants_max = grants_max;
        let found = Disk::connect(&mut world, pools(), NUMBER);
        assert_eq!(found.unwrap_err(), Errno::ENOSPC);
        assert_eq!(world.beside.borrow().grants_back, grants_max);
    }
}

#[test]
fn a_back_end_that_goes_away_ends_what_waits_for_it() {
    for end in ["5", "6", "1", ""] {
        let back = Rc::new(RefCell::new(Back::new()));
        let serving = back.clone();
        let is_going = Rc::new(Cell::new(false));
        let going = is_going.clone();
        let mut world = World::new(TREE, move |beside| {
            if !going.get() {
                serving.borrow_mut().serve(beside);
            } else if beside
                .tree
                .get("/back/state")
                .is_some_and(|state| state == "4")
            {
                match end {
                    "" => beside.remove("/back/state"),
                    end => beside.write("/back/state", end),
                }
            }
        });
        let mut disk = Disk::connect(&mut world, pools(), NUMBER).unwrap();
        assert_eq!(disk.write(&mut world, 0, &[1; 512]), Ok(()));
        is_going.set(true);
        let gone = disk.write(&mut world, 0, &[1; 512]);
        assert_eq!(gone, Err(Trouble::Broken(Broken::Gone)), "{end}");
        disk.give_up(&mut world);
        assert_eq!(disk.check(), Err(Errno::EIO));
        // The other side is told that nothing more comes, and has no page that other disks use.
        assert_eq!(world.beside.borrow().tree[STATE], "6");
        assert_eq!(world.beside.borrow().grants_back, POOL);
    }
}

/// Disks of three back ends, of which the first two are in one guest.
#[test]
fn a_back_end_that_holds_pages_has_none_of_another_guests_disk() {
    let pools = pools();
    let (is_silent, silent) = {
        let is_silent = Rc::new(Cell::new(false));
        (is_silent.clone(), is_silent)
    };
    let mut disks = vec![];
    for domain in ["3", "3", "5"] {
        let mut back = Back::new();
        let (silent, is_held) = (silent.clone(), domain == "3");
        let tree = with(&[("device/vbd/51712/backend-id", domain)]);
        let mut world = World::new(&tree, move |beside| {
            if is_held && silent.get() {
                beside.write("/back/state", "6");
            } else {
                back.serve(beside);
            }
        });
        world.beside.borrow_mut().holds = Some(3);
        let disk = Disk::connect(&mut world, pools, NUMBER).unwrap();
        disks.push((world, disk));
    }
    // What is written to one is in no page that the other guest has.
    let granted = |of: usize| disks[of].0.beside.borrow().granted.clone();
    assert!(granted(2).iter().all(|page| !granted(0).contains(page)));
    assert_eq!(
        granted(0)
            .iter()
            .filter(|page| granted(1).contains(page))
            .count(),
        POOL
    );
    let secret = [0x5e; 4096];
    let (world, disk) = &mut disks[2];
    disk.write(world, 0, &secret).unwrap();
    for &page in &disks[0].0.beside.borrow().granted {
        // SAFETY: a page of the test's.
        let seen = unsafe { std::slice::from_raw_parts(page, PAGE_BYTES) };
        assert!(seen != secret);
    }
    // The first goes away and keeps its pages: nobody else of its guest may use them.
    is_silent.set(true);
    let (world, disk) = &mut disks[0];
    let gone = disk.write(world, 0, &[1; 512]);
    assert_eq!(gone, Err(Trouble::Broken(Broken::Gone)));
    disk.give_up(world);
    let works: Vec<bool> = disks.iter().map(|(_, disk)| disk.check().is_ok()).collect();
    assert_eq!(works, [false, false, true]);
    let (world, disk) = &mut disks[2];
    let mut found = [0; 4096];
    assert_eq!(disk.read(world, 0, &mut found), Ok(()));
    assert_eq!(found, secret);
    // A disk of that guest that comes later has the same pages, and does not work either.
    is_silent.set(false);
    let tree = with(&[("device/vbd/51712/backend-id", "3")]);
    let mut back = Back::new();
    let mut world = World::new(&tree, move |beside| back.serve(beside));
    let late = Disk::connect(&mut world, pools, NUMBER).unwrap();
    assert_eq!(late.check(), Err(Errno::EIO));
}

#[test]
fn a_hostile_back_end_is_found_out_or_harmless() {
    let pools = pools();
    let mut found_out = [0; 3];
    for seed in 1..3000 {
        let mut back = Back::new();
        let mut numbers = Numbers::new(seed);
        let mut chances = Numbers::new(seed ^ 0x5555);
        let mut world = World::new(TREE, move |beside| {
            back.serve(beside);
            let Some(ring) = beside.tree.get("device/vbd/51712/ring-ref") else {
                return;
            };
            let ring = ring.parse().unwrap();
            let (place, value) = (numbers.below(64) as usize, numbers.next());
            match numbers.below(8) {
                // How far it says it is.
                0 => granted(beside, ring, 8, 4).copy_from_slice(&[
                    (value % 40) as u8,
                    0,
                    0,
                    (value >> 63) as u8,
                ]),
                // Its answers.
                1 => granted(beside, ring, RING_AT + place * 8, 8)
                    .copy_from_slice(&(value % 5).to_le_bytes()),
                2 => granted(beside, ring, RING_AT + place * 8, 8)
                    .copy_from_slice(&value.to_le_bytes()),
                // The same answer twice.
                3 => {
                    let one = granted(beside, ring, RING_AT, 16).to_vec();
                    granted(beside, ring, RING_AT + REQUEST_BYTES, 16).copy_from_slice(&one);
                }
                4 => granted(beside, ring, 4, 12).copy_from_slice(&[value as u8; 12]),
                _ => {}
            }
            // In the end it goes.
            if value.is_multiple_of(23) {
                beside.write("/back/state", value % 9);
            }
        });
        let Ok(mut disk) = Disk::connect(&mut world, pools, NUMBER) else {
            continue;
        };
        for _ in 0..20 {
            world.waits = 0;
            let at = chances.below(100) * 512;
            let len = chances.below(400) as usize * 512;
            let done = match chances.below(4) {
                0 => disk.write(&mut world, at, &vec![1; len]),
                1 => disk.flush(&mut world),
                2 => disk.discard(&mut world, at, len as u64),
                _ => disk.read(&mut world, at, &mut vec![0; len]),
            };
            match done {
                Ok(()) | Err(Trouble::Errno(Errno::EIO | Errno::EOPNOTSUPP)) => continue,
                Err(Trouble::Broken(Broken::Count { .. })) => found_out[0] += 1,
                Err(Trouble::Broken(Broken::Id(_))) => found_out[1] += 1,
                Err(Trouble::Broken(Broken::Gone)) => found_out[2] += 1,
                done => panic!("{done:?}"),
            }
            disk.give_up(&mut world);
            break;
        }
    }
    assert!(found_out.iter().all(|count| *count > 10), "{found_out:?}");
}

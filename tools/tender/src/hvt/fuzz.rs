//! Hypercalls with arguments that no guest should give: each is done, refused to the guest, or ends
//! it with one line. None of them panics, writes where the image is protected, or makes a disk grow.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;

use super::ram::{Access, Ram};
use super::service::Service;
use crate::devices::Opened;
use crate::image::Segment;
use crate::manifest::{Attached, AttachedBlock, AttachedNet, Device, Kind, Manifest};
use crate::wait_set::WaitSet;

const MEMORY_BYTES: u64 = 2 << 20;
const CODE: u64 = 0x10_0000;
const HIDDEN: u64 = 0x10_2000;
const DATA: u64 = 0x10_3000;
const DISK_BYTES: u64 = 8 * 512;

/// A case takes microseconds.
const ROUNDS: u64 = 120_000;
const ROUNDS_LONG: u64 = 10_000_000;

#[test]
fn no_hypercall_does_harm() {
    let seen = attack(20_261_120, ROUNDS);
    // All kinds of calls got through, and all kinds of mistakes were made.
    for what in [
        "walltime: done",
        "puts: done",
        "poll: done",
        "block_write: done",
        "block_read: done",
        "net_write: done",
        "net_read: done",
        "halt: done",
        "bad port",
        "bad length",
        "outside",
        "protected",
    ] {
        let count = seen.get(what).copied().unwrap_or(0);
        assert!(
            count > ROUNDS / 5000,
            "{what}: {count} of {ROUNDS} ({seen:?})"
        );
    }
}

#[test]
#[ignore = "takes minutes"]
fn no_hypercall_does_harm_for_long() {
    let seed = std::env::var("MUSLIN_SEED").map_or(1, |seed| seed.parse().unwrap());
    println!("MUSLIN_SEED={seed}");
    attack(seed, ROUNDS_LONG);
}

/// Makes so many calls; how often what happened.
fn attack(seed: u64, rounds: u64) -> BTreeMap<&'static str, u64> {
    let mut numbers = Numbers(seed);
    let mut ram = Ram::new(MEMORY_BYTES, 0).unwrap();
    ram.load(CODE, &[0x90; 0x2000]).unwrap();
    ram.protect(&segment(CODE, 0x2000, true)).unwrap();
    ram.protect(&segment(HIDDEN, 0x1000, false)).unwrap();
    let disk = disk_file();
    let (tap, wire) = UnixDatagram::pair().unwrap();
    tap.set_nonblocking(true).unwrap();
    wire.set_nonblocking(true).unwrap();
    let manifest = manifest(disk.as_raw_fd(), tap.as_raw_fd());
    let opened = Opened {
        files: vec![disk, File::from(OwnedFd::from(tap))],
        ..Opened::default()
    };
    let wait_set = WaitSet::new(&manifest, &opened).unwrap();
    let nowhere = File::options().write(true).open("/dev/null").unwrap();
    let service = Service {
        ram: &ram,
        manifest: &manifest,
        opened: &opened,
        wait_set: &wait_set,
        output: nowhere.as_fd(),
        helper: None,
    };
    let mut seen = BTreeMap::new();
    let mut frame = [0; 2048];
    for _ in 0..rounds {
        // Always something to read, so that no call waits; and room to write.
        let _ = wire.send(&[7; 60]);
        let _ = wire.recv(&mut frame);
        let (port, data) = call(&mut numbers, &ram);
        let what = match service.perform(port, &data) {
            Ok(end) => {
                assert!(end.is_none_or(|halt| matches!(halt.cookie.len(), 0 | 512)));
                DONE[usize::from(port - 0x501)]
            }
            Err(misuse) => mistake(&misuse.0),
        };
        *seen.entry(what).or_default() += 1;
    }
    assert_eq!(ram.copy_up(CODE, 0x2000), [0x90; 0x2000]);
    assert_eq!(opened.files[0].metadata().unwrap().len(), DISK_BYTES);
    seen
}

const DONE: [&str; 8] = [
    "walltime: done",
    "puts: done",
    "poll: done",
    "block_write: done",
    "block_read: done",
    "net_write: done",
    "net_read: done",
    "halt: done",
];

/// Which of the mistakes a line is about.
fn mistake(line: &str) -> &'static str {
    assert!(!line.contains('\n') && line.len() < 200, "{line}");
    for (sign, what) in [
        ("where no hypercall is", "bad port"),
        ("bytes to the port of", "bad length"),
        ("are not all in its memory", "outside"),
        ("that its image protects", "protected"),
    ] {
        if line.contains(sign) {
            return what;
        }
    }
    panic!("a line that nobody knows: {line}");
}

/// A write to a port, and the structure that it points to.
fn call(numbers: &mut Numbers, ram: &Ram) -> (u16, Vec<u8>) {
    let port = match numbers.below(16) {
        0 => numbers.below(0x1_0000) as u16,
        _ => 0x501 + numbers.below(8) as u16,
    };
    let address = numbers.address();
    if let Ok(slice) = ram.slice(address, 40, Access::Write) {
        let words: Vec<u8> = (0..5).flat_map(|_| numbers.word().to_le_bytes()).collect();
        slice.copy_from(&words);
    }
    let mut data = (address as u32).to_le_bytes().to_vec();
    if numbers.below(16) == 0 {
        data.resize(numbers.below(9) as usize, 0);
    }
    (port, data)
}

/// The same in every run with the same seed.
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        // The upper bits are the better ones.
        self.0 ^ self.0 >> 33
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        (self.next() >> 16) % end
    }

    /// Addresses, mostly good or just not.
    fn address(&mut self) -> u64 {
        let edge = match self.below(12) {
            0 => MEMORY_BYTES,
            1 => CODE,
            2 => HIDDEN,
            3 => 0,
            4 => u64::from(u32::MAX),
            5 => return self.next(),
            _ => return DATA + self.below(MEMORY_BYTES - DATA - 0x1000),
        };
        edge.wrapping_add(self.below(96)).wrapping_sub(64)
    }

    /// Words of a structure: handles, lengths, offsets, addresses.
    fn word(&mut self) -> u64 {
        match self.below(8) {
            0 => self.next(),
            1 => [0, 1, u64::MAX, i64::MAX as u64, 1 << 63][self.below(5) as usize],
            2 | 3 => 1 + self.below(3),
            4 => self.below(2 * DISK_BYTES),
            _ => self.address(),
        }
    }
}

fn segment(address: u64, len: u64, is_code: bool) -> Segment<'static> {
    Segment {
        address,
        bytes: &[],
        pages: address..address + len,
        can_read: is_code,
        can_write: false,
        can_execute: is_code,
    }
}

pub(super) fn manifest(disk_fd: i32, tap_fd: i32) -> Manifest {
    let device = |name: &str, kind, attached| Device {
        name: name.to_owned(),
        kind,
        understands_offload: false,
        attached: Some(attached),
    };
    let block = AttachedBlock {
        capacity_bytes: DISK_BYTES,
        sector_bytes: 512,
        host_fd: disk_fd,
    };
    let net = AttachedNet {
        mac: [2; 6],
        mtu: 1500,
        host_fd: tap_fd,
        has_offload: false,
    };
    Manifest {
        devices: vec![
            device("storage", Kind::Block, Attached::Block(block)),
            device("service", Kind::Net, Attached::Net(net)),
        ],
    }
}

/// A file that nobody else can see.
fn disk_file() -> File {
    let file =
        File::from(rustix::fs::memfd_create("disk", rustix::fs::MemfdFlags::CLOEXEC).unwrap());
    file.set_len(DISK_BYTES).unwrap();
    file
}

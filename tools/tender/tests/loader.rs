//! What the loader takes, what it refuses, and that nothing makes it panic.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use muslin_tender::image::{Image, Target, target_of};
use muslin_tender::manifest::Kind;

const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
const R: u32 = 4;
const W: u32 = 2;
const X: u32 = 1;

const HEADER_BYTES: usize = 64;
const PROGRAM_HEADER_BYTES: usize = 56;

/// A program header and its content.
#[derive(Clone)]
struct Part {
    kind: u32,
    flags: u32,
    address: u64,
    memory_bytes: u64,
    content: Vec<u8>,
}

/// An image, written out by hand.
#[derive(Clone)]
struct Draft {
    entry: u64,
    parts: Vec<Part>,
}

/// The places of fields in the file header.
const TYPE_AT: usize = 16;
const MACHINE_AT: usize = 18;

fn load(flags: u32, address: u64, memory_bytes: u64, content: &[u8]) -> Part {
    Part {
        kind: PT_LOAD,
        flags,
        address,
        memory_bytes,
        content: content.to_vec(),
    }
}

fn note(note_type: u32, descriptor: &[u8]) -> Part {
    let mut content = Vec::new();
    for word in [6, descriptor.len() as u32, note_type] {
        content.extend_from_slice(&word.to_le_bytes());
    }
    content.extend_from_slice(b"Solo5\0\0\0");
    content.extend_from_slice(descriptor);
    Part {
        kind: PT_NOTE,
        flags: R,
        address: 0,
        memory_bytes: content.len() as u64,
        content,
    }
}

fn abi_note(target: u32, version: u32) -> Part {
    let words = [target, version, 0, 0];
    note(0x3149_4241, words.map(u32::to_le_bytes).as_flattened())
}

/// A manifest with devices of these names and types.
fn manifest_note(devices: &[(&str, u32)]) -> Part {
    let entries = 1 + devices.len() as u32;
    let mut bytes = vec![0; 4];
    bytes.extend_from_slice(&1_u32.to_le_bytes());
    bytes.extend_from_slice(&entries.to_le_bytes());
    for (name, kind) in [("", 1 << 30)].iter().chain(devices) {
        let mut entry = [0; 104];
        entry[..name.len()].copy_from_slice(name.as_bytes());
        entry[68..72].copy_from_slice(&kind.to_le_bytes());
        bytes.extend_from_slice(&entry);
    }
    note(0x3154_464d, &bytes)
}

fn draft() -> Draft {
    Draft {
        entry: 0x10_1000,
        parts: vec![
            load(R, 0x10_0000, 16, &[1; 16]),
            load(R | X, 0x10_1000, 4, &[0x90; 4]),
            load(R | W, 0x10_2008, 0x3000, &[2; 8]),
            abi_note(2, 2),
            manifest_note(&[("storage", 1), ("service", 2)]),
        ],
    }
}

impl Draft {
    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; HEADER_BYTES + self.parts.len() * PROGRAM_HEADER_BYTES];
        bytes[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        put(&mut bytes, TYPE_AT, &2_u16.to_le_bytes());
        put(&mut bytes, MACHINE_AT, &62_u16.to_le_bytes());
        put(&mut bytes, 20, &1_u32.to_le_bytes());
        put(&mut bytes, 24, &self.entry.to_le_bytes());
        put(&mut bytes, 32, &(HEADER_BYTES as u64).to_le_bytes());
        put(&mut bytes, 52, &(HEADER_BYTES as u16).to_le_bytes());
        put(&mut bytes, 54, &(PROGRAM_HEADER_BYTES as u16).to_le_bytes());
        put(&mut bytes, 56, &(self.parts.len() as u16).to_le_bytes());
        for (index, part) in self.parts.iter().enumerate() {
            let at = HEADER_BYTES + index * PROGRAM_HEADER_BYTES;
            let offset = bytes.len() as u64;
            put(&mut bytes, at, &part.kind.to_le_bytes());
            put(&mut bytes, at + 4, &part.flags.to_le_bytes());
            let words = [
                offset,
                part.address,
                part.address,
                part.content.len() as u64,
                part.memory_bytes,
                1,
            ];
            put(
                &mut bytes,
                at + 8,
                words.map(u64::to_le_bytes).as_flattened(),
            );
            bytes.extend_from_slice(&part.content);
        }
        bytes
    }

    #[track_caller]
    fn refused(&self, what: &str) {
        refused(&self.to_bytes(), what);
    }
}

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

#[track_caller]
fn refused(bytes: &[u8], what: &str) {
    match Image::parse(bytes) {
        Ok(_) => panic!("taken, but: {what}"),
        Err(refusal) => assert_eq!(refusal.what, what),
    }
}

#[test]
fn a_whole_image_is_taken() {
    let bytes = draft().to_bytes();
    let image = Image::parse(&bytes).unwrap();
    assert_eq!(image.end(), 0x10_6000);
    let devices: Vec<_> = image
        .manifest
        .devices
        .iter()
        .map(|device| (&*device.name, device.kind))
        .collect();
    assert_eq!(devices, [("storage", Kind::Block), ("service", Kind::Net)]);
    assert_eq!(target_of(&bytes), Some(Target::Spt));
    let mut machine = draft();
    machine.parts[3] = abi_note(1, 2);
    let bytes = machine.to_bytes();
    assert_eq!(target_of(&bytes), Some(Target::Hvt));
    assert_eq!(Image::parse(&bytes).unwrap().target, Target::Hvt);
    assert_eq!(target_of(b"\x7fELF"), None);
}

#[test]
fn segments_have_to_be_in_order_apart_and_in_memory() {
    let mut low = draft();
    low.parts[0].address = 0xf_f000;
    low.refused("the image's segment at 0xff000 is below 0x100000, where it may begin");
    let mut swapped = draft();
    swapped.parts.swap(0, 1);
    swapped.refused("the image's segment at 0x100000 is below 0x102000, where it may begin");
    let mut shared_page = draft();
    shared_page.parts[2].address = 0x10_1800;
    shared_page.refused("the image's segment at 0x101800 is below 0x102000, where it may begin");
    let mut high = draft();
    high.parts[2].memory_bytes = u64::MAX - 0x10_2008;
    high.refused("the image's segment at 0x102008 ends above all memory");
    let mut none = draft();
    none.parts.drain(..3);
    none.refused("the image has nothing to load");
    let mut empty = draft();
    empty.parts[0].memory_bytes = 0;
    empty.parts[0].address = 0;
    assert!(Image::parse(&empty.to_bytes()).is_ok());
}

#[test]
fn nothing_is_writable_and_executable() {
    let mut both = draft();
    both.parts[2].flags = R | W | X;
    both.refused("the image's segment at 0x102008 is both writable and executable");
}

#[test]
fn a_segment_has_its_bytes() {
    let mut small = draft();
    small.parts[2].memory_bytes = 7;
    small.refused("the image's segment at 0x102008 has more bytes in the file than in memory");
    let mut bytes = draft().to_bytes();
    let third = HEADER_BYTES + 2 * PROGRAM_HEADER_BYTES;
    let len = bytes.len() as u64;
    put(&mut bytes, third + 8, &len.to_le_bytes());
    refused(&bytes, "the image's segment at 0x102008 is cut off");
    put(&mut bytes, third + 8, &u64::MAX.to_le_bytes());
    refused(&bytes, "the image's segment at 0x102008 is cut off");
}

#[test]
fn the_entry_is_in_code() {
    for entry in [0, 0x10_0000, 0x10_0fff, 0x10_2000, u64::MAX] {
        let mut wrong = draft();
        wrong.entry = entry;
        wrong.refused(&format!(
            "the image's entry, {entry:#x}, is not in its code"
        ));
    }
}

#[test]
fn other_files_are_refused() {
    refused(b"", "the image is not a whole ELF file for x86-64");
    let mut bytes = draft().to_bytes();
    bytes[5] = 2;
    assert!(Image::parse(&bytes).is_err());
    let mut bytes = draft().to_bytes();
    bytes[TYPE_AT] = 3;
    refused(&bytes, "the image is not linked for a fixed address");
    let mut bytes = draft().to_bytes();
    bytes[MACHINE_AT] = 183;
    refused(&bytes, "the image is for another processor");
}

#[test]
fn both_notes_have_to_be_there() {
    let mut without_abi = draft();
    without_abi.parts.remove(3);
    without_abi.refused("the image has no Solo5 ABI note");
    let mut without_manifest = draft();
    without_manifest.parts.remove(4);
    without_manifest.refused("the image has no Solo5 manifest");
    // Only the first note of a PT_NOTE counts: stock tenders see no other.
    let mut second = draft();
    let manifest = second.parts.remove(4).content;
    second.parts[3].content.extend_from_slice(&manifest);
    second.refused("the image has no Solo5 manifest");
}

#[test]
fn a_manifest_has_at_most_63_devices() {
    let with = |count: usize| {
        let mut image = draft();
        image.parts[4] = manifest_note(&vec![("a", 1); count]);
        image
    };
    assert!(Image::parse(&with(63).to_bytes()).is_ok());
    with(64).refused("the image's manifest has 65 entries, not 1 to 64");
}

/// The same numbers in every run: a small linear congruential generator.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }
}

/// Values at which arithmetic goes wrong.
const EDGES: [u64; 8] = [
    0,
    1,
    0xfff,
    0x10_0000,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    u64::MAX,
];

/// Anything is right for a damaged image, as long as it is one line, or obeys the rules.
fn check(bytes: &[u8]) -> bool {
    let _ = target_of(bytes);
    match Image::parse(bytes) {
        Ok(image) => {
            assert!(image.end() > 0x10_0000 && image.end().is_multiple_of(4096));
            true
        }
        Err(refusal) => {
            let line = refusal.to_string();
            assert!(!line.contains('\n') && !refusal.remedy.is_empty());
            false
        }
    }
}

#[test]
fn damage_never_panics() {
    damage(20_261_120, 100_000);
}

#[test]
#[ignore = "takes minutes"]
fn damage_never_panics_for_long() {
    let seed = std::env::var("MUSLIN_SEED").map_or(1, |seed| seed.parse().unwrap());
    println!("MUSLIN_SEED={seed}");
    damage(seed, 20_000_000);
}

/// Images for either tender with a few wrong bytes, words, or an end that is missing.
fn damage(seed: u64, rounds: usize) {
    let wholes = [(1, 1), (1, 2), (2, 1), (2, 2)].map(|(target, version)| {
        let mut image = draft();
        image.parts[3] = abi_note(target, version);
        image.to_bytes()
    });
    let mut numbers = Numbers(seed);
    let mut taken = 0;
    for round in 0..rounds {
        let whole = &wholes[round % wholes.len()];
        let mut bytes = whole.clone();
        for _ in 0..=numbers.next(4) {
            match numbers.next(3) {
                0 => bytes[numbers.next(whole.len())] = numbers.next(256) as u8,
                1 => {
                    let at = numbers.next(whole.len() / 8 - 1) * 8;
                    put(&mut bytes, at, &EDGES[numbers.next(8)].to_le_bytes());
                }
                _ => {
                    let at = numbers.next(whole.len() / 4 - 1) * 4;
                    put(
                        &mut bytes,
                        at,
                        &(EDGES[numbers.next(8)] as u32).to_le_bytes(),
                    );
                }
            }
        }
        if numbers.next(8) == 0 {
            bytes.truncate(numbers.next(whole.len()));
        }
        taken += usize::from(check(&bytes));
    }
    // Some damage does not matter, most does.
    assert!(taken > rounds / 100 && taken < rounds * 9 / 10, "{taken}");
}

#[test]
fn every_cut_is_refused() {
    let whole = draft().to_bytes();
    assert!(check(&whole));
    for len in 0..whole.len() {
        assert!(!check(&whole[..len]), "{len} bytes");
    }
}

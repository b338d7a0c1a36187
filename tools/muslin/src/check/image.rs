//! An ELF file as the check sees it: notes, sizes, slots, symbols.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;

use muslin_abi::{SYSNO_MAX, Sysno};
use object::elf;
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use object::read::{ReadCache, ReadRef};
use object::{LittleEndian, Object, ObjectSection, SectionFlags};

use muslin_tender::image::Target;

use crate::locate::Platform;

/// The section that the slots are in.
const SLOTS_SECTION: &str = "muslin_slots";

/// A slot in the image: the handler's word, and the number.
const SLOT_BYTES: usize = 16;

/// The name and type of the note that the runtime leaves in an image.
const NOTE_NAME: &[u8] = b"Muslin";
const NOTE_TYPE: u32 = 1;

/// The name of notes for Xen, and the types of those with an entry.
const XEN_NOTE_NAME: &[u8] = b"Xen";
/// That of a paravirtualised image.
pub const XEN_NOTE_ENTRY: u32 = 1;
const XEN_NOTE_PHYS32_ENTRY: u32 = 18;
/// The type of the note with the address where a paravirtualised guest's memory begins.
pub const XEN_NOTE_VIRT_BASE: u32 = 3;

/// How the note begins by which a tender of Solo5 knows its images; behind it is the target. Its
/// alignment is not one of those that notes are read with.
const SOLO5_NOTE: &[u8] = b"\x06\0\0\0\x10\0\0\0ABI1Solo5\0\0\0";

/// An ELF file for x86-64.
pub type Elf<'data, R = &'data [u8]> = ElfFile64<'data, LittleEndian, R>;

/// What the runtime's note says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Note {
    /// The version of the runtime's binary interface.
    pub abi: u32,
    /// The number of the platform.
    pub number: u32,
    /// The tender that the image asks for, if it asks for one.
    pub target: Option<Target>,
}

impl Note {
    /// The platform, if this version knows it.
    pub fn platform(self) -> Option<Platform> {
        Platform::noted(self.number, self.target)
    }

    /// The name of the platform.
    pub fn platform_name(self) -> String {
        match self.platform() {
            Some(platform) => platform.name().to_owned(),
            None => format!("platform {}", self.number),
        }
    }
}

/// Bytes of each kind that the file takes in memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sizes {
    /// Instructions.
    pub code: u64,
    /// Constants, tables for relocation and unwinding.
    pub read_only: u64,
    /// Initialised variables.
    pub data: u64,
    /// Zeroed variables.
    pub bss: u64,
}

/// The slots an image holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    /// The numbers, ascending.
    pub numbers: Vec<Sysno>,
    /// Are they read-only once the program is up?
    pub are_sealed: bool,
}

/// Counts the runtimes in a file; 0 if it is not an image, or cannot be read.
pub fn runtime_notes(path: &Path) -> usize {
    let Ok(file) = File::open(path) else {
        return 0;
    };
    if !fs::metadata(path).is_ok_and(|file| file.is_file()) {
        return 0;
    }
    let cache = ReadCache::new(file);
    match Elf::parse(&cache) {
        Ok(elf) => notes(&elf).len(),
        Err(_) => 0,
    }
}

/// The entries by which Xen starts an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct XenEntries {
    /// Paravirtualised.
    pub pv: bool,
    /// In a virtual machine.
    pub pvh: bool,
}

/// The entries for Xen that an image has; none if the bytes are not an image.
pub fn xen_entries(bytes: &[u8]) -> XenEntries {
    Elf::parse(bytes).map_or_else(|_| XenEntries::default(), |elf| xen_entries_of(&elf))
}

/// The entries for Xen.
pub fn xen_entries_of<'data, R: ReadRef<'data>>(elf: &Elf<'data, R>) -> XenEntries {
    XenEntries {
        pv: xen_note(elf, XEN_NOTE_ENTRY).is_some(),
        pvh: xen_note(elf, XEN_NOTE_PHYS32_ENTRY).is_some(),
    }
}

/// What a note for Xen says.
pub fn xen_note<'data, R: ReadRef<'data>>(elf: &Elf<'data, R>, kind: u32) -> Option<&'data [u8]> {
    let endian = elf.endian();
    for segment in elf.elf_program_headers() {
        let Ok(Some(mut notes)) = segment.notes(endian, elf.data()) else {
            continue;
        };
        while let Ok(Some(note)) = notes.next() {
            if note.name() == XEN_NOTE_NAME && note.n_type(endian) == kind {
                return Some(note.desc());
            }
        }
    }
    None
}

/// Where an image ends in memory, by its own addresses.
pub fn end_in_memory<'data, R: ReadRef<'data>>(image: &Elf<'data, R>) -> u64 {
    let endian = image.endian();
    image
        .elf_program_headers()
        .iter()
        .filter(|segment| segment.p_type(endian) == elf::PT_LOAD)
        .map(|segment| {
            let start: u64 = segment.p_vaddr(endian);
            start.saturating_add(segment.p_memsz(endian))
        })
        .max()
        .unwrap_or(0)
}

/// Counts the runtimes in an image; 0 if the bytes are not an image.
pub fn runtime_notes_in(bytes: &[u8]) -> usize {
    match Elf::parse(bytes) {
        Ok(elf) => notes(&elf).len(),
        Err(_) => 0,
    }
}

/// The runtime's notes. An image has exactly one.
pub fn notes<'data, R: ReadRef<'data>>(elf: &Elf<'data, R>) -> Vec<Note> {
    let endian = elf.endian();
    let mut found = Vec::new();
    let mut target = None;
    for segment in elf.elf_program_headers() {
        let bytes = segment.data(endian, elf.data()).unwrap_or_default();
        if segment.p_type(endian) == elf::PT_NOTE
            && let Some([a, b, c, d, ..]) = bytes.strip_prefix(SOLO5_NOTE)
        {
            target = Some(Target::numbered(u32::from_le_bytes([*a, *b, *c, *d])));
            continue;
        }
        let Ok(Some(mut notes)) = segment.notes(endian, elf.data()) else {
            continue;
        };
        while let Ok(Some(note)) = notes.next() {
            if note.name() != NOTE_NAME || note.n_type(endian) != NOTE_TYPE {
                continue;
            }
            let words: Vec<u32> = note
                .desc()
                .chunks_exact(4)
                .map(|word| {
                    word.iter()
                        .rev()
                        .fold(0, |value, &byte| value << 8 | u32::from(byte))
                })
                .collect();
            if let [abi, number, ..] = words[..] {
                found.push(Note {
                    abi,
                    number,
                    target: None,
                });
            }
        }
    }
    for note in &mut found {
        note.target = target;
    }
    found
}

/// How the image is linked: `static-pie`, `static, fixed address`, or `dynamic`.
pub fn link_kind(elf: &Elf<'_>) -> &'static str {
    let endian = elf.endian();
    let has_interpreter = elf
        .elf_program_headers()
        .iter()
        .any(|segment| segment.p_type(endian) == elf::PT_INTERP);
    match (has_interpreter, elf.elf_header().e_type(endian)) {
        (true, _) => "dynamic",
        (false, elf::ET_DYN) => "static-pie",
        (false, _) => "static, fixed address",
    }
}

/// The sizes, from the sections, or from the segments of an image that has lost its sections.
pub fn sizes(elf: &Elf<'_>) -> Sizes {
    let endian = elf.endian();
    let mut sizes = Sizes::default();
    for section in elf.sections() {
        let SectionFlags::Elf { sh_flags } = section.flags() else {
            continue;
        };
        let flags = sh_flags as u32;
        if flags & elf::SHF_ALLOC == 0 {
            continue;
        }
        let has_bytes = section.elf_section_header().sh_type.get(endian) != elf::SHT_NOBITS;
        let kind = if flags & elf::SHF_EXECINSTR != 0 {
            &mut sizes.code
        } else if flags & elf::SHF_WRITE == 0 {
            &mut sizes.read_only
        } else if has_bytes {
            &mut sizes.data
        } else {
            &mut sizes.bss
        };
        *kind = kind.saturating_add(section.size());
    }
    if sizes != Sizes::default() {
        return sizes;
    }
    for segment in elf.elf_program_headers() {
        if segment.p_type(endian) != elf::PT_LOAD {
            continue;
        }
        let (in_file, in_memory) = (segment.p_filesz(endian), segment.p_memsz(endian));
        let flags = segment.p_flags(endian);
        let kind = if flags & elf::PF_X != 0 {
            &mut sizes.code
        } else if flags & elf::PF_W == 0 {
            &mut sizes.read_only
        } else {
            &mut sizes.data
        };
        *kind = kind.saturating_add(in_file);
        sizes.bss = sizes.bss.saturating_add(in_memory.saturating_sub(in_file));
    }
    sizes
}

/// The slots of an image.
///
/// Only the number is read: the handler's word is filled by a relocation in a static-pie image.
pub fn slots(elf: &Elf<'_>) -> Slots {
    let Some(section) = elf.section_by_name(SLOTS_SECTION) else {
        return Slots::default();
    };
    let numbers: BTreeSet<Sysno> = section
        .data()
        .unwrap_or_default()
        .chunks_exact(SLOT_BYTES)
        .map(|slot| {
            slot[8..]
                .iter()
                .rev()
                .fold(0_u64, |value, &byte| value << 8 | u64::from(byte))
        })
        .filter(|&nr| nr < SYSNO_MAX as u64)
        .map(|nr| Sysno(nr as u32))
        .collect();
    let endian = elf.endian();
    let end = section.address().saturating_add(section.size());
    let can_seal = notes(elf)
        .first()
        .and_then(|note| note.platform())
        .is_none_or(Platform::seals);
    let are_sealed = can_seal
        && elf.elf_program_headers().iter().any(|segment| {
            let start = segment.p_vaddr(endian);
            segment.p_type(endian) == elf::PT_GNU_RELRO
                && start <= section.address()
                && end <= start.saturating_add(segment.p_memsz(endian))
        });
    Slots {
        numbers: numbers.into_iter().collect(),
        are_sealed,
    }
}

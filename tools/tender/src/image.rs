//! An image: an ELF file that a Solo5 tender can load, checked before anything is done with it.
//!
//! What is refused here is also refused by the stock tenders; a few more mistakes are named.

use std::ops::Range;

use object::elf;
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use object::{LittleEndian, elf::FileHeader64, elf::ProgramHeader64};

use crate::manifest::Manifest;
use crate::refusal::Refusal;
use crate::symbols::{self, Function};

/// Size of a page in bytes.
pub const PAGE_BYTES: u64 = 4096;

/// Where the lowest segment may begin.
pub const BASE_MIN: u64 = 0x10_0000;

/// The versions of Solo5's binary interface; what a guest has to do is the same in both.
pub(crate) const ABI_VERSIONS: [u32; 2] = [1, 2];

const NOTE_NAME: &[u8] = b"Solo5\0";
const NOTE_ABI: u32 = 0x3149_4241;
const NOTE_MANIFEST: u32 = 0x3154_464d;
/// Three words and the padded name.
const NOTE_HEADER_BYTES: usize = 20;
/// Puts the manifest at a multiple of eight.
const MANIFEST_PADDING_BYTES: usize = 4;

/// What kind of tender an image asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A sandboxed process.
    Spt,
    /// A virtual machine.
    Hvt,
    /// Another one, by its number.
    Other(u32),
}

impl Target {
    /// The target with this number.
    pub const fn numbered(number: u32) -> Self {
        match number {
            1 => Self::Hvt,
            2 => Self::Spt,
            other => Self::Other(other),
        }
    }

    /// Its number in the note.
    pub const fn number(self) -> u32 {
        match self {
            Self::Hvt => 1,
            Self::Spt => 2,
            Self::Other(number) => number,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Spt => "solo5-spt",
            Self::Hvt => "solo5-hvt",
            Self::Other(_) => "another target",
        }
    }
}

/// A checked image.
#[derive(Clone, Debug)]
pub struct Image<'data> {
    bytes: &'data [u8],
    /// The tender it asks for: spt or hvt.
    pub target: Target,
    pub(crate) entry: u64,
    pub(crate) segments: Vec<Segment<'data>>,
    /// The devices it declares.
    pub manifest: Manifest,
}

/// A part of the image in memory.
#[derive(Clone, Debug)]
pub(crate) struct Segment<'data> {
    /// Where its bytes go.
    pub(crate) address: u64,
    /// Its bytes; what memory it has beyond them is zero.
    pub(crate) bytes: &'data [u8],
    /// The whole pages it takes.
    pub(crate) pages: Range<u64>,
    pub(crate) can_read: bool,
    pub(crate) can_write: bool,
    pub(crate) can_execute: bool,
}

/// Which tender the image asks for; `None` if it is not a Solo5 image.
pub fn target_of(bytes: &[u8]) -> Option<Target> {
    let (_, headers) = headers_of(bytes).ok()?;
    let (target, _) = abi_of(bytes, headers)?;
    Some(target)
}

/// Where the words of the ABI note are in a Solo5 image: the target, then the version.
pub(crate) fn abi_place(bytes: &[u8]) -> Option<usize> {
    let (_, headers) = headers_of(bytes).ok()?;
    let descriptor = note(bytes, headers, NOTE_ABI).filter(|words| words.len() >= 8)?;
    (descriptor.as_ptr() as usize).checked_sub(bytes.as_ptr() as usize)
}

impl<'data> Image<'data> {
    /// Reads and checks an image for spt or hvt.
    ///
    /// # Errors
    /// It is damaged, made for another tender or a later version, or breaks a rule.
    pub fn parse(bytes: &'data [u8]) -> Result<Self, Refusal> {
        let (header, headers) = headers_of(bytes)?;
        if header.e_type.get(LittleEndian) != elf::ET_EXEC {
            return Err(Refusal::of_image(
                "the image is not linked for a fixed address",
            ));
        }
        if header.e_machine.get(LittleEndian) != elf::EM_X86_64 {
            return Err(Refusal::of_image("the image is for another processor"));
        }
        let target = checked_target(bytes, headers)?;
        let manifest = note(bytes, headers, NOTE_MANIFEST)
            .and_then(|descriptor| descriptor.get(MANIFEST_PADDING_BYTES..))
            .ok_or_else(|| Refusal::of_image("the image has no Solo5 manifest"))?;
        let manifest = Manifest::parse(manifest)?;
        let segments = segments(bytes, headers)?;
        let entry = header.e_entry.get(LittleEndian);
        let image = Self {
            bytes,
            target,
            entry,
            segments,
            manifest,
        };
        if !image.is_code(entry) {
            return Err(Refusal::of_image(format_args!(
                "the image's entry, {entry:#x}, is not in its code"
            )));
        }
        Ok(image)
    }

    /// The first address above the image, a multiple of the page size.
    pub fn end(&self) -> u64 {
        self.segments
            .last()
            .map_or(BASE_MIN, |segment| segment.pages.end)
    }

    /// Is this address in the image's code?
    pub(crate) fn is_code(&self, address: u64) -> bool {
        self.segments
            .iter()
            .any(|segment| segment.can_execute && segment.pages.contains(&address))
    }

    /// A byte of the image's code.
    pub(crate) fn code_byte(&self, address: u64) -> Option<u8> {
        let segment = self
            .segments
            .iter()
            .find(|segment| segment.can_execute && segment.pages.contains(&address))?;
        let at = usize::try_from(address.checked_sub(segment.address)?).ok()?;
        segment.bytes.get(at).copied()
    }

    /// A section by its name: its address and its bytes.
    pub(crate) fn section(&self, name: &[u8]) -> Option<(u64, &'data [u8])> {
        let (header, _) = headers_of(self.bytes).ok()?;
        let sections = header.sections(LittleEndian, self.bytes).ok()?;
        let (_, section) = sections.section_by_name(LittleEndian, name)?;
        let bytes = section.data(LittleEndian, self.bytes).ok()?;
        Some((section.sh_addr(LittleEndian), bytes))
    }

    /// The function that an address of code is in. `None` if the image does not say.
    pub(crate) fn function_at(&self, address: u64) -> Option<Function> {
        if self.is_code(address) {
            symbols::function_at(self.bytes, address)
        } else {
            None
        }
    }
}

fn headers_of(
    bytes: &[u8],
) -> Result<
    (
        &FileHeader64<LittleEndian>,
        &[ProgramHeader64<LittleEndian>],
    ),
    Refusal,
> {
    let damaged = |_| Refusal::of_image("the image is not a whole ELF file for x86-64");
    let header = FileHeader64::<LittleEndian>::parse(bytes).map_err(damaged)?;
    // The type says little endian, the file may not.
    if !header.is_little_endian() {
        return Err(Refusal::of_image("the image is for another processor"));
    }
    let headers = header
        .program_headers(LittleEndian, bytes)
        .map_err(damaged)?;
    Ok((header, headers))
}

fn checked_target(
    bytes: &[u8],
    headers: &[ProgramHeader64<LittleEndian>],
) -> Result<Target, Refusal> {
    let Some((target, version)) = abi_of(bytes, headers) else {
        return Err(Refusal::of_image("the image has no Solo5 ABI note"));
    };
    match target {
        Target::Spt | Target::Hvt if ABI_VERSIONS.contains(&version) => Ok(target),
        Target::Spt | Target::Hvt => Err(Refusal::of_image(format_args!(
            "the image wants version {version} of the ABI of {}; this tender has 1 and 2",
            target.name()
        ))),
        Target::Other(number) => Err(Refusal::new(
            format_args!("the image is for Solo5 target {number}"),
            "link it with --platform solo5-spt or solo5-hvt",
        )),
    }
}

/// The target and the version that the image asks for.
fn abi_of(bytes: &[u8], headers: &[ProgramHeader64<LittleEndian>]) -> Option<(Target, u32)> {
    let descriptor = note(bytes, headers, NOTE_ABI)?;
    let target = Target::numbered(word_at(descriptor, 0)?);
    Some((target, word_at(descriptor, 4)?))
}

/// The descriptor of a Solo5 note. As in the stock tenders, only the first note of a PT_NOTE counts.
fn note<'data>(
    bytes: &'data [u8],
    headers: &[ProgramHeader64<LittleEndian>],
    wanted: u32,
) -> Option<&'data [u8]> {
    headers
        .iter()
        .filter(|header| header.p_type(LittleEndian) == elf::PT_NOTE)
        .find_map(|header| {
            let note = header.data(LittleEndian, bytes).ok()?;
            let (name_bytes, descriptor_bytes) = (word_at(note, 0)?, word_at(note, 4)?);
            let is_wanted = name_bytes as usize == NOTE_NAME.len()
                && word_at(note, 8)? == wanted
                && note.get(12..12 + NOTE_NAME.len())? == NOTE_NAME;
            if !is_wanted {
                return None;
            }
            note.get(NOTE_HEADER_BYTES..)?
                .get(..descriptor_bytes as usize)
        })
}

fn segments<'data>(
    bytes: &'data [u8],
    headers: &[ProgramHeader64<LittleEndian>],
) -> Result<Vec<Segment<'data>>, Refusal> {
    let mut segments: Vec<Segment<'data>> = Vec::new();
    for header in headers {
        if header.p_type(LittleEndian) != elf::PT_LOAD || header.p_memsz(LittleEndian) == 0 {
            continue;
        }
        let segment = segment(bytes, header)?;
        let end_before = segments.last().map_or(BASE_MIN, |before| before.pages.end);
        if segment.pages.start < end_before {
            return Err(Refusal::of_image(format_args!(
                "the image's segment at {:#x} is below {end_before:#x}, where it may begin",
                segment.address
            )));
        }
        segments.push(segment);
    }
    if segments.is_empty() {
        return Err(Refusal::of_image("the image has nothing to load"));
    }
    Ok(segments)
}

fn segment<'data>(
    bytes: &'data [u8],
    header: &ProgramHeader64<LittleEndian>,
) -> Result<Segment<'data>, Refusal> {
    let address = header.p_vaddr(LittleEndian);
    let wrong =
        |what: &str| Refusal::of_image(format_args!("the image's segment at {address:#x} {what}"));
    let memory_bytes = header.p_memsz(LittleEndian);
    if header.p_filesz(LittleEndian) > memory_bytes {
        return Err(wrong("has more bytes in the file than in memory"));
    }
    let content = header
        .data(LittleEndian, bytes)
        .map_err(|()| wrong("is cut off"))?;
    let end = address
        .checked_add(memory_bytes)
        .and_then(|end| end.checked_next_multiple_of(PAGE_BYTES))
        .ok_or_else(|| wrong("ends above all memory"))?;
    let flags = header.p_flags(LittleEndian);
    let segment = Segment {
        address,
        bytes: content,
        pages: address & !(PAGE_BYTES - 1)..end,
        can_read: flags & elf::PF_R != 0,
        can_write: flags & elf::PF_W != 0,
        can_execute: flags & elf::PF_X != 0,
    };
    if segment.can_write && segment.can_execute {
        return Err(wrong("is both writable and executable"));
    }
    Ok(segment)
}

fn word_at(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at + 4)?;
    Some(u32::from_le_bytes(word.try_into().ok()?))
}

//! Raw instructions that enter the kernel: where they are, and which of them belong there.

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic};
use object::elf;
use object::read::elf::ProgramHeader;
use object::{
    Object, ObjectSection, ObjectSymbol, SectionFlags, SectionIndex, SymbolFlags, SymbolKind,
};

use crate::check::image::Elf;

/// The section of the runtime's own instructions: the leaf stub of passthrough, the return from a
/// signal handler, and the window in which a blocking call can be cancelled.
const OWN_SECTION: &str = "muslin_text";

/// The instructions that are looked for, and the bytes every one of them begins with.
const PATTERNS: [[u8; 2]; 3] = [[0x0f, 0x05], [0x0f, 0x34], [0xcd, 0x80]];

/// An instruction that enters the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its address; in an object file the offset in its section.
    pub address: u64,
    /// `syscall`, `sysenter` or `int 0x80`.
    pub instruction: &'static str,
    /// The section it is in; empty if the file has lost its sections.
    pub section: String,
    /// The function it is in.
    pub function: Option<Function>,
    /// Is it one of the runtime's own?
    pub is_expected: bool,
    /// Are there bytes before it in the function that are no instructions? Then it may be data.
    pub may_be_data: bool,
}

/// The function around an instruction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Function {
    /// The symbol as it is in the file.
    pub symbol: String,
    /// How far behind the symbol the instruction is.
    pub offset: u64,
    /// The source or object that a local symbol belongs to.
    pub file: Option<String>,
}

/// A stretch of code with its name.
struct Code<'data> {
    name: String,
    index: Option<SectionIndex>,
    address: u64,
    bytes: &'data [u8],
}

/// A symbol in a stretch of code.
struct Mark {
    offset: u64,
    kind: MarkKind,
    symbol: String,
    file: Option<String>,
}

#[derive(PartialEq, Eq)]
enum MarkKind {
    Function,
    Label,
    /// A constant between functions, with its end.
    Data(u64),
}

/// Finds all of them.
pub fn entries(elf: &Elf<'_>) -> Vec<Entry> {
    let mut found = Vec::new();
    for code in stretches(elf) {
        let hits = pattern_offsets(code.bytes);
        if !hits.is_empty() {
            let marks = marks(elf, &code);
            scan(&code, &hits, &marks, &mut found);
        }
    }
    found
}

/// The executable sections; the executable segments of a file that has lost its sections.
fn stretches<'data>(elf: &Elf<'data>) -> Vec<Code<'data>> {
    let mut stretches = Vec::new();
    for section in elf.sections() {
        let SectionFlags::Elf { sh_flags } = section.flags() else {
            continue;
        };
        if sh_flags & u64::from(elf::SHF_EXECINSTR) == 0 {
            continue;
        }
        if let Ok(bytes) = section.data() {
            stretches.push(Code {
                name: section.name().unwrap_or_default().to_owned(),
                index: Some(section.index()),
                address: section.address(),
                bytes,
            });
        }
    }
    if !stretches.is_empty() || elf.sections().next().is_some() {
        return stretches;
    }
    let endian = elf.endian();
    for segment in elf.elf_program_headers() {
        if segment.p_type(endian) == elf::PT_LOAD
            && segment.p_flags(endian) & elf::PF_X != 0
            && let Ok(bytes) = segment.data(endian, elf.data())
        {
            stretches.push(Code {
                name: String::new(),
                index: None,
                address: segment.p_vaddr(endian),
                bytes,
            });
        }
    }
    stretches
}

/// Where the bytes of such an instruction are, aligned to instructions or not.
fn pattern_offsets(bytes: &[u8]) -> Vec<usize> {
    bytes
        .windows(2)
        .enumerate()
        .filter(|(_, pair)| PATTERNS.iter().any(|pattern| pair == pattern))
        .map(|(offset, _)| offset)
        .collect()
}

/// The symbols of a stretch, by offset.
fn marks(elf: &Elf<'_>, code: &Code<'_>) -> Vec<Mark> {
    let mut marks = Vec::new();
    let mut file = None;
    for symbol in elf.symbols() {
        let name = symbol.name().unwrap_or_default();
        if symbol.kind() == SymbolKind::File {
            file = (!name.is_empty()).then(|| name.to_owned());
            continue;
        }
        if symbol.section_index() != code.index || name.is_empty() {
            continue;
        }
        let Some(offset) = symbol.address().checked_sub(code.address) else {
            continue;
        };
        let kind = match symbol.kind() {
            SymbolKind::Text => MarkKind::Function,
            SymbolKind::Data => MarkKind::Data(offset.saturating_add(symbol.size())),
            SymbolKind::Label | SymbolKind::Unknown => MarkKind::Label,
            _ => continue,
        };
        if offset < code.bytes.len() as u64 {
            marks.push(Mark {
                offset,
                kind,
                symbol: name.to_owned(),
                file: file.clone().filter(|_| is_of_last_file(&symbol)),
            });
        }
    }
    // The last at a place gives the name: a function before a label, then the first of the alphabet.
    marks.sort_by(|a, b| {
        let key = |mark: &Mark| (mark.offset, mark.kind == MarkKind::Function);
        key(a).cmp(&key(b)).then_with(|| b.symbol.cmp(&a.symbol))
    });
    marks
}

/// Does the file symbol before this one name its source? Not for global symbols, nor for hidden ones,
/// which some linkers make local and put behind all files.
fn is_of_last_file<'data>(symbol: &impl ObjectSymbol<'data>) -> bool {
    match symbol.flags() {
        SymbolFlags::Elf { st_other, .. } => symbol.is_local() && st_other & 3 == elf::STV_DEFAULT,
        _ => false,
    }
}

/// Decodes from each symbol to the next, wherever the bytes of such an instruction are.
///
/// Starting again at every symbol keeps data between functions from putting the decoder out of step.
fn scan(code: &Code<'_>, hits: &[usize], marks: &[Mark], found: &mut Vec<Entry>) {
    let mut decoded_to = 0;
    for &hit in hits {
        if hit < decoded_to {
            continue;
        }
        let next = marks.partition_point(|mark| mark.offset <= hit as u64);
        let before = &marks[..next];
        let start = before.last().map_or(0, |mark| mark.offset as usize);
        let end = marks
            .get(next)
            .map_or(code.bytes.len(), |mark| mark.offset as usize);
        decoded_to = end;
        let is_data = before
            .iter()
            .any(|mark| matches!(mark.kind, MarkKind::Data(data_end) if data_end > hit as u64));
        if is_data {
            continue;
        }
        let first = found.len();
        decode(code, start, end, found);
        for entry in &mut found[first..] {
            entry.function = function_at(before, entry.address - code.address);
        }
    }
}

fn decode(code: &Code<'_>, start: usize, end: usize, found: &mut Vec<Entry>) {
    // An instruction may lie across the next symbol, so the bytes do not end there.
    let bytes = &code.bytes[start..];
    let mut decoder = Decoder::with_ip(
        64,
        bytes,
        code.address.wrapping_add(start as u64),
        DecoderOptions::NONE,
    );
    let mut instruction = Instruction::default();
    let mut has_invalid = false;
    while decoder.can_decode() && decoder.position() < end - start {
        decoder.decode_out(&mut instruction);
        let name = match instruction.mnemonic() {
            Mnemonic::Syscall => "syscall",
            Mnemonic::Sysenter => "sysenter",
            Mnemonic::Int if instruction.immediate8() == 0x80 => "int 0x80",
            Mnemonic::INVALID => {
                has_invalid = true;
                continue;
            }
            _ => continue,
        };
        found.push(Entry {
            address: instruction.ip(),
            instruction: name,
            section: code.name.clone(),
            function: None,
            is_expected: code.name == OWN_SECTION,
            may_be_data: has_invalid,
        });
    }
}

/// The nearest function before; a label only where there is no function.
fn function_at(before: &[Mark], offset: u64) -> Option<Function> {
    let is = |kind: MarkKind| before.iter().rev().find(move |mark| mark.kind == kind);
    let mark = is(MarkKind::Function).or_else(|| is(MarkKind::Label))?;
    Some(Function {
        symbol: mark.symbol.clone(),
        offset: offset.checked_sub(mark.offset)?,
        file: mark.file.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(bytes: &[u8]) -> Code<'_> {
        Code {
            name: ".text".into(),
            index: None,
            address: 0x1000,
            bytes,
        }
    }

    fn scan_all(bytes: &[u8], marks: &[Mark]) -> Vec<(u64, &'static str)> {
        let mut found = Vec::new();
        scan(&code(bytes), &pattern_offsets(bytes), marks, &mut found);
        found
            .iter()
            .map(|entry| (entry.address, entry.instruction))
            .collect()
    }

    fn mark(offset: u64, kind: MarkKind) -> Mark {
        Mark {
            offset,
            kind,
            symbol: format!("at_{offset}"),
            file: None,
        }
    }

    #[test]
    fn the_three_instructions_are_found() {
        let bytes = [0x90, 0x0f, 0x05, 0x0f, 0x34, 0xcd, 0x80, 0xcd, 0x03, 0xc3];
        assert_eq!(
            scan_all(&bytes, &[]),
            [
                (0x1001, "syscall"),
                (0x1003, "sysenter"),
                (0x1005, "int 0x80")
            ]
        );
    }

    #[test]
    fn the_bytes_inside_another_instruction_are_not_one() {
        // mov eax, 0x050f; ret
        assert_eq!(scan_all(&[0xb8, 0x0f, 0x05, 0x00, 0x00, 0xc3], &[]), []);
    }

    #[test]
    fn a_constant_between_functions_is_not_one() {
        let bytes = [0xc3, 0x0f, 0x05, 0x0f, 0x05, 0xc3];
        let marks = [
            mark(0, MarkKind::Function),
            mark(1, MarkKind::Data(3)),
            mark(3, MarkKind::Function),
        ];
        assert_eq!(scan_all(&bytes, &marks), [(0x1003, "syscall")]);
    }

    #[test]
    fn each_symbol_starts_the_decoder_again() {
        // The first byte of a long move, then a function: without the symbol the move would swallow it.
        let bytes = [0x48, 0xb8, 0x0f, 0x05, 0xc3, 0x90, 0x90, 0x90, 0x90, 0x90];
        assert_eq!(
            scan_all(&bytes, &[mark(2, MarkKind::Function)]),
            [(0x1002, "syscall")]
        );
        assert_eq!(scan_all(&bytes, &[]), []);
    }
}

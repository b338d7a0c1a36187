//! Names for addresses, from the symbol table of an image.

use object::LittleEndian;
use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader, Sym};
use rustc_demangle::try_demangle;

use crate::refusal::one_line;

/// A function of an image.
pub(crate) struct Function {
    /// As its language has it.
    pub(crate) name: String,
    pub(crate) start: u64,
}

/// The function that an address is in. `None` if the image does not say.
pub(crate) fn function_at(bytes: &[u8], address: u64) -> Option<Function> {
    let header = FileHeader64::<LittleEndian>::parse(bytes).ok()?;
    let sections = header.sections(LittleEndian, bytes).ok()?;
    let symbols = sections
        .symbols(LittleEndian, bytes, elf::SHT_SYMTAB)
        .ok()?;
    let (symbol, start) = symbols
        .iter()
        .filter(|symbol| {
            // Hand-written assembler often leaves its labels without a type.
            matches!(symbol.st_type(), elf::STT_FUNC | elf::STT_NOTYPE)
                && symbol.st_shndx(LittleEndian) != elf::SHN_UNDEF
                && symbol.st_shndx(LittleEndian) < elf::SHN_LORESERVE
        })
        .map(|symbol| (symbol, symbol.st_value(LittleEndian)))
        .filter(|&(symbol, start)| {
            let size_bytes = symbol.st_size(LittleEndian);
            start <= address && (size_bytes == 0 || address - start < size_bytes)
        })
        // The nearest one; of several names, one with a size.
        .max_by_key(|&(symbol, start)| (start, symbol.st_size(LittleEndian)))?;
    let name = symbol.name(LittleEndian, symbols.strings()).ok()?;
    let name = String::from_utf8_lossy(name);
    if name.is_empty() {
        return None;
    }
    let name = match try_demangle(&name) {
        Ok(rust) => format!("{rust:#}"),
        Err(_) => name.into_owned(),
    };
    Some(Function {
        name: one_line(&name),
        start,
    })
}

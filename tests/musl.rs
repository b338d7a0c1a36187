//! What may not be in libc.a: a `syscall` instruction that nobody knows of.

#![allow(
    clippy::expect_used,
    reason = "a libc.a that cannot be read fails the test"
)]

#[path = "conformance/sysroots.rs"]
mod sysroots;

use std::fs;

use iced_x86::{Decoder, DecoderOptions, Mnemonic};
use muslin_sysroot::Flavour;
use object::read::archive::ArchiveFile;
use object::{Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind};

/// How the unwinders of gcc and LLVM know a signal frame: by the bytes at the return address.
const RESTORE_RT: &[u8] = &[0x48, 0xc7, 0xc0, 0x0f, 0, 0, 0, 0x0f, 0x05];

/// The leaf stub; the return from a signal handler, which nobody calls; the window in which a
/// cancellation point can still be cancelled.
const ENTRIES: [&str; 3] = ["__muslin_passthrough", "__restore_rt", "__syscall_cp_asm"];

/// An instruction that enters the kernel.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    function: String,
    section: String,
    mnemonic: String,
}

/// The code of one archive member's function, from its symbol to the end of its section.
fn code_of(archive: &[u8], function: &str) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for_each_object(archive, |file| {
        for symbol in file
            .symbols()
            .filter(|symbol| symbol.name() == Ok(function))
        {
            let Some(index) = symbol.section_index() else {
                continue;
            };
            let section = file.section_by_index(index).expect("a symbol's section");
            let bytes = section.data().expect("a section's bytes");
            found.push(bytes[symbol.address() as usize..].to_vec());
        }
    });
    found
}

/// Every instruction of every member that enters the kernel.
fn kernel_entries(archive: &[u8]) -> Vec<Entry> {
    let mut entries = Vec::new();
    for_each_object(archive, |file| {
        for section in file.sections().filter(|s| s.kind() == SectionKind::Text) {
            let bytes = section.data().expect("a section's bytes");
            for instruction in Decoder::new(64, bytes, DecoderOptions::NONE) {
                let enters = match instruction.mnemonic() {
                    Mnemonic::Syscall | Mnemonic::Sysenter => true,
                    Mnemonic::Int => instruction.immediate8() == 0x80,
                    _ => false,
                };
                if enters {
                    entries.push(Entry {
                        function: function_at(file, &section, instruction.ip()),
                        section: section.name().unwrap_or("?").to_owned(),
                        mnemonic: format!("{:?}", instruction.mnemonic()),
                    });
                }
            }
        }
    });
    entries.sort();
    entries
}

/// The nearest function that begins at or before this place of the section.
///
/// The code of untouched slots, `__muslin_sys_<nr>`, is the leaf stub under further names.
fn function_at(file: &object::File<'_>, section: &object::Section<'_, '_>, at: u64) -> String {
    file.symbols()
        .filter(|symbol| symbol.section_index() == Some(section.index()))
        .filter(|symbol| symbol.kind() == SymbolKind::Text && symbol.address() <= at)
        .filter_map(|symbol| Some((symbol.address(), symbol.name().ok()?)))
        .filter(|(_, name)| !name.starts_with("__muslin_sys_"))
        .max()
        .map(|(_, name)| name.to_owned())
        .unwrap_or_else(|| "a function without a name".to_owned())
}

fn for_each_object(archive: &[u8], mut look: impl FnMut(&object::File<'_>)) {
    let members = ArchiveFile::parse(archive).expect("an archive");
    for member in members.members() {
        let bytes = member
            .and_then(|member| member.data(archive))
            .expect("a member of the archive");
        look(&object::File::parse(bytes).expect("an object file"));
    }
}

fn libc_of(flavour: Flavour) -> Vec<u8> {
    let sysroot = sysroots::sysroot(flavour).unwrap_or_else(|why| panic!("{why}"));
    fs::read(sysroot.join("lib/libc.a")).expect("libc.a of a sysroot")
}

#[test]
fn libc_enters_the_kernel_in_three_named_places() {
    let entries = kernel_entries(&libc_of(Flavour::Linux));
    let expected = ENTRIES.map(|function| Entry {
        function: function.to_owned(),
        section: "muslin_text".to_owned(),
        mnemonic: "Syscall".to_owned(),
    });
    assert_eq!(entries, expected);
}

#[test]
fn stock_musl_enters_it_in_hundreds() {
    let entries = kernel_entries(&libc_of(Flavour::Stock));
    assert!(
        entries.len() > 400,
        "only {} found: this test has gone blind",
        entries.len()
    );
}

#[test]
fn unwinders_still_know_a_signal_frame() {
    for flavour in [Flavour::Stock, Flavour::Linux] {
        let code = code_of(&libc_of(flavour), "__restore_rt");
        assert_eq!(code.len(), 1, "{flavour:?}: one __restore_rt");
        assert_eq!(&code[0][..RESTORE_RT.len()], RESTORE_RT, "{flavour:?}");
    }
}

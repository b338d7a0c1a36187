//! The ELF note by which tenders know an image: the ABI it speaks. The other one, the devices it
//! wants, is a member of libc.a of its own, which this one asks for by name: `muslin cc --device`
//! puts another in its place.
//!
//! A tender looks at the first note of each PT_NOTE only, and linkers make one PT_NOTE of
//! neighbouring note sections that have the same alignment: so each of the two has an alignment that
//! no other note has. They are assembly because a Rust type is padded to its alignment, and the
//! padding would read as another note.
//!
//! Source: Solo5 0.12.1 `include/elf_abi.h`.

use core::arch::global_asm;

/// "spt" among the targets of the ABI note.
const TARGET_SPT: u32 = 2;
/// The version of the binary interface.
const ABI_VERSION: u32 = 2;
const ABI_NOTE: u32 = 0x3149_4241;

global_asm!(
    r#"
    .pushsection .note.solo5.abi,"a",@note
    .balign 16
    .long 6, 16, {abi_note}
    .ascii "Solo5\0\0\0"
    .long {target}, {abi_version}, 0, 0
    .reloc ., R_X86_64_NONE, __muslin_manifest
    .popsection
    "#,
    abi_note = const ABI_NOTE,
    target = const TARGET_SPT,
    abi_version = const ABI_VERSION,
);

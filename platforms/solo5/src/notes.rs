//! The ELF notes by which tenders know an image: the ABI it speaks, and the devices it wants.
//!
//! A tender looks at the first note of each PT_NOTE only, and linkers make one PT_NOTE of
//! neighbouring note sections that have the same alignment: so each of these has an alignment that
//! no other note has. They are assembly because a Rust type is padded to its alignment, and the
//! padding would read as another note.
//!
//! Source: Solo5 0.12.1 `include/elf_abi.h`, `include/mft_abi.h`.

use core::arch::global_asm;

/// "spt" among the targets of the ABI note.
const TARGET_SPT: u32 = 2;
/// The version of the binary interface.
const ABI_VERSION: u32 = 2;
const ABI_NOTE: u32 = 0x3149_4241;
const MANIFEST_NOTE: u32 = 0x3154_464d;
const MANIFEST_VERSION: u32 = 1;
/// The entry that every manifest starts with.
const RESERVED_FIRST: u32 = 1 << 30;

global_asm!(
    r#"
    .pushsection .note.solo5.abi,"a",@note
    .balign 16
    .long 6, 16, {abi_note}
    .ascii "Solo5\0\0\0"
    .long {target}, {abi_version}, 0, 0
    .popsection
    .pushsection .note.solo5.manifest,"a",@note
    .balign 32
    .long 6, 4 + 8 + 104, {manifest_note}
    .ascii "Solo5\0\0\0"
    .long 0
    .long {manifest_version}, 1
    .zero 68
    .long {first}
    .zero 32
    .popsection
    "#,
    abi_note = const ABI_NOTE,
    target = const TARGET_SPT,
    abi_version = const ABI_VERSION,
    manifest_note = const MANIFEST_NOTE,
    manifest_version = const MANIFEST_VERSION,
    first = const RESERVED_FIRST,
);

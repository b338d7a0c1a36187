//! The ELF notes by which loaders know an image. A paravirtualised guest has its memory from address 0
//! on, page by page; its kernel's first code is in `pv`.
//!
//! Loaders look at all notes of a section, so these may share a segment with others.
//!
//! Source: Xen 4.17 `xen/include/public/elfnote.h`.

use core::arch::global_asm;

use crate::pv::entry;
use crate::pvh;

const ENTRY: u32 = 1;
const VIRT_BASE: u32 = 3;
const PADDR_OFFSET: u32 = 4;
const XEN_VERSION: u32 = 5;
const GUEST_OS: u32 = 6;
const LOADER: u32 = 8;
const PHYS32_ENTRY: u32 = 18;
const SUPPORTED_FEATURES: u32 = 17;
/// It can be a machine's first guest.
const FEATURE_DOM0: u32 = 1 << 11;
/// It asks before it changes page tables, and needs no help if it does not.
const FEATURE_WRITABLE_PAGE_TABLES: u32 = 1;

global_asm!(
    r#"
    .macro muslin_xen_word type, value
    .long 4, 8, \type
    .asciz "Xen"
    .quad \value
    .endm
    .pushsection .note.Xen,"a",@note
    .balign 4
    .long 4, 7, {guest_os}
    .asciz "Xen"
    .asciz "muslin"
    .balign 4
    .long 4, 8, {xen_version}
    .asciz "Xen"
    .asciz "xen-3.0"
    .long 4, 8, {loader}
    .asciz "Xen"
    .asciz "generic"
    muslin_xen_word {virt_base}, 0
    muslin_xen_word {paddr_offset}, 0
    muslin_xen_word {entry_kind}, {entry}
    .long 4, 4, {pvh_entry_kind}
    .asciz "Xen"
    .long {pvh_entry}
    .long 4, 4, {supported_features}
    .asciz "Xen"
    .long {features}
    .popsection
    .purgem muslin_xen_word
    "#,
    guest_os = const GUEST_OS,
    xen_version = const XEN_VERSION,
    loader = const LOADER,
    virt_base = const VIRT_BASE,
    paddr_offset = const PADDR_OFFSET,
    entry_kind = const ENTRY,
    entry = sym entry::enter,
    pvh_entry_kind = const PHYS32_ENTRY,
    pvh_entry = sym pvh::entry::__muslin_xen_pvh,
    supported_features = const SUPPORTED_FEATURES,
    features = const FEATURE_DOM0 | FEATURE_WRITABLE_PAGE_TABLES,
);

//! The ELF notes by which loaders know an image. A paravirtualised guest has its memory from address 0
//! on, page by page; its kernel's first code is in `pv`.
//!
//! Loaders look at all notes of a section, so these may share a segment with others.
//!
//! Source: Xen 4.17 `xen/include/public/elfnote.h`.

use core::arch::global_asm;

use crate::abi::{
    XEN_ELFNOTE_ENTRY, XEN_ELFNOTE_GUEST_OS, XEN_ELFNOTE_LOADER, XEN_ELFNOTE_PADDR_OFFSET,
    XEN_ELFNOTE_PHYS32_ENTRY, XEN_ELFNOTE_SUPPORTED_FEATURES, XEN_ELFNOTE_VIRT_BASE,
    XEN_ELFNOTE_XEN_VERSION, XENFEAT_dom0, XENFEAT_writable_page_tables,
};
use crate::pv::entry;
use crate::pvh;

/// It can be a machine's first guest; it asks before it changes page tables, and needs no help if it does
/// not.
const FEATURES: u32 = 1 << XENFEAT_dom0 | 1 << XENFEAT_writable_page_tables;

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
    guest_os = const XEN_ELFNOTE_GUEST_OS,
    xen_version = const XEN_ELFNOTE_XEN_VERSION,
    loader = const XEN_ELFNOTE_LOADER,
    virt_base = const XEN_ELFNOTE_VIRT_BASE,
    paddr_offset = const XEN_ELFNOTE_PADDR_OFFSET,
    entry_kind = const XEN_ELFNOTE_ENTRY,
    entry = sym entry::enter,
    pvh_entry_kind = const XEN_ELFNOTE_PHYS32_ENTRY,
    pvh_entry = sym pvh::entry::__muslin_xen_pvh,
    supported_features = const XEN_ELFNOTE_SUPPORTED_FEATURES,
    features = const FEATURES,
);

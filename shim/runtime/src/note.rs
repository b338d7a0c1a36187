//! The ELF note by which tools know an image of ours: name "Muslin", type 1, then the version of
//! this note's layout and the platform (0 is Linux, 1 is Solo5, 2 is Xen).

use crate::raw;

/// `Elf64_Nhdr`, name and description in one.
#[repr(C, align(4))]
struct Note {
    name_len_bytes: u32,
    desc_len_bytes: u32,
    kind: u32,
    name: [u8; 8],
    layout: u32,
    platform: u32,
}

#[used]
#[unsafe(link_section = ".note.muslin")]
static NOTE: Note = Note {
    name_len_bytes: 7,
    desc_len_bytes: 8,
    kind: 1,
    name: *b"Muslin\0\0",
    layout: 1,
    platform: raw::PLATFORM,
};

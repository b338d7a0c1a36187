//! Numbers and layouts of Xen's interface, as far as this room uses them, from Xen's public headers. The
//! build script translates what it and `headers/xen.h` list; names are Xen's.
//!
//! By hand is only what the headers have no C for. Rings are in `ring`, as theirs are macros.

pub use headers::*;

#[allow(
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    clippy::missing_safety_doc,
    clippy::undocumented_unsafe_blocks,
    reason = "C, as bindgen writes it"
)]
mod headers {
    include!(concat!(env!("OUT_DIR"), "/xen.rs"));
}

/// A part of what [`XENMEM_memory_map`] answers: firmware's, not Xen's.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, packed)]
pub struct MemoryRegion {
    /// Its address.
    pub addr: u64,
    /// Its length in bytes.
    pub size: u64,
    /// [`XEN_HVM_MEMMAP_TYPE_RAM`], or something else.
    pub kind: u32,
}

//! The memory without which Xen's loader refuses a guest, in words that say little.

use std::path::Path;

use super::config::Kind;
use crate::check::image::{Elf, XEN_NOTE_VIRT_BASE, end_in_memory, xen_note};
use crate::failure::{Failure, shown};

const PAGE_BYTES: u64 = 4 << 10;
const MIB: u64 = 1 << 20;

/// A paravirtualised guest must have the memory for what the loader maps, which ends at a multiple of this.
const MAPPED_BYTES: u64 = 4 * MIB;
/// What it wants behind image and archive, at the least: half a MiB, and nine pages for itself.
const BEHIND_BYTES: u64 = MIB / 2 + 9 * PAGE_BYTES;

/// Refuses what the loader would certainly refuse.
pub fn check(
    image: &Path,
    bytes: &[u8],
    kind: Kind,
    archive_bytes: Option<u64>,
    memory_mib: u64,
) -> Result<(), Failure> {
    let Ok(elf) = Elf::parse(bytes) else {
        return Ok(());
    };
    let base = xen_note(&elf, XEN_NOTE_VIRT_BASE).and_then(|word| word.try_into().ok());
    let base = base.map_or(0, u64::from_le_bytes);
    let least = least_mib(kind, base, end_in_memory(&elf), archive_bytes.unwrap_or(0));
    if memory_mib >= least {
        return Ok(());
    }
    let (with, how) = (
        archive_bytes.map_or("", |_| " with this archive"),
        match kind {
            Kind::Pv => "paravirtualised",
            Kind::Pvh => "in a virtual machine",
        },
    );
    Err(Failure::usage(
        format_args!(
            "{}{with} needs {least} MiB to be started {how}, and would have {memory_mib}",
            shown(image)
        ),
        format_args!("give it --mem {least} or more"),
    ))
}

/// `base` is where the guest's memory begins for an image that says where it ends without that.
fn least_mib(kind: Kind, base: u64, end: u64, archive_bytes: u64) -> u64 {
    let pages = |bytes: u64| bytes.div_ceil(PAGE_BYTES).saturating_mul(PAGE_BYTES);
    let loaded = pages(end).saturating_add(pages(archive_bytes));
    let bytes = match kind {
        Kind::Pv => {
            let end = base.saturating_add(loaded).saturating_add(BEHIND_BYTES);
            let mapped = end.div_ceil(MAPPED_BYTES).saturating_mul(MAPPED_BYTES);
            mapped.saturating_sub(base)
        }
        Kind::Pvh => loaded,
    };
    bytes.div_ceil(MIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loader_maps_in_pieces_of_4_mib_from_where_memory_begins() {
        let small = |archive| least_mib(Kind::Pv, 2 * MIB, 0x15_b1e8, archive);
        assert_eq!([small(0), small(64 << 10)], [2, 2]);
        assert_eq!([small(250 << 10), small(4 * MIB)], [6, 6]);
        let large = |archive| least_mib(Kind::Pv, 0, 0x1b_e670, archive);
        assert_eq!([large(0), large(MIB), large(2 * MIB)], [4, 4, 8]);
    }

    #[test]
    fn a_machine_wants_what_is_loaded() {
        let of = |archive| least_mib(Kind::Pvh, 2 * MIB, 0x15_b1e8, archive);
        assert_eq!([of(0), of(250 << 10), of(MIB)], [2, 2, 3]);
        assert_eq!(of(u64::MAX), u64::MAX.div_ceil(MIB));
    }
}

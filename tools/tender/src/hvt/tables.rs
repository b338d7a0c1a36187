//! The processor's first tables and registers: as the stock tender has them, a guest may replace them.
//!
//! All memory is mapped where it is, but for the first 64 KiB, where these tables are. From there to
//! 1 MiB it is for reading: boot info, manifest, command line.

use std::io;

use kvm_bindings::{kvm_regs, kvm_segment, kvm_sregs};

use super::boot_info::BOOT_INFO_ADDRESS;
use super::ram::Ram;
use crate::image::{BASE_MIN, PAGE_BYTES};

const GDT: u64 = 0x1000;
const PML4: u64 = 0x2000;
const POINTERS: u64 = 0x3000;
/// Four tables, one for each GiB.
const DIRECTORIES: u64 = 0x4000;
/// The pages of the first 2 MiB.
const FIRST_PAGES: u64 = 0x8000;

const PRESENT: u64 = 1;
const WRITABLE: u64 = 1 << 1;
const LARGE: u64 = 1 << 7;
const LARGE_BYTES: u64 = 2 << 20;
const ENTRIES: u64 = 512;

/// Selectors.
const CODE: u16 = 0x8;
const DATA: u16 = 0x10;

/// PE, NE, WP and PG.
const CR0: u64 = 1 | 1 << 5 | 1 << 16 | 1 << 31;
/// PAE, OSFXSR and OSXMMEXCPT: SSE works at once.
const CR4: u64 = 1 << 5 | 1 << 9 | 1 << 10;
/// LME and LMA.
const EFER: u64 = 1 << 8 | 1 << 10;

/// The bit that is always set.
const RFLAGS: u64 = 2;

/// Writes the tables into the guest's memory.
pub(crate) fn write(ram: &Ram) -> io::Result<()> {
    put(ram, GDT, &[0, descriptor(&code()), descriptor(&data())])?;
    put(ram, PML4, &[POINTERS | PRESENT | WRITABLE])?;
    let directories = ram.bytes().div_ceil(LARGE_BYTES * ENTRIES);
    let pointers: Vec<u64> = (0..directories)
        .map(|index| (DIRECTORIES + index * PAGE_BYTES) | PRESENT | WRITABLE)
        .collect();
    put(ram, POINTERS, &pointers)?;
    // The tables of directories follow each other, so that one list fills them.
    let mut entries: Vec<u64> = (0..ram.bytes() / LARGE_BYTES)
        .map(|index| (index * LARGE_BYTES) | PRESENT | WRITABLE | LARGE)
        .collect();
    if let Some(first) = entries.first_mut() {
        *first = FIRST_PAGES | PRESENT | WRITABLE;
    }
    put(ram, DIRECTORIES, &entries)?;
    let pages: Vec<u64> = (0..ENTRIES)
        .map(|index| match index * PAGE_BYTES {
            address if address < BOOT_INFO_ADDRESS => 0,
            address if address < BASE_MIN => address | PRESENT,
            address => address | PRESENT | WRITABLE,
        })
        .collect();
    put(ram, FIRST_PAGES, &pages)
}

fn put(ram: &Ram, address: u64, words: &[u64]) -> io::Result<()> {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    ram.load(address, &bytes)
}

/// Long mode with these tables.
pub(crate) fn special_registers() -> kvm_sregs {
    let mut registers = kvm_sregs {
        cr0: CR0,
        cr3: PML4,
        cr4: CR4,
        efer: EFER,
        cs: code(),
        ds: data(),
        es: data(),
        fs: data(),
        gs: data(),
        ss: data(),
        tr: kvm_segment {
            // A task state that is in use, which is what a processor wants to see.
            type_: 11,
            present: 1,
            ..kvm_segment::default()
        },
        ldt: kvm_segment {
            unusable: 1,
            ..kvm_segment::default()
        },
        ..kvm_sregs::default()
    };
    registers.gdt.base = GDT;
    registers.gdt.limit = 3 * 8 - 1;
    registers
}

/// At the entry, with the boot info in rdi.
pub(crate) fn registers(entry: u64, memory_bytes: u64) -> kvm_regs {
    kvm_regs {
        rip: entry,
        rsp: memory_bytes - 8,
        rdi: BOOT_INFO_ADDRESS,
        rflags: RFLAGS,
        ..kvm_regs::default()
    }
}

/// All addresses, kernel's, 64 bits.
fn code() -> kvm_segment {
    kvm_segment {
        selector: CODE,
        // Executable, readable, accessed.
        type_: 11,
        l: 1,
        ..flat()
    }
}

fn data() -> kvm_segment {
    kvm_segment {
        selector: DATA,
        // Writable, accessed.
        type_: 3,
        ..flat()
    }
}

fn flat() -> kvm_segment {
    kvm_segment {
        limit: u32::MAX,
        present: 1,
        s: 1,
        g: 1,
        ..kvm_segment::default()
    }
}

/// The segment as the processor finds it in the table.
fn descriptor(segment: &kvm_segment) -> u64 {
    let limit = u64::from(segment.limit >> 12);
    limit & 0xffff
        | u64::from(segment.type_) << 40
        | u64::from(segment.s) << 44
        | u64::from(segment.present) << 47
        | (limit >> 16) << 48
        | u64::from(segment.l) << 53
        | u64::from(segment.g) << 55
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;

    /// The address behind another one, and whether it is writable, found as a processor does.
    fn walk(ram: &Ram, address: u64) -> Option<(u64, bool)> {
        let mut table = PML4;
        let mut is_writable = true;
        for shift in [39, 30, 21, 12] {
            let index = address >> shift & 511;
            let bytes = ram.copy_up(table + index * 8, 8);
            let entry = u64::from_le_bytes(bytes.try_into().unwrap());
            if entry & PRESENT == 0 {
                return None;
            }
            is_writable &= entry & WRITABLE != 0;
            table = entry & 0xf_ffff_ffff_f000;
            if shift == 12 || entry & LARGE != 0 {
                return Some((table | address & ((1 << shift) - 1), is_writable));
            }
        }
        None
    }

    #[test]
    fn memory_is_mapped_where_it_is() {
        for mib in [2, 8, 1024, 1026, 4096] {
            let bytes = mib << 20;
            let ram = Ram::new(bytes, 0).unwrap();
            write(&ram).unwrap();
            assert_eq!(walk(&ram, 0), None);
            assert_eq!(walk(&ram, 0xffff), None);
            assert_eq!(walk(&ram, 0x1_0123), Some((0x1_0123, false)));
            assert_eq!(walk(&ram, 0xf_ffff), Some((0xf_ffff, false)));
            assert_eq!(walk(&ram, 0x10_0000), Some((0x10_0000, true)));
            for address in [0x1f_ffff, bytes / 2, bytes - 8, bytes - 1] {
                assert_eq!(walk(&ram, address), Some((address, true)), "{address:#x}");
            }
            assert_eq!(walk(&ram, bytes), None, "{mib} MiB");
        }
    }

    #[test]
    fn descriptors_are_those_of_every_long_mode() {
        assert_eq!(descriptor(&code()), 0x00af_9b00_0000_ffff);
        assert_eq!(descriptor(&data()), 0x008f_9300_0000_ffff);
    }
}

//! The manifest: which devices the tender gives, and what it says of each.
//!
//! Source: Solo5 0.12.1 `include/mft_abi.h`.

/// The most entries of a manifest. The first is reserved.
pub const ENTRIES_MAX: usize = 64;
/// Room for a name with its final zero.
const NAME_BYTES: usize = 68;
const TYPE_BLOCK: u32 = 1;

/// `struct mft` without its entries.
#[derive(Clone, Copy)]
#[repr(C)]
struct Header {
    version: u32,
    entries: u32,
}

/// `struct mft_entry`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Entry {
    name: [u8; NAME_BYTES],
    kind: u32,
    /// Of a block device: its size.
    pub capacity_bytes: u64,
    /// Of a block device: the size of a sector.
    pub sector_bytes: u16,
    _unused: [u8; 6],
    /// What a guest of spt reads from and writes to.
    pub host_fd: i32,
    _unused_too: i32,
    is_attached: u8,
    _end: [u8; 7],
}

const _: () = assert!(size_of::<Entry>() == 104);

impl Entry {
    /// The device's name.
    pub fn name(&self) -> &str {
        // Tenders take letters and digits only.
        core::str::from_utf8(self.name_bytes()).unwrap_or_default()
    }

    /// The same for those who only look at it: every image holds them.
    pub fn name_bytes(&self) -> &[u8] {
        let len_bytes = self.name.iter().position(|&byte| byte == 0);
        &self.name[..len_bytes.unwrap_or(NAME_BYTES)]
    }
}

/// The block devices that a tender gives, by the manifest at this address; each with its handle.
///
/// # Safety
/// A tender put it there and nothing has written to it since.
pub unsafe fn blocks(address: usize) -> impl Iterator<Item = (usize, Entry)> {
    // SAFETY: as the caller promises.
    unsafe { declared(address) }.filter(|(_, entry)| entry.is_attached != 0)
}

/// The block devices that the manifest at this address declares; each with its handle.
///
/// # Safety
/// It is a manifest, and nothing writes to it.
pub unsafe fn declared(address: usize) -> impl Iterator<Item = (usize, Entry)> {
    // SAFETY: as the caller promises.
    let header = unsafe { (address as *const Header).read() };
    let first = address + size_of::<Header>();
    (0..ENTRIES_MAX.min(header.entries as usize)).filter_map(move |handle| {
        // SAFETY: as the caller promises; the manifest has that many entries.
        let entry = unsafe { (first as *const Entry).add(handle).read() };
        (entry.kind == TYPE_BLOCK).then_some((handle, entry))
    })
}

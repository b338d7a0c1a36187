//! The manifest: which devices the tender gives, and what it says of each.
//!
//! Source: Solo5 0.12.1 `include/mft_abi.h`.

use muslin_abi::net_device::OFFLOAD_GIVEN;

/// The most entries of a manifest. The first is reserved.
pub const ENTRIES_MAX: usize = 64;
/// Room for a name with its final zero.
const NAME_BYTES: usize = 68;
const TYPE_BLOCK: u32 = 1;
const TYPE_NET: u32 = 2;

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
    /// Of a block device: its size. Of a network device: its address, and the longest packet.
    pub capacity_bytes: u64,
    /// Of a block device: the size of a sector. Of a network device: whether frames have something in front.
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

    /// The address of a network device.
    pub fn mac(&self) -> [u8; 6] {
        let [mac @ .., _, _] = self.capacity_bytes.to_le_bytes();
        mac
    }

    /// How much a frame of a network device may hold behind its header.
    pub fn mtu_bytes(&self) -> usize {
        let [.., low, high] = self.capacity_bytes.to_le_bytes();
        u16::from_le_bytes([low, high]).into()
    }

    /// Whether frames of a network device have a `struct virtio_net_hdr` in front. Stock tenders leave what
    /// the image said, which is that it understands it.
    pub fn has_offload(&self) -> bool {
        self.sector_bytes == OFFLOAD_GIVEN
    }

    /// Makes it a network device that a process has opened.
    #[cfg(target_os = "none")]
    pub fn set_net(&mut self, tap: muslin_tap::Tap, mac: [u8; 6]) {
        let mtu_bytes = tap.mtu_bytes;
        self.sector_bytes = if tap.has_offload { OFFLOAD_GIVEN } else { 0 };
        let [a, b, c, d, e, f] = mac;
        let [low, high] = mtu_bytes.to_le_bytes();
        self.capacity_bytes = u64::from_le_bytes([a, b, c, d, e, f, low, high]);
        self.host_fd = tap.fd;
    }

    fn is_attached((_, entry): &(usize, Self)) -> bool {
        entry.is_attached != 0
    }
}

/// The block devices that a tender gives, by the manifest at this address; each with its handle.
///
/// # Safety
/// A tender put it there and nothing has written to it since.
pub unsafe fn blocks(address: usize) -> impl Iterator<Item = (usize, Entry)> {
    // SAFETY: as the caller promises.
    unsafe { declared(address) }.filter(Entry::is_attached)
}

/// The block devices that the manifest at this address declares; each with its handle.
///
/// # Safety
/// It is a manifest, and nothing writes to it.
pub unsafe fn declared(address: usize) -> impl Iterator<Item = (usize, Entry)> {
    // SAFETY: as the caller promises.
    unsafe { of_kind(address, TYPE_BLOCK) }
}

/// The network devices that a tender gives, as [`blocks`].
///
/// # Safety
/// As [`blocks`].
pub unsafe fn nets(address: usize) -> impl Iterator<Item = (usize, Entry)> {
    // SAFETY: as the caller promises.
    unsafe { declared_nets(address) }.filter(Entry::is_attached)
}

/// The network devices that the manifest at this address declares, as [`declared`].
///
/// # Safety
/// As [`declared`].
pub unsafe fn declared_nets(address: usize) -> impl Iterator<Item = (usize, Entry)> {
    // SAFETY: as the caller promises.
    unsafe { of_kind(address, TYPE_NET) }
}

/// # Safety
/// As [`declared`].
unsafe fn of_kind(address: usize, kind: u32) -> impl Iterator<Item = (usize, Entry)> {
    // SAFETY: as the caller promises.
    let header = unsafe { (address as *const Header).read() };
    let first = address + size_of::<Header>();
    (0..ENTRIES_MAX.min(header.entries as usize)).filter_map(move |handle| {
        // SAFETY: as the caller promises; the manifest has that many entries.
        let entry = unsafe { (first as *const Entry).add(handle).read() };
        (entry.kind == kind).then_some((handle, entry))
    })
}

//! Block devices, as a tender attached them.
//!
//! Tenders move one sector a call. There is no call that flushes: what is written is as durable as
//! the host makes it.

use core::cell::UnsafeCell;

use muslin_abi::Errno;
use muslin_platform::BlockDevice;

use crate::manifest::{ENTRIES_MAX, Entry};

/// How a host moves sectors.
pub trait Sectors: Sync {
    /// Reads one sector of a device; `offset_bytes` is a multiple of its size, below the device's.
    ///
    /// # Errors
    /// `EIO`.
    fn read_sector(
        &self,
        device: &Block,
        offset_bytes: u64,
        sector: &mut [u8],
    ) -> Result<(), Errno>;
    /// Writes one sector.
    ///
    /// # Errors
    /// `EIO`.
    fn write_sector(&self, device: &Block, offset_bytes: u64, sector: &[u8]) -> Result<(), Errno>;
}

/// A block device.
#[derive(Clone, Copy)]
pub struct Block {
    /// Its index in the manifest, by which guests of hvt name it.
    pub handle: usize,
    /// What the tender says of it.
    pub entry: Entry,
    host: &'static dyn Sectors,
}

impl Block {
    fn check(&self, offset_bytes: u64, len_bytes: usize) -> Result<usize, Errno> {
        let sector = u64::from(self.entry.sector_bytes);
        let end = offset_bytes.checked_add(len_bytes as u64);
        let is_whole = sector != 0
            && offset_bytes.is_multiple_of(sector)
            && (len_bytes as u64).is_multiple_of(sector)
            && end.is_some_and(|end| end <= self.entry.capacity_bytes);
        if is_whole {
            Ok(sector as usize)
        } else {
            Err(Errno::EINVAL)
        }
    }
}

impl BlockDevice for Block {
    fn sector_bytes(&self) -> usize {
        self.entry.sector_bytes.into()
    }
    fn capacity_bytes(&self) -> u64 {
        self.entry.capacity_bytes
    }
    fn read_at(&self, offset_bytes: u64, bytes: &mut [u8]) -> Result<(), Errno> {
        let sector_bytes = self.check(offset_bytes, bytes.len())?;
        let mut at = offset_bytes;
        for sector in bytes.chunks_exact_mut(sector_bytes) {
            self.host.read_sector(self, at, sector)?;
            at += sector_bytes as u64;
        }
        Ok(())
    }
    fn write_at(&self, offset_bytes: u64, bytes: &[u8]) -> Result<(), Errno> {
        let sector_bytes = self.check(offset_bytes, bytes.len())?;
        let mut at = offset_bytes;
        for sector in bytes.chunks_exact(sector_bytes) {
            self.host.write_sector(self, at, sector)?;
            at += sector_bytes as u64;
        }
        Ok(())
    }
}

/// The block devices of a guest.
pub struct Blocks(UnsafeCell<[Option<Block>; ENTRIES_MAX]>);

// SAFETY: written once, by `take`, when nothing else runs.
unsafe impl Sync for Blocks {}

/// Those of this guest or process.
pub static BLOCKS: Blocks = Blocks(UnsafeCell::new([None; ENTRIES_MAX]));

impl Blocks {
    /// Takes over the devices of a manifest, each with its handle.
    ///
    /// # Safety
    /// This is called once, before anything else looks at them.
    pub unsafe fn take(
        &self,
        found: impl Iterator<Item = (usize, Entry)>,
        host: &'static dyn Sectors,
    ) {
        // SAFETY: as the caller promises.
        let places = unsafe { &mut *self.0.get() };
        for (place, (handle, entry)) in places.iter_mut().zip(found) {
            *place = Some(Block {
                handle,
                entry,
                host,
            });
        }
    }

    /// The device of this number, and its name.
    pub fn get(&self, index: usize) -> Option<(&str, &dyn BlockDevice)> {
        // SAFETY: nobody writes it any more.
        let places = unsafe { &*self.0.get() };
        let block = places.get(index)?.as_ref()?;
        Some((block.entry.name(), block))
    }
}

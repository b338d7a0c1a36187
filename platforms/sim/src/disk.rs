//! A block device in memory.

use std::sync::Mutex;

use muslin_abi::Errno;
use muslin_platform::BlockDevice;

use crate::locked;

/// Its name.
pub const NAME: &str = "storage";
/// Size of a sector in bytes.
const SECTOR_BYTES: usize = 512;

/// The device.
pub struct SimDisk(Mutex<Vec<u8>>);

impl SimDisk {
    /// A device of zeros.
    pub fn new(sectors: usize) -> Self {
        Self(Mutex::new(vec![0; sectors * SECTOR_BYTES]))
    }

    /// All that it holds.
    pub fn bytes(&self) -> Vec<u8> {
        locked(&self.0).clone()
    }

    fn range(&self, offset_bytes: u64, len_bytes: usize) -> Result<core::ops::Range<usize>, Errno> {
        let start = usize::try_from(offset_bytes).map_err(|_| Errno::EINVAL)?;
        let end = start.checked_add(len_bytes).ok_or(Errno::EINVAL)?;
        let is_whole = start.is_multiple_of(SECTOR_BYTES) && end.is_multiple_of(SECTOR_BYTES);
        if is_whole && end <= locked(&self.0).len() {
            Ok(start..end)
        } else {
            Err(Errno::EINVAL)
        }
    }
}

impl BlockDevice for SimDisk {
    fn sector_bytes(&self) -> usize {
        SECTOR_BYTES
    }

    fn capacity_bytes(&self) -> u64 {
        locked(&self.0).len() as u64
    }

    fn read_at(&self, offset_bytes: u64, bytes: &mut [u8]) -> Result<(), Errno> {
        let range = self.range(offset_bytes, bytes.len())?;
        bytes.copy_from_slice(&locked(&self.0)[range]);
        Ok(())
    }

    fn write_at(&self, offset_bytes: u64, bytes: &[u8]) -> Result<(), Errno> {
        let range = self.range(offset_bytes, bytes.len())?;
        locked(&self.0)[range].copy_from_slice(bytes);
        Ok(())
    }
}

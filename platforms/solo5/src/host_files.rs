//! Block devices that are files of the host: their sectors move by its calls.

use muslin_abi::Errno;

use crate::block::{Block, Sectors};
use crate::calls;

/// The files that the manifest has descriptors of.
#[derive(Debug)]
pub struct HostFiles;

/// The one value.
pub static HOST_FILES: HostFiles = HostFiles;

impl Sectors for HostFiles {
    fn read_sector(
        &self,
        device: &Block,
        offset_bytes: u64,
        sector: &mut [u8],
    ) -> Result<(), Errno> {
        let len_bytes = sector.len();
        whole(
            calls::read_sector(device.entry.host_fd, offset_bytes, sector),
            len_bytes,
        )
    }
    fn write_sector(&self, device: &Block, offset_bytes: u64, sector: &[u8]) -> Result<(), Errno> {
        whole(
            calls::write_sector(device.entry.host_fd, offset_bytes, sector),
            sector.len(),
        )
    }
}

fn whole(moved: isize, len_bytes: usize) -> Result<(), Errno> {
    if moved == len_bytes as isize {
        Ok(())
    } else {
        Err(Errno::EIO)
    }
}

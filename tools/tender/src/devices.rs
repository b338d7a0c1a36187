//! Files that play the devices of an image.

use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use crate::manifest::{AttachedBlock, Kind, Manifest};
use crate::refusal::{Refusal, words};

/// The size of a sector in bytes.
const SECTOR_BYTES: u16 = 512;

/// A file or a host's block device for a block device of the image.
#[derive(Clone, Debug)]
pub struct BlockFile {
    /// The name in the image's manifest.
    pub name: String,
    /// The file, opened for reading and writing.
    pub path: PathBuf,
}

/// Opens the files and writes them into the manifest. They stay open as long as the answer lives.
pub(crate) fn attach(manifest: &mut Manifest, blocks: &[BlockFile]) -> Result<Vec<File>, Refusal> {
    let mut files = Vec::new();
    for block in blocks {
        let Some(device) = manifest
            .devices
            .iter_mut()
            .find(|device| device.kind == Kind::Block && device.name == block.name)
        else {
            return Err(Refusal::new(
                format_args!("the image declares no block device '{}'", block.name),
                "leave out its --block, or declare it when linking",
            ));
        };
        if device.attached.is_some() {
            return Err(Refusal::new(
                format_args!("block device '{}' is given twice", block.name),
                "give each device one file",
            ));
        }
        let (file, capacity_bytes) = open(block)?;
        device.attached = Some(AttachedBlock {
            capacity_bytes,
            sector_bytes: SECTOR_BYTES,
            host_fd: file.as_raw_fd(),
        });
        files.push(file);
    }
    let missing = manifest
        .devices
        .iter()
        .find(|device| device.attached.is_none());
    match missing {
        None => Ok(files),
        Some(device) if device.kind == Kind::Block => Err(Refusal::new(
            format_args!(
                "the image declares the block device '{}', which is not given",
                device.name
            ),
            format_args!("give it a file: --block {}=FILE", device.name),
        )),
        Some(device) => Err(Refusal::new(
            format_args!(
                "the image declares the {} device '{}', which this tender does not offer yet",
                device.kind.name(),
                device.name
            ),
            "run it with a stock solo5-spt",
        )),
    }
}

fn open(block: &BlockFile) -> Result<(File, u64), Refusal> {
    let shown = block.path.display();
    let failed = |error: std::io::Error| {
        Refusal::new(
            format_args!(
                "cannot open {shown} for reading and writing: {}",
                words(&error)
            ),
            "name a file or a block device",
        )
    };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(&block.path)
        .map_err(failed)?;
    // Also right for block devices, whose metadata have no length.
    let capacity_bytes = file.seek(SeekFrom::End(0)).map_err(failed)?;
    if capacity_bytes == 0 || !capacity_bytes.is_multiple_of(u64::from(SECTOR_BYTES)) {
        return Err(Refusal::new(
            format_args!(
                "{shown} has {capacity_bytes} bytes, which is not a whole number of sectors"
            ),
            format_args!("make it a multiple of {SECTOR_BYTES} bytes"),
        ));
    }
    Ok((file, capacity_bytes))
}

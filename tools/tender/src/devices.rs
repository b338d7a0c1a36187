//! Files and interfaces that play the devices of an image.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::AsRawFd;
use std::path::PathBuf;

use crate::beside::Beside;
use crate::manifest::{Attached, AttachedBlock, AttachedNet, Kind, Manifest};
use crate::net::{self, NetAddress, NetLayers, NetTap};
use crate::refusal::{Refusal, words};
use crate::tap;

/// The size of a sector in bytes, where nothing is said.
pub const SECTOR_BYTES: u16 = 512;

/// A file or a host's block device for a block device of the image.
#[derive(Clone, Debug)]
pub struct BlockFile {
    /// The name in the image's manifest.
    pub name: String,
    /// The file, opened for reading and writing.
    pub path: PathBuf,
    /// The size of a sector in bytes: a power of two, [`SECTOR_BYTES`] at least.
    pub sector_bytes: u16,
}

/// What is open for a guest's devices.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    /// By descriptor number, as the manifest has it.
    pub(crate) files: Vec<File>,
    /// What runs beside the guest for its network devices.
    pub(crate) beside: Beside,
}

impl Opened {
    /// The open file behind a device.
    pub(crate) fn file(&self, attached: Attached) -> Option<&File> {
        self.files
            .iter()
            .find(|file| file.as_raw_fd() == attached.host_fd())
    }

    /// The guest is gone: its interfaces leave nothing to whoever has them next.
    pub(crate) fn leave(&self, manifest: &Manifest) {
        for (_, attached) in manifest.attached() {
            if let (Attached::Net(net), Some(file)) = (attached, self.file(attached))
                && net.has_offload
            {
                // If it cannot be done, ours do it when they begin.
                let _ = tap::leave_nothing(file);
            }
        }
    }
}

/// Opens what plays the devices and writes it into the manifest. `takes_offload`: guests of this kind can say
/// what frames leave to them.
pub(crate) fn attach(
    manifest: &mut Manifest,
    blocks: &[BlockFile],
    nets: &[NetTap],
    addresses: &[NetAddress],
    layers: &NetLayers,
    takes_offload: bool,
) -> Result<Opened, Refusal> {
    let mut opened = Opened::default();
    for block in blocks {
        let attached = declared(manifest, Kind::Block, &block.name)?;
        let (file, capacity_bytes) = open(block)?;
        *attached = Some(Attached::Block(AttachedBlock {
            capacity_bytes,
            sector_bytes: block.sector_bytes,
            host_fd: file.as_raw_fd(),
        }));
        opened.files.push(file);
    }
    for net in nets {
        declared(manifest, Kind::Net, &net.name)?;
    }
    let takes_offload = |name: &str| {
        let mut devices = manifest.devices.iter();
        takes_offload && devices.any(|it| it.name == name && it.understands_offload)
    };
    let (ends, beside) = net::open(nets, addresses, layers, &takes_offload)?;
    opened.beside = beside;
    for end in ends {
        let attached = declared(manifest, Kind::Net, &end.name)?;
        *attached = Some(Attached::Net(AttachedNet {
            mac: end.mac,
            mtu: end.mtu_bytes,
            host_fd: end.fd.as_raw_fd(),
            has_offload: end.has_offload,
        }));
        opened.files.push(File::from(end.fd));
    }
    match manifest
        .devices
        .iter()
        .find(|device| device.attached.is_none())
    {
        None => Ok(opened),
        Some(device) => Err(Refusal::new(
            format_args!(
                "the image declares the {} device '{}', which is not given",
                device.kind.name(),
                device.name
            ),
            match device.kind {
                Kind::Block => format!("give it a file: --block {}=FILE", device.name),
                Kind::Net => format!("give it an interface: --net {}=TAP", device.name),
            },
        )),
    }
}

/// The place of a device that is declared and not attached yet.
fn declared<'manifest>(
    manifest: &'manifest mut Manifest,
    kind: Kind,
    name: &str,
) -> Result<&'manifest mut Option<Attached>, Refusal> {
    let Some(device) = manifest
        .devices
        .iter_mut()
        .find(|device| device.kind == kind && device.name == name)
    else {
        return Err(Refusal::new(
            format_args!("the image declares no {} device '{name}'", kind.name()),
            format_args!(
                "leave out its {}, or declare it when linking",
                kind.option()
            ),
        ));
    };
    if device.attached.is_some() {
        return Err(Refusal::new(
            format_args!("{} device '{name}' is given twice", kind.name()),
            match kind {
                Kind::Block => "give each device one file",
                Kind::Net => "give each device one interface",
            },
        ));
    }
    Ok(&mut device.attached)
}

fn open(block: &BlockFile) -> Result<(File, u64), Refusal> {
    let shown = block.path.display();
    let sector_bytes = block.sector_bytes;
    if sector_bytes < SECTOR_BYTES || !sector_bytes.is_power_of_two() {
        return Err(Refusal::new(
            format_args!(
                "'{}' cannot have sectors of {sector_bytes} bytes",
                block.name
            ),
            format_args!("give a power of two from {SECTOR_BYTES} to 32768"),
        ));
    }
    let failed = |error: io::Error| {
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
    // Two guests on one disk destroy it. Gone with the last process that has the file open.
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(Refusal::new(
                format_args!("{shown} is in use by another program, which has locked it"),
                "end that one, or give a copy",
            ));
        }
        // Not every file system has locks.
        Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {}
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    // Also right for block devices, whose metadata have no length.
    let capacity_bytes = file.seek(SeekFrom::End(0)).map_err(failed)?;
    if capacity_bytes == 0 || !capacity_bytes.is_multiple_of(u64::from(sector_bytes)) {
        return Err(Refusal::new(
            format_args!(
                "{shown} has {capacity_bytes} bytes, which is not a whole number of sectors"
            ),
            format_args!("make it a multiple of {sector_bytes} bytes"),
        ));
    }
    Ok((file, capacity_bytes))
}

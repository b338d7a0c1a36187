//! Files and interfaces that play the devices of an image.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::Mutex;

use muslin_net_layers::{Faults, pcap};

use crate::cable::Cable;
use crate::manifest::{Attached, AttachedBlock, AttachedNet, Kind, Manifest};
use crate::refusal::{Refusal, words};
use crate::wire::Wire;

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

/// What is at the other end of a network device of the image.
#[derive(Clone, Debug)]
pub struct NetTap {
    /// The name in the image's manifest.
    pub name: String,
    /// A tap interface; `@` and the number of a descriptor that is one already; `link:` and the path of
    /// a socket, by which two guests are linked; `fd:` and the number of a connected socket of packets.
    pub interface: String,
}

/// The hardware address of a network device of the image; one is made up where none is given.
#[derive(Clone, Debug)]
pub struct NetAddress {
    /// The name in the image's manifest.
    pub name: String,
    /// The address.
    pub mac: [u8; 6],
}

/// A file in which the frames of a network device are captured.
#[derive(Clone, Debug)]
pub struct NetCapture {
    /// The name in the image's manifest.
    pub name: String,
    /// The file, which is made anew.
    pub path: PathBuf,
}

/// What is between network devices and their interfaces; by default nothing.
#[derive(Clone, Debug, Default)]
pub struct NetLayers {
    /// Captures, at most one for each device.
    pub captures: Vec<NetCapture>,
    /// Faults of all devices.
    pub faults: Option<Faults>,
    /// Count the frames of all devices.
    pub are_counted: bool,
}

/// What is open for a guest's devices.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    /// By descriptor number, as the manifest has it.
    pub(crate) files: Vec<File>,
    /// Between network devices and what plays them, where that is not the same.
    pub(crate) cables: Mutex<Vec<Cable>>,
}

impl Opened {
    /// The open file behind a device.
    pub(crate) fn file(&self, attached: Attached) -> Option<&File> {
        self.files
            .iter()
            .find(|file| file.as_raw_fd() == attached.host_fd())
    }
}

/// Opens what plays the devices and writes it into the manifest.
pub(crate) fn attach(
    manifest: &mut Manifest,
    blocks: &[BlockFile],
    nets: &[NetTap],
    addresses: &[NetAddress],
    layers: &NetLayers,
) -> Result<Opened, Refusal> {
    let mut opened = Opened::default();
    let mut cables = Vec::new();
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
    for (net, number) in nets.iter().zip(0..) {
        let attached = declared(manifest, Kind::Net, &net.name)?;
        let (fd, mtu) = open_net(net, layers, number, &mut cables)?;
        let mac = addresses
            .iter()
            .find(|address| address.name == net.name)
            .map_or_else(some_mac, |address| Ok(address.mac))?;
        *attached = Some(Attached::Net(AttachedNet {
            mac,
            mtu,
            host_fd: fd.as_raw_fd(),
        }));
        opened.files.push(File::from(fd));
    }
    opened.cables = Mutex::new(cables);
    if let Some(capture) = layers
        .captures
        .iter()
        .find(|capture| nets.iter().all(|net| net.name != capture.name))
    {
        return Err(Refusal::new(
            format_args!(
                "a capture is wanted of '{}', which has no interface",
                capture.name
            ),
            format_args!("give it one: --net {}=TAP", capture.name),
        ));
    }
    if let Some(address) = addresses
        .iter()
        .find(|address| nets.iter().all(|net| net.name != address.name))
    {
        return Err(Refusal::new(
            format_args!(
                "a hardware address is given for '{}', but no interface",
                address.name
            ),
            format_args!("give it one: --net {}=TAP", address.name),
        ));
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

/// Opens what plays a network device: what the guest reads and writes, and the longest packet.
fn open_net(
    net: &NetTap,
    layers: &NetLayers,
    number: u64,
    cables: &mut Vec<Cable>,
) -> Result<(OwnedFd, u16), Refusal> {
    let (wire, mtu_bytes) = Wire::open(&net.interface).map_err(|(what, remedy)| {
        Refusal::new(
            format_args!(
                "cannot use interface '{}' for '{}': {what}",
                net.interface, net.name
            ),
            remedy,
        )
    })?;
    let mut captures = layers.captures.iter().filter(|it| it.name == net.name);
    let capture = captures.next();
    if captures.next().is_some() {
        return Err(Refusal::new(
            format_args!("two captures are wanted of '{}'", net.name),
            "give it one",
        ));
    }
    let has_layers = capture.is_some() || layers.faults.is_some() || layers.are_counted;
    let far = match wire {
        Wire::Tap(fd) if !has_layers => return Ok((fd, mtu_bytes)),
        far => far,
    };
    let capture = capture.map(open_capture).transpose()?;
    let faults = layers.faults.unwrap_or_default();
    let (cable, guests_end) = Cable::new(&net.name, far, mtu_bytes, faults, capture, number)
        .map_err(|error| {
            Refusal::new(
                format_args!(
                    "cannot make a pair of sockets for '{}': {}",
                    net.name,
                    words(&error)
                ),
                "see what this system allows",
            )
        })?;
    cables.push(cable);
    Ok((guests_end, mtu_bytes))
}

fn open_capture(capture: &NetCapture) -> Result<File, Refusal> {
    let failed = |error: io::Error| {
        Refusal::new(
            format_args!(
                "cannot write the capture {}: {}",
                capture.path.display(),
                words(&error)
            ),
            "give --pcap a file that can be written",
        )
    };
    let mut file = File::create(&capture.path).map_err(failed)?;
    file.write_all(&pcap::header()).map_err(failed)?;
    Ok(file)
}

/// An address that nobody else has, marked as made up.
fn some_mac() -> Result<[u8; 6], Refusal> {
    const MULTICAST: u8 = 1;
    const LOCAL: u8 = 2;
    let mut mac = [0; 6];
    rustix::rand::getrandom(&mut mac, rustix::rand::GetRandomFlags::empty()).map_err(|error| {
        Refusal::new(
            format_args!(
                "cannot make up a hardware address: {}",
                words(&error.into())
            ),
            "give one: --net-mac NAME=ADDRESS",
        )
    })?;
    mac[0] = mac[0] & !MULTICAST | LOCAL;
    Ok(mac)
}

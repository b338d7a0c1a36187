//! The devices of a guest: what is asked for, and whether it is there.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom};
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketType, netdevice, socket};

use super::super::guest::{GuestArgs, devices, mac};
use crate::failure::{Failure, one_line, reason, shown};
use crate::run::CANNOT_RUN;

/// Disks that there are letters for, which is also as many as there are.
const DISKS: &str = "abcdefghijklmnop";
/// How the name of a disk begins.
const DISK_PREFIX: &str = "xvd";
/// What a disk's size is counted in.
const SECTOR_BYTES: u64 = 512;
/// How the name of a network device begins.
const NET_PREFIX: &str = "vif";

/// A network device.
#[derive(Clone, Debug)]
pub struct Net {
    /// What it is connected to.
    pub bridge: String,
    /// Its hardware address.
    pub mac: Option<String>,
}

/// The disks by name, each with a file that can be read and written.
pub fn disks(args: &GuestArgs) -> Result<Vec<(String, PathBuf)>, Failure> {
    let disks = devices(&args.block, "--block NAME=FILE", |name, path| {
        Some((name.to_owned(), PathBuf::from(path)))
    })?;
    for (number, (name, path)) in disks.iter().enumerate() {
        let letter = name.strip_prefix(DISK_PREFIX).unwrap_or_default();
        if letter.len() != 1 || !DISKS.contains(letter) {
            return Err(Failure::usage(
                format_args!("--block {name}: Xen's disks are xvda to xvdp"),
                "name one of these",
            ));
        }
        if disks[..number].iter().any(|(other, _)| other == name) {
            return Err(Failure::usage(
                format_args!("--block {name} is given twice"),
                "give each disk one file",
            ));
        }
        check_disk(path)?;
    }
    Ok(disks)
}

fn check_disk(path: &Path) -> Result<(), Failure> {
    let wrong = |error: &std::io::Error| {
        Failure::new(
            format_args!(
                "cannot open {} for reading and writing: {}",
                shown(path),
                reason(error)
            ),
            "name a file or a block device",
        )
        .with_code(CANNOT_RUN)
    };
    let open = File::options().read(true).write(true).open(path);
    let mut file = open.map_err(|error| wrong(&error))?;
    // Also right for block devices, whose metadata have no length.
    let capacity_bytes = file.seek(SeekFrom::End(0)).map_err(|error| wrong(&error))?;
    if capacity_bytes == 0 || !capacity_bytes.is_multiple_of(SECTOR_BYTES) {
        return Err(Failure::new(
            format_args!(
                "{} has {capacity_bytes} bytes, which is not a whole number of sectors",
                shown(path)
            ),
            format_args!("make it a multiple of {SECTOR_BYTES} bytes"),
        )
        .with_code(CANNOT_RUN));
    }
    Ok(())
}

/// The network devices in their order.
pub fn nets(args: &GuestArgs) -> Result<Vec<Net>, Failure> {
    let given = devices(&args.net, "--net NAME=TAP", |name, bridge| {
        Some((name.to_owned(), bridge.to_str()?.to_owned()))
    })?;
    let mut addresses = devices(&args.net_mac, "--net-mac NAME=ADDRESS", |name, address| {
        let bytes = mac(address.to_str()?)?;
        let text = bytes.map(|byte| format!("{byte:02x}")).join(":");
        Some((name.to_owned(), text))
    })?;
    let mut nets = Vec::new();
    for (number, (name, bridge)) in given.into_iter().enumerate() {
        let expected = format!("{NET_PREFIX}{number}");
        if name != expected {
            return Err(Failure::usage(
                format_args!(
                    "--net {name}: Xen's network devices are vif0, vif1 and so on, in this order"
                ),
                format_args!("name it {expected}"),
            ));
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !bridge.bytes().all(is_plain) {
            return Err(Failure::usage(
                format_args!("--net {name}: '{}' is no interface", one_line(&bridge)),
                "name a bridge",
            ));
        }
        let place = addresses.iter().position(|(of, _)| *of == name);
        let mac = place.map(|place| addresses.swap_remove(place).1);
        nets.push(Net { bridge, mac });
    }
    match addresses.first() {
        Some((name, _)) => Err(Failure::usage(
            format_args!("an address is given for '{name}', but no bridge"),
            format_args!("give it one: --net {name}=BRIDGE"),
        )),
        None => Ok(nets),
    }
}

/// Refuses what is no bridge of this machine.
pub fn check_bridge(net: &Net) -> Result<(), Failure> {
    let name = &net.bridge;
    if has_interface(name, "bridge") {
        return Ok(());
    }
    Err(Failure::new(
        format_args!(
            "there is no bridge '{name}' here, and by a bridge a guest of Xen has a network"
        ),
        format_args!("name one, or make it: ip link add {name} type bridge"),
    )
    .with_code(CANNOT_RUN))
}

/// Refuses what is no TAP interface of this machine.
pub fn check_tap(name: &str) -> Result<(), Failure> {
    if has_interface(name, "tun_flags") {
        return Ok(());
    }
    Err(Failure::new(
        format_args!(
            "there is no TAP interface '{name}' here, and in QEMU by one a guest has a network"
        ),
        format_args!(
            "name one, or make it: ip tuntap add {name} mode tap; or name {}, behind which is dom0 alone",
            super::BRIDGE
        ),
    )
    .with_code(CANNOT_RUN))
}

/// Is there an interface with what tells its kind? That is not seen of those of another network than the
/// one in which sysfs was mounted.
fn has_interface(name: &str, kind: &str) -> bool {
    let is_there = socket(AddressFamily::INET, SocketType::DGRAM, None)
        .is_ok_and(|socket| netdevice::name_to_index(socket, name).is_ok());
    let seen = Path::new("/sys/class/net").join(name);
    is_there && (!seen.exists() || fs::exists(seen.join(kind)).unwrap_or(true))
}

//! What plays network devices: opened, with what is between it and the device.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use muslin_net_layers::{Faults, pcap};
use muslin_usernet::{Gateway, Problem, Publish, Settings};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

use crate::beside::Beside;
use crate::cable::Cable;
use crate::refusal::{Refusal, words};
use crate::tap::Tap;
use crate::wire::Wire;

/// What is at the other end of a network device of the image.
#[derive(Clone, Debug)]
pub struct NetTap {
    /// The name in the image's manifest.
    pub name: String,
    /// A tap interface; `@` and the number of a descriptor that is one already; `link:` and the path of
    /// a socket, by which two guests are linked; `fd:` and the number of a connected socket of packets;
    /// `user`, perhaps with settings behind commas, a network without privilege.
    pub interface: String,
    /// Ports of the host that stand for ports of the guest. With `user` alone.
    pub publish: Vec<Publish>,
}

impl NetTap {
    /// It is a network without privilege.
    pub fn is_user(&self) -> bool {
        settings(&self.interface).is_some()
    }
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

/// A network device's own end.
#[derive(Debug)]
pub struct NetEnd {
    /// The name of the device.
    pub name: String,
    /// What the guest reads its frames from, and writes them to. It does not wait.
    pub fd: OwnedFd,
    /// The longest packet in bytes.
    pub mtu_bytes: u16,
    /// Its hardware address.
    pub mac: [u8; 6],
    /// Each frame has a `struct virtio_net_hdr` in front.
    pub has_offload: bool,
}

/// Opens what plays network devices: their ends, and what has to run beside the guest. `takes_offload` says of
/// a device whether frames may have something in front.
///
/// # Errors
/// What is wrong with which of them.
pub fn open(
    nets: &[NetTap],
    addresses: &[NetAddress],
    layers: &NetLayers,
    takes_offload: &dyn Fn(&str) -> bool,
) -> Result<(Vec<NetEnd>, Beside), Refusal> {
    let mut beside = Beside::default();
    let mut ends: Vec<NetEnd> = Vec::new();
    for (net, number) in nets.iter().zip(0..) {
        if ends.iter().any(|end| end.name == net.name) {
            return Err(Refusal::new(
                format_args!("net device '{}' is given twice", net.name),
                "give each device one interface",
            ));
        }
        let wants_offload = takes_offload(&net.name);
        let tap = open_one(net, layers, number, wants_offload, &mut beside)?;
        let given = addresses.iter().find(|address| address.name == net.name);
        let mac = given.map_or_else(some_mac, |address| Ok(address.mac))?;
        ends.push(NetEnd {
            name: net.name.clone(),
            fd: tap.fd,
            mtu_bytes: tap.mtu,
            mac,
            has_offload: tap.has_offload,
        });
    }
    let is_given = |name: &str| nets.iter().any(|net| net.name == name);
    let give_one = |name: &str| format!("give it one: --net {name}=TAP");
    if let Some(capture) = layers.captures.iter().find(|it| !is_given(&it.name)) {
        return Err(Refusal::new(
            format_args!(
                "a capture is wanted of '{}', which has no interface",
                capture.name
            ),
            give_one(&capture.name),
        ));
    }
    if let Some(address) = addresses.iter().find(|it| !is_given(&it.name)) {
        return Err(Refusal::new(
            format_args!(
                "a hardware address is given for '{}', but no interface",
                address.name
            ),
            give_one(&address.name),
        ));
    }
    Ok((ends, beside))
}

/// Opens what plays one device.
fn open_one(
    net: &NetTap,
    layers: &NetLayers,
    number: u64,
    wants_offload: bool,
    beside: &mut Beside,
) -> Result<Tap, Refusal> {
    let cannot = |what: String, remedy: String| {
        Refusal::new(
            format_args!(
                "cannot use interface '{}' for '{}': {what}",
                net.interface, net.name
            ),
            remedy,
        )
    };
    let no_pair = |error: io::Error| {
        Refusal::new(
            format_args!(
                "cannot make a pair of sockets for '{}': {}",
                net.name,
                words(&error)
            ),
            "see what this system allows",
        )
    };
    let mut captures = layers.captures.iter().filter(|it| it.name == net.name);
    let capture = captures.next();
    if captures.next().is_some() {
        return Err(Refusal::new(
            format_args!("two captures are wanted of '{}'", net.name),
            "give it one",
        ));
    }
    let has_layers = capture.is_some() || layers.faults.is_some() || layers.are_counted;
    let (far, mtu_bytes) = match settings(&net.interface) {
        Some(words) => {
            let settings: Settings = words.parse().map_err(|problem| {
                let remedy = "write user, or user,host or user,dns=ADDRESS";
                cannot(format!("{problem}"), remedy.to_owned())
            })?;
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            let (near, far) = socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, flags, None)
                .map_err(|errno| no_pair(errno.into()))?;
            let gateway = Gateway::new(far, settings, &net.publish).map_err(not_made)?;
            beside.add_gateway(gateway);
            if !has_layers {
                return Ok(Tap::bare(near, muslin_usernet::MTU_BYTES));
            }
            (Wire::Socket(Some(near)), muslin_usernet::MTU_BYTES)
        }
        None if !net.publish.is_empty() => {
            return Err(cannot(
                "no ports can be published there".to_owned(),
                format!("give --net {}=user, or leave out --publish", net.name),
            ));
        }
        None => {
            let opened = Wire::open(&net.interface, wants_offload && !has_layers);
            match opened.map_err(|(what, remedy)| cannot(what, remedy))? {
                (Wire::Tap(tap), _) if !has_layers => return Ok(tap),
                far => far,
            }
        }
    };
    let capture = capture.map(open_capture).transpose()?;
    let faults = layers.faults.unwrap_or_default();
    let (cable, guests_end) =
        Cable::new(&net.name, far, mtu_bytes, faults, capture, number).map_err(no_pair)?;
    beside.add_cable(cable);
    Ok(Tap::bare(guests_end, mtu_bytes))
}

/// The settings of a network without privilege, if it is one.
fn settings(interface: &str) -> Option<&str> {
    let behind = interface.strip_prefix("user")?;
    if behind.is_empty() {
        return Some("");
    }
    behind.strip_prefix(',')
}

/// There is no network without privilege.
fn not_made(problem: Problem) -> Refusal {
    match problem {
        Problem::Publish(publish, errno) => Refusal::new(
            format_args!(
                "cannot publish port {} of {}: {}",
                publish.host.port(),
                publish.host.ip(),
                words(&errno.into())
            ),
            "give another port, or address, of this host",
        ),
        Problem::System(errno) => Refusal::new(
            format_args!("cannot make a network: {}", words(&errno.into())),
            "see what this system allows",
        ),
    }
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

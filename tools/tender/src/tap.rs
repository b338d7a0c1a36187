//! Tap interfaces: a descriptor whose reads and writes are Ethernet frames, or, where the guest understands it,
//! frames with a `struct virtio_net_hdr` in front, by which either side may leave checksums and the cutting of
//! long segments to the other. The guest asks for that by itself ([`OFFLOAD_REQUEST`]).

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::thread;
use std::time::Duration;

use libc::{c_char, c_int, c_short, ifreq};
use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl};

use muslin_abi::net_device::OFFLOAD_BYTES;

use crate::refusal::words;

const DEVICE: &str = "/dev/net/tun";

/// `TUNSETOFFLOAD`: what a guest may ask of an interface by ioctl, if it understands frames with something in
/// front.
pub(crate) const OFFLOAD_REQUEST: libc::Ioctl = 0x4004_54d0;
const TUNSETVNETHDRSZ: libc::Ioctl = 0x4004_54d8;
/// How often it is looked whether Linux has noticed that somebody is there, and how long between two looks.
const LOOKS_MAX: u32 = 200;
const LOOK: Duration = Duration::from_millis(1);

/// Why an interface cannot be used.
pub(crate) enum Problem {
    BadName,
    NotThere,
    Down,
    NotTap,
    Busy,
    NotAllowed,
    Other(&'static str, io::Error),
}

impl Problem {
    pub(crate) fn what(&self) -> String {
        match self {
            Self::BadName => "that is not the name of an interface".to_owned(),
            Self::NotThere => "there is none of that name".to_owned(),
            Self::Down => "it is down".to_owned(),
            Self::NotTap => "it is not a tap interface".to_owned(),
            Self::Busy => "another program uses it".to_owned(),
            Self::NotAllowed => "this user may not".to_owned(),
            Self::Other(what, error) => format!("{what}: {}", words(error)),
        }
    }

    pub(crate) fn remedy(&self, interface: &str) -> String {
        match self {
            Self::NotTap if interface.starts_with('@') => {
                "give a descriptor of /dev/net/tun that is attached to a tap interface".to_owned()
            }
            Self::NotThere | Self::NotTap => {
                format!("make it: ip tuntap add {interface} mode tap; ip link set {interface} up")
            }
            Self::Down => format!("ip link set {interface} up"),
            Self::Busy => "end that one, or give another interface".to_owned(),
            Self::NotAllowed => {
                format!(
                    "run as root, or make it for this user: ip tuntap add {interface} mode tap user NAME"
                )
            }
            Self::BadName | Self::Other(..) => {
                "name a tap interface of this system, as `ip link` shows it".to_owned()
            }
        }
    }
}

/// A descriptor of an interface.
#[derive(Debug)]
pub(crate) struct Tap {
    /// It does not block.
    pub(crate) fd: OwnedFd,
    /// The longest packet in bytes.
    pub(crate) mtu: u16,
    /// Frames have a `struct virtio_net_hdr` in front.
    pub(crate) has_offload: bool,
}

impl Tap {
    /// What gives frames with nothing in front.
    pub(crate) fn bare(fd: OwnedFd, mtu: u16) -> Self {
        Self {
            fd,
            mtu,
            has_offload: false,
        }
    }
}

/// Opens an interface, for frames with something in front if that is wanted and there are such.
pub(crate) fn open(interface: &str, wants_offload: bool) -> Result<Tap, Problem> {
    let socket = socket()?;
    if let Some(number) = interface.strip_prefix('@') {
        return inherited(number, &socket);
    }
    if state(&socket, interface)? & libc::IFF_UP == 0 {
        return Err(Problem::Down);
    }
    let fd = rustix::fs::open(
        DEVICE,
        OFlags::RDWR | OFlags::NONBLOCK | OFlags::CLOEXEC,
        Mode::empty(),
    )
    .map_err(|error| Problem::Other(DEVICE, error.into()))?;
    let mut request = named(interface)?;
    let front = if wants_offload { libc::IFF_VNET_HDR } else { 0 };
    request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI | front) as c_short;
    ask(&fd, libc::TUNSETIFF as _, &mut request).map_err(|error| match error.raw_os_error() {
        Some(libc::EBUSY) => Problem::Busy,
        Some(libc::EINVAL) => Problem::NotTap,
        Some(libc::EPERM) => Problem::NotAllowed,
        _ => Problem::Other("attaching to it", error),
    })?;
    // Whoever had it before may have left it otherwise.
    leave_nothing(&fd).map_err(|error| Problem::Other("having frames whole", error))?;
    if wants_offload {
        let len_bytes = OFFLOAD_BYTES as c_int;
        // SAFETY: the kernel reads one int.
        let done = unsafe { libc::ioctl(fd.as_raw_fd(), TUNSETVNETHDRSZ, &raw const len_bytes) };
        if done < 0 {
            return Err(Problem::Other(
                "setting its headers",
                io::Error::last_os_error(),
            ));
        }
    }
    await_running(&socket, interface)?;
    let mtu = mtu(&socket, interface)?;
    Ok(Tap {
        fd,
        mtu,
        has_offload: wants_offload,
    })
}

/// `IFF_*` of an interface.
fn state(socket: &OwnedFd, interface: &str) -> Result<c_int, Problem> {
    let mut request = named(interface)?;
    ask(socket, libc::SIOCGIFFLAGS as _, &mut request).map_err(|error| {
        match error.raw_os_error() {
            Some(libc::ENODEV) => Problem::NotThere,
            _ => Problem::Other("asking for its state", error),
        }
    })?;
    // SAFETY: the kernel filled this member.
    Ok(c_int::from(unsafe { request.ifr_ifru.ifru_flags }))
}

/// Waits until Linux has noticed that somebody is at the other end, which it does beside its other work: what it
/// sends before that is dropped, and so the answers to a guest's first questions would be.
fn await_running(socket: &OwnedFd, interface: &str) -> Result<(), Problem> {
    for _ in 0..LOOKS_MAX {
        let flags = state(socket, interface)?;
        if flags & libc::IFF_UP == 0 || flags & libc::IFF_RUNNING != 0 {
            break;
        }
        thread::sleep(LOOK);
    }
    Ok(())
}

/// Has an interface give frames that are whole, and not longer than the MTU.
pub(crate) fn leave_nothing(fd: &impl AsRawFd) -> io::Result<()> {
    // SAFETY: the request takes a number.
    let done = unsafe { libc::ioctl(fd.as_raw_fd(), OFFLOAD_REQUEST, 0) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// An interface by a descriptor that this process was started with.
fn inherited(number: &str, socket: &OwnedFd) -> Result<Tap, Problem> {
    let fd = duplicate(number)?;
    let mut request = empty();
    ask(&fd, libc::TUNGETIFF as _, &mut request).map_err(|_| Problem::NotTap)?;
    let name: String = request
        .ifr_name
        .iter()
        .take_while(|&&byte| byte != 0)
        .map(|&byte| char::from(byte as u8))
        .collect();
    fcntl_getfl(&fd)
        .and_then(|flags| fcntl_setfl(&fd, flags | OFlags::NONBLOCK))
        .map_err(|error| Problem::Other("making it not block", error.into()))?;
    let mtu = mtu(socket, &name)?;
    Ok(Tap::bare(fd, mtu))
}

/// A copy of a descriptor that this process was started with.
pub(crate) fn duplicate(number: &str) -> Result<OwnedFd, Problem> {
    let number: RawFd = number
        .parse()
        .ok()
        .filter(|&fd| fd >= 0)
        .ok_or(Problem::BadName)?;
    // SAFETY: F_DUPFD_CLOEXEC only looks whether the number is open. The copy is ours.
    unsafe {
        let copy = libc::fcntl(number, libc::F_DUPFD_CLOEXEC, 3);
        if copy < 0 {
            return Err(Problem::Other(
                "that descriptor",
                io::Error::last_os_error(),
            ));
        }
        Ok(OwnedFd::from_raw_fd(copy))
    }
}

fn mtu(socket: &OwnedFd, interface: &str) -> Result<u16, Problem> {
    let mut request = named(interface)?;
    ask(socket, libc::SIOCGIFMTU as _, &mut request)
        .map_err(|error| Problem::Other("asking for its packet size", error))?;
    // SAFETY: the kernel filled this member.
    let mtu = unsafe { request.ifr_ifru.ifru_mtu };
    Ok(u16::try_from(mtu).unwrap_or(u16::MAX))
}

fn empty() -> ifreq {
    // SAFETY: all zeros is a request.
    unsafe { mem::zeroed() }
}

fn named(interface: &str) -> Result<ifreq, Problem> {
    let mut request = empty();
    let bytes = interface.as_bytes();
    // A percent sign would make the kernel choose a name.
    let is_good = !bytes.is_empty()
        && bytes.len() < request.ifr_name.len()
        && bytes
            .iter()
            .all(|&byte| byte.is_ascii_graphic() && byte != b'/' && byte != b'%');
    if !is_good {
        return Err(Problem::BadName);
    }
    for (place, &byte) in request.ifr_name.iter_mut().zip(bytes) {
        *place = byte as c_char;
    }
    Ok(request)
}

/// A socket, which is what one asks about interfaces.
fn socket() -> Result<OwnedFd, Problem> {
    // SAFETY: the call takes numbers only; the descriptor is ours.
    unsafe {
        let fd = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0);
        if fd < 0 {
            return Err(Problem::Other("a socket", io::Error::last_os_error()));
        }
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

fn ask(fd: &impl AsRawFd, request: libc::Ioctl, argument: &mut ifreq) -> io::Result<()> {
    // SAFETY: each of the requests here reads and writes one ifreq.
    let done = unsafe { libc::ioctl(fd.as_raw_fd(), request, &raw mut *argument) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

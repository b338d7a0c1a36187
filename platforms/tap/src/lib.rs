//! TAP interfaces of a Linux host, for those who have nothing but its calls: a descriptor whose reads
//! and writes are Ethernet frames. Sockets of packets are the same to who inherits one.
//!
//! How a call is made is the caller's: a process under the patched libc and an image of Solo5 that Linux
//! runs have different ways.
//!
//! Where the kernel allows it, a frame has a `struct virtio_net_hdr` in front: all zeros, until [`offload`]
//! has both sides leave checksums and the cutting of long segments to each other.
//!
//! Source: Linux `Documentation/networking/tuntap.rst`, `include/uapi/linux/if_tun.h`,
//! `include/uapi/linux/virtio_net.h`, netdevice(7).

#![no_std]

use muslin_abi::args::from_raw;
use muslin_abi::net_device::OFFLOAD_BYTES;
use muslin_abi::{Errno, Sysno};

/// Makes a call of the host; its value or a negative errno.
pub type CallFn = unsafe fn(Sysno, [usize; 6]) -> isize;

/// An interface that was opened.
#[derive(Clone, Copy, Debug)]
pub struct Tap {
    /// The descriptor. It does not block.
    pub fd: i32,
    /// How much a frame may hold behind its header.
    pub mtu_bytes: u16,
    /// Frames have [`OFFLOAD_BYTES`] in front.
    pub has_offload: bool,
}

/// Why it cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It is no name, and no `@` and a number.
    BadName,
    /// There is no such interface.
    NotThere,
    /// It is another kind of interface, or of descriptor.
    NotTap,
    /// It is somebody else's.
    NotAllowed,
    /// Somebody has it open.
    Busy,
    /// What is in front of its frames has another length than ours.
    Header,
    /// The host does not have such interfaces, or something else went wrong.
    Other(Errno),
}

impl Problem {
    /// What is wrong, and what to do.
    pub const fn text(self) -> &'static str {
        match self {
            Self::BadName => {
                "is not a name of a tap interface, nor @ and the number of a descriptor"
            }
            Self::NotThere => {
                "is not there; make it: ip tuntap add NAME mode tap; ip link set NAME up"
            }
            Self::NotTap => "is neither a tap interface nor a connected socket of packets",
            Self::NotAllowed => {
                "is not allowed; run as root, or make it for this user: ip tuntap add NAME mode tap user USER"
            }
            Self::Busy => "is in use by another program",
            Self::Header => "has headers that are not of 10 bytes (TUNSETVNETHDRSZ)",
            Self::Other(_) => "cannot be opened; is there a /dev/net/tun?",
        }
    }
}

const DEVICE: &[u8] = b"/dev/net/tun\0";

const O_RDWR: usize = 2;
const O_NONBLOCK: usize = 0o4000;
const O_CLOEXEC: usize = 0o2_000_000;
const F_SETFL: usize = 4;
const AF_INET: usize = 2;
const SOCK_DGRAM_CLOEXEC: usize = 2 | O_CLOEXEC;

const SOL_SOCKET: usize = 1;
const SO_TYPE: usize = 3;
const SOCK_DGRAM: u32 = 2;
const SOCK_SEQPACKET: u32 = 5;
/// The longest packet in bytes, where no interface says it.
const SOCKET_MTU_BYTES: u16 = 1500;

const TUNSETIFF: usize = 0x4004_54ca;
const TUNGETIFF: usize = 0x8004_54d2;
const SIOCGIFFLAGS: usize = 0x8913;
const SIOCGIFMTU: usize = 0x8921;
const SIOCGIFINDEX: usize = 0x8933;
/// `TUNSETOFFLOAD`: what of a frame's making may be left to who takes it.
pub const TUNSETOFFLOAD: usize = 0x4004_54d0;
const TUNSETVNETHDRSZ: usize = 0x4004_54d8;
const TUNGETVNETHDRSZ: usize = 0x8004_54d7;
const IFF_TAP_NO_PI: u16 = 0x0002 | 0x1000;
const IFF_VNET_HDR: u16 = 0x4000;
/// `TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6`.
pub const OFFLOADS: usize = 1 | 2 | 4;

const IFF_UP: u16 = 0x1;
const IFF_RUNNING: u16 = 0x40;
/// How often it is looked whether Linux has noticed that somebody is there, and how long between two looks.
const LOOKS_MAX: u32 = 200;
const LOOK_NS: usize = 1_000_000;

const NAME_BYTES: usize = 16;

/// `struct ifreq`, with what these requests need of its union.
#[repr(C)]
struct Request {
    name: [u8; NAME_BYTES],
    value: [u8; 24],
}

impl Request {
    fn named(name: &[u8]) -> Result<Self, Problem> {
        // A percent sign would make the kernel choose a name.
        let is_good = |&byte: &u8| byte.is_ascii_graphic() && byte != b'/' && byte != b'%';
        if name.is_empty() || name.len() >= NAME_BYTES || !name.iter().all(is_good) {
            return Err(Problem::BadName);
        }
        let mut request = Self {
            name: [0; NAME_BYTES],
            value: [0; 24],
        };
        request.name[..name.len()].copy_from_slice(name);
        Ok(request)
    }

    /// Makes a request of a descriptor.
    fn ask(&mut self, call: CallFn, fd: usize, number: usize) -> Result<(), Errno> {
        let args = [fd, number, &raw mut *self as usize, 0, 0, 0];
        // SAFETY: each of the requests here reads and writes one such structure.
        from_raw(unsafe { call(Sysno::ioctl, args) }).map(|_| ())
    }
}

/// Opens an interface by its name, or `@` and the number of a descriptor that is attached to one.
///
/// # Errors
/// What is wrong with it.
pub fn open(call: CallFn, interface: &[u8]) -> Result<Tap, Problem> {
    if let Some(number) = interface.strip_prefix(b"@") {
        return inherited(call, decimal(number).ok_or(Problem::BadName)?);
    }
    let mut request = Request::named(interface)?;
    // Else the kernel would make one.
    if let Err(errno) = ask_socket(call, &mut request, SIOCGIFINDEX) {
        return Err(match errno {
            Errno::ENODEV => Problem::NotThere,
            other => Problem::Other(other),
        });
    }
    let flags = O_RDWR | O_NONBLOCK | O_CLOEXEC;
    // SAFETY: the kernel reads a C string.
    let fd = from_raw(unsafe { call(Sysno::open, [DEVICE.as_ptr() as usize, flags, 0, 0, 0, 0]) })
        .map_err(Problem::Other)?;
    let mut request = Request::named(interface)?;
    let flags = IFF_TAP_NO_PI | IFF_VNET_HDR;
    request.value[..2].copy_from_slice(&flags.to_le_bytes());
    request
        .ask(call, fd, TUNSETIFF)
        .map_err(|errno| match errno {
            Errno::EBUSY => Problem::Busy,
            Errno::EINVAL => Problem::NotTap,
            Errno::EPERM => Problem::NotAllowed,
            other => Problem::Other(other),
        })?;
    // Whoever had it before may have left it otherwise.
    set_offloads(call, fd, 0).map_err(Problem::Other)?;
    ask_number(call, fd, TUNSETVNETHDRSZ, OFFLOAD_BYTES as i32).map_err(Problem::Other)?;
    await_running(call, interface);
    with_mtu(call, fd, request, true)
}

/// Waits until Linux has noticed that somebody is at the other end, which it does beside its other work: what it
/// sends before that is dropped, and so the answers to the first questions would be.
fn await_running(call: CallFn, interface: &[u8]) {
    for _ in 0..LOOKS_MAX {
        let Ok(mut request) = Request::named(interface) else {
            return;
        };
        if ask_socket(call, &mut request, SIOCGIFFLAGS).is_err() {
            return;
        }
        let [low, high, ..] = request.value;
        let flags = u16::from_le_bytes([low, high]);
        if flags & IFF_UP == 0 || flags & IFF_RUNNING != 0 {
            return;
        }
        let pause = [0, LOOK_NS];
        // SAFETY: the kernel reads a `struct timespec`.
        unsafe { call(Sysno::nanosleep, [pause.as_ptr() as usize, 0, 0, 0, 0, 0]) };
    }
}

/// A descriptor that this process was started with.
fn inherited(call: CallFn, fd: usize) -> Result<Tap, Problem> {
    let mut request = Request {
        name: [0; NAME_BYTES],
        value: [0; 24],
    };
    let is_tap = request.ask(call, fd, TUNGETIFF).is_ok();
    if !is_tap && !is_socket_of_packets(call, fd) {
        return Err(Problem::NotTap);
    }
    // SAFETY: changes the flags of an open file.
    let set = unsafe { call(Sysno::fcntl, [fd, F_SETFL, O_RDWR | O_NONBLOCK, 0, 0, 0]) };
    from_raw(set).map_err(Problem::Other)?;
    if !is_tap {
        return Ok(Tap {
            fd: fd as i32,
            mtu_bytes: SOCKET_MTU_BYTES,
            has_offload: false,
        });
    }
    let [low, high, ..] = request.value;
    let has_offload = u16::from_le_bytes([low, high]) & IFF_VNET_HDR != 0;
    if has_offload {
        let len_bytes = ask_number(call, fd, TUNGETVNETHDRSZ, 0).map_err(Problem::Other)?;
        if len_bytes != OFFLOAD_BYTES as i32 {
            return Err(Problem::Header);
        }
    }
    with_mtu(call, fd, request, has_offload)
}

/// Whether a descriptor is a socket that keeps the borders of what is sent, and has a peer.
fn is_socket_of_packets(call: CallFn, fd: usize) -> bool {
    let mut kind = 0_u32;
    let mut peer = [0_u8; 128];
    let mut len = size_of::<u32>() as u32;
    let mut peer_len = peer.len() as u32;
    let kind_at = [&raw mut kind as usize, &raw mut len as usize];
    let peer_at = [&raw mut peer as usize, &raw mut peer_len as usize];
    // SAFETY: the kernel writes a number, an address of at most so many bytes, and their lengths.
    let is_connected = unsafe {
        call(
            Sysno::getsockopt,
            [fd, SOL_SOCKET, SO_TYPE, kind_at[0], kind_at[1], 0],
        ) == 0
            && call(Sysno::getpeername, [fd, peer_at[0], peer_at[1], 0, 0, 0]) == 0
    };
    is_connected && matches!(kind, SOCK_DGRAM | SOCK_SEQPACKET)
}

fn with_mtu(
    call: CallFn,
    fd: usize,
    mut request: Request,
    has_offload: bool,
) -> Result<Tap, Problem> {
    ask_socket(call, &mut request, SIOCGIFMTU).map_err(Problem::Other)?;
    let [a, b, ..] = request.value;
    Ok(Tap {
        fd: fd as i32,
        mtu_bytes: u16::from_le_bytes([a, b]),
        has_offload,
    })
}

/// Makes a request about a number, which it may change.
fn ask_number(call: CallFn, fd: usize, request: usize, number: i32) -> Result<i32, Errno> {
    let mut number = number;
    let args = [fd, request, &raw mut number as usize, 0, 0, 0];
    // SAFETY: the requests that this is called with read or write one int.
    from_raw(unsafe { call(Sysno::ioctl, args) })?;
    Ok(number)
}

fn set_offloads(call: CallFn, fd: usize, offloads: usize) -> Result<(), Errno> {
    // SAFETY: the request takes a number.
    from_raw(unsafe { call(Sysno::ioctl, [fd, TUNSETOFFLOAD, offloads, 0, 0, 0]) }).map(|_| ())
}

/// From now on frames may be longer than the MTU says and lack checksums, as what is in front of them tells.
///
/// # Errors
/// `EINVAL` and others: the kernel does not allow it.
pub fn offload(call: CallFn, fd: i32) -> Result<(), Errno> {
    set_offloads(call, fd as usize, OFFLOADS)
}

/// Makes a request of any socket, which is what one asks about interfaces.
fn ask_socket(call: CallFn, request: &mut Request, number: usize) -> Result<(), Errno> {
    // SAFETY: opens a socket, which is closed again.
    unsafe {
        let socket = from_raw(call(
            Sysno::socket,
            [AF_INET, SOCK_DGRAM_CLOEXEC, 0, 0, 0, 0],
        ))?;
        let asked = request.ask(call, socket, number);
        call(Sysno::close, [socket, 0, 0, 0, 0, 0]);
        asked
    }
}

/// Takes a frame that has come; its length in bytes.
///
/// # Errors
/// `EAGAIN` none is there · `EIO` and others.
pub fn receive(call: CallFn, fd: i32, frame: &mut [u8]) -> Result<usize, Errno> {
    let args = [
        fd as usize,
        frame.as_mut_ptr() as usize,
        frame.len(),
        0,
        0,
        0,
    ];
    // SAFETY: the kernel writes a slice that is ours alone.
    from_raw(unsafe { call(Sysno::read, args) })
}

/// Sends a frame.
///
/// # Errors
/// `EAGAIN` no more is taken now · `EIO` the interface is down, and others.
pub fn send(call: CallFn, fd: i32, frame: &[u8]) -> Result<(), Errno> {
    let args = [fd as usize, frame.as_ptr() as usize, frame.len(), 0, 0, 0];
    // SAFETY: the kernel reads a slice that is alive.
    from_raw(unsafe { call(Sysno::write, args) }).map(|_| ())
}

/// As [`receive`], of a TAP whose frames have something in front, which is dropped.
///
/// # Errors
/// As [`receive`].
pub fn receive_bare(call: CallFn, fd: i32, frame: &mut [u8]) -> Result<usize, Errno> {
    let mut front = [0_u8; OFFLOAD_BYTES];
    let pieces = [
        [front.as_mut_ptr() as usize, OFFLOAD_BYTES],
        [frame.as_mut_ptr() as usize, frame.len()],
    ];
    let args = [fd as usize, pieces.as_ptr() as usize, 2, 0, 0, 0];
    // SAFETY: the kernel writes slices that are ours alone.
    let got = from_raw(unsafe { call(Sysno::readv, args) })?;
    Ok(got.saturating_sub(OFFLOAD_BYTES))
}

/// As [`send`], of a TAP whose frames have something in front.
///
/// # Errors
/// As [`send`].
pub fn send_bare(call: CallFn, fd: i32, frame: &[u8]) -> Result<(), Errno> {
    let front = [0_u8; OFFLOAD_BYTES];
    let pieces = [
        [front.as_ptr() as usize, OFFLOAD_BYTES],
        [frame.as_ptr() as usize, frame.len()],
    ];
    let args = [fd as usize, pieces.as_ptr() as usize, 2, 0, 0, 0];
    // SAFETY: the kernel reads slices that are alive.
    from_raw(unsafe { call(Sysno::writev, args) }).map(|_| ())
}

fn decimal(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_usize, |number, &digit| {
        let digit = char::from(digit).to_digit(10)?;
        let number = number.checked_mul(10)?.checked_add(digit as usize)?;
        (number <= i32::MAX as usize).then_some(number)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A host without anything.
    unsafe fn nothing(_: Sysno, _: [usize; 6]) -> isize {
        -(Errno::ENODEV.raw() as isize)
    }

    #[test]
    fn what_is_no_name_is_not_asked_for() {
        for name in [
            &b""[..],
            b"a/b",
            b"tap%d",
            b"a b",
            b"sixteen-letters-",
            b"@",
            b"@x",
            b"@99999999999",
        ] {
            assert_eq!(open(nothing, name).err(), Some(Problem::BadName));
        }
        assert_eq!(open(nothing, b"@3").err(), Some(Problem::NotTap));
        assert!(matches!(open(nothing, b"tap0"), Err(Problem::NotThere)));
    }
}

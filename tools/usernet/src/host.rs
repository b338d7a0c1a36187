//! The host's sockets, none of which waits.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use muslin_net_stack::Refusal;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrAny, SocketFlags, SocketType, ipproto, socket_with};

fn family(of: IpAddr) -> AddressFamily {
    match of {
        IpAddr::V4(_) => AddressFamily::INET,
        IpAddr::V6(_) => AddressFamily::INET6,
    }
}

pub(crate) const FLAGS: SocketFlags = SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC);

/// A socket for streams of the family of an address.
pub(crate) fn stream(to: IpAddr) -> Result<OwnedFd, Errno> {
    socket_with(family(to), SocketType::STREAM, FLAGS, None)
}

/// A socket for datagrams.
pub(crate) fn datagrams(to: IpAddr) -> Result<OwnedFd, Errno> {
    socket_with(family(to), SocketType::DGRAM, FLAGS, None)
}

/// A socket for echoes, if this user may have one.
pub(crate) fn echoes(to: IpAddr) -> Result<OwnedFd, Errno> {
    let protocol = match to {
        IpAddr::V4(_) => ipproto::ICMP,
        IpAddr::V6(_) => ipproto::ICMPV6,
    };
    socket_with(family(to), SocketType::DGRAM, FLAGS, Some(protocol))
}

/// An address of IP.
pub(crate) fn plain(address: SocketAddrAny) -> Result<SocketAddr, Errno> {
    SocketAddr::try_from(address)
}

/// What an error of a socket means to who wanted something of it.
pub(crate) fn refusal(errno: Errno) -> Refusal {
    match errno {
        // Also who was there, and had gone before it was noticed.
        Errno::CONNREFUSED | Errno::CONNRESET => Refusal::Port,
        Errno::NETUNREACH | Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL => Refusal::Network,
        Errno::ACCESS | Errno::PERM => Refusal::Prohibited,
        // Others may be gone when it is tried again.
        Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM | Errno::AGAIN => {
            Refusal::Silent
        }
        _ => Refusal::Host,
    }
}

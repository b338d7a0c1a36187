//! The host's sockets, none of which waits.

use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use muslin_net_stack::Refusal;
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrAny, SocketFlags, SocketType, ipproto, socket_with, sockopt,
};

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

/// After how long without a word a peer is asked whether it is still there, how long between two questions, and how many
/// of them: one that has vanished gives its place back after seven minutes.
pub(crate) const STILL_SECONDS: u32 = 300;
pub(crate) const ASK_SECONDS: u32 = 30;
pub(crate) const QUESTIONS: u32 = 4;

/// What is set on a stream of either side's making.
pub(crate) fn set_up(stream: &OwnedFd) -> Result<(), Errno> {
    sockopt::set_tcp_nodelay(stream, true)?;
    sockopt::set_socket_keepalive(stream, true)?;
    sockopt::set_tcp_keepidle(stream, Duration::from_secs(STILL_SECONDS.into()))?;
    sockopt::set_tcp_keepintvl(stream, Duration::from_secs(ASK_SECONDS.into()))?;
    sockopt::set_tcp_keepcnt(stream, QUESTIONS)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_that_vanished_is_missed() {
        let Ok(stream) = stream(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)) else {
            panic!("no socket");
        };
        assert_eq!(sockopt::socket_keepalive(&stream), Ok(false));
        assert_eq!(set_up(&stream), Ok(()));
        assert_eq!(sockopt::socket_keepalive(&stream), Ok(true));
        let still = Duration::from_secs(STILL_SECONDS.into());
        assert_eq!(sockopt::tcp_keepidle(&stream), Ok(still));
        assert_eq!(sockopt::tcp_nodelay(&stream), Ok(true));
    }
}

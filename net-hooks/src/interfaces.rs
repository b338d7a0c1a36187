//! ioctls: of sockets, and those by which programs ask about the links.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use muslin::{Context, Errno, SyscallArgs, SyscallResult, fd, user};
use muslin_abi::flags::*;
use muslin_abi::layout::Pod;
use muslin_net_stack::{Address, Kind, LinkInfo, State};

use crate::address;
use crate::net::{self, Net};
use crate::socket::{self, Socket};

/// Bytes of `struct ifreq`, of the name that it begins with.
const REQUEST_BYTES: usize = 40;
const NAME_BYTES: usize = 16;
/// The kinds of hardware: `ARPHRD_ETHER`, `ARPHRD_LOOPBACK`.
const HARDWARE_ETHERNET: u16 = 1;
const HARDWARE_LOOPBACK: u16 = 772;
/// The link that is this host itself, whose routes are in another table than the others.
pub const LOOPBACK_LINK: u32 = 1;
/// How many frames wait on Linux.
const QUEUE: i32 = 1000;

const IFF_UP: u32 = 0x1;
const IFF_BROADCAST: u32 = 0x2;
const IFF_LOOPBACK: u32 = 0x8;
const IFF_RUNNING: u32 = 0x40;
const IFF_MULTICAST: u32 = 0x1000;
const IFF_LOWER_UP: u32 = 0x10000;

/// `IFF_*` of a link.
pub fn flags_of(link: &LinkInfo) -> u32 {
    let kind = if link.is_loopback {
        IFF_LOOPBACK
    } else {
        IFF_BROADCAST | IFF_MULTICAST
    };
    IFF_UP | IFF_RUNNING | IFF_LOWER_UP | kind
}

/// What kind of hardware a link is.
pub fn hardware_of(link: &LinkInfo) -> u16 {
    if link.is_loopback {
        HARDWARE_LOOPBACK
    } else {
        HARDWARE_ETHERNET
    }
}

/// `ioctl(fd, request, …)` of a descriptor that is not the network's: any socket may ask about links.
///
/// # Errors
/// As [`ioctl`], and those of the descriptor.
pub fn ioctl_of_others(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let request = args.int(1) as u32;
    if !is_about_links(request)
        || socket::of(args.fd(0)).is_some()
        || fd::flags(args.fd(0)).is_err()
    {
        return context.next(args);
    }
    net::begin()?;
    ioctl(None, request, args.addr(2))
}

fn is_about_links(request: u32) -> bool {
    matches!(
        request,
        SIOCGIFNAME
            | SIOCGIFCONF
            | SIOCGIFFLAGS
            | SIOCGIFADDR
            | SIOCGIFBRDADDR
            | SIOCGIFNETMASK
            | SIOCGIFMETRIC
            | SIOCGIFMTU
            | SIOCGIFHWADDR
            | SIOCGIFINDEX
            | SIOCGIFTXQLEN
    )
}

/// Answers a request, of a socket of ours if there is one.
///
/// # Errors
/// `ENOTTY` no such request · `ENODEV` `ENXIO` no such link · `EADDRNOTAVAIL` it has no address ·
/// `EINVAL` · `EFAULT`.
pub fn ioctl(socket: Option<&Socket>, request: u32, argument: usize) -> SyscallResult {
    match (request, socket) {
        (FIONREAD, Some(socket)) => {
            let info = net::attempt(|net| net.stack.info(socket.id))?;
            if info.state == State::Listen {
                return Err(Errno::EINVAL);
            }
            user::write(argument, &(info.receive_queue as i32))?;
        }
        (TIOCOUTQ, Some(socket)) => {
            let info = net::attempt(|net| net.stack.info(socket.id))?;
            if info.state == State::Listen {
                return Err(Errno::EINVAL);
            }
            user::write(argument, &(info.send_queue as i32))?;
        }
        (SIOCATMARK, Some(socket)) if socket.kind == Kind::Stream => user::write(argument, &0_i32)?,
        (SIOCGIFCONF, _) => list(argument)?,
        _ if is_about_links(request) => {
            let mut bytes = [0; REQUEST_BYTES];
            user::read_bytes(argument, &mut bytes)?;
            net::attempt(|net| answer(net, request, &mut bytes))?;
            user::write_bytes(argument, &bytes)?;
        }
        _ => return Err(Errno::ENOTTY),
    }
    Ok(0)
}

/// `SIOCGIFCONF`: the links that have an IPv4 address.
fn list(argument: usize) -> Result<(), Errno> {
    let [len, place]: [u64; 2] = user::read(argument)?;
    let (room, place) = (len as u32 as usize, place as usize);
    let mut bytes = Vec::new();
    net::with(|net| {
        let links = net.stack.links();
        for own in net.stack.addresses() {
            let link = links.iter().find(|link| link.index == own.link);
            if let (Some(link), IpAddr::V4(address)) = (link, own.address) {
                let mut request = [0; REQUEST_BYTES];
                put_name(&mut request, &link.name);
                put_address(&mut request, address);
                bytes.extend(request);
            }
        }
    })?;
    if place != 0 {
        bytes.truncate(room / REQUEST_BYTES * REQUEST_BYTES);
        user::write_bytes(place, &bytes)?;
    }
    user::write(argument, &(bytes.len() as i32))
}

fn answer(net: &Net, request: u32, bytes: &mut [u8; REQUEST_BYTES]) -> Result<(), Errno> {
    let links = net.stack.links();
    if request == SIOCGIFNAME {
        let index = u32::from_bytes(bytes.get(NAME_BYTES..).unwrap_or_default());
        let mut known = links.iter();
        let link = known.find(|link| link.index == index).ok_or(Errno::ENXIO)?;
        put_name(bytes, &link.name);
        return Ok(());
    }
    let name = bytes.get(..NAME_BYTES).unwrap_or_default();
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    let mut known = links.iter();
    let link = known.find(|link| link.name.as_bytes() == name);
    let link = link.ok_or(Errno::ENODEV)?;
    let addresses = net.stack.addresses();
    let own = || v4_of(&addresses, link).ok_or(Errno::EADDRNOTAVAIL);
    let number = match request {
        SIOCGIFINDEX => link.index as i32,
        SIOCGIFMTU => link.mtu_bytes as i32,
        SIOCGIFMETRIC => 0,
        SIOCGIFTXQLEN => QUEUE,
        SIOCGIFFLAGS => i32::from(flags_of(link) as u16),
        SIOCGIFHWADDR => {
            if let Some(place) = bytes.get_mut(NAME_BYTES..NAME_BYTES + 8) {
                hardware_of(link).to_bytes(&mut place[..2]);
                place[2..].copy_from_slice(&link.mac);
            }
            return Ok(());
        }
        SIOCGIFADDR => {
            put_address(bytes, own()?.0);
            return Ok(());
        }
        SIOCGIFNETMASK => {
            put_address(bytes, mask(own()?.1));
            return Ok(());
        }
        SIOCGIFBRDADDR => {
            let (address, bits) = own()?;
            put_address(bytes, broadcast(address, bits));
            return Ok(());
        }
        _ => return Err(Errno::ENOTTY),
    };
    if let Some(place) = bytes.get_mut(NAME_BYTES..NAME_BYTES + 4) {
        number.to_bytes(place);
    }
    Ok(())
}

fn v4_of(addresses: &[Address], link: &LinkInfo) -> Option<(Ipv4Addr, u8)> {
    addresses.iter().find_map(|own| match own.address {
        IpAddr::V4(address) if own.link == link.index => Some((address, own.prefix_bits)),
        _ => None,
    })
}

fn mask(bits: u8) -> Ipv4Addr {
    let ones = u32::MAX.checked_shl(32 - u32::from(bits.min(32)));
    Ipv4Addr::from(ones.unwrap_or(0))
}

/// The address of all hosts of a network.
pub fn broadcast(address: Ipv4Addr, bits: u8) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(address) | !u32::from(mask(bits)))
}

fn put_name(bytes: &mut [u8; REQUEST_BYTES], name: &str) {
    if let Some(place) = bytes.get_mut(..NAME_BYTES) {
        place.fill(0);
        for (place, byte) in place.iter_mut().take(NAME_BYTES - 1).zip(name.bytes()) {
            *place = byte;
        }
    }
}

fn put_address(bytes: &mut [u8; REQUEST_BYTES], ip: Ipv4Addr) {
    let address = address::bytes_of(SocketAddr::from((ip, 0)));
    for (place, byte) in bytes.iter_mut().skip(NAME_BYTES).zip(address) {
        *place = byte;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_and_broadcasts() {
        assert_eq!(mask(0), Ipv4Addr::UNSPECIFIED);
        assert_eq!(mask(24), Ipv4Addr::new(255, 255, 255, 0));
        let address = Ipv4Addr::new(10, 0, 0, 2);
        assert_eq!(broadcast(address, 24), Ipv4Addr::new(10, 0, 0, 255));
        assert_eq!(broadcast(address, 32), address);
    }
}

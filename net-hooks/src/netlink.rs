//! Netlink, as far as `getifaddrs` and `if_nameindex` need it: dumps of links, addresses and routes.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ffi::{CStr, c_int};
use core::net::IpAddr;

use muslin::fd::{FileObject, Kind as FileKind, POLLIN, POLLOUT};
use muslin::user::{self, Input, Output, Sources, Targets};
use muslin::{Context, Errno, Lock, SyscallArgs, SyscallResult};
use muslin_abi::flags::*;
use muslin_abi::layout::{Msghdr, Pod};
use muslin_net_stack::{Address, LinkInfo, Route};

use crate::interfaces::{LOOPBACK_LINK, broadcast, flags_of, hardware_of};
use crate::make;
use crate::names;
use crate::net::{self, Net};

/// The type in the second argument of `socket`.
const TYPE_MASK: u32 = 0xf;
/// Bytes of `struct nlmsghdr`, and of `struct sockaddr_nl`.
const HEADER_BYTES: usize = 16;
const ADDRESS_BYTES: usize = 12;
/// What all of it is aligned to.
const ALIGNMENT: usize = 4;
/// The most bytes of one request, and of one message of an answer.
const REQUEST_BYTES_MAX: usize = 4096;
const MESSAGE_BYTES_MAX: usize = 4096;
/// The most messages that wait to be received: as much as Linux keeps for a socket.
const ANSWERS_MAX: usize = 52;
/// The number that the socket has as its own: that of the process.
const PORT: u32 = 1;

const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const NLM_F_MULTI: u16 = 2;
const RTM_NEWLINK: u16 = 16;
const RTM_GETLINK: u16 = 18;
const RTM_NEWADDR: u16 = 20;
const RTM_GETADDR: u16 = 22;
const RTM_NEWROUTE: u16 = 24;
const RTM_GETROUTE: u16 = 26;

const IFLA_ADDRESS: u16 = 1;
const IFLA_BROADCAST: u16 = 2;
const IFLA_IFNAME: u16 = 3;
const IFLA_MTU: u16 = 4;
const IFLA_OPERSTATE: u16 = 16;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_BROADCAST: u16 = 4;
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
/// The address does not go away.
const IFA_F_PERMANENT: u8 = 0x80;
/// Where addresses and routes count: everywhere, on the link, on the machine.
const SCOPE_UNIVERSE: u8 = 0;
const SCOPE_LINK: u8 = 253;
const SCOPE_HOST: u8 = 254;
const TABLE_MAIN: u8 = 254;
const TABLE_LOCAL: u8 = 255;
const TYPE_LOCAL: u8 = 2;
const PROTOCOL_BOOT: u8 = 3;
const TYPE_UNICAST: u8 = 1;
const STATE_UP: u8 = 6;

/// A socket of netlink: answers that were not received yet.
struct Netlink {
    answers: Lock<VecDeque<Vec<u8>>>,
}

static NETLINKS: FileKind<Netlink> = FileKind::new();

/// What there is to tell.
struct World {
    links: Vec<LinkInfo>,
    addresses: Vec<Address>,
    routes: Vec<Route>,
}

impl FileObject for Netlink {
    const NAME: &'static CStr = c"netlink socket";
    const MODE: u32 = 0o140_777;

    fn read(&self, to: &mut Output<'_>) -> Result<usize, Errno> {
        self.receive(to, 0)
    }

    fn write(&self, from: &mut Input<'_>) -> Result<usize, Errno> {
        self.send(from)
    }
}

impl Netlink {
    fn send(&self, from: &mut Input<'_>) -> Result<usize, Errno> {
        let mut bytes = Vec::new();
        if from.is_empty() {
            return Err(Errno::ENODATA);
        }
        if from.len() > REQUEST_BYTES_MAX {
            return Err(Errno::EMSGSIZE);
        }
        let room = bytes.try_reserve_exact(from.len());
        room.map_err(|_| Errno::ENOBUFS)?;
        bytes.resize(from.len(), 0);
        from.take(&mut bytes);
        let world = net::with(|net| World::of(net))?;
        let new = answers(&bytes, &world)?;
        let mut answers = self.answers.lock();
        if answers.len() + new.len() > ANSWERS_MAX {
            return Err(Errno::ENOBUFS);
        }
        let room = answers.try_reserve(new.len());
        room.map_err(|_| Errno::ENOBUFS)?;
        answers.extend(new);
        Ok(bytes.len())
    }

    /// Takes a message; what it has more than there is room for is lost.
    fn receive(&self, to: &mut Output<'_>, flags: u32) -> Result<usize, Errno> {
        let mut answers = self.answers.lock();
        let message = answers.front().ok_or(Errno::EAGAIN)?;
        let copied = to.put(message);
        let len = if flags & MSG_TRUNC != 0 {
            message.len()
        } else {
            copied
        };
        if flags & MSG_PEEK == 0 {
            answers.pop_front();
        }
        Ok(len)
    }
}

/// `socket(AF_NETLINK, …, NETLINK_ROUTE)`
///
/// # Errors
/// `ESOCKTNOSUPPORT` another type · `EINVAL` unknown flags · `EMFILE` `ENOBUFS`.
pub fn socket(kind: u32) -> SyscallResult {
    let flags = make::descriptor_flags(kind & !TYPE_MASK)?;
    if !matches!(kind & TYPE_MASK, SOCK_RAW | SOCK_DGRAM) {
        return Err(Errno::ESOCKTNOSUPPORT);
    }
    net::begin()?;
    let netlink = Netlink {
        answers: Lock::new(VecDeque::new()),
    };
    // Every answer is there when the request returns, so nobody ever waits for one.
    let (fd, _) = NETLINKS.mint(Arc::new(netlink), flags, POLLIN | POLLOUT)?;
    Ok(fd as usize)
}

fn of(fd: c_int) -> Option<Arc<Netlink>> {
    NETLINKS.get(fd)
}

/// `bind` of a socket that is none of the stack's.
///
/// # Errors
/// Those of whoever answers.
pub fn bind(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    match of(args.fd(0)) {
        Some(_) => names::take(args.addr(1), args.int(2)).map(|_| 0),
        None => context.next(args),
    }
}

/// `getsockname` likewise.
///
/// # Errors
/// Those of whoever answers.
pub fn getsockname(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    if of(args.fd(0)).is_none() {
        return context.next(args);
    }
    names::give(&address(PORT), args.addr(1), args.addr(2))?;
    Ok(0)
}

/// `sendto` likewise.
///
/// # Errors
/// Those of whoever answers.
pub fn sendto(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    match of(args.fd(0)) {
        Some(netlink) => netlink.send(&mut Input::new(args.addr(1), args.size(2))?),
        None => context.next(args),
    }
}

/// `sendmsg` likewise.
///
/// # Errors
/// Those of whoever answers.
pub fn sendmsg(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(netlink) = of(args.fd(0)) else {
        return context.next(args);
    };
    let header: Msghdr = user::read(args.addr(1))?;
    let sources = Sources::read(header.msg_iov, header.msg_iovlen.min(1024))?;
    netlink.send(&mut sources.input())
}

/// `recvfrom` likewise.
///
/// # Errors
/// Those of whoever answers.
pub fn recvfrom(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(netlink) = of(args.fd(0)) else {
        return context.next(args);
    };
    let mut output = Output::new(args.addr(1), args.size(2))?;
    let len = netlink.receive(&mut output, args.int(3) as u32)?;
    if args.addr(4) != 0 {
        names::give(&address(0), args.addr(4), args.addr(5))?;
    }
    Ok(len)
}

/// `recvmsg` likewise.
///
/// # Errors
/// Those of whoever answers.
pub fn recvmsg(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(netlink) = of(args.fd(0)) else {
        return context.next(args);
    };
    let mut header: Msghdr = user::read(args.addr(1))?;
    let targets = Targets::read(header.msg_iov, header.msg_iovlen.min(1024))?;
    let mut output = targets.output();
    let room = output.len();
    let len = netlink.receive(&mut output, args.int(2) as u32 | MSG_TRUNC)?;
    if header.msg_name != 0 {
        let from = address(0);
        let fits = from.get(..header.msg_namelen.max(0) as usize);
        user::write_bytes(header.msg_name, fits.unwrap_or(&from))?;
        header.msg_namelen = from.len() as i32;
    }
    header.msg_controllen = 0;
    header.msg_flags = if len > room { MSG_TRUNC } else { 0 };
    user::write(args.addr(1), &header)?;
    let says_all = args.int(2) as u32 & MSG_TRUNC != 0;
    Ok(if says_all { len } else { len.min(room) })
}

/// `struct sockaddr_nl`
fn address(port: u32) -> Vec<u8> {
    let mut bytes = Vec::from(AF_NETLINK.to_le_bytes());
    bytes.extend([0; 2]);
    bytes.extend(port.to_le_bytes());
    bytes.resize(ADDRESS_BYTES, 0);
    bytes
}

impl World {
    fn of(net: &Net) -> Self {
        Self {
            links: net.stack.links(),
            addresses: net.stack.addresses(),
            routes: net.stack.routes(),
        }
    }
}

/// The messages that answer a request.
///
/// # Errors
/// `ENOBUFS`.
fn answers(request: &[u8], world: &World) -> Result<Vec<Vec<u8>>, Errno> {
    let Some(header) = request.first_chunk::<HEADER_BYTES>() else {
        return Ok(Vec::new());
    };
    let kind = u16::from_bytes(&header[4..]);
    let sequence = u32::from_bytes(&header[8..]);
    let family = request.get(HEADER_BYTES).copied().unwrap_or(0);
    let mut answer = Answer {
        sequence,
        family,
        messages: Vec::new(),
    };
    match kind {
        RTM_GETLINK => world.links.iter().try_for_each(|link| answer.link(link))?,
        RTM_GETADDR => world
            .addresses
            .iter()
            .try_for_each(|own| answer.address(own, &world.links))?,
        RTM_GETROUTE => world
            .routes
            .iter()
            .try_for_each(|route| answer.route(route))?,
        _ => {
            // The errno, and the head of what it is about.
            let mut body = Vec::from((-Errno::EOPNOTSUPP.raw()).to_le_bytes());
            body.extend(header);
            answer.put(NLMSG_ERROR, 0, &body)?;
            return Ok(answer.messages);
        }
    }
    let mut messages = Answer {
        messages: Vec::new(),
        ..answer
    };
    messages.put(NLMSG_DONE, NLM_F_MULTI, &[0; 4])?;
    let room = answer.messages.try_reserve(1);
    room.map_err(|_| Errno::ENOBUFS)?;
    answer.messages.append(&mut messages.messages);
    Ok(answer.messages)
}

/// An answer that is being put together.
struct Answer {
    sequence: u32,
    /// Of which family; 0 is any.
    family: u8,
    messages: Vec<Vec<u8>>,
}

impl Answer {
    /// Adds a header and what is behind it, to the last message while there is room.
    fn put(&mut self, kind: u16, flags: u16, body: &[u8]) -> Result<(), Errno> {
        let len = HEADER_BYTES + body.len();
        let has_room = |message: &Vec<u8>| message.len() + len <= MESSAGE_BYTES_MAX;
        if !self.messages.last().is_some_and(has_room) {
            let room = self.messages.try_reserve(1);
            room.map_err(|_| Errno::ENOBUFS)?;
            self.messages.push(Vec::new());
        }
        if let Some(message) = self.messages.last_mut() {
            let room = message.try_reserve(len.next_multiple_of(ALIGNMENT));
            room.map_err(|_| Errno::ENOBUFS)?;
            message.extend((len as u32).to_le_bytes());
            message.extend(kind.to_le_bytes());
            message.extend(flags.to_le_bytes());
            message.extend(self.sequence.to_le_bytes());
            message.extend(PORT.to_le_bytes());
            message.extend(body);
            message.resize(message.len().next_multiple_of(ALIGNMENT), 0);
        }
        Ok(())
    }

    fn link(&mut self, link: &LinkInfo) -> Result<(), Errno> {
        let mut body = Vec::from([0, 0]);
        body.extend(hardware_of(link).to_le_bytes());
        body.extend(link.index.to_le_bytes());
        body.extend(flags_of(link).to_le_bytes());
        body.extend([0xff; 4]);
        let mut name = link.name.clone().into_bytes();
        name.push(0);
        attribute(&mut body, IFLA_IFNAME, &name);
        attribute(&mut body, IFLA_ADDRESS, &link.mac);
        attribute(
            &mut body,
            IFLA_BROADCAST,
            &[if link.is_loopback { 0 } else { 0xff }; 6],
        );
        attribute(&mut body, IFLA_MTU, &link.mtu_bytes.to_le_bytes());
        attribute(&mut body, IFLA_OPERSTATE, &[STATE_UP]);
        self.put(RTM_NEWLINK, NLM_F_MULTI, &body)
    }

    fn address(&mut self, own: &Address, links: &[LinkInfo]) -> Result<(), Errno> {
        let (family, octets) = octets_of(own.address);
        if self.family != 0 && self.family != family {
            return Ok(());
        }
        let scope = match own.address {
            address if address.is_loopback() => SCOPE_HOST,
            IpAddr::V6(address) if address.is_unicast_link_local() => SCOPE_LINK,
            _ => SCOPE_UNIVERSE,
        };
        let mut body = Vec::from([family, own.prefix_bits, IFA_F_PERMANENT, scope]);
        body.extend(own.link.to_le_bytes());
        attribute(&mut body, IFA_ADDRESS, &octets);
        if let IpAddr::V4(address) = own.address {
            attribute(&mut body, IFA_LOCAL, &octets);
            if !address.is_loopback() {
                let all = broadcast(address, own.prefix_bits);
                attribute(&mut body, IFA_BROADCAST, &all.octets());
            }
            if let Some(link) = links.iter().find(|link| link.index == own.link) {
                let mut name = link.name.clone().into_bytes();
                name.push(0);
                attribute(&mut body, IFA_LABEL, &name);
            }
        }
        self.put(RTM_NEWADDR, NLM_F_MULTI, &body)
    }

    fn route(&mut self, route: &Route) -> Result<(), Errno> {
        let (family, octets) = octets_of(route.destination);
        if self.family != 0 && self.family != family {
            return Ok(());
        }
        let is_v4 = family == AF_INET as u8;
        let (table, scope, kind) = match route.gateway {
            _ if route.link == LOOPBACK_LINK && is_v4 => (TABLE_LOCAL, SCOPE_HOST, TYPE_LOCAL),
            _ if route.link == LOOPBACK_LINK => (TABLE_LOCAL, SCOPE_UNIVERSE, TYPE_LOCAL),
            None if is_v4 => (TABLE_MAIN, SCOPE_LINK, TYPE_UNICAST),
            _ => (TABLE_MAIN, SCOPE_UNIVERSE, TYPE_UNICAST),
        };
        let mut body = Vec::from([family, route.prefix_bits, 0, 0]);
        body.extend([table, PROTOCOL_BOOT, scope, kind]);
        body.extend([0; 4]);
        if route.prefix_bits != 0 {
            attribute(&mut body, RTA_DST, &octets);
        }
        attribute(&mut body, RTA_OIF, &route.link.to_le_bytes());
        if let Some(gateway) = route.gateway {
            attribute(&mut body, RTA_GATEWAY, &octets_of(gateway).1);
        }
        if route.metric != 0 {
            attribute(&mut body, RTA_PRIORITY, &route.metric.to_le_bytes());
        }
        self.put(RTM_NEWROUTE, NLM_F_MULTI, &body)
    }
}

fn octets_of(address: IpAddr) -> (u8, Vec<u8>) {
    match address {
        IpAddr::V4(address) => (AF_INET as u8, address.octets().to_vec()),
        IpAddr::V6(address) => (AF_INET6 as u8, address.octets().to_vec()),
    }
}

fn attribute(body: &mut Vec<u8>, kind: u16, data: &[u8]) {
    body.extend(((4 + data.len()) as u16).to_le_bytes());
    body.extend(kind.to_le_bytes());
    body.extend(data);
    body.resize(body.len().next_multiple_of(ALIGNMENT), 0);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use muslin_net_stack::{AddressSource, Traffic};

    use super::*;

    fn world(links: u32) -> World {
        let address = |address: &str, link, prefix_bits| Address {
            link,
            address: address.parse().unwrap(),
            prefix_bits,
            source: AddressSource::Static,
        };
        World {
            links: (1..=links)
                .map(|index| LinkInfo {
                    index,
                    name: alloc::format!("link{index}"),
                    mac: [index as u8; 6],
                    mtu_bytes: 1500,
                    is_loopback: index == 1,
                    traffic: Traffic::default(),
                })
                .collect(),
            addresses: Vec::from([address("127.0.0.1", 1, 8), address("fd00::2", 2, 64)]),
            routes: Vec::from([Route {
                destination: "0.0.0.0".parse().unwrap(),
                prefix_bits: 0,
                gateway: Some("10.0.0.1".parse().unwrap()),
                link: 2,
                metric: 0,
            }]),
        }
    }

    fn request(kind: u16, family: u8) -> Vec<u8> {
        let mut bytes = Vec::from(20_u32.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(0x301_u16.to_le_bytes());
        bytes.extend(7_u32.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend([family, 0, 0, 0]);
        bytes
    }

    /// The kinds of the parts of an answer, which must fill their messages.
    fn kinds(messages: &[Vec<u8>]) -> Vec<u16> {
        let mut kinds = Vec::new();
        for message in messages {
            assert!(message.len() <= MESSAGE_BYTES_MAX);
            let mut rest = &message[..];
            while !rest.is_empty() {
                let len = u32::from_bytes(rest) as usize;
                assert_eq!(u32::from_bytes(&rest[8..]), 7, "the sequence");
                kinds.push(u16::from_bytes(&rest[4..]));
                rest = &rest[len.next_multiple_of(ALIGNMENT)..];
            }
        }
        kinds
    }

    #[test]
    fn dumps_end_with_a_message_of_their_own() {
        let world = world(2);
        let answer = answers(&request(RTM_GETLINK, 0), &world).unwrap();
        assert_eq!(answer.len(), 2);
        assert_eq!(kinds(&answer), [RTM_NEWLINK, RTM_NEWLINK, NLMSG_DONE]);
        let answer = answers(&request(RTM_GETROUTE, 0), &world).unwrap();
        assert_eq!(kinds(&answer), [RTM_NEWROUTE, NLMSG_DONE]);
        let answer = answers(&request(RTM_GETADDR, 0), &world).unwrap();
        assert_eq!(kinds(&answer), [RTM_NEWADDR, RTM_NEWADDR, NLMSG_DONE]);
        let of_v6 = answers(&request(RTM_GETADDR, AF_INET6 as u8), &world).unwrap();
        assert_eq!(kinds(&of_v6), [RTM_NEWADDR, NLMSG_DONE]);
    }

    #[test]
    fn long_dumps_are_several_messages() {
        let answer = answers(&request(RTM_GETLINK, 0), &world(100)).unwrap();
        assert!(answer.len() > 2);
        assert_eq!(kinds(&answer).len(), 101);
    }

    #[test]
    fn other_requests_are_refused() {
        let answer = answers(&request(99, 0), &world(1)).unwrap();
        assert_eq!(kinds(&answer), [NLMSG_ERROR]);
        assert_eq!(answers(&[0; 3], &world(1)), Ok(Vec::new()));
    }
}

//! Files whose text the network makes: what `/proc/net` tells, and `/etc/resolv.conf` and `/etc/hosts` where
//! there are none.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::fmt::Write;
use core::net::{IpAddr, SocketAddr};
use core::sync::atomic::{AtomicUsize, Ordering};

use muslin::fd::{FileObject, Kind as FileKind, POLLIN};
use muslin::user::{self, Output};
use muslin::{Context, Errno, Lock, SyscallArgs, SyscallResult};
use muslin_abi::flags::{O_ACCMODE, O_CLOEXEC, O_NONBLOCK, O_RDONLY};
use muslin_net_stack::{ConnectionInfo, Family, Kind, LinkInfo};

use crate::configure;
use crate::net::{self, Net};

/// The longest of the names, with its final 0.
const NAME_BYTES: usize = 24;
const RESOLVER: &[u8] = b"/etc/resolv.conf";
const HOSTS: &[u8] = b"/etc/hosts";
/// The hosts that everybody knows.
const LOCAL_HOSTS: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost\n";

/// A text that is read from its beginning to its end.
struct Text {
    bytes: Lock<Vec<u8>>,
    at: AtomicUsize,
}

static TEXTS: FileKind<Text> = FileKind::new();

impl FileObject for Text {
    const NAME: &'static CStr = c"text of the network";
    const MODE: u32 = 0o100_444;

    fn read(&self, to: &mut Output<'_>) -> Result<usize, Errno> {
        let at = self.at.load(Ordering::Relaxed);
        let len = to.put(self.bytes.lock().get(at..).unwrap_or_default());
        self.at.fetch_add(len, Ordering::Relaxed);
        Ok(len)
    }
}

/// `open(pathname, flags, mode)`
///
/// # Errors
/// Those of the files below.
pub fn open(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    open_with(context, args, args.addr(0), args.int(1) as u32)
}

/// `openat(dirfd, pathname, flags, mode)`
///
/// # Errors
/// Those of the files below.
pub fn openat(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    open_with(context, args, args.addr(1), args.int(2) as u32)
}

fn open_with(context: &Context<'_>, args: &SyscallArgs, path: usize, flags: u32) -> SyscallResult {
    let is_ours = flags & O_ACCMODE == O_RDONLY && is_byte(path, b'/');
    let Some(name) = is_ours.then(|| name_at(path)).flatten() else {
        return context.next(args);
    };
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    let flags = flags & (O_NONBLOCK | O_CLOEXEC);
    if name == RESOLVER || name == HOSTS {
        return match context.next(args) {
            Err(Errno::ENOENT) if name == HOSTS => {
                mint(String::from(LOCAL_HOSTS), flags).map(|fd| fd as usize)
            }
            Err(Errno::ENOENT) => open_resolver(context, flags),
            result => result,
        };
    }
    let make: fn(&Net) -> String = match name {
        b"/proc/net/dev" => devices,
        b"/proc/net/if_inet6" => addresses_v6,
        b"/proc/net/route" => routes,
        b"/proc/net/tcp" => |net| sockets(net, Family::V4, Kind::Stream),
        b"/proc/net/tcp6" => |net| sockets(net, Family::V6, Kind::Stream),
        b"/proc/net/udp" => |net| sockets(net, Family::V4, Kind::Datagram),
        b"/proc/net/udp6" => |net| sockets(net, Family::V6, Kind::Datagram),
        _ => return context.next(args),
    };
    net::begin()?;
    let text = net::with(|net| make(net))?;
    mint(text, flags).map(|fd| fd as usize)
}

/// musl's resolver looks here for name servers before it has a socket: so the network begins.
fn open_resolver(context: &Context<'_>, flags: u32) -> SyscallResult {
    net::begin()?;
    let text = Arc::new(Text::new(String::new()));
    let (fd, file) = TEXTS.mint(text.clone(), flags, POLLIN)?;
    configure::wait_for_address(context, &file);
    let mut servers = String::new();
    for server in configure::name_servers() {
        // A string takes all.
        let _ = writeln!(servers, "nameserver {server}");
    }
    *text.bytes.lock() = servers.into_bytes();
    Ok(fd as usize)
}

fn mint(text: String, flags: u32) -> Result<i32, Errno> {
    TEXTS
        .mint(Arc::new(Text::new(text)), flags, POLLIN)
        .map(|(fd, _)| fd)
}

impl Text {
    fn new(text: String) -> Self {
        Self {
            bytes: Lock::new(text.into_bytes()),
            at: AtomicUsize::new(0),
        }
    }
}

fn is_byte(place: usize, byte: u8) -> bool {
    user::read::<u8>(place) == Ok(byte)
}

/// The path at this place if it is one of ours: others are not read to their end.
fn name_at(place: usize) -> Option<[u8; NAME_BYTES]> {
    let mut name = [0; NAME_BYTES];
    for (at, byte) in name.iter_mut().enumerate() {
        *byte = user::read(place.wrapping_add(at)).ok()?;
        let of_names = b"/ep";
        match (at, *byte) {
            (_, 0) => return Some(name),
            (1, byte) if !of_names.contains(&byte) => return None,
            _ => {}
        }
    }
    None
}

fn devices(net: &Net) -> String {
    let mut text = String::from(
        "Inter-|   Receive                                                |  Transmit\n \
         face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs \
         drop fifo colls carrier compressed\n",
    );
    for link in net.stack.links() {
        let LinkInfo { name, traffic, .. } = link;
        let _ = writeln!(
            text,
            "{name:>6}: {:>7} {:>7} {:>4} {:>4}    0     0          0         0 {:>8} {:>7} {:>4} {:>4}    0     0       0          0",
            traffic.received_bytes,
            traffic.received_frames,
            traffic.received_errors,
            traffic.received_drops,
            traffic.sent_bytes,
            traffic.sent_frames,
            traffic.sent_errors,
            traffic.sent_drops,
        );
    }
    text
}

fn name_of(net: &Net, link: u32) -> String {
    let links = net.stack.links();
    let mut links = links.into_iter();
    let found = links.find(|known| known.index == link);
    found.map_or_else(String::new, |link| link.name)
}

fn addresses_v6(net: &Net) -> String {
    let mut text = String::new();
    for own in net.stack.addresses() {
        let IpAddr::V6(address) = own.address else {
            continue;
        };
        let scope = match address {
            _ if address.is_loopback() => 0x10,
            _ if address.is_unicast_link_local() => 0x20,
            _ => 0,
        };
        for byte in address.octets() {
            let _ = write!(text, "{byte:02x}");
        }
        let name = name_of(net, own.link);
        let (link, bits) = (own.link, own.prefix_bits);
        let _ = writeln!(text, " {link:02x} {bits:02x} {scope:02x} 80 {name:>8}");
    }
    text
}

fn routes(net: &Net) -> String {
    let mut text = String::from(
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n",
    );
    for route in net.stack.routes() {
        let IpAddr::V4(destination) = route.destination else {
            continue;
        };
        let number = |octets: [u8; 4]| u32::from_le_bytes(octets);
        let gateway = match route.gateway {
            Some(IpAddr::V4(gateway)) => number(gateway.octets()),
            _ => 0,
        };
        let mask = u32::MAX
            .checked_shl(32 - u32::from(route.prefix_bits))
            .unwrap_or(0);
        let flags = if gateway == 0 { 1 } else { 3 };
        let _ = writeln!(
            text,
            "{}\t{:08X}\t{gateway:08X}\t{flags:04X}\t0\t0\t{}\t{:08X}\t0\t0\t0",
            name_of(net, route.link),
            number(destination.octets()),
            route.metric,
            mask.swap_bytes(),
        );
    }
    text
}

fn sockets(net: &Net, family: Family, kind: Kind) -> String {
    let mut text = String::from(
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n",
    );
    let all = net.stack.sockets();
    let of_kind = all
        .iter()
        .filter(|&&(_, of_family, of_kind)| (of_family, of_kind) == (family, kind));
    for (at, &(id, ..)) in of_kind.enumerate() {
        let (Ok(local), Ok(info)) = (net.stack.local(id), net.stack.info(id)) else {
            continue;
        };
        let nobody = crate::address::unspecified(family);
        let peer = net.stack.peer(id).unwrap_or(nobody);
        line(&mut text, at, local, peer, &info);
    }
    text
}

fn line(text: &mut String, at: usize, local: SocketAddr, peer: SocketAddr, info: &ConnectionInfo) {
    let _ = write!(text, "{at:>4}: ");
    for address in [local, peer] {
        let octets = match address.ip() {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        for word in octets.chunks_exact(4) {
            let word = word
                .first_chunk()
                .map_or(0, |word| u32::from_le_bytes(*word));
            let _ = write!(text, "{word:08X}");
        }
        let _ = write!(text, ":{:04X} ", address.port());
    }
    let _ = writeln!(
        text,
        "{:02X} {:08X}:{:08X} 00:00000000 00000000     0        0 0 1 0000000000000000",
        info.state as u8, info.send_queue, info.receive_queue
    );
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use muslin_net_stack::State;

    use super::*;

    #[test]
    fn a_socket_is_a_line_as_linux_writes_it() {
        let mut text = String::new();
        let info = ConnectionInfo {
            state: State::Established,
            receive_queue: 5,
            send_queue: 0,
            max_segment_bytes: 1460,
        };
        let (local, peer) = ("10.0.0.2:80", "10.0.0.1:5000");
        line(
            &mut text,
            0,
            local.parse().unwrap(),
            peer.parse().unwrap(),
            &info,
        );
        let expected = "   0: 0200000A:0050 0100000A:1388 01 00000000:00000005 ";
        assert!(text.starts_with(expected), "{text}");
    }
}

//! Files whose text the network makes: what `/proc/net` tells, and `/etc/resolv.conf` and `/etc/hosts` where
//! there are none, or name servers were given.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::fmt::{self, Write};
use core::net::{IpAddr, SocketAddr};
use core::sync::atomic::{AtomicUsize, Ordering};

use muslin::fd::{FileObject, Kind as FileKind, POLLIN};
use muslin::user::{self, Output};
use muslin::{Context, Errno, Lock, SyscallArgs, SyscallResult};
use muslin_abi::flags::{O_ACCMODE, O_CLOEXEC, O_NONBLOCK, O_RDONLY};
use muslin_net_stack::{ConnectionInfo, Family, Kind, LinkInfo, State};

use crate::configure;
use crate::interfaces::LOOPBACK_LINK;
use crate::names::BACKLOG_MAX;
use crate::net::{self, Net};

/// The longest of the names, with its final 0.
const NAME_BYTES: usize = 40;
const RESOLVER: &[u8] = b"/etc/resolv.conf";
const HOSTS: &[u8] = b"/etc/hosts";
/// The hosts that everybody knows.
const LOCAL_HOSTS: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost\n";
/// How long a line of sockets is on Linux, and one of routes.
const TCP_LINE_CHARS: usize = 149;
const LINE_CHARS: usize = 127;

/// A text that is being written: there may be more of it than there is memory for.
struct Sheet(Vec<u8>);

impl Write for Sheet {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.try_reserve(text.len()).map_err(|_| fmt::Error)?;
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

impl Sheet {
    /// Ends a line that is as long as this, or longer.
    fn end_line(&mut self, begin: usize, chars: usize) -> fmt::Result {
        let missing = chars.saturating_sub(self.0.len() - begin);
        writeln!(self, "{:missing$}", "")
    }
}

/// What writes one of them.
type WriteFn = fn(&Net, &mut Sheet) -> fmt::Result;

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
    if name == RESOLVER && configure::has_given_name_servers() {
        return open_resolver(context, flags);
    }
    if name == RESOLVER || name == HOSTS {
        return match context.next(args) {
            Err(Errno::ENOENT) if name == HOSTS => {
                mint(LOCAL_HOSTS.as_bytes().to_vec(), flags).map(|fd| fd as usize)
            }
            Err(Errno::ENOENT) => open_resolver(context, flags),
            result => result,
        };
    }
    let Some(write) = writer_of(name) else {
        return context.next(args);
    };
    net::begin()?;
    let mut sheet = Sheet(Vec::new());
    let written = net::with(|net| write(net, &mut sheet))?;
    written.map_err(|_| Errno::ENOMEM)?;
    mint(sheet.0, flags).map(|fd| fd as usize)
}

/// What writes the text of this name.
fn writer_of(name: &[u8]) -> Option<WriteFn> {
    Some(match name {
        b"/proc/net/dev" => devices,
        b"/proc/net/if_inet6" => addresses_v6,
        b"/proc/net/route" => routes,
        b"/proc/net/arp" => neighbours,
        b"/proc/net/tcp" => |net, sheet| tcp(net, sheet, Family::V4),
        b"/proc/net/tcp6" => |net, sheet| tcp(net, sheet, Family::V6),
        b"/proc/net/udp" => |net, sheet| datagrams(net, sheet, Family::V4, Kind::Datagram),
        b"/proc/net/udp6" => |net, sheet| datagrams(net, sheet, Family::V6, Kind::Datagram),
        b"/proc/net/icmp" => |net, sheet| datagrams(net, sheet, Family::V4, Kind::Echo),
        b"/proc/net/icmp6" => |net, sheet| datagrams(net, sheet, Family::V6, Kind::Echo),
        b"/proc/sys/net/core/somaxconn" => |_, sheet| writeln!(sheet, "{BACKLOG_MAX}"),
        b"/proc/sys/net/ipv4/ip_local_port_range" => |_, sheet| writeln!(sheet, "32768\t60999"),
        _ => return None,
    })
}

/// musl's resolver looks here for name servers before it has a socket: so the network begins.
fn open_resolver(context: &Context<'_>, flags: u32) -> SyscallResult {
    net::begin()?;
    let text = Arc::new(Text::new(Vec::new()));
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

fn mint(text: Vec<u8>, flags: u32) -> Result<i32, Errno> {
    TEXTS
        .mint(Arc::new(Text::new(text)), flags, POLLIN)
        .map(|(fd, _)| fd)
}

impl Text {
    fn new(text: Vec<u8>) -> Self {
        Self {
            bytes: Lock::new(text),
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

fn devices(net: &Net, sheet: &mut Sheet) -> fmt::Result {
    sheet.write_str(
        "Inter-|   Receive                                                |  Transmit\n \
         face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs \
         drop fifo colls carrier compressed\n",
    )?;
    for link in net.stack.links() {
        let LinkInfo { name, traffic, .. } = link;
        writeln!(
            sheet,
            "{name:>6}: {:>7} {:>7} {:>4} {:>4}    0     0          0         0 {:>8} {:>7} {:>4} {:>4}    0     0       0          0",
            traffic.received_bytes,
            traffic.received_frames,
            traffic.received_errors,
            traffic.received_drops,
            traffic.sent_bytes,
            traffic.sent_frames,
            traffic.sent_errors,
            traffic.sent_drops,
        )?;
    }
    Ok(())
}

fn name_of(net: &Net, link: u32) -> String {
    let links = net.stack.links();
    let mut links = links.into_iter();
    let found = links.find(|known| known.index == link);
    found.map_or_else(String::new, |link| link.name)
}

fn addresses_v6(net: &Net, sheet: &mut Sheet) -> fmt::Result {
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
            write!(sheet, "{byte:02x}")?;
        }
        let name = name_of(net, own.link);
        let (link, bits) = (own.link, own.prefix_bits);
        writeln!(sheet, " {link:02x} {bits:02x} {scope:02x} 80 {name:>8}")?;
    }
    Ok(())
}

fn routes(net: &Net, sheet: &mut Sheet) -> fmt::Result {
    let begin = sheet.0.len();
    sheet.write_str(
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT",
    )?;
    sheet.end_line(begin, LINE_CHARS)?;
    for route in net.stack.routes() {
        let IpAddr::V4(destination) = route.destination else {
            continue;
        };
        if route.link == LOOPBACK_LINK {
            continue;
        }
        let number = |octets: [u8; 4]| u32::from_le_bytes(octets);
        let gateway = match route.gateway {
            Some(IpAddr::V4(gateway)) => number(gateway.octets()),
            _ => 0,
        };
        let mask = u32::MAX
            .checked_shl(32 - u32::from(route.prefix_bits))
            .unwrap_or(0);
        let flags = if gateway == 0 { 1 } else { 3 };
        let begin = sheet.0.len();
        write!(
            sheet,
            "{}\t{:08X}\t{gateway:08X}\t{flags:04X}\t0\t0\t{}\t{:08X}\t0\t0\t0",
            name_of(net, route.link),
            number(destination.octets()),
            route.metric,
            mask.swap_bytes(),
        )?;
        sheet.end_line(begin, LINE_CHARS)?;
    }
    Ok(())
}

fn neighbours(net: &Net, sheet: &mut Sheet) -> fmt::Result {
    sheet.write_str(
        "IP address       HW type     Flags       HW address            Mask     Device\n",
    )?;
    for known in net.stack.neighbours() {
        let IpAddr::V4(address) = known.address else {
            continue;
        };
        // Ethernet, and the answer is here.
        write!(sheet, "{address:<16} 0x1         0x2         ")?;
        for (at, byte) in known.mac.iter().enumerate() {
            let before = if at == 0 { "" } else { ":" };
            write!(sheet, "{before}{byte:02x}")?;
        }
        let name = name_of(net, known.link);
        writeln!(sheet, "     *        {name}")?;
    }
    Ok(())
}

/// What comes before the columns that TCP and the others have in common.
fn head_line(sheet: &mut Sheet, family: Family, before: &str) -> fmt::Result {
    let addresses = match family {
        Family::V4 => "local_address rem_address  ",
        Family::V6 => "local_address                         remote_address                       ",
    };
    write!(
        sheet,
        "{before}sl  {addresses} st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode"
    )
}

fn tcp(net: &Net, sheet: &mut Sheet, family: Family) -> fmt::Result {
    let begin = sheet.0.len();
    head_line(sheet, family, "  ")?;
    sheet.end_line(
        begin,
        if family == Family::V4 {
            TCP_LINE_CHARS
        } else {
            0
        },
    )?;
    let mut number = 0;
    each_socket(net, (family, Kind::Stream), &mut |local, peer, info| {
        // As on Linux: those that have nothing on the wire are not there.
        if info.state == State::Close {
            return Ok(());
        }
        let begin = sheet.0.len();
        write!(sheet, "{number:>4}: ")?;
        number += 1;
        line(sheet, local, peer, info)?;
        // One user, no address, and what the congestion control says of a new connection.
        write!(sheet, "1 0000000000000000 100 0 0 10 0")?;
        sheet.end_line(
            begin,
            if family == Family::V4 {
                TCP_LINE_CHARS
            } else {
                0
            },
        )
    })
}

fn datagrams(net: &Net, sheet: &mut Sheet, family: Family, kind: Kind) -> fmt::Result {
    let begin = sheet.0.len();
    let before = if family == Family::V4 { "   " } else { "  " };
    head_line(sheet, family, before)?;
    sheet.write_str(" ref pointer drops")?;
    sheet.end_line(begin, if family == Family::V4 { LINE_CHARS } else { 0 })?;
    let mut number = 0;
    each_socket(net, (family, kind), &mut |local, peer, info| {
        if local.port() == 0 {
            return Ok(());
        }
        let begin = sheet.0.len();
        write!(sheet, "{number:>5}: ")?;
        number += 1;
        line(sheet, local, peer, info)?;
        write!(sheet, "2 0000000000000000 0")?;
        sheet.end_line(begin, if family == Family::V4 { LINE_CHARS } else { 0 })
    })
}

/// Tells all sockets of a kind: their addresses and their numbers.
fn each_socket(
    net: &Net,
    wanted: (Family, Kind),
    tell: &mut dyn FnMut(SocketAddr, SocketAddr, &ConnectionInfo) -> fmt::Result,
) -> fmt::Result {
    let mut result = Ok(());
    net.stack.each_socket(&mut |id, family, kind| {
        if result.is_err() || (family, kind) != wanted {
            return;
        }
        if let (Ok(local), Ok(info)) = (net.stack.local(id), net.stack.info(id)) {
            let nobody = crate::address::unspecified(family);
            let peer = net.stack.peer(id).unwrap_or(nobody);
            result = tell(local, peer, &info);
        }
    });
    result
}

/// The columns that all have in common.
fn line(
    sheet: &mut Sheet,
    local: SocketAddr,
    peer: SocketAddr,
    info: &ConnectionInfo,
) -> fmt::Result {
    for address in [local, peer] {
        let octets = crate::address::mapped_ip(address.ip()).octets();
        let octets = if address.is_ipv4() {
            &octets[12..]
        } else {
            &octets[..]
        };
        for word in octets.chunks_exact(4) {
            let word = word
                .first_chunk()
                .map_or(0, |word| u32::from_le_bytes(*word));
            write!(sheet, "{word:08X}")?;
        }
        write!(sheet, ":{:04X} ", address.port())?;
    }
    // The backlog of who listens is nothing that waits to be sent.
    let send_queue = match info.state {
        State::Listen => 0,
        _ => info.send_queue,
    };
    write!(
        sheet,
        "{:02X} {send_queue:08X}:{:08X} 00:00000000 00000000     0        0 0 ",
        info.state as u8, info.receive_queue
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn a_socket_is_a_line_as_linux_writes_it() {
        let mut sheet = Sheet(Vec::new());
        let info = |state| ConnectionInfo {
            state,
            receive_queue: 5,
            send_queue: 16,
            max_segment_bytes: 1460,
        };
        let addresses = ["10.0.0.2:80", "10.0.0.1:5000"];
        let [local, peer] = addresses.map(|address| address.parse().unwrap());
        line(&mut sheet, local, peer, &info(State::Established)).unwrap();
        sheet.end_line(0, 0).unwrap();
        line(&mut sheet, local, peer, &info(State::Listen)).unwrap();
        sheet.end_line(0, 0).unwrap();
        let local = "[fd00::2]:80".parse().unwrap();
        line(&mut sheet, local, local, &info(State::Close)).unwrap();
        let expected = "0200000A:0050 0100000A:1388 01 00000010:00000005 00:00000000 00000000     0        0 0 \n\
            0200000A:0050 0100000A:1388 0A 00000000:00000005 00:00000000 00000000     0        0 0 \n\
            000000FD000000000000000002000000:0050 000000FD000000000000000002000000:0050 \
            07 00000010:00000005 00:00000000 00000000     0        0 0 ";
        assert_eq!(str::from_utf8(&sheet.0), Ok(expected));
    }
}

//! What the stack knows of its network: links, addresses, routes, neighbours.

use alloc::string::String;
use core::net::IpAddr;

/// A link as `if_nameindex`, `getifaddrs` and `/proc/net/dev` show it.
#[derive(Clone, Debug)]
pub struct LinkInfo {
    /// Its number, from 1. The loopback is 1.
    pub index: u32,
    /// `lo`, `eth0`.
    pub name: String,
    /// All zero for the loopback.
    pub mac: [u8; 6],
    /// The largest IP packet.
    pub mtu_bytes: u32,
    /// It ends in this stack.
    pub is_loopback: bool,
    /// What went over it.
    pub traffic: Traffic,
}

/// Counters of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes of frames that arrived.
    pub received_bytes: u64,
    /// Frames that arrived.
    pub received_frames: u64,
    /// Frames that arrived and could not be understood.
    pub received_errors: u64,
    /// Frames that arrived and nobody took, or nobody had room for.
    pub received_drops: u64,
    /// Bytes of frames that left.
    pub sent_bytes: u64,
    /// Frames that left.
    pub sent_frames: u64,
    /// Frames that the device refused.
    pub sent_errors: u64,
    /// Frames there was no room for.
    pub sent_drops: u64,
}

/// How an address came to its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressSource {
    /// Given by the configuration or the program.
    Static,
    /// Made from the hardware address: `fe80::…`.
    LinkLocal,
    /// Leased.
    Dhcp,
    /// Made from a router's prefix.
    Slaac,
}

/// An address of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Address {
    /// The link's number.
    pub link: u32,
    /// The address.
    pub address: IpAddr,
    /// How many of its first bits name the network.
    pub prefix_bits: u8,
    /// Where it came from.
    pub source: AddressSource,
}

/// A line of the routing table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    /// Where to.
    pub destination: IpAddr,
    /// How many bits of it count: 0 is the default route.
    pub prefix_bits: u8,
    /// By way of whom; `None`: the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// Over which link.
    pub link: u32,
    /// Between routes of one length the smallest wins.
    pub metric: u32,
}

/// A neighbour on a link whose hardware address is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// The link's number.
    pub link: u32,
    /// Its address.
    pub address: IpAddr,
    /// Its hardware address.
    pub mac: [u8; 6],
}

/// What a link finds out for itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Automatic {
    /// Asks for an IPv4 address, its router and its name servers (DHCPv4).
    pub dhcpv4: bool,
    /// Listens to routers for IPv6 (SLAAC).
    pub slaac: bool,
}

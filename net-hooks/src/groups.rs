//! Multicast groups among the options, and the links that options name.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use muslin::Errno;
use muslin_abi::flags::*;
use muslin_abi::layout::Pod;
use muslin_net_stack::Setting;

use crate::net::Net;

/// Bytes of `struct ip_mreq`, `struct ip_mreqn`, `struct ipv6_mreq`.
const MREQ_BYTES: usize = 8;
pub const MREQN_BYTES: usize = 12;
pub const MREQ6_BYTES: usize = 20;

/// What an option of multicast groups and their links sets.
pub fn group(net: &Net, level: i32, option: i32, value: &[u8]) -> Result<Option<Setting>, Errno> {
    Ok(Some(match (level, option) {
        (IPPROTO_IP, IP_ADD_MEMBERSHIP | IP_DROP_MEMBERSHIP) => {
            if value.len() < MREQ_BYTES {
                return Err(Errno::EINVAL);
            }
            let group = IpAddr::from(<[u8; 4]>::from_bytes(value));
            let link = link_of(net, value.get(4..).unwrap_or_default())?;
            if option == IP_ADD_MEMBERSHIP {
                Setting::Join { group, link }
            } else {
                Setting::Leave { group, link }
            }
        }
        (IPPROTO_IP, IP_MULTICAST_IF) => {
            // An address alone, or behind that of a group.
            let value = match value.len() {
                4..MREQ_BYTES => value,
                MREQ_BYTES.. => value.get(4..).unwrap_or_default(),
                _ => return Err(Errno::EINVAL),
            };
            Setting::MulticastLink(link_of(net, value)?)
        }
        (IPPROTO_IPV6, IPV6_ADD_MEMBERSHIP | IPV6_DROP_MEMBERSHIP) => {
            if value.len() < MREQ6_BYTES {
                return Err(Errno::EINVAL);
            }
            let group = IpAddr::from(<[u8; 16]>::from_bytes(value));
            let link = value.get(16..).map_or(0, u32::from_bytes);
            if option == IPV6_ADD_MEMBERSHIP {
                Setting::Join { group, link }
            } else {
                Setting::Leave { group, link }
            }
        }
        (IPPROTO_IPV6, IPV6_MULTICAST_IF) => {
            if value.len() < u32::BYTES {
                return Err(Errno::EINVAL);
            }
            Setting::MulticastLink(u32::from_bytes(value))
        }
        _ => return Ok(None),
    }))
}

/// The link that the rest of an `ip_mreq` (an address) or `ip_mreqn` (and a number) names; 0: any.
fn link_of(net: &Net, bytes: &[u8]) -> Result<u32, Errno> {
    let number = bytes.get(4..MREQN_BYTES - 4).map_or(0, u32::from_bytes);
    let address = Ipv4Addr::from(<[u8; 4]>::from_bytes(bytes));
    if number != 0 || address.is_unspecified() {
        return Ok(number);
    }
    let addresses = net.stack.addresses();
    let mut addresses = addresses.iter();
    let found = addresses.find(|own| own.address == IpAddr::V4(address));
    found.map(|own| own.link).ok_or(Errno::ENODEV)
}

pub fn address_of_link(net: &Net, link: u32) -> Ipv4Addr {
    let addresses = net.stack.addresses();
    let mut of_link = addresses.iter().filter(|own| own.link == link);
    let v4 = of_link.find_map(|own| match own.address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    });
    v4.unwrap_or(Ipv4Addr::UNSPECIFIED)
}

pub fn link_named(net: &Net, name: &[u8]) -> Option<u32> {
    let links = net.stack.links();
    let mut links = links.iter();
    let found = links.find(|link| link.name.as_bytes() == name);
    found.map(|link| link.index)
}

/// The name of a link as an option's value; of none, no bytes.
pub fn link_name(net: &Net, index: u32) -> Vec<u8> {
    let links = net.stack.links();
    let link = links.iter().find(|link| link.index == index);
    link.map_or_else(Vec::new, |link| {
        let mut name = link.name.clone().into_bytes();
        name.push(0);
        name
    })
}

//! Which addresses are ours, and by which way others are reached.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use muslin_abi::Errno;

use crate::ip;
use crate::network::{Address, AddressSource, Route};

/// The number of the loopback.
pub(crate) const LO: u32 = 1;

/// The addresses of the links, and the routes that were added to theirs.
pub(crate) struct Topology {
    pub addresses: Vec<Address>,
    pub routes: Vec<Route>,
}

/// To how many a packet goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cast {
    Unicast,
    Broadcast,
    Multicast,
}

/// How a packet gets on its way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Way {
    pub link: u32,
    /// Who takes it next.
    pub next_hop: IpAddr,
    /// The address of ours it comes from.
    pub source: IpAddr,
    pub cast: Cast,
}

impl Topology {
    pub fn new() -> Self {
        let loopback = |address, prefix_bits| Address {
            link: LO,
            address,
            prefix_bits,
            source: AddressSource::Static,
        };
        Self {
            addresses: [
                loopback(IpAddr::V4(Ipv4Addr::LOCALHOST), 8),
                loopback(IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
            ]
            .into(),
            routes: Vec::new(),
        }
    }

    /// Whether packets to this address end here.
    pub fn is_local(&self, address: IpAddr) -> bool {
        address.is_loopback() || self.addresses.iter().any(|own| own.address == address)
    }

    /// Whether this is an address of this link.
    pub fn is_on(&self, link: u32, address: IpAddr) -> bool {
        self.addresses
            .iter()
            .any(|own| own.link == link && own.address == address)
    }

    /// Whether this is the broadcast address of a network of ours (of one link, unless `None`).
    pub fn is_broadcast(&self, link: Option<u32>, address: IpAddr) -> bool {
        let IpAddr::V4(address) = address else {
            return false;
        };
        address.is_broadcast()
            || self.addresses.iter().any(|own| {
                let IpAddr::V4(network) = own.address else {
                    return false;
                };
                let host_bits = u32::MAX
                    .checked_shr(u32::from(own.prefix_bits))
                    .unwrap_or(0);
                own.link != LO
                    && link.is_none_or(|link| own.link == link)
                    && host_bits > 1
                    && address.to_bits() == network.to_bits() | host_bits
            })
    }

    /// The address a packet to `to` over this link comes from.
    fn source(&self, link: u32, to: IpAddr, next_hop: IpAddr) -> Option<IpAddr> {
        let is_near = ip::is_link_local(to);
        let candidates = self
            .addresses
            .iter()
            .filter(|own| own.link == link && own.address.is_ipv4() == to.is_ipv4());
        // The first one that was given, of equals.
        candidates
            .min_by_key(|own| {
                (
                    ip::is_link_local(own.address) != is_near,
                    !ip::is_in(next_hop, own.address, own.prefix_bits),
                )
            })
            .map(|own| own.address)
    }

    /// Finds the way. `from`: an address of ours that was chosen already; `link`: a link that was.
    ///
    /// # Errors
    /// `ENETUNREACH` no route · `EADDRNOTAVAIL` no address of ours for it.
    pub fn way(&self, to: IpAddr, from: Option<IpAddr>, link: Option<u32>) -> Result<Way, Errno> {
        if to.is_multicast() || self.is_broadcast(link, to) {
            return self.way_to_many(to, from, link);
        }
        if self.is_local(to) {
            let source = match to {
                _ if self.is_on(LO, to) || !to.is_loopback() => to,
                IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::LOCALHOST),
                IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::LOCALHOST),
            };
            return Ok(Way {
                link: LO,
                next_hop: to,
                source: from.unwrap_or(source),
                cast: Cast::Unicast,
            });
        }
        let near = self
            .addresses
            .iter()
            .filter(|own| ip::is_in(to, own.address, own.prefix_bits) && own.link != LO)
            .map(|own| (own.prefix_bits, 0, own.link, None));
        let far = self
            .routes
            .iter()
            .filter(|route| ip::is_in(to, route.destination, route.prefix_bits))
            .map(|route| (route.prefix_bits, route.metric, route.link, route.gateway));
        let (_, _, link, gateway) = near
            .chain(far)
            .filter(|&(_, _, on, _)| link.is_none_or(|link| link == on))
            .min_by_key(|&(bits, metric, ..)| (core::cmp::Reverse(bits), metric))
            .ok_or(Errno::ENETUNREACH)?;
        let next_hop = gateway.unwrap_or(to);
        let source = match from {
            Some(from) => from,
            None => self
                .source(link, to, next_hop)
                .ok_or(Errno::EADDRNOTAVAIL)?,
        };
        Ok(Way {
            link,
            next_hop,
            source,
            cast: Cast::Unicast,
        })
    }

    fn way_to_many(
        &self,
        to: IpAddr,
        from: Option<IpAddr>,
        link: Option<u32>,
    ) -> Result<Way, Errno> {
        let of_network = || {
            let network = self.addresses.iter().find(|own| {
                own.link != LO
                    && match from {
                        Some(from) => own.address == from,
                        None => ip::is_in(to, own.address, own.prefix_bits),
                    }
            });
            network.map(|own| own.link)
        };
        let default = || {
            let route = self
                .routes
                .iter()
                .find(|route| ip::is_in(to, route.destination, route.prefix_bits));
            route.map(|route| route.link)
        };
        let any = || {
            let own = self
                .addresses
                .iter()
                .find(|own| own.link != LO && own.address.is_ipv4() == to.is_ipv4());
            own.map(|own| own.link)
        };
        let link = link
            .or_else(of_network)
            .or_else(default)
            .or_else(any)
            .ok_or(Errno::ENETUNREACH)?;
        let source = match from {
            Some(from) => from,
            None => self.source(link, to, to).ok_or(Errno::ENETUNREACH)?,
        };
        Ok(Way {
            link,
            next_hop: to,
            source,
            cast: if to.is_multicast() {
                Cast::Multicast
            } else {
                Cast::Broadcast
            },
        })
    }

    /// All routes: those of the addresses, and those that were added.
    pub fn all_routes(&self) -> Vec<Route> {
        let near = self.addresses.iter().map(|own| Route {
            destination: network(own.address, own.prefix_bits),
            prefix_bits: own.prefix_bits,
            gateway: None,
            link: own.link,
            metric: 0,
        });
        near.chain(self.routes.iter().copied()).collect()
    }
}

/// An address with all bits behind the prefix cleared.
pub(crate) fn network(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let host = u32::MAX.checked_shr(u32::from(bits)).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & !host))
        }
        IpAddr::V6(address) => {
            let host = u128::MAX.checked_shr(u32::from(bits)).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !host))
        }
    }
}

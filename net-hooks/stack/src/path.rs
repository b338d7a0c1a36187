//! Ways that take only shorter packets than the link at their beginning (RFC 8201, RFC 1191).

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::ip;
use crate::smol::SmolStack;

/// How long a way is believed to be narrow, as in Linux.
const NARROW_NS: u64 = 600_000_000_000;
/// How many ways are remembered: the oldest one gives way.
const PATHS_MAX: usize = 64;
/// What each way takes: a router that says less is not believed.
const MTU_MIN_V4: usize = 552;
const MTU_MIN_V6: usize = 1280;

struct Path {
    to: IpAddr,
    mtu: usize,
    until_ns: u64,
}

/// The ways that are known to be narrow.
#[derive(Default)]
pub(crate) struct Paths {
    narrow: Vec<Path>,
}

impl Paths {
    /// A router takes no longer packets to this destination.
    fn learn(&mut self, now_ns: u64, to: IpAddr, mtu: usize) {
        self.narrow
            .retain(|path| path.to != to && now_ns < path.until_ns);
        if self.narrow.len() >= PATHS_MAX {
            self.narrow.remove(0);
        }
        if self.narrow.try_reserve(1).is_ok() {
            let until_ns = now_ns + NARROW_NS;
            self.narrow.push(Path { to, mtu, until_ns });
        }
    }

    fn mtu(&self, now_ns: u64, to: IpAddr) -> usize {
        let path = self.narrow.iter().find(|path| path.to == to);
        path.filter(|path| now_ns < path.until_ns)
            .map_or(usize::MAX, |path| path.mtu)
    }
}

impl SmolStack {
    /// The largest packet for a destination over a link.
    pub(crate) fn path_mtu(&self, link: u32, to: IpAddr) -> usize {
        self.mtu(link).min(self.paths.mtu(self.now, to))
    }

    /// A packet to this destination was too long for a router, which takes `mtu` bytes. What fits is
    /// told.
    pub(crate) fn narrow(&mut self, to: IpAddr, mtu: usize) -> usize {
        let least = if to.is_ipv4() { MTU_MIN_V4 } else { MTU_MIN_V6 };
        let mtu = mtu.max(least);
        if mtu < self.paths.mtu(self.now, to) {
            self.paths.learn(self.now, to, mtu);
        }
        mtu - ip::header_bytes(to)
    }
}

//! Whether an address of IPv6 is somebody else's already (RFC 4862, 5.4). It is used meanwhile
//! (RFC 4429): nobody waits a second for what almost never is so.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv6Addr};

use crate::ethernet;
use crate::icmp;
use crate::ip::{self, Head};
use crate::output::solicited_node;
use crate::smol::SmolStack;
use crate::stack::Stack;
use crate::topology::LO;

/// How long an answer is waited for.
const ANSWER_NS: u64 = 1_000_000_000;

/// An address that was given, and is looked for.
struct Trial {
    link: u32,
    address: Ipv6Addr,
    /// Until when; `None`: nobody was asked yet.
    until_ns: Option<u64>,
}

/// The addresses that may be duplicates.
#[derive(Default)]
pub(crate) struct Trials {
    trials: Vec<Trial>,
}

impl Trials {
    /// An address was given to a link.
    pub fn add(&mut self, link: u32, address: IpAddr) {
        if let IpAddr::V6(address) = address
            && link != LO
            && self.trials.try_reserve(1).is_ok()
        {
            self.trials.push(Trial {
                link,
                address,
                until_ns: None,
            });
        }
    }

    pub fn deadline(&self) -> u64 {
        let due = self.trials.iter().map(|trial| trial.until_ns.unwrap_or(0));
        due.min().unwrap_or(u64::MAX)
    }
}

impl SmolStack {
    /// Asks for addresses that are new; those that nobody claimed in time are ours.
    pub(crate) fn run_trials(&mut self) {
        let now = self.now;
        if self.trials.deadline() > now {
            return;
        }
        self.trials
            .trials
            .retain(|trial| trial.until_ns.is_none_or(|until_ns| now < until_ns));
        for index in 0..self.trials.trials.len() {
            let trial = &mut self.trials.trials[index];
            if trial.until_ns.is_none() {
                trial.until_ns = Some(now + ANSWER_NS);
                let (link, address) = (trial.link, trial.address);
                self.ask_for_duplicates(link, address);
            }
        }
    }

    fn ask_for_duplicates(&mut self, link: u32, address: Ipv6Addr) {
        let from = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let group = IpAddr::V6(solicited_node(address));
        let rest: [&[u8]; 2] = [&[0; 4], &address.octets()];
        let mut packet = icmp::message(from, group, icmp::V6_SOLICITATION, 0, &rest);
        let head = Head {
            hop_limit: 255,
            ..Head::new(from, group, ip::ICMPV6)
        };
        ip::write(&mut packet, &head, 0, None);
        self.send_frame(link, ethernet::group_mac(group), group, &mut packet);
    }

    /// Whether an address is new, so that others may have it.
    pub(crate) fn is_on_trial(&self, link: u32, address: IpAddr) -> bool {
        let mut trials = self.trials.trials.iter();
        trials.any(|trial| trial.link == link && IpAddr::V6(trial.address) == address)
    }

    /// Somebody has this address, or wants it as we do: if it is new, it is not ours. Whether so.
    pub(crate) fn is_claimed(&mut self, link: u32, address: Ipv6Addr) -> bool {
        let place = self.trials.trials.iter().position(|trial| {
            trial.link == link && trial.address == address && trial.until_ns.is_some()
        });
        let Some(place) = place else {
            return false;
        };
        self.trials.trials.swap_remove(place);
        // It may have been taken away meanwhile.
        let _ = self.remove_address(link, address.into());
        true
    }
}

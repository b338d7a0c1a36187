//! The queue of errors: messages that did not arrive, and who said so (`MSG_ERRQUEUE`).

use alloc::vec::Vec;

use muslin_abi::flags::*;
use muslin_net_stack::{Failure, Family};

use crate::address;

/// Who tells of an error in `struct sock_extended_err`: ICMP for IPv4, and for IPv6.
const BY_ICMP: u8 = 2;
const BY_ICMP_V6: u8 = 3;

/// The level and type under which a socket is told of a failure, and `struct sock_extended_err` with the address of who told.
pub fn told(failure: &Failure, family: Family) -> (i32, i32, Vec<u8>) {
    let by = if failure.is_v6 { BY_ICMP_V6 } else { BY_ICMP };
    let mut data = Vec::from(failure.errno.raw().to_le_bytes());
    data.extend([by, failure.kind, failure.code, 0]);
    data.extend(failure.info.to_le_bytes());
    data.extend([0; 4]);
    data.extend(address::bytes_of(failure.received.from));
    match family {
        Family::V4 => (IPPROTO_IP, IP_RECVERR, data),
        Family::V6 => (IPPROTO_IPV6, IPV6_RECVERR, data),
    }
}

//! What is special about raw sockets: filters of ICMP among the options.

use muslin::Errno;
use muslin_abi::flags::*;
use muslin_abi::layout::Pod;
use muslin_net_stack::{Family, Kind, Setting};

use crate::socket::Socket;

/// Bytes of `struct icmp6_filter`.
pub const FILTER6_BYTES: usize = 32;
const ICMP: u8 = IPPROTO_ICMP as u8;
const ICMPV6: u8 = IPPROTO_ICMPV6 as u8;

/// Whether a socket hears the messages of ICMP for IPv6.
pub fn is_icmp_v6(socket: &Socket) -> bool {
    (socket.family, socket.kind) == (Family::V6, Kind::Raw(ICMPV6))
}

/// The setting that a filter of messages is, if the option is one. What a program gives is a bit for each kind that it does not
/// want.
///
/// # Errors
/// `EINVAL` too short · `EOPNOTSUPP` for sockets of ICMP alone · `ENOPROTOOPT`.
pub fn blocked(
    socket: &Socket,
    level: i32,
    option: i32,
    value: &[u8],
) -> Result<Option<Setting>, Errno> {
    let mut kinds = [0; 8];
    match (level, option) {
        (SOL_RAW, ICMP_FILTER) if socket.family == Family::V4 => {
            if socket.kind != Kind::Raw(ICMP) {
                return Err(Errno::EOPNOTSUPP);
            }
            // As Linux: kinds that the bits of one word do not tell are let through.
            let mut word = [0; 4];
            let given = value.get(..4.min(value.len())).unwrap_or_default();
            word.iter_mut()
                .zip(given)
                .for_each(|(to, from)| *to = *from);
            kinds[0] = u32::from_le_bytes(word);
        }
        (IPPROTO_ICMPV6, ICMPV6_FILTER) => {
            if value.len() < FILTER6_BYTES {
                return Err(Errno::EINVAL);
            }
            kinds = <[u32; 8]>::from_bytes(value);
        }
        _ => return Ok(None),
    }
    Ok(Some(Setting::BlockKinds(kinds)))
}

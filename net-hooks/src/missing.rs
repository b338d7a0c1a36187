//! What Linux would do and the network cannot: the console says it once, as few programs tell.

use alloc::vec::Vec;

use muslin::Lock;
use muslin_abi::flags::IPPROTO_TCP;

/// What was told, by level and number; sockets of their own kinds have negative levels.
static TOLD: Lock<Vec<(i32, i32)>> = Lock::new(Vec::new());
/// An option of TCP.
const TCP_FASTOPEN_CONNECT: i32 = 30;
/// The level that stands for types of sockets.
const TYPES: i32 = -1;

/// An option that there is not. The resolver of libc tries to send with the first segment (TCP_FASTOPEN_CONNECT)
/// and goes on without: nobody needs to hear of that.
pub fn option(level: i32, option: i32) {
    let is_of_libc = (level, option) == (IPPROTO_TCP, TCP_FASTOPEN_CONNECT);
    if !is_of_libc && is_new(level, option) {
        muslin::print!(
            "muslin: the program asked for option {option} of level {level} of a socket, which the network \
             stack does not have: ENOPROTOOPT"
        );
    }
}

/// Raw sockets that send headers of their own.
pub fn own_headers() {
    if is_new(TYPES, 0) {
        muslin::print!(
            "muslin: the program asked for a raw socket of IPPROTO_RAW, which the network stack does not have: \
             EPROTONOSUPPORT"
        );
    }
}

fn is_new(level: i32, option: i32) -> bool {
    let mut told = TOLD.lock();
    let is_new = !told.contains(&(level, option));
    if is_new {
        told.push((level, option));
    }
    is_new
}

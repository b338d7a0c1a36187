//! What the host's routes say of an address (rtnetlink(7)).

use std::net::IpAddr;

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType, recv, send, socket_with};

use crate::host::FLAGS;

const MESSAGE_ERROR: u16 = 2;
const ROUTE: u16 = 24;
const GET_ROUTE: u16 = 26;
const IS_REQUEST: u16 = 1;
const HEADER_BYTES: usize = 16;
/// The attribute that is the destination.
const DESTINATION: u16 = 1;
/// The kind of a route that leads away from this host, to one other.
const UNICAST: u8 = 1;
const ANSWER_BYTES_MAX: usize = 4096;

/// Whether an address leads to another host. Its own are many: each has a route of its own, but what it
/// would call itself towards one of them may be another of them.
pub(crate) fn is_elsewhere(address: IpAddr) -> Result<bool, Errno> {
    let kind = SocketType::RAW;
    // Without a word more it is the one for routes.
    let socket = socket_with(AddressFamily::NETLINK, kind, FLAGS, None)?;
    send(&socket, &question(address), SendFlags::empty())?;
    let mut answer = [0; ANSWER_BYTES_MAX];
    let (_, len) = recv(&socket, &mut answer[..], RecvFlags::empty())?;
    kind_of(answer.get(..len).unwrap_or_default()).map(|kind| kind == UNICAST)
}

/// The request for the route to an address.
fn question(address: IpAddr) -> Vec<u8> {
    let (family, octets) = match address {
        IpAddr::V4(address) => (AddressFamily::INET, address.octets().to_vec()),
        IpAddr::V6(address) => (AddressFamily::INET6, address.octets().to_vec()),
    };
    // The family, how many bits of the destination are told, and what is not asked for.
    let mut body = vec![family.as_raw() as u8, octets.len() as u8 * 8];
    body.resize(12, 0);
    body.extend((octets.len() as u16 + 4).to_ne_bytes());
    body.extend(DESTINATION.to_ne_bytes());
    body.extend(octets);
    let mut message = ((HEADER_BYTES + body.len()) as u32).to_ne_bytes().to_vec();
    message.extend(GET_ROUTE.to_ne_bytes());
    message.extend(IS_REQUEST.to_ne_bytes());
    message.resize(HEADER_BYTES, 0);
    message.extend(body);
    message
}

/// The kind of the route that an answer tells.
fn kind_of(answer: &[u8]) -> Result<u8, Errno> {
    let kind = answer.get(4..).and_then(|rest| rest.first_chunk());
    let body = answer.get(HEADER_BYTES..).unwrap_or_default();
    match kind.map(|&kind| u16::from_ne_bytes(kind)) {
        Some(ROUTE) => body.get(7).copied().ok_or(Errno::BADMSG),
        Some(MESSAGE_ERROR) => {
            let code = body
                .first_chunk()
                .map_or(0, |&code| i32::from_ne_bytes(code));
            Err(Errno::from_raw_os_error(code.saturating_neg()))
        }
        _ => Err(Errno::BADMSG),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(address: &str) -> Result<bool, Errno> {
        is_elsewhere(address.parse().unwrap_or_else(|_| panic!("{address}")))
    }

    #[test]
    fn all_addresses_of_this_host_are_its_own() {
        // The host calls itself 127.0.0.1 towards each of the first three.
        for own in ["127.0.0.1", "127.0.0.2", "127.9.9.9"] {
            assert_eq!(of(own), Ok(false), "{own}");
        }
        assert_ne!(of("::1"), Ok(true));
    }

    #[test]
    fn others_are_elsewhere_or_out_of_reach() {
        for other in ["192.0.2.1", "2001:db8::1"] {
            assert_ne!(of(other), Ok(false), "{other}");
        }
    }

    #[test]
    fn what_is_no_answer_tells_nothing() {
        let mut answer = question("192.0.2.1".parse().unwrap_or_else(|_| panic!()));
        assert_eq!(kind_of(&answer), Err(Errno::BADMSG));
        assert_eq!(kind_of(&[]), Err(Errno::BADMSG));
        answer[4..6].copy_from_slice(&ROUTE.to_ne_bytes());
        assert_eq!(kind_of(&answer), Ok(0));
        for len in 0..HEADER_BYTES + 8 {
            assert_eq!(kind_of(&answer[..len]), Err(Errno::BADMSG), "{len}");
        }
    }
}

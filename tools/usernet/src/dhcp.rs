//! A server of DHCPv4 (RFC 2131) for one guest: it always leases the same address.

use std::net::{Ipv4Addr, SocketAddr};

use muslin_abi::Errno;
use muslin_net_stack::{Family, Kind, ReceiveHow, SendTo, Setting, SmolStack, SocketId, Stack};

use crate::net::{GATEWAY_V4, GUEST_V4, MTU_BYTES, NAMES_V4, V4_BITS};

const SERVER_PORT: u16 = 67;
const CLIENT_PORT: u16 = 68;
const COOKIE: [u8; 4] = [99, 130, 83, 99];
/// Where the options begin: behind the fixed part and the cookie.
const OPTIONS_AT: usize = 240;
const MESSAGE_BYTES_MAX: usize = 1500;
/// Messages shorter than this are not understood by all.
const MESSAGE_BYTES_MIN: usize = 300;
const LEASE_SECONDS: u32 = 86_400;

const DISCOVER: u8 = 1;
const OFFER: u8 = 2;
const REQUEST: u8 = 3;
const ACK: u8 = 5;
const NAK: u8 = 6;

const OPTION_PAD: u8 = 0;
const OPTION_MASK: u8 = 1;
const OPTION_ROUTER: u8 = 3;
const OPTION_NAMES: u8 = 6;
const OPTION_MTU: u8 = 26;
const OPTION_ADDRESS: u8 = 50;
const OPTION_LEASE: u8 = 51;
const OPTION_KIND: u8 = 53;
const OPTION_SERVER: u8 = 54;
const OPTION_END: u8 = 255;

/// Opens the server's socket.
pub(crate) fn open(stack: &mut SmolStack) -> Result<SocketId, Errno> {
    let socket = stack.socket(Family::V4, Kind::Datagram)?;
    stack.set(socket, Setting::Broadcast(true))?;
    stack.bind(socket, (Ipv4Addr::UNSPECIFIED, SERVER_PORT).into())?;
    Ok(socket)
}

/// Answers what has come.
pub(crate) fn serve(stack: &mut SmolStack, socket: SocketId, link: u32) {
    let mut message = [0; MESSAGE_BYTES_MAX];
    while let Ok(got) = stack.receive(socket, &mut [&mut message], ReceiveHow::default()) {
        let Some(answer) = answer(&message[..got.bytes]) else {
            continue;
        };
        // To everybody: who asks has no address yet.
        let to = SendTo {
            to: Some(SocketAddr::from((Ipv4Addr::BROADCAST, CLIENT_PORT))),
            from: Some(GATEWAY_V4.into()),
            link,
            ..SendTo::default()
        };
        // Who hears no answer asks again.
        let _ = stack.send(socket, &[&answer], &to, false);
    }
}

/// The answer to a message, if it wants one.
fn answer(message: &[u8]) -> Option<Vec<u8>> {
    let (head, options) = message.split_at_checked(OPTIONS_AT)?;
    let is_question = head.first()? == &1 && head.get(236..)? == COOKIE;
    if !is_question {
        return None;
    }
    let address = |kind| {
        option(options, kind)?
            .try_into()
            .ok()
            .map(|it: [u8; 4]| it.into())
    };
    let is_for_us = address(OPTION_SERVER).is_none_or(|server: Ipv4Addr| server == GATEWAY_V4);
    let kind = match *option(options, OPTION_KIND)? {
        [DISCOVER] => OFFER,
        [REQUEST] if is_for_us => {
            let has = Ipv4Addr::from(*head.get(12..)?.first_chunk::<4>()?);
            match address(OPTION_ADDRESS).unwrap_or(has) {
                GUEST_V4 => ACK,
                _ => NAK,
            }
        }
        _ => return None,
    };
    let mut answer = vec![2];
    // The kind of hardware, the transaction, and flags as they are in the question.
    answer.extend(head.get(1..12)?);
    answer.extend([0; 4]);
    let (leased, server) = match kind {
        NAK => (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED),
        _ => (GUEST_V4, GATEWAY_V4),
    };
    answer.extend(leased.octets());
    answer.extend(server.octets());
    // No relay; the client's hardware address; no names of servers and files.
    answer.extend([0; 4]);
    answer.extend(head.get(28..44)?);
    answer.resize(OPTIONS_AT - COOKIE.len(), 0);
    answer.extend(COOKIE);
    let mut option = |kind: u8, value: &[u8]| {
        answer.extend([kind, value.len() as u8]);
        answer.extend(value);
    };
    option(OPTION_KIND, &[kind]);
    option(OPTION_SERVER, &GATEWAY_V4.octets());
    if kind != NAK {
        let mask = u32::MAX << (32 - V4_BITS);
        option(OPTION_LEASE, &LEASE_SECONDS.to_be_bytes());
        option(OPTION_MASK, &mask.to_be_bytes());
        option(OPTION_ROUTER, &GATEWAY_V4.octets());
        option(OPTION_NAMES, &NAMES_V4.octets());
        option(OPTION_MTU, &MTU_BYTES.to_be_bytes());
    }
    answer.push(OPTION_END);
    answer.resize(answer.len().max(MESSAGE_BYTES_MIN), OPTION_PAD);
    Some(answer)
}

/// The value of an option.
fn option(mut options: &[u8], wanted: u8) -> Option<&[u8]> {
    loop {
        match *options {
            [OPTION_PAD, ref rest @ ..] => options = rest,
            [OPTION_END, ..] | [] | [_] => return None,
            [kind, len, ref rest @ ..] => {
                let (value, behind) = rest.split_at_checked(usize::from(len))?;
                if kind == wanted {
                    return Some(value);
                }
                options = behind;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(options: &[u8]) -> Vec<u8> {
        let mut message = vec![1, 1, 6, 0, 1, 2, 3, 4];
        message.resize(28, 0);
        message.extend([2, 0, 0, 0, 0, 9]);
        message.resize(236, 0);
        message.extend(COOKIE);
        message.extend(options);
        message
    }

    fn kind(options: &[u8]) -> Option<u8> {
        let answer = answer(&question(options))?;
        assert_eq!((answer[0], &answer[4..8]), (2, &[1, 2, 3, 4][..]));
        option(&answer[OPTIONS_AT..], OPTION_KIND).map(|value| value[0])
    }

    #[test]
    fn there_is_one_address() {
        assert_eq!(kind(&[53, 1, DISCOVER, 255]), Some(OFFER));
        assert_eq!(
            kind(&[0, 53, 1, REQUEST, 50, 4, 10, 0, 2, 15, 255]),
            Some(ACK)
        );
        assert_eq!(kind(&[53, 1, REQUEST, 50, 4, 10, 0, 2, 16, 255]), Some(NAK));
        assert_eq!(kind(&[53, 1, REQUEST, 54, 4, 10, 0, 2, 9, 255]), None);
    }

    #[test]
    fn what_is_no_question_is_not_answered() {
        for options in [
            &[][..],
            &[255],
            &[53],
            &[53, 9, 1],
            &[53, 1, 7, 255],
            &[53, 0, 255],
        ] {
            assert_eq!(kind(options), None, "{options:?}");
        }
        let whole = question(&[53, 1, DISCOVER, 255]);
        for len in 0..whole.len() - 1 {
            assert_eq!(answer(&whole[..len]), None, "{len}");
        }
    }
}

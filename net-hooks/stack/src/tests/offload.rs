//! A link that leaves work to the other side: what it is told suffices to finish what was begun.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::sync::atomic::{AtomicUsize, Ordering};

use muslin_abi::Errno;

use super::cable::End;
use super::world::{A, World, byte_at, receive, send};
use crate::checksum;
use crate::link::Link;
use crate::network::{Address, AddressSource};
use crate::offload::FRONT_BYTES;
use crate::smol::SmolStack;
use crate::stack::{Shutdown, Stack};

/// Where IPv4 begins in a frame, and TCP behind it.
const IP_AT: usize = 14;
const TCP_AT: usize = 34;

/// What Linux does with the frames of a TAP: it cuts them and sums them up as they say.
struct Kernel {
    end: Box<End>,
    /// The longest frame that was given.
    longest: Arc<AtomicUsize>,
}

impl Kernel {
    /// One frame, with its checksums, to the wire.
    fn finish(&mut self, mut frame: Vec<u8>) -> Result<(), Errno> {
        let ip_len = (frame.len() - IP_AT) as u16;
        frame[IP_AT + 2..IP_AT + 4].copy_from_slice(&ip_len.to_be_bytes());
        frame[IP_AT + 10..IP_AT + 12].fill(0);
        let sum = checksum::of(&frame[IP_AT..TCP_AT]);
        frame[IP_AT + 10..IP_AT + 12].copy_from_slice(&sum.to_be_bytes());
        let address = |at: usize| IpAddr::from(<[u8; 4]>::try_from(&frame[at..at + 4]).unwrap());
        let (from, to) = (address(IP_AT + 12), address(IP_AT + 16));
        frame[TCP_AT + 16..TCP_AT + 18].fill(0);
        let sum = checksum::of_transport(from, to, 6, &frame[TCP_AT..]);
        frame[TCP_AT + 16..TCP_AT + 18].copy_from_slice(&sum.to_be_bytes());
        self.end.send(&frame)
    }
}

impl Link for Kernel {
    fn name(&self) -> &str {
        self.end.name()
    }

    fn mac(&self) -> [u8; 6] {
        self.end.mac()
    }

    fn mtu_bytes(&self) -> u16 {
        self.end.mtu_bytes()
    }

    fn has_offload(&self) -> bool {
        true
    }

    fn receive(&mut self, frame: &mut [u8]) -> Result<usize, Errno> {
        let (front, rest) = frame.split_at_mut(FRONT_BYTES);
        let len = self.end.receive(rest)?;
        front.fill(0);
        if rest[IP_AT + 9] == 6 {
            // Nobody has summed it up yet.
            front[0] = 1;
            rest[TCP_AT + 16..TCP_AT + 18].copy_from_slice(&[1, 2]);
        }
        Ok(FRONT_BYTES + len)
    }

    fn send(&mut self, frame: &[u8]) -> Result<(), Errno> {
        let (front, frame) = frame.split_at(FRONT_BYTES);
        let half = |at: usize| usize::from(u16::from_le_bytes([front[at], front[at + 1]]));
        if front[0] == 0 {
            assert!(frame.len() <= 1514);
            return self.end.send(frame);
        }
        assert_eq!((half(6), half(8)), (TCP_AT, 16));
        let left = checksum::left_of_transport(A, super::world::B, 6, frame.len() - TCP_AT);
        assert_eq!(frame[TCP_AT + 16..TCP_AT + 18], left.to_be_bytes());
        self.longest.fetch_max(frame.len(), Ordering::Relaxed);
        if front[1] == 0 {
            assert!(frame.len() <= 1514);
            return self.finish(frame.to_vec());
        }
        assert_eq!(front[1], 1);
        let (headers, data) = frame.split_at(half(2));
        let mut seq = u32::from_be_bytes(headers[TCP_AT + 4..TCP_AT + 8].try_into().unwrap());
        for (index, piece) in data.chunks(half(4)).enumerate() {
            let mut cut = [headers, piece].concat();
            cut[TCP_AT + 4..TCP_AT + 8].copy_from_slice(&seq.to_be_bytes());
            if (index + 1) * half(4) < data.len() {
                // Neither the end nor "read at once" comes before the last.
                cut[TCP_AT + 13] &= !9;
            }
            seq = seq.wrapping_add(piece.len() as u32);
            self.finish(cut)?;
        }
        Ok(())
    }
}

#[test]
fn long_segments_are_cut_and_summed_up_by_who_takes_them() {
    const TOTAL: usize = 700_000;
    let mut world = World::new(11);
    let longest = Arc::new(AtomicUsize::new(0));
    let kernel = Kernel {
        end: End::new(&world.cable, 0, 1500),
        longest: longest.clone(),
    };
    let mut stack = SmolStack::new([3; 16]);
    let link = stack.add_link(Box::new(kernel));
    let address = Address {
        link,
        address: A,
        prefix_bits: 24,
        source: AddressSource::Static,
    };
    stack.add_address(address).unwrap();
    world.hosts[0] = stack;
    let listener = world.listen(80, 5);
    let (client, server) = world.connect(listener);
    let bytes: Vec<u8> = (0..TOTAL).map(|place| byte_at(7, place)).collect();
    let (mut sent, mut arrived, mut is_over) = (0, Vec::new(), false);
    world.until("all arrived", |hosts| {
        while sent < TOTAL {
            match send(&mut hosts[0], client, &bytes[sent..]) {
                Ok(len) => sent += len,
                Err(errno) => {
                    assert_eq!(errno, Errno::EAGAIN);
                    break;
                }
            }
            if sent == TOTAL {
                hosts[0].shutdown(client, Shutdown::Write).unwrap();
            }
        }
        while let Ok(bytes) = receive(&mut hosts[1], server) {
            arrived.extend_from_slice(&bytes);
            is_over = bytes.is_empty();
            if is_over {
                break;
            }
        }
        is_over
    });
    assert!(arrived == bytes);
    let longest = longest.load(Ordering::Relaxed);
    assert!(longest > 30_000, "the longest frame had {longest} bytes");
}

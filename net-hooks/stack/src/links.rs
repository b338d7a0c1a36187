//! The links: devices with a queue before them, and the loopback.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::string::String;
use alloc::vec::Vec;
use core::ops::Range;

use muslin_abi::Errno;

use crate::dhcp::Dhcp;
use crate::ethernet::{HEADER_BYTES, Mac};
use crate::link::Link;
use crate::network::{Automatic, Traffic};
use crate::offload;
use crate::packet::Packet;
use crate::slaac::Slaac;

/// The largest IP packet on the loopback.
pub(crate) const LO_MTU: usize = 65_535;
/// How many frames wait for a device before what can wait no longer adds to them.
const QUEUE_FULL: usize = 64;
/// How many frames wait for a device at all.
const QUEUE_MAX: usize = 256;

/// A link to the outside.
pub(crate) struct Port {
    device: Box<dyn Link + Send>,
    pub name: String,
    pub mac: Mac,
    pub mtu: usize,
    /// Frames have something in front: see [`offload`].
    pub has_offload: bool,
    /// The device is not there any more, and never will be.
    pub is_gone: bool,
    queue: VecDeque<Vec<u8>>,
    pub traffic: Traffic,
    pub automatic: Automatic,
    pub dhcp: Dhcp,
    pub slaac: Slaac,
}

impl Port {
    pub fn new(device: Box<dyn Link + Send>) -> Self {
        Self {
            name: device.name().into(),
            mac: device.mac(),
            mtu: usize::from(device.mtu_bytes().max(68)),
            has_offload: device.has_offload(),
            is_gone: false,
            queue: VecDeque::new(),
            traffic: Traffic::default(),
            automatic: Automatic::default(),
            dhcp: Dhcp::default(),
            slaac: Slaac::default(),
            device,
        }
    }

    /// How long a frame may be, with what is in front.
    pub fn frame_bytes(&self) -> usize {
        if self.has_offload {
            offload::FRAME_BYTES_MAX
        } else {
            self.mtu + HEADER_BYTES
        }
    }

    /// Takes the next frame; where it is in the buffer.
    pub fn receive(&mut self, frame: &mut [u8]) -> Option<Range<usize>> {
        let len = match self.device.receive(frame) {
            Ok(len) => len.min(frame.len()),
            Err(Errno::EAGAIN) => return None,
            Err(errno) => {
                self.traffic.received_errors += 1;
                self.is_gone |= errno == Errno::ENODEV;
                return None;
            }
        };
        let start = if self.has_offload {
            offload::FRONT_BYTES.min(len)
        } else {
            0
        };
        self.traffic.received_frames += 1;
        self.traffic.received_bytes += (len - start) as u64;
        Some(start..len)
    }

    /// Sends a frame, or keeps it until the device takes it.
    pub fn send(&mut self, packet: &mut Packet) {
        if packet.cut_bytes.is_none() && packet.len() > self.mtu + HEADER_BYTES {
            self.traffic.sent_errors += 1;
            return;
        }
        if self.has_offload {
            offload::write(packet);
        }
        let frame = packet.bytes();
        if self.queue.is_empty() {
            match self.device.send(frame) {
                Ok(()) => return self.count_sent(frame.len()),
                Err(Errno::EAGAIN) => {}
                Err(errno) => {
                    self.traffic.sent_errors += 1;
                    self.is_gone |= errno == Errno::ENODEV;
                    return;
                }
            }
        }
        if self.queue.len() >= QUEUE_MAX {
            self.traffic.sent_drops += 1;
            return;
        }
        let mut copy = Vec::new();
        if copy.try_reserve_exact(frame.len()).is_err() || self.queue.try_reserve(1).is_err() {
            self.traffic.sent_drops += 1;
            return;
        }
        copy.extend_from_slice(frame);
        self.queue.push_back(copy);
    }

    /// Offers the device what waits.
    pub fn flush(&mut self) {
        while let Some(frame) = self.queue.front() {
            match self.device.send(frame) {
                Ok(()) => {
                    let len = frame.len();
                    self.count_sent(len);
                }
                Err(Errno::EAGAIN) => return,
                Err(errno) => {
                    self.traffic.sent_errors += 1;
                    self.is_gone |= errno == Errno::ENODEV;
                }
            }
            self.queue.pop_front();
        }
    }

    fn count_sent(&mut self, len: usize) {
        self.traffic.sent_frames += 1;
        self.traffic.sent_bytes += len as u64;
    }

    pub fn has_room(&self) -> bool {
        self.queue.len() < QUEUE_FULL
    }

    pub fn is_waiting(&self) -> bool {
        !self.queue.is_empty()
    }
}

/// The link that ends in this stack.
#[derive(Default)]
pub(crate) struct Loopback {
    queue: VecDeque<Packet>,
    pub traffic: Traffic,
}

impl Loopback {
    pub fn push(&mut self, packet: Packet) {
        let traffic = &mut self.traffic;
        if self.queue.len() >= QUEUE_MAX || self.queue.try_reserve(1).is_err() {
            traffic.sent_drops += 1;
            return;
        }
        let len = packet.len() as u64;
        traffic.sent_frames += 1;
        traffic.sent_bytes += len;
        traffic.received_frames += 1;
        traffic.received_bytes += len;
        self.queue.push_back(packet);
    }

    pub fn pop(&mut self) -> Option<Packet> {
        self.queue.pop_front()
    }

    pub fn has_room(&self) -> bool {
        self.queue.len() < QUEUE_FULL
    }

    pub fn is_waiting(&self) -> bool {
        !self.queue.is_empty()
    }
}

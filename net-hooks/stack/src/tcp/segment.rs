//! TCP headers: read and written.

use super::Flow;
use super::flight::Range;
use crate::packet::Packet;

pub(crate) const FIN: u8 = 0x01;
pub(crate) const SYN: u8 = 0x02;
pub(crate) const RST: u8 = 0x04;
pub(crate) const PSH: u8 = 0x08;
pub(crate) const ACK: u8 = 0x10;

/// A header without options.
pub(crate) const HEADER_BYTES: usize = 20;

/// The largest segment of a peer that names none (RFC 9293).
const MSS_DEFAULT: u16 = 536;
/// The smallest one that is believed, as in Linux.
const MSS_MIN: u16 = 48;

/// How many ranges of what arrived an acknowledgement can tell (RFC 2018), and beside a timestamp.
pub(crate) const RANGES_MAX: usize = 4;
pub(crate) const RANGES_BESIDE_STAMP: usize = 3;

/// What both sides of a connection offer when it begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Offer {
    /// The largest segment.
    pub mss: u16,
    /// How far windows are shifted; `None`: they are not.
    pub shift: Option<u8>,
    /// Selective acknowledgements.
    pub sack: bool,
    /// Timestamps (RFC 7323): the first one.
    pub stamp: Option<Stamp>,
}

/// A timestamp, and the one of the other side that it echoes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Stamp {
    pub value: u32,
    pub echo: u32,
}

/// How many bytes a timestamp takes in each segment.
pub(crate) const STAMP_BYTES: usize = 12;

impl Stamp {
    fn read(bytes: &[u8]) -> Option<Self> {
        let value = u32::from_be_bytes(*bytes.first_chunk()?);
        let echo = u32::from_be_bytes(*bytes.get(4..)?.first_chunk()?);
        Some(Self { value, echo })
    }

    /// The option, with what fills it up to whole words.
    fn bytes(self) -> [u8; STAMP_BYTES] {
        let mut bytes = [1, 1, 8, 10, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes[4..8].copy_from_slice(&self.value.to_be_bytes());
        bytes[8..].copy_from_slice(&self.echo.to_be_bytes());
        bytes
    }

    /// Puts it into a segment, behind the header and before other options.
    pub fn put(self, packet: &mut Packet) {
        packet.prepend(STAMP_BYTES);
        let mut header = [0; HEADER_BYTES];
        let bytes = packet.bytes_mut();
        header.copy_from_slice(&bytes[STAMP_BYTES..STAMP_BYTES + HEADER_BYTES]);
        header[12] += ((STAMP_BYTES / 4) << 4) as u8;
        bytes[..HEADER_BYTES].copy_from_slice(&header);
        bytes[HEADER_BYTES..HEADER_BYTES + STAMP_BYTES].copy_from_slice(&self.bytes());
    }
}

/// A header that was read. The segment begins at `at` of its frame, its data at `data_at`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub from_port: u16,
    pub to_port: u16,
    pub seq: u32,
    pub ack: u32,
    pub flags: u8,
    pub window: u16,
    pub at: usize,
    pub data_at: usize,
    pub end: usize,
}

impl Segment {
    /// Reads the header at `at`.
    pub fn parse(frame: &[u8], at: usize, end: usize) -> Option<Self> {
        let header = frame.get(at..end)?.first_chunk::<HEADER_BYTES>()?;
        let half = |at: usize| u16::from_be_bytes([header[at], header[at + 1]]);
        let word = |at: usize| u32::from(half(at)) << 16 | u32::from(half(at + 2));
        let data_at = at + usize::from(header[12] >> 4) * 4;
        let flags = header[13] & 0x3f;
        let is_nonsense = flags & SYN != 0 && flags & (FIN | RST) != 0;
        if data_at < at + HEADER_BYTES
            || data_at > end
            || is_nonsense
            || half(0) == 0
            || half(2) == 0
        {
            return None;
        }
        Some(Self {
            from_port: half(0),
            to_port: half(2),
            seq: word(4),
            ack: word(8),
            flags,
            window: half(14),
            at,
            data_at,
            end,
        })
    }

    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// How many bytes of data it has.
    pub fn data_len(&self) -> u32 {
        (self.end - self.data_at) as u32
    }

    /// How many sequence numbers it takes.
    pub fn sequence_len(&self) -> u32 {
        self.data_len() + u32::from(self.has(SYN)) + u32::from(self.has(FIN))
    }

    /// The content of an option, if the segment has it.
    fn option<'a>(&self, frame: &'a [u8], kind: u8) -> Option<&'a [u8]> {
        let mut options = &frame[self.at + HEADER_BYTES..self.data_at];
        loop {
            options = match *options {
                [] | [0, ..] => return None,
                [1, ref rest @ ..] => rest,
                [this, len, ..] if len >= 2 && usize::from(len) <= options.len() => {
                    let (option, rest) = options.split_at(usize::from(len));
                    if this == kind {
                        return Some(&option[2..]);
                    }
                    rest
                }
                _ => return None,
            };
        }
    }

    /// Its timestamp.
    pub fn stamp(&self, frame: &[u8]) -> Option<Stamp> {
        Stamp::read(self.option(frame, 8)?)
    }

    /// Finds the ranges that arrived behind a hole. How many there are.
    pub fn sack_ranges(&self, frame: &[u8], ranges: &mut [Range; RANGES_MAX]) -> usize {
        let Some(option) = self.option(frame, 5) else {
            return 0;
        };
        let pairs = option.chunks_exact(8);
        let count = pairs.len().min(RANGES_MAX);
        for (range, pair) in ranges.iter_mut().zip(pairs) {
            let word = |bytes: &[u8]| {
                bytes
                    .iter()
                    .fold(0, |word, &byte| word << 8 | u32::from(byte))
            };
            *range = (word(&pair[..4]), word(&pair[4..]));
        }
        count
    }

    /// Writes such ranges as the only option of a segment without data.
    pub fn put_sack_ranges(packet: &mut Packet, ranges: &[Range]) {
        let mut header = [0; HEADER_BYTES];
        header.copy_from_slice(&packet.bytes()[..HEADER_BYTES]);
        let len = HEADER_BYTES + 4 + 8 * ranges.len();
        header[12] = ((len / 4) << 4) as u8;
        packet.reset(len);
        let (front, options) = packet.bytes_mut().split_at_mut(HEADER_BYTES);
        front.copy_from_slice(&header);
        let (front, pairs) = options.split_at_mut(4);
        front.copy_from_slice(&[1, 1, 5, 2 + 8 * ranges.len() as u8]);
        for (pair, &(start, end)) in pairs.chunks_exact_mut(8).zip(ranges) {
            pair[..4].copy_from_slice(&start.to_be_bytes());
            pair[4..].copy_from_slice(&end.to_be_bytes());
        }
    }

    /// What the peer offers. Of a segment with SYN.
    pub fn offer(&self, frame: &[u8]) -> Offer {
        let mss = self
            .option(frame, 2)
            .and_then(|option| option.first_chunk());
        let mss = mss.map_or(0, |&mss| u16::from_be_bytes(mss));
        let shift = self.option(frame, 3).and_then(|option| option.first());
        Offer {
            mss: if mss == 0 {
                MSS_DEFAULT
            } else {
                mss.max(MSS_MIN)
            },
            shift: shift.map(|&shift| shift.min(14)),
            sack: self.option(frame, 4).is_some(),
            stamp: self.stamp(frame),
        }
    }
}

/// A segment to write that has no data.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bare {
    pub from_port: u16,
    pub to_port: u16,
    pub seq: u32,
    pub ack: u32,
    pub flags: u8,
    pub window: u16,
    /// What we offer, with SYN.
    pub offer: Option<Offer>,
}

impl Bare {
    /// Of a flow, without an offer.
    pub fn of(flow: &Flow, seq: u32, ack: u32, flags: u8, window: u16) -> Self {
        Self {
            from_port: flow.local_port,
            to_port: flow.peer_port,
            seq,
            ack,
            flags,
            window,
            offer: None,
        }
    }

    /// Writes it, without a checksum.
    pub fn write(&self, packet: &mut Packet) {
        let mut options = [0u8; 12 + STAMP_BYTES];
        let mut len = 0;
        let mut put = |option: &[u8]| {
            options[len..len + option.len()].copy_from_slice(option);
            len += option.len();
        };
        if let Some(offer) = self.offer {
            let [high, low] = offer.mss.to_be_bytes();
            put(&[2, 4, high, low]);
            if offer.sack {
                put(&[1, 1, 4, 2]);
            }
            if let Some(stamp) = offer.stamp {
                put(&stamp.bytes());
            }
            if let Some(shift) = offer.shift {
                put(&[1, 3, 3, shift]);
            }
        }
        packet.reset(HEADER_BYTES + len);
        let bytes = packet.bytes_mut();
        bytes[0..2].copy_from_slice(&self.from_port.to_be_bytes());
        bytes[2..4].copy_from_slice(&self.to_port.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.seq.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.ack.to_be_bytes());
        bytes[12] = (((HEADER_BYTES + len) / 4) << 4) as u8;
        bytes[13] = self.flags;
        bytes[14..16].copy_from_slice(&self.window.to_be_bytes());
        bytes[16..20].fill(0);
        bytes[20..].copy_from_slice(&options[..len]);
    }
}

/// Whether sequence number `a` comes before `b`.
pub(crate) fn is_before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}

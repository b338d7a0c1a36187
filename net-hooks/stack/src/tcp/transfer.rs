//! What moves the bytes of one connection: a TCP socket of smoltcp, in a set of its own.
//!
//! smoltcp sees one host that talks to one other over IPv4, and nothing of the world. A connection
//! is opened and known before it gets here; its socket is brought to that point by a handshake
//! that nobody else sees ([`Transfer::start`]). So
//!
//! - a packet costs the same however many connections there are;
//! - initial sequence numbers are ours: the socket's are shifted;
//! - a connection can move to a socket with larger buffers while it has nothing to send or to read;
//! - IPv6, checksums, routes and neighbours are not its matter;
//! - nothing is ever lost: each answer shows it all that it sent as acknowledged, and what is sent
//!   again, and when, is the matter of [`super::flight`]. How much it may send is told to it as the
//!   peer's window.
//!
//! Its clock runs a thousand times as slowly as the world's: its timers are not ours, but for the
//! delay of acknowledgements.

use alloc::vec::Vec;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet};
use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{self, CongestionControl};
use smoltcp::time::{Duration, Instant};
use smoltcp::wire::{HardwareAddress, IpCidr, Ipv4Address};

use super::segment::{ACK, Bare, Offer, SYN, Segment};
use crate::offload::SEGMENT_DATA_MAX;
use crate::packet::Packet;
use crate::topology::LO;

pub(crate) use smoltcp::socket::tcp::State;

/// Nanoseconds of the world in a microsecond of smoltcp.
const NS_PER_MICROSECOND: u64 = 1_000_000;
/// Where its clock begins: what it does may lie before the world's beginning.
const BEGIN_MICROSECONDS: i64 = 1_000_000_000;
/// How long an acknowledgement waits for data to travel with: 10 ms of the world.
const ACK_DELAY: Duration = Duration::from_micros(10);

/// The one host of smoltcp, and the other one.
const HERE: [u8; 4] = [10, 0, 0, 1];
const THERE: [u8; 4] = [10, 0, 0, 2];
const IP_BYTES: usize = 20;

/// The part of smoltcp that all connections share: it holds no state of any.
pub(crate) struct Engine {
    interface: Interface,
    /// The links on which long segments are cut later.
    pub cutting_links: Vec<u32>,
}

impl Engine {
    pub fn new(seed: u64) -> Self {
        let mut config = Config::new(HardwareAddress::Ip);
        config.random_seed = seed;
        let mut nothing = Packet::default();
        let mut wire = Wire::new(None, &mut nothing);
        let mut interface = Interface::new(config, &mut wire, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            // The first of the room for two.
            let _ = addresses.push(IpCidr::new(Ipv4Address::from(HERE).into(), 24));
        });
        Self {
            interface,
            cutting_links: Vec::new(),
        }
    }
}

impl Engine {
    /// Whether long segments are cut behind a link.
    pub fn cuts(&self, link: u32) -> bool {
        self.cutting_links.contains(&link)
    }
}

/// The device that smoltcp sees: at most one packet in, and one out.
struct Wire<'a> {
    inbound: Option<&'a [u8]>,
    out: &'a mut Packet,
    is_sent: bool,
}

impl<'a> Wire<'a> {
    fn new(inbound: Option<&'a [u8]>, out: &'a mut Packet) -> Self {
        Self {
            inbound,
            out,
            is_sent: false,
        }
    }
}

struct Inbound<'a>(&'a [u8]);

impl RxToken for Inbound<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

struct Outbound<'a> {
    out: &'a mut Packet,
    is_sent: &'a mut bool,
}

impl TxToken for Outbound<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        self.out.reset(len);
        *self.is_sent = true;
        f(self.out.bytes_mut())
    }
}

impl Device for Wire<'_> {
    type RxToken<'b>
        = Inbound<'b>
    where
        Self: 'b;
    type TxToken<'b>
        = Outbound<'b>
    where
        Self: 'b;

    fn receive(&mut self, _: Instant) -> Option<(Inbound<'_>, Outbound<'_>)> {
        let inbound = self.inbound.take()?;
        let outbound = Outbound {
            out: self.out,
            is_sent: &mut self.is_sent,
        };
        Some((Inbound(inbound), outbound))
    }

    fn transmit(&mut self, _: Instant) -> Option<Outbound<'_>> {
        (!self.is_sent).then_some(Outbound {
            out: self.out,
            is_sent: &mut self.is_sent,
        })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ip;
        // What limits a segment is what the peer is said to take.
        capabilities.max_transmission_unit = 65_535;
        capabilities.checksum = ChecksumCapabilities::ignored();
        capabilities
    }
}

/// Where a connection is when its bytes begin to move.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    pub local_port: u16,
    pub peer_port: u16,
    /// The number of the next byte that we send.
    pub send_next: u32,
    /// The number of the next byte that the peer sends.
    pub receive_next: u32,
    pub peer: Offer,
    pub receive_bytes: usize,
    pub send_bytes: usize,
    /// The link it goes over. On the loopback acknowledgements do not wait for data to travel with.
    pub over: u32,
}

/// What a socket sees in a segment, instead of what the peer acknowledged and named as its window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    pub ack: u32,
    pub window: u16,
    /// The segment lies within what the peer may send: then the socket does look.
    pub is_within: bool,
}

/// The bytes of one connection.
pub(crate) struct Transfer {
    set: SocketSet<'static>,
    handle: SocketHandle,
    /// From the socket's sequence numbers to the connection's.
    shift_seq: u32,
    /// How far the socket shifts the windows it names.
    window_shift: u8,
    /// Up to where it was told that it may send.
    shown_end: u32,
    /// Up to where it told the peer that it may send.
    told_end: u32,
}

/// A buffer, if there is memory for it.
fn buffer(bytes: usize) -> Option<Vec<u8>> {
    let mut buffer = Vec::new();
    buffer.try_reserve_exact(bytes).ok()?;
    buffer.resize(bytes, 0);
    Some(buffer)
}

fn instant(now_ns: u64) -> Instant {
    Instant::from_micros((now_ns / NS_PER_MICROSECOND) as i64 + BEGIN_MICROSECONDS)
}

fn nanoseconds(at: Instant) -> u64 {
    let micros = at.total_micros().saturating_sub(BEGIN_MICROSECONDS);
    // Up: nothing is due before its time.
    (micros.max(0) as u64 + 1) * NS_PER_MICROSECOND
}

/// Puts the header that smoltcp wants to see into the bytes before a segment.
fn dress(header: &mut [u8], segment_len: usize) {
    header.fill(0);
    header[0] = 0x45;
    header[2..4].copy_from_slice(&((segment_len + IP_BYTES) as u16).to_be_bytes());
    header[8] = 64;
    header[9] = crate::ip::TCP;
    header[12..16].copy_from_slice(&THERE);
    header[16..20].copy_from_slice(&HERE);
}

impl Transfer {
    /// Begins at a point of a connection. Afterwards `out` is a segment that tells the peer our
    /// window. `None`: there is no memory, or smoltcp did not go along.
    pub fn start(
        engine: &mut Engine,
        now_ns: u64,
        start: &Start,
        out: &mut Packet,
    ) -> Option<Self> {
        let mut socket = tcp::Socket::new(
            tcp::SocketBuffer::new(buffer(start.receive_bytes)?),
            tcp::SocketBuffer::new(buffer(start.send_bytes)?),
        );
        socket.set_congestion_control(CongestionControl::None);
        socket.set_nagle_enabled(false);
        socket.set_ack_delay((start.over != LO).then_some(ACK_DELAY));
        socket.listen(start.local_port).ok()?;
        let mut set = SocketSet::new(Vec::with_capacity(1));
        let handle = set.add(socket);
        // What a peer takes says nothing about what is cut before it gets there. What came is acknowledged by
        // our own count then.
        let mss = if engine.cuts(start.over) {
            SEGMENT_DATA_MAX
        } else {
            start.peer.mss
        };
        let bits = usize::BITS - start.receive_bytes.leading_zeros();
        let mut transfer = Self {
            set,
            handle,
            shift_seq: 0,
            window_shift: bits.saturating_sub(16) as u8,
            shown_end: start.send_next,
            told_end: start.receive_next,
        };
        let mut segment = Bare {
            from_port: start.peer_port,
            to_port: start.local_port,
            seq: start.receive_next.wrapping_sub(1),
            ack: 0,
            flags: SYN,
            window: 0,
            offer: Some(Offer {
                // Always: what is really shifted is our matter.
                shift: Some(0),
                stamp: None,
                mss,
                ..start.peer
            }),
        };
        let now = instant(now_ns);
        transfer.play(engine, now, &segment, b"", out);
        if !transfer.run(engine, now, None, out) {
            return None;
        }
        let answer = Segment::parse(out.bytes(), IP_BYTES, out.len())?;
        transfer.shift_seq = start.send_next.wrapping_sub(answer.seq.wrapping_add(1));
        segment = Bare {
            seq: start.receive_next,
            ack: answer.seq.wrapping_add(1),
            flags: ACK,
            offer: None,
            ..segment
        };
        transfer.play(engine, now, &segment, b"", out);
        let (seq, ack) = (start.receive_next, start.send_next);
        transfer
            .acknowledge(engine, now_ns, seq, ack, out)
            .then_some(transfer)
    }

    fn socket(&self) -> &tcp::Socket<'static> {
        self.set.get(self.handle)
    }

    fn socket_mut(&mut self) -> &mut tcp::Socket<'static> {
        self.set.get_mut(self.handle)
    }

    /// Gives the socket a segment that was made up.
    fn play(
        &mut self,
        engine: &mut Engine,
        at: Instant,
        segment: &Bare,
        data: &[u8],
        out: &mut Packet,
    ) -> bool {
        let mut packet = Packet::default();
        segment.write(&mut packet);
        packet.append(data);
        let len = packet.len();
        dress(packet.prepend(IP_BYTES), len);
        self.run(engine, at, Some(packet.bytes()), out)
    }

    /// Gives the socket a packet, or lets it send one. Whether there is one in `out` now.
    fn run(
        &mut self,
        engine: &mut Engine,
        at: Instant,
        inbound: Option<&[u8]>,
        out: &mut Packet,
    ) -> bool {
        let is_inbound = inbound.is_some();
        let mut wire = Wire::new(inbound, out);
        if is_inbound {
            engine
                .interface
                .poll_ingress_single(at, &mut wire, &mut self.set);
        } else {
            engine.interface.poll_egress(at, &mut wire, &mut self.set);
        }
        wire.is_sent
    }

    /// From the socket's packet to the connection's segment; its window is unshifted and stays in
    /// the field as far as it fits.
    fn translate(&mut self, out: &mut Packet) {
        out.drop_front(IP_BYTES);
        let Some(segment) = Segment::parse(out.bytes(), 0, out.len()) else {
            return;
        };
        let window = u32::from(segment.window) << self.window_shift;
        self.told_end = segment.ack.wrapping_add(window);
        let seq = segment.seq.wrapping_add(self.shift_seq);
        out.bytes_mut()[4..8].copy_from_slice(&seq.to_be_bytes());
    }

    /// How far a window in a segment of the socket is shifted.
    pub fn window_shift(&self) -> u8 {
        self.window_shift
    }

    /// Up to where the socket was told that it may send.
    pub fn shown_end(&self) -> u32 {
        self.shown_end
    }

    /// Up to where the peer was told that it may send.
    pub fn told_end(&self) -> u32 {
        self.told_end
    }

    fn note_shown(&mut self, ack: u32, window: u16) {
        self.shown_end = ack.wrapping_add(u32::from(window));
    }

    /// Takes a segment: at least 20 bytes lie before it, and are overwritten. What is `shown`
    /// stands instead of the peer's. Whether `out` is a segment to send now.
    pub fn input(
        &mut self,
        engine: &mut Engine,
        now_ns: u64,
        frame: &mut [u8],
        segment: &Segment,
        shown: Shown,
        out: &mut Packet,
    ) -> bool {
        let at = segment.at;
        let Shown { ack, window, .. } = shown;
        if shown.is_within {
            self.note_shown(ack, window);
        }
        let ack = ack.wrapping_sub(self.shift_seq);
        frame[at + 8..at + 12].copy_from_slice(&ack.to_be_bytes());
        frame[at + 14..at + 16].copy_from_slice(&window.to_be_bytes());
        dress(&mut frame[at - IP_BYTES..at], segment.end - at);
        let is_sent = self.run(
            engine,
            instant(now_ns),
            Some(&frame[at - IP_BYTES..segment.end]),
            out,
        );
        if is_sent {
            self.translate(out);
        }
        is_sent
    }

    /// A segment as the peer could have sent it.
    fn made_up(&self, seq: u32, ack: u32, window: u16) -> Option<Bare> {
        Some(Bare {
            from_port: self.socket().remote_endpoint()?.port,
            to_port: self.socket().local_endpoint()?.port,
            seq,
            ack: ack.wrapping_sub(self.shift_seq),
            flags: ACK,
            window,
            offer: None,
        })
    }

    /// Shows the socket an acknowledgement that nobody sent: how much it may send.
    pub fn show(&mut self, engine: &mut Engine, now_ns: u64, seq: u32, ack: u32, window: u16) {
        if let Some(segment) = self.made_up(seq, ack, window) {
            let mut answer = Packet::default();
            self.play(engine, instant(now_ns), &segment, b"", &mut answer);
            self.note_shown(ack, window);
        }
    }

    /// Has the socket say what it has and takes: then it is in `out`. It answers a byte that it has
    /// already.
    pub fn acknowledge(
        &mut self,
        engine: &mut Engine,
        now_ns: u64,
        seq: u32,
        ack: u32,
        out: &mut Packet,
    ) -> bool {
        let Some(segment) = self.made_up(seq.wrapping_sub(1), ack, 0) else {
            return false;
        };
        let is_sent = self.play(engine, instant(now_ns), &segment, &[0], out);
        if is_sent {
            self.translate(out);
        }
        is_sent
    }

    /// Whether there is a segment to send: then it is in `out`, without its checksum.
    pub fn output(&mut self, engine: &mut Engine, now_ns: u64, out: &mut Packet) -> bool {
        let is_sent = self.run(engine, instant(now_ns), None, out);
        if is_sent {
            self.translate(out);
        }
        is_sent
    }

    /// When [`Transfer::output`] has something to do; 0 is now.
    pub fn deadline(&self, engine: &mut Engine, now_ns: u64) -> u64 {
        match engine.interface.poll_at(instant(now_ns), &self.set) {
            None => u64::MAX,
            Some(Instant::ZERO) => 0,
            Some(at) => nanoseconds(at),
        }
    }

    pub fn state(&self) -> State {
        self.socket().state()
    }

    /// Bytes that can be read.
    pub fn receive_queue(&self) -> usize {
        self.socket().recv_queue()
    }

    pub fn receive_bytes(&self) -> usize {
        self.socket().recv_capacity()
    }

    pub fn send_bytes(&self) -> usize {
        self.socket().send_capacity()
    }

    /// Takes bytes to send, as many as there is room for.
    pub fn send(&mut self, bytes: &[u8]) -> usize {
        self.socket_mut().send_slice(bytes).unwrap_or(0)
    }

    /// Gives bytes that arrived.
    pub fn receive(&mut self, into: &mut [u8]) -> usize {
        self.socket_mut().recv_slice(into).unwrap_or(0)
    }

    /// Gives the bytes that `receive` would, and keeps them.
    pub fn peek(&mut self, into: &mut [u8]) -> usize {
        self.socket_mut().peek_slice(into).unwrap_or(0)
    }

    /// Sends the end, after all bytes.
    pub fn finish(&mut self) {
        self.socket_mut().close();
    }
}

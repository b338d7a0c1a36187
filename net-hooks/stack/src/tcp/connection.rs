//! A connection: what is known of it beside its bytes.

use alloc::vec::Vec;

use muslin_abi::Errno;

use super::Flow;
use super::congestion::Congestion;
use super::handshake::Handshake;
use super::segment::{ACK, Bare, Offer, is_before};
use super::transfer::{Engine, Start, State, Transfer};
use crate::options::Options;
use crate::packet::Packet;

/// How large the buffers are at the beginning.
pub(crate) const RECEIVE_FIRST: usize = 8 * 1024;
const SEND_FIRST: usize = 4 * 1024;
/// Room for the headers, with all options, of IPv4 and TCP.
const PACKET_HEADERS: usize = 120;
/// By how much a buffer grows at once. To grow, a sender has to wait for the peer.
const RECEIVE_GROWTH: usize = 4;
const SEND_GROWTH: usize = 32;
/// How long a connection is still before a send buffer that has grown is given back.
const STILL_NS: u64 = 2_000_000_000;
/// How far we shift the windows we name: they can be 8 MiB.
pub(crate) const WINDOW_SHIFT: u8 = 7;

/// A connection, from its handshake to its end.
pub(crate) struct Connection {
    pub flow: Flow,
    /// The link that was chosen for it.
    pub link: Option<u32>,
    /// The link it goes over.
    pub over: u32,
    pub transfer: Transfer,
    pub congestion: Congestion,
    /// How long a segment and its answer took when it began.
    round_trip_ns: u64,
    /// What the peer offered, with the size of segments that fits the way.
    pub offer: Offer,
    /// How far our windows are shifted on the wire.
    our_shift: u8,
    /// The window the peer named last, and the one that was shown for it.
    pub peer_window: u16,
    pub shown_window: u16,
    /// The number of the next byte that the program reads.
    pub read_next: u32,
    /// The number after the last one that was sent.
    pub send_next: u32,
    /// Up to where the peer was told that its bytes arrived.
    pub told_next: u32,
    /// When the peer was heard last.
    pub heard_ns: u64,
    /// Since when the peer owes an answer.
    pub owed_ns: Option<u64>,
    /// Questions whether the peer is still there, since it was heard.
    pub probes: u32,
    /// This side sends no more.
    pub is_finished: bool,
    /// The transfer knows that.
    is_finish_told: bool,
    /// The program reads no more.
    pub is_deaf: bool,
    /// When its descriptor was closed.
    pub orphaned_ns: Option<u64>,
    /// The end of the last small segment that was sent, while it is not acknowledged.
    pub small_end: Option<u32>,
    /// There was no room for what the program wrote.
    pub is_short: bool,
    /// The peer was asked to acknowledge all at once.
    is_hurried: bool,
    /// There was less room than the peer filled.
    pub was_filled: bool,
    /// The program was told that it cannot write.
    pub was_full: bool,
    /// The peer's end was told to the program.
    pub was_end_seen: bool,
    /// Segments came for it, and it was not driven since.
    pub is_waiting: bool,
    /// It waits until its link has room.
    pub is_blocked: bool,
    /// When the timer in the heap is due.
    pub armed_ns: u64,
    /// What routers said of the way.
    pub soft_error: Option<Errno>,
}

impl Connection {
    /// A connection whose handshake is done. What `out` is afterwards tells the peer our window.
    #[expect(clippy::too_many_arguments, reason = "all that a handshake found out")]
    pub fn begin(
        engine: &mut Engine,
        now_ns: u64,
        handshake: &Handshake,
        offer: Offer,
        peer_window: u16,
        round_trip_ns: u64,
        over: u32,
        options: &Options,
        out: &mut Packet,
    ) -> Option<Self> {
        let told = handshake.told?;
        let send_next = handshake.first.wrapping_add(1);
        let start = Start {
            local_port: handshake.flow.local_port,
            peer_port: handshake.flow.peer_port,
            send_next,
            receive_next: told.receive_next,
            peer_window,
            peer: offer,
            round_trip_ns,
            receive_bytes: RECEIVE_FIRST,
            send_bytes: SEND_FIRST.min(options.send_buffer),
            ack_at_once: over == crate::topology::LO,
        };
        let transfer = Transfer::start(engine, now_ns, &start, out)?;
        Some(Self {
            flow: handshake.flow,
            link: handshake.link,
            over,
            transfer,
            congestion: Congestion::new(offer.mss, send_next),
            round_trip_ns,
            offer,
            our_shift: offer.shift.map_or(0, |_| WINDOW_SHIFT),
            peer_window,
            shown_window: peer_window,
            read_next: told.receive_next,
            send_next,
            told_next: told.receive_next,
            heard_ns: now_ns,
            owed_ns: None,
            probes: 0,
            is_finished: false,
            is_finish_told: false,
            is_deaf: false,
            orphaned_ns: None,
            small_end: None,
            is_short: false,
            is_hurried: false,
            was_filled: false,
            was_full: false,
            was_end_seen: false,
            is_waiting: false,
            is_blocked: false,
            armed_ns: u64::MAX,
            soft_error: None,
        })
    }

    /// Tells the transfer that this side sends no more, as soon as it can bear it: when the peer
    /// ended first, it no longer hears of windows from then on. Whether it was told now.
    pub fn finish(&mut self) -> bool {
        let is_bearable = self.transfer.state() != State::CloseWait
            || self.transfer.send_queue() <= 2 * usize::from(self.offer.mss);
        if !self.is_finished || self.is_finish_told || !is_bearable {
            return false;
        }
        self.is_finish_told = true;
        self.transfer.finish();
        true
    }

    /// The peer sends no more.
    pub fn has_ended(&self) -> bool {
        matches!(
            self.transfer.state(),
            State::CloseWait | State::LastAck | State::Closing | State::TimeWait
        )
    }

    /// The length of the longest packet that the transfer may make.
    pub fn longest_packet(&self) -> usize {
        usize::from(self.offer.mss).min(self.transfer.send_bytes()) + PACKET_HEADERS
    }

    /// The number of the next byte that we expect.
    pub fn receive_next(&self) -> u32 {
        self.read_next
            .wrapping_add(self.transfer.receive_queue() as u32)
            .wrapping_add(u32::from(self.has_ended()))
    }

    /// The peer's window as it is to be shown: no more than the network takes; and what is on its
    /// way is never outside, for the transfer would not repeat it there.
    pub fn window_to_show(&self, peer_window: u16) -> u16 {
        let shift = self.offer.shift.unwrap_or(0);
        if peer_window == 0 {
            let on_its_way = self.send_next.wrapping_sub(self.congestion.acknowledged());
            return u16::try_from(on_its_way.div_ceil(1 << shift)).unwrap_or(u16::MAX);
        }
        let open = (self.congestion.window() >> shift).max(1);
        peer_window.min(u16::try_from(open).unwrap_or(u16::MAX))
    }

    /// The number of a segment without data. The peer takes nothing that lies behind its window, not even
    /// what it acknowledges, and its window may have shrunk while bytes were on their way.
    pub fn empty_seq(&self) -> u32 {
        let window = u32::from(self.peer_window) << self.offer.shift.unwrap_or(0);
        let end = self.congestion.acknowledged().wrapping_add(window);
        if is_before(end, self.send_next) {
            end
        } else {
            self.send_next
        }
    }

    /// From the window in a segment of the transfer to that on the wire.
    pub fn wire_window(&self, field: u16) -> u16 {
        let bytes = u32::from(field) << self.transfer.window_shift();
        u16::try_from(bytes >> self.our_shift).unwrap_or(u16::MAX)
    }

    /// The window of a segment that does not come from the transfer.
    pub fn bare_window(&self) -> u16 {
        let room = self.transfer.receive_bytes() - self.transfer.receive_queue();
        u16::try_from(room >> self.our_shift).unwrap_or(u16::MAX)
    }

    /// A segment without data that says what has come.
    pub fn acknowledgement(&self, seq: u32) -> Bare {
        Bare::of(
            &self.flow,
            seq,
            self.receive_next(),
            ACK,
            self.bare_window(),
        )
    }

    /// Whether there is room worth telling: a third of the buffer, as in Linux.
    pub fn is_writable(&self) -> bool {
        let (queue, bytes) = (self.transfer.send_queue(), self.transfer.send_bytes());
        !self.is_waiting_to_grow() && bytes - queue >= bytes / 3
    }

    /// Nothing more is taken until what is there has left, and the buffer is larger.
    pub fn is_waiting_to_grow(&self) -> bool {
        self.is_short && self.transfer.send_queue() > 0
    }

    /// How many bytes were taken and never sent.
    pub fn unsent(&self) -> usize {
        let queue = self.transfer.send_queue() as u32;
        let end = self.congestion.acknowledged().wrapping_add(queue);
        if is_before(self.send_next, end) {
            end.wrapping_sub(self.send_next) as usize
        } else {
            0
        }
    }

    /// Whether all that was taken has been sent.
    pub fn is_all_sent(&self) -> bool {
        self.unsent() == 0
    }

    /// Whether the peer is to be asked, now and once, to acknowledge what it has: all is sent, and
    /// more waits for it.
    pub fn hurry(&mut self) -> bool {
        let is_due = self.is_waiting_to_grow() && self.is_all_sent();
        let is_first = is_due && !self.is_hurried;
        self.is_hurried = is_due;
        is_first
    }

    /// A segment of this length went out, or bytes up to `ack` are acknowledged: a small segment
    /// waits for the small one before it, and for no other (Minshall's variant of Nagle's rule).
    pub fn hold_small(&mut self, sent: Option<(u32, u32)>, ack: u32, no_delay: bool) {
        let was_held = self.small_end.is_some();
        if let Some((end, len)) = sent
            && (1..u32::from(self.offer.mss)).contains(&len)
        {
            self.small_end = Some(end);
        }
        if no_delay || self.small_end.is_some_and(|end| !is_before(ack, end)) {
            self.small_end = None;
        }
        if was_held != self.small_end.is_some() {
            self.transfer.hold_small(self.small_end.is_some());
        }
    }

    /// Whether nothing is on its way, so that it can move to other buffers.
    pub fn is_still(&self) -> bool {
        self.transfer.state() == State::Established
            && self.transfer.send_queue() == 0
            && self.transfer.receive_queue() == 0
    }

    /// When a send buffer that has grown is to be given back.
    pub fn rest_ns(&self) -> u64 {
        if self.transfer.send_bytes() > SEND_FIRST && self.is_still() {
            self.heard_ns + STILL_NS
        } else {
            u64::MAX
        }
    }

    /// Gives a send buffer that has grown back. What was to be told to the peer is left behind.
    pub fn rest(&mut self, engine: &mut Engine, now_ns: u64, out: &mut Packet) {
        let receive_bytes = self.transfer.receive_bytes();
        self.grow(engine, now_ns, receive_bytes, SEND_FIRST, out);
    }

    /// Moves to larger buffers. Whether it did: then `out` tells the peer our window.
    pub fn grow(
        &mut self,
        engine: &mut Engine,
        now_ns: u64,
        receive_bytes: usize,
        send_bytes: usize,
        out: &mut Packet,
    ) -> bool {
        let start = Start {
            local_port: self.flow.local_port,
            peer_port: self.flow.peer_port,
            send_next: self.send_next,
            receive_next: self.read_next,
            peer_window: self.shown_window,
            peer: self.offer,
            round_trip_ns: self.round_trip_ns,
            receive_bytes,
            send_bytes,
            ack_at_once: self.over == crate::topology::LO,
        };
        match Transfer::start(engine, now_ns, &start, out) {
            Some(transfer) => {
                self.transfer = transfer;
                self.small_end = None;
                true
            }
            None => false,
        }
    }

    /// The size for a receive buffer that was too small.
    pub fn receive_wish(&self, options: &Options) -> usize {
        (self.transfer.receive_bytes() * RECEIVE_GROWTH)
            .min(options.receive_buffer.max(RECEIVE_FIRST))
    }

    /// The size for a send buffer that was too small, and into which `bytes` are to go.
    pub fn send_wish(&self, options: &Options, bytes: usize) -> usize {
        let now = self.transfer.send_bytes();
        let wish = (now * SEND_GROWTH).max(bytes.checked_next_power_of_two().unwrap_or(bytes));
        wish.min(options.send_buffer).max(now)
    }

    /// What was not read; nothing, where there is no memory to keep it.
    pub fn unread(&mut self) -> Vec<u8> {
        let mut unread = Vec::new();
        if unread
            .try_reserve_exact(self.transfer.receive_queue())
            .is_err()
        {
            return unread;
        }
        unread.resize(self.transfer.receive_queue(), 0);
        let len = self.transfer.receive(&mut unread);
        unread.truncate(len);
        unread
    }
}

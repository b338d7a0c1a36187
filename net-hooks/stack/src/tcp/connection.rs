//! A connection: what is known of it beside its bytes.

use alloc::vec::Vec;

use muslin_abi::Errno;

use super::Flow;
use super::congestion::Congestion;
use super::flight::{Flight, Range};
use super::handshake::Handshake;
use super::ranges::Ranges;
use super::segment::{ACK, Bare, Offer, STAMP_BYTES, Segment, is_before};
use super::stamps::Stamps;
use super::timing::Timing;
use super::transfer::{Engine, Start, State, Transfer};
use crate::offload::SEGMENT_DATA_MAX;
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
    pub flight: Flight,
    pub congestion: Congestion,
    /// The timestamps, if both sides have them.
    pub stamps: Option<Stamps>,
    /// What the peer offered, with the size of segments that fits the way.
    pub offer: Offer,
    /// How far our windows are shifted on the wire.
    our_shift: u8,
    /// The window the peer named last, in bytes, the number of the segment that did, and the
    /// largest one so far.
    pub peer_window: u32,
    window_seq: u32,
    peer_window_max: u32,
    /// The number of the next byte that the program reads.
    pub read_next: u32,
    /// The number behind what the peer sent, with holes in it or without.
    pub heard_end: u32,
    /// The number after the last byte that the program wrote.
    pub written: u32,
    /// The end was sent.
    pub is_end_sent: bool,
    /// What is lost is to be sent again whatever the network takes: one segment of it.
    pub is_urgent: bool,
    /// Since when the peer takes nothing of what is there.
    pub shut_ns: Option<u64>,
    /// Up to where the peer was told that its bytes arrived.
    pub told_next: u32,
    /// What it is told of those behind a hole, and of those that came twice.
    pub ranges: Ranges,
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
    /// There was less room than the peer filled.
    pub was_filled: bool,
    /// Since when, and from which number on, the bytes of a round trip are counted.
    round: (u64, u32),
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
        peer_window: u32,
        (timing, stamps): (Timing, Option<Stamps>),
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
            peer: offer,
            receive_bytes: RECEIVE_FIRST,
            send_bytes: SEND_FIRST.min(options.send_buffer),
            over,
        };
        let transfer = Transfer::start(engine, now_ns, &start, out)?;
        Some(Self {
            flow: handshake.flow,
            link: handshake.link,
            over,
            transfer,
            flight: Flight::new(send_next, timing),
            congestion: Congestion::new(offer.mss),
            stamps,
            offer,
            our_shift: offer.shift.map_or(0, |_| WINDOW_SHIFT),
            peer_window,
            window_seq: told.receive_next,
            peer_window_max: peer_window,
            read_next: told.receive_next,
            heard_end: told.receive_next,
            written: send_next,
            is_end_sent: false,
            is_urgent: false,
            shut_ns: None,
            told_next: told.receive_next,
            ranges: Ranges::default(),
            heard_ns: now_ns,
            owed_ns: None,
            probes: 0,
            is_finished: false,
            is_finish_told: false,
            is_deaf: false,
            orphaned_ns: None,
            small_end: None,
            is_short: false,
            was_filled: false,
            round: (now_ns, told.receive_next),
            was_full: false,
            was_end_seen: false,
            is_waiting: false,
            is_blocked: false,
            armed_ns: u64::MAX,
            soft_error: None,
        })
    }

    /// Tells the transfer that this side sends no more, when all bytes are sent. Whether it was told
    /// now.
    pub fn finish(&mut self) -> bool {
        if !self.is_finished || self.is_finish_told || self.unsent() > 0 {
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

    /// The length of the longest packet that the transfer may make; `is_long`: of one that is cut later.
    pub fn longest_packet(&self, is_long: bool) -> usize {
        let segment = if is_long {
            usize::from(SEGMENT_DATA_MAX)
        } else {
            self.offer.mss.into()
        };
        segment.min(self.unsent()).max(1) + PACKET_HEADERS
    }

    /// Whether nothing waits to be sent, or to be sent again; of those whose descriptor is open.
    pub fn is_idle(&self) -> bool {
        self.is_all_sent()
            && !self.flight.has_lost()
            && !self.is_blocked
            && self.orphaned_ns.is_none()
    }

    /// When the transfer has something to say. Mostly it need not be asked: all was sent, and the peer was told
    /// of all that came.
    pub fn says_ns(&self, engine: &mut Engine, now_ns: u64) -> u64 {
        let is_quiet = self.is_all_sent()
            && self.told_next == self.receive_next()
            && self.transfer.state() == State::Established
            && !self.is_window_due();
        if is_quiet {
            u64::MAX
        } else {
            self.transfer.deadline(engine, now_ns)
        }
    }

    /// Whether the window is twice as large as the peer knows: then the transfer tells it.
    pub fn is_window_due(&self) -> bool {
        let (next, end) = (self.receive_next(), self.transfer.told_end());
        let told = if is_before(next, end) {
            end.wrapping_sub(next) as usize
        } else {
            0
        };
        let room = self.transfer.receive_bytes() - self.transfer.receive_queue();
        room / 2 >= told
    }

    /// Whether the peer is to hear at once of what came: more than a segment.
    pub fn is_ack_due(&self) -> bool {
        let untold = self.receive_next().wrapping_sub(self.told_next);
        untold > u32::from(self.offer.mss)
    }

    /// The number of the next byte that we expect.
    pub fn receive_next(&self) -> u32 {
        self.read_next
            .wrapping_add(self.transfer.receive_queue() as u32)
            .wrapping_add(u32::from(self.has_ended()))
    }

    /// Segments have no more than this room from now on, with their options: longer ones that are on
    /// their way did not arrive.
    pub fn narrow(&mut self, room: usize) {
        let options = self.stamps.map_or(0, |_| STAMP_BYTES);
        let mss = u16::try_from(room.saturating_sub(options)).unwrap_or(u16::MAX);
        if mss < self.offer.mss {
            self.offer.mss = mss;
            self.flight.lose_longer(u32::from(mss));
            self.is_urgent = true;
        }
    }

    /// A segment names this window.
    pub fn take_window(&mut self, segment: &Segment) {
        let window = u32::from(segment.window) << self.offer.shift.unwrap_or(0);
        // One that was overtaken says what was.
        let is_news = is_before(self.flight.oldest(), segment.ack)
            || is_before(self.window_seq, segment.seq)
            || (self.window_seq == segment.seq && (window > self.peer_window || window == 0));
        if is_news && !is_before(segment.ack, self.flight.oldest()) {
            self.peer_window = window;
            self.window_seq = segment.seq;
            self.peer_window_max = self.peer_window_max.max(window);
        }
    }

    /// The number behind what the peer takes.
    pub fn peer_end(&self) -> u32 {
        self.flight.oldest().wrapping_add(self.peer_window)
    }

    /// How many bytes the peer takes beyond those that were sent.
    pub fn peer_room(&self) -> usize {
        let (next, end) = (self.flight.next(), self.peer_end());
        if is_before(next, end) {
            end.wrapping_sub(next) as usize
        } else {
            0
        }
    }

    /// What is shown to the transfer as acknowledged: all it sent, but for the end.
    pub fn shown_ack(&self) -> u32 {
        let is_end_open = self.is_end_sent && !self.flight.is_empty();
        self.flight.next().wrapping_sub(u32::from(is_end_open))
    }

    /// How many bytes the transfer may send: what the peer takes, and the network; not what is
    /// small, while that has to wait.
    pub fn window_to_show(&self) -> u16 {
        u16::try_from(self.may_send()).unwrap_or(u16::MAX)
    }

    fn may_send(&self) -> u32 {
        if self.flight.has_lost() {
            return 0;
        }
        let next = self.flight.next();
        let peer_end = self.peer_end();
        if !is_before(next, peer_end) {
            return 0;
        }
        let on_its_way = self.flight.on_its_way();
        let by_network = self.congestion.window().saturating_sub(on_its_way);
        let most = by_network.min(peer_end.wrapping_sub(next));
        let (mss, unsent) = (u32::from(self.offer.mss), self.unsent() as u32);
        if most >= unsent {
            if self.small_end.is_some() && !self.is_finished {
                return unsent - unsent % mss;
            }
            return most;
        }
        if on_its_way == 0 {
            return most;
        }
        most - most % mss.min(self.peer_window_max / 2).max(1)
    }

    /// Shows the transfer how much it may send, where that is less than it was, or worth a segment.
    pub fn show_window(&mut self, engine: &mut Engine, now_ns: u64) {
        let unsent = self.unsent() as u32;
        if unsent == 0 {
            return;
        }
        let (next, end) = (self.flight.next(), self.transfer.shown_end());
        let has = if is_before(next, end) {
            end.wrapping_sub(next).min(unsent)
        } else {
            0
        };
        let window = self.window_to_show();
        let wants = u32::from(window).min(unsent);
        if wants < has || (has < wants && has < u32::from(self.offer.mss)) {
            let (seq, ack) = (self.receive_next(), self.shown_ack());
            self.transfer.show(engine, now_ns, seq, ack, window);
        }
    }

    /// Whether bytes wait for a peer that takes none, and nothing is on its way that it would
    /// answer.
    pub fn is_shut_out(&self) -> bool {
        self.flight.is_empty()
            && self.unsent() > 0
            && !is_before(self.flight.next(), self.peer_end())
    }

    /// When the peer is to be asked whether it takes bytes again.
    pub fn ask_ns(&self) -> u64 {
        let wait_ns = self.flight.timing.timeout_ns();
        self.shut_ns.map_or(u64::MAX, |shut_ns| shut_ns + wait_ns)
    }

    /// The next segment that is to be sent again.
    pub fn next_repeat(&mut self) -> Option<Range> {
        let range = self.flight.next_lost(u32::from(self.offer.mss))?;
        let (start, end) = range;
        let on_its_way = self.flight.on_its_way();
        let len = end.wrapping_sub(start);
        let is_room = on_its_way == 0 || on_its_way + len <= self.congestion.window();
        let is_oldest = start == self.flight.oldest();
        let is_taken = is_oldest || !is_before(self.peer_end(), end);
        ((is_room || self.is_urgent) && is_taken).then_some(range)
    }

    /// The number of a segment without data. The peer takes nothing that lies behind its window, not even
    /// what it acknowledges, and its window may have shrunk while bytes were on their way.
    pub fn empty_seq(&self) -> u32 {
        let (end, next) = (self.peer_end(), self.flight.next());
        if is_before(end, next) { end } else { next }
    }

    /// From the window in a segment of the transfer to that on the wire.
    pub fn wire_window(&self, field: u16) -> u16 {
        let bytes = u32::from(field) << self.transfer.window_shift();
        u16::try_from(bytes >> self.our_shift).unwrap_or(u16::MAX)
    }

    /// The window of a segment that does not come from the transfer: what that told the peer.
    pub fn bare_window(&self) -> u16 {
        let (next, end) = (self.receive_next(), self.transfer.told_end());
        let room = if is_before(next, end) {
            end.wrapping_sub(next)
        } else {
            0
        };
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

    /// How many bytes, and ends, the peer has not acknowledged.
    pub fn send_queue(&self) -> usize {
        self.flight.len() as usize + self.unsent()
    }

    /// How many bytes can be taken.
    pub fn send_room(&self) -> usize {
        self.transfer.send_bytes().saturating_sub(self.send_queue())
    }

    /// Whether there is room worth telling: a third of the buffer, as in Linux.
    pub fn is_writable(&self) -> bool {
        !self.is_waiting_to_grow() && self.send_room() >= self.transfer.send_bytes() / 3
    }

    /// Nothing more is taken until what is there has left, and the buffer is larger.
    pub fn is_waiting_to_grow(&self) -> bool {
        self.is_short && self.unsent() > 0
    }

    /// How many bytes were taken and never sent.
    pub fn unsent(&self) -> usize {
        if is_before(self.flight.next(), self.written) {
            self.written.wrapping_sub(self.flight.next()) as usize
        } else {
            0
        }
    }

    /// Whether all that was taken has been sent.
    pub fn is_all_sent(&self) -> bool {
        self.unsent() == 0
    }

    /// A segment of this length went out, or bytes are acknowledged: a small segment waits for the small one before it, and for no other (Minshall's variant of Nagle's rule).
    pub fn hold_small(&mut self, sent: Option<(u32, u32)>, no_delay: bool) {
        if let Some((end, len)) = sent
            && (1..u32::from(self.offer.mss)).contains(&len)
        {
            self.small_end = Some(end);
        }
        let ack = self.flight.oldest();
        if no_delay || self.small_end.is_some_and(|end| !is_before(ack, end)) {
            self.small_end = None;
        }
    }

    /// Whether nothing is to be sent or read, so that it can move to other buffers: what arrived
    /// behind a hole would be left behind.
    pub fn is_still(&self) -> bool {
        self.transfer.state() == State::Established
            && !is_before(self.receive_next(), self.heard_end)
            && self.unsent() == 0
            && self.transfer.receive_queue() == 0
    }

    fn has_grown(&self) -> bool {
        self.transfer.send_bytes() > SEND_FIRST
    }

    /// When memory to send is to be given back.
    pub fn rest_ns(&self) -> u64 {
        let has_much = self.flight.keeps_much() || (self.has_grown() && self.is_still());
        if has_much && self.flight.is_empty() && self.unsent() == 0 {
            self.heard_ns + STILL_NS
        } else {
            u64::MAX
        }
    }

    /// Gives memory to send back. What was to be told to the peer is left behind with a buffer that has grown.
    pub fn rest(&mut self, engine: &mut Engine, now_ns: u64, out: &mut Packet) {
        self.flight.rest();
        if self.has_grown() && self.is_still() {
            let receive_bytes = self.transfer.receive_bytes();
            self.grow(engine, now_ns, receive_bytes, SEND_FIRST, out);
        }
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
            send_next: self.flight.next(),
            receive_next: self.read_next,
            peer: self.offer,
            receive_bytes,
            send_bytes,
            over: self.over,
        };
        match Transfer::start(engine, now_ns, &start, out) {
            Some(transfer) => {
                self.transfer = transfer;
                true
            }
            None => false,
        }
    }

    /// Bytes came, and there are `queue` now. Too small is a buffer that the peer filled to its half, before the
    /// program read, or within a round trip: then it waits for our window, however soon that is read.
    pub fn note_filling(&mut self, now_ns: u64, queue: usize) {
        let half = self.transfer.receive_bytes() / 2;
        let (since_ns, from) = self.round;
        let smooth_ns = self.flight.timing.smooth_ns();
        if smooth_ns > 0 && now_ns >= since_ns + smooth_ns {
            let next = self.receive_next();
            self.was_filled |= next.wrapping_sub(from) as usize > half;
            self.round = (now_ns, next);
        }
        self.was_filled |= queue > half;
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

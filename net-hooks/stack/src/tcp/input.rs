//! Segments that arrive, and what follows from them.

use alloc::vec::Vec;

use muslin_abi::Errno;

use super::connection::Connection;
use super::flight::{Due, Range};
use super::handshake::Cookie;
use super::segment::{ACK, Bare, FIN, HEADER_BYTES, PSH, RANGES_MAX, RST, SYN, Segment, is_before};
use super::transfer::{Shown, State};
use super::{Flow, Target};
use crate::checksum;
use crate::input::Arrived;
use crate::ip::{self, Head};
use crate::slots::Name;
use crate::smol::SmolStack;
use crate::socket::{Body, Ended};
use crate::timers::Timer;
use crate::topology::Cast;

/// How long the peer may owe an answer (Linux: 15 repetitions), and to one whose descriptor is
/// closed.
const PATIENCE_NS: u64 = 924_600_000_000;
const PATIENCE_ORPHAN_NS: u64 = 100_000_000_000;
/// How long an orphan waits for the peer's end, as in Linux.
const ORPHAN_FIN_NS: u64 = 60_000_000_000;

const SECOND_NS: u64 = 1_000_000_000;

impl SmolStack {
    /// Takes a segment.
    pub(crate) fn tcp_input(&mut self, arrived: &Arrived, frame: &mut [u8]) {
        let Head { from, to, .. } = arrived.head;
        let Some(segment) = Segment::parse(frame, arrived.at, arrived.end) else {
            return self.count_error(arrived.link);
        };
        if arrived.cast != Cast::Unicast || from.is_unspecified() {
            return;
        }
        let bytes = &frame[arrived.at..arrived.end];
        if !arrived.is_sum_known && !checksum::is_transport_right(from, to, ip::TCP, bytes) {
            return self.count_error(arrived.link);
        }
        let flow = Flow {
            local: to,
            local_port: segment.to_port,
            peer: from,
            peer_port: segment.from_port,
        };
        match self.tcp.flows.get(&flow).copied() {
            Some(Target::Connection(name)) => self.connection_input(name, frame, &segment),
            Some(Target::Handshake(name)) => self.handshake_input(name, arrived, frame, &segment),
            Some(Target::TimeWait(time_wait)) => {
                self.time_wait_input(&flow, time_wait, arrived, frame, &segment);
            }
            None => self.stray_segment(&flow, arrived, frame, &segment),
        }
    }

    /// A segment of no flow: perhaps a listener's.
    pub(super) fn stray_segment(
        &mut self,
        flow: &Flow,
        arrived: &Arrived,
        frame: &mut [u8],
        segment: &Segment,
    ) {
        if segment.has(RST) {
            return;
        }
        let Some(listener) = self.find_listener(flow, arrived.link) else {
            if segment.has(SYN) && !segment.has(ACK) && self.is_gateway(arrived.link) {
                return self.hold(flow, arrived, frame, segment);
            }
            return self.send_reset(flow, arrived, segment);
        };
        match (segment.has(SYN), segment.has(ACK)) {
            (true, false) => self.listener_input(listener, flow, arrived, frame, segment),
            (false, true) => match self.cookie_input(listener, flow, arrived, segment) {
                Cookie::Taken(connection) => self.connection_input(connection, frame, segment),
                // The peer says it again, and by then there may be room.
                Cookie::NoRoom => {}
                Cookie::Wrong => self.send_reset(flow, arrived, segment),
            },
            (true, true) => self.send_reset(flow, arrived, segment),
            (false, false) => {}
        }
    }

    /// Takes a segment of a connection.
    pub(super) fn connection_input(&mut self, name: Name, frame: &mut [u8], segment: &Segment) {
        let now = self.now;
        let Some(socket) = self.sockets.get_mut(name) else {
            return;
        };
        let Some(connection) = socket.connection() else {
            return;
        };
        connection.heard_ns = now;
        connection.probes = 0;
        if let Some(since) = &mut connection.owed_ns {
            *since = now;
        }
        let receive_next = connection.receive_next();
        let window = connection.transfer.receive_bytes() as u32;
        if let Some(stamps) = &mut connection.stamps
            && let Some(stamp) = segment.stamp(frame)
            && !segment.has(RST)
        {
            if stamps.is_old(stamp, now) {
                // An acknowledgement that was overtaken is answered by nobody.
                if segment.sequence_len() > 0 {
                    self.send_acknowledgement(name);
                }
                return;
            }
            stamps.hear(segment, stamp, connection.told_next, now);
        }
        if segment.has(RST) {
            // Only one that hits the mark (RFC 5961): others could be anybody's.
            if segment.seq == receive_next {
                let errno = match connection.transfer.state() {
                    State::CloseWait => Errno::EPIPE,
                    _ => Errno::ECONNRESET,
                };
                return self.end(name, Some(errno));
            }
            if !is_before(segment.seq, receive_next)
                && is_before(segment.seq, receive_next.wrapping_add(window))
            {
                self.send_acknowledgement(name);
            }
            return;
        }
        let had_data = segment.data_len() > 0;
        let is_far = !had_data
            && (is_before(receive_next.wrapping_add(window), segment.seq)
                || is_before(segment.seq, receive_next.wrapping_sub(window)));
        let is_unheard_of = is_before(connection.flight.next(), segment.ack);
        if segment.has(SYN) || is_far || (segment.has(ACK) && is_unheard_of) {
            return self.send_acknowledgement(name);
        }
        if !segment.has(ACK) {
            return;
        }
        let mut segment = *segment;
        let data_end = segment.seq.wrapping_add(segment.data_len());
        let is_all_here = !is_before(receive_next, data_end);
        // The end was heard: it is said again because our answer was not.
        let has_old_end = segment.has(FIN) && is_all_here && connection.has_ended();
        if has_old_end {
            segment.flags &= !FIN;
            frame[segment.at + 13] &= !FIN;
        }
        // Nothing in it is new but perhaps the end behind, and what it acknowledges: the transfer
        // would see neither. A probe, of a window or for life, is one of these, and so is an
        // acknowledgement that was overtaken.
        let is_probe = !had_data && segment.seq == receive_next.wrapping_sub(1);
        let is_repeated = segment.seq != receive_next
            && if had_data || segment.has(FIN) {
                is_all_here && (!segment.has(FIN) || data_end == receive_next)
            } else {
                true
            };
        let is_question = has_old_end
            || (is_repeated
                && !segment.has(FIN)
                && (had_data || (is_probe && !is_before(connection.flight.oldest(), segment.ack))));
        let is_orphan = connection.orphaned_ns.is_some();
        if is_orphan && had_data && is_before(receive_next, data_end) {
            // Nobody will ever read this.
            return self.reset(name, None);
        }
        self.take_acknowledgement(name, frame, &segment);
        let Some(connection) = self.sockets.connection(name) else {
            return;
        };
        if is_repeated {
            frame[segment.at + 4..segment.at + 8].copy_from_slice(&receive_next.to_be_bytes());
            segment.seq = receive_next;
            segment.end = segment.data_at;
        }
        let told_end = connection.transfer.told_end();
        let is_within = segment.data_len() == 0
            || (is_before(receive_next, told_end) && is_before(segment.seq, told_end));
        let queue = connection.transfer.receive_queue();
        let shown = Shown {
            ack: connection.shown_ack(),
            window: connection.window_to_show(),
            is_within,
        };
        let mut scratch = core::mem::take(&mut self.scratch);
        // With nothing but the end on its way, what acknowledges nothing would seem a duplicate.
        let is_useless = segment.data_len() == 0
            && !segment.has(FIN)
            && connection.is_end_sent
            && !connection.flight.is_empty();
        let is_answered = !is_useless
            && connection.transfer.input(
                &mut self.tcp.engine,
                now,
                frame,
                &segment,
                shown,
                &mut scratch,
            );
        let heard_end = if is_before(data_end, told_end) {
            data_end
        } else {
            told_end
        };
        if is_within && had_data && is_before(connection.heard_end, heard_end) {
            connection.heard_end = heard_end;
        }
        let new_queue = connection.transfer.receive_queue();
        connection.was_filled |= new_queue * 2 > connection.transfer.receive_bytes();
        let is_ended = connection.has_ended() && !connection.was_end_seen;
        connection.was_end_seen |= is_ended;
        self.scratch = scratch;
        if is_answered {
            self.emit(name);
        } else if is_question {
            self.send_acknowledgement(name);
        }
        if new_queue != queue || is_ended {
            self.mark_changed(name);
        }
        self.drive_later(name);
    }

    /// Takes what a segment says of those that were sent.
    fn take_acknowledgement(&mut self, name: Name, frame: &[u8], segment: &Segment) {
        let now = self.now;
        let Some(socket) = self.sockets.get_mut(name) else {
            return;
        };
        let no_delay = socket.options.no_delay;
        let Some(connection) = socket.connection() else {
            return;
        };
        let had_window = connection.peer_window;
        connection.take_window(segment);
        let flight = &mut connection.flight;
        let (oldest, next, mss) = (
            flight.oldest(),
            flight.next(),
            u32::from(connection.offer.mss),
        );
        let mut ranges = [(0, 0); RANGES_MAX];
        let count = if connection.offer.sack {
            segment.sack_ranges(frame, &mut ranges)
        } else {
            0
        };
        let is_duplicate = !connection.offer.sack
            && segment.ack == oldest
            && segment.data_len() == 0
            && !segment.has(FIN)
            && connection.peer_window == had_window;
        let on_its_way = flight.on_its_way();
        let ranges = &ranges[..count];
        let stamp = connection.stamps.zip(segment.stamp(frame));
        let echo_ns = stamp.and_then(|(stamps, stamp)| stamps.echo_ns(stamp, now));
        let mut news = flight.acknowledge(now, segment.ack, ranges, is_duplicate, echo_ns, mss);
        if news.acknowledged > 0 {
            let bytes = news.acknowledged;
            connection.congestion.on_ack(segment.ack, bytes, on_its_way);
            if !connection.offer.sack && connection.congestion.is_recovering() {
                // A part of what was on its way at the loss: the next hole.
                news.has_loss |= flight.lose_first();
            }
            connection.hold_small(None, no_delay);
        }
        if news.has_loss {
            let len = next.wrapping_sub(oldest);
            connection.is_urgent |= !connection.congestion.is_recovering();
            connection.congestion.on_loss(len, next);
        }
    }

    /// Has a connection driven when all packets that are there have been taken: one
    /// acknowledgement then answers many segments.
    fn drive_later(&mut self, name: Name) {
        if let Some(connection) = self.sockets.connection(name)
            && !core::mem::replace(&mut connection.is_waiting, true)
        {
            self.tcp.waiting.push(name);
        }
    }

    /// Drives the connections that segments came for.
    pub(crate) fn drive_waiting(&mut self) {
        while let Some(name) = self.tcp.waiting.pop() {
            if let Some(connection) = self.sockets.connection(name) {
                connection.is_waiting = false;
                self.drive(name);
            }
        }
    }

    /// Sends what a connection has to send, and looks what became of it.
    pub(crate) fn drive(&mut self, name: Name) {
        let mut says_ns = None;
        loop {
            let Some(connection) = self.sockets.connection(name) else {
                return;
            };
            // To ask when something is due costs a tenth of what it takes to look for it in vain.
            if connection.is_idle() {
                let at_ns = connection.says_ns(&mut self.tcp.engine, self.now);
                if at_ns > self.now {
                    says_ns = Some(at_ns);
                    break;
                }
            }
            let over = connection.over;
            let is_blocked = connection.is_blocked;
            let is_orphan = connection.orphaned_ns.is_some();
            let longest = connection.longest_packet(self.tcp.engine.cuts(over));
            let has_memory = connection
                .flight
                .has_room(longest, connection.offer.mss.into())
                && self.scratch.has_memory(longest);
            if !has_memory && is_orphan {
                // Nobody here waits for its end, and its buffers are needed.
                return self.reset(name, None);
            }
            let has_room = self.has_room(over) && has_memory;
            let Some(connection) = self.sockets.connection(name) else {
                return;
            };
            connection.is_blocked = !has_room;
            if !has_room {
                if !is_blocked {
                    self.tcp.blocked.push(name);
                }
                break;
            }
            if let Some(range) = connection.next_repeat() {
                self.repeat(name, range);
                continue;
            }
            let engine = &mut self.tcp.engine;
            connection.show_window(engine, self.now);
            if !connection
                .transfer
                .output(engine, self.now, &mut self.scratch)
            {
                break;
            }
            self.emit(name);
        }
        if let Some(connection) = self.sockets.connection(name)
            && self.tcp.engine.cuts(connection.over)
            && connection.is_ack_due()
        {
            self.send_acknowledgement(name);
            says_ns = None;
        }
        self.settle_connection(name, says_ns);
    }

    /// Sends a segment again.
    fn repeat(&mut self, name: Name, range: Range) {
        let now = self.now;
        let Some(connection) = self.sockets.connection(name) else {
            return;
        };
        connection.is_urgent = false;
        let mut bare = connection.acknowledgement(range.0);
        let mut packet = core::mem::take(&mut self.scratch);
        let (pieces, has_end) = connection.flight.content(range);
        bare.flags |= PSH | if has_end { FIN } else { 0 };
        bare.write(&mut packet);
        pieces.for_each(|piece| packet.append(piece));
        connection.flight.repeat(now, range);
        self.scratch = packet;
        self.send_stamped(name);
    }

    /// Sends a segment of a connection, which is in `scratch`.
    fn send_stamped(&mut self, name: Name) {
        let now = self.now;
        let Some(connection) = self.sockets.connection(name) else {
            return;
        };
        let mut packet = core::mem::take(&mut self.scratch);
        if let Some(stamps) = &connection.stamps {
            stamps.stamp(now).put(&mut packet);
        }
        let (flow, link) = (connection.flow, connection.link);
        let head = self.head_of(name, &flow);
        self.send_segment(&head, link, &mut packet);
        self.scratch = packet;
    }

    /// The header of packets of a connection.
    fn head_of(&mut self, name: Name, flow: &Flow) -> Head {
        let head = Head::new(flow.local, flow.peer, ip::TCP);
        match self.sockets.get_mut(name).map(|socket| socket.options) {
            Some(options) => Head {
                class: options.traffic_class,
                hop_limit: options.hop_limit.unwrap_or(ip::HOP_LIMIT),
                ..head
            },
            None => head,
        }
    }

    /// Sends the segment that a transfer made, which is in `scratch`.
    pub(super) fn emit(&mut self, name: Name) {
        let now = self.now;
        let Some(socket) = self.sockets.get_mut(name) else {
            return;
        };
        let options = socket.options;
        let Some(connection) = socket.connection() else {
            return;
        };
        let mss = connection.offer.mss.max(1);
        let bytes = self.scratch.bytes_mut();
        let Some(segment) = Segment::parse(bytes, 0, bytes.len()) else {
            return;
        };
        let sequence_len = segment.sequence_len();
        let mss = usize::from(mss);
        let is_long = segment.data_len() as usize > mss;
        let is_cut = self.tcp.engine.cuts(connection.over);
        let cut_bytes = (is_long && is_cut).then_some(connection.offer.mss);
        // The way became narrow, and the transfer does not know.
        let is_too_long = is_long && !is_cut;
        if sequence_len > 0 {
            let (next, end) = (connection.flight.next(), connection.transfer.shown_end());
            let is_probe = is_before(end, segment.seq.wrapping_add(segment.data_len()));
            if segment.seq != next || is_probe {
                // It asks by itself, after its hours, or sends something again.
                return;
            }
            // What is cut later is so many segments.
            let (mut data, mut last_len) = (&bytes[segment.data_at..], 0);
            while data.len() > mss {
                let (first, rest) = data.split_at(mss);
                connection.flight.push(now, first, false);
                if is_too_long {
                    connection.flight.keep_back();
                }
                data = rest;
            }
            if !data.is_empty() || segment.has(FIN) {
                last_len = data.len() as u32;
                connection.flight.push(now, data, segment.has(FIN));
                if is_too_long {
                    connection.flight.keep_back();
                }
            }
            connection.is_end_sent |= segment.has(FIN);
            connection.owed_ns.get_or_insert(now);
            let sent = (connection.flight.next(), last_len);
            connection.hold_small(Some(sent), options.no_delay);
            if is_too_long {
                // It is sent in other pieces, as if it were for the second time.
                return;
            }
        }
        connection.told_next = segment.ack;
        let window = connection.wire_window(segment.window);
        bytes[14..16].copy_from_slice(&window.to_be_bytes());
        let empty_seq = connection.empty_seq();
        if sequence_len == 0 {
            bytes[4..8].copy_from_slice(&empty_seq.to_be_bytes());
        }
        self.scratch.cut_bytes = cut_bytes;
        self.send_stamped(name);
    }

    /// Sends a segment without data that says what has come, and what may come.
    pub(super) fn send_acknowledgement(&mut self, name: Name) {
        let now = self.now;
        let Some(connection) = self.sockets.connection(name) else {
            return;
        };
        let (seq, ack) = (connection.receive_next(), connection.shown_ack());
        let mut scratch = core::mem::take(&mut self.scratch);
        let engine = &mut self.tcp.engine;
        let is_said = connection
            .transfer
            .acknowledge(engine, now, seq, ack, &mut scratch);
        self.scratch = scratch;
        if is_said {
            self.emit(name);
        }
    }

    /// Asks whether the peer is there, and what it takes: it answers a segment from before.
    fn send_question(&mut self, name: Name) {
        let Some(connection) = self.sockets.connection(name) else {
            return;
        };
        let seq = connection.flight.oldest().wrapping_sub(1);
        connection.acknowledgement(seq).write(&mut self.scratch);
        self.send_stamped(name);
    }

    /// What follows after a connection moved: its end, more room, its next deadline. `says_ns`: when its
    /// transfer has something to say, if that is known.
    fn settle_connection(&mut self, name: Name, mut says_ns: Option<u64>) {
        let now = self.now;
        let Some(socket) = self.sockets.get_mut(name) else {
            return;
        };
        let options = socket.options;
        let Some(connection) = socket.connection() else {
            return;
        };
        match connection.transfer.state() {
            State::Closed => return self.end(name, None),
            State::TimeWait => {
                let (flow, send_next) = (connection.flow, connection.flight.next());
                let receive_next = connection.receive_next();
                self.end(name, None);
                return self.enter_time_wait(flow, send_next, receive_next);
            }
            _ => {}
        }
        if connection.finish() {
            return self.drive(name);
        }
        if connection.flight.is_empty() && connection.is_all_sent() {
            connection.owed_ns = None;
        }
        if connection.is_short && connection.is_all_sent() {
            connection.is_short = false;
            let bytes = connection.send_wish(&options, 0);
            if connection.is_still() && bytes > connection.transfer.send_bytes() {
                let receive_bytes = connection.transfer.receive_bytes();
                let engine = &mut self.tcp.engine;
                let mut out = core::mem::take(&mut self.scratch);
                connection.grow(engine, now, receive_bytes, bytes, &mut out);
                self.scratch = out;
                says_ns = None;
            }
        }
        if connection.is_still() && connection.told_next != connection.receive_next() {
            // It moved to other buffers, and what was to be told was left behind.
            let deadline_ns = connection.transfer.deadline(&mut self.tcp.engine, now);
            if deadline_ns > now + SECOND_NS {
                self.send_acknowledgement(name);
                return self.settle_connection(name, None);
            }
        }
        if !connection.is_shut_out() {
            if connection.shut_ns.take().is_some() {
                connection.flight.timing.back_off = 0;
            }
        } else if connection.shut_ns.is_none() {
            connection.shut_ns = Some(now);
        }
        let is_full = !connection.is_writable();
        let is_room_again = core::mem::replace(&mut connection.was_full, is_full) && !is_full;
        let mut at = says_ns.unwrap_or_else(|| connection.says_ns(&mut self.tcp.engine, now));
        at = at
            .min(connection.flight.deadline())
            .min(connection.ask_ns())
            .min(deadline_of_peer(connection, &options))
            .min(connection.rest_ns());
        at = if connection.is_blocked {
            // It is looked at when there is room.
            u64::MAX
        } else {
            at.max(now + 1)
        };
        if at < connection.armed_ns {
            connection.armed_ns = at;
            self.timers.arm(at, Timer::Socket(name));
        }
        if is_room_again {
            self.mark_changed(name);
        }
    }

    /// A connection's timer is due.
    pub(crate) fn run_connection(&mut self, name: Name, at_ns: u64) {
        let now = self.now;
        let Some(socket) = self.sockets.get_mut(name) else {
            return;
        };
        let options = socket.options;
        let Some(connection) = socket.connection() else {
            return;
        };
        if connection.armed_ns != at_ns {
            return;
        }
        connection.armed_ns = u64::MAX;
        if connection.rest_ns() <= now {
            connection.rest(&mut self.tcp.engine, now, &mut self.scratch);
        }
        if deadline_of_peer(connection, &options) <= now {
            let is_waiting_for_end =
                connection.orphaned_ns.is_some() && connection.transfer.state() == State::FinWait2;
            if is_waiting_for_end {
                return self.end(name, None);
            }
            let is_lost =
                connection.owed_ns.is_some() || { connection.probes >= options.keep_count };
            if is_lost {
                let errno = connection.soft_error.unwrap_or(Errno::ETIMEDOUT);
                return self.reset(name, Some(errno));
            }
            connection.probes += 1;
            self.send_question(name);
        }
        self.run_flight(name);
        self.drive(name);
    }

    /// What is on its way may be lost.
    fn run_flight(&mut self, name: Name) {
        let now = self.now;
        let Some(connection) = self.sockets.connection(name) else {
            return;
        };
        let (len, next) = (connection.flight.len(), connection.flight.next());
        match connection.flight.due(now) {
            Due::Nothing => {}
            Due::Timeout => {
                connection.congestion.on_timeout(len, next);
                connection.flight.time_out(now);
            }
            Due::Tail => {
                connection.flight.probe_tail(now);
                connection.is_urgent = true;
            }
            Due::Doubt => {
                let mss = u32::from(connection.offer.mss);
                if connection.flight.doubt(now, mss) {
                    connection.is_urgent |= !connection.congestion.is_recovering();
                    connection.congestion.on_loss(len, next);
                }
            }
        }
        if connection.ask_ns() <= now {
            connection.shut_ns = Some(now);
            connection.owed_ns.get_or_insert(now);
            connection.flight.timing.back_off();
            self.send_question(name);
        }
    }

    /// Resets a connection.
    pub(super) fn reset(&mut self, name: Name, errno: Option<Errno>) {
        if let Some(connection) = self.sockets.connection(name) {
            let (seq, ack) = (connection.empty_seq(), connection.receive_next());
            Bare::of(&connection.flow, seq, ack, RST | ACK, 0).write(&mut self.scratch);
            self.send_stamped(name);
        }
        self.end(name, errno);
    }

    /// A connection is over. What was not read can still be read, unless nobody is there to.
    pub(super) fn end(&mut self, name: Name, errno: Option<Errno>) {
        let Some(socket) = self.sockets.get_mut(name) else {
            return;
        };
        let is_orphan = socket.is_orphan();
        let Body::Connected(connection) = &mut socket.body else {
            return;
        };
        let flow = connection.flow;
        let peer = (flow.peer, flow.peer_port);
        let queue = connection.transfer.receive_queue();
        let had_end = connection.has_ended();
        let unread = if is_orphan {
            Vec::new()
        } else {
            connection.unread()
        };
        // What the peer sent is lost: the program hears of it.
        let errno = errno.or((!is_orphan && unread.len() < queue).then_some(Errno::ENOBUFS));
        socket.body = Body::Ended(Ended {
            had_end: had_end && unread.len() == queue,
            unread,
            peer: Some(peer),
            ..Ended::default()
        });
        socket.error = errno.or(socket.error);
        self.remove_flow(&flow);
        if is_orphan {
            self.remove_socket(name);
        } else {
            self.mark_changed(name);
        }
    }

    /// An address is no longer ours: its connections end.
    pub(crate) fn end_connections_of(&mut self, address: core::net::IpAddr) {
        let flows = self
            .tcp
            .flows
            .iter()
            .filter(|(flow, _)| flow.local == address);
        let mut targets = Vec::new();
        if targets.try_reserve_exact(flows.clone().count()).is_err() {
            // Without their address they end in time.
            return;
        }
        targets.extend(flows.map(|(_, &target)| target));
        for target in targets {
            match target {
                Target::Connection(name) => self.end(name, Some(Errno::ECONNABORTED)),
                Target::Handshake(name) => self.fail_handshake(name, Errno::ECONNABORTED),
                // It ends in time.
                Target::TimeWait(_) => {}
            }
        }
    }

    /// A segment was too long for a router.
    pub(crate) fn tcp_too_big(&mut self, head: &Head, ports: (u16, u16), seq: u32, mtu: usize) {
        let flow = Flow {
            local: head.from,
            local_port: ports.0,
            peer: head.to,
            peer_port: ports.1,
        };
        let Some(Target::Connection(name)) = self.tcp.flows.get(&flow).copied() else {
            return;
        };
        let is_ours = self.sockets.connection(name).is_some_and(|connection| {
            !is_before(seq, connection.flight.oldest()) && is_before(seq, connection.flight.next())
        });
        if !is_ours {
            return;
        }
        let room = self.narrow(head.to, mtu) - HEADER_BYTES;
        if let Some(connection) = self.sockets.connection(name) {
            connection.narrow(room);
            self.drive(name);
        }
    }

    /// A router, or we ourselves, could not bring a segment of ours to its destination.
    pub(crate) fn tcp_unreachable(
        &mut self,
        head: &Head,
        local: u16,
        peer: u16,
        seq: u32,
        errno: Errno,
    ) {
        let flow = Flow {
            local: head.from,
            local_port: local,
            peer: head.to,
            peer_port: peer,
        };
        match self.tcp.flows.get(&flow).copied() {
            Some(Target::Handshake(name)) => {
                let is_ours = self
                    .tcp
                    .handshakes
                    .get(name)
                    .is_some_and(|handshake| handshake.first == seq);
                if is_ours && errno != Errno::EMSGSIZE {
                    self.fail_handshake(name, errno);
                }
            }
            Some(Target::Connection(name)) => {
                if let Some(connection) = self.sockets.connection(name)
                    && !is_before(seq, connection.flight.oldest())
                    && !is_before(connection.flight.next(), seq)
                {
                    connection.soft_error = Some(errno);
                }
            }
            _ => {}
        }
    }
}

/// When it has to be seen whether the peer is still there.
fn deadline_of_peer(connection: &Connection, options: &crate::options::Options) -> u64 {
    if let Some(orphaned) = connection.orphaned_ns
        && connection.transfer.state() == State::FinWait2
    {
        return orphaned.max(connection.heard_ns) + ORPHAN_FIN_NS;
    }
    if let Some(owed) = connection.owed_ns
        && connection.transfer.state() != State::FinWait2
    {
        let patience = match options.user_timeout_milliseconds {
            _ if connection.orphaned_ns.is_some() => PATIENCE_ORPHAN_NS,
            0 => PATIENCE_NS,
            milliseconds => u64::from(milliseconds) * 1_000_000,
        };
        return owed + patience;
    }
    if options.keep_alive {
        let interval = u64::from(options.keep_interval_seconds) * u64::from(connection.probes);
        let idle = u64::from(options.keep_idle_seconds);
        return connection.heard_ns + (idle + interval) * SECOND_NS;
    }
    u64::MAX
}

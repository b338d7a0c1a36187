//! Segments that arrive, and what routers say of those that left.

use muslin_abi::Errno;

use super::handshake::Cookie;
use super::segment::{ACK, FIN, HEADER_BYTES, RANGES_MAX, RST, SYN, Segment, is_before};
use super::transfer::{Shown, State};
use super::{Flow, Target};
use crate::checksum;
use crate::input::Arrived;
use crate::ip::{self, Head};
use crate::slots::Name;
use crate::smol::SmolStack;
use crate::topology::Cast;

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
        // The transfer is silent about an end behind a hole.
        let is_early_end = segment.has(FIN) && !had_data && is_before(receive_next, segment.seq);
        let is_question = has_old_end
            || is_early_end
            || (is_repeated
                && !segment.has(FIN)
                && (had_data || (is_probe && !is_before(connection.flight.oldest(), segment.ack))));
        if had_data && connection.offer.sack {
            connection
                .ranges
                .hear((segment.seq, data_end), receive_next);
        }
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
        if had_data {
            connection.note_filling(now, new_queue);
        }
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
        if news.acknowledged > 0 || news.arrived > 0 {
            connection
                .congestion
                .on_ack(segment.ack, news.arrived, on_its_way);
        }
        if news.acknowledged > 0 {
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

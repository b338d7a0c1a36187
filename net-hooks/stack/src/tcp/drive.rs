//! What a connection sends: what is lost, what its transfer makes of new bytes, and what tells the peer of its own.

use super::Flow;
use super::flight::Range;
use super::segment::{FIN, PSH, RANGES_BESIDE_STAMP, RANGES_MAX, Segment, is_before};
use crate::ip::{self, Head};
use crate::slots::Name;
use crate::smol::SmolStack;

impl SmolStack {
    /// Has a connection driven when all packets that are there have been taken: one
    /// acknowledgement then answers many segments.
    pub(super) fn drive_later(&mut self, name: Name) {
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
    pub(super) fn send_stamped(&mut self, name: Name) {
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
        let Some((connection, options)) = self.sockets.connection_set(name) else {
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
        if sequence_len == 0 && connection.offer.sack {
            // The transfer says one.
            let mut ranges = [(0, 0); RANGES_MAX];
            if segment.sack_ranges(bytes, &mut ranges) > 0 {
                connection.ranges.name(ranges[0]);
            }
        }
        if !connection.ranges.is_empty() {
            connection.ranges.forget(segment.ack);
        }
        let window = connection.wire_window(segment.window);
        bytes[14..16].copy_from_slice(&window.to_be_bytes());
        let empty_seq = connection.empty_seq();
        if sequence_len == 0 {
            bytes[4..8].copy_from_slice(&empty_seq.to_be_bytes());
            if !connection.ranges.is_empty() {
                let mut ranges = [(0, 0); RANGES_MAX];
                let most = match connection.stamps {
                    Some(_) => RANGES_BESIDE_STAMP,
                    None => RANGES_MAX,
                };
                let count = connection.ranges.tell(most, &mut ranges);
                Segment::put_sack_ranges(&mut self.scratch, &ranges[..count]);
            }
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
    pub(super) fn send_question(&mut self, name: Name) {
        let Some(connection) = self.sockets.connection(name) else {
            return;
        };
        let seq = connection.flight.oldest().wrapping_sub(1);
        connection.acknowledgement(seq).write(&mut self.scratch);
        self.send_stamped(name);
    }
}

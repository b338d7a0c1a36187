//! Segments that arrive, and what follows from them.

use alloc::vec::Vec;

use muslin_abi::Errno;

use super::congestion::{DUPLICATES, Meaning};
use super::connection::Connection;
use super::segment::{ACK, Bare, FIN, RST, SYN, Segment, is_before};
use super::transfer::State;
use super::{Flow, Target};
use crate::checksum;
use crate::input::Arrived;
use crate::ip::{self, Head};
use crate::slots::Name;
use crate::smol::SmolStack;
use crate::socket::{Body, Ended};
use crate::timers::Timer;
use crate::topology::{Cast, LO};

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
        if arrived.link != LO && !checksum::is_transport_right(from, to, ip::TCP, bytes) {
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
            return self.send_reset(flow, arrived, segment);
        };
        match (segment.has(SYN), segment.has(ACK)) {
            (true, false) => self.listener_input(listener, flow, arrived, frame, segment),
            (false, true) => match self.cookie_input(listener, flow, arrived, segment) {
                Some(connection) => self.connection_input(connection, frame, segment),
                None => self.send_reset(flow, arrived, segment),
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
        let no_delay = socket.options.no_delay;
        let Some(connection) = socket.connection() else {
            return;
        };
        connection.heard_ns = now;
        connection.probes = 0;
        if let Some(since) = &mut connection.owed_ns {
            *since = now;
        }
        let receive_next = connection.receive_next();
        if segment.has(RST) {
            // Only one that hits the mark (RFC 5961): others could be anybody's.
            if segment.seq == receive_next {
                let errno = match connection.transfer.state() {
                    State::CloseWait => Errno::EPIPE,
                    _ => Errno::ECONNRESET,
                };
                return self.end(name, Some(errno));
            }
            let window = connection.transfer.receive_bytes() as u32;
            if !is_before(segment.seq, receive_next)
                && is_before(segment.seq, receive_next.wrapping_add(window))
            {
                self.send_acknowledgement(name, 0);
            }
            return;
        }
        if segment.has(SYN) {
            return self.send_acknowledgement(name, 0);
        }
        if !segment.has(ACK) {
            return;
        }
        let data_end = segment.seq.wrapping_add(segment.data_len());
        let had_data = segment.data_len() > 0;
        let mut segment = *segment;
        // Nothing in it is new but perhaps the end behind, and what it acknowledges: the transfer
        // would see neither. A probe, of a window or for life, is one of these.
        let is_probe = !had_data && segment.seq == receive_next.wrapping_sub(1);
        let is_all_here = had_data && !is_before(receive_next, data_end);
        let has_old_end = segment.has(FIN) && data_end != receive_next;
        let is_repeated = (is_probe || is_all_here) && !has_old_end;
        if is_repeated {
            frame[segment.at + 4..segment.at + 8].copy_from_slice(&receive_next.to_be_bytes());
            segment.seq = receive_next;
            segment.end = segment.data_at;
        }
        let is_question = is_repeated
            && !segment.has(FIN)
            && (had_data || !is_before(connection.congestion.acknowledged(), segment.ack));
        // The byte of a window's probe was taken.
        if segment.ack == connection.send_next.wrapping_add(1) && connection.unsent() > 0 {
            connection.send_next = segment.ack;
        }
        let is_orphan = connection.orphaned_ns.is_some();
        if is_orphan && segment.data_len() > 0 && is_before(receive_next, data_end) {
            // Nobody will ever read this.
            return self.reset(name, None);
        }
        let sent = connection.send_next;
        let congestion = &mut connection.congestion;
        // One that tells of another window is no duplicate, unless it tells of a hole too.
        let says_nothing_new = !had_data
            && !segment.has(FIN)
            && (segment.window == connection.peer_window || segment.has_sack(frame));
        let is_duplicate = congestion.is_duplicate(segment.ack, sent, says_nothing_new);
        let is_silent = segment.data_len() == 0
            && !segment.has(FIN)
            && segment.ack == congestion.acknowledged()
            && is_before(segment.ack, sent);
        let is_first_duplicates = is_duplicate && !congestion.is_recovering();
        let meaning = congestion.on_ack(segment.ack, sent, says_nothing_new);
        // With nothing but the end on its way, what looks like a duplicate would keep the transfer
        // from repeating it.
        let is_useless = is_silent && connection.transfer.send_queue() == 0;
        connection.hold_small(None, segment.ack, no_delay);
        let is_old = is_before(segment.ack, connection.congestion.acknowledged());
        if !is_old {
            connection.peer_window = segment.window;
        }
        if !is_old && (!is_first_duplicates || connection.shown_window == 0) {
            // While duplicates are counted, nothing else may seem to change.
            connection.shown_window = connection.window_to_show(segment.window);
        }
        let queue = connection.transfer.receive_queue();
        let mut scratch = core::mem::take(&mut self.scratch);
        let is_answered = !is_useless
            && connection.transfer.input(
                &mut self.tcp.engine,
                now,
                frame,
                &segment,
                connection.shown_window,
                &mut scratch,
            );
        if meaning == Meaning::Hole && connection.transfer.send_queue() > 0 {
            for _ in 0..DUPLICATES {
                let (ack, window) = (segment.ack, connection.shown_window);
                let seq = connection.receive_next();
                let engine = &mut self.tcp.engine;
                connection.transfer.show(engine, now, seq, ack, window);
            }
        }
        let new_queue = connection.transfer.receive_queue();
        connection.was_filled |= new_queue * 2 > connection.transfer.receive_bytes();
        let is_ended = connection.has_ended() && !connection.was_end_seen;
        connection.was_end_seen |= is_ended;
        self.scratch = scratch;
        if is_answered {
            self.emit(name);
        } else if is_question {
            self.send_acknowledgement(name, 0);
        }
        if new_queue != queue || is_ended {
            self.mark_changed(name);
        }
        self.drive_later(name);
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
        loop {
            let Some(connection) = self.sockets.connection(name) else {
                return;
            };
            let over = connection.over;
            let is_blocked = connection.is_blocked;
            let longest = connection.longest_packet();
            let is_orphan = connection.orphaned_ns.is_some();
            let has_memory = self.scratch.has_memory(longest);
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
            let engine = &mut self.tcp.engine;
            if !connection
                .transfer
                .output(engine, self.now, &mut self.scratch)
            {
                break;
            }
            self.emit(name);
        }
        self.settle_connection(name);
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
        let bytes = self.scratch.bytes_mut();
        let Some(segment) = Segment::parse(bytes, 0, bytes.len()) else {
            return;
        };
        connection.told_next = segment.ack;
        let window = connection.wire_window(segment.window);
        bytes[14..16].copy_from_slice(&window.to_be_bytes());
        let sequence_len = segment.sequence_len();
        let seq_end = segment.seq.wrapping_add(sequence_len);
        let is_probe = connection.shown_window == 0;
        let empty_seq = connection.empty_seq();
        if sequence_len == 0 && is_before(empty_seq, segment.seq) {
            bytes[4..8].copy_from_slice(&empty_seq.to_be_bytes());
        }
        let mut is_timeout = false;
        if sequence_len > 0 {
            connection.owed_ns.get_or_insert(now);
            let acknowledged = connection.congestion.acknowledged();
            let sent = (seq_end, segment.data_len());
            connection.hold_small(Some(sent), acknowledged, options.no_delay);
            // Nobody asked for it again, so it was the timer.
            is_timeout = is_before(segment.seq, connection.send_next)
                && !connection.congestion.is_recovering()
                && segment.data_len() > 1;
            if is_before(connection.send_next, seq_end) && (!is_probe || segment.has(FIN)) {
                connection.send_next = seq_end;
            }
        }
        let head = Head {
            class: options.traffic_class,
            hop_limit: options.hop_limit.unwrap_or(ip::HOP_LIMIT),
            ..Head::new(connection.flow.local, connection.flow.peer, ip::TCP)
        };
        let link = connection.link;
        if is_timeout {
            let sent = connection.send_next;
            connection.congestion.on_timeout(sent);
            let window = connection.window_to_show(connection.peer_window);
            connection.shown_window = window;
            let (seq, ack) = (
                connection.receive_next(),
                connection.congestion.acknowledged(),
            );
            let engine = &mut self.tcp.engine;
            connection.transfer.show(engine, now, seq, ack, window);
        }
        let mut packet = core::mem::take(&mut self.scratch);
        self.send_segment(&head, link, &mut packet);
        self.scratch = packet;
    }

    /// Sends a segment without data; `back`: from how many sequence numbers ago.
    pub(super) fn send_acknowledgement(&mut self, name: Name, back: u32) {
        let Some(connection) = self.sockets.connection(name) else {
            return;
        };
        let seq = connection.empty_seq().wrapping_sub(back);
        let bare = connection.acknowledgement(seq);
        connection.told_next = bare.ack;
        let (flow, link) = (connection.flow, connection.link);
        self.send_bare(&flow, link, &bare);
    }

    /// Asks the peer for an acknowledgement: a byte it has already, as a keep-alive has, is always
    /// answered.
    fn send_question(&mut self, name: Name) {
        let Some(connection) = self.sockets.connection(name) else {
            return;
        };
        let seq = connection.congestion.acknowledged().wrapping_sub(1);
        let bare = connection.acknowledgement(seq);
        let (flow, link) = (connection.flow, connection.link);
        let mut packet = core::mem::take(&mut self.scratch);
        bare.write(&mut packet);
        packet.append_zero();
        self.send_segment(
            &Head::new(flow.local, flow.peer, ip::TCP),
            link,
            &mut packet,
        );
        self.scratch = packet;
    }

    /// What follows after a connection moved: its end, more room, its next deadline.
    fn settle_connection(&mut self, name: Name) {
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
                let (flow, send_next) = (connection.flow, connection.send_next);
                let receive_next = connection.receive_next();
                self.end(name, None);
                return self.enter_time_wait(flow, send_next, receive_next);
            }
            _ => {}
        }
        if connection.finish() {
            return self.drive(name);
        }
        if connection.transfer.send_queue() == 0 && !connection.is_finished {
            connection.owed_ns = None;
        }
        if connection.is_short && connection.transfer.send_queue() == 0 {
            connection.is_short = false;
            let bytes = connection.send_wish(&options, 0);
            if connection.is_still() && bytes > connection.transfer.send_bytes() {
                let receive_bytes = connection.transfer.receive_bytes();
                let engine = &mut self.tcp.engine;
                let mut out = core::mem::take(&mut self.scratch);
                connection.grow(engine, now, receive_bytes, bytes, &mut out);
                self.scratch = out;
            }
        }
        if connection.is_still() && connection.told_next != connection.receive_next() {
            // It moved to other buffers, and what was to be told was left behind.
            let is_left = connection.transfer.deadline(&mut self.tcp.engine, now) == u64::MAX;
            if is_left {
                self.send_acknowledgement(name, 0);
                return self.settle_connection(name);
            }
        }
        if connection.hurry() {
            self.send_question(name);
            return self.settle_connection(name);
        }
        let is_full = !connection.is_writable();
        let is_room_again = core::mem::replace(&mut connection.was_full, is_full) && !is_full;
        let mut at = connection.transfer.deadline(&mut self.tcp.engine, now);
        at = at
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
            self.send_acknowledgement(name, 1);
        }
        self.drive(name);
    }

    /// Resets a connection.
    pub(super) fn reset(&mut self, name: Name, errno: Option<Errno>) {
        if let Some(connection) = self.sockets.connection(name) {
            let (flow, link) = (connection.flow, connection.link);
            let (seq, ack) = (connection.empty_seq(), connection.receive_next());
            let bare = Bare::of(&flow, seq, ack, RST | ACK, 0);
            self.send_bare(&flow, link, &bare);
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
        let unread = if is_orphan {
            Vec::new()
        } else {
            connection.unread()
        };
        // What the peer sent is lost: the program hears of it.
        let errno = errno.or((!is_orphan && unread.len() < queue).then_some(Errno::ENOBUFS));
        socket.body = Body::Ended(Ended {
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
                    && !is_before(seq, connection.congestion.acknowledged())
                    && !is_before(connection.send_next, seq)
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

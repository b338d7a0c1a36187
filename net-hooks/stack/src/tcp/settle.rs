//! What follows after a connection moved: its deadlines, and its end.

use alloc::vec::Vec;

use muslin_abi::Errno;

use super::Target;
use super::connection::Connection;
use super::flight::Due;
use super::segment::{ACK, Bare, RST};
use super::transfer::State;
use crate::slots::Name;
use crate::smol::SmolStack;
use crate::socket::{Body, Ended};
use crate::timers::Timer;

/// How long the peer may owe an answer (Linux: 15 repetitions), and to one whose descriptor is
/// closed.
const PATIENCE_NS: u64 = 924_600_000_000;
const PATIENCE_ORPHAN_NS: u64 = 100_000_000_000;
/// How long an orphan waits for the peer's end, as in Linux.
const ORPHAN_FIN_NS: u64 = 60_000_000_000;

const SECOND_NS: u64 = 1_000_000_000;

impl SmolStack {
    /// What follows after a connection moved: its end, more room, its next deadline. `says_ns`: when its
    /// transfer has something to say, if that is known.
    pub(super) fn settle_connection(&mut self, name: Name, mut says_ns: Option<u64>) {
        let now = self.now;
        let Some((connection, options)) = self.sockets.connection_set(name) else {
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
            let bytes = connection.send_wish(options, 0);
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
            .min(deadline_of_peer(connection, options))
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
        let Some((connection, options)) = self.sockets.connection_set(name) else {
            return;
        };
        if connection.armed_ns != at_ns {
            return;
        }
        connection.armed_ns = u64::MAX;
        if connection.rest_ns() <= now {
            connection.rest(&mut self.tcp.engine, now, &mut self.scratch);
        }
        if deadline_of_peer(connection, options) <= now {
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

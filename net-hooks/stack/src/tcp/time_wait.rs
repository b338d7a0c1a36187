//! TIME_WAIT: what is remembered of a connection when nothing is left of it.

use alloc::vec::Vec;

use super::segment::{ACK, Bare, FIN, RST, SYN, Segment, is_before};
use super::{Flow, Target};
use crate::input::Arrived;
use crate::smol::SmolStack;

/// How long, as in Linux.
const TIME_WAIT_NS: u64 = 60_000_000_000;
/// How many at most: the oldest one gives way.
const TIME_WAITS_MAX: usize = 16_384;

/// How many at most before it is seen whether there is memory for more.
pub(super) const TIME_WAITS_FIRST: usize = 256;
/// How much memory is to be free for each of them: four times what the tables take.
const FREE_BYTES: usize = 1024;

/// A connection in TIME_WAIT.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TimeWait {
    send_next: u32,
    receive_next: u32,
    until_ns: u64,
}

impl SmolStack {
    /// A connection ended with this side first: its flow is remembered.
    pub(crate) fn enter_time_wait(&mut self, flow: Flow, send_next: u32, receive_next: u32) {
        if self.tcp.time_waits.len() >= self.tcp.time_waits_max {
            self.allow_more_time_waits();
        }
        while self.tcp.time_waits.len() >= self.tcp.time_waits_max {
            if let Some((until_ns, flow)) = self.tcp.time_waits.pop_front() {
                self.leave_time_wait(&flow, until_ns);
            }
        }
        // Where memory is short they are fewer.
        while !self.has_room_for_flow() || self.tcp.time_waits.try_reserve(1).is_err() {
            let Some((until_ns, flow)) = self.tcp.time_waits.pop_front() else {
                return;
            };
            self.leave_time_wait(&flow, until_ns);
        }
        let until_ns = self.now + TIME_WAIT_NS;
        let time_wait = TimeWait {
            send_next,
            receive_next,
            until_ns,
        };
        self.add_flow(flow, Target::TimeWait(time_wait));
        self.tcp.time_waits.push_back((until_ns, flow));
    }

    /// Lets there be twice as many, where much memory is free: tables that grew stay large.
    fn allow_more_time_waits(&mut self) {
        let most = (2 * self.tcp.time_waits_max).min(TIME_WAITS_MAX);
        let mut probe = Vec::<u8>::new();
        if probe.try_reserve_exact(most * FREE_BYTES).is_ok() {
            self.tcp.time_waits_max = most;
        }
    }

    /// Forgets those whose time is over.
    pub(crate) fn run_time_waits(&mut self) {
        while let Some(&(until_ns, flow)) = self.tcp.time_waits.front()
            && until_ns <= self.now
        {
            self.tcp.time_waits.pop_front();
            self.leave_time_wait(&flow, until_ns);
        }
    }

    /// Forgets a flow, if it is this TIME_WAIT still.
    fn leave_time_wait(&mut self, flow: &Flow, until_ns: u64) {
        if let Some(Target::TimeWait(time_wait)) = self.tcp.flows.get(flow)
            && time_wait.until_ns == until_ns
        {
            self.remove_flow(flow);
        }
    }

    /// Takes a segment of a flow in TIME_WAIT.
    pub(super) fn time_wait_input(
        &mut self,
        flow: &Flow,
        time_wait: TimeWait,
        arrived: &Arrived,
        frame: &mut [u8],
        segment: &Segment,
    ) {
        // As Linux unless it is told otherwise (RFC 1337): the peer is sure that nothing is left. Only one that hits
        // the mark counts.
        if segment.has(RST) {
            if segment.seq == time_wait.receive_next {
                self.remove_flow(flow);
            }
            return;
        }
        let is_new = is_before(time_wait.receive_next, segment.seq);
        if segment.has(SYN) && !segment.has(ACK) && is_new {
            // A new connection between the same ends.
            self.remove_flow(flow);
            return self.stray_segment(flow, arrived, frame, segment);
        }
        if segment.sequence_len() > 0 || segment.has(FIN) {
            let (seq, ack) = (time_wait.send_next, time_wait.receive_next);
            let answer = Bare::of(flow, seq, ack, ACK, 0);
            self.send_bare(flow, self.near(arrived, flow.peer), &answer);
        }
    }
}

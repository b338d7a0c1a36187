//! Connections with others, as a gateway has them: held until it is known what becomes of them.

use core::net::SocketAddr;

use super::handshake::{HANDSHAKES_MAX, Handshake, Told};
use super::segment::{ACK, Bare, RST, Segment};
use super::{Flow, Target};
use crate::gateway::{HeldId, Passing, Refusal};
use crate::input::Arrived;
use crate::ip::{self, Head};
use crate::smol::SmolStack;

impl Flow {
    fn from(&self) -> SocketAddr {
        SocketAddr::new(self.peer, self.peer_port)
    }

    fn to(&self) -> SocketAddr {
        SocketAddr::new(self.local, self.local_port)
    }
}

impl SmolStack {
    /// A SYN for somebody else.
    pub(super) fn hold(&mut self, flow: &Flow, arrived: &Arrived, frame: &[u8], segment: &Segment) {
        let Some(owner) = self.gateway.as_ref().map(|gateway| gateway.listener) else {
            return;
        };
        let way = self.topology.way(flow.peer, Some(flow.local), None);
        let is_near = way.is_ok_and(|way| way.link == arrived.link);
        let has_room = self.tcp.handshakes.len() < HANDSHAKES_MAX && self.has_memory();
        let first = self.tcp.first_sequence(flow, self.now);
        let told = Told::of(segment, frame);
        let Some(listener) = self.listener(owner) else {
            return;
        };
        // Who is not answered tries again.
        if !is_near || !has_room || listener.half_open + listener.ready.len() >= listener.backlog {
            return;
        }
        listener.half_open += 1;
        let handshake = Handshake::held(*flow, owner, first, told);
        let name = self.tcp.handshakes.insert(|_| handshake);
        self.add_flow(*flow, Target::Handshake(name));
        let is_told = self.tell_passing(Passing::Connection {
            id: HeldId(name),
            from: flow.from(),
            to: flow.to(),
        });
        if !is_told {
            self.remove_handshake(name);
        }
    }

    /// Goes on with a connection that was held. It can be accepted soon, or is [`Passing::Lost`].
    pub fn admit(&mut self, id: HeldId) {
        if let Some(handshake) = self.tcp.handshakes.get_mut(id.0)
            && core::mem::replace(&mut handshake.is_held, false)
        {
            self.send_handshake(id.0);
        }
    }

    /// Refuses a connection that was held.
    pub fn refuse(&mut self, id: HeldId, why: Refusal) {
        let is_held = |handshake: &Handshake| handshake.is_held;
        if !self.tcp.handshakes.get(id.0).is_some_and(is_held) {
            return;
        }
        let Some(handshake) = self.remove_handshake(id.0) else {
            return;
        };
        let Some(told) = handshake.told else {
            return;
        };
        let flow = &handshake.flow;
        if why == Refusal::Port {
            let bare = Bare::of(flow, 0, told.receive_next, RST | ACK, 0);
            return self.send_bare(flow, None, &bare);
        }
        if let Some(codes) = why.codes() {
            let mut quoted = [0; 8];
            quoted[..2].copy_from_slice(&flow.peer_port.to_be_bytes());
            quoted[2..4].copy_from_slice(&flow.local_port.to_be_bytes());
            quoted[4..].copy_from_slice(&told.receive_next.wrapping_sub(1).to_be_bytes());
            let head = Head::new(flow.peer, flow.local, ip::TCP);
            self.send_unreachable(&head, None, &quoted, codes);
        }
    }

    /// A handshake of others came to nothing: tells it, if it was with somebody else.
    pub(super) fn tell_lost(&mut self, handshake: &Handshake) {
        let listener = self.gateway.as_ref().map(|gateway| gateway.listener);
        if listener == Some(handshake.owner) {
            self.tell_passing(Passing::Lost {
                from: handshake.flow.from(),
                to: handshake.flow.to(),
            });
        }
    }
}

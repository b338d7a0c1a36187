//! How connections begin: handshakes of either side, without buffers until they are done; and
//! cookies, where there is no room even for a handshake.

use alloc::boxed::Box;
use core::hash::{BuildHasher, Hash, Hasher};

use muslin_abi::Errno;

use super::connection::{Connection, RECEIVE_FIRST, WINDOW_SHIFT};
use super::segment::{ACK, Bare, Offer, RST, STAMP_BYTES, SYN, Segment, Stamp, is_before};
use super::stamps::Stamps;
use super::timing::Timing;
use super::{Flow, Target, stamp_clock};
use crate::input::Arrived;
use crate::slots::Name;
use crate::smol::SmolStack;
use crate::socket::{Body, Ended, Listener, Socket};
use crate::stack::Kind;
use crate::timers::Timer;

/// How many handshakes of others there may be in all; beyond, and beyond its backlog, a listener
/// answers with cookies.
pub(super) const HANDSHAKES_MAX: usize = 4096;
/// How many handshakes a listener holds at least.
const HALF_OPEN_MIN: usize = 128;
/// How often our SYN is repeated, and the answer to one, as in Linux.
const SYN_RETRIES: u32 = 6;
const ANSWER_RETRIES: u32 = 5;
/// How long the first repetition waits.
const RETRY_NS: u64 = 1_000_000_000;

/// How long a cookie is one time unit old.
const COOKIE_UNIT_NS: u64 = 64_000_000_000;
/// The segment sizes that a cookie can tell.
const COOKIE_MSS: [u16; 8] = [216, 536, 1220, 1300, 1400, 1440, 1460, 8192];

/// A connection that is being opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handshake {
    pub flow: Flow,
    /// The listener, or the socket that connects.
    pub owner: Name,
    /// We began it.
    pub is_ours: bool,
    /// It is not answered until it is known what becomes of it.
    pub is_held: bool,
    /// The link that was chosen.
    pub link: Option<u32>,
    /// Our first sequence number.
    pub first: u32,
    /// What the peer told in its SYN.
    pub told: Option<Told>,
    /// When the last segment went out, and whether it was the only one.
    sent_ns: u64,
    tries: u32,
}

/// What a peer's SYN says.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    /// The number of its next byte.
    pub receive_next: u32,
    pub offer: Offer,
}

impl Told {
    pub fn of(segment: &Segment, frame: &[u8]) -> Self {
        Self {
            receive_next: segment.seq.wrapping_add(1),
            offer: segment.offer(frame),
        }
    }
}

/// What an acknowledgement without a handshake came to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cookie {
    /// It tells a cookie of ours, and is a connection now.
    Taken(Name),
    /// It tells one, but there is no room for the connection yet.
    NoRoom,
    /// It tells none.
    Wrong,
}

impl Handshake {
    /// Of a socket that connects.
    pub fn ours(flow: Flow, owner: Name, link: Option<u32>, first: u32) -> Self {
        Self {
            flow,
            owner,
            is_ours: true,
            is_held: false,
            link,
            first,
            told: None,
            sent_ns: 0,
            tries: 0,
        }
    }

    /// Of a peer that has to wait.
    pub fn held(flow: Flow, owner: Name, first: u32, told: Told) -> Self {
        Self {
            is_ours: false,
            is_held: true,
            told: Some(told),
            ..Self::ours(flow, owner, None, first)
        }
    }

    /// When it is looked at again.
    pub fn due_ns(&self) -> u64 {
        self.sent_ns + (RETRY_NS << self.tries.saturating_sub(1))
    }

    fn retries(&self) -> u32 {
        if self.told.is_some() {
            ANSWER_RETRIES
        } else {
            SYN_RETRIES
        }
    }
}

impl SmolStack {
    /// Sends the SYN, or the answer to one, and arms its repetition.
    pub(super) fn send_handshake(&mut self, name: Name) {
        let Some(handshake) = self.tcp.handshakes.get_mut(name) else {
            return;
        };
        let wait_ns = RETRY_NS << handshake.tries;
        handshake.tries += 1;
        handshake.sent_ns = self.now;
        let handshake = *handshake;
        self.timers.arm(self.now + wait_ns, Timer::Handshake(name));
        self.send_syn(
            &handshake.flow,
            handshake.link,
            handshake.first,
            handshake.told,
        );
    }

    fn send_syn(&mut self, flow: &Flow, link: Option<u32>, first: u32, told: Option<Told>) {
        let Ok(way) = self.topology.way(flow.peer, Some(flow.local), link) else {
            return;
        };
        let offer = told.map(|told| told.offer);
        let ack = told.map_or(0, |told| told.receive_next);
        let flags = if told.is_some() { SYN | ACK } else { SYN };
        let bare = Bare {
            offer: Some(Offer {
                mss: self.mss(flow, way.link),
                // We take what the other side takes.
                shift: offer
                    .is_none_or(|offer| offer.shift.is_some())
                    .then_some(WINDOW_SHIFT),
                sack: offer.is_none_or(|offer| offer.sack),
                stamp: match offer {
                    None => Some(0),
                    Some(offer) => offer.stamp.map(|stamp| stamp.value),
                }
                .map(|echo| Stamp {
                    value: stamp_clock(self.tcp.stamp_offset(flow), self.now),
                    echo,
                }),
            }),
            ..Bare::of(flow, first, ack, flags, RECEIVE_FIRST as u16)
        };
        self.send_bare(flow, link, &bare);
    }

    /// A handshake waited long enough.
    pub(crate) fn run_handshake(&mut self, name: Name) {
        let handshake = self.tcp.handshakes.get(name).copied();
        let Some(handshake) = handshake.filter(|handshake| !handshake.is_held) else {
            return;
        };
        // An entry of the heap from before the last repetition.
        if self.now < handshake.sent_ns + (RETRY_NS << (handshake.tries - 1)) {
            return;
        }
        if handshake.tries > handshake.retries() {
            self.fail_handshake(name, Errno::ETIMEDOUT);
        } else {
            self.send_handshake(name);
        }
    }

    /// Takes a handshake away.
    pub(super) fn remove_handshake(&mut self, name: Name) -> Option<Handshake> {
        let handshake = self.tcp.handshakes.remove(name)?;
        self.remove_flow(&handshake.flow);
        if let Some(listener) = self.listener(handshake.owner) {
            listener.half_open -= 1;
        }
        Some(handshake)
    }

    pub(super) fn listener(&mut self, name: Name) -> Option<&mut Listener> {
        match &mut self.sockets.get_mut(name)?.body {
            Body::Listening(listener) => Some(listener),
            _ => None,
        }
    }

    /// A handshake came to nothing.
    pub(super) fn fail_handshake(&mut self, name: Name, errno: Errno) {
        let Some(handshake) = self.remove_handshake(name) else {
            return;
        };
        if !handshake.is_ours {
            return self.tell_lost(&handshake);
        }
        if let Some(socket) = self.sockets.get_mut(handshake.owner) {
            socket.error = Some(errno);
            socket.body = Body::Ended(Ended {
                is_refused: true,
                ..Ended::default()
            });
        }
        self.mark_changed(handshake.owner);
    }

    /// A SYN for a listener.
    pub(super) fn listener_input(
        &mut self,
        owner: Name,
        flow: &Flow,
        arrived: &Arrived,
        frame: &[u8],
        segment: &Segment,
    ) {
        let is_full = self.tcp.handshakes.len() >= HANDSHAKES_MAX || !self.has_memory();
        let first = self.tcp.first_sequence(flow, self.now);
        let (now, link) = (self.now, self.near(arrived, flow.peer));
        let Some(listener) = self.listener(owner) else {
            return;
        };
        // The peer tries again, and by then one may have been accepted.
        if listener.ready.len() > listener.backlog {
            return;
        }
        let told = Told::of(segment, frame);
        if is_full || listener.half_open >= listener.backlog.max(HALF_OPEN_MIN) {
            listener.cookies_until_ns = now + 2 * COOKIE_UNIT_NS;
            return self.send_cookie(flow, link, told, segment.seq);
        }
        listener.half_open += 1;
        let name = self.tcp.handshakes.insert(|_| Handshake {
            flow: *flow,
            owner,
            is_ours: false,
            is_held: false,
            link,
            first,
            told: Some(told),
            sent_ns: now,
            tries: 0,
        });
        self.add_flow(*flow, Target::Handshake(name));
        self.send_handshake(name);
    }

    fn cookie(&self, flow: &Flow, their_first: u32, unit: u64, size: usize) -> u32 {
        let mut hasher = self.tcp.cookie_keys.build_hasher();
        flow.hash(&mut hasher);
        hasher.write_u32(their_first);
        hasher.write_u64(unit);
        hasher.write_usize(size);
        let proof = hasher.finish() as u32 & 0x00ff_ffff;
        (unit as u32 & 31) << 27 | (size as u32) << 24 | proof
    }

    /// Answers a SYN and remembers nothing: what is needed comes back in the acknowledgement.
    fn send_cookie(&mut self, flow: &Flow, link: Option<u32>, told: Told, their_first: u32) {
        let size = COOKIE_MSS
            .iter()
            .rposition(|&mss| mss <= told.offer.mss)
            .unwrap_or(0);
        let first = self.cookie(flow, their_first, self.now / COOKIE_UNIT_NS, size);
        let told = Told {
            // There is no room for these in a cookie.
            offer: Offer {
                shift: None,
                sack: false,
                stamp: None,
                ..told.offer
            },
            ..told
        };
        self.send_syn(flow, link, first, Some(told));
    }

    /// An acknowledgement for a listener without a handshake: one of a cookie, or nothing.
    pub(super) fn cookie_input(
        &mut self,
        owner: Name,
        flow: &Flow,
        arrived: &Arrived,
        segment: &Segment,
    ) -> Cookie {
        let now = self.now;
        let Some(listener) = self.listener(owner) else {
            return Cookie::Wrong;
        };
        if now >= listener.cookies_until_ns {
            return Cookie::Wrong;
        }
        let is_full = listener.ready.len() > listener.backlog;
        let cookie = segment.ack.wrapping_sub(1);
        let their_first = segment.seq.wrapping_sub(1);
        let this = now / COOKIE_UNIT_NS;
        let size = (cookie >> 24 & 7) as usize;
        let is_ours = [this, this.saturating_sub(1)]
            .iter()
            .any(|&unit| self.cookie(flow, their_first, unit, size) == cookie);
        if !is_ours {
            return Cookie::Wrong;
        }
        if is_full || !self.has_memory() {
            return Cookie::NoRoom;
        }
        let handshake = Handshake {
            flow: *flow,
            owner,
            is_ours: false,
            is_held: false,
            link: self.near(arrived, flow.peer),
            first: cookie,
            told: Some(Told {
                receive_next: segment.seq,
                offer: Offer {
                    mss: COOKIE_MSS[size],
                    shift: None,
                    sack: false,
                    stamp: None,
                },
            }),
            sent_ns: now,
            tries: 0,
        };
        self.establish(&handshake, segment)
            .map_or(Cookie::NoRoom, Cookie::Taken)
    }

    /// Takes a segment of a handshake.
    pub(super) fn handshake_input(
        &mut self,
        name: Name,
        arrived: &Arrived,
        frame: &mut [u8],
        segment: &Segment,
    ) {
        let Some(handshake) = self.tcp.handshakes.get(name).copied() else {
            return;
        };
        let flow = handshake.flow;
        if handshake.is_held {
            // There is nothing yet that the peer could answer.
            let receive_next = handshake.told.map(|told| told.receive_next);
            if segment.has(RST) && Some(segment.seq) == receive_next {
                self.fail_handshake(name, Errno::ECONNREFUSED);
            }
            return;
        }
        let is_acknowledged = segment.has(ACK) && segment.ack == handshake.first.wrapping_add(1);
        if segment.has(ACK) && !is_acknowledged {
            return self.send_reset(&flow, arrived, segment);
        }
        let Some(told) = handshake.told else {
            // We wait for the peer's SYN.
            if segment.has(RST) {
                if is_acknowledged {
                    self.fail_handshake(name, Errno::ECONNREFUSED);
                }
                return;
            }
            if !segment.has(SYN) {
                return;
            }
            let told = Told::of(segment, frame);
            if is_acknowledged {
                let handshake = Handshake {
                    told: Some(told),
                    ..handshake
                };
                self.remove_handshake(name);
                self.establish(&handshake, segment);
                return;
            }
            // Both sides began at once.
            if let Some(handshake) = self.tcp.handshakes.get_mut(name) {
                handshake.told = Some(told);
                handshake.tries = 0;
            }
            return self.send_handshake(name);
        };
        if segment.has(RST) {
            if segment.seq == told.receive_next {
                self.fail_handshake(name, Errno::ECONNREFUSED);
            }
            return;
        }
        if segment.has(SYN) {
            if segment.seq.wrapping_add(1) == told.receive_next
                && segment.has(ACK) == is_acknowledged
            {
                if is_acknowledged && handshake.is_ours {
                    self.remove_handshake(name);
                    self.establish(&handshake, segment);
                } else {
                    // It did not see our answer.
                    self.send_syn(&flow, handshake.link, handshake.first, handshake.told);
                }
            }
            return;
        }
        let is_early = is_before(segment.seq, told.receive_next);
        let window_end = told.receive_next.wrapping_add(RECEIVE_FIRST as u32);
        if !is_acknowledged || is_early || is_before(window_end, segment.seq) {
            return;
        }
        if !self.has_memory() {
            return;
        }
        if !handshake.is_ours {
            // Without room it stays a handshake, and the peer hears our answer once more.
            let is_full = self
                .listener(handshake.owner)
                .is_none_or(|listener| listener.ready.len() > listener.backlog);
            if is_full {
                return;
            }
        }
        self.remove_handshake(name);
        if let Some(connection) = self.establish(&handshake, segment) {
            self.connection_input(connection, frame, segment);
        }
    }

    /// Makes a connection of a handshake that is done.
    fn establish(&mut self, handshake: &Handshake, segment: &Segment) -> Option<Name> {
        let connection = self.begin_connection(handshake, segment);
        if connection.is_none() && !handshake.is_ours {
            self.tell_lost(handshake);
        }
        if connection.is_none()
            && handshake.is_ours
            && let Some(socket) = self.sockets.get_mut(handshake.owner)
        {
            // The peer hears it when it says something.
            socket.error = Some(Errno::ENOBUFS);
            socket.body = Body::Ended(Ended {
                is_refused: true,
                ..Ended::default()
            });
            self.mark_changed(handshake.owner);
        }
        connection
    }

    fn begin_connection(&mut self, handshake: &Handshake, segment: &Segment) -> Option<Name> {
        let flow = handshake.flow;
        let told = handshake.told?;
        // The place of the handshake's entry is not free for sure.
        if !self.has_room_for_flow() {
            return None;
        }
        let options = self.sockets.get(handshake.owner)?.options;
        let way = self
            .topology
            .way(flow.peer, Some(flow.local), handshake.link)
            .ok()?;
        let mut mss = told.offer.mss.min(self.mss(&flow, way.link));
        let stamps = told.offer.stamp.map(|stamp| {
            mss = mss.saturating_sub(STAMP_BYTES as u16);
            Stamps::begin(self.tcp.stamp_offset(&flow), stamp.value, self.now)
        });
        // The window of a SYN is not shifted.
        let shift = match told.offer.shift {
            Some(shift) if !segment.has(SYN) => shift,
            _ => 0,
        };
        let peer_window = u32::from(segment.window) << shift;
        if !handshake.is_ours
            && self
                .listener(handshake.owner)?
                .ready
                .try_reserve(1)
                .is_err()
        {
            return None;
        }
        let mut timing = Timing::default();
        // A handshake that was repeated, or a cookie, tells nothing of the time it takes.
        if handshake.tries == 1 {
            timing.sample(self.now.saturating_sub(handshake.sent_ns));
        }
        let mut scratch = core::mem::take(&mut self.scratch);
        let connection = Connection::begin(
            &mut self.tcp.engine,
            self.now,
            handshake,
            Offer { mss, ..told.offer },
            peer_window,
            (timing, stamps),
            way.link,
            &options,
            &mut scratch,
        );
        self.scratch = scratch;
        let connection = Box::new(connection?);
        let local = (flow.local, flow.local_port);
        let name = if handshake.is_ours {
            let socket = self.sockets.get_mut(handshake.owner)?;
            socket.body = Body::Connected(connection);
            socket.local = local;
            handshake.owner
        } else {
            let owner = self.sockets.get(handshake.owner)?;
            let (family, options) = (owner.family, owner.options);
            let name = self.sockets.insert(|name| Socket {
                name,
                family,
                kind: Kind::Stream,
                options,
                local,
                is_bound: false,
                error: None,
                is_changed: false,
                groups: alloc::vec::Vec::new(),
                body: Body::Connected(connection),
            });
            self.listener(handshake.owner)?.ready.push_back(name);
            name
        };
        self.add_flow(flow, Target::Connection(name));
        if handshake.is_ours {
            // What is left from the beginning is the third segment of the handshake.
            self.emit(name);
            self.mark_changed(name);
        } else {
            self.mark_changed(handshake.owner);
        }
        self.drive(name);
        Some(name)
    }
}

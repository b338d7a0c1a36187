//! Hardware addresses of neighbours, and the packets that wait for them.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::net::IpAddr;

use hashbrown::HashMap;

use crate::ethernet::Mac;
use crate::packet::Packet;
use crate::secret::Keys;

/// How many neighbours are remembered.
const NEIGHBOURS_MAX: usize = 1024;
/// How many packets may wait for one address. The oldest one gives way.
const WAITING_MAX: usize = 64;
/// How often an address is asked for before its packets are given up.
const TRIES: u32 = 3;
const ASK_EVERY_NS: u64 = 1_000_000_000;
/// After this long, a neighbour is asked again while its address is still used.
const FRESH_NS: u64 = 30_000_000_000;
/// After this long without an answer it is forgotten.
const STALE_NS: u64 = 60_000_000_000;

struct Entry {
    mac: Option<Mac>,
    confirmed_ns: u64,
    asked_ns: u64,
    tries: u32,
    waiting: VecDeque<Packet>,
}

/// Whom to ask for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Question {
    pub link: u32,
    pub address: IpAddr,
}

/// What is known of a neighbour.
pub(crate) enum Found {
    Known(Mac),
    /// It is known, and has to be asked once more.
    KnownAsk(Mac),
    /// It has to be asked.
    Ask,
    /// It was asked.
    Asked,
}

/// The neighbours of all links.
pub(crate) struct Neighbours {
    entries: HashMap<(u32, IpAddr), Entry, Keys>,
    /// Those that were asked, and whose packets wait.
    asked: Vec<(u32, IpAddr)>,
}

impl Neighbours {
    pub fn new(keys: Keys) -> Self {
        Self {
            entries: HashMap::with_hasher(keys),
            asked: Vec::new(),
        }
    }

    /// Looks one up for a packet that goes there.
    pub fn find(&mut self, link: u32, address: IpAddr, now_ns: u64) -> Found {
        let Some(entry) = self.entries.get_mut(&(link, address)) else {
            self.make_room();
            if self.entries.try_reserve(1).is_err() || self.asked.try_reserve(1).is_err() {
                // What would wait is dropped.
                return Found::Asked;
            }
            self.entries.insert(
                (link, address),
                Entry {
                    mac: None,
                    confirmed_ns: 0,
                    asked_ns: now_ns,
                    tries: 1,
                    waiting: VecDeque::new(),
                },
            );
            self.asked.push((link, address));
            return Found::Ask;
        };
        let Some(mac) = entry.mac else {
            return Found::Asked;
        };
        let age = now_ns.saturating_sub(entry.confirmed_ns);
        if age > STALE_NS {
            entry.mac = None;
            entry.asked_ns = now_ns;
            entry.tries = 1;
            self.asked.push((link, address));
            Found::Ask
        } else if age > FRESH_NS && now_ns >= entry.asked_ns + ASK_EVERY_NS {
            entry.asked_ns = now_ns;
            Found::KnownAsk(mac)
        } else {
            Found::Known(mac)
        }
    }

    /// Keeps a packet until the address is known.
    pub fn wait(&mut self, link: u32, address: IpAddr, packet: Packet) {
        if let Some(entry) = self.entries.get_mut(&(link, address)) {
            if entry.waiting.len() >= WAITING_MAX {
                entry.waiting.pop_front();
            }
            if entry.waiting.try_reserve(1).is_ok() {
                entry.waiting.push_back(packet);
            }
        }
    }

    /// A neighbour told its address. One that nobody asked for is remembered only if
    /// `is_new_welcome`. Gives the packets that waited.
    pub fn learn(
        &mut self,
        link: u32,
        address: IpAddr,
        mac: Mac,
        now_ns: u64,
        is_new_welcome: bool,
    ) -> VecDeque<Packet> {
        let key = (link, address);
        if !self.entries.contains_key(&key) {
            if !is_new_welcome {
                return VecDeque::new();
            }
            self.make_room();
            if self.entries.try_reserve(1).is_err() {
                return VecDeque::new();
            }
        }
        let entry = self.entries.entry(key).or_insert_with(|| Entry {
            mac: None,
            confirmed_ns: 0,
            asked_ns: 0,
            tries: 0,
            waiting: VecDeque::new(),
        });
        entry.mac = Some(mac);
        entry.confirmed_ns = now_ns;
        let waiting = core::mem::take(&mut entry.waiting);
        self.asked.retain(|&asked| asked != key);
        waiting
    }

    fn make_room(&mut self) {
        if self.entries.len() < NEIGHBOURS_MAX {
            return;
        }
        let oldest = self
            .entries
            .iter()
            .min_by_key(|(_, entry)| entry.confirmed_ns.max(entry.asked_ns))
            .map(|(&key, _)| key);
        if let Some(key) = oldest {
            self.entries.remove(&key);
            self.asked.retain(|&asked| asked != key);
        }
    }

    /// When [`Neighbours::due`] has something to say.
    pub fn deadline(&self) -> u64 {
        self.asked
            .iter()
            .filter_map(|key| self.entries.get(key))
            .map(|entry| entry.asked_ns + ASK_EVERY_NS)
            .min()
            .unwrap_or(u64::MAX)
    }

    /// Whom to ask once more, and the packets that nobody will take.
    pub fn due(&mut self, now_ns: u64) -> (Vec<Question>, Vec<Packet>) {
        let (mut questions, mut lost) = (Vec::new(), Vec::new());
        let entries = &mut self.entries;
        self.asked.retain(|key| {
            let Some(entry) = entries.get_mut(key) else {
                return false;
            };
            if now_ns < entry.asked_ns + ASK_EVERY_NS {
                return true;
            }
            if entry.tries >= TRIES {
                lost.extend(
                    entries
                        .remove(key)
                        .into_iter()
                        .flat_map(|entry| entry.waiting),
                );
                return false;
            }
            entry.tries += 1;
            entry.asked_ns = now_ns;
            questions.push(Question {
                link: key.0,
                address: key.1,
            });
            true
        });
        (questions, lost)
    }

    /// All that are known.
    pub fn known(&self) -> impl Iterator<Item = (u32, IpAddr, Mac)> {
        self.entries
            .iter()
            .filter_map(|(&(link, address), entry)| Some((link, address, entry.mac?)))
    }
}

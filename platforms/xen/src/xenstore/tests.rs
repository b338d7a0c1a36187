#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::prelude::rust_2024::*;
use std::rc::Rc;
use std::{assert, assert_eq, format, vec};

use super::*;
use crate::hostile::{Numbers, Page};

/// The other side: answers whenever it is waited for.
pub struct Peer {
    page: RefCell<Page>,
    /// Values by path.
    pub tree: RefCell<BTreeMap<String, Vec<u8>>>,
    /// Whose they are, if not the first guest's.
    pub owners: RefCell<BTreeMap<String, u32>>,
    /// Which names came when, if that counts.
    pub order: RefCell<Vec<String>>,
    /// What cannot be removed by itself.
    pub kept: RefCell<BTreeSet<String>>,
    /// What came and is not a whole message.
    heard: RefCell<Vec<u8>>,
    /// What is said when there is room.
    to_say: RefCell<Vec<u8>>,
    /// Transactions that fail, because somebody came between.
    conflicts: Cell<u32>,
    numbers: RefCell<Numbers>,
    is_hostile: bool,
    waits: Cell<u32>,
}

impl Peer {
    /// A peer with a pace of its own.
    pub fn new(seed: u64, is_hostile: bool) -> Rc<Self> {
        Rc::new(Self {
            page: RefCell::new(Page::new()),
            tree: RefCell::default(),
            owners: RefCell::default(),
            order: RefCell::default(),
            kept: RefCell::default(),
            heard: RefCell::default(),
            to_say: RefCell::default(),
            conflicts: Cell::new(0),
            numbers: RefCell::new(Numbers::new(seed)),
            is_hostile,
            waits: Cell::new(0),
        })
    }

    /// Its client.
    pub fn store(self: &Rc<Self>) -> Store<Rc<Self>> {
        let page = self.page.borrow().pointer();
        // SAFETY: the page is the test's, and lives as long as the peer.
        unsafe { Store::new(page, self.clone()) }
    }

    /// What is counted of its patience begins anew.
    pub fn rest(&self) {
        self.waits.set(0);
    }

    fn word(&self, at: usize) -> u32 {
        u32::from_le_bytes(
            self.page.borrow_mut().bytes()[at..][..4]
                .try_into()
                .unwrap(),
        )
    }

    fn set(&self, at: usize, value: u32) {
        self.page.borrow_mut().bytes()[at..][..4].copy_from_slice(&value.to_le_bytes());
    }

    fn say(&self, kind: u32, number: u32, content: &[u8]) {
        let mut to_say = self.to_say.borrow_mut();
        for word in [kind, number, 0, content.len() as u32] {
            to_say.extend(word.to_le_bytes());
        }
        to_say.extend(content);
    }

    /// Moves some bytes each way, and answers what is whole.
    fn step(&self) {
        let (made, taken) = (self.word(OUT_MADE), self.word(OUT_TAKEN));
        let pace = self.numbers.borrow_mut().below(700) as u32 + 1;
        let now = made.wrapping_sub(taken).min(pace);
        for at in 0..now {
            let place = OUT_AT + taken.wrapping_add(at) as usize % RING_BYTES;
            let byte = self.page.borrow_mut().bytes()[place];
            self.heard.borrow_mut().push(byte);
        }
        self.set(OUT_TAKEN, taken.wrapping_add(now));
        self.answer();
        let (made, taken) = (self.word(IN_MADE), self.word(IN_TAKEN));
        let room = RING_BYTES as u32 - made.wrapping_sub(taken);
        let pace = self.numbers.borrow_mut().below(700) as u32 + 1;
        let mut to_say = self.to_say.borrow_mut();
        let now = room.min(pace).min(to_say.len() as u32);
        for (at, byte) in to_say.drain(..now as usize).enumerate() {
            let place = IN_AT + made.wrapping_add(at as u32) as usize % RING_BYTES;
            self.page.borrow_mut().bytes()[place] = byte;
        }
        self.set(IN_MADE, made.wrapping_add(now));
    }

    fn answer(&self) {
        loop {
            let heard = self.heard.borrow().clone();
            let Some((header, rest)) = heard.split_at_checked(HEADER_BYTES) else {
                return;
            };
            let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap());
            let Some((content, rest)) = rest.split_at_checked(word(12) as usize) else {
                return;
            };
            *self.heard.borrow_mut() = rest.to_vec();
            let (kind, number) = (word(0), word(4));
            let mut parts = content.splitn(2, |&byte| byte == 0);
            let path = String::from_utf8(parts.next().unwrap().to_vec()).unwrap();
            let value = parts.next().unwrap_or_default();
            let error = |name: &str| (Kind::Error as u32, format!("{name}\0").into_bytes());
            let mut tree = self.tree.borrow_mut();
            let (kind, content) = match kind {
                2 => tree
                    .get(&path)
                    .map_or(error("ENOENT"), |it| (2, it.clone())),
                11 if path.starts_with('/') && !path.starts_with("/local/") => error("EACCES"),
                11 => {
                    tree.insert(path, value.to_vec());
                    // Whoever watches is told before.
                    self.say(Kind::WatchEvent as u32, 0, b"path\0w\0");
                    (11, b"OK\0".to_vec())
                }
                13 if self.kept.borrow().contains(&path) => error("EACCES"),
                13 if tree.contains_key(&path) => {
                    let below = format!("{path}/");
                    tree.retain(|key, _| *key != path && !key.starts_with(&below));
                    (13, b"OK\0".to_vec())
                }
                13 => error("ENOENT"),
                3 if tree.contains_key(&path) => {
                    let owner = self.owners.borrow().get(&path).copied();
                    (3, format!("b{}\0r7\0", owner.unwrap_or(0)).into_bytes())
                }
                3 => error("ENOENT"),
                1 if path.starts_with('/') && !tree.contains_key(&path) => error("ENOENT"),
                1 | 22 if path.starts_with('/') => {
                    let below = format!("{path}/");
                    let order = self.order.borrow();
                    let names: Vec<&String> = match order.is_empty() {
                        true => tree.keys().collect(),
                        false => order.iter().filter(|&key| tree.contains_key(key)).collect(),
                    };
                    let names = names.iter().filter_map(|key| key.strip_prefix(&*below));
                    let mut names: Vec<u8> = names
                        .flat_map(|name| format!("{name}\0").into_bytes())
                        .collect();
                    match names.len() <= CONTENT_BYTES_MAX {
                        true => (1, names),
                        false if kind == 1 => error("E2BIG"),
                        false => {
                            names.splice(0..0, *b"3\0");
                            names.truncate(CONTENT_BYTES_MAX);
                            (22, names)
                        }
                    }
                }
                1 => (
                    1,
                    tree.keys()
                        .flat_map(|key| format!("{key}\0").into_bytes())
                        .collect(),
                ),
                6 => (6, b"77\0".to_vec()),
                7 if self.conflicts.get() > 0 => {
                    self.conflicts.set(self.conflicts.get() - 1);
                    error("EAGAIN")
                }
                kind => (kind, b"OK\0".to_vec()),
            };
            drop(tree);
            self.say(kind, number, &content);
        }
    }
}

impl Bell for Rc<Peer> {
    fn ring(&self) {}
    fn wait(&self) {
        self.waits.set(self.waits.get() + 1);
        assert!(self.waits.get() < 100_000, "the client waits for ever");
        self.step();
        if self.is_hostile {
            let mut numbers = self.numbers.borrow_mut();
            let at = match numbers.below(3) {
                0 => OUT_TAKEN + numbers.below(4) as usize * 4,
                // In what is said to the client.
                _ => IN_AT + numbers.below(64) as usize * 4,
            };
            let value = match numbers.below(2) {
                0 => numbers.below(20) as u32,
                _ => numbers.next() as u32,
            };
            drop(numbers);
            self.set(at, value);
        }
    }
}

#[test]
fn values_are_written_and_read_whatever_the_pace() {
    for seed in 1..30 {
        let peer = Peer::new(seed, false);
        let mut store = peer.store();
        let long = vec![b'x'; 3000];
        let mut room = [0; CONTENT_BYTES_MAX];
        for round in 0..10 {
            store.write_number(ALONE, &["device/", "a"], round).unwrap();
            assert_eq!(store.number(ALONE, &["device/a"]), Ok(round));
            store.write(ALONE, &["long"], &long).unwrap();
            assert_eq!(store.read(ALONE, &["long"], &mut room), Ok(&long[..]));
            let mut short = [0; 10];
            assert_eq!(
                store.read(ALONE, &["long"], &mut short),
                Err(Errno::EMSGSIZE)
            );
            let names = store.names(&["x"], &mut room).unwrap();
            assert_eq!(names.names, b"device/a\0long\0");
            assert!(names.are_all);
            let names = store.names(&["x"], &mut short[..10]).unwrap();
            assert_eq!(names.names, b"device/a\0");
            assert!(!names.are_all);
            assert_eq!(store.changes(), Ok(2 * round as u32 + 2));
        }
        store.remove(ALONE, &["long"]).unwrap();
        assert_eq!(store.read(ALONE, &["long"], &mut room), Err(Errno::ENOENT));
        assert_eq!(store.number(ALONE, &["device/", "a"]), Ok(9));
        store.write(ALONE, &["a"], b"no").unwrap();
        assert_eq!(store.number(ALONE, &["a"]), Err(Errno::EINVAL));
    }
}

#[test]
fn refusals_have_their_names() {
    let peer = Peer::new(1, false);
    let mut store = peer.store();
    assert_eq!(
        store.write(ALONE, &["/rendezvous/x"], b"1"),
        Err(Errno::EACCES)
    );
    assert_eq!(store.remove(ALONE, &["none"]), Err(Errno::ENOENT));
    let long = "x".repeat(PATH_BYTES_MAX + 1);
    assert_eq!(store.write(ALONE, &[&long], b""), Err(Errno::E2BIG));
    assert_eq!(errno_of(b"EWHATEVER\0"), Errno::EIO);
    assert_eq!(errno_of(b""), Errno::EIO);
    assert_eq!(errno_of(b"EPERM\0rest"), Errno::EPERM);
}

#[test]
fn a_transaction_is_tried_again_when_somebody_came_between() {
    let peer = Peer::new(5, false);
    let mut store = peer.store();
    peer.conflicts.set(3);
    let mut tries = 0;
    let done = store.transaction(|store, within| {
        tries += 1;
        assert_eq!(within, Transaction(77));
        store.write(within, &["a"], b"1")?;
        Ok(tries)
    });
    assert_eq!(done, Ok(4));
    let failed = store.transaction(|store, within| store.write(within, &["/a"], b"1"));
    assert_eq!(failed, Err(Errno::EACCES));
    peer.conflicts.set(1000);
    let never = store.transaction(|_, _| Ok(()));
    assert_eq!(never, Err(Errno::EAGAIN));
}

#[test]
fn a_hostile_store_is_refused_or_harmless() {
    let mut refused = 0;
    for seed in 1..400 {
        let peer = Peer::new(seed, true);
        let mut store = peer.store();
        let mut room = [0; 64];
        for round in 0..10 {
            // Not for ever: it may say less than it owes.
            let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                peer.waits.set(99_000);
                store
                    .write_number(ALONE, &["device/a"], round)
                    .and_then(|()| store.read(ALONE, &["device/a"], &mut room).map(<[u8]>::len))
            }));
            match answer {
                Ok(Ok(len)) => assert!(len <= room.len()),
                Ok(Err(_)) => {
                    refused += 1;
                    break;
                }
                Err(why) => {
                    let why = why.downcast_ref::<&str>().copied().unwrap_or_default();
                    assert_eq!(why, "the client waits for ever");
                    break;
                }
            }
        }
    }
    assert!(refused > 20, "{refused}");
}

//! A guest with a hostile world beside it: xenstore in memory, and a back end that does as it likes whenever
//! it is told something or waited for.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::prelude::rust_2024::*;
use std::rc::Rc;
use std::vec;

use muslin_abi::Errno;

use crate::PAGE_BYTES;
use crate::grants::Grant;
use crate::guest::Guest;
use crate::xenstore::{Bell, Store};

/// Bytes of each of xenstore's rings, and where the counters are: of what the guest says and of what it hears.
const RING_BYTES: usize = 1024;
const OUT_TAKEN: usize = 2 * RING_BYTES;
const OUT_MADE: usize = OUT_TAKEN + 4;
const IN_TAKEN: usize = OUT_TAKEN + 8;
const IN_MADE: usize = OUT_TAKEN + 12;

const READ: u32 = 2;
const WATCH: u32 = 4;
const WRITE: u32 = 11;
const EVENT: u32 = 15;
const ERROR: u32 = 16;

/// How often one call may wait.
const WAITS_MAX: u32 = 2000;

/// What the guest has granted, and the tree of xenstore.
pub struct Beside {
    page: super::Page,
    heard: Vec<u8>,
    to_say: Vec<u8>,
    /// Names and values.
    pub tree: BTreeMap<String, String>,
    watched: Vec<String>,
    /// Writes to paths that end so are refused.
    pub denied: Option<&'static str>,
    /// The pages of the grants, by their numbers.
    pub granted: Vec<*mut u8>,
    /// How many grants there are.
    pub grants_max: usize,
    /// Whom each was granted to.
    pub granted_to: Vec<u16>,
    /// How many were taken back.
    pub grants_back: usize,
    /// A guest that lets go of nothing.
    pub holds: Option<u16>,
    /// Whether the channel is there.
    pub has_channel: bool,
}

impl Beside {
    fn word(&mut self, at: usize) -> u32 {
        u32::from_le_bytes(self.page.bytes()[at..at + 4].try_into().unwrap())
    }

    fn set(&mut self, at: usize, value: u32) {
        self.page.bytes()[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }

    /// Changes a value as another guest does.
    pub fn write(&mut self, path: &str, value: impl ToString) {
        self.tree.insert(path.to_owned(), value.to_string());
        self.tell(path);
    }

    /// Removes a value.
    pub fn remove(&mut self, path: &str) {
        self.tree.remove(path);
        self.tell(path);
    }

    fn tell(&mut self, path: &str) {
        if self.watched.iter().any(|watched| path.starts_with(watched)) {
            self.say(EVENT, 0, format!("{path}\0w\0").as_bytes());
        }
    }

    fn say(&mut self, kind: u32, number: u32, content: &[u8]) {
        for word in [kind, number, 0, content.len() as u32] {
            self.to_say.extend(word.to_le_bytes());
        }
        self.to_say.extend(content);
    }

    /// Hears and answers, as far as there is room.
    pub fn step(&mut self) {
        let (made, taken) = (self.word(OUT_MADE), self.word(OUT_TAKEN));
        for at in 0..made.wrapping_sub(taken) {
            let place = taken.wrapping_add(at) as usize % RING_BYTES;
            let byte = self.page.bytes()[place];
            self.heard.push(byte);
        }
        self.set(OUT_TAKEN, made);
        while let Some((header, rest)) = self.heard.split_at_checked(16) {
            let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap());
            let (kind, number, len) = (word(0), word(4), word(12) as usize);
            if rest.len() < len {
                break;
            }
            let content = String::from_utf8_lossy(&rest[..len]).into_owned();
            self.heard.drain(..16 + len);
            self.answer(kind, number, &content);
        }
        let (made, taken) = (self.word(IN_MADE), self.word(IN_TAKEN));
        let room = RING_BYTES - made.wrapping_sub(taken) as usize;
        let now = room.min(self.to_say.len());
        for (at, byte) in self
            .to_say
            .drain(..now)
            .collect::<Vec<_>>()
            .iter()
            .enumerate()
        {
            let place = RING_BYTES + (made as usize).wrapping_add(at) % RING_BYTES;
            self.page.bytes()[place] = *byte;
        }
        self.set(IN_MADE, made.wrapping_add(now as u32));
    }

    fn answer(&mut self, kind: u32, number: u32, content: &str) {
        let (path, value) = content.split_once('\0').unwrap_or((content, ""));
        match kind {
            READ => match self.tree.get(path).cloned() {
                Some(value) => self.say(READ, number, value.as_bytes()),
                None => self.say(ERROR, number, b"ENOENT\0"),
            },
            WATCH => {
                self.watched.push(path.to_owned());
                self.say(WATCH, number, b"OK\0");
                self.tell(path);
            }
            WRITE if self.denied.is_some_and(|end| path.ends_with(end)) => {
                self.say(ERROR, number, b"EACCES\0");
            }
            WRITE => {
                self.tree.insert(path.to_owned(), value.to_owned());
                self.say(WRITE, number, b"OK\0");
            }
            _ => self.say(ERROR, number, b"ENOSYS\0"),
        }
    }
}

/// Some bytes of a page that was granted.
#[allow(
    clippy::mut_from_ref,
    reason = "the page is no part of what is borrowed"
)]
pub fn granted(beside: &Beside, grant: u32, start: usize, len: usize) -> &mut [u8] {
    let page = beside.granted[grant as usize];
    assert!(start + len <= PAGE_BYTES);
    // SAFETY: a page of the test's, which nobody else uses meanwhile.
    unsafe { std::slice::from_raw_parts_mut(page.add(start), len) }
}

/// How xenstore is told something.
pub struct Door(Rc<RefCell<Beside>>);

impl Bell for Door {
    fn ring(&self) {
        self.0.borrow_mut().step();
    }
    fn wait(&self) {
        self.0.borrow_mut().step();
    }
}

/// What a back end does when it is told something or waited for.
pub type Back<'a> = dyn FnMut(&mut Beside) + 'a;

/// The guest.
pub struct World<'a> {
    store: Store<Door>,
    /// What is beside it.
    pub beside: Rc<RefCell<Beside>>,
    back: Box<Back<'a>>,
    now_ns: Cell<u64>,
    /// How often it waited in this call.
    pub waits: u32,
}

impl<'a> World<'a> {
    /// A world with this tree, and a back end.
    pub fn new(tree: &[(&str, &str)], back: impl FnMut(&mut Beside) + 'a) -> Self {
        let tree = tree.iter();
        let beside = Rc::new(RefCell::new(Beside {
            page: super::Page::new(),
            heard: vec![],
            to_say: vec![],
            tree: tree
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            watched: vec![],
            denied: None,
            granted: vec![],
            grants_max: 1000,
            granted_to: vec![],
            grants_back: 0,
            holds: None,
            has_channel: false,
        }));
        let page = beside.borrow().page.pointer();
        Self {
            // SAFETY: the page is this world's, and lives as long.
            store: unsafe { Store::new(page, Door(beside.clone())) },
            beside,
            back: Box::new(back),
            now_ns: Cell::new(0),
            waits: 0,
        }
    }

    fn step(&mut self) {
        let mut beside = self.beside.borrow_mut();
        (self.back)(&mut beside);
        beside.step();
    }
}

impl Guest for World<'_> {
    type Bell = Door;

    fn store(&mut self) -> &mut Store<Door> {
        &mut self.store
    }

    fn grant(
        &mut self,
        domain: u16,
        page: &'static crate::shared::Page,
        _is_read_only: bool,
    ) -> Result<Grant, Errno> {
        let mut beside = self.beside.borrow_mut();
        if beside.granted.len() >= beside.grants_max {
            return Err(Errno::ENOSPC);
        }
        beside.granted.push(page.pointer());
        beside.granted_to.push(domain);
        Ok(Grant(beside.granted.len() as u32 - 1))
    }

    fn take_back(&mut self, grant: Grant) -> bool {
        let mut beside = self.beside.borrow_mut();
        let whose = beside.granted_to[grant.0 as usize];
        if beside.holds == Some(whose) {
            return false;
        }
        beside.grants_back += 1;
        true
    }

    fn channel(&mut self, _domain: u16) -> Result<u32, Errno> {
        self.beside.borrow_mut().has_channel = true;
        Ok(7)
    }

    fn close(&mut self, port: u32) {
        assert_eq!(port, 7);
        self.beside.borrow_mut().has_channel = false;
    }

    fn notify(&mut self, port: u32) -> Result<(), Errno> {
        assert_eq!(port, 7);
        self.step();
        Ok(())
    }

    fn now_ns(&self) -> u64 {
        self.now_ns.get()
    }

    fn wait(&mut self, until_ns: Option<u64>) {
        self.waits += 1;
        assert!(self.waits < WAITS_MAX, "it waits for ever");
        self.now_ns.set(match until_ns {
            Some(until) if self.waits.is_multiple_of(8) => until,
            _ => self.now_ns.get() + 1_000_000,
        });
        self.step();
    }
}

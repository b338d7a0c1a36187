//! The front end's side of a shared ring: requests to another guest, and its responses.
//!
//! Both sides write the page, so nothing that the other side wrote is believed: how far it says it is, is
//! compared with what was asked for, and each response is copied once before it is looked at. What cannot
//! be is [`Broken`], and whoever uses the ring gives the device up.
//!
//! Source: Xen 4.17 `xen/include/public/io/ring.h`.

use core::marker::PhantomData;
use core::mem::offset_of;
use core::sync::atomic::{AtomicU32, Ordering, fence};

use crate::PAGE_BYTES;
use crate::abi::blkif_sring;

/// Words at the start of the page: how many requests were made, from how many on the other side wants
/// to be told, and the same of responses. All rings begin as the disks' does.
const REQUESTS: usize = offset_of!(blkif_sring, req_prod) / 4;
const REQUEST_EVENT: usize = offset_of!(blkif_sring, req_event) / 4;
const RESPONSES: usize = offset_of!(blkif_sring, rsp_prod) / 4;
const RESPONSE_EVENT: usize = offset_of!(blkif_sring, rsp_event) / 4;
/// Where the entries begin.
const ENTRIES_AT: usize = offset_of!(blkif_sring, ring);

/// What the other side did that it must not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// It says that it made more responses than there were requests.
    Count {
        /// How many it says it has ready.
        ready: u32,
        /// How many requests were open.
        open: u32,
    },
    /// It answers a request that was never made, or that it has answered.
    Id(u64),
    /// It says that something is longer than there is room for.
    Length {
        /// What it says.
        said: u32,
        /// The room.
        room: u32,
    },
    /// It has gone away.
    Gone,
}

impl Broken {
    /// What it did, in words.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Count { .. } => "its back end answers more than it was asked",
            Self::Id(_) => "its back end answers what it was not asked",
            Self::Length { .. } => "its back end says more than there is room for",
            Self::Gone => "its back end has gone away",
        }
    }
}

/// There is no room for a request now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// A ring of requests `Q` and responses `S`.
#[derive(Debug)]
pub struct Ring<Q, S> {
    page: *mut u8,
    /// Requests made, those that the other side does not know of among them.
    made: u32,
    /// Responses taken.
    taken: u32,
    entries: PhantomData<(Q, S)>,
}

// SAFETY: the page is the ring's for as long as that is there; threads take turns.
unsafe impl<Q: Send, S: Send> Send for Ring<Q, S> {}

impl<Q: Copy, S: Copy> Ring<Q, S> {
    const ENTRY_BYTES: usize = if size_of::<Q>() > size_of::<S>() {
        size_of::<Q>()
    } else {
        size_of::<S>()
    };

    /// How many requests can be open: the largest power of two of which all entries fit into the page.
    pub const SIZE: u32 = 1 << ((PAGE_BYTES - ENTRIES_AT) / Self::ENTRY_BYTES).ilog2();

    /// Makes an empty ring.
    ///
    /// # Safety
    /// The page at `page` is writable, aligned, and nobody else's but the other side's, for ever. `Q` and
    /// `S` are plain numbers, for which any bytes are valid, and `Q` has no padding.
    pub unsafe fn new(page: *mut u8) -> Self {
        let ring = Self {
            page,
            made: 0,
            taken: 0,
            entries: PhantomData,
        };
        // SAFETY: the caller's page.
        unsafe { page.write_bytes(0, PAGE_BYTES) };
        ring.word(REQUEST_EVENT).store(1, Ordering::Relaxed);
        ring.word(RESPONSE_EVENT).store(1, Ordering::Release);
        ring
    }

    fn word(&self, index: usize) -> &AtomicU32 {
        // SAFETY: one of the first words of the page, which is there for as long as the ring.
        unsafe { AtomicU32::from_ptr(self.page.cast::<u32>().add(index)) }
    }

    fn entry(&self, number: u32) -> *mut u8 {
        let index = (number % Self::SIZE) as usize;
        // SAFETY: inside the page.
        unsafe { self.page.add(ENTRIES_AT + index * Self::ENTRY_BYTES) }
    }

    /// How many requests are open, made and not answered.
    pub fn open(&self) -> u32 {
        self.made.wrapping_sub(self.taken)
    }

    /// Makes a request. The other side does not know of it before [`publish`](Self::publish).
    ///
    /// # Errors
    /// As many are open as the ring holds.
    pub fn push(&mut self, request: Q) -> Result<(), Full> {
        if self.open() >= Self::SIZE {
            return Err(Full);
        }
        // SAFETY: an entry that the other side has answered; it need not be aligned for `Q`.
        unsafe { self.entry(self.made).cast::<Q>().write_unaligned(request) };
        self.made = self.made.wrapping_add(1);
        Ok(())
    }

    /// Shows the other side what was made. Does it want to be told?
    pub fn publish(&mut self) -> bool {
        let shown = self.word(REQUESTS).load(Ordering::Relaxed);
        self.word(REQUESTS).store(self.made, Ordering::Release);
        // What was asked for must be there before it is looked whether that is wanted.
        fence(Ordering::SeqCst);
        let wanted = self.word(REQUEST_EVENT).load(Ordering::Relaxed);
        self.made.wrapping_sub(wanted) < self.made.wrapping_sub(shown)
    }

    /// Takes a response, if one is there.
    ///
    /// # Errors
    /// The other side counts what it was not asked for.
    pub fn pop(&mut self) -> Result<Option<S>, Broken> {
        let ready = self
            .word(RESPONSES)
            .load(Ordering::Acquire)
            .wrapping_sub(self.taken);
        let open = self.open();
        if ready > open {
            return Err(Broken::Count { ready, open });
        }
        if ready == 0 {
            return Ok(None);
        }
        // SAFETY: an entry of the page; it is copied once, whatever the other side does meanwhile.
        let response = unsafe { self.entry(self.taken).cast::<S>().read_unaligned() };
        // The copy is made before anything is decided by it.
        fence(Ordering::Acquire);
        self.taken = self.taken.wrapping_add(1);
        Ok(Some(response))
    }

    /// Asks to be told of the next response. Is one there already?
    pub fn ask_to_be_told(&mut self) -> bool {
        let next = self.taken.wrapping_add(1);
        self.word(RESPONSE_EVENT).store(next, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.word(RESPONSES).load(Ordering::Relaxed) != self.taken
    }
}

/// Open requests by their number, each with what is kept of it.
#[derive(Debug)]
pub struct Open<T, const N: usize> {
    places: [Option<T>; N],
}

impl<T: Copy, const N: usize> Open<T, N> {
    /// None.
    pub const fn new() -> Self {
        Self { places: [None; N] }
    }

    /// How many more requests there can be.
    pub fn free(&self) -> usize {
        self.places.iter().filter(|place| place.is_none()).count()
    }

    /// Keeps something for a new request; its number.
    ///
    /// # Errors
    /// `N` are open.
    pub fn put(&mut self, kept: T) -> Result<usize, Full> {
        let free = self.places.iter().position(Option::is_none).ok_or(Full)?;
        self.places[free] = Some(kept);
        Ok(free)
    }

    /// Takes what was kept for a request that is answered.
    ///
    /// # Errors
    /// No such request is open.
    pub fn take(&mut self, id: u64) -> Result<T, Broken> {
        usize::try_from(id)
            .ok()
            .and_then(|index| self.places.get_mut(index)?.take())
            .ok_or(Broken::Id(id))
    }
}

impl<T: Copy, const N: usize> Default for Open<T, N> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test ends where it fails")]
mod tests {
    use super::*;
    use crate::hostile::{Numbers, Page};

    type Pair = Ring<[u64; 2], u64>;

    fn set(page: &mut Page, word: usize, value: u32) {
        page.bytes()[word * 4..][..4].copy_from_slice(&value.to_le_bytes());
    }

    fn get(page: &mut Page, word: usize) -> u32 {
        u32::from_le_bytes(page.bytes()[word * 4..][..4].try_into().unwrap())
    }

    #[test]
    fn rings_are_as_large_as_xen_says() {
        assert_eq!(Ring::<[u8; 112], [u8; 16]>::SIZE, 32);
        assert_eq!(Ring::<[u8; 12], [u8; 4]>::SIZE, 256);
        assert_eq!(Ring::<[u8; 8], [u8; 8]>::SIZE, 256);
    }

    #[test]
    fn an_honest_peer_answers_what_was_asked_in_any_pace() {
        for seed in 1..200 {
            let mut numbers = Numbers::new(seed);
            let mut page = Page::new();
            // SAFETY: the page is the test's.
            let mut ring = unsafe { Pair::new(page.pointer()) };
            // The counters go round.
            let (mut asked, mut answered, mut heard) = (0_u64, 0_u64, 0_u64);
            let mut told = false;
            for _ in 0..2000 {
                match numbers.below(4) {
                    0 => {
                        if ring.push([asked, !asked]).is_ok() {
                            asked += 1;
                        } else {
                            assert_eq!(asked - heard, u64::from(Pair::SIZE));
                        }
                    }
                    1 => told |= ring.publish(),
                    2 => {
                        let shown = get(&mut page, REQUESTS);
                        while answered as u32 != shown && numbers.below(5) != 0 {
                            let at = ENTRIES_AT + (answered as usize % Pair::SIZE as usize) * 16;
                            let entry = &mut page.bytes()[at..at + 16];
                            assert_eq!(entry[..8], answered.to_le_bytes());
                            assert_eq!(entry[8..], (!answered).to_le_bytes());
                            entry[..8].copy_from_slice(&(answered + 7).to_le_bytes());
                            answered += 1;
                        }
                        set(&mut page, RESPONSES, answered as u32);
                        if answered as u32 == shown {
                            // It slept: it must be told of the next.
                            set(&mut page, REQUEST_EVENT, shown + 1);
                            told = false;
                        }
                    }
                    _ => match ring.pop().unwrap() {
                        Some(response) => {
                            assert_eq!(response, heard + 7);
                            heard += 1;
                        }
                        None => assert_eq!(ring.ask_to_be_told(), heard < answered),
                    },
                }
                let shown = u64::from(get(&mut page, REQUESTS));
                assert!(
                    told || answered == shown || get(&mut page, REQUEST_EVENT) as u64 <= answered
                );
            }
            assert!(heard > 50, "{heard}");
        }
    }

    #[test]
    fn a_peer_cannot_answer_more_than_was_asked() {
        let mut page = Page::new();
        // SAFETY: the page is the test's.
        let mut ring = unsafe { Pair::new(page.pointer()) };
        ring.push([1, 2]).unwrap();
        ring.publish();
        for ready in [2, 257, u32::MAX, 1 << 31] {
            set(&mut page, RESPONSES, ready);
            let broken = ring.pop().unwrap_err();
            assert_eq!(broken, Broken::Count { ready, open: 1 });
        }
        set(&mut page, RESPONSES, 1);
        assert_eq!(ring.pop().unwrap(), Some(1));
        set(&mut page, RESPONSES, 0);
        assert!(matches!(ring.pop(), Err(Broken::Count { open: 0, .. })));
    }

    #[test]
    fn a_hostile_peer_is_found_out_or_harmless() {
        for seed in 1..2000 {
            let mut numbers = Numbers::new(seed);
            let mut page = Page::new();
            // SAFETY: the page is the test's.
            let mut ring = unsafe { Pair::new(page.pointer()) };
            let mut open = Open::<u64, 8>::new();
            let mut is_open = [false; 8];
            for _ in 0..100 {
                match numbers.below(4) {
                    0 => {
                        if let Ok(id) = open.put(99) {
                            assert!(!std::mem::replace(&mut is_open[id], true));
                            ring.push([id as u64, 0]).unwrap();
                        }
                    }
                    1 => {
                        ring.publish();
                    }
                    2 => {
                        let at = numbers.below(PAGE_BYTES as u64 / 8) as usize * 8;
                        let value = match numbers.below(2) {
                            0 => numbers.below(10),
                            _ => numbers.next(),
                        };
                        let at = if numbers.below(2) == 0 { at % 160 } else { at };
                        page.bytes()[at..at + 8].copy_from_slice(&value.to_le_bytes());
                    }
                    _ => match ring.pop() {
                        Ok(Some(id)) => {
                            let was_open = is_open.get_mut(id as usize).map(std::mem::take);
                            match open.take(id) {
                                Ok(kept) => assert_eq!((kept, was_open), (99, Some(true))),
                                Err(broken) => {
                                    assert_eq!(broken, Broken::Id(id));
                                    assert_ne!(was_open, Some(true));
                                    break;
                                }
                            }
                        }
                        Ok(None) => {}
                        Err(broken) => {
                            assert!(matches!(broken, Broken::Count { .. }));
                            break;
                        }
                    },
                }
                assert!(ring.open() <= Pair::SIZE);
            }
        }
    }
}

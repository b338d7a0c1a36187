//! The ring in which a guest puts frames for a thread beside it, instead of a hypercall for each: as Solo5 has it
//! from 0.11 on. The guest counts what it put there, the tender what it took; what the guest counts is its own
//! affair, and checked each time.

use std::fmt;
use std::fs::File;
use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;

use vm_memory::{Bytes, ReadVolatile, VolatileMemoryError, VolatileSlice, WriteVolatile};
use vmm_sys_util::eventfd::EventFd;

use super::hypercall::{Misuse, Span};
use super::ram::{Access, Ram};
use super::service::{AGAIN, INVALID, OK, UNSPECIFIED};
use crate::devices::Opened;
use crate::manifest::{Attached, Manifest};

/// Entries that a guest may have open, and answers that it may not have read.
const SLOTS: u32 = 1024;
/// All of it.
const RING_BYTES: u64 = COMMITS_AT + SLOTS as u64 * COMMIT_BYTES;

/// The port that tells of new entries, and what is written there.
pub(crate) const KICK_PORT: u64 = 0x600;
pub(crate) const KICK: u32 = 0;

/// What the guest writes: how many entries it put there, and how many answers it read.
const PUT_AT: u64 = 0;
const READ_AT: u64 = 4;
/// What the tender writes: how many entries it took, how many answers there are, and whether it wants to be told.
const TAKEN_AT: u64 = 64;
const ANSWERED_AT: u64 = 68;
const TELL_AT: u64 = 72;
const ENTRIES_AT: u64 = 128;
const ENTRY_BYTES: u64 = 32;
const COMMITS_AT: u64 = ENTRIES_AT + SLOTS as u64 * ENTRY_BYTES;
const COMMIT_BYTES: u64 = 16;

const WRITE: u32 = 1;
const READ: u32 = 2;

/// How often the thread looks for entries before it sleeps, where it can have a processor of its own.
const LOOKS: u32 = 4096;

/// The ring, as the tender sees it.
pub(crate) struct Ring<'a> {
    ram: &'a Ram,
    address: u64,
    manifest: &'a Manifest,
    opened: &'a Opened,
    taken: u32,
    answered: u32,
}

/// An entry, copied.
struct Entry {
    operation: u32,
    handle: u32,
    data: Span,
    id: u32,
}

impl<'a> Ring<'a> {
    /// The ring at this address, which is all zeros. `None`: it is not in memory.
    pub(crate) fn new(
        ram: &'a Ram,
        address: u64,
        manifest: &'a Manifest,
        opened: &'a Opened,
    ) -> Option<Self> {
        ram.slice(address, RING_BYTES, Access::Write).ok()?;
        Some(Self {
            ram,
            address,
            manifest,
            opened,
            taken: 0,
            answered: 0,
        })
    }

    /// A part of it, which is in memory as all of it.
    fn part(&self, at: u64, len: u64) -> Option<VolatileSlice<'a>> {
        self.ram.slice(self.address + at, len, Access::Write).ok()
    }

    fn load(&self, at: u64) -> u32 {
        let word = self.part(at, 4);
        word.and_then(|word| word.load(0, Ordering::Acquire).ok())
            .unwrap_or_default()
    }

    fn store(&self, at: u64, value: u32) {
        if let Some(word) = self.part(at, 4) {
            let _ = word.store(value, 0, Ordering::Release);
        }
    }

    fn has_entries(&self) -> bool {
        self.load(PUT_AT) != self.taken
    }

    /// Does what is in the entries that are there.
    pub(crate) fn work(&mut self) -> Result<(), Misuse> {
        let open = self.load(PUT_AT).wrapping_sub(self.taken);
        if open > SLOTS {
            return Err(misuse(format_args!(
                "{open} entries, and it has room for {SLOTS}"
            )));
        }
        for _ in 0..open {
            let entry = self.entry();
            match entry.operation {
                WRITE => self.write(&entry)?,
                READ => {
                    let (result, len) = self.read(&entry)?;
                    self.answer(entry.id, result, len)?;
                }
                // As the stock tender: whoever knows more than we does not wait for it.
                _ => {}
            }
            self.taken = self.taken.wrapping_add(1);
            self.store(TAKEN_AT, self.taken);
        }
        Ok(())
    }

    /// The next entry; the guest may change it meanwhile, but not the copy.
    fn entry(&self) -> Entry {
        let mut bytes = [0; ENTRY_BYTES as usize];
        let at = ENTRIES_AT + u64::from(self.taken % SLOTS) * ENTRY_BYTES;
        if let Some(part) = self.part(at, ENTRY_BYTES) {
            part.copy_to(&mut bytes);
        }
        let mut words = bytes
            .chunks_exact(4)
            .map(|word| word.try_into().map_or(0, u32::from_le_bytes));
        let mut next = || words.next().unwrap_or_default();
        Entry {
            operation: next(),
            handle: next(),
            data: Span {
                address: u64::from(next()) | u64::from(next()) << 32,
                len: u64::from(next()),
            },
            id: next(),
        }
    }

    fn device(&self, entry: &Entry) -> Option<&'a File> {
        let attached = self.manifest.device(u64::from(entry.handle))?.attached?;
        match attached {
            Attached::Net(_) => self.opened.file(attached),
            Attached::Block(_) => None,
        }
    }

    fn data(&self, entry: &Entry, access: Access) -> Result<VolatileSlice<'a>, Misuse> {
        let Span { address, len } = entry.data;
        self.ram
            .slice(address, len, access)
            .map_err(|barred| entry.data.barred("by the ring", "a frame", barred))
    }

    /// Sends a frame. Nobody hears of one that is lost.
    fn write(&self, entry: &Entry) -> Result<(), Misuse> {
        let slice = self.data(entry, Access::Read)?;
        if let Some(mut file) = self.device(entry) {
            let _lost = file.write_volatile(&slice);
        }
        Ok(())
    }

    /// Takes a frame: `solo5_result_t`, and the frame's length.
    fn read(&self, entry: &Entry) -> Result<(i32, u32), Misuse> {
        let mut slice = self.data(entry, Access::Write)?;
        let Some(mut file) = self.device(entry) else {
            return Ok((INVALID, 0));
        };
        Ok(match file.read_volatile(&mut slice) {
            Ok(0) => (AGAIN, 0),
            Ok(len) => (OK, u32::try_from(len).unwrap_or(u32::MAX)),
            Err(VolatileMemoryError::IOError(error)) if error.kind() == ErrorKind::WouldBlock => {
                (AGAIN, 0)
            }
            Err(_) => (UNSPECIFIED, 0),
        })
    }

    fn answer(&mut self, id: u32, result: i32, len: u32) -> Result<(), Misuse> {
        let unread = self.answered.wrapping_sub(self.load(READ_AT));
        if unread >= SLOTS {
            return Err(misuse(format_args!(
                "{unread} answers that it has not read, and room for {SLOTS}"
            )));
        }
        let words = [id, result as u32, len, 0];
        let at = COMMITS_AT + u64::from(self.answered % SLOTS) * COMMIT_BYTES;
        let bytes = words.map(u32::to_le_bytes);
        if let Some(part) = self.part(at, COMMIT_BYTES) {
            part.copy_from(bytes.as_flattened());
        }
        self.answered = self.answered.wrapping_add(1);
        self.store(ANSWERED_AT, self.answered);
        Ok(())
    }
}

fn misuse(what: fmt::Arguments<'_>) -> Misuse {
    Misuse(format!("the ring of frames has {what}"))
}

/// What the thread and the processor's thread share.
pub(crate) struct Helper<'a> {
    ring: Mutex<Ring<'a>>,
    /// How often it looks before it sleeps.
    looks: u32,
    kick: EventFd,
    is_over: AtomicBool,
    misuse: OnceLock<Misuse>,
}

impl<'a> Helper<'a> {
    /// Of a ring, and what wakes the thread.
    pub(crate) fn new(ring: Ring<'a>, kick: EventFd) -> Self {
        let looks = match thread::available_parallelism() {
            Ok(processors) if processors.get() > 1 => LOOKS,
            _ => 1,
        };
        Self {
            ring: Mutex::new(ring),
            looks,
            kick,
            is_over: AtomicBool::new(false),
            misuse: OnceLock::new(),
        }
    }

    /// What the thread does.
    pub(crate) fn serve(&self) {
        while !self.is_over.load(Ordering::Acquire) {
            if !(0..self.looks).any(|_| {
                std::hint::spin_loop();
                self.has_entries()
            }) {
                self.sleep();
            }
            if !self.work() {
                return;
            }
        }
    }

    /// Waits until the guest tells of entries.
    fn sleep(&self) {
        let tell = |value| self.locked(|ring| ring.store(TELL_AT, value));
        tell(1);
        // The guest puts an entry there, and then looks whether to tell: one of both sees the other.
        fence(Ordering::SeqCst);
        if !self.has_entries() && !self.is_over.load(Ordering::Acquire) {
            // Woken for nothing, it looks again.
            let _ = self.kick.read();
        }
        tell(0);
    }

    fn has_entries(&self) -> bool {
        self.locked(|ring| ring.has_entries())
    }

    /// Does what is there; whether the guest may go on.
    fn work(&self) -> bool {
        match self.locked(Ring::work) {
            Ok(()) => true,
            Err(misuse) => {
                let _ = self.misuse.set(misuse);
                false
            }
        }
    }

    fn locked<R>(&self, act: impl FnOnce(&mut Ring<'a>) -> R) -> R {
        act(&mut self.ring.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// What the guest did wrong, if it did.
    pub(crate) fn misuse(&self) -> Option<Misuse> {
        self.misuse.get().cloned()
    }

    /// The guest is at its end: what it put there before leaves.
    pub(crate) fn finish(&self) {
        self.work();
    }

    /// The thread cannot do anything for the guest.
    pub(crate) fn fail(&self, why: &dyn fmt::Display) {
        let why = format!("the tender cannot take its frames: {why}");
        let _ = self.misuse.set(Misuse(why));
    }

    /// Ends the thread.
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Release);
        // A counter that is full wakes it as well.
        let _ = self.kick.write(1);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixDatagram;

    use super::super::fuzz::{Numbers, manifest};
    use super::*;
    use std::os::fd::AsRawFd;

    const MEMORY_BYTES: u64 = 2 << 20;
    const RING: u64 = 1 << 20;
    const DATA: u64 = 0x18_0000;
    /// The network device; 1 is a disk.
    const NET: u32 = 2;

    struct World {
        ram: Ram,
        manifest: Manifest,
        opened: Opened,
        wire: UnixDatagram,
    }

    impl World {
        fn new() -> Self {
            let (tap, wire) = UnixDatagram::pair().unwrap();
            tap.set_nonblocking(true).unwrap();
            wire.set_nonblocking(true).unwrap();
            let manifest = manifest(-1, tap.as_raw_fd());
            let files = vec![File::from(OwnedFd::from(tap))];
            Self {
                ram: Ram::new(MEMORY_BYTES, 0).unwrap(),
                manifest,
                opened: Opened {
                    files,
                    ..Opened::default()
                },
                wire,
            }
        }

        fn ring(&self) -> Ring<'_> {
            Ring::new(&self.ram, RING, &self.manifest, &self.opened).unwrap()
        }

        fn put(&self, index: u32, operation: u32, handle: u32, data: u64, len: u32) {
            let words = [
                operation,
                handle,
                data as u32,
                (data >> 32) as u32,
                len,
                index,
            ];
            let bytes = words.map(u32::to_le_bytes);
            let at = RING + ENTRIES_AT + u64::from(index % SLOTS) * ENTRY_BYTES;
            self.ram.load(at, bytes.as_flattened()).unwrap();
            self.say(PUT_AT, index.wrapping_add(1));
        }

        fn say(&self, at: u64, value: u32) {
            self.ram.load(RING + at, &value.to_le_bytes()).unwrap();
        }

        fn word(&self, at: u64) -> u32 {
            let bytes = self.ram.copy_up(RING + at, 4);
            u32::from_le_bytes(bytes.try_into().unwrap())
        }
    }

    #[test]
    fn the_layout_is_that_of_stock_solo5() {
        assert_eq!(RING_BYTES, 49_280);
    }

    #[test]
    fn frames_go_both_ways_in_order() {
        let world = World::new();
        let mut ring = world.ring();
        for index in 0..3000 {
            world.ram.load(DATA, &[index as u8; 60]).unwrap();
            world.put(index, WRITE, NET, DATA, 60);
            ring.work().unwrap();
            let mut frame = [0; 100];
            assert_eq!(world.wire.recv(&mut frame).unwrap(), 60);
            assert_eq!(frame[..60], [index as u8; 60]);
            assert_eq!(world.word(TAKEN_AT), index + 1);
        }
        world.wire.send(&[9; 77]).unwrap();
        for (answer, index) in (3000..3002).enumerate() {
            world.put(index, READ, NET, DATA, 1514);
            ring.work().unwrap();
            assert_eq!(world.word(ANSWERED_AT), answer as u32 + 1);
        }
        // The first brought the frame; for the second there was none.
        let answers: Vec<u32> = (0..8).map(|n| world.word(COMMITS_AT + n * 4)).collect();
        assert_eq!(answers, [3000, 0, 77, 0, 3001, AGAIN as u32, 0, 0]);
        assert_eq!(world.ram.copy_up(DATA, 77), [9; 77]);
    }

    #[test]
    fn what_no_guest_may_do_ends_it() {
        let world = World::new();
        let mut ring = world.ring();
        world.say(PUT_AT, SLOTS + 1);
        let line = ring.work().unwrap_err().0;
        assert!(line.contains("1025 entries"), "{line}");
        world.put(0, WRITE, NET, MEMORY_BYTES - 10, 60);
        let line = ring.work().unwrap_err().0;
        assert!(line.contains("not all in its memory"), "{line}");
        // As if all answers but one were unread, and then none were left.
        world.say(READ_AT, 1_u32.wrapping_sub(SLOTS));
        world.put(0, READ, NET, DATA, 60);
        ring.work().unwrap();
        world.put(1, READ, NET, DATA, 60);
        let line = ring.work().unwrap_err().0;
        assert!(line.contains("answers that it has not read"), "{line}");
    }

    #[test]
    fn nothing_in_the_ring_does_harm() {
        let world = World::new();
        let mut numbers = Numbers(7);
        let mut frame = [0; 4096];
        let mut count = [0; 2];
        for _ in 0..20_000 {
            // A new guest each time, with what the one before left.
            let mut ring = world.ring();
            let mut noise = [0; 256];
            for byte in &mut noise {
                *byte = numbers.below(4) as u8;
            }
            world.ram.load(RING + ENTRIES_AT, &noise).unwrap();
            for (at, end) in [(PUT_AT, 12), (READ_AT, 1 << 20)] {
                let value = match numbers.below(4) {
                    0 => numbers.next(),
                    _ => numbers.below(end),
                };
                world.say(at, value as u32);
            }
            count[usize::from(ring.work().is_err())] += 1;
            let _ = world.wire.recv(&mut frame);
        }
        assert!(count.iter().all(|&count| count > 2000), "{count:?}");
    }

    #[test]
    fn the_thread_is_told_and_ends() {
        let world = World::new();
        let helper = Helper::new(world.ring(), EventFd::new(0).unwrap());
        thread::scope(|scope| {
            scope.spawn(|| helper.serve());
            for index in 0..200 {
                world.put(index, WRITE, NET, DATA, 60);
                fence(Ordering::SeqCst);
                if world.word(TELL_AT) != 0 {
                    helper.kick.write(1).unwrap();
                }
                let mut frame = [0; 100];
                while world.wire.recv(&mut frame).is_err() {
                    thread::yield_now();
                }
            }
            world.say(PUT_AT, 5000);
            helper.kick.write(1).unwrap();
            while helper.misuse().is_none() {
                thread::yield_now();
            }
            helper.end();
        });
    }
}

//! The kernel shows what an object is ready for, so that its poll, select and epoll work with minted
//! descriptors as with all others.
//!
//! A minted descriptor is an AF_UNIX socket for messages:
//!
//! | the object | the socket |
//! |---|---|
//! | POLLIN | a message has come, from a hub (see `hidden`) |
//! | no POLLOUT | its send buffer is full: a sink has a message of its |
//! | POLLRDHUP, POLLHUP | it is shut down for reading, or altogether: for ever |
//! | POLLERR | its peer has left it with a message unread, which Linux tells once |
//!
//! Only changes cost calls, and none while nobody has asked the kernel about the descriptor. They are made late: when
//! a thread looks at the kernel (see [`looking`]), so what came and went in between costs none. POLLHUP of an
//! object that can be written and has nothing to read (a socket that was never connected) is not
//! shown, as it may come to life. POLLPRI is not shown.
//!
//! Whoever comes while another thread is at it leaves the work to that one. Signals are held back
//! meanwhile, so this lock is never a thread's own.

use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, Ordering};

use muslin_abi::flags::{
    POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDHUP, SHUT_RD, SHUT_RDWR, SO_ERROR, SO_SNDBUF,
    SOL_SOCKET,
};
use muslin_abi::{Errno, Sysno};

use crate::fd_table::{self, File, World};
use crate::hidden::{self, Address, HUBS_MAX, Sink};
use crate::kernel;
use crate::lock;
use crate::stays::LOOKERS;

const IN: u32 = POLLIN as u32;
const OUT: u32 = POLLOUT as u32;
const ERR: u32 = POLLERR as u32;
const HUP: u32 = POLLHUP as u32;
const RDHUP: u32 = POLLRDHUP as u32;

/// So long a message fills the smallest send buffer.
const FILLING_BYTES: usize = 2000;
/// As many messages may lie unread; a few more make the kernel refuse them.
const MESSAGES_MAX: u32 = 8;

/// No descriptor.
const NO_FD: i32 = -1;

/// What the kernel shows of a file.
pub struct Mirror {
    /// What the object is ready for.
    wanted: AtomicU32,
    /// What of this happened anew.
    anew: AtomicU32,
    /// Whether the kernel has been asked about the descriptor.
    is_watched: AtomicBool,
    /// Whether somebody wants to hear of each event (EPOLLET), not only of changes.
    has_edges: AtomicBool,
    /// `FREE`, `BUSY` or `MORE`: who changes it owns what follows.
    state: AtomicU32,
    /// What the kernel shows.
    shown: AtomicU32,
    /// One of the file's descriptors.
    fd: AtomicI32,
    /// How many messages lie unread.
    messages: AtomicU32,
    /// The serial number of the socket's address; 0: it has none yet.
    serial: AtomicU64,
    /// The place of the hub that is its peer, once it has an address.
    hub: AtomicU32,
    /// The sink that has a message (`Sink::word`); 0: none.
    sink: AtomicU64,
    /// Whether its send buffer is the smallest.
    is_small: AtomicBool,
    /// It is among the late ones.
    is_late: AtomicBool,
    /// The next one of these.
    next_late: AtomicPtr<Mirror>,
}

/// What has changed since it was shown, and maybe other mirrors. Mirrors are parts of files, which are never freed.
static LATE: AtomicPtr<Mirror> = AtomicPtr::new(ptr::null_mut());
/// How many threads have taken mirrors from there, and are showing them.
static SHOWING: AtomicU32 = AtomicU32::new(0);

/// Asks the kernel about descriptors, or waits there for some, once it shows what has changed.
pub fn looking<T>(look: impl FnOnce() -> T) -> T {
    // Of a copy of the process nobody here changes anything.
    if fd_table::world(false) == World::Copy {
        return look();
    }
    LOOKERS.during(|| {
        show_late();
        // What others have taken is to be shown as well: it may be of what this thread has just read.
        let mut times = 0;
        while SHOWING.load(Ordering::SeqCst) != 0 {
            kernel::pause(times);
            times = times.saturating_add(1);
        }
        look()
    })
}

/// Others than calls of this process may look at the kernel from now on: nothing is shown late any more.
pub fn show_at_once() {
    LOOKERS.stay_for_ever();
    show_late();
}

/// Has the kernel show what has changed.
pub fn show_late() {
    if LATE.load(Ordering::SeqCst).is_null() {
        return;
    }
    lock::without_signals(|| {
        SHOWING.fetch_add(1, Ordering::SeqCst);
        let mut next = LATE.swap(ptr::null_mut(), Ordering::SeqCst);
        // SAFETY: null, or a mirror, and these are never freed.
        while let Some(mirror) = unsafe { next.as_ref() } {
            // Behind the next line it may be put elsewhere.
            next = mirror.next_late.load(Ordering::Relaxed);
            mirror.is_late.store(false, Ordering::SeqCst);
            mirror.catch_up();
        }
        SHOWING.fetch_sub(1, Ordering::SeqCst);
    });
}

const FREE: u32 = 0;
const BUSY: u32 = 1;
/// Somebody has left work.
const MORE: u32 = 2;

impl Mirror {
    /// As of a file that has no descriptor yet. It may still be among the late ones, from its life before.
    pub fn reset(&self) {
        self.wanted.store(OUT, Ordering::Relaxed);
        self.anew.store(0, Ordering::Relaxed);
        self.is_watched.store(false, Ordering::Relaxed);
        self.has_edges.store(false, Ordering::Relaxed);
        self.shown.store(OUT, Ordering::Relaxed);
        self.fd.store(NO_FD, Ordering::Relaxed);
        self.messages.store(0, Ordering::Relaxed);
        self.serial.store(0, Ordering::Relaxed);
        self.hub.store(0, Ordering::Relaxed);
        self.sink.store(0, Ordering::Relaxed);
        self.is_small.store(false, Ordering::Relaxed);
    }

    /// The file has its first descriptor.
    pub fn set_fd(&self, fd: i32) {
        self.fd.store(fd, Ordering::Relaxed);
    }

    /// The file has another descriptor, which stands in if it had lost its last known one meanwhile.
    pub fn add_fd(&self, fd: i32) {
        if self.fd.load(Ordering::SeqCst) == NO_FD {
            lock::without_signals(|| {
                self.own();
                self.fd.store(fd, Ordering::SeqCst);
                self.disown();
            });
        }
    }

    /// The file is over: gives back what it has.
    pub fn vacate(&self) {
        let sink = self.sink.swap(0, Ordering::Relaxed);
        if sink != 0 {
            let sink = Sink::of_word(sink);
            let _emptied = hidden::drop_message(sink.fd);
            sink.give();
        }
    }

    /// The object is ready for this; `anew` of it happened once more.
    pub fn set(&self, readiness: u32, anew: u32) {
        let wanted = shape(readiness);
        let before = self.wanted.swap(wanted, Ordering::SeqCst);
        if self.has_edges.load(Ordering::Relaxed) {
            // Room that was away is an edge, though nobody saw that it was.
            let anew = anew & readiness & IN | wanted & !before & OUT;
            if anew != 0 {
                self.anew.fetch_or(anew, Ordering::SeqCst);
            }
        }
        self.follow();
    }

    /// The kernel is about to be asked about it.
    pub fn watch(&self, has_edges: bool) {
        if has_edges {
            self.has_edges.store(true, Ordering::Relaxed);
        }
        if !self.is_watched.swap(true, Ordering::SeqCst) {
            self.follow();
        }
    }

    /// The kernel is to send signals of it, whoever looks.
    pub fn watch_by_signals(&self) {
        show_at_once();
        self.watch(true);
    }

    fn is_behind(&self) -> bool {
        self.is_watched.load(Ordering::SeqCst)
            && (self.shown.load(Ordering::SeqCst) != self.wanted.load(Ordering::SeqCst)
                || self.anew.load(Ordering::SeqCst) != 0)
    }

    /// Has the kernel show what is wanted: now if somebody looks at it, else before somebody does.
    fn follow(&self) {
        if self.state.load(Ordering::SeqCst) == FREE && !self.is_behind() {
            return;
        }
        if !self.is_late.swap(true, Ordering::SeqCst) {
            let me = ptr::from_ref(self).cast_mut();
            let put = |first| {
                self.next_late.store(first, Ordering::Relaxed);
                Some(me)
            };
            let _first = LATE.fetch_update(Ordering::SeqCst, Ordering::SeqCst, put);
        }
        // Who begins to look behind this finds it in the list.
        if LOOKERS.are_any() {
            show_late();
        }
    }

    /// Does what there is to do, if nobody else does.
    fn catch_up(&self) {
        if self.try_own() {
            self.disown();
        }
    }

    /// Becomes the owner, or leaves the work to who is.
    fn try_own(&self) -> bool {
        let next = |state| Some(if state == FREE { BUSY } else { MORE });
        self.state
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, next)
            == Ok(FREE)
    }

    /// Becomes the owner.
    fn own(&self) {
        let mut times = 0;
        while !self.try_own() {
            kernel::pause(times);
            times = times.saturating_add(1);
        }
    }

    /// Does what there is to do, and is the owner no longer.
    fn disown(&self) {
        loop {
            while self.is_behind() {
                self.show();
            }
            let free = self
                .state
                .compare_exchange(BUSY, FREE, Ordering::SeqCst, Ordering::SeqCst);
            if free.is_ok() {
                return;
            }
            self.state.store(BUSY, Ordering::SeqCst);
        }
    }

    /// Runs `change`, which closes this descriptor or has it be another file's, while no other thread
    /// uses the number. Signals are held back.
    pub fn without_fd<T>(file: &File, fd: i32, change: impl FnOnce() -> T) -> T {
        let mirror = &file.mirror;
        mirror.own();
        if mirror.fd.load(Ordering::Relaxed) == fd {
            let other = fd_table::another_number(file, fd);
            mirror.fd.store(other.unwrap_or(NO_FD), Ordering::Relaxed);
        }
        let result = change();
        mirror.disown();
        result
    }

    /// Makes the calls that take the kernel from what it shows to what is wanted. Where one is refused
    /// (there is no memory), the kernel shows more than is there, and who comes then finds out.
    fn show(&self) {
        let anew = self.anew.swap(0, Ordering::SeqCst);
        let wanted = self.wanted.load(Ordering::SeqCst);
        let shown = self.shown.load(Ordering::SeqCst);
        let fd = self.fd.load(Ordering::Relaxed);
        if fd != NO_FD {
            let _refused = self.change(fd, shown, wanted, anew);
        }
        self.shown.store(wanted, Ordering::SeqCst);
    }

    fn change(&self, fd: i32, mut shown: u32, wanted: u32, anew: u32) -> Result<(), Errno> {
        let changed = shown ^ wanted;
        let needs = |bit: u32| changed & bit != 0;
        // The socket's own calls would find its error.
        if shown & ERR != 0 && (needs(ERR) || needs(OUT) || needs(IN)) {
            take_error(fd);
            shown &= !ERR;
        }
        if shown & !wanted & IN != 0 {
            self.drop_messages(fd);
        }
        if needs(OUT) {
            self.show_room(fd, wanted & OUT != 0)?;
        } else if anew & wanted & OUT != 0 {
            self.show_room(fd, false)?;
            self.show_room(fd, true)?;
        }
        if wanted & !shown & ERR != 0 {
            self.raise_error(fd)?;
            if self.messages.swap(0, Ordering::Relaxed) != 0 {
                shown &= !IN;
            }
        }
        if wanted & !shown & (HUP | RDHUP) != 0 {
            let how = if wanted & HUP != 0 {
                SHUT_RDWR
            } else {
                SHUT_RD
            };
            // SAFETY: the file's own socket.
            unsafe { kernel::call(Sysno::shutdown, [fd as usize, how as usize, 0, 0, 0, 0]) }?;
        }
        let is_readable_anyway = (shown | wanted) & RDHUP != 0;
        if wanted & IN != 0 && !is_readable_anyway && (shown & IN == 0 || anew & IN != 0) {
            self.send_message(fd)?;
        }
        Ok(())
    }

    fn drop_messages(&self, fd: i32) {
        for _ in 0..self.messages.swap(0, Ordering::Relaxed) {
            let _dropped = hidden::drop_message(fd);
        }
    }

    fn send_message(&self, fd: i32) -> Result<(), Errno> {
        let serial = self.address(fd)?;
        if self.messages.load(Ordering::Relaxed) >= MESSAGES_MAX {
            self.drop_messages(fd);
        }
        let address = Address::new(serial);
        let mut sent = address.send(self.hub()?.fd, &[0]);
        // Each in turn, beginning with the one that had room last.
        for place in 0..HUBS_MAX {
            if sent != Err(Errno::EAGAIN) {
                break;
            }
            let place = (hidden::roomy() + place) % HUBS_MAX;
            // Another peer has the kernel forget what lies unread.
            let hub = hidden::hub(place)?;
            hub.address().connect(fd)?;
            self.hub.store(place as u32, Ordering::Relaxed);
            self.messages.store(0, Ordering::Relaxed);
            sent = address.send(hub.fd, &[0]);
            if sent.is_ok() {
                hidden::set_roomy(place);
            }
        }
        sent?;
        self.messages.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// The socket's peer.
    fn hub(&self) -> Result<Sink, Errno> {
        hidden::hub(self.hub.load(Ordering::Relaxed) as usize)
    }

    /// The serial number of the socket's address, which it gets when it first needs one.
    fn address(&self, fd: i32) -> Result<u64, Errno> {
        let known = self.serial.load(Ordering::Relaxed);
        if known != 0 {
            return Ok(known);
        }
        let serial = fd_table::next_serial();
        Address::new(serial).bind(fd)?;
        let place = hidden::roomy();
        hidden::hub(place)?.address().connect(fd)?;
        self.hub.store(place as u32, Ordering::Relaxed);
        self.serial.store(serial, Ordering::Relaxed);
        Ok(serial)
    }

    fn show_room(&self, fd: i32, has_room: bool) -> Result<(), Errno> {
        if has_room {
            self.vacate();
            return Ok(());
        }
        if !self.is_small.swap(true, Ordering::Relaxed) {
            set_smallest_buffer(fd)?;
        }
        let sink = Sink::take()?;
        let sent = sink.address().send(fd, &[0; FILLING_BYTES]);
        if sent.is_ok() {
            self.sink.store(sink.word(), Ordering::Relaxed);
        } else {
            sink.give();
        }
        sent
    }

    /// A peer that goes away while a message is unread leaves an error.
    fn raise_error(&self, fd: i32) -> Result<(), Errno> {
        const AF_UNSPEC: [u8; 16] = [0; 16];
        let serial = self.address(fd)?;
        let sink = Sink::take()?;
        let hub = self.hub()?;
        let raise = || {
            sink.address().send(hub.fd, &[0])?;
            sink.address().connect(fd)?;
            Address::new(serial).connect(sink.fd)?;
            let nobody = [sink.fd as usize, AF_UNSPEC.as_ptr() as usize, 16, 0, 0, 0];
            // SAFETY: an address that is alive, and the runtime's own socket.
            unsafe { kernel::call(Sysno::connect, nobody) }?;
            hub.address().connect(fd)
        };
        let raised = raise();
        if raised.is_ok() {
            sink.give();
        } else {
            sink.close();
        }
        raised
    }
}

/// What of an object's readiness is shown: see above.
fn shape(readiness: u32) -> u32 {
    let mut shown = readiness & (IN | OUT | ERR | RDHUP);
    if readiness & HUP != 0 && (readiness & OUT == 0 || readiness & IN != 0) {
        shown |= HUP | RDHUP | OUT;
    }
    if shown & RDHUP != 0 {
        shown |= IN;
    }
    shown
}

fn take_error(fd: i32) {
    let (mut error, mut len_bytes) = (0i32, 4u32);
    let args = [
        fd as usize,
        SOL_SOCKET as usize,
        SO_ERROR as usize,
        &raw mut error as usize,
        &raw mut len_bytes as usize,
        0,
    ];
    // SAFETY: the numbers are alive.
    let _taken = unsafe { kernel::call(Sysno::getsockopt, args) };
}

fn set_smallest_buffer(fd: i32) -> Result<(), Errno> {
    let smallest = 0i32;
    let args = [
        fd as usize,
        SOL_SOCKET as usize,
        SO_SNDBUF as usize,
        &raw const smallest as usize,
        4,
        0,
    ];
    // SAFETY: the number is alive.
    unsafe { kernel::call(Sysno::setsockopt, args) }.map(|_| ())
}

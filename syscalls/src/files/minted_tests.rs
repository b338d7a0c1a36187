//! Minted files on the simulated platform: threads that wait for them in orders that seeds choose, and
//! what runs beside the calls.

#![allow(clippy::unwrap_used, reason = "tests")]

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::any::Any;
use core::cell::Cell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::{Mutex, OnceLock};

use muslin_abi::file::Piece;
use muslin_abi::flags::*;
use muslin_abi::{Errno, SyscallResult};
use muslin_platform::Clock;
use muslin_sim::Sim;

use super::minted::{self, Object, State};
use super::{
    sys_close, sys_epoll_create1, sys_epoll_ctl, sys_epoll_wait, sys_fcntl, sys_fstat, sys_poll,
    sys_read, sys_select, sys_write,
};
use crate::testing::{World, say_on_panic};
use crate::threads::Serve;
use crate::user_mem;

const SEEDS: u64 = 60;
const ROOM: usize = 8;
const READ_WRITE: u32 = O_RDWR;

/// What holds a few bytes, for those who have it in hand.
#[derive(Default)]
struct Inside {
    bytes: Mutex<VecDeque<u8>>,
    state: OnceLock<Arc<State>>,
    times_closed: Mutex<u32>,
    patience_ns: Option<u64>,
}

impl Inside {
    /// Tells how full it is now.
    fn tell(&self, bytes: &VecDeque<u8>, events: u16) {
        let mut readiness = 0;
        if !bytes.is_empty() {
            readiness |= POLLIN;
        }
        if bytes.len() < ROOM {
            readiness |= POLLOUT;
        }
        if let Some(state) = self.state.get() {
            state.changed(readiness.into(), events.into());
        }
    }

    fn put(&self, byte: u8) {
        let mut bytes = self.bytes.lock().unwrap();
        bytes.push_back(byte);
        self.tell(&bytes, POLLIN);
    }
}

/// The same behind a descriptor.
struct Kept(Arc<Inside>);

impl Object for Kept {
    fn read(&self, pieces: &[Piece]) -> Result<usize, Errno> {
        let mut bytes = self.0.bytes.lock().unwrap();
        let mut done = 0;
        for piece in pieces {
            for at in 0..piece.len_bytes {
                let Some(byte) = bytes.pop_front() else {
                    break;
                };
                // SAFETY: the library OS has checked the piece.
                unsafe { piece.base.add(at).write(byte) };
                done += 1;
            }
        }
        self.0.tell(&bytes, 0);
        if done > 0 {
            Ok(done)
        } else {
            Err(Errno::EAGAIN)
        }
    }

    fn write(&self, pieces: &[Piece]) -> Result<usize, Errno> {
        let mut bytes = self.0.bytes.lock().unwrap();
        let mut done = 0;
        for piece in pieces {
            for at in 0..piece.len_bytes.min(ROOM - bytes.len()) {
                // SAFETY: as above.
                bytes.push_back(unsafe { piece.base.add(at).read() });
                done += 1;
            }
        }
        // A write that fails tells the same as one that does not; who writes must not mind.
        self.0.tell(&bytes, POLLIN);
        if done > 0 {
            Ok(done)
        } else {
            Err(Errno::EAGAIN)
        }
    }

    fn ioctl(&self, _request: u32, _argument: usize) -> SyscallResult {
        Err(Errno::ENOTTY)
    }

    fn read_timeout_ns(&self) -> Option<u64> {
        self.0.patience_ns
    }

    fn write_timeout_ns(&self) -> Option<u64> {
        self.0.patience_ns
    }

    fn name(&self) -> &'static str {
        "a test's box"
    }

    fn mode(&self) -> u32 {
        0o140_600
    }

    fn closed(&self) {
        *self.0.times_closed.lock().unwrap() += 1;
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn mint(world: &World, inside: Inside) -> (usize, Arc<Inside>) {
    let inside = Arc::new(inside);
    let object = Box::new(Kept(inside.clone()));
    let made = minted::mint(&world.context(), object, READ_WRITE, POLLOUT.into());
    let (fd, state) = made.unwrap();
    assert!(inside.state.set(state).is_ok());
    (fd as usize, inside)
}

/// Two write and two read; which of them runs when, and which waits end without a reason, a seed says.
#[test]
fn bytes_are_neither_lost_nor_made_up() {
    const EACH: usize = 300;
    for seed in 0..SEEDS {
        say_on_panic(&std::format!("MUSLIN_SEED={seed}"));
        let world = World::with(Sim::new(1 << 14, 1).with_order(seed), None);
        let (fd, inside) = mint(&world, Inside::default());
        let sums = [0, 1].map(|_| Rc::new(Cell::new((0, 0))));
        let mut threads = std::vec::Vec::new();
        for writer in 1..=2u8 {
            threads.push(world.spawn(move |world| {
                let text = world.bytes(&[writer; EACH]);
                assert_eq!(world.call(sys_write, [fd, text, EACH]), Ok(EACH));
            }));
        }
        for sum in &sums {
            let sum = sum.clone();
            threads.push(world.spawn(move |world| {
                let room = world.room(5);
                while sum.get().0 < EACH {
                    let most = (EACH - sum.get().0).min(5);
                    let got = world.call(sys_read, [fd, room, most]).unwrap();
                    assert!((1..=most).contains(&got));
                    let bytes = world.get(room, got);
                    let more: usize = bytes.iter().copied().map(usize::from).sum();
                    sum.set((sum.get().0 + got, sum.get().1 + more));
                }
            }));
        }
        for thread in threads {
            world.join(thread);
        }
        assert_eq!(sums[0].get().1 + sums[1].get().1, 3 * EACH, "seed {seed}");
        assert_eq!(world.call(sys_close, [fd]), Ok(0));
        assert_eq!(*inside.times_closed.lock().unwrap(), 1);
        assert_eq!(world.call(sys_close, [fd]), Err(Errno::EBADF));
    }
}

#[test]
fn a_wait_is_as_long_as_the_object_says() {
    let world = World::new();
    let patience_ns = Some(70_000_000);
    let inside = Inside {
        patience_ns,
        ..Inside::default()
    };
    let (fd, _inside) = mint(&world, inside);
    let room = world.room(144);
    let start_ns = world.sim.monotonic_ns();
    assert_eq!(world.call(sys_read, [fd, room, 1]), Err(Errno::EAGAIN));
    assert_eq!(world.sim.monotonic_ns(), start_ns + 70_000_000);
    // What fits is written, then it is told how much that was.
    assert_eq!(world.call(sys_write, [fd, room, 20]), Ok(ROOM));
    assert_eq!(world.call(sys_write, [fd, room, 20]), Err(Errno::EAGAIN));
    assert_eq!(world.call(sys_read, [fd, 8, 1]), Err(Errno::EFAULT));
    assert_eq!(world.call(sys_read, [fd, room, 0]), Ok(0));
    let nonblocking = (O_RDWR | O_NONBLOCK) as usize;
    assert_eq!(
        world.call(sys_fcntl, [fd, F_SETFL as usize, nonblocking]),
        Ok(0)
    );
    let now_ns = world.sim.monotonic_ns();
    assert_eq!(world.call(sys_write, [fd, room, 1]), Err(Errno::EAGAIN));
    assert_eq!(world.sim.monotonic_ns(), now_ns);
    assert_eq!(world.call(sys_fstat, [fd, room]), Ok(0));
    let mode: u32 = world.get_value(room + 24);
    assert_eq!(mode, 0o140_600);
}

/// Its first write finds no room, and there is room again before that is answered.
struct Hasty(Kept);

impl Object for Hasty {
    fn write(&self, pieces: &[Piece]) -> Result<usize, Errno> {
        let inside = &self.0.0;
        let is_first = inside.bytes.lock().unwrap().is_empty();
        if is_first {
            inside.put(0);
            let state = inside.state.get().unwrap();
            state.changed(0, 0);
            state.changed(POLLOUT.into(), 0);
            return Err(Errno::EAGAIN);
        }
        self.0.write(pieces)
    }
    fn read(&self, pieces: &[Piece]) -> Result<usize, Errno> {
        self.0.read(pieces)
    }
    fn ioctl(&self, request: u32, argument: usize) -> SyscallResult {
        self.0.ioctl(request, argument)
    }
    fn read_timeout_ns(&self) -> Option<u64> {
        None
    }
    fn write_timeout_ns(&self) -> Option<u64> {
        None
    }
    fn name(&self) -> &'static str {
        self.0.name()
    }
    fn mode(&self) -> u32 {
        self.0.mode()
    }
    fn closed(&self) {
        self.0.closed();
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

#[test]
fn what_happens_within_an_attempt_is_not_lost() {
    let world = World::new();
    let inside = Arc::new(Inside::default());
    let object = Box::new(Hasty(Kept(inside.clone())));
    let made = minted::mint(&world.context(), object, READ_WRITE, POLLOUT.into());
    let (fd, state) = made.unwrap();
    assert!(inside.state.set(state).is_ok());
    let room = world.room(1);
    assert_eq!(world.call(sys_write, [fd as usize, room, 1]), Ok(1));
}

/// Brings a byte every 5 ms, seven times.
struct Bringer {
    inside: Arc<Inside>,
    left: Mutex<(u64, u8)>,
}

const PERIOD_NS: u64 = 5_000_000;

impl Serve for Bringer {
    fn run(&self, now_ns: u64) -> Option<u64> {
        let mut left = self.left.lock().unwrap();
        let (next_ns, count) = &mut *left;
        if now_ns >= *next_ns && *count > 0 {
            *next_ns = now_ns + PERIOD_NS;
            *count -= 1;
            self.inside.put(*count);
        }
        (*count > 0).then_some(*next_ns)
    }
}

#[test]
fn what_runs_beside_the_calls_ends_waits() {
    let world = World::new();
    let start_ns = world.sim.monotonic_ns();
    // Two run beside each other.
    let fds = [(); 2].map(|()| {
        let (fd, inside) = mint(&world, Inside::default());
        let bringer = Bringer {
            inside,
            left: Mutex::new((start_ns + PERIOD_NS, 7)),
        };
        let threads = &world.process.threads;
        threads.begin_service(Box::new(bringer), false);
        fd
    });
    let room = world.room(1);
    for byte in (0..7u8).rev() {
        for fd in fds {
            assert_eq!(world.call(sys_read, [fd, room, 1]), Ok(1));
            let got: u8 = user_mem::read(&world.context(), room).unwrap();
            assert_eq!(got, byte);
        }
    }
    let [fd, _] = fds;
    let took_ns = world.sim.monotonic_ns() - start_ns;
    assert_eq!(took_ns / PERIOD_NS, 7);
    // And no more comes.
    let waits = std::panic::AssertUnwindSafe(|| world.call(sys_read, [fd, room, 1]));
    let end = std::panic::catch_unwind(waits).unwrap_err();
    assert_eq!(*end.downcast::<std::string::String>().unwrap(), "exit 134");
}

/// Who kicks the service has it run at the end of the call, however busy the program is.
#[test]
fn a_kick_has_it_run_at_the_end_of_the_call() {
    struct Counter(Arc<Mutex<u32>>);
    impl Serve for Counter {
        fn run(&self, _: u64) -> Option<u64> {
            *self.0.lock().unwrap() += 1;
            None
        }
    }
    let world = World::new();
    let count = Arc::new(Mutex::new(0));
    let threads = &world.process.threads;
    let counter = Box::new(Counter(count.clone()));
    threads.begin_service(counter, true);
    let call = || {
        assert_eq!(world.call(sys_close, [99]), Err(Errno::EBADF));
        *count.lock().unwrap()
    };
    // Time stands still here, so nothing but a kick is a reason.
    threads.kick_service();
    let first = call();
    assert!(first > 0);
    assert_eq!((0..200).map(|_| call()).max(), Some(first));
    threads.kick_service();
    assert_eq!(call(), first + 1);
}

/// Who only asks, again and again, sees at once what devices have, if a while has passed since they were
/// looked at.
#[test]
fn questions_without_a_wait_look_at_devices() {
    struct Device(Arc<Inside>, Arc<Mutex<u32>>);
    impl Serve for Device {
        fn run(&self, _: u64) -> Option<u64> {
            *self.1.lock().unwrap() += 1;
            if self.0.bytes.lock().unwrap().is_empty() {
                self.0.put(7);
            }
            None
        }
    }
    const A_WHILE_NS: u64 = 1_000_000;
    let world = World::new();
    let (fd, inside) = mint(&world, Inside::default());
    let looks = Arc::new(Mutex::new(0));
    let threads = &world.process.threads;
    let device = Box::new(Device(inside.clone(), looks.clone()));
    threads.begin_service(device, true);
    let room = world.room(64);
    assert_eq!(world.call(sys_read, [fd, room, 1]), Ok(1));
    let set = world.call(sys_epoll_create1, [0]).unwrap();
    let event = world.value(&[u32::from(POLLIN), 0, 0]);
    assert_eq!(world.call(sys_epoll_ctl, [set, 1, fd, event]), Ok(0));
    let none = world.value(&[0_u64; 2]);
    let poll = || {
        let asked = world.value(&[fd as u32, u32::from(POLLIN)]);
        world.call(sys_poll, [asked, 1, 0])
    };
    let select = || {
        let asked = world.value(&(1_u64 << fd));
        world.call(sys_select, [fd + 1, asked, 0, 0, none])
    };
    let wait = || world.call(sys_epoll_wait, [set, room, 1, 0]);
    let questions: [(&str, &dyn Fn() -> SyscallResult); 3] =
        [("poll", &poll), ("select", &select), ("epoll_wait", &wait)];
    let flags = world.call(sys_fcntl, [fd, F_SETFL as usize, O_NONBLOCK as usize]);
    assert_eq!(flags, Ok(0));
    for (name, question) in questions {
        let before = *looks.lock().unwrap();
        for _ in 0..20 {
            assert_eq!(question(), Ok(0), "{name}: nothing new so soon");
        }
        assert_eq!(*looks.lock().unwrap(), before, "{name}: looks cost");
        world.sim.advance(A_WHILE_NS);
        assert_eq!(question(), Ok(1), "{name}");
        assert_eq!(world.call(sys_read, [fd, room, 1]), Ok(1));
    }
    assert_eq!(world.call(sys_read, [fd, room, 1]), Err(Errno::EAGAIN));
    world.sim.advance(A_WHILE_NS);
    assert_eq!(world.call(sys_read, [fd, room, 1]), Ok(1), "read");
}

//! Threads that are cancelled wherever they wait: each ends, once, and what it was cancelled in has done
//! nothing.

use core::sync::atomic::{AtomicU32, Ordering};
use std::cell::Cell;
use std::rc::Rc;

use muslin_abi::Errno;
use muslin_abi::layout::Pollfd;

use super::signals::address;
use super::stage::{BLOCKED, is_playing, play, send};
use super::{Worker, random};
use crate::files::{sys_close, sys_fcntl, sys_pipe2, sys_poll, sys_read, sys_write};
use crate::process::sys_sched_yield;
use crate::signals::{sys_pause, sys_rt_sigsuspend};
use crate::testing::World;
use crate::testing::frames::{Block, Cancelled, SIGCANCEL, call_cancellable};
use crate::threads::sys_futex;
use crate::time::sys_nanosleep;
use crate::time::timespec_of_duration;

const LONG_NS: u64 = 1_000_000_000_000;
const POLLIN: u16 = 1;
const O_NONBLOCK: usize = 0o4000;
const F_SETFL: usize = 4;

/// Where a thread waits until it is cancelled.
struct Victim {
    place: u64,
    pipe: usize,
    /// Bytes that it has read.
    got: Rc<Cell<usize>>,
}

impl Victim {
    /// Waits once. Signals may end the wait.
    fn wait(&self, world: &World) -> Result<(), Cancelled> {
        let end = self.pipe;
        let result = match self.place {
            0 => {
                let byte = AtomicU32::new(0);
                let result = call_cancellable(sys_read, [end, address(&byte), 1])?;
                self.got.set(self.got.get() + result.unwrap_or(0));
                result
            }
            1 => {
                let time = timespec_of_duration(LONG_NS);
                call_cancellable(sys_nanosleep, [address(&time), 0])?
            }
            2 => {
                let word = AtomicU32::new(0);
                // For a while, or for ever; it may end without a reason.
                let result = call_cancellable(sys_futex, [address(&word), 128, 0, 0])?;
                result.or(Err(Errno::EINTR))
            }
            3 => {
                let mask = BLOCKED;
                call_cancellable(sys_rt_sigsuspend, [address(&mask), 8])?
            }
            4 => {
                let poll = Pollfd {
                    fd: end as i32,
                    events: POLLIN,
                    revents: 0,
                };
                call_cancellable(sys_poll, [address(&poll), 1, usize::MAX])?
            }
            5 => call_cancellable(sys_pause, [])?,
            _ => {
                Block::own().test_cancel()?;
                world.call(sys_sched_yield, [])
            }
        };
        match result {
            Ok(_) => {}
            Err(errno) => assert_eq!(errno, Errno::EINTR),
        }
        Ok(())
    }
}

impl Worker {
    /// Starts a thread and cancels it.
    pub fn cancel_one(&mut self, world: &World) {
        let ends = [AtomicU32::new(0), AtomicU32::new(0)];
        assert_eq!(world.call(sys_pipe2, [address(&ends), O_NONBLOCK]), Ok(0));
        let [end, other_end] = ends.map(|end| end.load(Ordering::Relaxed) as usize);
        // Only the end that the victim reads from waits.
        assert_eq!(world.call(sys_fcntl, [end, F_SETFL, 0]), Ok(0));
        let victim = Victim {
            place: self.random(7),
            pipe: end,
            got: Rc::default(),
        };
        let (got, cleaned) = (victim.got.clone(), Rc::new(Cell::new(0)));
        let cleaned_by = cleaned.clone();
        let tid = Rc::new(Cell::new(0));
        let tid_of = tid.clone();
        let is_shy = self.random(3) == 0;
        let mut chance = random(&mut self.random);
        let word = world.spawn(move |world| {
            play(world, || {
                tid_of.set(super::stage::tid(world));
                if is_shy {
                    // It cannot be cancelled for a while.
                    Block::own().set_disabled(true);
                    for _ in 0..random(&mut chance) % 5 {
                        world.call(sys_sched_yield, []).unwrap();
                    }
                    Block::own().set_disabled(false);
                }
                while victim.wait(world).is_ok() {}
                Block::own().set_disabled(true);
                cleaned_by.set(cleaned_by.get() + 1);
            });
        });
        let mut written = 0;
        for _ in 0..self.random(3) {
            if self.random(3) > 0 {
                self.sleep(world);
            }
            let byte = 1_u8;
            written += world
                .call(sys_write, [other_end, address(&byte), 1])
                .unwrap();
        }
        world.block_of(word).cancel();
        if is_playing(tid.get()) {
            send(world, tid.get(), SIGCANCEL);
        }
        world.join(word);
        assert_eq!(cleaned.get(), 1, "cancelled more than once");
        assert_eq!(world.call(sys_fcntl, [end, F_SETFL, O_NONBLOCK]), Ok(0));
        let left = AtomicU32::new(0);
        while let Ok(count) = world.call(sys_read, [end, address(&left), 1]) {
            got.set(got.get() + count);
        }
        assert_eq!(got.get(), written, "a cancelled read has eaten bytes");
        for end in [end, other_end] {
            assert_eq!(world.call(sys_close, [end]), Ok(0));
        }
    }
}

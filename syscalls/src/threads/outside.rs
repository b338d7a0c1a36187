//! What comes from outside unasked, where a platform has that: input on the console, a request to end.
//!
//! It is looked at where a thread waits, and between calls. A program that no platform says such things
//! to holds none of this.

use alloc::sync::Arc;

use muslin_platform::Outside;

use super::{Threads, WaitQueue};
use crate::context::Context;
use crate::files::{CONSOLE_READERS, Readiness};
use crate::signals::{self, siginfo::by_kernel};

/// What a request to end is to a program.
const SIGTERM: i32 = 15;

/// Who is listened to, and how.
#[derive(Clone, Copy)]
pub(super) struct Listening {
    outside: &'static dyn Outside,
    look: fn(&Self, &Context<'_>),
    can_wake: fn(&Context<'_>) -> bool,
}

impl Listening {
    /// Looks whether something has come, and tells who it is for.
    pub(super) fn look(&self, context: &Context<'_>) {
        (self.look)(self, context);
    }

    /// Whether something could come that ends a wait, when nobody runs.
    pub(super) fn can_wake(&self, context: &Context<'_>) -> bool {
        (self.can_wake)(context)
    }
}

fn look(listening: &Listening, context: &Context<'_>) {
    if listening.outside.has_new_input()
        && let Some(readers) = CONSOLE_READERS.get()
    {
        readers.wake_all(Readiness::READABLE);
    }
    if listening.outside.is_asked_to_end() {
        // A plain signal is never too much.
        let _ = signals::send_to_process(context, &by_kernel(SIGTERM));
    }
}

/// Who has not said what SIGTERM does waits for something else: if that never comes, the program is told so.
fn can_wake(context: &Context<'_>) -> bool {
    let is_read = CONSOLE_READERS
        .get()
        .is_some_and(|readers| !readers.is_empty());
    is_read || signals::is_expected(context, SIGTERM)
}

impl Threads {
    /// Listens to what comes from outside, from now on.
    pub fn listen(&self, outside: &'static dyn Outside) {
        self.expect_many();
        CONSOLE_READERS.call_once(|| Arc::new(WaitQueue::new()));
        *self.scheduler.listening.lock() = Some(Listening {
            outside,
            look,
            can_wake,
        });
        self.scheduler.count_calls();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::{AtomicU32, Ordering};

    use muslin_abi::Errno;
    use muslin_abi::layout::Timespec;
    use muslin_platform::Outside;

    use crate::signals::{sys_rt_sigprocmask, sys_rt_sigtimedwait};
    use crate::testing::World;
    use crate::threads::sys_futex;
    use crate::time::sys_nanosleep;

    const SIGTERM: usize = 15;

    /// Asks to end when it was looked at as often as this.
    struct Asks(AtomicU32);

    impl Outside for Asks {
        fn has_new_input(&self) -> bool {
            false
        }
        fn is_asked_to_end(&self) -> bool {
            self.0.fetch_sub(1, Ordering::Relaxed) == 1
        }
    }

    fn listen(world: &World, after: u32) {
        let asks = std::boxed::Box::leak(std::boxed::Box::new(Asks(AtomicU32::new(after))));
        world.process.threads.listen(asks);
    }

    fn block_sigterm(world: &World) -> usize {
        let set = world.value(&(1_u64 << (SIGTERM - 1)));
        assert_eq!(world.call(sys_rt_sigprocmask, [0, set, 0, 8]), Ok(0));
        set
    }

    #[test]
    fn a_request_to_end_is_a_signal() {
        let world = World::new();
        listen(&world, 3);
        let set = block_sigterm(&world);
        let time = world.value(&Timespec {
            tv_sec: 1,
            tv_nsec: 0,
        });
        let wait = [set, 0, time, 8];
        for _ in 0..5 {
            assert_eq!(world.call(sys_nanosleep, [time, 0]), Ok(0));
        }
        assert_eq!(world.call(sys_rt_sigtimedwait, wait), Ok(SIGTERM));
        assert_eq!(world.call(sys_rt_sigtimedwait, wait), Err(Errno::EAGAIN));
    }

    /// How a wait for a futex that nobody wakes ends.
    fn end_of_a_wait(world: &World) -> std::string::String {
        let word = world.room(4);
        let end = catch_unwind(AssertUnwindSafe(|| world.call(sys_futex, [word, 0, 0, 0])));
        let end = end.unwrap_err();
        match end.downcast_ref::<&str>() {
            Some(text) => (*text).into(),
            None => *end.downcast::<std::string::String>().unwrap(),
        }
    }

    #[test]
    fn who_expects_a_request_waits_for_ever_and_who_does_not_is_told_that_nothing_will_come() {
        let world = World::new();
        listen(&world, u32::MAX);
        assert_eq!(end_of_a_wait(&world), "exit 134");
        let world = World::new();
        listen(&world, u32::MAX);
        block_sigterm(&world);
        assert!(end_of_a_wait(&world).starts_with("sleeps for ever"));
    }
}

//! What runs beside the calls of the program: a network stack, for example.
//!
//! It runs on the stack of whoever comes by: of a thread that waits while nobody can run, of one that
//! has made many calls, of one whose read of such a file would have to wait. A program that begins no
//! service holds none of this but the question whether there is one.

use alloc::boxed::Box;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::Threads;
use crate::context::Context;
use crate::lock::Mutex;
use crate::time::{Due, Target, TimerKey};

/// Less than this between two looks at the devices while threads run: a look is a call of the host.
const PAUSE_NS: u64 = 20_000;

/// What runs.
pub trait Serve: Send + Sync {
    /// Does what there is to do at this time of the steady clock; when it has something to do next. May
    /// wake threads; may not wait or make calls.
    fn run(&self, now_ns: u64) -> Option<u64>;
}

type LookFn = fn(&'static Service, &Context<'_>, bool);

/// A service of the process.
pub(super) struct Service {
    serve: Box<dyn Serve>,
    look: LookFn,
    has_devices: bool,
    /// The one that was begun before.
    next: Option<&'static Service>,
    is_kicked: AtomicBool,
    is_running: AtomicBool,
    /// When it ran last.
    last_ns: AtomicU64,
    timer: Mutex<Option<(u64, TimerKey)>>,
}

impl Service {
    /// Lets it and those begun before run if they have something to do, or may have: `has_slept` says that a
    /// device may be ready.
    pub(super) fn look(&'static self, context: &Context<'_>, has_slept: bool) {
        (self.look)(self, context, has_slept);
    }

    /// Whether one of them could end the wait of a thread when nobody runs.
    pub(super) fn can_wake(&self) -> bool {
        self.has_devices || self.next.is_some_and(Self::can_wake)
    }
}

/// The time is over that a service wanted to wait.
struct Alarm(&'static Service);

impl Due for Alarm {
    fn due(&self, context: &Context<'_>, now_ns: u64) {
        let Self(service) = self;
        *service.timer.lock() = None;
        run(service, context, now_ns);
    }
}

fn look(service: &'static Service, context: &Context<'_>, has_slept: bool) {
    let now_ns = context.platform.clock().monotonic_ns();
    let last_ns = service.last_ns.load(Ordering::Relaxed);
    if has_slept
        || service.is_kicked.load(Ordering::Relaxed)
        || now_ns.saturating_sub(last_ns) >= PAUSE_NS
    {
        run(service, context, now_ns);
    }
    if let Some(next) = service.next {
        next.look(context, has_slept);
    }
}

fn run(service: &'static Service, context: &Context<'_>, now_ns: u64) {
    if service.is_running.swap(true, Ordering::Relaxed) {
        return;
    }
    service.is_kicked.store(false, Ordering::Relaxed);
    let next_ns = service.serve.run(now_ns);
    let now_ns = context.platform.clock().monotonic_ns();
    service.last_ns.store(now_ns, Ordering::Relaxed);
    // Not at once: others come first.
    let next_ns = next_ns.map(|at_ns| at_ns.max(now_ns + 1));
    let scheduler = context.process.threads.scheduler;
    let timer = *service.timer.lock();
    if timer.map(|(at_ns, _)| at_ns) != next_ns {
        if let Some((_, key)) = timer {
            scheduler.unset_timer(key);
        }
        let set = |at_ns| {
            let target = Target::Due(Arc::new(Alarm(service)));
            (at_ns, scheduler.set_timer(at_ns, target))
        };
        *service.timer.lock() = next_ns.map(set);
    }
    service.is_running.store(false, Ordering::Relaxed);
}

impl Threads {
    /// Lets something run beside the calls from now on. `has_devices`: it can end waits, since something
    /// comes from outside. What was begun before runs on.
    pub fn begin_service(&self, serve: Box<dyn Serve>, has_devices: bool) {
        self.expect_many();
        let service = Box::leak(Box::new(Service {
            serve,
            look,
            has_devices,
            next: *self.scheduler.service.lock(),
            is_kicked: AtomicBool::new(true),
            is_running: AtomicBool::new(false),
            last_ns: AtomicU64::new(0),
            timer: Mutex::new(None),
        }));
        *self.scheduler.service.lock() = Some(service);
        self.scheduler.count_calls();
    }

    /// A service has something to do: they run at the end of the call that is being made.
    pub fn kick_service(&self) {
        let mut next = *self.scheduler.service.lock();
        while let Some(service) = next {
            service.is_kicked.store(true, Ordering::Relaxed);
            self.scheduler.hurry();
            next = service.next;
        }
    }

    /// Looks at what comes from outside, and lets the service run if it has something to do.
    pub fn look_outside(&self, context: &Context<'_>) {
        self.scheduler.look_outside(context);
    }
}

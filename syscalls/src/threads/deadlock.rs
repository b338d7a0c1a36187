//! The end of a program whose threads all wait for what can never come: a report of who waits for
//! what. Linux would wait for ever, and nobody would know why.

use alloc::format;
use alloc::string::String;
use core::sync::atomic::Ordering;

use muslin_abi::Sysno;

use super::{Thread, Waiting};
use crate::context::Context;
use crate::process::exit_by_signal;
use crate::user_mem;

const SIGABRT: i32 = 6;

/// Reports, and ends the program as `abort` does.
#[cold]
pub fn end(context: &Context<'_>) -> ! {
    let console = context.platform.console();
    console.write_error(
        b"muslin: all threads wait, and nothing is left that could wake one; the program is over\n",
    );
    let now_ns = context.platform.clock().monotonic_ns();
    for thread in context.process.threads.all() {
        if let Some(waiting) = thread.waiting() {
            console.write_error(line(context, thread, waiting, now_ns).as_bytes());
        }
    }
    exit_by_signal(context, SIGABRT)
}

/// What one thread waits for.
fn line(context: &Context<'_>, thread: &Thread, waiting: Waiting, now_ns: u64) -> String {
    let place = thread.kept.lock().call_place;
    let (call, caller) = match user_mem::read::<[usize; 2]>(context, place) {
        Ok([caller, nr]) => (Sysno(nr as u32).name(), caller),
        Err(_) => (None, 0),
    };
    let comm = context.process.identity.comm_of(thread);
    let name = comm.split(|&byte| byte == 0).next().unwrap_or_default();
    let name = match name {
        b"" => String::new(),
        name => format!(" ({})", String::from_utf8_lossy(name)),
    };
    let since_ns = thread.left_ns.load(Ordering::Relaxed);
    format!(
        "  thread {}{name} waits for {}, {:#x}, in {}, called at {caller:#x}, since {} ms\n",
        thread.tid(),
        waiting.what,
        waiting.object,
        call.unwrap_or("a call"),
        now_ns.saturating_sub(since_ns) / 1_000_000,
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::panic::{AssertUnwindSafe, catch_unwind};

    use crate::testing::World;
    use crate::threads::sys_futex;
    use crate::time::sys_nanosleep;
    use muslin_abi::layout::Timespec;

    #[test]
    fn a_report_says_who_waits_for_what() {
        let world = World::new();
        let (one, other) = (world.room(4), world.room(4));
        world.spawn(move |world| {
            let _ = world.call(sys_futex, [other, 0, 0, 0]);
        });
        let time = world.value(&Timespec {
            tv_sec: 2,
            tv_nsec: 0,
        });
        assert_eq!(world.call(sys_nanosleep, [time, 0]), Ok(0));
        let end = catch_unwind(AssertUnwindSafe(|| world.call(sys_futex, [one, 0, 0, 0])));
        let status = *end.unwrap_err().downcast::<std::string::String>().unwrap();
        assert_eq!(status, "exit 134");
        let output = std::string::String::from_utf8(world.sim.take_output()).unwrap();
        let lines: std::vec::Vec<&str> = output.lines().collect();
        assert!(lines[0].contains("all threads wait"), "{output}");
        let first = std::format!("thread 1 waits for a futex, {one:#x}, in a call");
        assert!(lines[1].contains(&first), "{output}");
        let second = std::format!("thread 2 waits for a futex, {other:#x}, in a call");
        assert!(lines[2].contains(&second), "{output}");
        assert!(lines[2].ends_with("since 2000 ms"), "{output}");
    }
}

//! The end of a program whose threads all wait for what can never come: a report of who waits for
//! what. Linux would wait for ever, and nobody would know why.

use alloc::format;

use muslin_abi::Sysno;

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
    for thread in context.process.threads.all() {
        let Some(waiting) = thread.waiting() else {
            continue;
        };
        let place = thread.kept.lock().call_place;
        let [caller, nr]: [usize; 2] = user_mem::read(context, place).unwrap_or_default();
        let call = Sysno(nr as u32).name().unwrap_or("a call");
        let line = format!(
            "  thread {} waits in {call}, called at {caller:#x}, for {}, {:#x}\n",
            thread.tid(),
            waiting.what,
            waiting.object,
        );
        console.write_error(line.as_bytes());
    }
    exit_by_signal(context, SIGABRT)
}

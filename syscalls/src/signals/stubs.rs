//! The code around delivery: it leaves the stack that the program's frames go to, and never comes back
//! to it.
//!
//! One thread runs at a time, delivery neither waits nor runs code of the program, so one stack and one
//! place for registers do for all threads.

use core::arch::naked_asm;
use core::cell::UnsafeCell;
use core::mem::{MaybeUninit, offset_of};

use muslin_abi::Errno;
use muslin_abi::args::from_raw;
use muslin_arch::interrupted::{Interrupted, RAX, RBP, RBX, RIP, RSP, resume};
use muslin_arch::traps::Frame;
use muslin_arch::{pthread, stack};

use super::deliver::{Again, deliver, deliver_fault, return_to};
use super::faults::information;
use super::{is_any_attentive, update};
use crate::context::Context;
use crate::threads::Call;

/// What delivery itself needs. Code that is not optimised takes more.
const STACK_BYTES: usize = if cfg!(debug_assertions) { 128 } else { 16 } * 1024;

#[repr(C, align(64))]
struct Place {
    code: Interrupted,
    context: MaybeUninit<Context<'static>>,
    stack: [u8; STACK_BYTES],
}

struct Shared(UnsafeCell<Place>);

// SAFETY: used by one thread at a time, from the beginning of a delivery to its end.
unsafe impl Sync for Shared {}

static PLACE: Shared = Shared(UnsafeCell::new(Place {
    code: Interrupted::new(),
    context: MaybeUninit::uninit(),
    stack: [0; STACK_BYTES],
}));

/// What [`deliver_at`] is given.
struct Arguments<'a, 'b> {
    context: &'a Context<'b>,
    call: &'a Call,
}

/// The end of a call while somebody asks for attention: does what is due, and runs functions of signals.
/// Does not return if one is to run. `true` makes the call again.
pub fn attend(context: &Context<'_>, call: &mut Call) -> bool {
    context.process.threads.look_at_timers(context);
    let is_interrupted = is_made_again(call);
    let thread = context.process.threads.current();
    // Most tests have no code that a function could interrupt: they deliver by themselves.
    #[cfg(test)]
    if !crate::testing::frames::are_there() {
        super::deliver::end_by_default(context);
        put_back_mask(context);
        return is_interrupted;
    }
    loop {
        if thread.has_signal() {
            let top = (PLACE.0.get() as usize + size_of::<Place>()) as *mut u8;
            let arguments = Arguments { context, call };
            // SAFETY: 1. the stack is free: who uses it does not come here. 2. The function takes the
            // address of these arguments, and no other.
            unsafe { stack::call_on(deliver_at, (&raw const arguments).cast(), top, top) };
        }
        // There may be signals that only the call's own mask kept away.
        if !put_back_mask(context) {
            return is_interrupted;
        }
    }
}

/// Whether a signal ended the call's wait, and it is made again behind that.
fn is_made_again(call: &Call) -> bool {
    matches!(
        from_raw(call.result),
        Err(Errno::RESTART | Errno::RESTART_ALWAYS)
    )
}

/// The end of a call without a function to run: a mask that was for the call alone is over. Whether there
/// was one.
fn put_back_mask(context: &Context<'_>) -> bool {
    let thread = context.process.threads.current();
    let mask_after = {
        let mut own = thread.signals.lock();
        let mask_after = own.mask_after.take();
        own.mask = mask_after.unwrap_or(own.mask);
        mask_after
    };
    update(context, thread);
    let signals = &context.process.signals;
    if !is_any_attentive(context) && !signals.is_clock_watched() {
        context.process.threads.attention.clear();
    }
    mask_after.is_some()
}

/// Delivers at the end of a call. Returns if no function is to run.
///
/// # Safety
/// `arguments` is an [`Arguments`], and this stack is that of [`PLACE`].
unsafe extern "C" fn deliver_at(arguments: *const u8, _: *mut u8) -> isize {
    // SAFETY: as the caller promises. The process of a program that runs is there for ever.
    let &Arguments { context, call } = unsafe { &*arguments.cast::<Arguments<'_, 'static>>() };
    // Frames go to where both of them are.
    let (context, at) = (*context, core::ptr::from_ref(call) as usize);
    // SAFETY: nobody else has it: delivery is not interrupted by another.
    let place = unsafe { &mut (*PLACE.0.get()).code };
    // SAFETY: as above.
    unsafe { (&raw mut (*PLACE.0.get()).context).write(MaybeUninit::new(context)) };
    let [r15, r14, r13, r12, rbp, rbx] = call.registers;
    let rsp = at + offset_of!(Call, nr);
    let words = [
        (7, r15),
        (6, r14),
        (5, r13),
        (4, r12),
        (RBP, rbp),
        (RBX, rbx),
        (RAX, call.result as usize),
        (RIP, call.return_address),
        (RSP, rsp),
    ];
    let mut registers = [0; _];
    for (register, word) in words {
        registers[register] = word as u64;
    }
    place.set_registers(&registers);
    place.save_after_call();
    let again = is_made_again(call).then(|| {
        mark_cancellation_point(context.process.threads.thread_pointer(), at);
        Again {
            rip: context.process.threads.again(),
            rsp: at,
            is_always: from_raw(call.result) == Err(Errno::RESTART_ALWAYS),
        }
    });
    if deliver(&context, place, again) {
        // SAFETY: the registers are the program's; nothing of this stack is needed any more.
        unsafe { resume(place) };
    }
    0
}

/// Says for musl's `cancel_handler` that the call of this place can still be cancelled, if it is a
/// cancellation point's own (musl-patches/0002).
fn mark_cancellation_point(thread_pointer: usize, at: usize) {
    let block = thread_pointer as *mut u8;
    // SAFETY: fields of the block of the thread that runs (checked where musl is built).
    unsafe {
        let in_cp = block.add(pthread::IN_CP_OFFSET);
        let cp_stack = block.add(pthread::CP_STACK_OFFSET).cast::<usize>();
        if *in_cp != 0 && (*cp_stack).wrapping_sub(at) < pthread::CP_NEAR_BYTES {
            *in_cp = 0;
            *cp_stack = at;
        }
    }
}

/// From now on faults of the program are signals.
pub fn watch_faults(context: &Context<'_>) {
    // A test has no faults, and not one process.
    if !cfg!(test) {
        // SAFETY: this is not in the middle of a delivery. The process of a program that runs is there
        // for ever.
        unsafe {
            let context = *core::ptr::from_ref(context).cast::<Context<'static>>();
            (&raw mut (*PLACE.0.get()).context).write(MaybeUninit::new(context));
        }
        context.process.threads.attention.demand_faults(fault);
    }
}

/// A [`FaultFn`](super::FaultFn). The vector registers change as well.
///
/// # Safety
/// The frame is that of an exception, whose handler calls this; the vector registers are those of the
/// interrupted code, and that is the program's.
unsafe fn fault(frame: &mut Frame, address: usize) -> bool {
    // SAFETY: as in `deliver_at`: this is not in the middle of a delivery. Who calls this has it from
    // `watch_faults`, which put the context there.
    let (place, context) = unsafe {
        let place = PLACE.0.get();
        (&mut (*place).code, (*place).context.assume_init())
    };
    place.set_frame(frame, address);
    place.save_all();
    let info = information(&context, frame, address, place.vectors());
    let is_caught = deliver_fault(&context, place, &info);
    if is_caught {
        place.put_into(frame);
    }
    is_caught
}

/// Where the functions of signals return to.
pub fn return_address() -> usize {
    function_returned as *const () as usize
}

/// Code that a function returns to: what is left of its frame begins with the context.
#[unsafe(naked)]
unsafe extern "C" fn function_returned() {
    naked_asm!(
        "mov rdi, rsp",
        "lea rsp, [rip + {place} + {place_bytes}]",
        "call {go_on}",
        place = sym PLACE,
        place_bytes = const size_of::<Place>(),
        go_on = sym go_on,
    )
}

/// Goes on with what a function left of its context.
unsafe extern "C" fn go_on(address: usize) -> ! {
    // SAFETY: as in `deliver_at`; a function began, so the context is there.
    let (place, context) = unsafe {
        let place = PLACE.0.get();
        (&mut (*place).code, (*place).context.assume_init())
    };
    return_to(&context, place, address);
    // SAFETY: the registers are the program's; nothing of this stack is needed any more.
    unsafe { resume(place) }
}

#[cfg(test)]
mod tests {
    use core::sync::atomic::{AtomicUsize, Ordering};

    use muslin_abi::layout::Sigaction;
    use muslin_sim::Sim;

    use super::super::{bit, sys_kill, sys_rt_sigaction, sys_rt_sigprocmask};
    use super::attend;
    use crate::testing::frames;
    use crate::threads::sys_gettid;

    static CAME: AtomicUsize = AtomicUsize::new(0);

    extern "C" fn function() {
        CAME.fetch_add(1, Ordering::Relaxed);
    }

    #[test]
    fn what_only_the_mask_of_a_call_kept_away_comes_behind_it() {
        frames::run(Sim::new(4096, 1), |world| {
            let action = world.value(&Sigaction {
                handler: function as *const () as usize,
                ..Sigaction::default()
            });
            let mask = world.value(&bit(10));
            assert_eq!(world.call(sys_rt_sigaction, [10, action, 0, 8]), Ok(0));
            assert_eq!(world.call(sys_rt_sigprocmask, [2, mask, 0, 8]), Ok(0));
            assert_eq!(world.call(sys_kill, [1, 10]), Ok(0));
            assert_eq!(CAME.load(Ordering::Relaxed), 0);
            // The signal that ended the wait was taken by another thread.
            let threads = &world.process.threads;
            threads.current().signals.lock().mask_after = Some(0);
            threads.attention.demand(attend);
            assert_eq!(world.call(sys_gettid, []), Ok(1));
            assert_eq!(CAME.load(Ordering::Relaxed), 1);
        });
    }
}

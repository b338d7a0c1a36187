//! Delivery: a signal makes the code that it comes to go on in the program's function. What was
//! interrupted lies in a frame on the stack, as the kernel's does, and the code goes on with whatever
//! the frame says when the function returns. Several signals at once are frames above each other, so
//! the last of them runs first, as on Linux.
//!
//! Source: sigaction(2), sigreturn(2), sigaltstack(2), man-pages 6.9; the frame: Linux
//! `arch/x86/kernel/signal_64.c`, `arch/x86/kernel/fpu/signal.c`.

use core::ops::Range;

use muslin_abi::Errno;
use muslin_abi::layout::{Pod, Sigaction, Siginfo, SignalStack};
use muslin_arch::interrupted::{
    FXSAVE_BYTES, Interrupted, OLD_MASK, RAX, RIP, RSP, Registers, SEGMENTS,
};

use super::actions::is_on_stack;
use super::siginfo::SIGINFO_BYTES;
use super::stubs::return_address;
use super::{IGNORED, NO_STACK, SIG_DFL, SIG_IGN, SS_AUTODISARM, UNBLOCKABLE, bit, index_of};
use super::{take, update};
use crate::context::Context;
use crate::process::exit_by_signal;
use crate::user_mem::{self, UserBuf, UserBufMut};

const SIGSEGV: i32 = 11;

const SA_ONSTACK: u64 = 0x0800_0000;
const SA_RESTART: u64 = 0x1000_0000;
const SA_NODEFER: u64 = 0x4000_0000;
const SA_RESETHAND: u64 = 0x8000_0000;

/// `uc_flags`: the vector registers are as `xsave` stores them.
const UC_FP_XSTATE: u64 = 1;
/// Bytes below the stack pointer that code may use.
const RED_ZONE_BYTES: usize = 128;
/// What programs expect in the segment registers.
const USUAL_SEGMENTS: u64 = 0x002b_0000_0000_0033;
/// Alignment of what `xsave` stores.
const VECTORS_ALIGN: usize = 64;

/// `ucontext_t`, as words: flags and a link, the alternate stack, registers, the address of the vector
/// registers, eight words without use, and the mask, of which C has more words than a kernel.
type UserContext = [u64; 53];
const UC_STACK: Range<usize> = 2..5;
const UC_REGISTERS: Range<usize> = 5..28;
const UC_VECTORS: usize = 28;
const UC_MASK: usize = 37;

/// The frame, from the word that the function returns to: that word, the context, the information.
const CONTEXT_AT: usize = 8;
const INFORMATION_AT: usize = CONTEXT_AT + <UserContext as Pod>::BYTES;
const FRAME_BYTES: usize = INFORMATION_AT + SIGINFO_BYTES;

/// How a call is made again that a signal interrupted.
#[derive(Clone, Copy, Debug)]
pub struct Again {
    /// Where the code for that is.
    pub rip: usize,
    /// The stack pointer that it wants.
    pub rsp: usize,
    /// It is, whatever the function wants.
    pub is_always: bool,
}

/// A signal whose function is to run.
struct Taken {
    info: Siginfo,
    action: Sigaction,
    /// The mask that comes back afterwards.
    mask_after: u64,
}

/// Lets the current thread's signals do what they do to `code`: its own code, which comes from a call.
/// If a signal ended the call's wait, `again` says how the call is made again: it is, unless the
/// function that runs first wants `EINTR`. `false`: no function is to run.
pub fn deliver(context: &Context<'_>, code: &mut Interrupted, mut again: Option<Again>) -> bool {
    let mut has_begun = false;
    while let Some(taken) = next(context) {
        if let Some(again) = again.take() {
            if again.is_always || taken.action.flags & SA_RESTART != 0 {
                code.registers[RIP] = again.rip as u64;
                code.registers[RSP] = again.rsp as u64;
            } else {
                code.registers[RAX] = (-(Errno::EINTR.raw() as i64)) as u64;
            }
        }
        if begin(context, code, &taken).is_err() {
            let console = context.platform.console();
            console.write_error(b"muslin: a signal's function has no room on its stack\n");
            exit_by_signal(context, SIGSEGV);
        }
        has_begun = true;
    }
    update(context, context.process.threads.current());
    has_begun
}

/// Whether a fault's signal runs a function in the current thread.
fn is_caught(context: &Context<'_>, signal: i32) -> bool {
    let Ok(index) = index_of(signal) else {
        return false;
    };
    let action = context.process.signals.state.lock().actions.get(index);
    let mask = context.process.threads.current().signals.lock().mask;
    !matches!(action.handler, SIG_DFL | SIG_IGN) && mask & bit(signal) == 0
}

/// Lets the signal of a fault do what it does to `code`. `false`: no function is to run, or there is no
/// room for it; the program is over.
pub fn deliver_fault(context: &Context<'_>, code: &mut Interrupted, info: &Siginfo) -> bool {
    if !is_caught(context, info.si_signo) {
        return false;
    }
    let taken = prepare(context, info);
    taken.is_some_and(|taken| begin(context, code, &taken).is_ok())
}

/// The next signal of the current thread whose function is to run.
fn next(context: &Context<'_>) -> Option<Taken> {
    loop {
        let mask = context.process.threads.current().signals.lock().mask;
        let info = take(context, !mask)?;
        if let Some(taken) = prepare(context, &info) {
            return Some(taken);
        }
    }
}

/// Does what a signal does besides its function. `None`: it has none.
fn prepare(context: &Context<'_>, info: &Siginfo) -> Option<Taken> {
    let signal = info.si_signo;
    let mut state = context.process.signals.state.lock();
    let index = index_of(signal).ok()?;
    let action = state.actions.get(index);
    match action.handler {
        SIG_IGN => return None,
        SIG_DFL if IGNORED & bit(signal) != 0 => return None,
        SIG_DFL => {
            drop(state);
            exit_by_signal(context, signal);
        }
        _ => {}
    }
    if action.flags & SA_RESETHAND != 0 {
        state.actions.get_mut(index).handler = SIG_DFL;
        if IGNORED & bit(signal) != 0 {
            state.ignored |= bit(signal);
        }
    }
    let mut own = context.process.threads.current().signals.lock();
    let mask_after = own.mask_after.take().unwrap_or(own.mask);
    let itself = match action.flags & SA_NODEFER {
        0 => bit(signal),
        _ => 0,
    };
    own.mask = (own.mask | action.mask | itself) & !UNBLOCKABLE;
    Some(Taken {
        info: *info,
        action,
        mask_after,
    })
}

/// Lets the signals of the current thread that have no function do what they do.
#[cfg(test)]
pub fn end_by_default(context: &Context<'_>) {
    let mask = context.process.threads.current().signals.lock().mask;
    for signal in 1..=super::SIGNALS_COUNT as i32 {
        let action = context
            .process
            .signals
            .state
            .lock()
            .actions
            .get(signal as usize - 1);
        let is_ready = super::pending_among(context, !mask & bit(signal)) != 0;
        if is_ready && action.handler == SIG_DFL {
            take(context, bit(signal));
            exit_by_signal(context, signal);
        }
    }
}

/// Makes `code` the beginning of the function, with a frame that holds what `code` was.
///
/// # Errors
/// `EFAULT` there is no room for the frame.
fn begin(context: &Context<'_>, code: &mut Interrupted, taken: &Taken) -> Result<(), Errno> {
    let rsp = code.registers[RSP] as usize;
    let stack = {
        let mut own = context.process.threads.current().signals.lock();
        let stack = own.stack;
        if stack.ss_flags as u32 & SS_AUTODISARM != 0 {
            own.stack = NO_STACK;
        }
        stack
    };
    let is_on_other = is_on_stack(&stack, rsp);
    let goes_to_other = taken.action.flags & SA_ONSTACK != 0 && stack.ss_size != 0 && !is_on_other;
    let top = match goes_to_other {
        true => stack.ss_sp.saturating_add(stack.ss_size),
        false => rsp.saturating_sub(RED_ZONE_BYTES),
    };
    let frame = put_frame(context, code, taken, &stack, top)?;
    if is_on_other && !is_on_stack(&stack, frame) {
        return Err(Errno::EFAULT);
    }
    let arguments = [
        taken.info.si_signo as usize,
        frame + INFORMATION_AT,
        frame + CONTEXT_AT,
    ];
    code.begin(taken.action.handler, arguments, frame);
    Ok(())
}

/// Puts a frame below `top`; where it is.
///
/// # Errors
/// `EFAULT` there is no room.
fn put_frame(
    context: &Context<'_>,
    code: &Interrupted,
    taken: &Taken,
    stack: &SignalStack,
    top: usize,
) -> Result<usize, Errno> {
    let vectors = code.vectors();
    let mark = code.mark_behind().to_le_bytes();
    let vectors_at = top
        .checked_sub(vectors.len() + mark.len())
        .ok_or(Errno::EFAULT)?;
    let vectors_at = vectors_at & !(VECTORS_ALIGN - 1);
    // A function finds the stack as behind a call: aligned, but for the word to return to.
    let frame = vectors_at.checked_sub(FRAME_BYTES).ok_or(Errno::EFAULT)?;
    let frame = (frame & !15).checked_sub(8).ok_or(Errno::EFAULT)?;
    let mut user_context: UserContext = [0; _];
    user_context[0] = if vectors.len() > FXSAVE_BYTES {
        UC_FP_XSTATE
    } else {
        0
    };
    let flags = u64::from(stack.ss_flags as u32);
    user_context[UC_STACK].copy_from_slice(&[stack.ss_sp as u64, flags, stack.ss_size as u64]);
    let registers = &mut user_context[UC_REGISTERS];
    registers.copy_from_slice(&code.registers);
    registers[SEGMENTS] = USUAL_SEGMENTS;
    registers[OLD_MASK] = taken.mask_after;
    user_context[UC_VECTORS] = vectors_at as u64;
    user_context[UC_MASK] = taken.mask_after;
    let mut place = UserBufMut::new(context, frame, top - frame)?;
    // Pages get memory when they are touched, but by a fault, and this may be the answer to one.
    let memory = &context.process.memory;
    for address in (frame..top).step_by(memory.page_bytes()).chain([top - 1]) {
        memory.fault(address, true, true);
    }
    place.copy_in(0, &return_address().to_le_bytes());
    user_mem::write(context, frame + CONTEXT_AT, &user_context)?;
    user_mem::write(context, frame + INFORMATION_AT, &taken.info)?;
    let rest = INFORMATION_AT + Siginfo::BYTES;
    place.fill(rest, SIGINFO_BYTES - Siginfo::BYTES, 0);
    place.copy_in(vectors_at - frame, vectors);
    place.copy_in(vectors_at - frame + vectors.len(), &mark);
    Ok(frame)
}

/// Goes on where a function was begun, with what it left of its context at `address`, unless other
/// signals come first.
pub fn return_to(context: &Context<'_>, code: &mut Interrupted, address: usize) {
    if take_context(context, code, address).is_err() {
        let console = context.platform.console();
        console.write_error(b"muslin: a signal's function returned to no context\n");
        exit_by_signal(context, SIGSEGV);
    }
    deliver(context, code, None);
}

/// Takes what a program's context says.
fn take_context(
    context: &Context<'_>,
    code: &mut Interrupted,
    address: usize,
) -> Result<(), Errno> {
    let user_context: UserContext = user_mem::read(context, address)?;
    code.reset_vectors();
    let vectors_at = user_context[UC_VECTORS] as usize;
    if vectors_at != 0 {
        let mut vectors = [0; Interrupted::VECTORS_BYTES_MAX];
        let start = &mut vectors[..FXSAVE_BYTES];
        UserBuf::new(context, vectors_at, FXSAVE_BYTES)?.copy_out(0, start);
        let len_bytes = Interrupted::vectors_bytes_of(start);
        let vectors = &mut vectors[..len_bytes];
        UserBuf::new(context, vectors_at, len_bytes)?.copy_out(0, vectors);
        code.set_vectors(vectors);
    }
    let mut registers: Registers = [0; _];
    registers.copy_from_slice(&user_context[UC_REGISTERS]);
    code.set_registers(&registers);
    let mut own = context.process.threads.current().signals.lock();
    own.mask = user_context[UC_MASK] & !UNBLOCKABLE;
    if !is_on_stack(&own.stack, registers[RSP] as usize) {
        let [ss_sp, flags, ss_size] = [0, 1, 2].map(|word| user_context[UC_STACK][word]);
        own.stack = SignalStack {
            ss_sp: ss_sp as usize,
            ss_flags: flags as i32,
            pad: 0,
            ss_size: ss_size as usize,
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::*;
    use super::*;
    use crate::testing::World;
    use muslin_arch::interrupted::{FLAGS, RBX, RDI, RDX, RSI};

    const SIGUSR1: usize = 10;
    const SIGUSR2: usize = 12;
    const STACK_BYTES: usize = 8192;
    const AGAIN: Again = Again {
        rip: 0x6000,
        rsp: 0x7000,
        is_always: false,
    };

    fn act(world: &World, signal: usize, handler: usize, flags: u64, mask: u64) {
        let action = world.value(&Sigaction {
            handler,
            flags,
            restorer: 0,
            mask,
        });
        assert_eq!(world.call(sys_rt_sigaction, [signal, action, 0, 8]), Ok(0));
    }

    fn block(world: &World, mask: u64) {
        let mask = world.value(&mask);
        assert_eq!(world.call(sys_rt_sigprocmask, [2, mask, 0, 8]), Ok(0));
    }

    /// Code that called something, on a stack of its own; the stack's end.
    fn code(world: &World) -> (Interrupted, usize) {
        let top = world.room(STACK_BYTES) + STACK_BYTES;
        let mut code = Interrupted::new();
        code.reset_vectors();
        for (register, word) in [(RBX, 77), (RAX, 5), (RIP, 0x5000), (RSP, top as u64)] {
            code.registers[register] = word;
        }
        (code, top)
    }

    fn context_of(world: &World, code: &Interrupted) -> UserContext {
        world.get_value(code.registers[RDX] as usize)
    }

    #[test]
    fn a_function_finds_all_that_it_is_promised() {
        let world = World::new();
        let context = world.context();
        act(&world, SIGUSR1, 0x1234, 4, bit(SIGUSR2 as i32));
        assert_eq!(world.call(sys_kill, [1, SIGUSR1]), Ok(0));
        assert!(context.process.threads.current().has_signal());
        let (mut code, top) = code(&world);
        let before = code.registers;
        assert!(deliver(&context, &mut code, None));
        let now = code.registers;
        assert_eq!((now[RIP], now[RDI], now[RAX]), (0x1234, 10, 0));
        assert_eq!(now[RSP] % 16, 8);
        assert!((now[RSP] as usize) < top - RED_ZONE_BYTES);
        let return_word: usize = world.get_value(now[RSP] as usize);
        assert_eq!(return_word, return_address());
        let info: Siginfo = world.get_value(now[RSI] as usize);
        assert_eq!((info.si_signo, info.si_code, info.fields[0]), (10, 0, 1));
        let frame = context_of(&world, &code);
        assert_eq!(frame[UC_REGISTERS.start + RBX], 77);
        assert_eq!(frame[UC_MASK], 0);
        let both = bit(10) | bit(SIGUSR2 as i32);
        assert_eq!(context.process.threads.current().signals.lock().mask, both);
        assert!(!context.process.threads.current().has_signal());
        // The function returns.
        return_to(&context, &mut code, now[RDX] as usize);
        assert_eq!(code.registers[RIP], before[RIP]);
        assert_eq!(code.registers[RSP], before[RSP]);
        assert_eq!((code.registers[RBX], code.registers[RAX]), (77, 5));
        assert_eq!(context.process.threads.current().signals.lock().mask, 0);
    }

    #[test]
    fn what_a_function_changes_counts() {
        let world = World::new();
        let context = world.context();
        act(&world, SIGUSR1, 0x1234, 4, 0);
        assert_eq!(world.call(sys_tkill, [1, SIGUSR1]), Ok(0));
        let (mut code, _) = code(&world);
        assert!(deliver(&context, &mut code, None));
        let at = code.registers[RDX] as usize;
        let mut frame = context_of(&world, &code);
        frame[UC_REGISTERS.start + RIP] = 0x9999;
        frame[UC_REGISTERS.start + FLAGS] = u64::MAX;
        frame[UC_MASK] = u64::MAX;
        user_mem::write(&context, at, &frame).unwrap();
        return_to(&context, &mut code, at);
        assert_eq!(code.registers[RIP], 0x9999);
        assert_eq!(code.registers[FLAGS] & (1 << 9), 0);
        let mask = context.process.threads.current().signals.lock().mask;
        assert_eq!(mask, !UNBLOCKABLE);
    }

    #[test]
    fn two_signals_are_two_frames_and_the_second_runs_first() {
        let world = World::new();
        let context = world.context();
        act(&world, SIGUSR1, 0x1000, 0, 0);
        act(&world, SIGUSR2, 0x2000, 0, 0);
        assert_eq!(world.call(sys_kill, [1, SIGUSR2]), Ok(0));
        assert_eq!(world.call(sys_kill, [1, SIGUSR1]), Ok(0));
        let (mut code, _) = code(&world);
        assert!(deliver(&context, &mut code, None));
        assert_eq!((code.registers[RIP], code.registers[RDI]), (0x2000, 12));
        let second = code.registers[RDX] as usize;
        return_to(&context, &mut code, second);
        assert_eq!((code.registers[RIP], code.registers[RDI]), (0x1000, 10));
        let first = code.registers[RDX] as usize;
        return_to(&context, &mut code, first);
        assert_eq!(code.registers[RIP], 0x5000);
    }

    #[test]
    fn a_call_is_made_again_or_answers_eintr() {
        let world = World::new();
        let context = world.context();
        for (flags, is_always, rip, rsp) in [
            (SA_RESTART, false, 0x6000, 0x7000),
            (0, true, 0x6000, 0x7000),
            (0, false, 0x5000, 0),
        ] {
            act(&world, SIGUSR1, 0x1234, flags, 0);
            assert_eq!(world.call(sys_kill, [1, SIGUSR1]), Ok(0));
            let (mut code, top) = code(&world);
            // Its own stack, where a restarted call's words would be.
            let again = Again {
                rsp: top - 256,
                is_always,
                ..AGAIN
            };
            assert!(deliver(&context, &mut code, Some(again)));
            let frame = &context_of(&world, &code)[UC_REGISTERS];
            assert_eq!(frame[RIP], rip);
            match rsp {
                0 => assert_eq!((frame[RSP] as usize, frame[RAX] as i64), (top, -4)),
                _ => assert_eq!(frame[RSP] as usize, top - 256),
            }
            let at = code.registers[RDX] as usize;
            return_to(&context, &mut code, at);
        }
    }

    #[test]
    fn a_blocked_signal_waits_and_comes_once() {
        let world = World::new();
        let context = world.context();
        act(&world, SIGUSR1, 0x1234, 0, 0);
        block(&world, bit(SIGUSR1 as i32));
        for _ in 0..3 {
            assert_eq!(world.call(sys_kill, [1, SIGUSR1]), Ok(0));
        }
        let (mut code, _) = code(&world);
        assert!(!deliver(&context, &mut code, None));
        let room = world.room(8);
        assert_eq!(world.call(sys_rt_sigpending, [room, 8]), Ok(0));
        assert_eq!(world.get_value::<u64>(room), bit(SIGUSR1 as i32));
        block(&world, 0);
        assert!(context.process.threads.current().has_signal());
        assert!(deliver(&context, &mut code, None));
        assert!(!deliver(&context, &mut code, None));
    }

    #[test]
    fn queued_signals_keep_their_values() {
        let world = World::new();
        let context = world.context();
        act(&world, 40, 0x1234, 4, 0);
        block(&world, bit(40));
        for value in 1..=3 {
            let info = world.value(&Siginfo {
                si_code: -1,
                fields: [1, value, 0, 0],
                ..Siginfo::default()
            });
            assert_eq!(world.call(sys_rt_sigqueueinfo, [1, 40, info]), Ok(0));
        }
        block(&world, 0);
        let (mut code, _) = code(&world);
        for value in 1..=3 {
            assert!(value > 1 || deliver(&context, &mut code, None));
            let info: Siginfo = world.get_value(code.registers[RSI] as usize);
            assert_eq!((info.si_signo, info.si_code), (40, -1));
            assert_eq!(info.fields[1], value);
            let at = code.registers[RDX] as usize;
            return_to(&context, &mut code, at);
        }
        assert_eq!(code.registers[RIP], 0x5000);
    }

    #[test]
    #[should_panic(expected = "exit 138")]
    fn resethand_lasts_once() {
        let world = World::new();
        act(&world, SIGUSR1, 0x1234, SA_RESETHAND, 0);
        let (mut code, _) = code(&world);
        for _ in 0..2 {
            assert_eq!(world.call(sys_kill, [1, SIGUSR1]), Ok(0));
            assert!(deliver(&world.context(), &mut code, None));
            let at = code.registers[RDX] as usize;
            return_to(&world.context(), &mut code, at);
        }
    }

    #[test]
    fn nodefer_lets_the_signal_in_again() {
        let world = World::new();
        act(&world, SIGUSR1, 0x1234, SA_NODEFER, bit(5));
        let (mut code, _) = code(&world);
        assert_eq!(world.call(sys_kill, [1, SIGUSR1]), Ok(0));
        assert!(deliver(&world.context(), &mut code, None));
        let mask = world
            .context()
            .process
            .threads
            .current()
            .signals
            .lock()
            .mask;
        assert_eq!(mask, bit(5));
    }

    #[test]
    fn ignored_signals_do_nothing() {
        let world = World::new();
        act(&world, SIGUSR1, SIG_IGN, 0, 0);
        for signal in [SIGUSR1, 17, 18, 19, 20, 28] {
            assert_eq!(world.call(sys_kill, [1, signal]), Ok(0));
        }
        assert!(!world.context().process.threads.current().has_signal());
        // One that waits is forgotten when it is ignored, and one that is ignored later does nothing.
        act(&world, SIGUSR1, 0x1234, 0, 0);
        block(&world, bit(SIGUSR1 as i32));
        assert_eq!(world.call(sys_kill, [1, SIGUSR1]), Ok(0));
        act(&world, SIGUSR1, SIG_IGN, 0, 0);
        act(&world, SIGUSR1, 0x1234, 0, 0);
        block(&world, 0);
        assert!(!world.context().process.threads.current().has_signal());
    }

    #[test]
    fn a_function_runs_on_the_other_stack() {
        let world = World::new();
        let context = world.context();
        let other = world.room(STACK_BYTES);
        for flags in [0, SS_AUTODISARM] {
            let stack = world.value(&SignalStack {
                ss_sp: other,
                ss_flags: flags as i32,
                pad: 0,
                ss_size: STACK_BYTES,
            });
            assert_eq!(world.call(sys_sigaltstack, [stack, 0]), Ok(0));
            act(&world, SIGUSR1, 0x1234, SA_ONSTACK, 0);
            act(&world, SIGUSR2, 0x1234, SA_ONSTACK, 0);
            let (mut code, top) = code(&world);
            assert_eq!(world.call(sys_kill, [1, SIGUSR1]), Ok(0));
            assert!(deliver(&context, &mut code, None));
            let first = code.registers[RSP] as usize;
            assert!(first > other && first < other + STACK_BYTES);
            let old = world.room(24);
            assert_eq!(world.call(sys_sigaltstack, [0, old]), Ok(0));
            let is_armed = world.get_value::<SignalStack>(old).ss_size != 0;
            assert_eq!(is_armed, flags == 0);
            // A second one goes below the first.
            assert_eq!(world.call(sys_kill, [1, SIGUSR2]), Ok(0));
            assert!(deliver(&context, &mut code, None));
            assert!((code.registers[RSP] as usize) < first);
            for _ in 0..2 {
                let at = code.registers[RDX] as usize;
                return_to(&context, &mut code, at);
                code.registers[RDX] = first as u64 + CONTEXT_AT as u64;
            }
            assert_eq!(code.registers[RSP] as usize, top);
            assert_eq!(world.call(sys_sigaltstack, [0, old]), Ok(0));
            assert_eq!(world.get_value::<SignalStack>(old).ss_sp, other);
        }
    }

    #[test]
    #[should_panic(expected = "exit 139")]
    fn a_function_without_room_ends_the_program() {
        let world = World::new();
        act(&world, SIGUSR1, 0x1234, 0, 0);
        assert_eq!(world.call(sys_kill, [1, SIGUSR1]), Ok(0));
        let (mut code, top) = code(&world);
        code.registers[RSP] = (top - STACK_BYTES + 64) as u64;
        deliver(&world.context(), &mut code, None);
    }

    #[test]
    fn a_fault_is_a_signal_if_somebody_catches_it() {
        let world = World::new();
        let context = world.context();
        let (mut code, _) = code(&world);
        let info = siginfo::by_fault(11, 1, 0xdead);
        assert!(!deliver_fault(&context, &mut code, &info));
        act(&world, 11, 0x1234, 4, 0);
        block(&world, bit(11));
        assert!(!deliver_fault(&context, &mut code, &info));
        assert_eq!(code.registers[RIP], 0x5000);
        block(&world, 0);
        assert!(deliver_fault(&context, &mut code, &info));
        assert_eq!(code.registers[RIP], 0x1234);
        let seen: Siginfo = world.get_value(code.registers[RSI] as usize);
        assert_eq!(seen, info);
        // While its function runs it is blocked: a second fault ends the program.
        assert!(!deliver_fault(&context, &mut code, &info));
    }
}

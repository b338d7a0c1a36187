//! Calls as a program makes them: by the code that a guest has around its handlers. So functions of signals
//! run on the stacks of threads, and what they interrupt goes on as it does in a guest.
//!
//! That code has one place for what it keeps, as a guest has one process: one world at a time has frames.

use core::arch::naked_asm;
use core::cell::Cell;
use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::boxed::Box;
use std::sync::{Mutex, MutexGuard, PoisonError};

use muslin_abi::args::{from_raw, to_raw};
use muslin_abi::{Errno, SyscallArgs, SyscallResult};
use muslin_arch::pthread::{
    BLOCK_BYTES, CANCEL_OFFSET, CP_STACK_OFFSET, IN_CP_OFFSET, STACK_SIZE_OFFSET,
};
use muslin_arch::stack::call_on;
use muslin_sim::Sim;

use super::World;
use crate::context::Given;
use crate::threads::{Attention, Call, HandlerFn, Kept, Machine};

/// libc's own signal for cancelling a thread.
pub const SIGCANCEL: i32 = 33;
/// Where libc keeps whether the thread may be cancelled, one byte.
const CANCEL_DISABLED_OFFSET: usize = 64;

/// Bytes of a thread's stack.
pub const STACK_BYTES: usize = 512 * 1024;
/// What libc says of a stack on which calls are answered, and of one that is too small for them.
const STACKS_SAID: [usize; 2] = [STACK_BYTES, 4096];

static THE_ONE: Mutex<()> = Mutex::new(());
static ATTENTION: Attention = Attention::new();
static CALL_PLACE: AtomicUsize = AtomicUsize::new(0);
static KERNEL_STACK: AtomicUsize = AtomicUsize::new(0);
static THREAD_POINTER: AtomicUsize = AtomicUsize::new(0);

std::thread_local! {
    /// The world whose calls are made here, if it has frames.
    static WORLD: Cell<*const World> = const { Cell::new(core::ptr::null()) };
}

/// What the switch between threads asks of this.
const MACHINE: Machine = Machine {
    keep: || Kept {
        thread_pointer: THREAD_POINTER.load(Ordering::Relaxed),
        call_place: CALL_PLACE.load(Ordering::Relaxed),
        is_inside: false,
        kernel_stack: KERNEL_STACK.load(Ordering::Relaxed),
    },
    put_back: |kept| {
        THREAD_POINTER.store(kept.thread_pointer, Ordering::Relaxed);
        CALL_PLACE.store(kept.call_place, Ordering::Relaxed);
        KERNEL_STACK.store(kept.kernel_stack, Ordering::Relaxed);
    },
    again: __muslin_cp_begin,
};

unsafe extern "C" {
    fn __muslin_cp_begin();
    fn __muslin_cp_syscall();
    fn __muslin_cp_cancelled();
}

crate::answer_stub! {
    /// As the runtime's.
    fn answer_stub;
    place: CALL_PLACE, kernel_stack: KERNEL_STACK, attention: ATTENTION, answer: answer, attend: attend
}

#[allow(
    improper_ctypes_definitions,
    reason = "only the stub above calls it, with two words"
)]
extern "C" fn answer(handler: HandlerFn, args: &SyscallArgs) -> isize {
    to_raw(handler(&world().context(), args))
}

extern "C" fn attend(call: &mut Call) -> bool {
    ATTENTION.attend(&world().context(), call)
}

/// Makes a call: six words, and the handler where libc has the number.
#[allow(
    improper_ctypes_definitions,
    reason = "the handler is one word, and goes on as one"
)]
#[unsafe(naked)]
unsafe extern "C" fn enter(
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
    handler: HandlerFn,
) -> isize {
    naked_asm!("mov rax, [rsp + 8]", "jmp {stub}", stub = sym answer_stub)
}

/// Makes a call that can be cancelled, as libc does: the block behind the thread pointer says so meanwhile.
#[allow(
    improper_ctypes_definitions,
    reason = "the handler is one word, and goes on as one"
)]
#[unsafe(naked)]
unsafe extern "C" fn enter_cancellable(
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
    handler: HandlerFn,
    block: *mut u8,
) -> isize {
    naked_asm!(
        "mov rax, [rsp + 8]",
        "mov r10, [rsp + 16]",
        "push rbx",
        "mov rbx, r10",
        "push qword ptr [rbx + {cp_stack}]",
        "movzx r10d, byte ptr [rbx + {in_cp}]",
        "push r10",
        "mov [rbx + {cp_stack}], rsp",
        "mov byte ptr [rbx + {in_cp}], 1",
        "sub rsp, 8", // for the alignment
        "push rax",
        "call {stub}",
        "add rsp, 16",
        "pop r10",
        "mov [rbx + {in_cp}], r10b",
        "pop qword ptr [rbx + {cp_stack}]",
        "pop rbx",
        "ret",
        cp_stack = const CP_STACK_OFFSET,
        in_cp = const IN_CP_OFFSET,
        stub = sym answer_stub,
    )
}

/// The world of this host thread.
pub fn world() -> &'static World {
    // SAFETY: it is there while its threads run, and nobody else asks.
    unsafe { &*WORLD.get() }
}

/// Whether the world of this host thread has frames.
pub fn are_there() -> bool {
    !WORLD.get().is_null()
}

/// Makes a call. Behind it, nothing of its own waits that the thread does not block.
pub fn call(handler: HandlerFn, [a, b, c, d, e, f]: [usize; 6]) -> SyscallResult {
    // SAFETY: the words are a call's.
    let result = unsafe { enter(a, b, c, d, e, f, handler) };
    assert_nothing_waits();
    from_raw(result)
}

fn assert_nothing_waits() {
    let thread = world().process.threads.current();
    let own = thread.signals.lock();
    assert_eq!(own.pending() & !own.mask(), 0, "signals wait behind a call");
}

/// A thread that is to be cancelled ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cancelled;

/// The block behind a thread pointer, as libc's.
#[derive(Clone, Copy, Debug)]
pub struct Block(usize);

impl Block {
    /// Makes it that of a new thread, in zeros.
    pub fn new(address: usize, is_small: bool) -> Self {
        let place = address as *mut u8;
        let said = STACKS_SAID[usize::from(is_small)];
        // SAFETY: whoever makes a thread has room for this.
        unsafe { place.add(STACK_SIZE_OFFSET).cast::<usize>().write(said) };
        Self(address)
    }

    /// The one at an address.
    pub fn at(address: usize) -> Self {
        Self(address)
    }

    /// That of the thread that runs.
    pub fn own() -> Self {
        Self(THREAD_POINTER.load(Ordering::Relaxed))
    }

    fn byte(&self, offset: usize) -> &AtomicU8 {
        // SAFETY: the block has this byte, and nobody takes a reference without atomics.
        unsafe { AtomicU8::from_ptr((self.0 as *mut u8).add(offset)) }
    }

    fn is_set(&self, offset: usize) -> bool {
        self.byte(offset).load(Ordering::Relaxed) != 0
    }

    fn set(&self, offset: usize, value: bool) {
        self.byte(offset).store(value.into(), Ordering::Relaxed);
    }

    /// The thread is to be cancelled. A signal tells it.
    pub fn cancel(&self) {
        self.set(CANCEL_OFFSET, true);
    }

    /// Whether it may be cancelled.
    pub fn set_disabled(&self, is_disabled: bool) {
        self.set(CANCEL_DISABLED_OFFSET, is_disabled);
    }

    /// # Errors
    /// It is to be cancelled, and may be.
    pub fn test_cancel(&self) -> Result<(), Cancelled> {
        match self.is_set(CANCEL_OFFSET) && !self.is_set(CANCEL_DISABLED_OFFSET) {
            true => Err(Cancelled),
            false => Ok(()),
        }
    }
}

/// Makes a call at which the thread can be cancelled.
///
/// # Errors
/// It is; the call has done nothing then.
pub fn call_cancellable<const N: usize>(
    handler: HandlerFn,
    words: [usize; N],
) -> Result<SyscallResult, Cancelled> {
    let block = Block::own();
    if block.is_set(CANCEL_DISABLED_OFFSET) {
        return Ok(world().call(handler, words));
    }
    block.test_cancel()?;
    let mut args = [0; 6];
    args[..N].copy_from_slice(&words);
    let [a, b, c, d, e, f] = args;
    // SAFETY: the words are a call's.
    let result = unsafe { enter_cancellable(a, b, c, d, e, f, handler, block.0 as *mut u8) };
    assert_nothing_waits();
    let result = from_raw(result);
    if result == Err(Errno::EINTR) {
        block.test_cancel()?;
    }
    Ok(result)
}

/// Does what libc's function behind [`SIGCANCEL`] does with the registers of its context: the next
/// instruction and the stack pointer. A call that can be cancelled answers `EINTR`; if it was none, or its
/// handler has done something, `again` tells the thread once more. Whether it is to be cancelled: then
/// further signals of this kind are blocked where the context goes on.
pub fn cancel_handler(rip: &mut u64, rsp: u64, again: impl FnOnce()) -> bool {
    let block = Block::own();
    if block.test_cancel().is_ok() {
        return false;
    }
    let in_cp = block.is_set(IN_CP_OFFSET);
    block.set(IN_CP_OFFSET, false);
    let window = __muslin_cp_begin as *const () as u64..=__muslin_cp_syscall as *const () as u64;
    // SAFETY: a word of the thread's block.
    let cp_stack = unsafe { ((block.0 + CP_STACK_OFFSET) as *const u64).read() };
    if window.contains(rip) && rsp == cp_stack {
        *rip = __muslin_cp_cancelled as *const () as u64;
    } else {
        again();
        block.set(IN_CP_OFFSET, in_cp);
    }
    true
}

/// What the first thread is to do.
type Work<'a> = Box<dyn FnOnce() + 'a>;

/// The first code on the first thread's stack.
unsafe extern "C" fn run_first(work: *const u8, _: *mut u8) -> isize {
    // SAFETY: who calls this has put it there, and does not take it.
    let work = unsafe { work.cast::<Work<'_>>().read() };
    work();
    0
}

/// Runs a program whose calls have frames: this is its first thread, which outlives the others.
pub fn run(sim: Sim, work: impl FnOnce(&'static World)) {
    let _one: MutexGuard<'_, ()> = THE_ONE.lock().unwrap_or_else(PoisonError::into_inner);
    ATTENTION.clear();
    ATTENTION.clear_turn();
    KERNEL_STACK.store(0, Ordering::Relaxed);
    let world = World::on_machine(sim, Given::default(), &ATTENTION, MACHINE);
    let stack = world.room(STACK_BYTES);
    let top = stack + STACK_BYTES - BLOCK_BYTES;
    Block::new(top, false);
    THREAD_POINTER.store(top, Ordering::Relaxed);
    WORLD.set(&raw const world);
    let work: Work<'_> = Box::new(|| work(self::world()));
    let work = core::mem::ManuallyDrop::new(work);
    let first = core::ptr::from_ref(&*work).cast();
    // SAFETY: nobody uses the stack yet. Nothing unwinds out of there: it ends the tests.
    unsafe { call_on(run_first, first, core::ptr::null_mut(), top as *mut u8) };
    WORLD.set(core::ptr::null());
}

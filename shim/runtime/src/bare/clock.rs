//! The code of the slot of `clock_gettime`: most questions are answered without all that is around a call.
//!
//! libc asks for the wall clock or the steady one, with a structure on its caller's stack. Such a place needs no look at
//! the regions: as in Linux's vDSO, a stack that ends there is a fault. All else goes the way of every call, and
//! so does every sixteenth question, since a program may look at the clock until a signal or another thread changes
//! something.

use core::arch::naked_asm;
use core::sync::atomic::AtomicU8;

use muslin_abi::layout::Timespec;
use muslin_abi::time::NANOSECONDS;
use muslin_syscalls::threads::Attention;
use muslin_syscalls::time;

use crate::answer;

/// So far above the stack pointer a place is on the caller's stack.
const NEAR_BYTES: usize = 4096;
/// `CLOCK_REALTIME` and `CLOCK_MONOTONIC` are 0 and 1.
const STEADY: usize = 1;
/// What each question adds to the count: it overflows with every sixteenth.
const STEP: u8 = 16;

/// Questions that were answered here.
static COUNT: AtomicU8 = AtomicU8::new(0);

/// The code of the slot.
///
/// # Safety
/// As any code of a slot: the call is the program's own.
#[unsafe(naked)]
pub unsafe extern "C" fn code(
    _: usize,
    _: usize,
    _: usize,
    _: usize,
    _: usize,
    _: usize,
    _: usize,
) -> isize {
    naked_asm!(
        "cmp edi, {steady}",
        "ja 2f",
        "mov rax, rsi",
        "sub rax, rsp",
        "cmp rax, {near}",
        "jae 2f",
        "cmp qword ptr [rip + {attention} + {delivery}], 0",
        "jne 2f",
        "add byte ptr [rip + {count}], {step}",
        "jc 2f",
        "jmp {read}",
        "2:",
        "lea rax, [rip + {handler}]",
        "jmp {answer}",
        steady = const STEADY,
        near = const NEAR_BYTES,
        attention = sym answer::ATTENTION,
        delivery = const Attention::DELIVERY_OFFSET,
        count = sym COUNT,
        step = const STEP as i8,
        read = sym read,
        handler = sym time::sys_clock_gettime,
        answer = sym answer::answer_stub,
    )
}

/// Reads one of the two clocks.
extern "C" fn read(id: u32, place: *mut Timespec) -> isize {
    let clock = answer::context().platform.clock();
    let ns = match id {
        0 => clock.realtime_ns(),
        _ => clock.monotonic_ns() as i64,
    };
    let time = Timespec {
        tv_sec: ns.div_euclid(NANOSECONDS),
        tv_nsec: ns.rem_euclid(NANOSECONDS),
    };
    // SAFETY: the caller says that it is its own, and it is on its stack.
    unsafe { place.write_unaligned(time) };
    0
}

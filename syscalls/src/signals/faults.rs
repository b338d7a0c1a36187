//! Faults as signals, where the processor's exceptions come to the library OS.
//!
//! Source: sigaction(2), man-pages 6.9; Linux `arch/x86/kernel/traps.c`, `arch/x86/mm/fault.c`.

use muslin_abi::layout::Siginfo;
use muslin_arch::traps::{Frame, PAGE_FAULT};

use super::siginfo::{SI_KERNEL, by_fault};
use crate::context::Context;

/// Lets an exception of the program do what its signal does: the registers of the frame become those of
/// the program's function. The number is the address that a page fault is about. `false`: there is no
/// function.
pub type FaultFn = unsafe fn(&mut Frame, usize) -> bool;

const SIGILL: i32 = 4;
const SIGTRAP: i32 = 5;
const SIGBUS: i32 = 7;
const SIGFPE: i32 = 8;
const SIGSEGV: i32 = 11;

const ILL_ILLOPN: i32 = 2;
const FPE_INTDIV: i32 = 1;
const SEGV_MAPERR: i32 = 1;
const SEGV_ACCERR: i32 = 2;
const TRAP_TRACE: i32 = 2;
const BUS_ADRALN: i32 = 1;
const BUS_ADRERR: i32 = 2;

/// In the status word of floating point: which exceptions there are, with what each is to a program.
const FLOATING_POINT: [(u32, i32); 6] = [
    // invalid, division, overflow, underflow, denormal operand, inexact
    (1, 7),
    (4, 3),
    (8, 4),
    (16, 5),
    (2, 5),
    (32, 6),
];
/// Where the words for that are in what `fxsave` stores.
const X87_CONTROL_AT: usize = 0;
const X87_STATUS_AT: usize = 2;
const MXCSR_AT: usize = 24;
/// Bits of mxcsr that hide exceptions are this far above those.
const MXCSR_MASKS: u32 = 7;

/// What a program is told of an exception; `address` is what a page fault was about, `vectors` are the
/// vector registers.
pub fn information(
    context: &Context<'_>,
    frame: &Frame,
    address: usize,
    vectors: &[u8],
) -> Siginfo {
    let rip = frame.rip as usize;
    let (signal, code, about) = match frame.vector {
        0 => (SIGFPE, FPE_INTDIV, rip),
        1 => (SIGTRAP, TRAP_TRACE, rip),
        3 => (SIGTRAP, SI_KERNEL, 0),
        6 => (SIGILL, ILL_ILLOPN, rip),
        12 => (SIGBUS, SI_KERNEL, 0),
        PAGE_FAULT => {
            let memory = &context.process.memory;
            match memory.is_mapped(address..address.saturating_add(1)) {
                true if memory.is_behind_file(address) => (SIGBUS, BUS_ADRERR, address),
                true => (SIGSEGV, SEGV_ACCERR, address),
                false => (SIGSEGV, SEGV_MAPERR, address),
            }
        }
        16 | 19 => {
            let exceptions = floating_point(vectors, frame.vector);
            let is_it = |(bit, _): &&(u32, i32)| exceptions & bit != 0;
            let code = FLOATING_POINT
                .iter()
                .find(is_it)
                .map_or(0, |&(_, code)| code);
            (SIGFPE, code, rip)
        }
        17 => (SIGBUS, BUS_ADRALN, 0),
        _ => (SIGSEGV, SI_KERNEL, 0),
    };
    by_fault(signal, code, about)
}

/// The exceptions of floating point that are there and not hidden, from what `fxsave` stores.
fn floating_point(vectors: &[u8], vector: u64) -> u32 {
    let word = |at: usize| match vectors.get(at..).and_then(|bytes| bytes.first_chunk()) {
        Some(&bytes) => u32::from_le_bytes(bytes),
        None => 0,
    };
    let (exceptions, hidden) = match vector {
        19 => (word(MXCSR_AT), word(MXCSR_AT) >> MXCSR_MASKS),
        _ => (word(X87_STATUS_AT), word(X87_CONTROL_AT)),
    };
    exceptions & !hidden & 0x3f
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    fn frame(vector: u64) -> Frame {
        Frame {
            registers: [0; 15],
            vector,
            error_code: 6,
            rip: 100,
            cs: 8,
            rflags: 2,
            rsp: 200,
            ss: 16,
        }
    }

    #[test]
    fn each_exception_is_the_signal_that_linux_makes_of_it() {
        let world = World::new();
        let room = world.room(1);
        let context = world.context();
        let mut vectors = [0; 512];
        vectors[X87_STATUS_AT] = 4;
        vectors[MXCSR_AT] = 33;
        for (vector, address, signal, code, about) in [
            (0, 0, SIGFPE, 1, 100),
            (1, 0, SIGTRAP, 2, 100),
            (3, 0, SIGTRAP, 0x80, 0),
            (6, 0, SIGILL, 2, 100),
            (12, 0, SIGBUS, 0x80, 0),
            (13, 7, SIGSEGV, 0x80, 0),
            (14, 16, SIGSEGV, 1, 16),
            (14, room, SIGSEGV, 2, room),
            (16, 0, SIGFPE, 3, 100),
            (19, 0, SIGFPE, 7, 100),
        ] {
            let info = information(&context, &frame(vector), address, &vectors);
            assert_eq!((info.si_signo, info.si_code), (signal, code), "{vector}");
            assert_eq!(info.fields[0] as usize, about, "{vector}");
        }
    }

    #[test]
    fn hidden_exceptions_are_none() {
        let mut vectors = [0; 512];
        vectors[24..28].copy_from_slice(&(0x1f80_u32 & !(1 << 9) | 4 | 32).to_le_bytes());
        assert_eq!(floating_point(&vectors, 19), 4);
        vectors[..4].copy_from_slice(&[0x7b, 3, 0x25, 0]);
        assert_eq!(floating_point(&vectors, 16), 4);
    }
}

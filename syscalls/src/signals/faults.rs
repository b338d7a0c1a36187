//! Faults as signals, where the processor's exceptions come to the library OS.
//!
//! Source: sigaction(2), man-pages 6.9; Linux `arch/x86/kernel/traps.c`, `arch/x86/mm/fault.c`.

use muslin_abi::layout::{Registers, Siginfo};
use muslin_arch::traps::{Frame, PAGE_FAULT};

use super::siginfo::{SI_KERNEL, by_fault};
use crate::context::Context;

/// Lets an exception of the program do what its signal does: the registers of the frame become those of
/// the program's function. `false`: there is none.
pub type FaultFn = unsafe fn(&Context<'static>, &mut Frame, usize) -> bool;

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
/// Bits of mxcsr, and of the x87 control word, that hide exceptions are this far above the exceptions.
const MXCSR_MASKS: u32 = 7;

/// What a program is told of an exception; `address` is what a page fault was about.
pub fn information(
    context: &Context<'_>,
    frame: &Frame,
    address: usize,
    floating_point: u32,
) -> Siginfo {
    let rip = frame.rip as usize;
    match frame.vector {
        0 => by_fault(SIGFPE, FPE_INTDIV, rip),
        1 => by_fault(SIGTRAP, TRAP_TRACE, rip),
        3 => by_fault(SIGTRAP, SI_KERNEL, 0),
        6 => by_fault(SIGILL, ILL_ILLOPN, rip),
        12 => by_fault(SIGBUS, SI_KERNEL, 0),
        PAGE_FAULT => {
            let page = address..address.saturating_add(1);
            let code = match context.process.memory.is_mapped(page) {
                true => SEGV_ACCERR,
                false => SEGV_MAPERR,
            };
            by_fault(SIGSEGV, code, address)
        }
        16 | 19 => {
            let is_it = |(bit, _): &&(u32, i32)| floating_point & bit != 0;
            let code = FLOATING_POINT
                .iter()
                .find(is_it)
                .map_or(0, |&(_, code)| code);
            by_fault(SIGFPE, code, rip)
        }
        17 => by_fault(SIGBUS, BUS_ADRALN, 0),
        _ => by_fault(SIGSEGV, SI_KERNEL, 0),
    }
}

/// The exceptions of floating point that are there and not hidden, from what `fxsave` stores.
pub fn floating_point(vectors: &[u8], vector: u64) -> u32 {
    let word = |at: usize, bytes: usize| {
        let found = vectors.get(at..at + bytes).unwrap_or(&[]);
        found
            .iter()
            .rev()
            .fold(0, |word, &byte| word << 8 | u32::from(byte))
    };
    if vector == 19 {
        let mxcsr = word(24, 4);
        mxcsr & !(mxcsr >> MXCSR_MASKS) & 0x3f
    } else {
        word(2, 2) & !word(0, 2) & 0x3f
    }
}

/// The registers of a frame as programs see them.
pub fn registers_of(frame: &Frame, address: usize) -> Registers {
    let [
        rax,
        rbx,
        rcx,
        rdx,
        rsi,
        rdi,
        rbp,
        r8,
        r9,
        r10,
        r11,
        r12,
        r13,
        r14,
        r15,
    ] = frame.registers;
    Registers {
        r8,
        r9,
        r10,
        r11,
        r12,
        r13,
        r14,
        r15,
        rdi,
        rsi,
        rbp,
        rbx,
        rdx,
        rax,
        rcx,
        rsp: frame.rsp,
        rip: frame.rip,
        eflags: frame.rflags,
        err: frame.error_code,
        trapno: frame.vector,
        cr2: match frame.vector {
            PAGE_FAULT => address as u64,
            _ => 0,
        },
        ..Registers::default()
    }
}

/// Makes a frame's code go on with these registers.
pub fn put_registers(frame: &mut Frame, registers: &Registers) {
    let &Registers {
        r8,
        r9,
        r10,
        r11,
        r12,
        r13,
        r14,
        r15,
        rdi,
        rsi,
        rbp,
        rbx,
        rdx,
        rax,
        rcx,
        ..
    } = registers;
    frame.registers = [
        rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15,
    ];
    frame.rsp = registers.rsp;
    frame.rip = registers.rip;
    frame.rflags = registers.eflags;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    fn frame(vector: u64) -> Frame {
        Frame {
            registers: core::array::from_fn(|register| register as u64 + 1),
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
        for (vector, address, bits, signal, code, about) in [
            (0, 0, 0, SIGFPE, 1, 100),
            (1, 0, 0, SIGTRAP, 2, 100),
            (3, 0, 0, SIGTRAP, 0x80, 0),
            (6, 0, 0, SIGILL, 2, 100),
            (12, 0, 0, SIGBUS, 0x80, 0),
            (13, 7, 0, SIGSEGV, 0x80, 0),
            (14, 16, 0, SIGSEGV, 1, 16),
            (14, room, 0, SIGSEGV, 2, room),
            (16, 0, 4, SIGFPE, 3, 100),
            (19, 0, 33, SIGFPE, 7, 100),
        ] {
            let info = information(&context, &frame(vector), address, bits);
            assert_eq!((info.si_signo, info.si_code), (signal, code), "{vector}");
            assert_eq!(info.fields[0] as usize, about, "{vector}");
        }
    }

    #[test]
    fn registers_go_there_and_back() {
        let before = frame(14);
        let registers = registers_of(&before, 77);
        assert_eq!((registers.rax, registers.rdi, registers.r15), (1, 6, 15));
        assert_eq!(
            (registers.err, registers.trapno, registers.cr2),
            (6, 14, 77)
        );
        let mut after = Frame {
            registers: [0; 15],
            rip: 0,
            rsp: 0,
            rflags: 0,
            ..before
        };
        put_registers(&mut after, &registers);
        assert_eq!(after.registers, before.registers);
        assert_eq!((after.rip, after.rsp, after.rflags), (100, 200, 2));
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

//! Code that something came between: what is kept of it, and how it goes on.
//!
//! Source for the layout of the vector registers: AMD64 manual volume 2, section 11.5; for the marks
//! in the bytes that are free for software: Linux `arch/x86/include/uapi/asm/sigcontext.h`.

use core::arch::{asm, naked_asm};
use core::mem::offset_of;

use crate::traps::{self, Frame};

/// Registers in the order of `gregs` in a program's `mcontext_t`: r8 to r15, then by the names below.
pub type Registers = [u64; 23];

/// First argument.
pub const RDI: usize = 8;
/// Second argument.
pub const RSI: usize = 9;
/// General purpose, or the frame.
pub const RBP: usize = 10;
/// General purpose.
pub const RBX: usize = 11;
/// Third argument.
pub const RDX: usize = 12;
/// Result.
pub const RAX: usize = 13;
/// General purpose.
pub const RCX: usize = 14;
/// Stack pointer.
pub const RSP: usize = 15;
/// The next instruction.
pub const RIP: usize = 16;
/// Flags.
pub const FLAGS: usize = 17;
/// Selectors of segments.
pub const SEGMENTS: usize = 18;
/// What the processor says about an exception.
pub const ERROR: usize = 19;
/// The exception.
pub const TRAP: usize = 20;
/// The mask, as old programs read it.
pub const OLD_MASK: usize = 21;
/// The address that a page fault was about.
pub const CR2: usize = 22;

/// Where the registers of a [`Frame`] are in [`Registers`].
const OF_FRAME: [usize; 15] = [RAX, RBX, RCX, RDX, RSI, RDI, RBP, 0, 1, 2, 3, 4, 5, 6, 7];

/// Bytes of what `fxsave` stores.
pub const FXSAVE_BYTES: usize = 512;
/// The first of the bytes that are free for software, and the mark there of what `xsave` stored.
const MARK_AT: usize = 464;
const MARK: u32 = 0x4650_5853;
/// The mark behind what `xsave` stored.
const END_MARK: u32 = 0x4650_5845;
/// Where the header of `xsave` is: the states that are there, then what must be 0.
const HEADER: core::ops::Range<usize> = 512..576;
/// Among the states of `xsave`: SSE.
const SSE: u64 = 1 << 1;
/// Where the control words are, and what programs start with.
const X87_CONTROL: (usize, u16) = (0, 0x37f);
const MXCSR: (usize, u32) = (24, 0x1f80);
/// The bits of mxcsr that every processor has.
const MXCSR_BITS: u32 = 0xffbf;
/// Behind mxcsr: which of its bits there are.
const MXCSR_MASK_AT: usize = 28;

/// Flags that a program may choose: CF PF AF ZF SF TF DF OF.
const FLAGS_FREE: u64 = 0xdd5;
/// The flag that is always set.
const FLAGS_FIXED: u64 = 2;
/// Single step and direction.
const TRAP_FLAG: u64 = 1 << 8;
const DIRECTION_FLAG: u64 = 1 << 10;

/// Code that something came between.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Interrupted {
    vectors: [u8; Interrupted::VECTORS_BYTES_MAX],
    /// How much of `vectors` means something: [`FXSAVE_BYTES`], or more, as `xsave` stores it.
    vectors_bytes: usize,
    /// Its registers.
    pub registers: Registers,
}

impl Default for Interrupted {
    fn default() -> Self {
        Self::new()
    }
}

impl Interrupted {
    /// Bytes that vector registers may take: those of AVX-512 take 2,688.
    pub const VECTORS_BYTES_MAX: usize = 3072;

    /// Nothing yet: zeros, which take no room in an image. The vector registers must be put in.
    pub const fn new() -> Self {
        Self {
            vectors: [0; Self::VECTORS_BYTES_MAX],
            vectors_bytes: 0,
            registers: [0; _],
        }
    }

    /// The vector registers, as `fxsave` or `xsave` stores them.
    pub fn vectors(&self) -> &[u8] {
        &self.vectors[..self.vectors_bytes]
    }

    /// What stands behind the vector registers in a program's memory.
    pub fn mark_behind(&self) -> u32 {
        match self.vectors_bytes {
            FXSAVE_BYTES => 0,
            _ => END_MARK,
        }
    }

    /// How many bytes there are in all of vector registers that start with these
    /// [`FXSAVE_BYTES`].
    pub fn vectors_bytes_of(start: &[u8]) -> usize {
        let word = |at: usize| {
            start
                .get(at..)?
                .first_chunk()
                .copied()
                .map(u32::from_le_bytes)
        };
        let bytes = xsave_bytes();
        match word(MARK_AT + 16) {
            Some(size) if word(MARK_AT) == Some(MARK) && size as usize == bytes => bytes,
            _ => FXSAVE_BYTES,
        }
    }

    /// Takes vector registers from a program: [`FXSAVE_BYTES`], or as many as
    /// [`vectors_bytes_of`](Self::vectors_bytes_of) says. What the processor would refuse is cleared.
    pub fn set_vectors(&mut self, bytes: &[u8]) {
        let len_bytes = bytes.len().min(Self::VECTORS_BYTES_MAX);
        self.vectors[..len_bytes].copy_from_slice(&bytes[..len_bytes]);
        self.vectors_bytes = len_bytes.max(FXSAVE_BYTES);
        if let Some(word) = self.vectors[MXCSR.0..].first_chunk_mut() {
            *word = (u32::from_le_bytes(*word) & MXCSR_BITS).to_le_bytes();
        }
        if self.vectors_bytes > FXSAVE_BYTES {
            let header = &mut self.vectors[HEADER];
            if let Some(states) = header.first_chunk_mut() {
                *states = (u64::from_le_bytes(*states) & traps::vector_states()).to_le_bytes();
            }
            header[8..].fill(0);
        }
    }

    /// Makes the vector registers what a program starts with.
    pub fn reset_vectors(&mut self) {
        self.vectors[..FXSAVE_BYTES].fill(0);
        self.vectors_bytes = FXSAVE_BYTES;
        self.vectors[X87_CONTROL.0..][..2].copy_from_slice(&X87_CONTROL.1.to_le_bytes());
        self.vectors[MXCSR.0..][..4].copy_from_slice(&MXCSR.1.to_le_bytes());
        self.vectors[MXCSR_MASK_AT..][..4].copy_from_slice(&MXCSR_BITS.to_le_bytes());
    }

    /// Keeps the vector registers as far as a call keeps them: their control words.
    pub fn save_after_call(&mut self) {
        self.vectors_bytes = FXSAVE_BYTES;
        // SAFETY: there are more bytes, aligned.
        unsafe { asm!("fxsave64 [{}]", in(reg) &raw mut self.vectors, options(nostack)) };
        self.vectors[MARK_AT..FXSAVE_BYTES].fill(0);
    }

    /// Keeps all vector registers.
    pub fn save_all(&mut self) {
        let bytes = xsave_bytes();
        if bytes == 0 {
            return self.save_after_call();
        }
        self.vectors_bytes = bytes;
        self.vectors[HEADER].fill(0);
        // SAFETY: the processor has the instruction, and stores as much as there is room for, aligned.
        unsafe {
            asm!("xsave64 [{}]", in(reg) &raw mut self.vectors, in("eax") -1, in("edx") -1,
                options(nostack));
        }
        let size = bytes as u32;
        let mark = [MARK, size + 4];
        for (place, word) in self.vectors[MARK_AT..].chunks_mut(4).zip(mark) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let states = traps::vector_states().to_le_bytes();
        self.vectors[MARK_AT + 8..][..8].copy_from_slice(&states);
        self.vectors[MARK_AT + 16..][..4].copy_from_slice(&size.to_le_bytes());
    }

    /// Puts the vector registers into the processor.
    fn load_vectors(&self) {
        let vectors = &raw const self.vectors;
        // SAFETY: the bytes are of the kind that their number says, aligned, and nothing that the
        // processor refuses is among them.
        unsafe {
            if self.vectors_bytes > FXSAVE_BYTES {
                asm!("xrstor64 [{}]", in(reg) vectors, in("eax") -1, in("edx") -1, options(nostack));
            } else {
                asm!("fxrstor64 [{}]", in(reg) vectors, options(nostack));
            }
        }
    }

    /// Makes the code one that begins: `function`, with three arguments, on the stack at `rsp`.
    pub fn begin(&mut self, function: usize, arguments: [usize; 3], rsp: usize) {
        let [first, second, third] = arguments;
        let words = [
            (RIP, function),
            (RSP, rsp),
            (RDI, first),
            (RSI, second),
            (RDX, third),
            (RAX, 0),
        ];
        for (register, word) in words {
            self.registers[register] = word as u64;
        }
        self.registers[FLAGS] &= !(TRAP_FLAG | DIRECTION_FLAG);
        self.reset_vectors();
    }

    /// Takes registers from a program.
    pub fn set_registers(&mut self, registers: &Registers) {
        self.registers = *registers;
        self.registers[FLAGS] = registers[FLAGS] & FLAGS_FREE | FLAGS_FIXED;
    }

    /// Takes the registers of an exception, which was about `address` if it is a page fault.
    pub fn set_frame(&mut self, frame: &Frame, address: usize) {
        for (register, word) in OF_FRAME.into_iter().zip(frame.registers) {
            self.registers[register] = word;
        }
        self.registers[RSP] = frame.rsp;
        self.registers[RIP] = frame.rip;
        self.registers[FLAGS] = frame.rflags;
        self.registers[ERROR] = frame.error_code;
        self.registers[TRAP] = frame.vector;
        self.registers[CR2] = match frame.vector {
            traps::PAGE_FAULT => address as u64,
            _ => 0,
        };
    }

    /// Makes an exception's code this code; its vector registers are in the processor then.
    pub fn put_into(&self, frame: &mut Frame) {
        for (register, word) in OF_FRAME.into_iter().zip(&mut frame.registers) {
            *word = self.registers[register];
        }
        frame.rsp = self.registers[RSP];
        frame.rip = self.registers[RIP];
        frame.rflags = self.registers[FLAGS];
        self.load_vectors();
    }
}

/// Bytes that `xsave` stores; 0 where it is not used: it leaves out what is not switched on, and a
/// machine that is emulated may switch SSE off behind our back.
fn xsave_bytes() -> usize {
    match traps::xsave_bytes() {
        bytes @ 1..=Interrupted::VECTORS_BYTES_MAX if traps::vector_states() & SSE != 0 => bytes,
        _ => 0,
    }
}

/// Goes on with interrupted code.
///
/// # Safety
/// The registers are the program's, and this may leave the stack that it is called on.
#[unsafe(naked)]
pub unsafe extern "C" fn resume(code: *const Interrupted) -> ! {
    naked_asm!(
        "cmp qword ptr [rdi + {vectors_bytes}], {fxsave_bytes}",
        "ja 2f",
        "fxrstor64 [rdi]",
        "jmp 3f",
        "2: mov eax, -1",
        "mov edx, eax",
        "xrstor64 [rdi]",
        "3: add rdi, {registers}",
        "mov eax, ss",
        "push rax",
        "push [rdi + {rsp}]",
        "push [rdi + {flags}]",
        "mov eax, cs",
        "push rax",
        "push [rdi + {rip}]",
        "mov r8, [rdi]",
        "mov r9, [rdi + 8]",
        "mov r10, [rdi + 16]",
        "mov r11, [rdi + 24]",
        "mov r12, [rdi + 32]",
        "mov r13, [rdi + 40]",
        "mov r14, [rdi + 48]",
        "mov r15, [rdi + 56]",
        "mov rsi, [rdi + {rsi}]",
        "mov rbp, [rdi + {rbp}]",
        "mov rbx, [rdi + {rbx}]",
        "mov rdx, [rdi + {rdx}]",
        "mov rax, [rdi + {rax}]",
        "mov rcx, [rdi + {rcx}]",
        "mov rdi, [rdi + {rdi}]",
        "iretq",
        vectors_bytes = const offset_of!(Interrupted, vectors_bytes),
        fxsave_bytes = const FXSAVE_BYTES,
        registers = const offset_of!(Interrupted, registers),
        rdi = const RDI * 8,
        rsi = const RSI * 8,
        rbp = const RBP * 8,
        rbx = const RBX * 8,
        rdx = const RDX * 8,
        rax = const RAX * 8,
        rcx = const RCX * 8,
        rsp = const RSP * 8,
        rip = const RIP * 8,
        flags = const FLAGS * 8,
    )
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::boxed::Box;

    use super::*;

    /// Goes on with `code` from another stack, and comes back by way of `back`.
    #[unsafe(naked)]
    unsafe extern "C" fn there_and_back(code: *mut Interrupted) -> u64 {
        naked_asm!(
            "push rbx",
            "push rbp",
            "push r12",
            "push r13",
            "push r14",
            "push r15",
            "sub rsp, 8",
            // Where the tested code ends.
            "mov [rdi + {rsp}], rsp",
            "lea rax, [rip + 2f]",
            "mov [rdi + {rip}], rax",
            "jmp {resume}",
            // Sums up what it finds, each register with a weight of its own.
            "2: pushfq",
            "pop rax",
            "and eax, 0x400",
            "cld",
            "lea rax, [rax + r8]",
            "lea rax, [rax + rbx*2]",
            "lea rax, [rax + rdi*4]",
            "lea rax, [rax + r15*8]",
            "add rsp, 8",
            "pop r15",
            "pop r14",
            "pop r13",
            "pop r12",
            "pop rbp",
            "pop rbx",
            "ret",
            rsp = const offset_of!(Interrupted, registers) + RSP * 8,
            rip = const offset_of!(Interrupted, registers) + RIP * 8,
            resume = sym resume,
        )
    }

    #[test]
    fn code_goes_on_with_all_its_registers() {
        let mut code = Box::new(Interrupted::new());
        code.save_all();
        assert_eq!(code.vectors().len(), FXSAVE_BYTES);
        let mut registers = [0; _];
        registers[0] = 0x1_0000_0000;
        registers[RBX] = 0x10_0000;
        registers[RDI] = 0x1000;
        registers[7] = 0x10;
        registers[FLAGS] = DIRECTION_FLAG;
        code.set_registers(&registers);
        // SAFETY: the code ends where it was called.
        let sum = unsafe { there_and_back(&raw mut *code) };
        assert_eq!(
            sum,
            DIRECTION_FLAG + 0x1_0000_0000 + 0x20_0000 + 0x4000 + 0x80
        );
    }

    #[test]
    fn what_the_processor_would_refuse_is_cleared() {
        let mut code = Interrupted::new();
        let mut bytes = [0xff; FXSAVE_BYTES];
        assert_eq!(Interrupted::vectors_bytes_of(&bytes), FXSAVE_BYTES);
        // A mark, where nothing is stored by xsave.
        bytes[MARK_AT..][..4].copy_from_slice(&MARK.to_le_bytes());
        bytes[MARK_AT + 16..][..4].copy_from_slice(&832_u32.to_le_bytes());
        assert_eq!(Interrupted::vectors_bytes_of(&bytes), FXSAVE_BYTES);
        code.set_vectors(&bytes);
        assert_eq!(code.vectors()[MXCSR.0..][..4], MXCSR_BITS.to_le_bytes());
        code.reset_vectors();
        assert_eq!(code.vectors()[..2], X87_CONTROL.1.to_le_bytes());
        assert_eq!(code.mark_behind(), 0);
    }

    #[test]
    fn code_begins_with_its_arguments() {
        let mut code = Interrupted::new();
        code.set_registers(&[u64::MAX; _]);
        code.begin(0x1000, [1, 2, 3], 0x2000);
        let registers = &code.registers;
        assert_eq!((registers[RIP], registers[RSP]), (0x1000, 0x2000));
        assert_eq!([registers[RDI], registers[RSI], registers[RDX]], [1, 2, 3]);
        assert_eq!(
            registers[FLAGS],
            (FLAGS_FREE | FLAGS_FIXED) & !(TRAP_FLAG | DIRECTION_FLAG)
        );
    }

    #[test]
    fn registers_go_to_a_frame_and_back() {
        let before = Frame {
            registers: core::array::from_fn(|register| register as u64 + 1),
            vector: traps::PAGE_FAULT,
            error_code: 6,
            rip: 100,
            cs: 8,
            rflags: 2,
            rsp: 200,
            ss: 16,
        };
        let mut code = Interrupted::new();
        code.set_frame(&before, 77);
        let found = [RAX, RDI, 7, ERROR, TRAP, CR2].map(|register| code.registers[register]);
        assert_eq!(found, [1, 6, 15, 6, 14, 77]);
        let mut after = Frame {
            registers: [0; 15],
            rip: 0,
            rsp: 0,
            rflags: 0,
            ..before
        };
        code.reset_vectors();
        code.put_into(&mut after);
        assert_eq!(after.registers, before.registers);
        assert_eq!((after.rip, after.rsp, after.rflags), (100, 200, 2));
    }
}

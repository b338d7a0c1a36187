//! What the processor does with exceptions and with the instruction `syscall` in ring 0.
//!
//! Exceptions come on a stack of their own, so that neither the red zone of the interrupted code
//! nor a bad stack pointer matters. Their handler gets all registers and may change them: it can
//! repair and go on, or go on elsewhere. `syscall` does not change the stack; its stub steps over
//! the red zone and keeps every register but rax, rcx and r11, as a kernel would.

use core::arch::{asm, naked_asm};
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::code::Code;
use crate::{control, vectors};

/// Exceptions of the architecture.
pub const VECTORS: usize = 32;
/// Vectors whose entry is with an error code on the stack. Source: AMD64 manual volume 2, section 8.2.
pub const WITH_ERROR_CODE: u32 = 1 << 8 | 0b11111 << 10 | 1 << 17 | 1 << 21 | 1 << 29 | 1 << 30;

/// Selectors of the table below, the same as the tender's.
const CODE_SELECTOR: u64 = 0x08;
const TASK_SELECTOR: u16 = 0x18;
const CODE_SEGMENT: u64 = 0x00af_9b00_0000_ffff;
const DATA_SEGMENT: u64 = 0x00cf_9300_0000_ffff;
/// A gate that is there, for interrupts; on which stack of the task is added.
const GATE: u64 = 0x8e << 40;
const GATE_STACK_SHIFT: usize = 32;
/// A task's segment that is there.
const TASK: u64 = 0x89 << 40;
const TASK_BYTES: usize = 104;
/// Word of the task's segment that holds the low half of stack 1, that of stack 2, and that of the port map.
const TASK_STACK_1: usize = 9;
const TASK_STACK_2: usize = 11;
const TASK_PORTS: usize = 25;

/// `nmi` among the vectors. One that comes, if only because somebody tries what happens, means nothing here.
/// It comes also while an exception is handled, so it has a stack of its own, of as many bytes as it takes.
pub const NMI: usize = 2;
const NMI_STACK_BYTES: usize = 64;

/// `page_fault` among the vectors.
pub const PAGE_FAULT: u64 = 14;

/// Registers at an exception.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Frame {
    /// rax rbx rcx rdx rsi rdi rbp r8 to r15.
    pub registers: [u64; 15],
    /// The exception.
    pub vector: u64,
    /// What the processor says about it, or 0.
    pub error_code: u64,
    /// The instruction.
    pub rip: u64,
    /// Code segment.
    pub cs: u64,
    /// Flags.
    pub rflags: u64,
    /// Stack pointer.
    pub rsp: u64,
    /// Stack segment.
    pub ss: u64,
}

/// Handles an exception: the interrupted code goes on with the registers of the frame.
pub type Handler = unsafe extern "C" fn(&mut Frame);

static HANDLER: AtomicUsize = AtomicUsize::new(0);
static CALL: AtomicUsize = AtomicUsize::new(0);
/// Bytes for the vector registers, a multiple of 64.
static VECTOR_BYTES: AtomicUsize = AtomicUsize::new(0);
/// Whether `xsave` saves them, or only the older `fxsave`.
static HAS_XSAVE: AtomicUsize = AtomicUsize::new(0);

/// The tables that the processor reads. They must stay where they are.
#[derive(Debug)]
#[repr(C, align(16))]
pub struct Descriptors {
    gates: [[u64; 2]; VECTORS],
    segments: [u64; 5],
    task: [u32; TASK_BYTES / 4],
}

/// What `lgdt` and `lidt` read.
#[repr(C, packed)]
struct Pointer {
    limit: u16,
    address: u64,
}

impl Descriptors {
    /// Fills the tables and makes the processor use them: exceptions go to `handler`, on the stack
    /// below `stack_top`, and `syscall` to `call`. The processor writes to the tables during this and
    /// not afterwards.
    ///
    /// # Safety
    /// This is ring 0, `this` is where nobody else writes, the stack is for this alone, and the
    /// functions are what they say.
    pub unsafe fn install(this: *mut Self, stack_top: usize, handler: Handler, call: Code) {
        HANDLER.store(handler as *const () as usize, Ordering::Relaxed);
        // SAFETY: nobody else writes there; every pattern of bits is a valid value.
        let tables = unsafe { &mut *this };
        for (vector, gate) in tables.gates.iter_mut().enumerate() {
            let stub = stubs as *const () as usize as u64 + (vector * STUB_BYTES) as u64;
            let stack = if vector == NMI { 2 } else { 1 };
            let gate_there = GATE | stack << GATE_STACK_SHIFT;
            gate[0] =
                stub & 0xffff | CODE_SELECTOR << 16 | gate_there | (stub >> 16 & 0xffff) << 48;
            gate[1] = stub >> 32;
        }
        tables.task = [0; TASK_BYTES / 4];
        let stacks = [
            (TASK_STACK_1, stack_top - NMI_STACK_BYTES),
            (TASK_STACK_2, stack_top),
        ];
        for (word, top) in stacks {
            tables.task[word] = top as u32;
            tables.task[word + 1] = (top >> 32) as u32;
        }
        tables.task[TASK_PORTS] = (TASK_BYTES as u32) << 16;
        let task = (&raw const tables.task) as u64;
        let low = TASK | (TASK_BYTES as u64 - 1) | (task & 0xff_ffff) << 16;
        tables.segments = [
            0,
            CODE_SEGMENT,
            DATA_SEGMENT,
            low | (task >> 24 & 0xff) << 56,
            task >> 32,
        ];
        let segments = Pointer {
            limit: size_of_val(&tables.segments) as u16 - 1,
            address: (&raw const tables.segments) as u64,
        };
        let gates = Pointer {
            limit: size_of_val(&tables.gates) as u16 - 1,
            address: (&raw const tables.gates) as u64,
        };
        // SAFETY: the tables are complete, and the selectors in use mean the same as before.
        unsafe {
            asm!("lgdt [{}]", in(reg) &raw const segments, options(nostack));
            asm!("lidt [{}]", in(reg) &raw const gates, options(nostack));
            asm!("ltr {:x}", in(reg) TASK_SELECTOR, options(nostack));
        }
        // SAFETY: this is ring 0.
        let vectors = unsafe { control::enable_vectors() };
        take_calls(call, vectors);
        // SAFETY: the stub is what `syscall` may go to, with the code segment in use.
        unsafe {
            let efer = control::read_msr(control::EFER);
            control::write_msr(control::STAR, CODE_SELECTOR << 32);
            control::write_msr(control::LSTAR, syscall_stub as *const () as u64);
            control::write_msr(control::SFMASK, FLAGS_CLEARED);
            control::write_msr(control::EFER, efer | control::EFER_SYSCALL);
        }
    }
}

/// Has [`syscall_stub`] make calls by `call`, and keep the vector registers, which were switched on with
/// this answer of `control::enable_vectors`.
pub fn take_calls(call: Code, vectors: Option<usize>) {
    CALL.store(call as *const () as usize, Ordering::Relaxed);
    HAS_XSAVE.store(usize::from(vectors.is_some()), Ordering::Relaxed);
    let bytes = vectors.unwrap_or(FXSAVE_BYTES).next_multiple_of(64);
    VECTOR_BYTES.store(bytes, Ordering::Relaxed);
}

/// Bytes that `xsave` stores; 0 where it is not used.
pub fn xsave_bytes() -> usize {
    match HAS_XSAVE.load(Ordering::Relaxed) {
        0 => 0,
        _ => VECTOR_BYTES.load(Ordering::Relaxed),
    }
}

/// The vector states that the processor has switched on, where `xsave` is used; else none.
pub fn vector_states() -> u64 {
    match xsave_bytes() {
        0 => 0,
        // SAFETY: `install` has switched the instruction on.
        _ => unsafe { vectors::enabled_states() },
    }
}

/// Single step, interrupts, direction.
const FLAGS_CLEARED: u64 = 1 << 8 | 1 << 9 | 1 << 10;
/// The area of `fxsave`, and behind it the header of `xsave`.
const FXSAVE_BYTES: usize = 512;
/// Distance of the stubs in bytes.
const STUB_BYTES: usize = 16;

/// One stub a vector: the vector, and 0 where the processor has no error code.
#[unsafe(naked)]
unsafe extern "C" fn stubs() {
    naked_asm!(
        ".set muslin_vector, 0",
        ".rept {vectors}",
        ".balign {stub_bytes}, 0xcc",
        ".if muslin_vector == {nmi}",
        "iretq",
        ".endif",
        ".if (({with_code} >> muslin_vector) & 1) == 0",
        "push $0",
        ".endif",
        "push $muslin_vector",
        "jmp {common}",
        ".set muslin_vector, muslin_vector + 1",
        ".endr",
        vectors = const VECTORS,
        stub_bytes = const STUB_BYTES,
        with_code = const WITH_ERROR_CODE,
        nmi = const NMI,
        common = sym common,
        options(att_syntax),
    )
}

/// The general registers of a [`Frame`], for `naked_asm!`: rax comes to lie lowest.
#[macro_export]
macro_rules! push_registers {
    () => {
        concat!(
            "push r15\n",
            "push r14\n",
            "push r13\n",
            "push r12\n",
            "push r11\n",
            "push r10\n",
            "push r9\n",
            "push r8\n",
            "push rbp\n",
            "push rdi\n",
            "push rsi\n",
            "push rdx\n",
            "push rcx\n",
            "push rbx\n",
            "push rax\n",
        )
    };
}

/// Undoes [`push_registers!`](crate::push_registers).
#[macro_export]
macro_rules! pop_registers {
    () => {
        concat!(
            "pop rax\n",
            "pop rbx\n",
            "pop rcx\n",
            "pop rdx\n",
            "pop rsi\n",
            "pop rdi\n",
            "pop rbp\n",
            "pop r8\n",
            "pop r9\n",
            "pop r10\n",
            "pop r11\n",
            "pop r12\n",
            "pop r13\n",
            "pop r14\n",
            "pop r15\n",
        )
    };
}

/// Makes a [`Frame`] of what is on the stack, and undoes it.
#[unsafe(naked)]
unsafe extern "C" fn common() {
    naked_asm!(
        // The words on the stack are vector, error code: the frame's order.
        crate::push_registers!(),
        "cld",
        "mov rdi, rsp",
        "call [rip + {handler}]",
        crate::pop_registers!(),
        "add rsp, 16",
        "iretq",
        handler = sym HANDLER,
    )
}

/// Where `syscall` goes: rcx is where to go on, r11 the flags.
///
/// # Safety
/// Nobody calls it.
#[unsafe(naked)]
pub unsafe extern "C" fn syscall_stub() {
    naked_asm!(
        "lea rsp, [rsp - 128]",
        "push rcx",
        "push r11",
        "push rbp",
        "mov rbp, rsp",
        "push rdi",
        "push rsi",
        "push rdx",
        "push r8",
        "push r9",
        "push r10",
        // Vector registers: a handler of the program's may use them.
        "mov r11, rax",
        "sub rsp, 64",
        "sub rsp, [rip + {vector_bytes}]",
        "and rsp, -64",
        "cmp qword ptr [rip + {has_xsave}], 0",
        "je 2f",
        "xor eax, eax",
        "mov [rsp + {header}], rax",
        "mov [rsp + {header} + 8], rax",
        "mov [rsp + {header} + 16], rax",
        "mov [rsp + {header} + 24], rax",
        "mov [rsp + {header} + 32], rax",
        "mov [rsp + {header} + 40], rax",
        "mov [rsp + {header} + 48], rax",
        "mov [rsp + {header} + 56], rax",
        "dec eax",
        "mov edx, eax",
        "xsave64 [rsp]",
        "mov rdx, [rbp - 24]",
        "jmp 3f",
        "2: fxsave64 [rsp]",
        "3:",
        "mov rcx, r10",
        "push r11", // for the alignment
        "push r11",
        "call [rip + {call}]",
        "pop r11",
        "pop r11",
        "mov r11, rax",
        "cmp qword ptr [rip + {has_xsave}], 0",
        "je 4f",
        "mov eax, -1",
        "mov edx, eax",
        "xrstor64 [rsp]",
        "jmp 5f",
        "4: fxrstor64 [rsp]",
        "5:",
        "mov rax, r11",
        "lea rsp, [rbp - 48]",
        "pop r10",
        "pop r9",
        "pop r8",
        "pop rdx",
        "pop rsi",
        "pop rdi",
        "pop rbp",
        "popfq",
        "pop rcx",
        "lea rsp, [rsp + 128]",
        "jmp rcx",
        vector_bytes = sym VECTOR_BYTES,
        has_xsave = sym HAS_XSAVE,
        header = const FXSAVE_BYTES,
        call = sym CALL,
    )
}

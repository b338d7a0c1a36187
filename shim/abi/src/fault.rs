//! What a guest that ends by a fault hands to its tender: the cookie of its last hypercall.
//!
//! The guest has printed it all before, with addresses only; a tender that knows this record can
//! name functions. A tender that does not know it sees a guest that ended with a status.

/// The first word of a record, the bytes `MUSLINF1`.
pub const MAGIC: u64 = u64::from_le_bytes(*b"MUSLINF1");

/// Size in bytes of what a tender takes for a cookie. Source: Solo5 0.12.1 `include/hvt_abi.h`.
pub const COOKIE_BYTES: usize = 512;

/// Callers that a record has room for.
pub const FRAMES_MAX: usize = 32;

/// The names of [`FaultRecord::registers`], in order.
pub const REGISTERS: [&str; 15] = [
    "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14",
    "r15",
];

/// Where the processor was when a fault ended the guest.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct FaultRecord {
    /// [`MAGIC`].
    pub magic: u64,
    /// The exception's number.
    pub vector: u64,
    /// What the processor says about it; 0 where it says nothing.
    pub error_code: u64,
    /// The address that was meant (register cr2), for a page fault.
    pub address: u64,
    /// A [`Cause`].
    pub cause: u64,
    /// The instruction.
    pub rip: u64,
    /// The stack pointer.
    pub rsp: u64,
    /// The flags.
    pub rflags: u64,
    /// The other registers, as [`REGISTERS`] names them.
    pub registers: [u64; REGISTERS.len()],
    /// How many of `frames` are filled.
    pub frame_count: u64,
    /// Return addresses, the innermost first. Found by frame pointers or by looking at the stack,
    /// so they may miss callers and hold addresses that are none.
    pub frames: [u64; FRAMES_MAX],
}

const _: () = assert!(size_of::<FaultRecord>() <= COOKIE_BYTES);

/// What a fault was, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cause(pub u64);

/// Causes by number, and the signal by which Linux would have ended the process.
const CAUSES: [(&str, u8); 18] = [
    ("an exception that nothing explains", SIGSEGV),
    ("stack overflow", SIGSEGV),
    ("null pointer", SIGSEGV),
    ("write to memory that is read-only", SIGSEGV),
    ("execution of data", SIGSEGV),
    ("access to memory that forbids it", SIGSEGV),
    ("wild pointer", SIGSEGV),
    ("division error", SIGFPE),
    ("invalid instruction", SIGILL),
    ("general protection fault", SIGSEGV),
    ("stack segment fault", SIGBUS),
    ("breakpoint", SIGTRAP),
    ("overflow trap", SIGSEGV),
    ("alignment check", SIGBUS),
    ("floating-point error", SIGFPE),
    ("double fault", SIGSEGV),
    (
        "the C library gave up, as it does when it finds its memory damaged",
        SIGSEGV,
    ),
    (
        "memory behind the end of the file that is mapped there",
        SIGBUS,
    ),
];

const SIGILL: u8 = 4;
const SIGTRAP: u8 = 5;
const SIGBUS: u8 = 7;
const SIGFPE: u8 = 8;
const SIGSEGV: u8 = 11;

impl Cause {
    /// None of the others.
    pub const UNKNOWN: Self = Self(0);
    /// The stack ran into its guard.
    pub const STACK_OVERFLOW: Self = Self(1);
    /// An address in the first page.
    pub const NULL_POINTER: Self = Self(2);
    /// A store to a page that may only be read.
    pub const READ_ONLY: Self = Self(3);
    /// A jump to a page without instructions.
    pub const EXECUTE_DATA: Self = Self(4);
    /// A page that is there and may not even be read: `PROT_NONE`.
    pub const FORBIDDEN: Self = Self(5);
    /// An address where nothing is.
    pub const WILD_POINTER: Self = Self(6);
    /// Division by zero, or a quotient that is too large.
    pub const DIVISION: Self = Self(7);
    /// `ud2`, or bytes that are no instruction.
    pub const INVALID_INSTRUCTION: Self = Self(8);
    /// Most often an address that is not canonical.
    pub const GENERAL_PROTECTION: Self = Self(9);
    /// An address that is not canonical, by way of the stack pointer.
    pub const STACK_SEGMENT: Self = Self(10);
    /// `int3`, or a step.
    pub const BREAKPOINT: Self = Self(11);
    /// `into` or `bound`.
    pub const OVERFLOW_TRAP: Self = Self(12);
    /// An access that is not aligned, where that was asked to be checked.
    pub const ALIGNMENT: Self = Self(13);
    /// An unmasked exception of the floating-point units.
    pub const FLOATING_POINT: Self = Self(14);
    /// A fault while a fault was being entered.
    pub const DOUBLE_FAULT: Self = Self(15);
    /// musl's last resort, `int 0x40` (musl-patches/0014).
    pub const GIVEN_UP: Self = Self(16);
    /// A page of a mapping that the file does not reach.
    pub const BEHIND_FILE: Self = Self(17);

    fn entry(self) -> (&'static str, u8) {
        usize::try_from(self.0)
            .ok()
            .and_then(|index| CAUSES.get(index))
            .copied()
            .unwrap_or(CAUSES[0])
    }

    /// In words.
    pub fn name(self) -> &'static str {
        self.entry().0
    }

    /// The signal by which Linux would have ended the process.
    pub fn signal(self) -> u8 {
        self.entry().1
    }
}

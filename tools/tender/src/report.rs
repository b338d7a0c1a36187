//! The words for a guest that did not exit.

use std::fmt::Write;

use libc::{c_int, user_regs_struct};
use muslin_abi::Sysno;
use muslin_abi::fault::Cause;

use crate::boot_info::MEMORY_BASE;
use crate::image::Image;
use crate::launch::Launch;
use crate::refusal::one_line;
use crate::trace::Fault;
use crate::unwind::{Frame, Stack, frames};
use crate::watchdog::Stuck;

/// The code of a SIGSEGV without an address.
const NO_ADDRESS: c_int = 0x80;
/// The code of a SIGSEGV at a page that is there.
const NOT_ALLOWED: c_int = 2;

/// The C library's last resort, as it is upstream, and as it is here (musl-patches/0014).
const HLT: u8 = 0xf4;
const INT: u8 = 0xcd;
const CRASH: u8 = 0x40;

/// The length of a `syscall` instruction in bytes.
const SYSCALL_BYTES: u64 = 2;

/// How far below the stack pointer an access is still one to the stack, in bytes.
const STACK_REACH_BYTES: u64 = 0x1_0000;

/// Callers that are shown, at most.
const CALLERS_MAX: usize = 40;

/// What happened to a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// One line: the signal, the reason, the address, the function.
    pub line: String,
    /// The callers and the registers, several lines; empty when there are none to show.
    pub details: String,
}

impl Report {
    pub(crate) fn new(
        signal: c_int,
        fault: Option<&Fault>,
        image: &Image<'_>,
        memory_bytes: u64,
    ) -> Self {
        let name = signal_name(signal);
        let Some(fault) = fault else {
            return Self::of_signal(signal);
        };
        let scene = Scene {
            fault,
            image,
            memory_bytes,
            frames: frames(image, fault),
        };
        let what = match signal {
            libc::SIGSYS => scene.forbidden_call(),
            // The alignment check, which a program must ask for, tells no address.
            libc::SIGBUS if fault.address == 0 => {
                "access to an address that is not aligned".to_owned()
            }
            libc::SIGSEGV | libc::SIGBUS => scene.access(),
            libc::SIGILL => "an instruction that this processor does not have".to_owned(),
            libc::SIGFPE => "a division by zero, or one whose result is too large".to_owned(),
            _ => "a breakpoint".to_owned(),
        };
        Self {
            line: format!(
                "the guest was ended by {name}: {what}, {}",
                scene.place(signal)
            ),
            details: scene.callers() + &scene.registers(),
        }
    }

    /// Of a guest of which no more is known.
    pub(crate) fn of_signal(signal: c_int) -> Self {
        Self {
            line: format!("the guest was ended by {}", signal_name(signal)),
            details: String::new(),
        }
    }

    /// The line about a thread that keeps the processor, which goes on.
    pub(crate) fn of_stuck(
        stuck: &Stuck,
        registers: user_regs_struct,
        launch: &Launch<'_>,
    ) -> String {
        let fault = Fault {
            code: 0,
            address: 0,
            registers,
            instruction: None,
            stack: Stack::default(),
        };
        let what = format!("the guest goes on, but {stuck}");
        Self::of_machine(&what, &fault, &[], launch.image, launch.memory_bytes).line
    }

    /// Of a guest in a machine. `found` is what the guest itself found of its callers: better than
    /// nothing.
    pub(crate) fn of_machine(
        what: &str,
        fault: &Fault,
        found: &[u64],
        image: &Image<'_>,
        memory_bytes: u64,
    ) -> Self {
        let mut scene = Scene {
            fault,
            image,
            memory_bytes,
            frames: frames(image, fault),
        };
        if scene.frames.len() == 1 {
            scene.frames.extend(found.iter().map(|&address| Frame {
                address,
                is_guess: true,
            }));
        }
        Self {
            line: one_line(&format!("{what}, {}", scene.place(0))),
            details: scene.callers() + &scene.registers(),
        }
    }
}

struct Scene<'a> {
    fault: &'a Fault,
    image: &'a Image<'a>,
    memory_bytes: u64,
    /// The chain of calls, the function at fault first.
    frames: Vec<Frame>,
}

impl Scene<'_> {
    fn forbidden_call(&self) -> String {
        let registers = &self.fault.registers;
        let nr = Sysno(registers.rax as u32);
        let name = nr
            .name()
            .map_or_else(|| format!("call {}", nr.0), str::to_owned);
        format!(
            "{name}({:#x}, {:#x}, {:#x}, {:#x}) is not a call that the sandbox allows",
            registers.rdi, registers.rsi, registers.rdx, registers.r10
        )
    }

    fn access(&self) -> String {
        let (fault, address) = (self.fault, self.fault.address);
        let (rip, rsp) = (fault.registers.rip, fault.registers.rsp);
        if fault.code == NO_ADDRESS {
            let instruction = fault.instruction.unwrap_or_default().to_le_bytes();
            let what = match instruction {
                [HLT, ..] => "hlt, by which a program gives up",
                [INT, CRASH, ..] => Cause::GIVEN_UP.name(),
                _ => "an address that cannot be, or an instruction for kernels",
            };
            return what.to_owned();
        }
        if rip == address {
            return format!("a jump to {address:#x}, where no code is");
        }
        // A page below: a push comes before its address is in rsp.
        let is_at_stack = address.saturating_add(4096) >= rsp.saturating_sub(STACK_REACH_BYTES)
            && address <= rsp.saturating_add(4096);
        if address < MEMORY_BASE {
            return if is_at_stack {
                format!("stack overflow, at {address:#x}")
            } else {
                format!("access to {address:#x}, as by a null pointer")
            };
        }
        if fault.code == NOT_ALLOWED
            && self
                .image
                .segments
                .iter()
                .any(|segment| segment.pages.contains(&address) && !segment.can_write)
        {
            return format!("a write to {address:#x}, which is read-only");
        }
        if address >= self.memory_bytes {
            let mib = self.memory_bytes >> 20;
            return format!("access to {address:#x}, above the {mib} MiB of memory");
        }
        format!("access to {address:#x}")
    }

    /// Where it happened, or where the jump to nowhere came from.
    fn place(&self, signal: c_int) -> String {
        let rip = self.fault.registers.rip;
        let rip = match signal {
            libc::SIGSYS => rip.wrapping_sub(SYSCALL_BYTES),
            _ => rip,
        };
        if let Some(name) = self.name_of(rip) {
            return format!("in {name} ({rip:#x})");
        }
        if self.image.is_code(rip) {
            return format!("at {rip:#x}");
        }
        match self.frames.get(1) {
            Some(caller) => format!("called {}", self.behind_call(caller.address)),
            None => format!("at {rip:#x}"),
        }
    }

    /// The chain of calls, without the function at fault. A recursion is one line.
    fn callers(&self) -> String {
        let mut text = String::new();
        let callers = self.frames.get(1..).unwrap_or_default();
        for same in callers.chunk_by(|a, b| a == b).take(CALLERS_MAX) {
            let mark = if same[0].is_guess { "perhaps " } else { "" };
            let place = self.behind_call(same[0].address);
            let times = match same.len() {
                1 => String::new(),
                count => format!(", {count} times"),
            };
            let _ = writeln!(text, "  {mark}called {place}{times}");
        }
        text
    }

    /// The place of a call, from the address behind it.
    fn behind_call(&self, address: u64) -> String {
        match self.name_of(address.wrapping_sub(1)) {
            Some(name) => format!("in {name} (before {address:#x})"),
            None => format!("before {address:#x}"),
        }
    }

    /// `function+0x12`.
    fn name_of(&self, address: u64) -> Option<String> {
        let function = self.image.function_at(address)?;
        Some(format!("{}+{:#x}", function.name, address - function.start))
    }

    fn registers(&self) -> String {
        let r = &self.fault.registers;
        let rows = [
            [
                ("rax", r.rax),
                ("rbx", r.rbx),
                ("rcx", r.rcx),
                ("rdx", r.rdx),
            ],
            [
                ("rsi", r.rsi),
                ("rdi", r.rdi),
                ("rbp", r.rbp),
                ("rsp", r.rsp),
            ],
            [("r8 ", r.r8), ("r9 ", r.r9), ("r10", r.r10), ("r11", r.r11)],
            [
                ("r12", r.r12),
                ("r13", r.r13),
                ("r14", r.r14),
                ("r15", r.r15),
            ],
            [
                ("rip", r.rip),
                ("efl", r.eflags),
                ("fs ", r.fs_base),
                ("gs ", r.gs_base),
            ],
        ];
        let mut text = String::new();
        for row in rows {
            for (name, value) in row {
                let _ = write!(text, "  {name} {value:016x}");
            }
            text.push('\n');
        }
        text
    }
}

fn signal_name(signal: c_int) -> String {
    let name = match signal {
        libc::SIGHUP => "SIGHUP",
        libc::SIGINT => "SIGINT",
        libc::SIGQUIT => "SIGQUIT",
        libc::SIGILL => "SIGILL",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGKILL => "SIGKILL",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGPIPE => "SIGPIPE",
        libc::SIGTERM => "SIGTERM",
        libc::SIGSYS => "SIGSYS",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}

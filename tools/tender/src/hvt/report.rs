//! How a machine's guest ended, in words.

use kvm_bindings::kvm_regs;
use libc::user_regs_struct;
use muslin_abi::fault::{Cause, FRAMES_MAX, FaultRecord, MAGIC, REGISTERS};

use super::message::{Kind, Message};
use crate::launch::{Launch, Outcome};
use crate::report::Report;
use crate::trace::Fault;
use crate::unwind::Stack;

/// The exit status of the stock tender when a guest does what it cannot.
const STOPPED: u8 = 1;

/// Where a processor is after a reset, which KVM gives to those of AMD when they meet a triple fault:
/// where the guest was is not known then.
const RESET_RIP: u64 = 0xfff0;

/// The number of the exception that has an address.
const PAGE_FAULT: u64 = 14;

/// What a guest that ended is worth.
pub(crate) fn outcome(message: &Message, launch: &Launch<'_>) -> Outcome {
    let (image, memory_bytes) = (launch.image, launch.memory_bytes);
    if message.kind == Kind::Halted {
        let report = record(&message.cookie).map(|record| {
            let fault = fault(registers_of(&record), message.stack.clone());
            let name = Cause(record.cause).name();
            let what = match record.vector {
                PAGE_FAULT => format!("the guest faulted: {name} at {:#x}", record.address),
                _ => format!("the guest faulted: {name}"),
            };
            let count = usize::try_from(record.frame_count)
                .map_or(FRAMES_MAX, |count| count.min(FRAMES_MAX));
            Report::of_machine(&what, &fault, &record.frames[..count], image, memory_bytes)
        });
        return Outcome {
            // As a process's status: the lowest byte.
            status: message.status as u8,
            report,
            traffic: Vec::new(),
        };
    }
    let fault = fault(registers_in(message), message.stack.clone());
    let what = format!("the guest was stopped: {}", message.what);
    let report = match fault.registers.rip {
        RESET_RIP => Report {
            line: what,
            details: String::new(),
        },
        _ => Report::of_machine(&what, &fault, &[], image, memory_bytes),
    };
    Outcome {
        status: STOPPED,
        report: Some(report),
        traffic: Vec::new(),
    }
}

/// The record of a fault in what a guest gave to its tender, if there is one.
pub(crate) fn record(cookie: &[u8]) -> Option<FaultRecord> {
    let mut words = cookie
        .as_chunks()
        .0
        .iter()
        .map(|bytes| u64::from_le_bytes(*bytes));
    let mut next = || words.next();
    let magic = next().filter(|&magic| magic == MAGIC)?;
    let mut record = FaultRecord {
        magic,
        vector: next()?,
        error_code: next()?,
        address: next()?,
        cause: next()?,
        rip: next()?,
        rsp: next()?,
        rflags: next()?,
        registers: [0; REGISTERS.len()],
        frame_count: 0,
        frames: [0; FRAMES_MAX],
    };
    for register in &mut record.registers {
        *register = next()?;
    }
    record.frame_count = next()?;
    for frame in &mut record.frames {
        *frame = next()?;
    }
    Some(record)
}

fn registers_of(record: &FaultRecord) -> user_regs_struct {
    user_regs_struct {
        rsp: record.rsp,
        rip: record.rip,
        eflags: record.rflags,
        ..general(record.registers)
    }
}

/// The registers of a processor that goes on.
pub(crate) fn registers_of_processor(registers: &kvm_regs) -> user_regs_struct {
    user_regs_struct {
        rsp: registers.rsp,
        rip: registers.rip,
        ..nothing()
    }
}

fn registers_in(message: &Message) -> user_regs_struct {
    let [registers @ .., rsp, rip, eflags, fs_base, gs_base] = message.registers;
    user_regs_struct {
        rsp,
        rip,
        eflags,
        fs_base,
        gs_base,
        ..general(registers)
    }
}

/// The registers that [`REGISTERS`] names; the others hold nothing.
fn general(registers: [u64; REGISTERS.len()]) -> user_regs_struct {
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
    ] = registers;
    user_regs_struct {
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
        ..nothing()
    }
}

/// Registers that hold nothing.
pub(crate) const fn nothing() -> user_regs_struct {
    user_regs_struct {
        r15: 0,
        r14: 0,
        r13: 0,
        r12: 0,
        rbp: 0,
        rbx: 0,
        r11: 0,
        r10: 0,
        r9: 0,
        r8: 0,
        rax: 0,
        rcx: 0,
        rdx: 0,
        rsi: 0,
        rdi: 0,
        orig_rax: 0,
        rip: 0,
        cs: 0,
        eflags: 0,
        rsp: 0,
        ss: 0,
        fs_base: 0,
        gs_base: 0,
        ds: 0,
        es: 0,
        fs: 0,
        gs: 0,
    }
}

fn fault(registers: user_regs_struct, stack: Stack) -> Fault {
    Fault {
        code: 0,
        address: 0,
        registers,
        instruction: None,
        stack,
    }
}

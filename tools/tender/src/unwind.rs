//! Who called whom when a guest faulted: from the image's own tables for unwinding, `.eh_frame`.
//!
//! The C library has no such tables for most of its functions. There, the next word on the stack
//! that is an address behind a call is taken, and marked as a guess.

use gimli::{
    BaseAddresses, CfaRule, EhFrame, LittleEndian, Register, RegisterRule, UnwindContext,
    UnwindSection, X86_64,
};

use crate::image::Image;
use crate::trace::Fault;

/// Deeper stacks are cut off.
const FRAMES_MAX: usize = 200;

/// How far a guess looks for an address, in words.
const GUESS_WORDS_MAX: usize = 512;

const WORD_BYTES: u64 = 8;

/// One function in the chain of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    /// The instruction: the one at fault, or the one behind a call.
    pub(crate) address: u64,
    /// Found by looking for it.
    pub(crate) is_guess: bool,
}

/// The bytes of the stack from the stack pointer upwards.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stack {
    pub(crate) start: u64,
    pub(crate) bytes: Vec<u8>,
}

impl Stack {
    pub(crate) fn word(&self, address: u64) -> Option<u64> {
        let at = usize::try_from(address.checked_sub(self.start)?).ok()?;
        let word = self.bytes.get(at..at.checked_add(8)?)?;
        Some(u64::from_le_bytes(word.try_into().ok()?))
    }
}

/// The registers by their numbers in DWARF; `None` is not known any more.
type Registers = [Option<u64>; 17];

/// The chain, the faulting function first.
pub(crate) fn frames(image: &Image<'_>, fault: &Fault) -> Vec<Frame> {
    let tables = Tables::of(image);
    let start_of = |address| image.function_at(address).map(|function| function.start);
    let first = start_of(image.entry);
    let mut registers = registers(fault);
    let mut frames = Vec::new();
    let mut frame = Frame {
        address: fault.registers.rip,
        is_guess: false,
    };
    while frames.len() < FRAMES_MAX {
        frames.push(frame);
        // Nobody called the first function; what is above it on the stack is no address.
        if first.is_some() && start_of(frame.address) == first {
            break;
        }
        let Some(stack_pointer) = known(&registers, X86_64::RSP) else {
            break;
        };
        let caller = tables
            .as_ref()
            .and_then(|tables| {
                // Behind a call may be the next function already.
                let address = frame.address - u64::from(frames.len() > 1).min(frame.address);
                tables.caller(address, &registers, &fault.stack)
            })
            .or_else(|| at_entry(image, frame.address, &registers, &fault.stack))
            .or_else(|| guess(image, &registers, &fault.stack));
        match caller {
            Some((next, above))
                if known(&above, X86_64::RSP) > Some(stack_pointer)
                    && image.is_code(next.address) =>
            {
                (frame, registers) = (next, above);
            }
            _ => break,
        }
    }
    frames
}

fn registers(fault: &Fault) -> Registers {
    let r = &fault.registers;
    [
        r.rax, r.rdx, r.rcx, r.rbx, r.rsi, r.rdi, r.rbp, r.rsp, r.r8, r.r9, r.r10, r.r11, r.r12,
        r.r13, r.r14, r.r15, r.rip,
    ]
    .map(Some)
}

fn known(registers: &Registers, register: Register) -> Option<u64> {
    registers.get(usize::from(register.0)).copied().flatten()
}

/// The tables of an image.
struct Tables<'data> {
    eh_frame: EhFrame<gimli::EndianSlice<'data, LittleEndian>>,
    bases: BaseAddresses,
}

impl<'data> Tables<'data> {
    fn of(image: &Image<'data>) -> Option<Self> {
        let (address, bytes) = image.section(b".eh_frame")?;
        Some(Self {
            eh_frame: EhFrame::new(bytes, LittleEndian),
            bases: BaseAddresses::default().set_eh_frame(address),
        })
    }

    /// The frame above the one of this instruction, and its registers.
    fn caller(
        &self,
        address: u64,
        registers: &Registers,
        stack: &Stack,
    ) -> Option<(Frame, Registers)> {
        let mut context = UnwindContext::new();
        let row = self
            .eh_frame
            .unwind_info_for_address(&self.bases, &mut context, address, EhFrame::cie_from_offset)
            .ok()?;
        let frame_address = match *row.cfa() {
            CfaRule::RegisterAndOffset { register, offset } => {
                known(registers, register)?.checked_add_signed(offset)?
            }
            CfaRule::Expression(_) => return None,
        };
        let mut above = *registers;
        for (nr, value) in (0..).zip(&mut above) {
            let register = Register(nr);
            *value = match row.register(register) {
                RegisterRule::Offset(offset) => frame_address
                    .checked_add_signed(offset)
                    .and_then(|address| stack.word(address)),
                RegisterRule::ValOffset(offset) => frame_address.checked_add_signed(offset),
                RegisterRule::Register(other) => known(registers, other),
                RegisterRule::SameValue => *value,
                // Nothing said: those that a callee keeps are kept.
                RegisterRule::Undefined if is_kept(register) => *value,
                _ => None,
            };
        }
        above[usize::from(X86_64::RSP.0)] = Some(frame_address);
        let frame = Frame {
            address: known(&above, X86_64::RA)?,
            is_guess: false,
        };
        Some((frame, above))
    }
}

const fn is_kept(register: Register) -> bool {
    matches!(register.0, 3 | 6 | 12 | 13 | 14 | 15)
}

/// A jump to where no code is was a call, perhaps: then the address behind it is the next word.
fn at_entry(
    image: &Image<'_>,
    address: u64,
    registers: &Registers,
    stack: &Stack,
) -> Option<(Frame, Registers)> {
    if image.is_code(address) {
        return None;
    }
    let place = known(registers, X86_64::RSP)?;
    is_behind_call(image, stack.word(place)?).then_some(())?;
    found(place, registers, stack)
}

/// The next word that can be an address behind a call.
fn guess(image: &Image<'_>, registers: &Registers, stack: &Stack) -> Option<(Frame, Registers)> {
    let start = known(registers, X86_64::RSP)?;
    let place = (0..GUESS_WORDS_MAX as u64)
        .map_while(|index| start.checked_add(index * WORD_BYTES))
        .find(|&place| {
            stack
                .word(place)
                .is_some_and(|word| is_behind_call(image, word))
        })?;
    let (frame, mut above) = found(place, registers, stack)?;
    // It may have been saved anywhere between.
    above[usize::from(X86_64::RBP.0)] = None;
    let frame = Frame {
        is_guess: true,
        ..frame
    };
    Some((frame, above))
}

fn found(place: u64, registers: &Registers, stack: &Stack) -> Option<(Frame, Registers)> {
    let mut above = *registers;
    above[usize::from(X86_64::RSP.0)] = place.checked_add(WORD_BYTES);
    let frame = Frame {
        address: stack.word(place)?,
        is_guess: false,
    };
    Some((frame, above))
}

/// Whether the instruction before this address can be a call.
fn is_behind_call(image: &Image<'_>, address: u64) -> bool {
    const DIRECT_BYTES: u64 = 5;
    let byte = |before: u64| {
        let at = address.checked_sub(before)?;
        image.code_byte(at)
    };
    if !image.is_code(address) {
        return false;
    }
    // call rel32, or `ff /2` with its operand in one to six more bytes.
    byte(DIRECT_BYTES) == Some(0xe8)
        || (2..=7).any(|bytes| {
            byte(bytes) == Some(0xff)
                && byte(bytes - 1).is_some_and(|operand| operand >> 3 & 7 == 2)
        })
}

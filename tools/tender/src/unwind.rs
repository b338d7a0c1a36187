//! Who called whom when a guest faulted: from the image's own tables for unwinding, `.eh_frame`.
//!
//! The C library has no such tables for most of its functions. There, the next word on the stack
//! that is an address behind a call of the function is taken, and marked as a guess.

use gimli::{
    BaseAddresses, CfaRule, EhFrame, LittleEndian, Register, RegisterRule, UnwindContext,
    UnwindSection, X86_64,
};

use crate::image::Image;
use crate::trace::Fault;

/// Deeper stacks are cut off.
const FRAMES_MAX: usize = 200;

/// How far a guess looks for an address, in words.
const GUESS_WORDS_MAX: u64 = 512;

/// How far it looks for a call through a pointer, in words.
const POINTER_WORDS_MAX: u64 = 64;

/// How far into a function a guess looks for its last jump, in bytes.
const JUMPING_BYTES_MAX: u64 = 64;

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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
            .or_else(|| guess(image, frame.address, &registers, &fault.stack));
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
    call_before(image, stack.word(place)?)?;
    found(place, registers, stack)
}

/// The next word that can be an address behind a call of this function. Where the image does not say
/// which functions there are, behind any call.
fn guess(
    image: &Image<'_>,
    address: u64,
    registers: &Registers,
    stack: &Stack,
) -> Option<(Frame, Registers)> {
    let start = known(registers, X86_64::RSP)?;
    let callee = image.function_at(address).map(|function| function.start);
    let mut candidates = (0..GUESS_WORDS_MAX)
        .map_while(|index| start.checked_add(index * WORD_BYTES))
        .filter_map(|place| Some((place, call_before(image, stack.word(place)?)?)));
    let place = match callee {
        None => candidates.next()?.0,
        Some(callee) => {
            // Old words lie about on the stack: a call of just this function is a better sign than
            // one through a pointer, which is the first of these only, and near.
            let mut through_pointer = None;
            let direct = candidates.find(|&(place, call)| match call {
                Call::Direct(target) => target == callee || jumps_to(image, target, callee),
                Call::ThroughPointer => {
                    if place - start < POINTER_WORDS_MAX * WORD_BYTES {
                        through_pointer.get_or_insert(place);
                    }
                    false
                }
            });
            direct.map(|(place, _)| place).or(through_pointer)?
        }
    };
    let (frame, mut above) = found(place, registers, stack)?;
    // It may have been saved anywhere between.
    above[usize::from(X86_64::RBP.0)] = None;
    let frame = Frame {
        is_guess: true,
        ..frame
    };
    Some((frame, above))
}

/// Whether a function ends in a jump to another one, as it does with its last call.
fn jumps_to(image: &Image<'_>, from: u64, to: u64) -> bool {
    const JUMP: u8 = 0xe9;
    (from..from.saturating_add(JUMPING_BYTES_MAX)).any(|at| {
        image.code_byte(at) == Some(JUMP) && relative(image, at.saturating_add(1)) == Some(to)
    })
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

/// What the instruction before an address calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Direct(u64),
    ThroughPointer,
}

/// The call before this address, if there can be one.
fn call_before(image: &Image<'_>, address: u64) -> Option<Call> {
    const DIRECT: u8 = 0xe8;
    const THROUGH_POINTER: u8 = 0xff;
    if !image.is_code(address) {
        return None;
    }
    let byte = |before: u64| image.code_byte(address.checked_sub(before)?);
    if byte(5) == Some(DIRECT) {
        let target = relative(image, address - 4)?;
        if image.is_code(target) {
            return Some(Call::Direct(target));
        }
    }
    // The operand takes one to six bytes; its middle bits say that it is a call.
    (2..=7)
        .any(|bytes| {
            byte(bytes) == Some(THROUGH_POINTER)
                && byte(bytes - 1).is_some_and(|operand| operand >> 3 & 7 == 2)
        })
        .then_some(Call::ThroughPointer)
}

/// Where a distance of four bytes at this address points to.
fn relative(image: &Image<'_>, at: u64) -> Option<u64> {
    let mut distance = [0; 4];
    for (place, byte) in (at..).zip(&mut distance) {
        *byte = image.code_byte(place)?;
    }
    let end = at.checked_add(4)?;
    end.checked_add_signed(i64::from(i32::from_le_bytes(distance)))
}

//! What an exception means, and the words for a program that ends by one.

use core::ops::Range;

use muslin_abi::fault::{Cause, FRAMES_MAX, FaultRecord, MAGIC, REGISTERS};
use muslin_platform::Protection;

use crate::traps::{Frame, PAGE_FAULT};

/// Bits of a page fault's error code.
const WRITE: u64 = 1 << 1;
const FETCH: u64 = 1 << 4;

/// `int 0x40`. The error code would say it as well, but emulators disagree about that.
const GIVING_UP: [u8; 2] = [0xcd, 0x40];

/// How far below the stack pointer an access is still one to the stack, in bytes, and how far above.
const STACK_REACH_BYTES: usize = 0x1_0000;
const STACK_ABOVE_BYTES: usize = 4096;
/// Addresses that a null pointer reaches: nothing is there.
pub const NULL: Range<usize> = 0..0x1_0000;
/// The first addresses: a null pointer to something small.
const NULL_NEAR: Range<usize> = 0..4096;

/// Words of the stack that are looked at for callers.
const STACK_WORDS_MAX: usize = 1024;
/// The longest instruction for a call whose address comes from memory, in bytes.
const CALL_BYTES_MAX: usize = 7;

/// The names of the signals that end a program by a fault.
const SIGNALS: [(u8, &str); 5] = [
    (4, "SIGILL"),
    (5, "SIGTRAP"),
    (7, "SIGBUS"),
    (8, "SIGFPE"),
    (11, "SIGSEGV"),
];

/// What memory looks like to a fault.
pub trait Scene {
    /// Where nothing is, below the program's first stack.
    fn stack_guard(&self) -> Range<usize>;
    /// What may be done at an address, if something is there.
    fn protection_at(&self, address: usize) -> Option<Protection>;
    /// The word at an address that may be read.
    fn word_at(&self, address: usize) -> u64;
}

/// What happened; `address` is what a page fault was about.
fn cause(frame: &Frame, address: usize, scene: &impl Scene) -> Cause {
    match frame.vector {
        0 => Cause::DIVISION,
        1 | 3 => Cause::BREAKPOINT,
        4 | 5 => Cause::OVERFLOW_TRAP,
        6 => Cause::INVALID_INSTRUCTION,
        8 => Cause::DOUBLE_FAULT,
        12 => Cause::STACK_SEGMENT,
        13 if is_giving_up(frame.rip as usize, scene) => Cause::GIVEN_UP,
        13 => Cause::GENERAL_PROTECTION,
        PAGE_FAULT => page_fault(frame, address, scene),
        16 | 19 => Cause::FLOATING_POINT,
        17 => Cause::ALIGNMENT,
        _ => Cause::UNKNOWN,
    }
}

fn is_giving_up(rip: usize, scene: &impl Scene) -> bool {
    can_read_word(rip, scene) && scene.word_at(rip).to_le_bytes().starts_with(&GIVING_UP)
}

fn can_read_word(address: usize, scene: &impl Scene) -> bool {
    let can_read = |at| scene.protection_at(at).is_some_and(|found| found.read);
    let last = address.checked_add(7);
    can_read(address) && last.is_some_and(can_read)
}

fn page_fault(frame: &Frame, address: usize, scene: &impl Scene) -> Cause {
    let rsp = frame.rsp as usize;
    let stack = rsp.saturating_sub(STACK_REACH_BYTES)..rsp.saturating_add(STACK_ABOVE_BYTES);
    let is_fetch = frame.error_code & FETCH != 0;
    let is_at_stack = !is_fetch && stack.contains(&address);
    let protection = scene.protection_at(address);
    if NULL_NEAR.contains(&address) {
        return Cause::NULL_POINTER;
    }
    let guard = scene.stack_guard();
    if guard.contains(&address) || address < guard.end && is_at_stack {
        return Cause::STACK_OVERFLOW;
    }
    match protection {
        Some(_) if is_fetch => Cause::EXECUTE_DATA,
        Some(protection) if protection.read => Cause::READ_ONLY,
        Some(_) if is_at_stack => Cause::STACK_OVERFLOW,
        Some(_) => Cause::FORBIDDEN,
        None if NULL.contains(&address) => Cause::NULL_POINTER,
        None => Cause::WILD_POINTER,
    }
}

/// All that is known of a fault.
pub(crate) fn record(frame: &Frame, address: usize, scene: &impl Scene) -> FaultRecord {
    let is_about_address = frame.vector == PAGE_FAULT;
    let mut record = FaultRecord {
        magic: MAGIC,
        vector: frame.vector,
        error_code: frame.error_code,
        address: if is_about_address { address as u64 } else { 0 },
        cause: cause(frame, address, scene).0,
        rip: frame.rip,
        rsp: frame.rsp,
        rflags: frame.rflags,
        registers: frame.registers,
        frame_count: 0,
        frames: [0; FRAMES_MAX],
    };
    let mut lowest = frame.rsp as usize;
    let guard = scene.stack_guard();
    if guard.contains(&lowest) {
        lowest = guard.end;
    }
    let words = (lowest..).step_by(8).take(STACK_WORDS_MAX);
    let callers = words
        .map_while(|at| can_read_word(at, scene).then(|| scene.word_at(at)))
        .filter(|&word| is_behind_call(word as usize, scene));
    for (place, caller) in record.frames.iter_mut().zip(callers) {
        *place = caller;
        record.frame_count += 1;
    }
    record
}

/// Whether a word can be where a call comes back to: code, behind an instruction that calls.
fn is_behind_call(word: usize, scene: &impl Scene) -> bool {
    let is_code = |at| {
        scene
            .protection_at(at)
            .is_some_and(|found| found.read && found.execute)
    };
    let Some(start) = word.checked_sub(CALL_BYTES_MAX + 1) else {
        return false;
    };
    if !is_code(start) || !is_code(word) {
        return false;
    }
    // The seven bytes before the word are the upper ones.
    let bytes = scene.word_at(start).to_le_bytes();
    let at = |behind: usize| bytes[8 - behind];
    let is_call_through = |length: usize| at(length) == 0xff && at(length - 1) & 0x38 == 0x10;
    at(5) == 0xe8 || [2, 3, 4, 6, 7].into_iter().any(is_call_through)
}

/// Says what happened, by `print`. `remark` ends the first line.
pub(crate) fn report(record: &FaultRecord, remark: &str, print: &mut dyn FnMut(&[u8])) {
    let cause = Cause(record.cause);
    let signal = SIGNALS.iter().find(|(number, _)| *number == cause.signal());
    print(b"muslin: the program was ended by ");
    print(signal.map_or("a signal", |(_, name)| name).as_bytes());
    print(b": ");
    print(cause.name().as_bytes());
    if record.vector == PAGE_FAULT {
        let access: &[u8] = match record.error_code {
            code if code & FETCH != 0 => b", jump to ",
            code if code & WRITE != 0 => b", write to ",
            _ => b", read of ",
        };
        print(access);
        number(record.address, print);
    }
    print(b", at ");
    number(record.rip, print);
    print(remark.as_bytes());
    let others = [
        ("rip", record.rip),
        ("rsp", record.rsp),
        ("rflags", record.rflags),
    ];
    let registers = REGISTERS.into_iter().zip(record.registers).chain(others);
    for (index, (name, value)) in registers.enumerate() {
        print(if index % 4 == 0 {
            b"\nmuslin:   "
        } else {
            b" "
        });
        print(name.as_bytes());
        print(b" ");
        number(value, print);
    }
    let count = usize::try_from(record.frame_count).unwrap_or(0);
    for (index, &caller) in record.frames.iter().take(count).enumerate() {
        let line: &[u8] = match index {
            0 => b"\nmuslin:   perhaps called from ",
            _ if index % 4 == 0 => b"\nmuslin:   ",
            _ => b" ",
        };
        print(line);
        number(caller, print);
    }
    print(b"\n");
}

/// A number in hexadecimal.
fn number(number: u64, print: &mut dyn FnMut(&[u8])) {
    let mut digits = *b"0x0000000000000000";
    let width = (64 - number.leading_zeros()).div_ceil(4).max(1) as usize;
    for index in 0..width {
        let digit = number >> (4 * (width - 1 - index)) & 15;
        digits[2 + index] = b"0123456789abcdef"[digit as usize];
    }
    print(&digits[..2 + width]);
}

#[cfg(test)]
mod tests {
    extern crate alloc;

    use alloc::collections::BTreeMap;
    use alloc::string::String;
    use alloc::vec::Vec;

    use super::*;

    const NOTHING: Protection = Protection {
        read: false,
        write: false,
        execute: false,
    };
    const TEXT: Protection = Protection {
        read: true,
        execute: true,
        ..NOTHING
    };
    const DATA: Protection = Protection {
        read: true,
        write: true,
        ..NOTHING
    };
    const CONSTANT: Protection = Protection {
        read: true,
        ..NOTHING
    };

    /// Pages, and bytes of some of them.
    struct World {
        pages: Vec<(Range<usize>, Protection)>,
        bytes: BTreeMap<usize, u8>,
    }

    impl World {
        fn new() -> Self {
            let pages = [
                (0x2_0000..0x10_0000, DATA),
                (0x10_0000..0x11_0000, TEXT),
                (0x11_0000..0x12_0000, CONSTANT),
                (0x12_0000..0x20_0000, DATA),
                (0x20_0000..0x20_1000, NOTHING),
            ];
            Self {
                pages: pages.into(),
                bytes: BTreeMap::new(),
            }
        }

        fn put(&mut self, at: usize, bytes: &[u8]) {
            self.bytes.extend((at..).zip(bytes.iter().copied()));
        }
    }

    impl Scene for World {
        fn stack_guard(&self) -> Range<usize> {
            0x1_a000..0x2_0000
        }
        fn protection_at(&self, address: usize) -> Option<Protection> {
            let found = self
                .pages
                .iter()
                .find(|(pages, _)| pages.contains(&address));
            found.map(|&(_, protection)| protection)
        }
        fn word_at(&self, address: usize) -> u64 {
            assert!(self.protection_at(address).is_some_and(|p| p.read));
            let byte = |at| self.bytes.get(&at).copied().unwrap_or(0);
            u64::from_le_bytes([0, 1, 2, 3, 4, 5, 6, 7].map(|i| byte(address + i)))
        }
    }

    fn frame(vector: u64, error_code: u64, rsp: u64) -> Frame {
        Frame {
            registers: core::array::from_fn(|i| i as u64),
            vector,
            error_code,
            rip: 0x10_0123,
            cs: 8,
            rflags: 2,
            rsp,
            ss: 16,
        }
    }

    #[test]
    fn page_faults_have_names() {
        let middle = 0x8_0000;
        for (address, error_code, rsp, expected) in [
            (0, 0, middle, Cause::NULL_POINTER),
            (8, WRITE, 0x2_0010, Cause::NULL_POINTER),
            (0xf000, WRITE, middle, Cause::NULL_POINTER),
            (0, FETCH, middle, Cause::NULL_POINTER),
            (0x1_fff8, WRITE, 0x2_0000, Cause::STACK_OVERFLOW),
            (0x1_8000, WRITE, 0x1_8100, Cause::STACK_OVERFLOW),
            (0x20_0800, WRITE, 0x20_0900, Cause::STACK_OVERFLOW),
            (0x20_0800, WRITE, middle, Cause::FORBIDDEN),
            (0x20_0800, 0, middle, Cause::FORBIDDEN),
            (0x10_0800, WRITE | 1, middle, Cause::READ_ONLY),
            (0x11_0800, WRITE | 1, middle, Cause::READ_ONLY),
            (0x12_0800, FETCH | 1, middle, Cause::EXECUTE_DATA),
            (0x8_0000, FETCH | 1, middle, Cause::EXECUTE_DATA),
            (0x77_0000, 0, middle, Cause::WILD_POINTER),
            (usize::MAX, 0, middle, Cause::WILD_POINTER),
            (0x77_0000, FETCH, middle, Cause::WILD_POINTER),
        ] {
            let found = cause(&frame(14, error_code, rsp), address, &World::new());
            assert_eq!(found, expected, "{address:#x} {error_code} {rsp:#x}");
        }
    }

    #[test]
    fn other_exceptions_have_names_and_signals() {
        for (vector, name, signal) in [
            (0, "division error", 8),
            (3, "breakpoint", 5),
            (6, "invalid instruction", 4),
            (8, "double fault", 11),
            (13, "general protection fault", 11),
            (19, "floating-point error", 8),
            (31, "an exception that nothing explains", 11),
        ] {
            let found = cause(&frame(vector, 0, 0x8_0000), 0, &World::new());
            assert_eq!((found.name(), found.signal()), (name, signal), "{vector}");
        }
        let mut world = World::new();
        world.put(0x10_0123, &GIVING_UP);
        let found = cause(&frame(13, 0x202, 0x8_0000), 0, &world);
        assert_eq!(found, Cause::GIVEN_UP);
    }

    #[test]
    fn callers_are_words_behind_calls() {
        let mut world = World::new();
        let rsp = 0xf_ffd0usize;
        // A near call, one through a register, one through memory, and code behind something else.
        world.put(0x10_0100, &[0xe8, 1, 2, 3, 4]);
        world.put(0x10_0200, &[0xff, 0xd0]);
        world.put(0x10_0300, &[0xff, 0x15, 1, 2, 3, 4]);
        for (index, word) in [
            0x10_0105usize,
            0x10_0401,
            0x12_0000,
            0x10_0202,
            usize::MAX,
            0x10_0306,
        ]
        .into_iter()
        .enumerate()
        {
            world.put(rsp + index * 8, &word.to_le_bytes());
        }
        let record = record(&frame(6, 0, rsp as u64), 0, &world);
        let count = record.frame_count as usize;
        assert_eq!(record.frames[..count], [0x10_0105, 0x10_0202, 0x10_0306]);
    }

    #[test]
    fn the_callers_of_an_overflow_are_above_the_guard() {
        let mut world = World::new();
        world.put(0x10_0100, &[0xe8, 1, 2, 3, 4]);
        world.put(world.stack_guard().end, &0x10_0105usize.to_le_bytes());
        let record = record(&frame(14, WRITE, 0x1_fff4), 0x1_fff4, &world);
        assert_eq!((record.frame_count, record.frames[0]), (1, 0x10_0105));
    }

    #[test]
    fn a_bad_stack_pointer_has_no_callers() {
        for rsp in [0, 0x20_0800, u64::MAX - 3, 0x77_0001] {
            let record = record(&frame(14, WRITE, rsp), 0x77, &World::new());
            assert_eq!(record.frame_count, 0, "{rsp:#x}");
        }
    }

    #[test]
    fn the_report_names_it_all() {
        let world = World::new();
        let record = record(&frame(14, WRITE, 0x8_0000), 8, &world);
        let mut text = String::new();
        report(&record, ", somewhere", &mut |bytes| {
            text.push_str(&String::from_utf8_lossy(bytes));
        });
        let mut lines = text.lines();
        assert_eq!(
            lines.next(),
            Some(
                "muslin: the program was ended by SIGSEGV: null pointer, write to 0x8, at 0x100123, somewhere"
            )
        );
        assert_eq!(
            lines.next(),
            Some("muslin:   rax 0x0 rbx 0x1 rcx 0x2 rdx 0x3")
        );
        assert!(text.contains("\nmuslin:   r13 0xc r14 0xd r15 0xe rip 0x100123\n"));
        assert!(text.ends_with("\nmuslin:   rsp 0x80000 rflags 0x2\n"));
    }
}

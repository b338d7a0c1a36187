//! Calls that nothing answers: `ENOSYS`. One line on the console for each number, also of those
//! whose handler lacks what the program asked for.

use core::arch::naked_asm;
use core::sync::atomic::{AtomicU64, Ordering};

use muslin_abi::{Errno, SYSNO_MAX, Sysno};

use crate::console;

/// A bit for each number that was reported.
static REPORTED: [AtomicU64; SYSNO_MAX / 64] = [const { AtomicU64::new(0) }; SYSNO_MAX / 64];

/// The code of a number that nothing answers: the number, and where it was called from.
///
/// # Safety
/// Touches none of its arguments: it is unsafe only to be a code.
#[unsafe(naked)]
pub unsafe extern "C" fn missing(
    _: usize,
    _: usize,
    _: usize,
    _: usize,
    _: usize,
    _: usize,
    _: usize,
) -> isize {
    naked_asm!(
        "mov rdi, [rsp + 8]",
        "mov rsi, [rsp]",
        "jmp {answer}",
        answer = sym answer,
    )
}

extern "C" fn answer(nr: usize, caller: usize) -> isize {
    report(
        nr as u32,
        caller,
        ", which this platform does not have: ENOSYS",
    );
    -(Errno::ENOSYS.raw() as isize)
}

/// Says that the program made a call in vain, if that was not said of its number before.
#[cold]
pub fn report(nr: u32, caller: usize, text: &str) {
    if let Some(word) = REPORTED.get(nr as usize / 64) {
        let bit = 1 << (nr % 64);
        if word.fetch_or(bit, Ordering::Relaxed) & bit != 0 {
            return;
        }
    }
    let (mut digits, mut place) = ([0; 20], [0; 18]);
    let number = console::decimal(nr as usize, &mut digits);
    let name = Sysno(nr).name().unwrap_or("a call without a name");
    console::print_line(&[
        b"muslin: the program called ",
        name.as_bytes(),
        b" (",
        number,
        b") at ",
        console::hexadecimal(caller, &mut place),
        text.as_bytes(),
    ]);
}

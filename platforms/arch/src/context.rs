//! The switch from one thread to another.
//!
//! Who switches is in the middle of a C call, so the caller has saved what the ABI lets a callee
//! change, all vector registers among it. Left are the registers of a callee and the two control
//! words of floating point.

use core::arch::{asm, naked_asm};

/// The words that a switch leaves on a stack, the lowest first: both control words, r15, r14, r13,
/// r12, rbx, rbp, and where to go on.
pub const WORDS: usize = 8;

/// The words that a new stack starts with, below its top. Whoever switches to them gets from the top
/// of the stack where to go on, and finds 0 in rax there, as a child of `clone` does.
pub fn first_words() -> [usize; WORDS] {
    let mut words = [0; WORDS];
    // SAFETY: two stores, of four and of two bytes, into one word.
    unsafe {
        asm!("stmxcsr [{0}]", "fnstcw [{0} + 4]", in(reg) &raw mut words[0], options(nostack));
    }
    words[WORDS - 1] = begin as *const () as usize;
    words
}

/// The first code of a new stack.
#[unsafe(naked)]
unsafe extern "C" fn begin() {
    naked_asm!("xor eax, eax", "ret")
}

/// Leaves this stack, keeps its pointer in `from`, and goes on where `to` was left. Returns when
/// somebody goes on here.
///
/// # Safety
/// `to` is the pointer of a stack that was left by this, or is that of [`first_words`] below the top
/// of a new one; nobody else goes on there. The thread pointer is the caller's affair.
#[unsafe(naked)]
pub unsafe extern "C" fn switch(from: *mut usize, to: usize) {
    naked_asm!(
        "push rbp",
        "push rbx",
        "push r12",
        "push r13",
        "push r14",
        "push r15",
        "push 0",
        "stmxcsr [rsp]",
        "fnstcw [rsp + 4]",
        "mov [rdi], rsp",
        // Loading control words is slow, and they are nearly always the same.
        "mov eax, [rsp]",
        "mov ecx, [rsp + 4]",
        "mov rsp, rsi",
        "cmp eax, [rsp]",
        "je 2f",
        "ldmxcsr [rsp]",
        "2:",
        "cmp ecx, [rsp + 4]",
        "je 3f",
        "fldcw [rsp + 4]",
        "3:",
        "add rsp, 8",
        "pop r15",
        "pop r14",
        "pop r13",
        "pop r12",
        "pop rbx",
        "pop rbp",
        "ret",
    )
}

#[cfg(test)]
mod tests {
    extern crate std;

    use core::sync::atomic::{AtomicUsize, Ordering};
    use std::vec;

    use super::{WORDS, first_words, switch};

    static HERE: AtomicUsize = AtomicUsize::new(0);
    static THERE: AtomicUsize = AtomicUsize::new(0);
    static COUNT: AtomicUsize = AtomicUsize::new(0);

    extern "C" fn other() {
        loop {
            COUNT.fetch_add(1, Ordering::Relaxed);
            // SAFETY: the test was left by a switch.
            unsafe { switch(THERE.as_ptr(), HERE.load(Ordering::Relaxed)) };
        }
    }

    #[test]
    fn two_stacks_take_turns_and_keep_their_registers() {
        let mut stack = vec![0_u128; 4096];
        let top = stack.len() - 1;
        stack[top] = other as *const () as usize as u128;
        let top = &raw const stack[top] as usize;
        let words = first_words();
        let start = top - size_of_val(&words);
        // SAFETY: words of the stack, which nothing uses yet.
        unsafe { (start as *mut [usize; WORDS]).write(words) };
        THERE.store(start, Ordering::Relaxed);
        let mut sum = 0;
        for turn in 1..=1000 {
            // SAFETY: the other stack is new, or was left by a switch.
            unsafe { switch(HERE.as_ptr(), THERE.load(Ordering::Relaxed)) };
            assert_eq!(COUNT.load(Ordering::Relaxed), turn);
            sum += turn;
        }
        assert_eq!(sum, 500_500);
    }
}

//! The code around a handler: from the words of a C call to a handler's arguments, and from its answer to
//! what is done behind it.

/// Makes the code that answers a call, with the handler in rax. What the handler is given and what stands
/// behind it on the stack is the end of a [`Call`](crate::threads::Call); a call that is to be attended to
/// gets the rest of it, while the registers that a C call keeps are still the program's.
///
/// It keeps where the return address is in the word `place`, and goes over to the stack whose top is in the
/// word `kernel_stack` if that is not 0. `answer` is a C function of the handler and its arguments; `attend`
/// is one of the `Call`, called if the word `attention` is not 0, and says whether the call is made again.
///
/// A program has this code once: what musl's `cancel_handler` looks for has names in it.
#[macro_export]
macro_rules! answer_stub {
    (
        $(#[$attribute:meta])*
        $visibility:vis fn $name:ident;
        place: $place:path, kernel_stack: $kernel_stack:path, attention: $attention:path,
        answer: $answer:path, attend: $attend:path
    ) => {
        $(#[$attribute])*
        #[unsafe(naked)]
        $visibility unsafe extern "C" fn $name() {
            ::core::arch::naked_asm!(
                "mov [rip + {place}], rsp",
                "push r9",
                "push r8",
                "push rcx",
                "push rdx",
                "push rsi",
                "push rdi",
                "push rax",
                "mov rdi, rax",
                "lea rsi, [rsp + 8]",
                "2:",
                "cmp qword ptr [rip + {kernel_stack}], 0",
                "jne 4f",
                "call {answer}",
                "5:",
                "cmp qword ptr [rip + {attention}], 0",
                "jne 3f",
                "add rsp, 56",
                "ret",
                "3:",
                "push rax",
                "push rbx",
                "push rbp",
                "push r12",
                "push r13",
                "push r14",
                "push r15",
                "mov rdi, rsp",
                "push 0", // for the alignment
                "call {attend}",
                "pop rcx",
                "pop r15",
                "pop r14",
                "pop r13",
                "pop r12",
                "pop rbp",
                "pop rbx",
                "pop rcx",
                "test al, al",
                "jnz 6f",
                "mov rax, rcx",
                "add rsp, 56",
                "ret",
                "4:",
                "push rbx",
                "mov rbx, rsp",
                "mov rsp, [rip + {kernel_stack}]",
                "call {answer}",
                "mov rsp, rbx",
                "pop rbx",
                "jmp 5b",
                // A call that a signal interrupted goes on here, with the stack pointer at its `Call`: it
                // is made again, or answers EINTR. musl's `cancel_handler` moves it from the one to the
                // other.
                ".globl __muslin_cp_begin, __muslin_cp_syscall, __muslin_cp_cancelled",
                "__muslin_cp_begin:",
                "__muslin_cp_syscall:",
                "add rsp, 56",
                "6:",
                "lea rdi, [rsp + 56]",
                "mov [rip + {place}], rdi",
                "mov rdi, [rsp]",
                "lea rsi, [rsp + 8]",
                "jmp 2b",
                "__muslin_cp_cancelled:",
                "mov rax, -4",
                "add rsp, 112",
                "ret",
                place = sym $place,
                kernel_stack = sym $kernel_stack,
                answer = sym $answer,
                attention = sym $attention,
                attend = sym $attend,
            )
        }
    };
}

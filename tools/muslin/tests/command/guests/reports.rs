//! What is reported of a guest that ends by a fault: the address, the function, its callers.

use std::fs;
use std::process::Command;

use super::{guests, reported, run};
use crate::lab::{stderr, succeed, write};

#[test]
fn a_fault_is_reported_with_its_address_and_function() {
    let Some(guests) = guests("guest-faults") else {
        return;
    };
    for (name, body, status, expected) in [
        (
            "null",
            "mov eax, [8]",
            139,
            "SIGSEGV: access to 0x8, as by a null pointer, in crash+0x1 (0x",
        ),
        (
            "text",
            "mov byte ptr [rip + crash], 1",
            139,
            "SIGSEGV: a write to 0x401011, which is read-only, in crash+0x1 (0x401012)",
        ),
        (
            "above",
            "mov eax, 0x900000; mov eax, [rax]",
            139,
            "SIGSEGV: access to 0x900000, above the 8 MiB of memory, in crash+0x6 (0x",
        ),
        (
            "nowhere",
            "xor eax, eax; call rax",
            139,
            "SIGSEGV: a jump to 0x0, where no code is, called in crash+0x4 (before 0x",
        ),
        (
            "stack",
            "lea rax, [rsp - 64]; mov byte ptr [rax], 0xc3; call rax",
            139,
            "SIGSEGV: a jump to 0x7fffb0, where no code is, called in crash+0x",
        ),
        (
            "data",
            "lea rax, [rip + variable]; call rax; .data; variable: .byte 0xc3; .text",
            139,
            "SIGSEGV: a jump to 0x402000, where no code is, called in crash+0x",
        ),
        (
            "overflow",
            "mov rsp, 0x10008; 1: push rax; jmp 1b",
            139,
            "SIGSEGV: stack overflow, at 0xfff8, in crash+0x",
        ),
        (
            "noncanonical",
            "mov rax, 0x8000000000000000; mov eax, [rax]",
            139,
            "SIGSEGV: an address that cannot be, or an instruction for kernels, in crash+0xb (0x",
        ),
        (
            "hlt",
            "hlt",
            139,
            "SIGSEGV: hlt, by which a program gives up, in crash+0x1 (0x",
        ),
        (
            "ud2",
            "ud2",
            132,
            "SIGILL: an instruction that this processor does not have, in crash+0x1 (0x",
        ),
        (
            "division",
            "xor edx, edx; xor ecx, ecx; div ecx",
            136,
            "SIGFPE: a division by zero, or one whose result is too large, in crash+0x5 (0x",
        ),
        (
            "unaligned",
            "pushfq; or dword ptr [rsp], 0x40000; popfq; mov rax, [rsp + 1]",
            135,
            "SIGBUS: access to an address that is not aligned, in crash+0x",
        ),
        (
            "int3",
            "int3",
            133,
            "SIGTRAP: a breakpoint, in crash+0x2 (0x",
        ),
    ] {
        let body = format!(
            "call crash
             EXIT 0
             .size _start, . - _start
             FUNCTION crash
             nop
             {body}
             ret
             .size crash, . - crash"
        );
        let output = guests.run(name, &body);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(status), "{text}");
        let report = reported(&output, name);
        assert!(report.starts_with(expected), "{report}");
        assert!(text.lines().count() >= 6, "{text}");
        assert!(text.contains("\n  rax "), "{text}");
        assert!(text.contains("  rip "), "{text}");
    }
}

/// Functions with tables for unwinding, between two without.
const CALLS: &str = "\
__attribute__((noinline)) int deep(volatile int *where, int depth)
{
    volatile char room[100];
    room[depth] = 1;
    return depth ? deep(where, depth - 1) + room[0] : *where + room[0];
}
__attribute__((noinline)) int outer(int *where)
{
    return deep(where, 3) + 1;
}
";

#[test]
fn the_callers_are_listed() {
    let Some(guests) = guests("guest-callers") else {
        return;
    };
    write(&guests.dir, &[("calls.c", CALLS)]);
    succeed(
        Command::new("gcc")
            .current_dir(&guests.dir)
            .args([
                "-S",
                "-O1",
                "-masm=intel",
                "-fno-pic",
                "-fomit-frame-pointer",
            ])
            .args(["-fno-stack-protector", "-fcf-protection=none", "calls.c"]),
    );
    let body = "mov edi, 16
        call between
        EXIT 0
        .size _start, . - _start
        FUNCTION between
        push rdi
        push 0
        call outer
        add rsp, 16
        ret
        .size between, . - between
        ";
    let calls = fs::read_to_string(guests.dir.join("calls.s")).unwrap();
    let output = guests.run("callers", &format!("{body}{calls}"));
    let text = stderr(&output);
    let callers: Vec<String> = text
        .lines()
        .filter_map(|line| {
            let (called, place) = line.split_once(" in ")?;
            let (name, rest) = place.split_once('+')?;
            let (_, times) = rest.split_once(')')?;
            (!called.contains("muslin")).then(|| format!("{}: {name}{times}", called.trim()))
        })
        .collect();
    assert_eq!(
        callers,
        [
            "called: deep, 3 times",
            "called: outer",
            "called: between",
            "perhaps called: _start",
        ],
        "{text}"
    );
    assert!(
        reported(&output, "callers").contains("null pointer, in deep+0x"),
        "{text}"
    );
}

#[test]
fn a_stripped_image_has_addresses_only() {
    let Some(guests) = guests("guest-stripped") else {
        return;
    };
    let image = guests.make("stripped", "nop; mov eax, [8]");
    succeed(Command::new("strip").arg(&image));
    let report = reported(&run(&image, &[]), "stripped");
    assert_eq!(
        report,
        "SIGSEGV: access to 0x8, as by a null pointer, at 0x401001"
    );
}

#[test]
fn names_of_rust_are_shown_as_rust_has_them() {
    let Some(guests) = guests("guest-rust-name") else {
        return;
    };
    let output = guests.run(
        "rust",
        "call _ZN4core3fmt5write17h0123456789abcdefE
         FUNCTION _ZN4core3fmt5write17h0123456789abcdefE
         ud2
         .size _ZN4core3fmt5write17h0123456789abcdefE, 2",
    );
    let report = reported(&output, "rust");
    assert!(report.contains("in core::fmt::write+0x0 (0x"), "{report}");
}

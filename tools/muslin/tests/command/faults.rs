//! What a virtual machine with its own page tables gives: faults that are named, memory that is
//! protected, `syscall` instructions that land in the table. Each program runs on Linux first, then in
//! the lab.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use muslin_lab::{Batch, Ending, Job, Lab, Outcome};

use crate::lab::{directory, driver, has, hvt, muslin, skip, succeed, sysroot, write};

const LIMIT: Duration = Duration::from_secs(60);

const COMMON: &str = r#"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#define PAGE 4096
static volatile int zero;
static char *pages(int count)
{
    return mmap(0, count * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
__attribute__((noinline)) static int deep(volatile char *above, long depth)
{
    volatile char here[400];
    here[depth % 400] = above[0];
    return deep(here, depth + 1) + here[1];
}
"#;

/// What a program does, and what the report's first line says of it.
const FAULTS: &[(&str, &str, &str)] = &[
    (
        "null_write",
        "*(volatile int *)(8L + zero) = 1;",
        "SIGSEGV: null pointer, write to 0x8, at 0x",
    ),
    (
        // Words on the stack that are code's addresses but for the bits that no address has.
        "null_among_odd_words",
        "volatile unsigned long odd[64];
    for (int i = 0; i < 64; i++) odd[i] = ((long)main + i) ^ 1L << (47 + i % 17);
    *(volatile int *)(8L + zero) = odd[zero];",
        "SIGSEGV: null pointer, write to 0x8, at 0x",
    ),
    (
        "null_read",
        "return *(volatile int *)(16L + zero);",
        "SIGSEGV: null pointer, read of 0x10, at 0x",
    ),
    (
        "null_call",
        "((void (*)(void))(long)zero)();",
        "SIGSEGV: null pointer, jump to 0x0, at 0x0",
    ),
    (
        "stack_overflow",
        "volatile char top = 0; return deep(&top, 0);",
        "SIGSEGV: stack overflow, write to 0x1",
    ),
    (
        "write_to_constant",
        "static const int constant = 5; *(volatile int *)&constant = 1;",
        "SIGSEGV: write to memory that is read-only, write to 0x",
    ),
    (
        "write_to_code",
        "*(volatile char *)main = 1;",
        "SIGSEGV: write to memory that is read-only, write to 0x",
    ),
    (
        "write_to_table",
        "extern long __muslin_slot_20[2]; __muslin_slot_20[0] = 1; return puts(\"not sealed\");",
        "SIGSEGV: write to memory that is read-only, write to 0x",
    ),
    (
        "execute_data",
        "static unsigned char code[] = {0xc3}; ((void (*)(void))code)();",
        "SIGSEGV: execution of data, jump to 0x",
    ),
    (
        "execute_stack",
        "unsigned char code[16] = {0xc3}; __asm__ volatile(\"call *%0\" :: \"r\"(code) : \"memory\");",
        "SIGSEGV: execution of data, jump to 0x",
    ),
    (
        "forbidden",
        "char *p = pages(2); p[PAGE] = 1; mprotect(p + PAGE, PAGE, PROT_NONE); return p[PAGE];",
        "SIGSEGV: access to memory that forbids it, read of 0x",
    ),
    (
        "protected",
        "char *p = pages(2); p[0] = 1; mprotect(p, PAGE, PROT_READ); p[1] = p[0];",
        "SIGSEGV: write to memory that is read-only, write to 0x",
    ),
    (
        "unmapped",
        "char *p = pages(2); p[0] = 1; munmap(p, 2 * PAGE); p[0] = 2;",
        "SIGSEGV: wild pointer, write to 0x",
    ),
    (
        "behind_file",
        "int fd = syscall(SYS_memfd_create, \"file\", 0); ftruncate(fd, 10);
    char *p = mmap(0, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0); p[9] = 1; p[PAGE] = 2;",
        "SIGBUS: memory behind the end of the file that is mapped there, write to 0x",
    ),
    (
        "wild",
        "return *(volatile int *)0x700000000;",
        "SIGSEGV: wild pointer, read of 0x700000000, at 0x",
    ),
    (
        "not_canonical",
        "*(volatile int *)0x8000000000000000 = 1;",
        "SIGSEGV: general protection fault, at 0x",
    ),
    (
        "division",
        "volatile int one = 1; return one / zero;",
        "SIGFPE: division error, at 0x",
    ),
    (
        "invalid",
        "__builtin_trap();",
        "SIGILL: invalid instruction, at 0x",
    ),
    (
        "freed_twice",
        "char *volatile p = malloc(100), *volatile kept = malloc(100); free(p); free(p);",
        "SIGSEGV: the C library gave up, as it does when it finds its memory damaged, at 0x",
    ),
    (
        "breakpoint",
        "__asm__ volatile(\"int3\");",
        "SIGTRAP: breakpoint, at 0x",
    ),
    (
        "blocked",
        "sigset_t all; sigfillset(&all); sigprocmask(SIG_BLOCK, &all, 0);
    signal(SIGSEGV, exit);
    return *(volatile int *)(16L + zero);",
        "SIGSEGV: null pointer, read of 0x10, at 0x",
    ),
    (
        "ignored",
        "signal(SIGSEGV, SIG_IGN); return *(volatile int *)(16L + zero);",
        "SIGSEGV: null pointer, read of 0x10, at 0x",
    ),
    (
        "handled_once",
        "void once(int number) { signal(number, SIG_DFL); puts(\"once\"); fflush(stdout); }
    signal(SIGSEGV, once);
    *(volatile int *)(8L + zero) = 1;",
        "SIGSEGV: null pointer, write to 0x8, at 0x",
    ),
    (
        "in_its_handler",
        "void again(int number) { *(volatile int *)(24L + zero) = number; }
    signal(SIGSEGV, again);
    *(volatile int *)(8L + zero) = 1;",
        "SIGSEGV: null pointer, write to 0x18, at 0x",
    ),
    (
        "no_room_for_handler",
        "signal(SIGSEGV, exit); volatile char top = 0; return deep(&top, 0);",
        "SIGSEGV: stack overflow, write to 0x1",
    ),
];

/// Stacks of Rust that overflow: its library says so of threads.
const RUST: &str = r#"
fn deep(depth: u64) -> u64 {
    let room = std::hint::black_box([depth; 64]);
    deep(depth + 1) + room[(depth % 64) as usize]
}
fn main() {
    if std::env::args().len() == 1 {
        std::hint::black_box(deep(0));
    }
    let thread = std::thread::Builder::new().name("diver".into());
    let _ = thread.spawn(|| std::hint::black_box(deep(0))).unwrap().join();
}
"#;

const RUST_MANIFEST: &str = "\
[package]
name = \"deep\"
version = \"0.1.0\"
edition = \"2024\"
[workspace]
";

/// What a program does, whose output is the same everywhere.
const WORKS: &[(&str, &str)] = &[
    (
        "protections",
        r#"
    unsigned char *p = (void *)pages(3);
    memcpy(p, "\xb8\x2a\0\0\0\xc3", 6); /* mov $42, %eax; ret */
    printf("%d ", mprotect(p, PAGE, PROT_READ | PROT_EXEC));
    printf("%d ", ((int (*)(void))p)());
    p[PAGE] = 7;
    printf("%d ", mprotect(p + PAGE, PAGE, PROT_NONE));
    printf("%zd ", write(1, p + PAGE, 1));
    printf("%d ", mprotect(p + PAGE, PAGE, PROT_READ));
    printf("%d ", p[PAGE]);
    printf("%d ", mprotect(p, 3 * PAGE, PROT_READ | PROT_WRITE));
    p[0] = p[PAGE] = p[2 * PAGE] = 1;
    printf("%d\n", madvise(p, 3 * PAGE, MADV_DONTNEED));
    printf("%d %d\n", p[0], p[2 * PAGE]);"#,
    ),
    (
        "reserved",
        r#"
    size_t size = 1UL << 40;
    char *p = mmap(0, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    printf("%d\n", p != MAP_FAILED);
    printf("%d\n", mprotect(p + size / 2, 4 * PAGE, PROT_READ | PROT_WRITE));
    memset(p + size / 2, 3, 4 * PAGE);
    printf("%d\n", p[size / 2 + 4 * PAGE - 1]);
    printf("%d\n", munmap(p, size));"#,
    ),
    (
        "instruction",
        r#"
    char in[16] = "0123456789abcde", out[16] = "";
    long answer, kept = 0;
    write(1, "by the table\n", 13);
    /* Every register but three is kept, and what lies below the stack pointer. */
    __asm__ volatile(
        "movdqu %2, %%xmm0; movdqu %2, %%xmm15\n"
        "movq $0x77, -8(%%rsp); movq $0x78, -128(%%rsp)\n"
        "mov $0x11, %%rbx; mov $0x12, %%r12; mov $0x13, %%r8; mov $0x14, %%r9; mov $0x15, %%r10\n"
        "mov $39, %%eax; syscall; mov %%rax, %0\n"
        "xor %%ecx, %%ecx\n"
        "cmp $0x11, %%rbx; jne 1f; cmp $0x12, %%r12; jne 1f; cmp $0x13, %%r8; jne 1f\n"
        "cmp $0x14, %%r9; jne 1f; cmp $0x15, %%r10; jne 1f\n"
        "cmpq $0x77, -8(%%rsp); jne 1f; cmpq $0x78, -128(%%rsp); jne 1f\n"
        "inc %%ecx\n"
        "1: movdqu %%xmm15, %3; mov %%rcx, %1"
        : "=&m"(answer), "=&m"(kept) : "m"(in), "m"(out)
        : "rax", "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "xmm0", "xmm15", "cc", "memory");
    printf("%d %ld %s\n", answer == getpid(), kept, out);
    const char *text = "by the instruction\n";
    __asm__ volatile("syscall" : "=a"(answer) : "0"(SYS_write), "D"(1), "S"(text), "d"(strlen(text))
                     : "rcx", "r11", "memory");
    fflush(stdout);
    printf("%ld\n", answer);
    /* Nothing else names this number. */
    static char names[6][65];
    __asm__ volatile("syscall" : "=a"(answer) : "0"(SYS_uname), "D"(names) : "rcx", "r11", "memory");
    printf("%ld %s\n", answer, names[0]);
    __asm__ volatile("syscall" : "=a"(answer) : "0"(SYS_write), "D"(1), "S"(8L + zero), "d"(1L)
                     : "rcx", "r11", "memory");
    printf("%ld\n", answer);"#,
    ),
];

/// A call is made where the stack ends. It is answered on another one.
const AT_THE_END: &str = r#"
#include <string.h>
#include <unistd.h>
__attribute__((noinline)) static int down(volatile char *above)
{
    volatile char here[16];
    here[0] = above[0];
    if ((unsigned long)here < 0x20000 + 400)
        return (int)write(1, "x", 1);
    return down(here) + here[0];
}
int main(void)
{
    volatile char top = 0;
    return down(&top);
}
"#;

#[test]
fn faults_are_named_and_memory_is_protected() {
    const TEST: &str = "faults_are_named_and_memory_is_protected";
    let (Some(linux), Some(hvt)) = (sysroot(TEST), hvt(TEST)) else {
        return;
    };
    let lab = match Lab::find() {
        Ok(lab) => lab,
        Err(why) => return skip(TEST, &why),
    };
    let dir = directory("faults");
    let mut batch = Batch::default();
    let faults = FAULTS.iter().map(|&(name, body, _)| (name, body));
    for (name, body) in faults.chain(WORKS.iter().copied()) {
        let main = format!(
            "{COMMON}int main(void)\n{{\n    puts(\"before\");\n    fflush(stdout);\n    {body}\n    return 0;\n}}\n"
        );
        make(linux, &dir, &format!("{name}.linux"), &main);
        make(hvt, &dir, name, &main);
        add(&mut batch, &dir, name);
    }
    make(hvt, &dir, "at_the_end", AT_THE_END);
    add(&mut batch, &dir, "at_the_end");
    let has_rust = has(TEST, "cargo");
    if has_rust {
        add_rust(&mut batch, hvt, &dir);
    }

    let mut outcomes = lab.run(&batch).unwrap();
    let rust = outcomes.split_off(FAULTS.len() + WORKS.len() + 1);
    assert_eq!(rust.len(), if has_rust { 2 } else { 0 });
    if let [main, diver] = rust.as_slice() {
        // Of the first thread Rust's library for musl does not know where its stack ends.
        check_fault(
            "main",
            main,
            Some(11),
            "SIGSEGV: stack overflow, write to 0x1",
        );
        let text = String::from_utf8_lossy(&diver.output);
        let is_said = |line: &str| {
            line.starts_with("thread 'diver'") && line.ends_with("has overflowed its stack")
        };
        assert!(text.lines().any(is_said), "{text}");
        assert_eq!(diver.ending, Ending::Status(134), "{text}");
    }
    let (faulted, others) = outcomes.split_at(FAULTS.len());
    for (&(name, _, said), outcome) in FAULTS.iter().zip(faulted) {
        let signal = on_linux(&dir, name).status.signal();
        check_fault(name, outcome, signal, said);
    }
    let (worked, last) = others.split_at(WORKS.len());
    for (&(name, _), outcome) in WORKS.iter().zip(worked) {
        let linux = on_linux(&dir, name);
        assert!(linux.status.success(), "{name}: {linux:?}");
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(said(&outcome.output), said(&linux.stdout), "{name}");
        assert_eq!(outcome.ending, Ending::Status(0), "{name}");
    }
    let written = Ending::Status(1);
    assert_eq!((&last[0].output[..], last[0].ending), (&b"x"[..], written));
}

fn add_rust(batch: &mut Batch, sysroot: &Path, dir: &Path) {
    write(dir, &[("Cargo.toml", RUST_MANIFEST), ("src/main.rs", RUST)]);
    let mut build = muslin();
    build.args(["cargo", "--platform", "solo5-hvt", "build"]);
    succeed(build.env("MUSLIN_SYSROOT", sysroot).current_dir(dir));
    let image = dir.join("target/muslin-solo5-hvt/x86_64-unknown-linux-musl/debug/deep");
    batch.files.push(("deep".to_owned(), image));
    for words in [&["deep"][..], &["deep", "thread"]] {
        let words = [&["muslin", "run", "--mem", "64"], words].concat();
        batch.jobs.push(Job::new(&words, LIMIT));
    }
}

fn make(sysroot: &Path, dir: &Path, name: &str, source: &str) {
    let file = format!("{name}.c");
    write(dir, &[(&file, source)]);
    succeed(driver(sysroot, dir).args(["-O1", "-w", &file, "-o", name]));
}

fn add(batch: &mut Batch, dir: &Path, name: &str) {
    batch.files.push((name.to_owned(), dir.join(name)));
    let words = ["muslin", "run", "--mem", "16", name];
    batch.jobs.push(Job::new(&words, LIMIT));
}

fn on_linux(dir: &Path, name: &str) -> Output {
    let program = dir.join(format!("{name}.linux"));
    Command::new(program).output().unwrap()
}

fn check_fault(name: &str, outcome: &Outcome, signal: Option<i32>, said: &str) {
    let text = String::from_utf8_lossy(&outcome.output);
    let expected = signal.map(|signal| Ending::Status(128 + signal));
    assert_eq!(Some(outcome.ending), expected, "{name}: {text}");
    let first = text.lines().find(|line| line.starts_with("muslin: "));
    let is_said = first.is_some_and(|line| {
        line.strip_prefix("muslin: the program was ended by ")
            .is_some_and(|rest| rest.starts_with(said))
    });
    assert!(is_said, "{name}: {text}");
    for register in [" rax 0x", " r15 0x", " rip 0x", " rsp 0x", " rflags 0x"] {
        assert!(text.contains(register), "{name}: no {register} in {text}");
    }
}

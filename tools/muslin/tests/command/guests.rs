//! Solo5 images in the built-in tender: hand-made guests, each a few instructions of assembler.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::lab::{
    MUSLIN, directory, driver, has, refuse, stderr, stdout, succeed, sysroot, with, write,
};

/// What all guests have: notes, and a few words to write with.
const COMMON: &str = r#"
    .intel_syntax noprefix
    .macro EXIT status
        mov eax, 231
        mov edi, \status
        syscall
    .endm
    .macro ASK nr, a=0, b=0, c=0, d=0
        mov eax, \nr
        mov rdi, \a
        mov rsi, \b
        mov rdx, \c
        mov r10, \d
        syscall
    .endm
    .macro FUNCTION name
        .globl \name
        .type \name, @function
        \name:
    .endm
    .section .note.solo5.abi,"a",@note
    .balign 16
    .long 6, 16, 0x31494241
    .ascii "Solo5\0\0\0"
    .long TARGET, VERSION, 0, 0
    .section .note.solo5.manifest,"a",@note
    .balign 32
    .long 6, 4 + 8 + 104 * (1 + DEVICES), 0x3154464d
    .ascii "Solo5\0\0\0"
    .long 0
    .long 1, 1 + DEVICES
    .zero 68
    .long 1 << 30
    .zero 32
    .if DEVICES
    .ascii "storage"
    .zero 61
    .long DEVICE_TYPE
    .zero 32
    .endif
    .section .note.GNU-stack,"",@progbits
    .text
    FUNCTION _start
"#;

/// A directory in which guests are made; `None` after saying why not.
fn guests(test: &str) -> Option<Guests> {
    has(test, "gcc").then(|| Guests {
        dir: directory(test),
    })
}

struct Guests {
    dir: PathBuf,
}

impl Guests {
    fn make(&self, name: &str, body: &str) -> PathBuf {
        self.make_with(name, body, &[])
    }

    fn make_with(&self, name: &str, body: &str, settings: &[(&str, u32)]) -> PathBuf {
        let mut source = String::new();
        let defaults = [
            ("TARGET", 2),
            ("VERSION", 2),
            ("DEVICES", 0),
            ("DEVICE_TYPE", 1),
        ];
        for (setting, value) in defaults.iter().chain(settings) {
            source.push_str(&format!(".set {setting}, {value}\n"));
        }
        let end = "\n.size _start, . - _start\n";
        let body = if body.contains("FUNCTION") {
            body.to_owned()
        } else {
            format!("{body}{end}")
        };
        source.push_str(&format!("{COMMON}{body}\n"));
        let file = format!("{name}.s");
        write(&self.dir, &[(&file, &source)]);
        let image = self.dir.join(name);
        succeed(
            Command::new("gcc")
                .args(["-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none"])
                .arg(self.dir.join(file))
                .arg("-o")
                .arg(&image),
        );
        image
    }

    fn run(&self, name: &str, body: &str) -> Output {
        let image = self.make(name, body);
        run(&image, &[])
    }
}

fn run(image: &Path, words: &[&str]) -> Output {
    with(["run", "--mem", "8"])
        .args(words)
        .arg(image)
        .output()
        .unwrap()
}

/// The first line on standard error, without what is the same in all.
#[track_caller]
fn reported(output: &Output, name: &str) -> String {
    let text = stderr(output);
    let line = text.lines().next().unwrap_or_default();
    let (_, what) = line
        .split_once(&format!("{name}: the guest was ended by "))
        .unwrap_or_else(|| panic!("no report in {text:?}"));
    what.to_owned()
}

#[test]
fn the_exit_status_of_a_guest_is_passed_on() {
    let Some(guests) = guests("guest-status") else {
        return;
    };
    for (status, seen) in [(0, 0), (1, 1), (42, 42), (255, 255), (263, 7)] {
        let output = guests.run("exit", &format!("EXIT {status}"));
        assert_eq!((output.status.code(), &*stderr(&output)), (Some(seen), ""));
    }
}

#[test]
fn a_guest_writes_what_it_was_told() {
    let Some(guests) = guests("guest-words") else {
        return;
    };
    // The boot info's third word is the command line.
    let image = guests.make(
        "echo",
        "mov rbx, [rdi + 16]
         xor r12d, r12d
         1: cmp byte ptr [rbx + r12], 0
         je 2f
         inc r12
         jmp 1b
         2: ASK 1, 1, rbx, r12
         cmp rax, r12
         setne dil
         movzx edi, dil
         mov eax, 231
         syscall",
    );
    let words = |words: &[&str]| {
        let output = with(["run"]).arg(&image).args(words).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        stdout(&output)
    };
    // Not an image of ours: its words are joined as a stock tender joins them.
    assert_eq!(words(&[]), "");
    assert_eq!(words(&["a", "-b", "--mem", "it's"]), "a -b --mem it's");
    assert_eq!(words(&["--", "--", "x"]), "-- x");
    let long = "x".repeat(8191);
    assert_eq!(words(&[&long]), long);
    refuse(
        with(["run"]).arg(&image).arg("x".repeat(8192)),
        126,
        &format!(
            "cannot run {}: the command line has 8192 bytes, and a guest takes 8191; shorten it",
            image.display()
        ),
    );
    refuse(
        with(["run", "--env", "A=1"]).arg(&image),
        2,
        &format!(
            "{} is an image without an environment; leave out --env",
            image.display()
        ),
    );
}

#[test]
fn what_a_guest_may_do_works() {
    let Some(guests) = guests("guest-calls") else {
        return;
    };
    // A timer of one millisecond; then the thread pointer, and both clocks.
    let output = guests.run(
        "calls",
        "mov r12d, [rdi + 32]
         mov r13d, [rdi + 36]
         sub rsp, 128
         ASK 228, 1, rsp
         mov qword ptr [rsp], 0
         mov qword ptr [rsp + 8], 0
         mov qword ptr [rsp + 16], 0
         mov qword ptr [rsp + 24], 1000000
         ASK 286, r13, 0, rsp
         test rax, rax
         jnz fail
         lea rsi, [rsp + 64]
         mov edi, r12d
         mov edx, 4
         mov r10d, -1
         xor r8d, r8d
         mov eax, 281
         syscall
         cmp rax, 1
         jne fail
         mov eax, 0xfffffffe
         cmp [rsp + 68], rax
         jne fail
         ASK 228, 0, rsp
         test rax, rax
         jnz fail
         cmp qword ptr [rsp], 1000000000
         jl fail
         ASK 158, 0x1002, rsp
         test rax, rax
         jnz fail
         rdfsbase rax
         cmp rax, rsp
         jne fail
         EXIT 3
         fail: EXIT 9",
    );
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
}

#[test]
fn any_other_call_ends_the_guest_and_is_named() {
    let Some(guests) = guests("guest-forbidden") else {
        return;
    };
    for (call, name) in [
        ("ASK 39", "getpid(0x0, 0x0, 0x0, 0x0)"),
        ("ASK 9, 0, 4096, 3, 34", "mmap(0x0, 0x1000, 0x3, 0x22)"),
        ("ASK 1, 2, 0x401000, 1", "write(0x2, 0x401000, 0x1, 0x0)"),
        ("ASK 0, 0, rsp, 1", "read(0x0, 0x7ffff8, 0x1, 0x0)"),
        ("ASK 228, 7, rsp", "clock_gettime(0x7, 0x7ffff8, 0x0, 0x0)"),
        (
            "ASK 158, 0x1003, rsp",
            "arch_prctl(0x1003, 0x7ffff8, 0x0, 0x0)",
        ),
        ("ASK 17, 3, rsp, 512", "pread64(0x3, 0x7ffff8, 0x200, 0x0)"),
        ("ASK 59", "execve(0x0, 0x0, 0x0, 0x0)"),
        ("ASK 13, 11", "rt_sigaction(0xb, 0x0, 0x0, 0x0)"),
        ("ASK 60, 3", "exit(0x3, 0x0, 0x0, 0x0)"),
        ("ASK 511", "call 511(0x0, 0x0, 0x0, 0x0)"),
        // write(1, ...) by x32's number.
        (
            "ASK 0x40000001, 1, rsp, 1",
            "call 1073741825(0x1, 0x7ffff8, 0x1, 0x0)",
        ),
    ] {
        let output = guests.run("call", &format!("nop; {call}; EXIT 0"));
        assert_eq!(output.status.code(), Some(159), "{call}");
        let report = reported(&output, "call");
        let expected =
            format!("SIGSYS: {name} is not a call that the sandbox allows, in _start+0x");
        assert!(report.starts_with(&expected), "{report}");
    }
    // A 32-bit call ends it as well, but nobody is asked.
    let output = guests.run("call", "mov eax, 4; int 0x80; EXIT 0");
    assert_eq!(output.status.code(), Some(159), "{}", stderr(&output));
}

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

#[test]
fn memory_is_what_was_asked_for() {
    let Some(guests) = guests("guest-memory") else {
        return;
    };
    // Returns the memory in MiB, after writing to its last word.
    let image = guests.make(
        "memory",
        "mov rax, [rdi]
         mov [rax - 8], rax
         shr rax, 20
         mov edi, eax
         mov eax, 231
         syscall",
    );
    for mib in [5, 6, 64, 255] {
        let output = with(["run", "--mem", &mib.to_string()])
            .arg(&image)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(mib), "{}", stderr(&output));
    }
    // The default is 512 MiB, whose lowest byte is 0.
    assert_eq!(with(["run"]).arg(&image).status().unwrap().code(), Some(0));
    let shown = image.display();
    for (mib, line) in [
        (
            "0",
            "the image does not fit into 0 MiB of memory; give it at least --mem 5",
        ),
        (
            "1",
            "the image does not fit into 1 MiB of memory; give it at least --mem 5",
        ),
        (
            "4",
            "the image does not fit into 4 MiB of memory; give it at least --mem 5",
        ),
        (
            "18446744073709551615",
            "18446744073709551615 MiB is more memory than there are addresses; give a smaller --mem",
        ),
        (
            "1000000000",
            "cannot get 1000000000 MiB of guest memory: cannot allocate memory; see --mem for the guest's memory",
        ),
    ] {
        refuse(
            with(["run", "--mem", mib]).arg(&image),
            126,
            &format!("cannot run {shown}: {line}"),
        );
    }
    refuse(
        with(["run", "--mem", "x"]).arg(&image),
        2,
        "invalid value 'x' for '--mem <MIB>': invalid digit found in string; see muslin --help",
    );
}

/// Reads sector 1, adds one to its first byte, and writes it as sector 2; exits with that byte.
const COPY: &str = "\
    mov rbx, [rdi + 24]
    mov r13, rdi
    movzx ecx, byte ptr [rbx + 8 + 104 + 96]
    cmp ecx, 1
    jne fail
    mov r12d, [rbx + 8 + 104 + 88]
    sub rsp, 512
    ASK 17, r12, rsp, 512, 512
    cmp rax, 512
    jne fail
    inc byte ptr [rsp]
    ASK 18, r12, rsp, 512, 1024
    cmp rax, 512
    jne fail
    movzx edi, byte ptr [rsp]
    mov eax, 231
    syscall
    fail: EXIT 99";

#[test]
fn a_file_plays_a_block_device() {
    let Some(guests) = guests("guest-block") else {
        return;
    };
    let image = guests.make_with("copy", COPY, &[("DEVICES", 1)]);
    let disk = guests.dir.join("disk");
    let mut content = vec![0; 3 * 512];
    content[512] = 41;
    fs::write(&disk, &content).unwrap();
    let given = format!("storage={}", disk.display());
    let output = run(&image, &["--block", &given]);
    assert_eq!(output.status.code(), Some(42), "{}", stderr(&output));
    content[1024] = 42;
    assert_eq!(fs::read(&disk).unwrap(), content);

    let shown = image.display();
    let disk_shown = disk.display().to_string();
    let refused = |words: &[&str], line: &str| {
        refuse(
            with(["run"]).args(words).arg(&image),
            126,
            &format!("cannot run {shown}: {line}"),
        );
    };
    refused(
        &[],
        "the image declares the block device 'storage', which is not given; give it a file: --block storage=FILE",
    );
    refused(
        &["--block", &given, "--block", &given],
        "block device 'storage' is given twice; give each device one file",
    );
    refused(
        &["--block", &given, "--block", "other=disk"],
        "the image declares no block device 'other'; leave out its --block, or declare it when linking",
    );
    for bytes in [0, 511, 513] {
        fs::write(&disk, vec![0; bytes]).unwrap();
        refused(
            &["--block", &given],
            &format!(
                "{disk_shown} has {bytes} bytes, which is not a whole number of sectors; make it a multiple of 512 bytes"
            ),
        );
    }
    fs::write(&disk, vec![0; 1536]).unwrap();
    for (size, line) in [
        (
            "storage=1024",
            format!(
                "cannot run {shown}: {disk_shown} has 1536 bytes, which is not a whole number of sectors; make it a multiple of 1024 bytes"
            ),
        ),
        (
            "storage=513",
            format!(
                "cannot run {shown}: 'storage' cannot have sectors of 513 bytes; give a power of two from 512 to 32768"
            ),
        ),
    ] {
        refuse(
            with(["run", "--block", &given, "--block-sector-size", size]).arg(&image),
            126,
            &line,
        );
    }
    refuse(
        with(["run", "--block-sector-size:storage=512"]).arg(&image),
        2,
        "a sector size is given for 'storage', but no file; give it one: --block storage=FILE",
    );
    refuse(
        with(["run", "--block", "storage"]).arg(&image),
        2,
        "--block wants NAME=FILE, not 'storage'; name the image's device and a file",
    );
}

#[test]
fn sectors_may_be_larger() {
    let Some(guests) = guests("guest-sectors") else {
        return;
    };
    // A read of 4096 bytes is a sector here, and one of 512 is none.
    let body = "mov rbx, [rdi + 24]
        mov r12d, [rbx + 8 + 104 + 88]
        sub rsp, 4096
        ASK 17, r12, rsp, 4096, 4096
        mov ebx, eax
        ASK 17, r12, rsp, 512, 0
        EXIT 0";
    let image = guests.make_with("sectors", body, &[("DEVICES", 1)]);
    let disk = guests.dir.join("disk");
    fs::write(&disk, vec![7; 8192]).unwrap();
    let given = format!("storage={}", disk.display());
    let output = run(
        &image,
        &["--block", &given, "--block-sector-size", "storage=4096"],
    );
    assert_eq!(output.status.code(), Some(159));
    assert!(
        stderr(&output).contains("rbx 0000000000001000"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_block_device_cannot_grow() {
    let Some(guests) = guests("guest-block-end") else {
        return;
    };
    let disk = guests.dir.join("disk");
    fs::write(&disk, vec![7; 1024]).unwrap();
    let given = format!("storage={}", disk.display());
    for (nr, bytes, offset) in [
        (18, 512, 513),
        (18, 512, 1024),
        (18, 1024, 0),
        (18, 512, -512),
        (17, 512, 1024),
    ] {
        let body = format!(
            "mov rbx, [rdi + 24]
             mov r12d, [rbx + 8 + 104 + 88]
             sub rsp, 1024
             ASK {nr}, r12, rsp, {bytes}, {offset}
             EXIT 0"
        );
        let image = guests.make_with("end", &body, &[("DEVICES", 1)]);
        let output = run(&image, &["--block", &given]);
        assert_eq!(output.status.code(), Some(159), "{nr} {bytes} {offset}");
    }
    assert_eq!(fs::read(&disk).unwrap(), [7; 1024]);
}

#[test]
fn images_for_others_are_refused_by_name() {
    let Some(guests) = guests("guest-others") else {
        return;
    };
    for (settings, line) in [
        (
            &[("TARGET", 3)][..],
            "the image is for Solo5 target 3; link it with --platform solo5-spt or solo5-hvt",
        ),
        (
            &[("VERSION", 3)],
            "the image wants version 3 of the ABI of solo5-spt; this tender has 1 and 2; link it again with muslin cc or muslin cargo",
        ),
        (
            &[("TARGET", 1), ("VERSION", 3)],
            "the image wants version 3 of the ABI of solo5-hvt; this tender has 1 and 2; link it again with muslin cc or muslin cargo",
        ),
        (
            &[("DEVICES", 1), ("DEVICE_TYPE", 2)],
            "the image declares the network device 'storage', which is not given; give it an interface: --net storage=TAP",
        ),
        (
            &[("DEVICES", 1), ("DEVICE_TYPE", 77)],
            "the image's manifest gives device 1 the unknown type 77; link it again with muslin cc or muslin cargo",
        ),
    ] {
        let image = guests.make_with("other", "EXIT 0", settings);
        refuse(
            with(["run"]).arg(&image),
            126,
            &format!("cannot run {}: {line}", image.display()),
        );
    }
    // The older version is the same to a guest.
    let image = guests.make_with("older", "EXIT 5", &[("VERSION", 1)]);
    assert_eq!(run(&image, &[]).status.code(), Some(5));
    refuse(
        with(["run", "--count"]).arg(&image),
        2,
        &format!(
            "--count is not for Solo5 images as {} is; link it for Linux",
            image.display()
        ),
    );
}

#[test]
fn options_for_guests_are_not_for_linux_images() {
    let Some(sysroot) = sysroot("guest-options") else {
        return;
    };
    let dir = directory("guest-options");
    write(&dir, &[("main.c", "int main(void) { return 0; }\n")]);
    succeed(driver(sysroot, &dir).args(["main.c", "-o", "main"]));
    refuse(
        with(["run", "--mem", "8", "main"]).current_dir(&dir),
        2,
        "--mem is for Solo5 images only, not for main; leave it out",
    );
}

#[test]
fn a_guest_does_not_outlive_the_tender() {
    let Some(guests) = guests("guest-outlives") else {
        return;
    };
    let image = guests.make(
        "waits",
        "mov r12d, [rdi + 32]
         lea rbx, [rip + text]
         ASK 1, 1, rbx, 3
         sub rsp, 64
         mov edi, r12d
         mov rsi, rsp
         mov edx, 1
         mov r10d, -1
         xor r8d, r8d
         mov eax, 281
         syscall
         EXIT 1
         text: .ascii \"up\\n\"",
    );
    for signal in [Signal::KILL, Signal::TERM] {
        let mut tender = with(["run", "--mem", "8"])
            .arg(&image)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut out = tender.stdout.take().unwrap();
        let mut up = [0; 3];
        out.read_exact(&mut up).unwrap();
        assert_eq!(&up, b"up\n");
        kill_process(Pid::from_child(&tender), signal).unwrap();
        // The end of the pipe: the guest, which has the other end, is gone as well.
        assert_eq!(out.read(&mut up).unwrap(), 0);
        assert_eq!(tender.wait().unwrap().signal(), Some(signal.as_raw()));
    }
}

#[test]
fn a_guest_whose_reader_is_gone_ends() {
    let Some(guests) = guests("guest-pipe") else {
        return;
    };
    let image = guests.make("writes", "1: ASK 1, 1, 0x401000, 1; jmp 1b");
    let mut tender = with(["run", "--mem", "8"])
        .arg(&image)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(tender.stdout.take());
    let output = tender.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(128 + 13));
    assert_eq!(reported(&output, "writes"), "SIGPIPE");
}

/// The same numbers in every run: a small linear congruential generator.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % below
    }
}

#[test]
fn damaged_images_end_with_one_line() {
    let Some(guests) = guests("guest-damaged") else {
        return;
    };
    let image = guests.make_with("copy", COPY, &[("DEVICES", 1)]);
    let whole = fs::read(&image).unwrap();
    let disk = guests.dir.join("disk");
    fs::write(&disk, vec![41; 3 * 512]).unwrap();
    let given = format!("storage={}", disk.display());
    let damaged = guests.dir.join("damaged");
    let mut numbers = Numbers(20_261_120);
    let (mut refused, mut started) = (0, 0);
    for round in 0..150 {
        let mut bytes = whole.clone();
        for _ in 0..=numbers.next(4) {
            // The headers and the notes are in the first bytes.
            bytes[numbers.next(1024)] = numbers.next(256) as u8;
        }
        fs::write(&damaged, &bytes).unwrap();
        // Damage may make a loop: the limit ends it.
        let output = Command::new("sh")
            .args(["-c", "ulimit -t 1; exec \"$@\"", "sh", MUSLIN, "run"])
            .args(["--mem", "8", "--block", &given])
            .arg(&damaged)
            .output()
            .unwrap();
        let text = stderr(&output);
        let lines = text.lines().filter(|line| line.starts_with("muslin: "));
        let status = output.status.code();
        assert_ne!(status, Some(101), "round {round}: {text}");
        assert_eq!(output.status.signal(), None, "round {round}: {text}");
        if status == Some(126) {
            refused += 1;
        } else {
            started += 1;
        }
        // A guest that exits says nothing.
        let expected = usize::from(status == Some(126) || !text.is_empty());
        assert_eq!(lines.count(), expected, "round {round}: {text}");
    }
    // Both happen, or the damage is of the wrong kind.
    assert!(refused > 20 && started > 20, "{refused} {started}");
}

/// Writes a frame of 60 bytes; exits with what that returns, if device and address are told right.
const FRAME: &str = "\
    mov rbx, [rdi + 24]
    lea rbx, [rbx + 8 + 104]
    cmp byte ptr [rbx + 96], 1
    jne wrong
    cmp word ptr [rbx + 78], 1500
    jne wrong
    cmp byte ptr [rbx + 77], 9
    jne wrong
    mov r12d, [rbx + 88]
    sub rsp, 64
    mov rdi, rsp
    mov ecx, 60
    mov al, 255
    rep stosb
    ASK 1, r12, rsp, 60
    mov edi, eax
    mov eax, 231
    syscall
    wrong: EXIT 99";

#[test]
fn an_interface_plays_a_network_device() {
    let test = "guest-net";
    let Some(guests) = guests(test) else {
        return;
    };
    if !has(test, "ip") || !has(test, "unshare") {
        return;
    }
    let devices = [("DEVICES", 1), ("DEVICE_TYPE", 2)];
    let image = guests.make_with("frame", FRAME, &devices);
    sends_a_frame(test, &image);
    // This guest is so small that any KVM will do.
    if let Err(error) = fs::File::options().read(true).write(true).open("/dev/kvm") {
        println!("skipped: {test}: on hvt: /dev/kvm: {error}");
        return;
    }
    let [type_, size] = devices;
    let image = guests.make_with("frame.hvt", MACHINE_FRAME, &[("TARGET", 1), type_, size]);
    sends_a_frame(test, &image);
}

/// The same by hypercalls; and there is a frame to be read, or there is none yet.
const MACHINE_FRAME: &str = "\
    mov rbx, [rdi + 32]
    lea rbx, [rbx + 8 + 104]
    cmp byte ptr [rbx + 96], 1
    jne wrong
    cmp word ptr [rbx + 78], 1500
    jne wrong
    cmp byte ptr [rbx + 77], 9
    jne wrong
    mov eax, offset transfer
    mov edx, 0x506
    out dx, eax
    cmp dword ptr [transfer + 24], 0
    jne wrong
    mov qword ptr [transfer + 16], 1514
    mov eax, offset transfer
    mov edx, 0x507
    out dx, eax
    cmp dword ptr [transfer + 24], 1
    ja wrong
    mov dword ptr [halt + 8], 60
    wrong:
    mov eax, offset halt
    mov edx, 0x508
    out dx, eax
    .data
    .balign 8
    halt: .quad 0, 99
    transfer: .quad 1, frame, 60, 77
    frame: .fill 60, 1, 255
    .zero 2048
    .text";

/// Runs it in a network of its own, in which everything is gone at the end.
fn sends_a_frame(test: &str, image: &Path) {
    let script = "ip tuntap add tap7 mode tap && ip link set tap7 up || exit 77
        \"$0\" run --mem 8 --net:storage=tap7 --net-mac storage=02:0:0:0:0:9 \"$1\"
        echo \"status $?\"
        ip -s link show tap7";
    let output = Command::new("unshare")
        .args(["--net", "sh", "-c", script, MUSLIN])
        .arg(image)
        .output()
        .unwrap();
    if output.status.code() == Some(77) || stderr(&output).contains("unshare") {
        println!("skipped: {test}: this user may not make interfaces");
        return;
    }
    let shown = stdout(&output);
    assert!(
        shown.starts_with("status 60\n"),
        "{shown}{}",
        stderr(&output)
    );
    let words: Vec<&str> = shown.split_whitespace().collect();
    let received = words.iter().position(|word| *word == "RX:").unwrap();
    assert!(words[received..].contains(&"60"), "{shown}");
}

#[test]
fn interfaces_that_cannot_be_used_are_refused() {
    let Some(guests) = guests("guest-net-wrong") else {
        return;
    };
    let image = guests.make_with("net", "EXIT 0", &[("DEVICES", 1), ("DEVICE_TYPE", 2)]);
    let shown = image.display();
    let refused = |words: &[&str], line: &str| {
        refuse(
            with(["run"]).args(words).arg(&image),
            126,
            &format!("cannot run {shown}: {line}"),
        );
    };
    refused(
        &["--net", "storage=nosuch0"],
        "cannot use interface 'nosuch0' for 'storage': there is none of that name; make it: ip tuntap add nosuch0 mode tap; ip link set nosuch0 up",
    );
    refused(
        &["--net", "storage=a%d"],
        "cannot use interface 'a%d' for 'storage': that is not the name of an interface; name a tap interface of this system, as `ip link` shows it",
    );
    refused(
        &["--net", "storage=@0"],
        "cannot use interface '@0' for 'storage': it is not a tap interface; give a descriptor of /dev/net/tun that is attached to a tap interface",
    );
    refused(
        &["--net", "other=tap0"],
        "the image declares no network device 'other'; leave out its --net, or declare it when linking",
    );
    refused(
        &["--net-mac", "storage=2:0:0:0:0:1"],
        "a hardware address is given for 'storage', but no interface; give it one: --net storage=TAP",
    );
    refuse(
        with(["run", "--net-mac", "storage=2:0:0:0:0"]).arg(&image),
        2,
        "--net-mac wants NAME=ADDRESS, not 'storage=2:0:0:0:0'; name the image's device and six bytes, as in a=02:00:00:00:00:01",
    );
}

#[test]
fn a_disk_has_one_user() {
    let Some(guests) = guests("guest-lock") else {
        return;
    };
    let image = guests.make_with("user", "EXIT 0", &[("DEVICES", 1)]);
    let disk = guests.dir.join("disk");
    fs::write(&disk, [0; 512]).unwrap();
    let given = format!("storage={}", disk.display());
    let held = fs::File::open(&disk).unwrap();
    held.lock().unwrap();
    refuse(
        with(["run", "--block", &given]).arg(&image),
        126,
        &format!(
            "cannot run {}: {} is in use by another program, which has locked it; end that one, or give a copy",
            image.display(),
            disk.display()
        ),
    );
    drop(held);
    assert_eq!(run(&image, &["--block", &given]).status.code(), Some(0));
}

#[test]
fn another_tender_gets_its_own_words() {
    let Some(guests) = guests("guest-tender") else {
        return;
    };
    let image = guests.make("any", "EXIT 0");
    let tender = guests.dir.join("tender");
    write(
        &guests.dir,
        &[("tender", "#!/bin/sh\nprintf '%s\\n' \"$@\"\nexit 5\n")],
    );
    fs::set_permissions(&tender, fs::Permissions::from_mode(0o755)).unwrap();
    let output = with(["run", "--mem", "8", "--block", "storage=disk", "--tender"])
        .arg(&tender)
        .args(["--net:service=tap0", "--net-mac=service=2:0:0:0:0:1"])
        .arg(&image)
        .args(["a", "b c"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(5));
    assert_eq!(
        stdout(&output),
        format!(
            "--mem=8\n--block:storage=disk\n--net:service=tap0\n--net-mac:service=2:0:0:0:0:1\n--\n{}\na b c\n",
            image.display()
        )
    );
    refuse(
        with(["run", "--tender", "/nonexistent/solo5-spt"]).arg(&image),
        127,
        "cannot run the tender /nonexistent/solo5-spt: no such file or directory; give --tender the path of solo5-spt or solo5-hvt",
    );
}

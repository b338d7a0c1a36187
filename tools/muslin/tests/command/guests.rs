//! Solo5 images in the built-in tender: hand-made guests, each a few instructions of assembler.

mod disks;
mod interfaces;
mod reports;

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
        "--mem is for guests only, not for main; leave it out",
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
    let image = guests.make_with("copy", disks::COPY, &[("DEVICES", 1)]);
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

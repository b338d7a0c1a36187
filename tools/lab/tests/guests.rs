//! The lab runs guests for hvt, wherever that is.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use muslin_lab::{Batch, Ending, Job, Lab, Outcome};
use muslin_tender::Options;
use rustix::process::{Pid, Signal, kill_process};

const LIMIT: Duration = Duration::from_secs(60);

/// Notes, and the macros by which guests make hypercalls.
const COMMON: &str = r#"
    .intel_syntax noprefix
    .macro CALL nr, arguments
        mov edx, 0x500 + \nr
        mov eax, offset \arguments
        out dx, eax
    .endm
    .macro EXIT status
        mov dword ptr [halt + 8], \status
        CALL 8, halt
    .endm
    .data
    .balign 8
    halt: .quad 0, 0
    .section .note.solo5.abi,"a",@note
    .balign 16
    .long 6, 16, 0x31494241
    .ascii "Solo5\0\0\0"
    .long 1, VERSION, 0, 0
    .section .note.solo5.manifest,"a",@note
    .balign 32
    .long 6, 4 + 8 + 104 * (1 + DEVICES + NETS), 0x3154464d
    .ascii "Solo5\0\0\0"
    .long 0
    .long 1, 1 + DEVICES + NETS
    .zero 68
    .long 1 << 30
    .zero 32
    .if DEVICES
    .ascii "storage"
    .zero 61
    .long 1
    .zero 32
    .endif
    .if NETS
    .ascii "service"
    .zero 61
    .long 2
    .zero 32
    .endif
    .section .note.GNU-stack,"",@progbits
    .text
    .globl _start
    .type _start, @function
    _start:
"#;

/// A guest: its name, how its image is made, what its command is given, what must come of it.
struct Case {
    name: &'static str,
    body: &'static str,
    version: u32,
    devices: u32,
    nets: u32,
    options: &'static [&'static str],
    ending: Ending,
    output: &'static str,
    complaint: &'static str,
}

const CASE: Case = Case {
    name: "",
    body: "EXIT 0",
    version: 2,
    devices: 0,
    nets: 0,
    options: &["--mem", "4"],
    ending: Ending::Status(0),
    output: "",
    complaint: "",
};

const CASES: &[Case] = &[
    Case {
        name: "hello",
        body: "CALL 2, puts
            EXIT 42
            .data
            .balign 8
            puts: .quad text, 6
            text: .ascii \"hello\\n\"",
        ending: Ending::Status(42),
        output: "hello\n",
        ..CASE
    },
    Case {
        name: "older",
        body: "EXIT 7",
        version: 1,
        ending: Ending::Status(7),
        ..CASE
    },
    Case {
        name: "arithmetic",
        // Ends with 6: by SSE and by x87.
        body: "mov eax, 2
            cvtsi2sd xmm0, eax
            addsd xmm0, xmm0
            cvtsd2si ebx, xmm0
            fld1
            fadd st(0), st(0)
            sub rsp, 8
            fistp dword ptr [rsp]
            add ebx, [rsp]
            mov [halt + 8], ebx
            CALL 8, halt",
        ending: Ending::Status(6),
        ..CASE
    },
    Case {
        name: "time",
        // It is after 2020, and the clock's frequency is told.
        body: "CALL 1, answer
            mov rax, [answer]
            mov rbx, 1577836800000000000
            cmp rax, rbx
            jb wrong
            cmp qword ptr [rdi + 16], 1000000
            jb wrong
            CALL 3, poll
            cmp dword ptr [poll + 16], 0
            jne wrong
            EXIT 0
            wrong: EXIT 1
            .data
            .balign 8
            answer: .quad 0
            poll: .quad 1000000, 77, 77",
        ..CASE
    },
    Case {
        name: "disk",
        // Reads sector 1, adds one to its first byte, writes it as sector 2.
        body: "CALL 5, transfer
            cmp dword ptr [transfer + 32], 0
            jne wrong
            inc byte ptr [sector]
            mov qword ptr [transfer + 8], 1024
            CALL 4, transfer
            cmp dword ptr [transfer + 32], 0
            jne wrong
            mov qword ptr [transfer + 8], 1536
            CALL 4, transfer
            cmp dword ptr [transfer + 32], 2
            jne wrong
            movzx eax, byte ptr [sector]
            mov [halt + 8], eax
            CALL 8, halt
            wrong: EXIT 99
            .data
            .balign 8
            transfer: .quad 1, 512, sector, 512, 77
            sector: .zero 512",
        devices: 1,
        options: &["--mem", "4", "--block", "storage=disk.img"],
        ending: Ending::Status(42),
        ..CASE
    },
    Case {
        name: "device",
        devices: 1,
        ending: Ending::Status(126),
        complaint: "the image declares the block device 'storage', which is not given; give it a file: --block storage=FILE",
        ..CASE
    },
    Case {
        name: "odd",
        options: &["--mem", "5"],
        complaint: "the guest gets 4 MiB of memory, not 5: on solo5-hvt it is a multiple of 2",
        ..CASE
    },
    Case {
        name: "too_much",
        options: &["--mem", "4098"],
        ending: Ending::Status(126),
        complaint: "4098 MiB is more than the 4096 MiB that a guest of solo5-hvt can have; give a smaller --mem",
        ..CASE
    },
    Case {
        name: "too_little",
        options: &["--mem", "1"],
        ending: Ending::Status(126),
        complaint: "the image does not fit into 1 MiB of memory; give it at least --mem 2",
        ..CASE
    },
    Case {
        name: "gives_up",
        body: "hlt",
        ending: Ending::Status(1),
        complaint: "the guest was stopped: hlt, by which a program gives up, in _start+0x",
        ..CASE
    },
    Case {
        name: "writes_code",
        // With tables of its own a guest can write everywhere, but for what the tender protects.
        body: "mov byte ptr [_start], 0x90
            EXIT 0",
        ending: Ending::Status(1),
        complaint: "the guest was stopped: host/guest translation fault",
        ..CASE
    },
    Case {
        name: "null",
        body: "mov eax, [8]",
        ending: Ending::Status(1),
        complaint: "the guest was stopped: triple fault, an exception for which the guest has no handler",
        ..CASE
    },
    Case {
        name: "port",
        body: "mov edx, 0x3f8
            out dx, al
            EXIT 0",
        ending: Ending::Status(1),
        complaint: "the guest was stopped: it wrote to port 0x3f8, where no hypercall is, in _start+0x",
        ..CASE
    },
    Case {
        name: "bad_text",
        body: "CALL 2, puts
            EXIT 0
            .data
            .balign 8
            puts: .quad 0x3fffff, 2",
        ending: Ending::Status(1),
        complaint: "bad hypercall puts: its text, 2 bytes at 0x3fffff, are not all in its memory, in _start+0x",
        ..CASE
    },
    Case {
        name: "bad_answer",
        body: "CALL 1, _start
            EXIT 0",
        ending: Ending::Status(1),
        complaint: "bad hypercall walltime: its arguments, 8 bytes at 0x",
        ..CASE
    },
    Case {
        name: "frames_by_the_ring",
        // Asks who has the router's address, and takes frames until there is an answer.
        body: "mov rbx, [rdi + 48]
            test dword ptr [rdi + 40], 1
            jz wrong
            cmp rbx, [rdi]
            jne wrong
            mov dword ptr [rbx + 128], 1
            mov dword ptr [rbx + 132], 1
            mov eax, offset question
            mov [rbx + 136], rax
            mov dword ptr [rbx + 144], 42
            mov dword ptr [rbx], 1
            again: mov ecx, [rbx]
            mov eax, ecx
            and eax, 1023
            shl eax, 5
            lea rsi, [rbx + rax + 128]
            mov dword ptr [rsi], 2
            mov dword ptr [rsi + 4], 1
            mov eax, offset frame
            mov [rsi + 8], rax
            mov dword ptr [rsi + 16], 1514
            mov [rsi + 20], ecx
            inc ecx
            mov [rbx], ecx
            mfence
            mov edx, 0x600
            xor eax, eax
            out dx, eax
            waiting: pause
            mov eax, [rbx + 4]
            cmp eax, [rbx + 68]
            je waiting
            and eax, 1023
            shl eax, 4
            lea rsi, [rbx + rax + 128 + 1024 * 32]
            inc dword ptr [rbx + 4]
            lea edx, [rcx - 1]
            cmp [rsi], edx
            jne wrong
            cmp dword ptr [rsi + 4], 1
            je again
            cmp dword ptr [rsi + 4], 0
            jne wrong
            cmp dword ptr [frame + 18], 0x02000406
            jne again
            EXIT 0
            wrong: EXIT 1
            .data
            question: .zero 6, 255
            .byte 2, 0, 0, 0, 0, 1, 8, 6
            .byte 0, 1, 8, 0, 6, 4, 0, 1
            .byte 2, 0, 0, 0, 0, 1, 10, 0, 2, 15
            .byte 0, 0, 0, 0, 0, 0, 10, 0, 2, 2
            frame: .zero 1514",
        nets: 1,
        options: &["--mem", "4", "--net", "service=user,dns=10.0.0.1"],
        ..CASE
    },
    Case {
        name: "too_much_in_the_ring",
        body: "mov rbx, [rdi + 48]
            mov dword ptr [rbx], 5000
            mfence
            mov edx, 0x600
            xor eax, eax
            out dx, eax
            again: CALL 3, poll
            jmp again
            .data
            .balign 8
            poll: .quad 1000000, 0, 0",
        nets: 1,
        options: &["--mem", "4", "--net", "service=user,dns=10.0.0.1"],
        ending: Ending::Status(1),
        complaint: "the ring of frames has 5000 entries, and it has room for 1024",
        ..CASE
    },
    Case {
        name: "fault_record",
        // What a guest that ends by a fault gives to its tender.
        body: "CALL 8, last
            .data
            .balign 8
            last: .quad record, 139
            record: .ascii \"MUSLINF1\"
            .quad 14, 2, 8, 2
            .quad _start + 1, 0x3ffff8, 2
            .zero 15 * 8
            .quad 0
            .zero 64 * 8",
        ending: Ending::Status(139),
        complaint: "the guest faulted: null pointer at 0x8, in _start+0x1",
        ..CASE
    },
];

#[test]
fn guests_run_and_end_as_they_should() {
    let lab = match Lab::find() {
        Ok(lab) => lab,
        Err(why) => {
            println!("skipped: {} guests: {why}", CASES.len());
            return;
        }
    };
    println!("{}", lab.about);
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab-guests");
    fs::create_dir_all(&dir).unwrap();
    let mut disk = vec![0; 3 * 512];
    disk[512] = 41;
    fs::write(dir.join("disk.img"), &disk).unwrap();
    let mut batch = Batch::default();
    batch
        .files
        .push(("disk.img".to_owned(), dir.join("disk.img")));
    for case in CASES {
        make(&dir, case);
        batch
            .files
            .push((case.name.to_owned(), dir.join(case.name)));
        let words = [&["muslin", "run"][..], case.options, &[case.name]].concat();
        batch.jobs.push(Job::new(&words, LIMIT));
    }
    make(&dir, &COUNTED);
    let counted = fs::read(dir.join(COUNTED.name)).unwrap();
    let entry = u64::from_le_bytes(counted[24..32].try_into().unwrap());
    let behind = format!("{:x}", entry + COUNTED_BYTES);
    for address in [&*behind, "12345"] {
        let words = ["muslin-lab-steps", COUNTED.name, address];
        batch.jobs.push(Job::new(&words, LIMIT));
    }
    batch
        .files
        .push((COUNTED.name.to_owned(), dir.join(COUNTED.name)));
    let outcomes = lab.run(&batch).unwrap();
    assert_eq!(outcomes.len(), CASES.len() + 2);
    for (case, outcome) in CASES.iter().zip(&outcomes) {
        check(case, outcome);
    }
    let [.., counted, astray] = &outcomes[..] else {
        panic!("{} outcomes", outcomes.len());
    };
    check(&COUNTED, counted);
    let expected = Case {
        ending: Ending::Status(1),
        output: "hello\n",
        complaint: "the guest never came to 0x12345: it ended with status 42: name an address",
        ..COUNTED
    };
    check(&expected, astray);
}

/// Executes fifteen instructions in its first [`COUNTED_BYTES`], three of them for a hypercall.
const COUNTED: Case = Case {
    name: "counted",
    body: "nop
        mov ecx, 5
        1: dec ecx
        jnz 1b
        CALL 2, puts
        nop
        EXIT 42
        .data
        .balign 8
        puts: .quad text, 6
        text: .ascii \"hello\\n\"",
    output: "hello\n15\n",
    ..CASE
};
const COUNTED_BYTES: u64 = 21;

fn check(case: &Case, outcome: &Outcome) {
    let output = String::from_utf8_lossy(&outcome.output);
    let complaints = String::from_utf8_lossy(&outcome.complaints);
    let name = case.name;
    assert_eq!(outcome.ending, case.ending, "{name}: {complaints}");
    assert_eq!(output, case.output, "{name}");
    assert!(complaints.contains(case.complaint), "{name}: {complaints}");
    assert_eq!(
        complaints.is_empty(),
        case.complaint.is_empty(),
        "{name}: {complaints}"
    );
}

fn make(dir: &Path, case: &Case) {
    let source = dir.join(format!("{}.s", case.name));
    let (version, body) = (case.version, case.body);
    let (devices, nets) = (case.devices, case.nets);
    let settings = format!(".set VERSION, {version}\n.set DEVICES, {devices}\n.set NETS, {nets}\n");
    fs::write(&source, format!("{settings}{COMMON}{body}\n")).unwrap();
    let output = Command::new("gcc")
        .args(["-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none"])
        .arg("-Wl,-Ttext-segment=0x100000")
        .arg(&source)
        .arg("-o")
        .arg(dir.join(case.name))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", case.name);
}

/// Waits for ten minutes.
const SLEEPER: Case = Case {
    name: "sleeper",
    body: "CALL 3, poll
        EXIT 0
        .data
        .balign 8
        poll: .quad 600000000000, 0, 0",
    ..CASE
};

#[test]
fn a_tender_gives_up_calls_and_ends_with_its_guest() {
    let test = "a_tender_gives_up_calls_and_ends_with_its_guest";
    // This guest is so small that any KVM will do.
    if let Err(error) = File::options().read(true).write(true).open("/dev/kvm") {
        println!("skipped: {test}: /dev/kvm: {error}");
        return;
    }
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab-sleeper");
    fs::create_dir_all(&dir).unwrap();
    make(&dir, &SLEEPER);
    let bytes = fs::read(dir.join(SLEEPER.name)).unwrap();
    // The tender's process is a child of the thread that runs the guest.
    let (tell, hear) = mpsc::channel();
    let runner = thread::spawn(move || {
        tell.send(rustix::thread::gettid()).unwrap();
        let options = Options {
            memory_mib: 4,
            ..Options::default()
        };
        muslin_tender::run(&bytes, &options).unwrap()
    });
    let thread = hear.recv().unwrap();
    let children = format!("/proc/self/task/{thread}/children");
    let child = until(|| {
        let text = fs::read_to_string(&children).ok()?;
        text.trim().parse().ok().and_then(Pid::from_raw)
    });
    let status = format!("/proc/{child}/status");
    until(|| {
        let text = fs::read_to_string(&status).ok()?;
        let is_filtered = text.lines().any(|line| line == "Seccomp:\t2");
        is_filtered.then_some(())
    });
    kill_process(child, Signal::TERM).unwrap();
    let outcome = runner.join().unwrap();
    assert_eq!(outcome.status, 128 + 15);
    assert_eq!(
        outcome.report.unwrap().line,
        "the guest was ended by SIGTERM"
    );
}

/// Asks until there is an answer.
fn until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < LIMIT, "no answer");
        thread::sleep(Duration::from_millis(5));
    }
}

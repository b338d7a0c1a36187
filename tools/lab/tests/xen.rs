//! The Xen lab runs guests, below xl and as dom0.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use muslin_lab::xen::{Alone, Heard, Job, Lab, Mode};

const LIMIT: Duration = Duration::from_secs(120);

/// A guest for either entry. It says `hello`, with its command line where that is asked for, then ends:
/// as dom0 with status 42, else by shutdown.
const GUEST: &str = r#"
    .intel_syntax noprefix
    .macro NOTE type, bytes:vararg
        .balign 4
        .long 4, 881f - 880f, \type
        .asciz "Xen"
        880: \bytes
        881:
    .endm
    .section .note.Xen,"a",@note
    NOTE 5, .asciz "xen-3.0"
    NOTE 8, .asciz "generic"
    NOTE 3, .quad 0
    NOTE 4, .quad 0
    NOTE 1, .quad _start
    NOTE 2, .quad hypercalls
    NOTE 17, .long 0x801
    .section .note.GNU-stack,"",@progbits

    .text
    .globl _start
    _start:
        lea rsp, [stack_end]
        mov rbx, rsi
        test dword ptr [rbx + 48], 2
        jz guest

        # As dom0: console_io, set_iopl, and the port.
        xor edi, edi
        mov esi, hello_end - hello
        lea rdx, [hello]
        call hypercalls + 32 * 18
        mov edi, 6
        lea rsi, [iopl]
        call hypercalls + 32 * 33
        mov eax, 42
        mov edx, 0xf4
        out dx, eax
        1: jmp 1b

        # Below dom0: the console's ring.
        guest:
        lea rdi, [ring]
        mov rsi, [rbx + 72]
        shl rsi, 12
        or rsi, 3
        mov edx, 2
        call hypercalls + 32 * 14
        lea rdi, [ring + 1024]
        lea rsi, [hello]
        mov ecx, hello_end - hello
        rep movsb
        lea rsi, [rbx + 128]
        2: lodsb
        stosb
        test al, al
        jnz 2b
        mov byte ptr [rdi - 1], '\n'
        lea rax, [ring + 1024]
        sub rdi, rax
        mov [ring + 3084], edi
        mov eax, [rbx + 80]
        mov [port], eax
        mov edi, 4
        lea rsi, [port]
        call hypercalls + 32 * 32
        3: xor edi, edi
        call hypercalls + 32 * 29
        mov eax, [ring + 3080]
        cmp eax, [ring + 3084]
        jne 3b
        mov edi, 2
        lea rsi, [reason]
        call hypercalls + 32 * 29
        4: jmp 4b

    .balign 4096
    hypercalls: .zero 4096, 0x90

    .data
    hello: .ascii "hello from Xen\n"
    hello_end:
    .balign 8
    iopl: .long 1
    port: .long 0
    reason: .long 0

    .bss
    .balign 4096
    ring: .zero 4096
    .zero 4096
    stack_end:
"#;

fn lab(test: &str) -> Option<Lab> {
    match Lab::find() {
        Ok(lab) => Some(lab),
        Err(why) => {
            println!("skipped: {test}: {why}");
            None
        }
    }
}

fn make() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("xen-lab");
    fs::create_dir_all(&dir).unwrap();
    let source = dir.join("guest.s");
    let image = tempfile::Builder::new().tempfile_in(&dir).unwrap();
    fs::write(&source, GUEST).unwrap();
    let output = Command::new("gcc")
        .args(["-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none"])
        .args(["-Wl,-N", "-Wl,-Ttext=0x100000"])
        .arg(&source)
        .arg("-o")
        .arg(image.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    image.into_temp_path().keep().unwrap()
}

#[test]
fn an_image_runs_as_dom0() {
    let Some(lab) = lab("an_image_runs_as_dom0") else {
        return;
    };
    let image = make();
    let outcome = lab
        .run_as_dom0(&Alone {
            image: &image,
            mode: Mode::Pv,
            command_line: "some words",
            initrd: None,
            memory_mib: 64,
            limit: LIMIT,
        })
        .unwrap();
    assert_eq!(outcome.output, "hello from Xen\n", "{}", outcome.log);
    assert_eq!(outcome.status, Some(42), "{}", outcome.log);
    fs::remove_file(image).unwrap();
}

#[test]
fn a_guest_runs_below_xl() {
    let Some(lab) = lab("a_guest_runs_below_xl") else {
        return;
    };
    let image = make();
    let config = "name='g'\ntype='pv'\nkernel='image'\ncmdline='a b'\nmemory=16\n\
        on_poweroff='preserve'\non_crash='preserve'\n";
    let script = "read -r line
        guest guest.cfg </dev/null
        echo $? $line $(wc -c </disks/1)
        exit 5";
    let disk = tempfile::NamedTempFile::new().unwrap();
    disk.as_file().set_len(3 * 4096).unwrap();
    let job = Job {
        script: script.to_owned(),
        files: vec![
            ("image".to_owned(), fs::read(&image).unwrap()),
            ("guest.cfg".to_owned(), config.as_bytes().to_vec()),
        ],
        disks: vec![disk.path().to_owned()],
        limit: Some(LIMIT),
        ..Job::default()
    };
    let mut output = Vec::new();
    let input: &[u8] = b"typed\n";
    let done = lab
        .run(&job, Some(Box::new(input)), &mut |bytes| {
            output.extend_from_slice(bytes);
            Heard::More
        })
        .unwrap();
    let output = String::from_utf8_lossy(&output);
    assert_eq!(
        output, "hello from Xen\na b\n0 typed 12288\n",
        "{}",
        done.log
    );
    assert_eq!(done.status, Some(5), "{}", done.log);
    fs::remove_file(image).unwrap();
}

//! Reports of guests whose images lie: about their sections, their symbols, their tables for
//! unwinding.

#![allow(clippy::unwrap_used, reason = "a test ends where it fails")]

use std::fs;
use std::process::Command;

use crate::image::Image;
use crate::report::Report;
use crate::trace::Fault;
use crate::unwind::Stack;

/// A program with symbols and tables, and the notes that make it an image.
const SOURCE: &str = r#"
    __asm__(".section .note.solo5.abi,\"a\",@note\n .balign 16\n .long 6, 16, 0x31494241\n"
            ".ascii \"Solo5\\0\\0\\0\"\n .long 1, 2, 0, 0\n"
            ".section .note.solo5.manifest,\"a\",@note\n .balign 32\n .long 6, 116, 0x3154464d\n"
            ".ascii \"Solo5\\0\\0\\0\"\n .long 0, 1, 1\n .zero 68\n .long 1 << 30\n .zero 32\n"
            ".text\n");
    static int (*volatile chosen)(int);
    int deepest(int depth) { return depth * 3; }
    int deeper(int depth) { int room[64]; room[depth & 63] = depth; return chosen(room[depth & 31]) + depth; }
    int deep(int depth) { return depth ? deep(depth - 1) + deeper(depth) : deepest(depth) + 1; }
    void _start(void) { chosen = deep; for (;;) deep(7); }
"#;

const ROUNDS: u64 = 10_000;

#[test]
fn no_damage_makes_a_report_fail() {
    let dir = tempfile::tempdir().unwrap();
    let (source, output) = (dir.path().join("image.c"), dir.path().join("image"));
    fs::write(&source, SOURCE).unwrap();
    let made = Command::new("gcc")
        .args([
            "-O1",
            "-fno-inline",
            "-fasynchronous-unwind-tables",
            "-nostdlib",
            "-static",
        ])
        .args([
            "-no-pie",
            "-fno-pie",
            "-w",
            "-Wl,--build-id=none,-Ttext-segment=0x100000",
        ])
        .arg(&source)
        .arg("-o")
        .arg(&output)
        .status();
    if !made.is_ok_and(|status| status.success()) {
        println!("skipped: no_damage_makes_a_report_fail: there is no gcc that makes an image");
        return;
    }
    let whole = fs::read(output).unwrap();
    let image = Image::parse(&whole).unwrap();
    let entry = image.entry;
    let report = report(&image, entry, 1);
    assert!(report.line.contains("in _start"), "{}", report.line);

    let mut state = 20_261_120_u64;
    let mut next = |end: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % end
    };
    let mut named = 0;
    for _ in 0..ROUNDS {
        let mut bytes = whole.clone();
        for _ in 0..1 + next(6) {
            let at = next(whole.len());
            match next(3) {
                0 => bytes[at] = next(256) as u8,
                1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][next(5)],
                _ => {
                    let end = (at + 8).min(whole.len());
                    bytes[at..end].fill([0, 0xff][next(2)]);
                }
            }
        }
        // Damage to what is loaded is the loader's business.
        if let Ok(image) = Image::parse(&bytes) {
            let place = entry.wrapping_add_signed(next(512) as i64 - 256);
            let report = self::report(&image, place, 1 + next(64) as u64);
            assert!(
                !report.line.chars().any(char::is_control),
                "{}",
                report.line
            );
            named += u64::from(report.line.contains("in "));
        }
    }
    assert!(named > ROUNDS / 4, "{named} of {ROUNDS} have names");
}

/// A fault at this place, with a stack of addresses near it.
fn report(image: &Image<'_>, place: u64, seed: u64) -> Report {
    let mut registers = crate::hvt::nothing();
    registers.rip = place;
    registers.rsp = 0x20_0000;
    registers.rbp = 0x20_0040;
    let words = (0..256_u64).map(|index| image.entry.wrapping_sub(index * seed % 0x180));
    let fault = Fault {
        code: 0,
        address: 0,
        registers,
        instruction: None,
        stack: Stack {
            start: registers.rsp,
            bytes: words.flat_map(u64::to_le_bytes).collect(),
        },
    };
    Report::of_machine("the guest was stopped", &fault, &[], image, 4 << 20)
}

//! What `muslin check` finds.

use std::process::Command;

use crate::lab::{directory, driver, stdout, stock, succeed, sysroot, with, write};

const STRAY: &str = "\
#include <unistd.h>
static long raw_getpid(void) {
    long result;
    __asm__ volatile(\"syscall\" : \"=a\"(result) : \"a\"(39) : \"rcx\", \"r11\", \"memory\");
    return result;
}
static long old_getpid(void) {
    long result;
    __asm__ volatile(\"int $0x80\" : \"=a\"(result) : \"a\"(20) : \"memory\");
    return result;
}
int main(void) { return raw_getpid() == getpid() && old_getpid() == getpid() ? 0 : 1; }
";

#[test]
fn stray_instructions_are_told_with_function_and_source() {
    let Some(sysroot) = sysroot("stray") else {
        return;
    };
    let dir = directory("stray");
    write(&dir, &[("stray.c", STRAY)]);
    for flag in ["-g0", "-g"] {
        succeed(driver(sysroot, &dir).args([flag, "-O0", "stray.c", "-o", "stray"]));
        assert!(Command::new(dir.join("stray")).status().unwrap().success());
        let output = with(["check", "--json", "stray"])
            .current_dir(&dir)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(3));
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report[0]["stray"], 2);
        let stray: Vec<_> = report[0]["instructions"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it["expected"] == false)
            .map(|it| {
                (
                    it["instruction"].as_str().unwrap(),
                    it["symbol"].as_str().unwrap(),
                )
            })
            .collect();
        assert_eq!(
            stray,
            [("syscall", "raw_getpid"), ("int 0x80", "old_getpid")]
        );
        let text = stdout(&with(["check", "stray"]).current_dir(&dir).output().unwrap());
        assert!(text.contains("  2 raw instructions stray\n"), "{text}");
        assert!(
            text.lines()
                .any(|line| line.contains("syscall in raw_getpid") && line.contains("stray.c")),
            "{text}"
        );
    }
    // Without symbols they are found all the same.
    succeed(Command::new("strip").arg(dir.join("stray")));
    let output = with(["check", "stray"]).current_dir(&dir).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stdout(&output).contains("  2 raw instructions stray\n"),
        "{}",
        stdout(&output)
    );
    // And in the object.
    succeed(driver(sysroot, &dir).args(["-c", "stray.c"]));
    let output = with(["check", "stray.o"])
        .current_dir(&dir)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(
        stdout(&output).ends_with("in all: 0 expected, 2 stray\n"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn libc_holds_only_the_runtimes_own_instructions() {
    let (Some(sysroot), Some(stock)) = (sysroot("libc"), stock("libc")) else {
        return;
    };
    let report = succeed(with(["check", "--json"]).arg(sysroot.join("lib/libc.a")));
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report[0]["stray"], 0);
    let mut symbols: Vec<_> = report[0]["members"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|member| member["instructions"].as_array().unwrap())
        .map(|it| it["symbol"].as_str().unwrap())
        .collect();
    symbols.sort_unstable();
    assert_eq!(
        symbols,
        ["__muslin_passthrough", "__restore_rt", "__syscall_cp_asm"]
    );

    let output = with(["check", "--json"])
        .arg(stock.join("lib/libc.a"))
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(
        report[0]["stray"].as_u64().is_some_and(|count| count > 400),
        "{}",
        report[0]["stray"]
    );
}

#[test]
fn slots_are_the_calls_that_the_program_reaches() {
    let Some(sysroot) = sysroot("slots") else {
        return;
    };
    let dir = directory("slots");
    write(
        &dir,
        &[(
            "ids.c",
            "#include <unistd.h>\nint main(void) { return getppid() == 0; }\n",
        )],
    );
    succeed(driver(sysroot, &dir).args(["-O2", "ids.c", "-o", "ids"]));
    let report = succeed(with(["check", "--json", "ids"]).current_dir(&dir));
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let names: Vec<_> = report[0]["slots"]
        .as_array()
        .unwrap()
        .iter()
        .map(|slot| slot["name"].as_str().unwrap())
        .collect();
    assert!(names.contains(&"getppid"), "{names:?}");
    assert!(!names.contains(&"socket"), "{names:?}");
}

//! `muslin cargo` with small crates; nothing from a registry.

use std::path::Path;
use std::process::Command;

use crate::lab::{
    MUSLIN, clean, directory, skip, solo5, stderr, stdout, succeed, sysroot, with, write,
};

fn muslin_cargo(sysroot: &Path, dir: &Path) -> Command {
    let mut command = with(["cargo"]);
    command.env("MUSLIN_SYSROOT", sysroot).current_dir(dir);
    command
}

fn has_target(test: &str) -> bool {
    let output = clean(Command::new("rustc"))
        .args([
            "--print",
            "target-libdir",
            "--target",
            "x86_64-unknown-linux-musl",
        ])
        .output()
        .unwrap();
    let is_there = Path::new(stdout(&output).trim()).is_dir();
    if !is_there {
        skip(
            test,
            "the Rust target x86_64-unknown-linux-musl is not installed",
        );
    }
    is_there
}

fn manifest(name: &str, rest: &str) -> String {
    format!(
        "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n{rest}"
    )
}

const MAIN: &str = "\
use std::collections::HashMap;
fn main() {
    let sum = std::thread::spawn(|| (1..=10).sum::<i32>()).join().unwrap();
    let map: HashMap<_, _> = std::env::args().skip(1).map(|word| (word, sum)).collect();
    println!(\"{map:?}\");
    std::process::exit(if map.is_empty() { 3 } else { 0 });
}
#[test]
fn sums() { assert_eq!(2 + 2, 4); }
";

#[test]
fn an_unmodified_program_is_built_run_and_tested() {
    let Some(sysroot) = sysroot("cargo") else {
        return;
    };
    if !has_target("cargo") {
        return;
    }
    let dir = directory("cargo");
    write(
        &dir,
        &[
            ("Cargo.toml", &manifest("hello", "")),
            ("src/main.rs", MAIN),
        ],
    );
    let run = |args: &[&str]| muslin_cargo(sysroot, &dir).args(args).output().unwrap();
    let output = run(&["run", "--quiet", "--", "a"]);
    assert_eq!(stdout(&output), "{\"a\": 55}\n", "{}", stderr(&output));
    assert_eq!(run(&["run", "--quiet"]).status.code(), Some(3));
    let output = run(&["test", "--quiet"]);
    assert!(
        stdout(&output).contains("1 passed"),
        "{}{}",
        stdout(&output),
        stderr(&output)
    );
    let image = "target/muslin-linux/x86_64-unknown-linux-musl/debug/hello";
    let text = succeed(with(["check", image]).current_dir(&dir));
    assert!(text.contains("image for linux, static-pie"), "{text}");
    assert!(text.contains("  0 raw instructions stray\n"), "{text}");
    let output = with(["run", "--count", image, "a"])
        .current_dir(&dir)
        .output()
        .unwrap();
    assert!(stderr(&output).contains(" clone\n"), "{}", stderr(&output));
}

#[test]
fn cargo_runs_and_tests_guests() {
    let test = "cargo_guests";
    let Some(sysroot) = solo5(test) else {
        return;
    };
    if !has_target(test) {
        return;
    }
    let dir = directory(test);
    let main = "fn main() {\n\
             let words: Vec<_> = std::env::args().skip(1).collect();\n\
             println!(\"{words:?} {}\", std::env::vars().count());\n\
             std::process::exit(5);\n\
         }\n\
         #[test]\n\
         fn sums() { assert_eq!(2 + 2 + std::env::vars().count(), 4); }\n";
    write(
        &dir,
        &[
            ("Cargo.toml", &manifest("guest", "")),
            ("src/main.rs", main),
        ],
    );
    let cargo = |args: &[&str]| muslin_cargo(sysroot, &dir).args(args).output().unwrap();
    let output = cargo(&["run", "--quiet", "--", "a b", "--mem"]);
    // A guest's environment is empty.
    assert_eq!(
        (&*stdout(&output), output.status.code()),
        ("[\"a b\", \"--mem\"] 0\n", Some(5)),
        "{}",
        stderr(&output)
    );
    let output = cargo(&["test", "--quiet"]);
    assert!(
        stdout(&output).contains("1 passed"),
        "{}{}",
        stdout(&output),
        stderr(&output)
    );
}

#[test]
fn the_users_own_flags_and_places_survive() {
    let Some(sysroot) = sysroot("cargo_flags") else {
        return;
    };
    if !has_target("cargo_flags") {
        return;
    }
    let dir = directory("cargo-flags");
    let check = "#[cfg(not(mine))]\ncompile_error!(\"the flag is lost\");\nfn main() {}\n";
    write(
        &dir,
        &[
            (
                "Cargo.toml",
                &manifest(
                    "flags",
                    "[profile.release]\nlto = \"fat\"\npanic = \"abort\"\n",
                ),
            ),
            ("src/main.rs", check),
            (".cargo/config.toml", "[build]\ntarget-dir = \"there\"\n"),
        ],
    );
    succeed(
        muslin_cargo(sysroot, &dir)
            .args(["build", "--quiet", "--release"])
            .env("RUSTFLAGS", "--cfg mine"),
    );
    assert!(
        dir.join("there/muslin-linux/x86_64-unknown-linux-musl/release/flags")
            .is_file()
    );
    succeed(
        muslin_cargo(sysroot, &dir)
            .args([
                "build",
                "--quiet",
                "--target-dir",
                "mine",
                "--target",
                "x86_64-unknown-linux-musl",
            ])
            .env("RUSTFLAGS", "--cfg mine -Crelocation-model=static"),
    );
    let report =
        succeed(with(["check", "mine/x86_64-unknown-linux-musl/debug/flags"]).current_dir(&dir));
    assert!(
        report.contains("image for linux, static, fixed address"),
        "{report}"
    );
}

#[test]
fn a_handler_of_a_crate_that_nothing_names_is_told() {
    let Some(sysroot) = sysroot("cargo_dropped") else {
        return;
    };
    if !has_target("cargo_dropped") {
        return;
    }
    let dir = directory("cargo-dropped");
    let handlers = "\
#[unsafe(no_mangle)]
pub extern \"C\" fn __muslin_static_seven() {}
#[used]
#[unsafe(link_section = \".preinit_array\")]
static SEVEN: extern \"C\" fn() = __muslin_static_seven;
";
    write(
        &dir,
        &[
            (
                "Cargo.toml",
                &manifest(
                    "program",
                    "[dependencies]\nhandlers = { path = \"handlers\" }\n",
                ),
            ),
            ("src/main.rs", "fn main() {}\n"),
            (
                "handlers/Cargo.toml",
                "[package]\nname = \"handlers\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
            ),
            ("handlers/src/lib.rs", handlers),
        ],
    );
    let output = muslin_cargo(sysroot, &dir)
        .args(["build", "--quiet"])
        .output()
        .unwrap();
    let line = stderr(&output);
    assert!(output.status.success(), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    assert!(
        line.starts_with("muslin: warning: the handler 'seven' in "),
        "{line}"
    );
    assert!(
        line.ends_with(
            "was dropped: nothing refers to it; write `use handlers as _;` in the program\n"
        ),
        "{line}"
    );

    write(
        &dir,
        &[("src/main.rs", "use handlers as _;\nfn main() {}\n")],
    );
    let output = muslin_cargo(sysroot, &dir)
        .args(["build", "--quiet"])
        .output()
        .unwrap();
    assert_eq!(stderr(&output), "");
    assert!(output.status.success());
}

#[test]
fn a_stray_instruction_of_a_dependency_is_told_by_its_crate() {
    let Some(sysroot) = sysroot("cargo_stray") else {
        return;
    };
    if !has_target("cargo_stray") {
        return;
    }
    let dir = directory("cargo-stray");
    let raw = "\
pub mod calls {
    #[inline(always)]
    pub fn getpid() -> i64 { super::raw(39) }
    #[inline(never)]
    pub fn getppid() -> i64 { super::raw(110) }
}
#[inline(always)]
fn raw(nr: i64) -> i64 {
    let result;
    // SAFETY: both calls take no arguments and change nothing.
    unsafe { std::arch::asm!(\"syscall\", inlateout(\"rax\") nr => result, out(\"rcx\") _, out(\"r11\") _) };
    result
}
";
    let manifest = manifest(
        "program",
        "[dependencies]\nrawcalls = { path = \"rawcalls\" }\n[profile.release]\ndebug = 1\n[profile.dev]\ndebug = 0\n",
    );
    write(
        &dir,
        &[
            ("Cargo.toml", &manifest),
            (
                "src/main.rs",
                "fn main() { println!(\"{}\", rawcalls::calls::getpid() > rawcalls::calls::getppid()); }\n",
            ),
            (
                "rawcalls/Cargo.toml",
                "[package]\nname = \"rawcalls\"\nversion = \"0.1.0\"\nedition = \"2024\"\n",
            ),
            ("rawcalls/src/lib.rs", raw),
        ],
    );
    // With debug information also the one that was inlined into main, without it the one in a function of its own.
    for (profile, wanted) in [("release", 2), ("debug", 1)] {
        let option = if profile == "release" {
            "--release"
        } else {
            "--quiet"
        };
        succeed(muslin_cargo(sysroot, &dir).args(["build", option]));
        let image = format!("target/muslin-linux/x86_64-unknown-linux-musl/{profile}/program");
        let output = with(["check", &image]).current_dir(&dir).output().unwrap();
        let text = stdout(&output);
        assert_eq!(output.status.code(), Some(3), "{text}");
        assert!(text.contains("  2 raw instructions stray\n"), "{text}");
        let told = text
            .lines()
            .filter(|line| line.ends_with(", crate rawcalls"))
            .count();
        assert_eq!(told, wanted, "{text}");
    }
}

#[test]
fn a_missing_target_is_one_line() {
    let Some(sysroot) = sysroot("cargo_target") else {
        return;
    };
    let dir = directory("cargo-target");
    write(
        &dir,
        &[
            ("Cargo.toml", &manifest("hello", "")),
            ("src/main.rs", MAIN),
            ("rustc", "#!/bin/sh\necho /nonexistent\n"),
        ],
    );
    let rustc = dir.join("rustc");
    succeed(Command::new("chmod").arg("+x").arg(&rustc));
    let mut command = muslin_cargo(sysroot, &dir);
    crate::lab::refuse(
        command.arg("build").env("RUSTC", &rustc),
        1,
        "the Rust target x86_64-unknown-linux-musl is not installed; \
         run rustup target add x86_64-unknown-linux-musl",
    );
    let mut command = Command::new(MUSLIN);
    command
        .args(["cargo", "build"])
        .env("MUSLIN_SYSROOT", sysroot)
        .env("RUSTC", "/nonexistent/rustc");
    crate::lab::refuse(
        &mut command,
        1,
        "cannot start rustc: no such file or directory; install Rust with rustup (https://rustup.rs)",
    );
}

#[test]
fn devices_are_declared_by_cargo_too() {
    let test = "cargo_devices";
    let (Some(solo5), Some(linux)) = (solo5(test), sysroot(test)) else {
        return;
    };
    if !has_target(test) {
        return;
    }
    let dir = directory("cargo-devices");
    let main = "\
use std::fs::OpenOptions;
use std::io::{Read, Seek, SeekFrom, Write};
fn main() -> std::io::Result<()> {
    let mut disk = OpenOptions::new().read(true).write(true).open(\"/dev/data1\")?;
    let mut text = String::new();
    (&mut disk).take(5).read_to_string(&mut text)?;
    disk.seek(SeekFrom::Start(1000))?;
    disk.write_all(text.to_uppercase().as_bytes())?;
    disk.sync_all()?;
    println!(\"{text} {}\", disk.seek(SeekFrom::End(0))?);
    println!(\"{}\", std::env::current_exe()?.display());
    Ok(())
}
";
    write(
        &dir,
        &[("Cargo.toml", &manifest("disk", "")), ("src/main.rs", main)],
    );
    let mut build = muslin_cargo(solo5, &dir);
    let options = ["--platform", "solo5-spt", "--device", "data1=block"];
    succeed(build.args(options).args(["build", "--quiet"]));
    std::fs::write(dir.join("disk.img"), [b"hello", &[0; 1019][..]].concat()).unwrap();
    let image = "target/muslin-solo5-spt-data1=block/x86_64-unknown-linux-musl/debug/disk";
    let mut run = with(["run", "--mem", "32", "--block", "data1=disk.img", image]);
    let said = succeed(run.current_dir(&dir));
    assert_eq!(said, format!("hello 1024\n/{image}\n"));
    let disk = std::fs::read(dir.join("disk.img")).unwrap();
    assert_eq!((disk.len(), &disk[1000..1005]), (1024, &b"HELLO"[..]));

    let output = muslin_cargo(linux, &dir)
        .args(["--device", "data1=block", "build"])
        .output()
        .unwrap();
    assert_eq!(
        stderr(&output),
        "muslin: --device: a Linux process has the host's devices; leave it out, or say --platform solo5-spt\n"
    );
}

#[test]
fn the_network_stack_is_asked_for_by_cargo_too() {
    let test = "cargo_network";
    let Some(linux) = sysroot(test) else {
        return;
    };
    if !has_target(test) {
        return;
    }
    let dir = directory("cargo-network");
    // The host's port is taken, that of the stack in the image is not.
    let main = "\
use std::net::TcpListener;
fn main() -> std::io::Result<()> {
    let port = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
    let listener = TcpListener::bind((\"127.0.0.1\", port))?;
    println!(\"{}\", listener.local_addr()?);
    Ok(())
}
";
    write(
        &dir,
        &[
            ("Cargo.toml", &manifest("bound", "")),
            ("src/main.rs", main),
        ],
    );
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let run = |options: &[&str]| {
        muslin_cargo(linux, &dir)
            .args(options)
            .args(["run", "--quiet", "--", &port])
            .output()
            .unwrap()
    };
    let stack = run(&["--net"]);
    assert_eq!(stdout(&stack), format!("127.0.0.1:{port}\n"), "{stack:?}");
    let host = run(&[]);
    assert!(stderr(&host).contains("AddrInUse"), "{host:?}");
}

//! What images weigh: a program pays for what it can reach, and for no more.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use muslin_sysroot::every_number;

use crate::lab::{directory, driver, has, skip, solo5, stdout, succeed, with, write};

/// Bytes that a stripped hello by printf may have.
const HELLO_BYTES_MAX: u64 = 100 * 1024;

#[test]
fn a_hello_without_files_holds_no_file_system() {
    let Some(sysroot) = solo5("size_hello") else {
        return;
    };
    let dir = directory("size_hello");
    let source = "#include <stdio.h>\nint main(void) { printf(\"%s %d\\n\", \"hello\", 42); }\n";
    write(&dir, &[("hello.c", source)]);
    succeed(driver(sysroot, &dir).args(["-O2", "-s", "hello.c", "-o", "hello"]));
    is_at_most(&dir.join("hello"), HELLO_BYTES_MAX);
}

/// A program that mints no descriptors, begins no service and moves no frames holds nothing of those.
#[test]
fn threads_and_waits_hold_nothing_that_handlers_make() {
    let test = "size_minted";
    let (Some(sysroot), true) = (solo5(test), has(test, "nm")) else {
        return;
    };
    let dir = directory(test);
    let source = "#include <poll.h>\n#include <pthread.h>\n#include <unistd.h>\n\
        static void *tell(void *end) { return (void *)write(*(int *)end, \"x\", 1); }\n\
        int main(void) {\n\
        int ends[2];\n\
        pthread_t thread;\n\
        pipe(ends);\n\
        struct pollfd asked = { ends[0], POLLIN, 0 };\n\
        pthread_create(&thread, 0, tell, &ends[1]);\n\
        return poll(&asked, 1, -1) - 1 + pthread_join(thread, 0);\n\
        }\n";
    let minting = "#include <muslin.h>\n\
        int main(void) { return muslin_fd_mint(0, 0, 0, 0, 0) + muslin_service(0, 0); }\n";
    write(&dir, &[("waits.c", source), ("mints.c", minting)]);
    let holds = |program: &str| {
        succeed(driver(sysroot, &dir).args(["-pthread", program, "-o", "image"]));
        let symbols = succeed(Command::new("nm").current_dir(&dir).args(["-S", "image"]));
        // Little functions that are alike are one, by the name of any of them.
        let is_little = |line: &str| {
            let size = line.split_whitespace().nth(1);
            size.is_some_and(|size| u64::from_str_radix(size, 16).is_ok_and(|bytes| bytes <= 16))
        };
        let is_of_handlers = |line: &&str| {
            let words = ["minted", "muslin_fd_", "service", "muslin_net_"];
            !is_little(line) && words.iter().any(|word| line.contains(word))
        };
        symbols.lines().filter(is_of_handlers).count()
    };
    assert!(holds("mints.c") > 3);
    assert_eq!(holds("waits.c"), 0);
}

/// Bytes that a stripped hello of Rust may have, most of which are the standard library's. The library
/// asks for waiting in `poll`, and for a function that faults run: threads and signals are in it.
const RUST_HELLO_BYTES_MAX: u64 = 600 * 1024;

const RUST_MANIFEST: &str = "\
[package]
name = \"hello\"
version = \"0.1.0\"
edition = \"2024\"
[workspace]
[profile.release]
strip = true
";

#[test]
fn a_hello_of_rust_holds_the_numbers_that_std_calls() {
    let source = "fn main() { println!(\"hello {}\", 42); }\n";
    if let Some(image) = image_of_rust("size_rust_hello", source) {
        is_at_most(&image, RUST_HELLO_BYTES_MAX);
    }
}

#[test]
fn copies_of_std_bring_the_call_that_they_make() {
    let source = "fn main() {\n\
        std::fs::write(\"/tmp/a\", \"copied\").unwrap();\n\
        let bytes = std::fs::copy(\"/tmp/a\", \"/tmp/b\").unwrap();\n\
        println!(\"{bytes} {}\", std::fs::read_to_string(\"/tmp/b\").unwrap());\n\
        }\n";
    let Some(image) = image_of_rust("size_rust_copy", source) else {
        return;
    };
    let calls = succeed(with(["check"]).arg(&image));
    assert!(calls.contains(" copy_file_range"), "{calls}");
    let output = with(["run"]).arg(&image).output().unwrap();
    assert_eq!(stdout(&output), "6 copied\n");
}

/// A stripped image for spt of a Rust program; nothing where the test is skipped.
fn image_of_rust(test: &str, source: &str) -> Option<PathBuf> {
    let sysroot = solo5(test)?;
    if !has(test, "cargo") {
        return None;
    }
    if !is_std_known() {
        let file = every_number::STD_FILES[0];
        skip(
            test,
            &format!("the installed standard library is not {file}, whose numbers are known"),
        );
        return None;
    }
    let dir = directory(test);
    write(
        &dir,
        &[("Cargo.toml", RUST_MANIFEST), ("src/main.rs", source)],
    );
    let mut build = with(["cargo", "--platform", "solo5-spt", "build", "--release"]);
    succeed(build.env("MUSLIN_SYSROOT", sysroot).current_dir(&dir));
    Some(dir.join("target/muslin-solo5-spt/x86_64-unknown-linux-musl/release/hello"))
}

#[test]
fn setuid_brings_its_own_call_and_no_other() {
    let test = "size_setuid";
    let Some(sysroot) = solo5(test) else {
        return;
    };
    let dir = directory(test);
    let source = "#include <stdio.h>\n#include <unistd.h>\n\
        int main(void) { int set = setuid(7); printf(\"%d %d\\n\", set, getuid()); }\n";
    write(&dir, &[("setuid.c", source)]);
    succeed(driver(sysroot, &dir).args(["-O2", "-s", "setuid.c", "-o", "setuid"]));
    let image = dir.join("setuid");
    let calls = succeed(with(["check"]).arg(&image));
    assert!(
        calls.contains(" setuid") && !calls.contains(" setgid"),
        "{calls}"
    );
    let output = with(["run"]).arg(&image).output().unwrap();
    assert_eq!(stdout(&output), "0 7\n");
}

#[test]
fn an_image_whose_numbers_nobody_knows_holds_all() {
    let test = "size_numbers";
    let Some(sysroot) = solo5(test) else {
        return;
    };
    let dir = directory(test);
    // No function of the C library that is in it makes either call.
    let source = "#include <stdio.h>\n#include <sys/syscall.h>\n#include <unistd.h>\n\
        int main(int argc, char **argv) {\n\
            printf(\"%ld %ld\\n\", syscall(SYS_getsid, 0), syscall(SYS_getppid));\n\
        }\n";
    write(&dir, &[("numbers.c", source)]);
    succeed(driver(sysroot, &dir).args(["-O2", "numbers.c", "-o", "numbers"]));
    let output = with(["run"]).arg(dir.join("numbers")).output().unwrap();
    assert_eq!(stdout(&output), "1 0\n");
}

fn is_std_known() -> bool {
    let mut rustc = Command::new("rustc");
    rustc.args([
        "--print=target-libdir",
        "--target=x86_64-unknown-linux-musl",
    ]);
    let libraries = succeed(&mut rustc);
    let is_there = |file: &&str| Path::new(libraries.trim()).join(file).is_file();
    every_number::STD_FILES.iter().any(is_there)
}

fn is_at_most(image: &Path, bytes_max: u64) {
    let bytes = fs::metadata(image).unwrap().len();
    assert!(
        bytes <= bytes_max,
        "{} is {bytes} bytes, and may have {bytes_max}: `nm --size-sort` of it with symbols tells what \
         came in",
        image.display()
    );
}

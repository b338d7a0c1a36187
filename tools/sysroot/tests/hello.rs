//! A C program links with the stock sysroot, static and static-pie, and runs.

#![allow(clippy::unwrap_used, reason = "a test may stop at once")]

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use muslin_sysroot::{Flavour, Request, build, cache_dir};

const HELLO: &str = r#"
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <linux/version.h>

static void *thread(void *argument) { errno = 0; return argument; }

int main(int argc, char **argv)
{
    pthread_t id;
    void *back = NULL;
    errno = 7;
    if (pthread_create(&id, NULL, thread, argv) || pthread_join(id, &back))
        return 1;
    printf("hello %d %d %d %d %.3f\n", argc, back == argv, errno, SYS_read, sqrt(argc * 2.0));
    return getpid() == syscall(SYS_getpid) ? 42 : 2;
}
"#;

#[test]
fn stock_hello_runs_static_and_static_pie() {
    let dir = tempfile::tempdir().unwrap();
    let sysroot = build(&Request {
        flavour: Flavour::Stock,
        out: dir.path().join("stock"),
    })
    .unwrap_or_else(|error| panic!("{error}"))
    .dir;
    let source = dir.path().join("hello.c");
    fs::write(&source, HELLO).unwrap();
    for (mode, startfile) in [("-static", "crt1.o"), ("-static-pie", "rcrt1.o")] {
        let program = dir.path().join(&mode[1..]);
        link(&sysroot, mode, startfile, &source, &program);
        let output = Command::new(&program).arg("x").output().unwrap();
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            "hello 2 1 7 0 2.000\n"
        );
        assert_eq!(output.status.code(), Some(42), "{mode}");
        let kind = elf_type(&program);
        assert_eq!(kind, if mode == "-static" { 2 } else { 3 }, "{mode}");
    }
}

/// A build of another copy of the sources holds the cache's lock for minutes.
#[test]
fn what_the_cache_has_is_taken_beside_another_build() {
    let dir = tempfile::tempdir().unwrap();
    let request = |name: &str| Request {
        flavour: Flavour::Stock,
        out: dir.path().join(name),
    };
    build(&request("first")).unwrap_or_else(|error| panic!("{error}"));
    let building = File::open(cache_dir().unwrap().join("lock")).unwrap();
    building.lock().unwrap();
    let (done, built) = mpsc::channel();
    let second = request("second");
    thread::spawn(move || done.send(build(&second).map(|sysroot| sysroot.dir)));
    let placed = built
        .recv_timeout(Duration::from_secs(60))
        .unwrap()
        .unwrap();
    assert!(placed.join("lib/libc.a").is_file());
    building.unlock().unwrap();
}

fn link(sysroot: &Path, mode: &str, startfile: &str, source: &Path, program: &Path) {
    let lib = sysroot.join("lib");
    let pie = if mode == "-static" {
        "-fno-pie"
    } else {
        "-fpie"
    };
    let output = Command::new("gcc")
        .args([mode, pie, "-nostdinc", "-nostdlib", "-O1", "-isystem"])
        .arg(sysroot.join("include"))
        .arg("-idirafter")
        .arg(sysroot.join("include-linux"))
        .arg("-o")
        .arg(program)
        .args([lib.join(startfile), lib.join("crti.o")])
        .arg(source)
        .arg("-L")
        .arg(&lib)
        .args(["-lm", "-lpthread", "-lc", "-lgcc", "-lc"])
        .arg(lib.join("crtn.o"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{mode}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// `e_type` of an ELF file: 2 is a fixed-address program, 3 a position-independent one.
fn elf_type(program: &Path) -> u16 {
    let bytes = fs::read(program).unwrap();
    assert_eq!(&bytes[..4], b"\x7fELF");
    u16::from_le_bytes([bytes[16], bytes[17]])
}

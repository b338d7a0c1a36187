//! What `muslin run` passes on, and what it counts.

use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::lab::{directory, driver, refuse, stderr, stdout, succeed, sysroot, with, write};

const ECHO: &str = "\
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <unistd.h>
#include <sys/wait.h>
int main(int argc, char **argv)
{
    if (argc > 2 && !strcmp(argv[1], \"raise\")) raise(atoi(argv[2]));
    if (argc > 2 && !strcmp(argv[1], \"exit\")) return atoi(argv[2]);
    if (argc > 1 && !strcmp(argv[1], \"wait\")) { puts(\"up\"); fflush(stdout); pause(); }
    if (argc > 1 && !strcmp(argv[1], \"fork\")) {
        for (int i = 0; i < 3; i++) {
            if (fork() == 0) { getppid(); _exit(0); }
            wait(0);
        }
        return 0;
    }
    for (int i = 0; i < argc; i++) printf(\"[%s]\", argv[i]);
    puts(\"\");
    return 0;
}
";

#[test]
fn arguments_and_exit_status_are_passed_on() {
    let Some(sysroot) = sysroot("run") else {
        return;
    };
    let dir = directory("run");
    write(&dir, &[("echo.c", ECHO)]);
    succeed(driver(sysroot, &dir).args(["echo.c", "-o", "echo"]));
    for count in [&[][..], &["--count"]] {
        let run = |args: &[&str]| {
            with(["run"])
                .args(count)
                .args(args)
                .current_dir(&dir)
                .output()
                .unwrap()
        };
        assert_eq!(
            stdout(&run(&["echo", "a", "-b", "--count"])),
            "[echo][a][-b][--count]\n"
        );
        assert_eq!(
            stdout(&run(&["echo", "--", "--", "-b"])),
            "[echo][--][-b]\n"
        );
        assert_eq!(stdout(&run(&["--", "./echo", "a"])), "[./echo][a]\n");
        assert_eq!(run(&["echo", "exit", "7"]).status.code(), Some(7));
    }
    // Without counts the program takes our place, so its signal is ours; a counted one ends before us.
    let run = |args: &[&str]| {
        with(["run"])
            .args(args)
            .current_dir(&dir)
            .output()
            .unwrap()
            .status
    };
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&run(&["echo", "raise", "15"])),
        Some(15)
    );
    assert_eq!(
        run(&["--count", "echo", "raise", "15"]).code(),
        Some(128 + 15)
    );
}

#[test]
fn calls_are_counted_over_forks() {
    let Some(sysroot) = sysroot("count") else {
        return;
    };
    let dir = directory("count");
    write(&dir, &[("echo.c", ECHO)]);
    succeed(driver(sysroot, &dir).args(["echo.c", "-o", "echo"]));
    let output = with([
        "run",
        "--count",
        "--count-json",
        "counts.json",
        "echo",
        "fork",
    ])
    .current_dir(&dir)
    .output()
    .unwrap();
    let table = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{table}");
    assert!(
        table.starts_with("   entered   to Linux   answered call\n"),
        "{table}"
    );
    assert!(
        table
            .lines()
            .any(|line| line.split_whitespace().eq(["3", "3", "0", "getppid"])),
        "{table}"
    );
    assert!(
        table
            .lines()
            .last()
            .is_some_and(|line| line.ends_with(" total")),
        "{table}"
    );
    let counts: serde_json::Value =
        serde_json::from_slice(&fs::read(dir.join("counts.json")).unwrap()).unwrap();
    let calls = counts["calls"].as_array().unwrap();
    let getppid = calls.iter().find(|call| call["name"] == "getppid").unwrap();
    assert_eq!(
        (&getppid["entered"], &getppid["passed"]),
        (&3.into(), &3.into())
    );
    let sum: u64 = calls
        .iter()
        .filter_map(|call| call["entered"].as_u64())
        .sum();
    assert_eq!(counts["total"]["entered"], sum);
}

#[test]
fn a_signal_for_us_reaches_the_counted_program() {
    let Some(sysroot) = sysroot("signal") else {
        return;
    };
    let dir = directory("signal");
    write(&dir, &[("echo.c", ECHO)]);
    succeed(driver(sysroot, &dir).args(["echo.c", "-o", "echo"]));
    let mut child = with(["run", "--count", "echo", "wait"])
        .current_dir(&dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut up = [0; 3];
    child.stdout.as_mut().unwrap().read_exact(&mut up).unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    // It has said that it is up, and is in pause() when it sleeps.
    while !sleeps_below(child.id()) {
        thread::sleep(Duration::from_millis(1));
    }
    kill_process(pid, Signal::TERM).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(128 + 15));
    assert!(stderr(&output).contains(" pause\n"), "{}", stderr(&output));
}

/// Does the only child of this process sleep?
fn sleeps_below(parent: u32) -> bool {
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")).unwrap();
    let stat = fs::read_to_string(format!("/proc/{}/stat", children.trim())).unwrap();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| rest.starts_with(" S"))
}

#[test]
fn a_place_for_counts_that_cannot_be_written_is_one_line() {
    let Some(sysroot) = sysroot("count_json") else {
        return;
    };
    let dir = directory("count-json");
    write(&dir, &[("echo.c", ECHO)]);
    succeed(driver(sysroot, &dir).args(["echo.c", "-o", "echo"]));
    refuse(
        with(["run", "--count-json", "none/counts.json", "echo"]).current_dir(&dir),
        1,
        "cannot write none/counts.json: no such file or directory; check the path",
    );
}

#[test]
fn an_image_leaves_a_file_alone_that_holds_no_counters() {
    let Some(sysroot) = sysroot("foreign_counts") else {
        return;
    };
    let dir = directory("foreign-counts");
    write(&dir, &[("echo.c", ECHO)]);
    succeed(driver(sysroot, &dir).args(["echo.c", "-o", "echo"]));
    let echo = |counts: &str| {
        Command::new(dir.join("echo"))
            .current_dir(&dir)
            .env("MUSLIN_COUNT", counts)
            .output()
            .unwrap()
    };
    for content in [vec![b'x'; 100_000], b"abc".to_vec()] {
        fs::write(dir.join("letter"), &content).unwrap();
        let output = echo("letter");
        assert!(output.status.success());
        assert_eq!(
            stderr(&output),
            "muslin: MUSLIN_COUNT must name a writable file that is empty or holds counters; \
             not counting\n"
        );
        assert_eq!(fs::read(dir.join("letter")).unwrap(), content);
    }
    // A file that is empty becomes one of counters, and is one the second time.
    fs::write(dir.join("counts"), b"").unwrap();
    for times in 1..=2 {
        assert_eq!(stderr(&echo("counts")), "");
        let words = fs::read(dir.join("counts")).unwrap();
        let exits = (2 + 231) * 8;
        assert_eq!(words[exits], times);
    }
}

//! A guest whose threads all wait for what can never come ends, and says who waits for what.

use crate::lab::{directory, driver, solo5, stdout, succeed, with, write};

/// Two threads that take two locks in different orders, and a third that reads from a pipe which only
/// they would write to.
const LOCKS: &str = "#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>
static pthread_mutex_t a = PTHREAD_MUTEX_INITIALIZER, b = PTHREAD_MUTEX_INITIALIZER;
static int ends[2];
static void *both(pthread_mutex_t *one, pthread_mutex_t *other)
{
    pthread_mutex_lock(one);
    sched_yield();
    pthread_mutex_lock(other);
    write(ends[1], \"\", 1);
    return 0;
}
static void *first(void *unused) { return both(&a, &b); }
static void *second(void *unused) { return both(&b, &a); }
int main(void)
{
    pthread_t one, other;
    char byte;
    pipe(ends);
    printf(\"%#lx %#lx\\n\", (long)&a + 4, (long)&b + 4);
    fflush(stdout);
    pthread_create(&one, 0, first, 0);
    pthread_setname_np(one, \"first\");
    pthread_create(&other, 0, second, 0);
    return read(ends[0], &byte, 1) == 1;
}
";

#[test]
fn a_deadlock_ends_with_a_report_of_who_waits_for_what() {
    let test = "deadlock";
    let Some(sysroot) = solo5(test) else {
        return;
    };
    let dir = directory(test);
    write(&dir, &[("locks.c", LOCKS)]);
    succeed(driver(sysroot, &dir).args(["-O1", "-pthread", "locks.c", "-o", "locks"]));
    let output = with(["run"]).arg(dir.join("locks")).output().unwrap();
    // A guest of spt has one console.
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(134), "{said}");
    let lines: Vec<&str> = said.lines().collect();
    let [locks, reason, threads @ ..] = &lines[..] else {
        panic!("{said}");
    };
    let (a, b) = locks.split_once(' ').unwrap();
    assert!(reason.contains("all threads wait"), "{said}");
    assert_eq!(threads.len(), 3, "{said}");
    for (line, expected) in threads.iter().zip([
        "  thread 1 (locks) waits for a pipe, ",
        &format!("  thread 2 (first) waits for a futex, {b}, in futex, called at 0x"),
        &format!("  thread 3 (locks) waits for a futex, {a}, in futex, called at 0x"),
    ]) {
        assert!(line.starts_with(expected), "{expected}: {said}");
    }
}

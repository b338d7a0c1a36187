//! A thread that keeps the processor from others without a call is not a silent hang: the tender says
//! where it is, and the guest goes on.

use std::process::Output;
use std::time::Duration;

use muslin_lab::{Batch, Ending, Job, Lab};

use crate::lab::{directory, driver, hvt, skip, solo5, stdout, succeed, with, write};

/// Keeps the processor for long enough on any machine, and comes to an end.
const SPINNING: &str = "#include <stdio.h>
#include <x86intrin.h>
__attribute__((noinline)) void spins_without_a_call(void)
{
    unsigned long start = __rdtsc();
    while (__rdtsc() - start < 6000000000) ;
}
";

const THREADS: &str = "#include <pthread.h>
static void *spinner(void *unused) { spins_without_a_call(); return unused; }
static void *other(void *unused) { return unused; }
int main(void)
{
    pthread_t t[3];
    pthread_create(&t[0], 0, spinner, 0);
    pthread_create(&t[1], 0, other, 0);
    pthread_create(&t[2], 0, other, 0);
    for (int i = 0; i < 3; i++) pthread_join(t[i], 0);
    puts(\"done\");
}
";

const TIMER: &str = "#include <signal.h>
#include <unistd.h>
static void nothing(int number) { (void)number; }
int main(void)
{
    signal(SIGALRM, nothing);
    ualarm(1000, 0);
    spins_without_a_call();
    puts(\"done\");
}
";

const ALONE: &str = "int main(void) { spins_without_a_call(); puts(\"done\"); }\n";

fn run(test: &str, main: &str, seconds: &str) -> Option<Output> {
    let sysroot = solo5(test)?;
    let dir = directory(test);
    write(&dir, &[("spin.c", &format!("{SPINNING}{main}"))]);
    succeed(driver(sysroot, &dir).args(["-O1", "-pthread", "spin.c", "-o", "spin"]));
    let mut run = with(["run", "--watchdog", seconds]);
    let output = run.arg(dir.join("spin")).output().unwrap();
    assert_eq!(stdout(&output), "done\n");
    Some(output)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_thread_that_keeps_the_processor_is_named_with_its_place() {
    let Some(output) = run("watchdog_threads", THREADS, "0.2") else {
        return;
    };
    let said = said(&output);
    assert!(
        said.contains("thread 2 has kept the processor for "),
        "{said}"
    );
    let place = said.contains("while 2 others could run, in spins_without_a_call+0x");
    assert!(place && said.lines().count() == 1, "{said}");
}

#[test]
fn in_a_machine_as_well() {
    let test = "watchdog_hvt";
    let lab = match Lab::find() {
        Ok(lab) => lab,
        Err(why) => return skip(test, &why),
    };
    let Some(sysroot) = hvt(test) else {
        return;
    };
    let dir = directory(test);
    write(&dir, &[("spin.c", &format!("{SPINNING}{THREADS}"))]);
    succeed(driver(sysroot, &dir).args(["-O1", "-pthread", "spin.c", "-o", "spin"]));
    let mut batch = Batch::default();
    batch.files.push(("spin".to_owned(), dir.join("spin")));
    let words = ["muslin", "run", "--mem", "16", "--watchdog", "0.2", "spin"];
    batch.jobs.push(Job::new(&words, Duration::from_secs(60)));
    let outcomes = lab.run(&batch).unwrap();
    let [output, complaints] = [&outcomes[0].output, &outcomes[0].complaints]
        .map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert_eq!(outcomes[0].ending, Ending::Status(0), "{complaints}");
    assert_eq!(output, "done\n");
    let place = "2 others could run, in spins_without_a_call+0x";
    assert!(
        complaints.contains("thread 2 has kept the processor for "),
        "{complaints}"
    );
    assert!(complaints.contains(place), "{complaints}");
}

#[test]
fn so_is_one_that_lets_no_timer_come() {
    let Some(output) = run("watchdog_timer", TIMER, "0.2") else {
        return;
    };
    let said = said(&output);
    assert!(
        said.contains("thread 1 has kept the processor for "),
        "{said}"
    );
    assert!(said.contains("while a timer is overdue"), "{said}");
}

#[test]
fn who_disturbs_nobody_and_who_is_not_watched_are_left_alone() {
    for (test, main, seconds) in [
        ("watchdog_alone", ALONE, "0.2"),
        ("watchdog_off", THREADS, "0"),
    ] {
        if let Some(output) = run(test, main, seconds) {
            assert_eq!(said(&output), "");
        }
    }
}

#[test]
fn a_time_that_is_none_is_refused() {
    let test = "watchdog_refused";
    let Some(sysroot) = solo5(test) else {
        return;
    };
    let dir = directory(test);
    write(&dir, &[("nothing.c", "int main(void) { return 0; }\n")]);
    succeed(driver(sysroot, &dir).args(["nothing.c", "-o", "nothing"]));
    for seconds in ["--watchdog=-1", "--watchdog=soon"] {
        let mut run = with(["run", seconds]);
        let output = run.arg(dir.join("nothing")).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", said(&output));
        assert!(said(&output).contains("--watchdog"), "{}", said(&output));
        assert_eq!(said(&output).lines().count(), 1, "{}", said(&output));
    }
}

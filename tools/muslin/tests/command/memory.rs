//! Memory as programs use it: until there is none left and again, and files that are mapped. In the
//! tender, as a process, and in the lab.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use muslin_lab::{Batch, Ending, Job, Lab};

use crate::lab::{
    clean, directory, driver, hvt, skip, solo5, stderr, stdout, succeed, sysroot, with, write,
};

const LIMIT: Duration = Duration::from_secs(240);

/// Allocates until ENOMEM a hundred times, and frees all of it; then ten thousand blocks by chance.
/// What musl's allocator keeps for itself may grow a little.
const EXHAUSTION: &str = r#"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysinfo.h>

enum { BLOCKS = 10000, KEPT = 64, SLACK_PAGES = 64 };
static char *held[BLOCKS];

static long free_pages(void) {
    struct sysinfo info;
    sysinfo(&info);
    return (long)(info.freeram / 4096);
}

int main(void) {
    long before = 0;
    for (int round = 0; round < 100; round++) {
        size_t size = 20000 + 4096 * (round % 37);
        int count = 0;
        errno = 0;
        while (count < BLOCKS && (held[count] = malloc(size))) memset(held[count++], round, size);
        if (errno != ENOMEM || count < 10) return printf("%d: %d blocks\n", round, count), 1;
        for (int i = 0; i < count; i++) {
            if (held[i][0] != (char)round || held[i][size - 1] != (char)round) return puts("lost"), 1;
            free(held[i]);
        }
        char *again = calloc(4, size);
        if (!again || again[3 * size]) return printf("%d: no recovery\n", round), 1;
        free(again);
        if (round == 0) before = free_pages();
        if (before - free_pages() > SLACK_PAGES)
            return printf("%d: %ld pages are free, and were %ld\n", round, free_pages(), before), 1;
    }
    puts("100 rounds");

    memset(held, 0, sizeof held);
    before = free_pages();
    unsigned state = 1;
    for (int i = 0; i < 10000; i++) {
        state = state * 1103515245 + 12345;
        int k = state >> 16 & (KEPT - 1);
        size_t size = 1 + (state >> 8) % 60000;
        held[k] = i % 3 ? (free(held[k]), malloc(size)) : realloc(held[k], size);
        if (!held[k]) return puts("no memory"), 1;
        memset(held[k], i, size);
    }
    for (int k = 0; k < KEPT; k++) free(held[k]);
    if (before - free_pages() > SLACK_PAGES)
        return printf("%ld pages are free, and were %ld\n", free_pages(), before), 1;
    puts("10000 blocks");
    return 0;
}
"#;

/// Makes files until there is no memory for another name, and removes them, three times; then
/// directories, one in the other. What the names took is the program's again.
const NAMES: &str = r#"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static int files(void) {
    char name[32];
    int count = 0, fd;
    for (;; count++) {
        sprintf(name, "/tmp/%d", count);
        if ((fd = open(name, O_CREAT | O_WRONLY, 0600)) < 0) break;
        close(fd);
    }
    if (errno != ENOMEM) perror("open"), exit(1);
    for (int i = 0; i < count; i++) {
        sprintf(name, "/tmp/%d", i);
        if (unlink(name)) perror("unlink"), exit(1);
    }
    return count;
}

static void half(const char *after) {
    void *map = mmap(0, 12 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (map == MAP_FAILED) perror(after), exit(1);
    munmap(map, 12 << 20);
}

int main(void) {
    int first = files();
    if (first < 10000) return printf("%d files\n", first), 1;
    for (int round = 0; round < 2; round++) {
        int count = files();
        if (count < first * 9 / 10) return printf("%d files, and were %d\n", count, first), 1;
    }
    half("files");
    int depth = 0;
    while (!mkdir("d", 0700) && !chdir("d")) depth++;
    if (errno != ENOMEM || depth < 5000) return printf("%d deep\n", depth), 1;
    if (getcwd(0, 0) || errno != ENAMETOOLONG) return perror("getcwd"), 1;
    while (depth--)
        if (chdir("..") || rmdir("d")) return perror("rmdir"), 1;
    half("directories");
    puts("names");
    return 0;
}
"#;

/// Maps of one file, one beside the other.
const SHARED: &str = r#"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#define PAGE 4096

int main(void) {
    int fd = open("shared", O_CREAT | O_RDWR | O_TRUNC, 0600);
    char text[8] = "";
    if (fd < 0 || ftruncate(fd, 3 * PAGE) || pwrite(fd, "hello", 5, PAGE) != 5) return 1;
    char *all = mmap(0, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    char *part = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, PAGE);
    char *own = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, PAGE);
    if (all == MAP_FAILED || part == MAP_FAILED || own == MAP_FAILED) return perror("mmap"), 1;
    /* From here on the page is its own: before, Linux would show what the file has. */
    own[1] = 'u';
    all[PAGE] = 'J';
    pread(fd, text, 5, PAGE);
    printf("%.5s %.5s %.5s %s\n", all + PAGE, part, own, text);
    pwrite(fd, "world", 5, PAGE);
    printf("%.5s %.5s %d\n", all + PAGE, part, msync(all, 3 * PAGE, MS_SYNC));
    printf("%d\n", munmap(all, 3 * PAGE));
    part[0] = 'W';
    close(fd);
    unlink("shared");
    printf("%.5s\n", part);
    printf("%d\n", munmap(part, PAGE));

    fd = open("database", O_CREAT | O_RDWR | O_TRUNC, 0600);
    if (ftruncate(fd, 64 * PAGE)) return 1;
    char *base = mmap(0, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    for (int i = 0; i < 64; i++) base[i * PAGE] = (char)i;
    munmap(base, 64 * PAGE);
    int sum = 0;
    for (int i = 0; i < 64; i++) pread(fd, text, 1, i * PAGE), sum += text[0];
    base = mmap(0, 64 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
    for (int i = 0; i < 64; i++) sum += base[i * PAGE];
    printf("%d\n", sum);
    return 0;
}
"#;

#[test]
fn a_program_goes_on_after_enomem_and_nothing_is_lost() {
    const TEST: &str = "a_program_goes_on_after_enomem_and_nothing_is_lost";
    let Some(sysroot) = solo5(TEST) else {
        return;
    };
    let dir = directory("memory_exhaustion");
    make(sysroot, &dir, "guest", EXHAUSTION);
    let mut in_tender = with(["run", "--mem", "24"]);
    in_tender.arg(dir.join("guest"));
    let mut as_process = clean(Command::new(dir.join("guest")));
    as_process.env("MUSLIN_MEM", "24");
    for command in [&mut in_tender, &mut as_process] {
        let output = command.stdin(Stdio::null()).output().unwrap();
        check(&output.stdout, &stderr(&output));
    }

    let (Some(hvt), Some(lab)) = (hvt(TEST), lab(TEST)) else {
        return;
    };
    make(hvt, &dir, "guest.hvt", EXHAUSTION);
    let outcome = in_lab(&lab, &dir, "guest.hvt", "6");
    check(
        &outcome.output,
        &String::from_utf8_lossy(&outcome.complaints),
    );
}

#[test]
fn memory_of_names_that_are_gone_is_given_back() {
    const TEST: &str = "memory_of_names_that_are_gone_is_given_back";
    let Some(sysroot) = solo5(TEST) else {
        return;
    };
    let dir = directory("memory_names");
    make(sysroot, &dir, "guest", NAMES);
    let mut in_tender = with(["run", "--mem", "24"]);
    in_tender.arg(dir.join("guest"));
    let mut as_process = clean(Command::new(dir.join("guest")));
    as_process.env("MUSLIN_MEM", "24");
    for command in [&mut in_tender, &mut as_process] {
        let output = command.stdin(Stdio::null()).output().unwrap();
        assert_eq!(stdout(&output), "names\n", "{output:?}");
        assert!(output.status.success(), "{output:?}");
    }
}

/// What the program says, and who holds the memory: once.
fn check(output: &[u8], complaints: &str) {
    let text = String::from_utf8_lossy(output);
    let (reports, said): (Vec<&str>, Vec<&str>) = text
        .lines()
        .chain(complaints.lines())
        .partition(|line| line.starts_with("muslin: "));
    assert_eq!(said, ["100 rounds", "10000 blocks"], "{reports:?}");
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert!(
        reports[0].starts_with("muslin: out of memory: mmap asked for "),
        "{reports:?}"
    );
}

#[test]
fn mappings_of_a_file_show_one_file() {
    const TEST: &str = "mappings_of_a_file_show_one_file";
    let (Some(linux), Some(spt)) = (sysroot(TEST), solo5(TEST)) else {
        return;
    };
    let dir = directory("memory_shared");
    make(linux, &dir, "linux", SHARED);
    make(spt, &dir, "guest", SHARED);
    let run = |command: &mut Command| {
        let output = command.current_dir(&dir).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        stdout(&output)
    };
    let expected = run(&mut clean(Command::new(dir.join("linux"))));
    assert!(
        expected.starts_with("Jello Jello hullo Jello\n"),
        "{expected}"
    );
    assert_eq!(run(with(["run"]).arg(dir.join("guest"))), expected);
    assert_eq!(run(&mut clean(Command::new(dir.join("guest")))), expected);

    let (Some(hvt), Some(lab)) = (hvt(TEST), lab(TEST)) else {
        return;
    };
    make(hvt, &dir, "guest.hvt", SHARED);
    let outcome = in_lab(&lab, &dir, "guest.hvt", "16");
    assert_eq!(String::from_utf8_lossy(&outcome.output), expected);
}

fn make(sysroot: &Path, dir: &Path, name: &str, source: &str) {
    let file = format!("{name}.c");
    write(dir, &[(&file, source)]);
    succeed(driver(sysroot, dir).args(["-O1", "-w", &file, "-o", name]));
}

fn lab(test: &str) -> Option<Lab> {
    Lab::find().map_err(|why| skip(test, &why)).ok()
}

fn in_lab(lab: &Lab, dir: &Path, name: &str, mib: &str) -> muslin_lab::Outcome {
    let mut batch = Batch::default();
    batch.files.push((name.to_owned(), dir.join(name)));
    let words = ["muslin", "run", "--mem", mib, name];
    batch.jobs.push(Job::new(&words, LIMIT));
    let outcome = lab.run(&batch).unwrap().remove(0);
    assert_eq!(outcome.ending, Ending::Status(0), "{outcome:?}");
    outcome
}

//! Guests that mean no good, and starts that cannot work: each ends by itself, with a line that says
//! what happened. Bad pointers one by one, paths that lead nowhere and too many files are among the
//! conformance programs; damaged archives and devices that are not given stand in `solo5`.

use std::process::{Command, Stdio};

use crate::lab::{clean, directory, driver, refuse, solo5, stderr, stdout, succeed, with, write};

/// Every number with every kind of bad pointer in every place, and good descriptors before them.
pub const EVERY_CALL: &str = r#"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

static const int left_out[] = {
    /* they end the program, or wait for what cannot come */
    SYS_exit, SYS_exit_group, SYS_pause, SYS_rt_sigsuspend, SYS_rt_sigreturn, SYS_kill, SYS_tkill,
    SYS_tgkill, SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo,
    /* they take away what the program itself stands on */
    SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_pkey_mprotect, SYS_brk, SYS_madvise,
    SYS_remap_file_pages, SYS_arch_prctl, SYS_close, SYS_close_range, SYS_dup2, SYS_dup3,
    SYS_vfork, SYS_setrlimit, SYS_prlimit64,
};

static char room[4096] __attribute__((aligned(4096)));
static const char constant[4096] __attribute__((aligned(4096))) = "constant";

/* Any memory is a time to wait for. */
static const int waits[] = {
    SYS_select, SYS_pselect6, SYS_poll, SYS_ppoll, SYS_nanosleep, SYS_clock_nanosleep,
    SYS_rt_sigtimedwait, SYS_futex, SYS_epoll_pwait2, SYS_futex_waitv,
};

static int is_among(const int *numbers, int count, int number) {
    while (count > 0 && numbers[count - 1] != number) count--;
    return count > 0;
}
#define AMONG(list, number) is_among(list, sizeof list / sizeof *list, number)

int main(void) {
    char *mapped = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(mapped + 4096, 4096);
    int fd = open("/tmp/file", O_CREAT | O_RDWR, 0600), pipes[2];
    if (fd < 0 || pipe(pipes) || write(pipes[1], "some text", 9) != 9) return 97;
    fcntl(pipes[0], F_SETFL, O_NONBLOCK);
    fcntl(pipes[1], F_SETFL, O_NONBLOCK);
    const long firsts[] = { fd, pipes[0], pipes[1], AT_FDCWD, 0, (long)"/tmp/file" };
    enum { UNREADABLE = 6 };
    const long bad[] = {
        8, 0x7ffffffff000, 1L << 63, -4096, -1, (long)mapped + 4096,
        (long)mapped + 4095, (long)constant, (long)main,
    };
    unsigned state = 1;
    int made = 0;
    for (long number = 0; number < 470; number++) {
        if (AMONG(left_out, number)) continue;
        int pointers = AMONG(waits, number) ? UNREADABLE : sizeof bad / sizeof *bad;
        for (int b = 0; b < pointers; b++)
            for (size_t f = 0; f <= sizeof firsts / sizeof *firsts; f++)
                for (int round = 0; round < 2; round++) {
                    long a[6];
                    for (int i = 0; i < 6; i++) {
                        state = state * 1103515245 + 12345;
                        a[i] = round && state >> 30 == 0 ? (long)(state >> 16 & 1023) : bad[b];
                    }
                    if (f > 0) a[0] = firsts[f - 1];
                    long result = syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
                    if (result == -1 && (errno <= 0 || errno >= 4096)) return 96;
                    made++;
                }
    }
    if (strcmp(constant, "constant")) return 95;
    for (int i = 0; i < 4096; i++) if (room[i]) return 94;
    dprintf(1, "%d calls\n", made);
    return 0;
}
"#;

#[test]
fn every_call_survives_every_bad_pointer() {
    let Some(sysroot) = solo5("hostile_every_call") else {
        return;
    };
    let dir = directory("hostile_every_call");
    write(&dir, &[("guest.c", EVERY_CALL)]);
    succeed(driver(sysroot, &dir).args(["-O1", "guest.c", "-o", "guest"]));
    let mut in_tender = with(["run", "--mem", "64"]);
    in_tender.arg(dir.join("guest"));
    let mut as_process = clean(Command::new(dir.join("guest")));
    for command in [&mut in_tender, &mut as_process] {
        let output = command.stdin(Stdio::null()).output().unwrap();
        let said = stdout(&output);
        let last = said.lines().last().unwrap_or_default();
        assert_eq!(
            (output.status.code(), last),
            (Some(0), "55524 calls"),
            "{}{}",
            stderr(&output),
            said
        );
    }
}

#[test]
fn too_little_memory_is_one_line() {
    let Some(sysroot) = solo5("hostile_memory") else {
        return;
    };
    let dir = directory("hostile_memory");
    let source = "#include <stdio.h>\nint main(void) { puts(\"hello\"); }\n";
    write(&dir, &[("guest.c", source)]);
    succeed(driver(sysroot, &dir).args(["-O1", "guest.c", "-o", "guest"]));
    let image = dir.join("guest");
    for mib in ["0", "1"] {
        refuse(
            with(["run", "--mem", mib]).arg(&image),
            126,
            &format!(
                "cannot run {}: the image does not fit into {mib} MiB of memory; \
                 give it at least --mem 2",
                image.display()
            ),
        );
    }
}

//! One image for Solo5 on several hosts: where it lies, how little memory it needs, and that Linux
//! runs it as a process.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::lab::{
    clean, directory, driver, has, refuse, solo5, stderr, stdout, succeed, with, write,
};

const HELLO: &str = "#include <stdio.h>\nint main(void) { puts(\"hello\"); return 3; }\n";

/// Uses as many KiB of stack as it is told, at least.
const DIVES: &str = r#"
#include <stdio.h>
#include <stdlib.h>
static int dive(int kib) {
    volatile char room[1024];
    room[0] = 1;
    return kib > 0 ? dive(kib - 1) + room[0] : 0;
}
int main(int argc, char **argv) {
    int kib = atoi(argv[1]);
    printf("%d\n", dive(kib) == kib);
}
"#;

/// Tells what it finds: arguments, environment, standard input, protection of memory.
const LOOKS_AROUND: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
int main(int argc, char **argv) {
    char line[80];
    struct stat about;
    for (int i = 1; i < argc; i++) printf("<%s>", argv[i]);
    printf(" %s %d\n", getenv("MOTTO"), getpid());
    while (fgets(line, sizeof line, stdin)) printf("read %s", line);
    printf("vdso %lx, /etc/passwd %d\n", getauxval(AT_SYSINFO_EHDR), stat("/etc/passwd", &about));
    char *memory = mmap(0, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    printf("%d\n", mprotect(memory, 4096, PROT_READ | PROT_WRITE));
    memory[0] = 1;
    char *large = malloc(64 << 20);
    printf("large %d\n", large != 0);
    fflush(stdout);
    memory[4096] = 1;
    puts("not protected");
    return 7;
}
"#;

fn compile(sysroot: &Path, dir: &Path, source: &str, options: &[&str]) -> PathBuf {
    write(dir, &[("guest.c", source)]);
    succeed(
        driver(sysroot, dir)
            .args(["-O1", "-g", "guest.c", "-o", "guest"])
            .args(options),
    );
    dir.join("guest")
}

fn in_memory(mib: &str, image: &Path) -> Command {
    let mut command = with(["run", "--mem", mib]);
    command.arg(image);
    command
}

#[test]
fn a_hello_runs_in_two_mib() {
    let Some(sysroot) = solo5("hosts_memory") else {
        return;
    };
    let dir = directory("hosts_memory");
    let image = compile(sysroot, &dir, HELLO, &[]);
    let output = in_memory("2", &image).output().unwrap();
    assert_eq!(
        (&*stdout(&output), output.status.code()),
        ("hello\n", Some(3))
    );
    refuse(
        &mut in_memory("1", &image),
        126,
        &format!(
            "cannot run {}: the image does not fit into 1 MiB of memory; give it at least --mem 2",
            image.display()
        ),
    );
}

#[test]
fn a_stack_is_as_large_as_the_linker_was_told() {
    let Some(sysroot) = solo5("hosts_stack") else {
        return;
    };
    let dir = directory("hosts_stack");
    for (options, fits_kib, more_kib) in [
        (&[][..], 700, 1000),
        (&["--stack", "4M"], 3600, 4300),
        (&["-Wl,-z,stack-size=4194304"], 3600, 4300),
        (&["-Wl,-Ttext-segment=0x400000"], 3600, 4300),
    ] {
        let image = compile(sysroot, &dir, DIVES, options);
        let run = |kib: i32| {
            with(["run"])
                .arg(&image)
                .arg(kib.to_string())
                .output()
                .unwrap()
        };
        assert_eq!(stdout(&run(fits_kib)), "1\n", "{options:?}");
        assert_eq!(run(more_kib).status.code(), Some(139), "{options:?}");
    }
    refuse(
        driver(sysroot, &dir).args(["guest.c", "--stack=8MB"]),
        2,
        "--stack wants a size, not '8MB'; say it like 8M or 512K",
    );
}

fn give(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    child.wait_with_output().unwrap()
}

#[test]
fn linux_runs_the_image_as_a_process_with_the_same_library_os() {
    use std::os::unix::process::ExitStatusExt;
    let Some(sysroot) = solo5("hosts_process") else {
        return;
    };
    let dir = directory("hosts_process");
    let image = compile(sysroot, &dir, LOOKS_AROUND, &[]);
    let mut process = clean(Command::new(&image));
    let output = give(
        process.args(["a b", ""]).env("MOTTO", "small works"),
        "one\ntwo\n",
    );
    assert_eq!(stderr(&output), "");
    assert_eq!(
        stdout(&output),
        "<a b><> small works 1\nread one\nread two\nvdso 0, /etc/passwd -1\n0\nlarge 1\n"
    );
    assert_eq!(output.status.signal(), Some(11));

    // The library OS has as much memory as it is given.
    let output = clean(Command::new(&image))
        .env("MUSLIN_MEM", "16")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(stdout(&output).contains("large 0\n"), "{}", stdout(&output));
    let too_much = "Linux does not give that much memory: set MUSLIN_MEM to fewer MiB";
    for (given, line) in [
        ("many", "MUSLIN_MEM is not a number of MiB"),
        ("", "MUSLIN_MEM is not a number of MiB"),
        ("-1", "MUSLIN_MEM is not a number of MiB"),
        ("0", "MUSLIN_MEM is 0: set it to more MiB"),
        ("99999999", too_much),
        ("99999999999999999999999", too_much),
    ] {
        let output = clean(Command::new(&image))
            .env("MUSLIN_MEM", given)
            .output()
            .unwrap();
        assert_eq!(
            (output.status.code(), &*stderr(&output)),
            (Some(1), &*format!("muslin: {line}\n"))
        );
    }
}

#[test]
fn a_stray_instruction_of_a_process_is_answered_by_the_library_os() {
    let Some(sysroot) = solo5("hosts_stray") else {
        return;
    };
    let dir = directory("hosts_stray");
    let source = r#"
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
static long stray(long nr, long a, long b, long c) {
    __asm__ volatile("syscall" : "+a"(nr) : "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
    return nr;
}
int main(void) {
    long host = stray(2, (long)"/etc/passwd", O_RDONLY, 0);
    long own = stray(2, (long)"/tmp/own", O_CREAT | O_RDWR, 0600);
    printf("%d %ld %ld %ld\n", getpid() == stray(39, 0, 0, 0), host, own,
        stray(1, own, (long)"abc", 3));
    printf("%ld\n", (long)lseek(own, 0, SEEK_END));
    printf("%ld\n", stray(101, 0, 0, 0));
    int unused = open("/tmp/own", O_RDONLY);
    return write(unused, "", 0) == 0;
}
"#;
    let image = compile(sysroot, &dir, source, &[]);
    let output = clean(Command::new(&image)).output().unwrap();
    assert_eq!(stdout(&output), "1 -2 3 3\n3\n-38\n");
    let complaint = stderr(&output);
    assert_eq!(
        (complaint.lines().count(), output.status.code()),
        (1, Some(0)),
        "{complaint}"
    );
    assert!(
        complaint.starts_with("muslin: the program called ptrace (101) at 0x")
            && complaint.ends_with(", which this platform does not have: ENOSYS\n"),
        "{complaint}"
    );
}

#[test]
fn a_process_may_be_given_a_root_directory() {
    let Some(sysroot) = solo5("hosts_initrd") else {
        return;
    };
    let dir = directory("hosts_initrd");
    let source = "#include <stdio.h>\n#include <unistd.h>\n\
         int main(int argc, char **argv) {\n\
             char text[80];\n\
             FILE *file = fopen(\"motto\", \"r\");\n\
             if (file && fgets(text, sizeof text, file)) fputs(text, stdout);\n\
             file = fopen(\"/proc/self/cmdline\", \"r\");\n\
             printf(\"%s \", getcwd(text, sizeof text));\n\
             for (int c; (c = getc(file)) != EOF;) putchar(c ? c : '.');\n\
         }\n";
    compile(sysroot, &dir, source, &[]);
    write(&dir, &[("root/etc/motto", "small works\n")]);
    succeed(
        clean(Command::new("tar"))
            .current_dir(&dir)
            .args(["-C", "root", "-cf", "root.tar", "."]),
    );
    let process = |variables: &[(&str, &str)]| {
        let mut command = clean(Command::new("./guest"));
        command.current_dir(&dir).envs(variables.iter().copied());
        command
    };
    let given = [("MUSLIN_INITRD", "root.tar"), ("MUSLIN_CWD", "/etc")];
    assert_eq!(
        succeed(process(&given).args(["a", "b c"])),
        "small works\n/etc ./guest.a.b c."
    );
    assert_eq!(succeed(&mut process(&[])), "/ ./guest.");
    let output = process(&[("MUSLIN_INITRD", "nowhere")]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "muslin: the file that MUSLIN_INITRD names cannot be read\n"
    );
    let output = process(&[("MUSLIN_CWD", "/nowhere")]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stderr(&output),
        "muslin: there is no directory \"/nowhere\" to start in; name one of the initrd, or /tmp\n"
    );
}

#[test]
fn the_debugger_the_profiler_and_valgrind_take_the_process() {
    let test = "hosts_tools";
    let Some(sysroot) = solo5(test) else {
        return;
    };
    let dir = directory(test);
    let source = "#include <stdio.h>\n\
         int twice(int number) { return 2 * number; }\n\
         int main(int argc, char **argv) { printf(\"twice %d\\n\", twice(argc + 20)); }\n";
    let image = compile(sysroot, &dir, source, &["-O0"]);
    let within = |tool: &[&str]| {
        let mut command = clean(Command::new("timeout"));
        command.current_dir(&dir).arg("60").args(tool).arg(&image);
        let output = command.stdin(Stdio::null()).output().unwrap();
        format!("{}{}", stdout(&output), stderr(&output))
    };
    if has(test, "gdb") {
        let said = within(&[
            "gdb",
            "-nx",
            "-batch",
            "-ex",
            "break twice",
            "-ex",
            "run",
            "-ex",
            "backtrace",
            "-ex",
            "continue",
            "--args",
        ]);
        for part in [
            "#0  twice (number=21)",
            "in main (argc=1",
            "twice 42\n",
            "exited normally",
        ] {
            assert!(said.contains(part), "gdb without {part:?}:\n{said}");
        }
    }
    if has(test, "valgrind") {
        let said = within(&["valgrind", "--error-exitcode=9"]);
        assert!(said.contains("twice 42\n"), "{said}");
        assert!(said.contains("ERROR SUMMARY: 0 errors"), "{said}");
    }
    if has(test, "perf") {
        let said = within(&["perf", "stat", "-e", "task-clock"]);
        assert!(said.contains("twice 42\n"), "{said}");
    }
}

/// The target and the version in the ABI note of Solo5.
fn abi(image: &Path) -> (u32, u32) {
    let bytes = std::fs::read(image).unwrap();
    let name = b"ABI1Solo5\0\0\0";
    let at = bytes
        .windows(name.len())
        .position(|window| window == name)
        .unwrap()
        + name.len();
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    (word(at), word(at + 4))
}

#[test]
fn an_image_can_be_retargeted() {
    let Some(sysroot) = solo5("hosts_retarget") else {
        return;
    };
    let dir = directory("hosts_retarget");
    let image = compile(sysroot, &dir, HELLO, &[]);
    assert_eq!(abi(&image), (2, 2));
    let retarget = |options: &[&str]| {
        let mut command = with(["retarget"]);
        command.current_dir(&dir).args(options);
        command
    };
    succeed(&mut retarget(&[
        "guest",
        "--platform",
        "solo5-hvt",
        "-o",
        "guest.hvt",
    ]));
    assert_eq!((abi(&image), abi(&dir.join("guest.hvt"))), ((2, 2), (1, 2)));
    assert!(succeed(with(["check"]).arg(dir.join("guest.hvt"))).contains("image for solo5-hvt"));

    // In place, back, and with another version; the image runs as before.
    succeed(&mut retarget(&[
        "guest.hvt",
        "--platform",
        "any",
        "--abi",
        "1",
    ]));
    assert_eq!(abi(&dir.join("guest.hvt")), (2, 1));
    let output = with(["run"]).arg(dir.join("guest.hvt")).output().unwrap();
    assert_eq!(
        (&*stdout(&output), output.status.code()),
        ("hello\n", Some(3))
    );

    compile(sysroot, &dir, HELLO, &["--solo5-abi", "1"]);
    assert_eq!(abi(&image), (2, 1));
    assert_eq!(
        in_memory("2", &image).output().unwrap().status.code(),
        Some(3)
    );

    refuse(
        &mut retarget(&["guest.c", "--abi", "1"]),
        1,
        "guest.c is not an image for Solo5; link it with --platform solo5-spt or solo5-hvt",
    );
    refuse(
        &mut retarget(&["guest", "--abi", "3"]),
        1,
        "guest: there is no version 3 of Solo5's ABI here; say 1 (Solo5 before 0.8) or 2",
    );
    // An image that is not ours knows one tender only.
    let mut bytes = std::fs::read(&image).unwrap();
    let at = bytes
        .windows(6)
        .position(|window| window == b"Muslin")
        .unwrap();
    bytes[at] = b'm';
    std::fs::write(dir.join("foreign"), bytes).unwrap();
    refuse(
        &mut retarget(&["foreign", "--platform", "solo5-hvt"]),
        1,
        "foreign is not an image of Muslin: it runs under one tender; \
         link it with muslin cc or muslin cargo",
    );
}

#[test]
fn run_takes_an_image_for_another_host() {
    let Some(sysroot) = solo5("hosts_run") else {
        return;
    };
    let dir = directory("hosts_run");
    let image = compile(sysroot, &dir, LOOKS_AROUND, &[]);
    let mut as_process = with([
        "run",
        "--platform",
        "linux",
        "--env",
        "MOTTO=x",
        "--mem",
        "16",
    ]);
    let output = give(as_process.arg(&image).args(["--", "a b"]), "one\n");
    assert_eq!(
        stdout(&output),
        "<a b> x 1\nread one\nvdso 0, /etc/passwd -1\n0\nlarge 0\n"
    );
    assert_eq!(output.status.code(), Some(139));

    // Made for hvt, run in spt's tender.
    let hvt = dir.join("guest.hvt");
    succeed(
        with(["retarget", "--platform", "solo5-hvt", "-o"])
            .arg(&hvt)
            .arg(&image),
    );
    let mut as_guest = with(["run", "--platform", "solo5-spt", "--mem", "16"]);
    assert!(stdout(&give(as_guest.arg(&hvt), "")).contains("vdso 0"));

    refuse(
        with(["run", "--platform", "linux", "--net", "a=b"]).arg(&image),
        2,
        &format!(
            "{} declares no net device 'a'; leave out its --net, or declare it when linking",
            image.display()
        ),
    );
    refuse(
        with(["run", "--platform", "linux", "--net-mac", "a=2:0:0:0:0:1"]).arg(&image),
        2,
        "--net-mac: a process has no tender; leave it out, or --platform linux",
    );
    let linux = Path::new(crate::lab::MUSLIN);
    refuse(
        with(["run", "--platform", "solo5-hvt"]).arg(linux),
        126,
        &format!(
            "{} is not an image for Solo5; link it with --platform solo5-spt or solo5-hvt",
            linux.display()
        ),
    );
}

#[test]
fn little_memory_is_shared_out_in_little_pieces() {
    let Some(sysroot) = solo5("hosts_little") else {
        return;
    };
    let dir = directory("hosts_little");
    let source = r#"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
int main(void) {
    char name[32], *memory[10];
    int ends[2], wrong = pipe(ends);
    for (int i = 0; i < 10; i++) {
        sprintf(name, "/tmp/%d", i);
        wrong += mkdir(name, 0700) != 0;
        sprintf(name, "/tmp/%d/file", i);
        wrong += open(name, O_CREAT | O_RDWR, 0600) < 0;
        memory[i] = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        wrong += memory[i] == MAP_FAILED || !malloc(1000);
    }
    printf("%d wrong\n", wrong);
}
"#;
    // A stack that leaves less than 400 KiB of two MiB.
    let image = compile(sysroot, &dir, source, &["--stack", "1450K"]);
    assert_eq!(succeed(&mut in_memory("2", &image)), "0 wrong\n");
}

#[test]
fn a_process_may_be_given_block_devices() {
    let Some(sysroot) = solo5("hosts_blocks") else {
        return;
    };
    let dir = directory("hosts_blocks");
    let source = "#include <fcntl.h>\n#include <stdio.h>\n#include <unistd.h>\n\
         int main(void) {\n\
             char text[6] = \"\";\n\
             int device = open(\"/dev/storage\", O_RDWR);\n\
             pread(device, text, 5, 510);\n\
             puts(text);\n\
             return pwrite(device, \"new\", 3, 1021) != 3;\n\
         }\n";
    let image = compile(sysroot, &dir, source, &["-w", "--device", "storage=block"]);
    let mut disk = vec![b'.'; 1024];
    disk[510..515].copy_from_slice(b"hello");
    std::fs::write(dir.join("disk"), &disk).unwrap();
    let mut process = clean(Command::new(&image));
    process
        .current_dir(&dir)
        .env("MUSLIN_BLOCK_storage", "disk");
    assert_eq!(succeed(&mut process), "hello\n");
    assert!(std::fs::read(dir.join("disk")).unwrap().ends_with(b".new"));
    let mut given = with(["run", "--platform", "linux", "--block", "storage=disk"]);
    assert_eq!(succeed(given.current_dir(&dir).arg(&image)), "hello\n");

    let declares = "muslin: the image declares the block device storage";
    for (file, problem) in [
        (
            None,
            ", which is not given: name a file in the variable MUSLIN_BLOCK_ and its name",
        ),
        (
            Some("nowhere"),
            ", whose file cannot be opened, or is not of whole sectors",
        ),
        (
            Some("guest.c"),
            ", whose file cannot be opened, or is not of whole sectors",
        ),
    ] {
        let mut process = clean(Command::new(&image));
        process.current_dir(&dir);
        process.envs(file.map(|file| ("MUSLIN_BLOCK_storage", file)));
        let output = process.output().unwrap();
        assert_eq!(stderr(&output), format!("{declares}{problem}\n"));
        assert_eq!(output.status.code(), Some(1));
    }
    refuse(
        with(["run", "--platform", "linux", "--block", "other=disk"]).arg(&image),
        2,
        &format!(
            "{} declares no block device 'other'; \
             leave out its --block, or declare it when linking",
            image.display()
        ),
    );
}

//! Programs as guests of spt: the library OS in the image, the built-in tender below.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use object::{Object, ObjectSymbol};

use crate::lab::{
    directory, driver, refuse, solo5, stderr, stdout, succeed, with, with_strange_entry, write,
};

/// A directory with one C program, compiled.
struct Guest {
    dir: PathBuf,
    sysroot: &'static Path,
}

impl Guest {
    /// `None` after saying why the machine cannot make one.
    fn new(test: &str) -> Option<Self> {
        Some(Self {
            sysroot: solo5(test)?,
            dir: directory(test),
        })
    }

    fn compile(&self, source: &str, options: &[&str]) {
        write(&self.dir, &[("guest.c", source)]);
        succeed(
            driver(self.sysroot, &self.dir)
                .args(["-O1", "guest.c", "-o", "guest"])
                .args(options),
        );
    }

    fn run(&self, words: &[&str]) -> Command {
        let mut command = with(["run"]);
        command.arg(self.dir.join("guest")).args(words);
        command.env_clear();
        command
    }
}

#[test]
fn a_guest_has_arguments_and_a_status() {
    let Some(guest) = Guest::new("solo5_arguments") else {
        return;
    };
    guest.compile(
        "#include <stdio.h>\n\
         int main(int argc, char **argv) {\n\
             for (int i = 1; i < argc; i++) printf(\"<%s>\", argv[i]);\n\
             puts(\"\");\n\
             return 40 + argc;\n\
         }\n",
        &["-static-pie"],
    );
    let output = guest
        .run(&["--", "a b", "", "'", "\"\\", "X=1"])
        .output()
        .unwrap();
    assert_eq!(stderr(&output), "");
    assert_eq!(stdout(&output), "<a b><><'><\"\\><X=1>\n");
    assert_eq!(output.status.code(), Some(46));
}

#[test]
fn a_missing_call_is_reported_once_by_name() {
    let Some(guest) = Guest::new("solo5_missing") else {
        return;
    };
    guest.compile(
        "#include <errno.h>\n#include <stdio.h>\n#include <sys/ptrace.h>\n\
         int main(void) {\n\
             for (int i = 0; i < 2; i++) {\n\
                 long result = ptrace(PTRACE_TRACEME, 0, 0, 0);\n\
                 printf(\"%ld %d\\n\", result, errno == ENOSYS);\n\
             }\n\
         }\n",
        &[],
    );
    let output = succeed(&mut guest.run(&[]));
    let place = output
        .split_once(" at ")
        .and_then(|(_, rest)| rest.split_once(','))
        .map_or("", |(place, _)| place);
    assert_eq!(
        output,
        format!(
            "muslin: the program called ptrace (101) at {place}, which this platform does not have: \
             ENOSYS\n-1 1\n-1 1\n"
        )
    );
    assert_eq!(
        function_at(&guest.dir.join("guest"), place).as_deref(),
        Some("ptrace")
    );
}

#[test]
fn a_part_of_a_call_that_is_missing_is_reported_once_by_name() {
    let Some(guest) = Guest::new("solo5_partial") else {
        return;
    };
    guest.compile(
        "#include <errno.h>\n#include <stdio.h>\n#include <sys/prctl.h>\n\
         int main(void) {\n\
             for (int i = 0; i < 2; i++) {\n\
                 int result = prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);\n\
                 printf(\"%d %d\\n\", result, errno == EINVAL);\n\
             }\n\
             printf(\"%d\\n\", prctl(9999, 0, 0, 0, 0));\n\
         }\n",
        &[],
    );
    let output = succeed(&mut guest.run(&[]));
    let place = output
        .split_once(" at ")
        .and_then(|(_, rest)| rest.split_once(' '))
        .map_or("", |(place, _)| place);
    assert_eq!(
        output,
        format!(
            "muslin: the program called prctl (157) at {place} for another option, which this \
             platform does not have: EINVAL\n-1 1\n-1 1\n-1\n"
        )
    );
    assert_eq!(
        function_at(&guest.dir.join("guest"), place).as_deref(),
        Some("prctl")
    );
}

/// The function of an image that an address in hexadecimal lies in.
fn function_at(image: &Path, place: &str) -> Option<String> {
    let address = u64::from_str_radix(place.strip_prefix("0x")?, 16).ok()?;
    let bytes = std::fs::read(image).ok()?;
    let file = object::File::parse(&*bytes).ok()?;
    let name = file
        .symbols()
        .find(|it| (it.address()..it.address() + it.size()).contains(&address))?
        .name()
        .ok()?
        .to_owned();
    Some(name)
}

#[test]
fn handlers_can_be_registered_and_pass_calls_on() {
    let Some(guest) = Guest::new("solo5_handlers") else {
        return;
    };
    guest.compile(
        "#include <muslin.h>\n#include <stdio.h>\n#include <unistd.h>\n#include <sys/syscall.h>\n\
         static long first(const struct muslin_call *call, void *context) { return 77; }\n\
         static long more(const struct muslin_call *call, void *context) {\n\
             return muslin_next(call) + 1;\n\
         }\n\
         MUSLIN_STATIC(parent, SYS_getppid, first, 0, 0);\n\
         int main(void) {\n\
             int before = getppid();\n\
             int result = muslin_register(SYS_getppid, more, 0, MUSLIN_OWN_STACK, 0);\n\
             printf(\"%d %d %d %ld \", before, result, getppid(), syscall(SYS_getppid));\n\
             muslin_restore(SYS_getppid);\n\
             printf(\"%d\\n\", getppid() < 2);\n\
         }\n",
        &[],
    );
    assert_eq!(succeed(&mut guest.run(&[])), "77 0 78 78 1\n");
}

#[test]
fn handlers_may_name_their_own_memory_in_calls() {
    let Some(guest) = Guest::new("solo5_handlers_memory") else {
        return;
    };
    guest.compile(
        "#include <muslin.h>\n#include <string.h>\n#include <unistd.h>\n#include <sys/syscall.h>\n\
         static long with(const struct muslin_call *call, char *text) {\n\
             struct muslin_call changed = *call;\n\
             memcpy(text, (void *)call->args[1], 4);\n\
             text[0] += 1;\n\
             changed.args[1] = (long)text;\n\
             return muslin_next(&changed);\n\
         }\n\
         static long on_stack(const struct muslin_call *call, void *context) {\n\
             char text[4];\n\
             return with(call, text);\n\
         }\n\
         static long on_heap(const struct muslin_call *call, void *context) {\n\
             char *text = muslin_alloc(4, 1);\n\
             long result = with(call, text);\n\
             muslin_free(text);\n\
             return result;\n\
         }\n\
         int main(void) {\n\
             muslin_register(SYS_write, on_stack, 0, MUSLIN_OWN_STACK, 0);\n\
             muslin_register(SYS_write, on_heap, 0, 0, 0);\n\
             return write(1, \"abc\\n\", 4) != 4;\n\
         }\n",
        &[],
    );
    assert_eq!(succeed(&mut guest.run(&[])), "cbc\n");
}

#[test]
fn an_initrd_is_the_root_directory() {
    let Some(guest) = Guest::new("solo5_initrd") else {
        return;
    };
    write(&guest.dir, &[("root/etc/motto", "small works\n")]);
    guest.compile(
        "#include <stdio.h>\n\
         int main(void) {\n\
             char line[80];\n\
             FILE *file = fopen(\"/etc/motto\", \"r\");\n\
             if (!file || !fgets(line, sizeof line, file)) return 1;\n\
             fputs(line, stdout);\n\
             return 0;\n\
         }\n",
        &["--initrd", "root"],
    );
    assert_eq!(succeed(&mut guest.run(&[])), "small works\n");
}

/// Prints a file, the working directory, the machine's name, and its own.
pub const LOOKS_AROUND: &str = r#"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
int main(int argc, char **argv) {
    char text[256];
    FILE *file = fopen("motto", "r");
    if (!file || !fgets(text, sizeof text, file)) { perror("motto"); return 7; }
    fputs(text, stdout);
    puts(getcwd(text, sizeof text));
    gethostname(text, sizeof text);
    puts(text);
    ssize_t len = readlink("/proc/self/exe", text, sizeof text - 1);
    text[len] = 0;
    puts(text);
    for (int i = 1; i < argc; i++) puts(argv[i]);
    puts(getenv("MUSLIN_INITRD") ? "seen" : "unseen");
}
"#;

#[test]
fn the_root_directory_may_be_given_when_the_guest_is_started() {
    let Some(guest) = Guest::new("solo5_run_initrd") else {
        return;
    };
    write(
        &guest.dir,
        &[
            ("inside/motto", "the image's own\n"),
            ("given/etc/motto", "the tender's\n"),
        ],
    );
    guest.compile(LOOKS_AROUND, &["--initrd", "inside"]);
    let tender = |options: &[&str]| {
        let mut command = with(["run", "--mem", "16"]);
        command
            .current_dir(&guest.dir)
            .args(options)
            .args(["./guest", "a", "b c"]);
        command
    };
    assert_eq!(
        succeed(&mut tender(&[])),
        "the image's own\n/\nmuslin\n/guest\na\nb c\nunseen\n"
    );
    let options = ["--initrd", "given", "--cwd", "/etc", "--hostname", "h 1"];
    let expected = "the tender's\n/etc\nh 1\n/guest\na\nb c\nunseen\n";
    assert_eq!(succeed(&mut tender(&options)), expected);
    succeed(Command::new("tar").current_dir(&guest.dir).args([
        "-C",
        "given",
        "-cf",
        "given.tar",
        ".",
    ]));
    let options = ["--initrd", "given.tar", "--cwd=etc", "--hostname=h 1"];
    assert_eq!(succeed(&mut tender(&options)), expected);

    // A file that is larger than the memory.
    let large = std::fs::File::create(guest.dir.join("large.tar")).unwrap();
    large.set_len(20 << 20).unwrap();
    let output = tender(&["--initrd", "large.tar"]).output().unwrap();
    assert_eq!(output.status.code(), Some(126));
    let line = stderr(&output);
    assert!(
        line.contains(
            "the image and the initrd do not fit into 16 MiB of memory; give it at least --mem 2"
        ),
        "{line}"
    );
}

/// The archive that is made of a directory has no name, so that a run that is killed leaves none.
#[test]
fn a_run_that_is_killed_leaves_no_archive() {
    let Some(guest) = Guest::new("solo5_killed") else {
        return;
    };
    write(
        &guest.dir,
        &[("given/motto", "to wait\n"), ("scratch/.keep", "")],
    );
    guest.compile(
        "#include <stdio.h>\n\
         #include <unistd.h>\n\
         int main(void) {\n\
             puts(access(\"/motto\", R_OK) ? \"no motto\" : \"waits\");\n\
             fflush(stdout);\n\
             for (;;) sleep(1);\n\
         }\n",
        &[],
    );
    let mut run = with(["run", "--initrd", "given", "./guest"])
        .current_dir(&guest.dir)
        .env("TMPDIR", guest.dir.join("scratch"))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    let mut output = BufReader::new(run.stdout.take().unwrap());
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "waits\n");
    run.kill().unwrap();
    run.wait().unwrap();
    let left = std::fs::read_dir(guest.dir.join("scratch")).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, [".keep"]);
}

#[test]
fn a_working_directory_that_is_not_there_is_told_before_the_start() {
    let Some(guest) = Guest::new("solo5_run_cwd") else {
        return;
    };
    write(
        &guest.dir,
        &[("inside/own/motto", "a\n"), ("given/etc/motto", "b\n")],
    );
    // It names no file, so that it has none to miss a directory among.
    let source = "#include <stdio.h>\nint main(void) { puts(\"started\"); }\n";
    guest.compile(source, &["--initrd", "inside"]);
    let start = |options: &[&str]| {
        let mut command = with(["run", "--mem", "16"]);
        command.current_dir(&guest.dir).args(options).arg("./guest");
        command.output().unwrap()
    };
    for there in [
        &["--cwd", "/own"][..],
        &["--cwd", "dev/shm"],
        &["--initrd", "given", "--cwd", "/etc"],
        &["--platform", "linux", "--cwd", "/own"],
    ] {
        let output = start(there);
        assert_eq!(stdout(&output), "started\n", "{}", stderr(&output));
    }
    for not in [
        &["--cwd", "/etc"][..],
        &["--cwd", "/own/motto"],
        &["--initrd", "given", "--cwd", "/own"],
        &["--platform", "linux", "--cwd", "/etc"],
    ] {
        let output = start(not);
        let (said, path) = (stderr(&output), not[not.len() - 1]);
        assert_eq!(
            (output.status.code(), stdout(&output)),
            (Some(1), String::new())
        );
        assert_eq!(
            said,
            format!(
                "muslin: --cwd {path}: the guest has no such directory; name one of the initrd, or /tmp\n"
            )
        );
    }
}

#[test]
fn a_damaged_archive_is_refused_or_ends_the_guest_by_name() {
    let Some(guest) = Guest::new("solo5_run_damaged") else {
        return;
    };
    write(
        &guest.dir,
        &[("given/a", &"text ".repeat(1000)), ("given/b", "b")],
    );
    guest.compile(LOOKS_AROUND, &[]);
    succeed(Command::new("tar").current_dir(&guest.dir).args([
        "-C",
        "given",
        "-cf",
        "whole.tar",
        "a",
        "b",
    ]));
    let whole = std::fs::read(guest.dir.join("whole.tar")).unwrap();
    let mut flipped = whole.clone();
    flipped[6000] ^= 0x10;
    let given = guest.dir.join("given.tar");
    for (bytes, line) in [
        (&whole[..3000], "the archive is cut off (at byte 0, \"a\")"),
        (
            &whole[..5632],
            "the archive ends without its two empty blocks (at byte 5632)",
        ),
        (&whole[..5700], "the archive is cut off (at byte 5632)"),
        (&flipped, "the checksum of a header is wrong (at byte 5632)"),
    ] {
        std::fs::write(&given, bytes).unwrap();
        refuse(
            with(["run", "--mem", "16", "--initrd"])
                .arg(&given)
                .arg(guest.dir.join("guest")),
            1,
            &format!(
                "--initrd {}: {line}; make it anew with tar",
                given.display()
            ),
        );
    }
    // What entries mean only the guest knows.
    std::fs::write(&given, with_strange_entry(&whole, 5632)).unwrap();
    let output = with(["run", "--mem", "16", "--initrd"])
        .arg(&given)
        .arg(guest.dir.join("guest"))
        .output()
        .unwrap();
    assert_eq!(
        (output.status.code(), &*stdout(&output)),
        (
            Some(1),
            "muslin: initrd: an entry of an unknown kind, 'Z' (at byte 5632, \"b\"); make it anew with tar\n"
        )
    );
}

#[test]
fn what_is_no_archive_is_refused_before_the_start() {
    let Some(guest) = Guest::new("solo5_no_archive") else {
        return;
    };
    // Nothing is opened: the guest itself would never look.
    guest.compile("int main(void) { return 0; }", &[]);
    let image = guest.dir.join("guest");
    for given in [&image, &guest.dir.join("empty")] {
        std::fs::OpenOptions::new()
            .append(true)
            .create(true)
            .open(given)
            .unwrap();
        let line = format!(
            "--initrd {}: this is no tar archive; \
             name a directory, or an archive of tar that is not compressed",
            given.display()
        );
        refuse(with(["run", "--initrd"]).arg(given).arg(&image), 1, &line);
        refuse(
            driver(guest.sysroot, &guest.dir)
                .args(["guest.c", "--initrd"])
                .arg(given),
            1,
            &line,
        );
    }
}

#[test]
fn an_initrd_that_is_not_there_is_one_line() {
    let Some(guest) = Guest::new("solo5_no_initrd") else {
        return;
    };
    guest.compile("int main(void) { return 0; }", &[]);
    refuse(
        driver(guest.sysroot, &guest.dir).args(["guest.c", "--initrd", "nowhere"]),
        1,
        "--initrd nowhere: no such file or directory; \
         name a directory or a tar archive that can be read",
    );
    refuse(
        with(["run", "--initrd", "nowhere"]).arg(guest.dir.join("guest")),
        1,
        "--initrd nowhere: no such file or directory; \
         name a directory or a tar archive that can be read",
    );
}

/// Writes and reads back patterns, aligned and not; copies what is on the device to its console.
pub const USES_A_DISK: &str = r#"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>
#define CHECK(what) do { if (!(what)) { printf("line %d: %s: %s\n", __LINE__, #what, strerror(errno)); return 1; } } while (0)
int main(void) {
    int fd = open("/dev/storage", O_RDWR);
    CHECK(fd >= 0);
    struct stat about;
    CHECK(fstat(fd, &about) == 0 && S_ISBLK(about.st_mode) && major(about.st_rdev) == 259);
    unsigned long long size;
    int sector;
    CHECK(ioctl(fd, BLKGETSIZE64, &size) == 0 && size == 64 * 512);
    CHECK(ioctl(fd, BLKSSZGET, &sector) == 0 && sector == 512);
    CHECK(lseek(fd, 0, SEEK_END) == 64 * 512);
    CHECK(write(fd, "x", 1) == -1 && errno == ENOSPC);
    CHECK(read(fd, &sector, 4) == 0);

    char text[6000], back[6000];
    CHECK(pread(fd, text, 4, 512) == 4 && !memcmp(text, "host", 4));
    memset(text, 'A', sizeof text);
    CHECK(pwrite(fd, text, 1024, 1024) == 1024);
    memset(text, 'B', sizeof text);
    CHECK(pwrite(fd, text, 5003, 10001) == 5003);
    CHECK(pread(fd, back, 6000, 10000) == 6000);
    CHECK(back[0] == 0 && back[1] == 'B' && back[5003] == 'B' && back[5004] == 0);
    CHECK(pwrite(fd, "end", 3, 64 * 512 - 2) == 2);
    CHECK(pwrite(fd, "end", 3, 64 * 512) == -1 && errno == ENOSPC);
    CHECK(pread(fd, back, 10, 64 * 512 - 4) == 4 && !memcmp(back, "\0\0en", 4));
    CHECK(pwrite(fd, (void *)8, 512, 0) == -1 && errno == EFAULT);
    CHECK(pread(fd, (void *)8, 512, 0) == -1 && errno == EFAULT);

    FILE *stream = fdopen(fd, "r+");
    CHECK(stream && fseek(stream, 20000, SEEK_SET) == 0);
    CHECK(fprintf(stream, "%d words\n", 3) == 8 && fflush(stream) == 0 && fsync(fd) == 0);
    CHECK(fclose(stream) == 0);
    CHECK(open("/dev/service", O_RDWR) == -1 && errno == ENOENT);
    puts("done");
    return 0;
}
"#;

/// The disk before that program.
pub fn new_disk() -> Vec<u8> {
    let mut content = vec![0; 64 * 512];
    content[512..516].copy_from_slice(b"host");
    content
}

/// The disk after it.
pub fn used_disk() -> Vec<u8> {
    let mut content = new_disk();
    content[1024..2048].fill(b'A');
    content[10001..15004].fill(b'B');
    content[20000..20008].copy_from_slice(b"3 words\n");
    content[64 * 512 - 2..].copy_from_slice(b"en");
    content
}

#[test]
fn a_program_reads_and_writes_a_block_device() {
    let Some(guest) = Guest::new("solo5_block") else {
        return;
    };
    guest.compile(USES_A_DISK, &["--device", "storage=block"]);
    let disk = guest.dir.join("disk");
    std::fs::write(&disk, new_disk()).unwrap();
    let mut given = std::ffi::OsString::from("storage=");
    given.push(&disk);
    let mut run = with(["run", "--mem", "16", "--block"]);
    assert_eq!(
        succeed(run.arg(&given).arg(guest.dir.join("guest"))),
        "done\n"
    );
    let content = used_disk();
    let found = std::fs::read(&disk).unwrap();
    let differs = found.iter().zip(&content).position(|(a, b)| a != b);
    assert_eq!((found.len(), differs), (content.len(), None));

    let image = guest.dir.join("guest");
    let checked = with(["check"]).arg(&image).output().unwrap();
    let text = stdout(&checked);
    assert!(text.contains("\n  devices storage (block)\n"), "{text}");
    let refused = |words: &[&str], line: &str| {
        refuse(
            with(["run"]).args(words).arg(&image),
            126,
            &format!("cannot run {}: {line}", image.display()),
        );
    };
    refused(
        &[],
        "the image declares the block device 'storage', which is not given; give it a file: --block storage=FILE",
    );
    refused(
        &["--block", "other=disk"],
        "the image declares no block device 'other'; leave out its --block, or declare it when linking",
    );
}

#[test]
fn devices_are_declared_only_when_asked_for() {
    let Some(guest) = Guest::new("solo5_no_device") else {
        return;
    };
    guest.compile(
        "#include <errno.h>\n#include <fcntl.h>\n\
         int main(void) { return open(\"/dev/storage\", O_RDWR) == -1 && errno == ENOENT ? 7 : 1; }\n",
        &[],
    );
    assert_eq!(guest.run(&[]).output().unwrap().status.code(), Some(7));
    refuse(
        driver(guest.sysroot, &guest.dir).args(["guest.c", "--device", "storage"]),
        2,
        "--device wants NAME=block or NAME=net, not 'storage'; \
         name the device by at most 67 letters and digits",
    );
}

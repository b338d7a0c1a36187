//! Programs as guests of spt: the library OS in the image, the built-in tender below.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::lab::{directory, driver, refuse, solo5, stderr, stdout, succeed, with, write};

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
        "#include <errno.h>\n#include <stdio.h>\n#include <unistd.h>\n#include <sys/syscall.h>\n\
         int main(void) {\n\
             for (int i = 0; i < 2; i++) {\n\
                 long result = syscall(SYS_ptrace, 0);\n\
                 printf(\"%ld %d\\n\", result, errno == ENOSYS);\n\
             }\n\
         }\n",
        &[],
    );
    assert_eq!(
        succeed(&mut guest.run(&[])),
        "muslin: the program called ptrace (101), which this platform does not have: ENOSYS\n\
         -1 1\n-1 1\n"
    );
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
const LOOKS_AROUND: &str = r#"
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
    let output = tender(&["--initrd", "given", "--cwd", "/nowhere"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        stdout(&output),
        "muslin: there is no directory \"/nowhere\" to start in; name one of the initrd, or /tmp\n"
    );
}

#[test]
fn a_damaged_archive_ends_the_guest_by_name() {
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
        (&b"no archive"[..], "this is no tar archive (at byte 0)"),
        (&[], "this is no tar archive (at byte 0)"),
    ] {
        std::fs::write(&given, bytes).unwrap();
        let output = with(["run", "--mem", "16", "--initrd"])
            .arg(&given)
            .arg(guest.dir.join("guest"))
            .output()
            .unwrap();
        assert_eq!(
            (output.status.code(), &*stdout(&output)),
            (
                Some(1),
                &*format!("muslin: initrd: {line}; make it anew with tar\n")
            )
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

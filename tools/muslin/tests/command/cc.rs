//! The compiler driver against a real sysroot.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::lab::{
    clean, directory, driver, refuse, stderr, stdout, stock, succeed, sysroot, with, write,
};

const HELLO: &str = "#include <stdio.h>\nint main(void) { puts(\"hello\"); return 0; }\n";

const HANDLER: &str = "\
#include <muslin.h>
#include <sys/syscall.h>
static long answer(const struct muslin_call *call, void *context) { (void)call; (void)context; return 4242; }
MUSLIN_STATIC(answer, SYS_getppid, answer, 0, 0);
";

const ASKS: &str = "\
#include <stdio.h>
#include <unistd.h>
int main(void) { printf(\"%s\\n\", getppid() == 4242 ? \"ours\" : \"Linux's\"); return 0; }
";

#[test]
fn each_way_to_link_makes_an_image_that_runs() {
    let Some(sysroot) = sysroot("each_way_to_link") else {
        return;
    };
    let dir = directory("each-way");
    write(&dir, &[("hello.c", HELLO)]);
    for (flags, kind) in [
        (&[][..], "static-pie"),
        (&["-static-pie"], "static-pie"),
        (&["-pie"], "static-pie"),
        (&["-static"], "static, fixed address"),
        (&["-no-pie"], "static, fixed address"),
        (&["-O2", "-flto"], "static-pie"),
        (
            &["-g", "-s", "-pthread", "-lm", "-lpthread", "-ldl"],
            "static-pie",
        ),
        (&["-save-temps"], "static-pie"),
    ] {
        succeed(
            driver(sysroot, &dir)
                .args(["-Wall", "-Werror", "hello.c", "-o", "hello"])
                .args(flags),
        );
        assert_eq!(
            succeed(&mut Command::new(dir.join("hello"))),
            "hello\n",
            "{flags:?}"
        );
        let report: serde_json::Value = serde_json::from_str(&succeed(
            with(["check", "--json", "hello"]).current_dir(&dir),
        ))
        .unwrap();
        assert_eq!(report[0]["link"], kind, "{flags:?}");
        assert_eq!(report[0]["platform"], "linux", "{flags:?}");
        assert_eq!(report[0]["slots_are_sealed"], true, "{flags:?}");
        assert_eq!(report[0]["stray"], 0, "{flags:?}");
    }
}

#[test]
fn gold_links_without_the_script() {
    let Some(sysroot) = sysroot("gold_links") else {
        return;
    };
    if !crate::lab::has("gold_links", "ld.gold") {
        return;
    }
    let dir = directory("gold");
    write(&dir, &[("hello.c", HELLO)]);
    succeed(driver(sysroot, &dir).args(["-fuse-ld=gold", "hello.c", "-o", "hello"]));
    assert_eq!(succeed(&mut Command::new(dir.join("hello"))), "hello\n");
}

#[test]
fn the_stages_before_the_linker_are_gccs() {
    let Some(sysroot) = sysroot("stages") else {
        return;
    };
    let dir = directory("stages");
    write(
        &dir,
        &[("hello.c", HELLO), ("line", "-c hello.c\n-o 'by line.o'")],
    );
    let text = succeed(driver(sysroot, &dir).args(["-E", "hello.c"]));
    assert!(text.contains("int puts"));
    assert!(
        !text.contains("/usr/include/stdio.h"),
        "the host's headers are used"
    );
    let rules = succeed(driver(sysroot, &dir).args(["-M", "hello.c"]));
    assert!(
        rules.starts_with("hello.o: hello.c ") && rules.contains("include/stdio.h"),
        "{rules}"
    );
    succeed(driver(sysroot, &dir).args(["-S", "hello.c"]));
    succeed(driver(sysroot, &dir).args(["-c", "hello.c", "-MD", "-MF", "hello.d"]));
    succeed(driver(sysroot, &dir).arg("@line"));
    for made in ["hello.s", "hello.o", "hello.d", "by line.o"] {
        assert!(dir.join(made).is_file(), "{made}");
    }
    succeed(driver(sysroot, &dir).args(["-r", "hello.o", "-o", "part.o"]));
    succeed(driver(sysroot, &dir).args(["part.o"]));
    assert_eq!(succeed(&mut Command::new(dir.join("a.out"))), "hello\n");

    let mut child = driver(sysroot, &dir)
        .args(["-x", "c", "-", "-o", "stdin"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(HELLO.as_bytes())
        .unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(succeed(&mut Command::new(dir.join("stdin"))), "hello\n");
}

#[test]
fn the_questions_of_build_systems_are_answered_for_the_sysroot() {
    let Some(sysroot) = sysroot("questions") else {
        return;
    };
    let dir = directory("questions");
    let ask = |question: &str| succeed(driver(sysroot, &dir).arg(question));
    assert_eq!(ask("-dumpmachine"), "x86_64-linux-musl\n");
    assert_eq!(
        Path::new(ask("-print-file-name=libc.a").trim()),
        sysroot.canonicalize().unwrap().join("lib/libc.a")
    );
    assert!(ask("-print-file-name=libgcc.a").ends_with("/libgcc.a\n"));
    assert!(ask("--version").contains("Free Software Foundation"));
    let libraries = ask("-print-search-dirs");
    let libraries = libraries
        .lines()
        .find(|line| line.starts_with("libraries: "))
        .unwrap();
    assert!(
        !libraries.contains("/usr/lib/x86_64-linux-gnu"),
        "{libraries}"
    );
}

#[test]
fn the_hosts_libraries_are_not_found() {
    let Some(sysroot) = sysroot("host_libraries") else {
        return;
    };
    let dir = directory("host-libraries");
    write(&dir, &[("hello.c", HELLO)]);
    // A host with glibc has it, musl has not.
    let output = driver(sysroot, &dir)
        .args(["hello.c", "-lanl"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(
        stderr(&output).contains("cannot find -lanl"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn the_users_choices_are_respected() {
    let Some(sysroot) = sysroot("choices") else {
        return;
    };
    let dir = directory("choices");
    write(
        &dir,
        &[
            ("hello.c", HELLO),
            (
                "bare.c",
                "void _start(void) { for (;;) __asm__ volatile(\"syscall\" :: \"a\"(231), \"D\"(9) : \"rcx\", \"r11\"); }\n",
            ),
            (
                "fortify.c",
                "#if _FORTIFY_SOURCE != 2\n#error lost\n#endif\n",
            ),
        ],
    );
    succeed(driver(sysroot, &dir).args(["-nostdlib", "-static", "bare.c", "-o", "bare"]));
    assert_eq!(
        Command::new(dir.join("bare")).status().unwrap().code(),
        Some(9)
    );
    let output = driver(sysroot, &dir)
        .args(["-nostdinc", "-c", "hello.c"])
        .output()
        .unwrap();
    assert!(stderr(&output).contains("stdio.h"), "{}", stderr(&output));
    let output = driver(sysroot, &dir)
        .args(["-nodefaultlibs", "hello.c"])
        .output()
        .unwrap();
    assert!(
        stderr(&output).contains("undefined reference"),
        "{}",
        stderr(&output)
    );
    succeed(driver(sysroot, &dir).args(["-O2", "-D_FORTIFY_SOURCE=2", "-c", "fortify.c"]));
}

#[test]
fn an_error_of_gcc_keeps_its_words_and_its_code() {
    let Some(sysroot) = sysroot("gcc_errors") else {
        return;
    };
    let dir = directory("gcc-errors");
    write(
        &dir,
        &[
            ("bad.c", "int main(void) { return missing_function(); }\n"),
            ("worse.c", "int main(\n"),
        ],
    );
    let output = driver(sysroot, &dir).arg("bad.c").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("undefined reference to `missing_function'"),
        "{}",
        stderr(&output)
    );
    let output = driver(sysroot, &dir).arg("worse.c").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr(&output).contains("worse.c:1:"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn a_stock_sysroot_is_linked_by_the_same_driver() {
    let (Some(sysroot), Some(stock)) = (sysroot("stock"), stock("stock")) else {
        return;
    };
    let dir = directory("stock");
    write(&dir, &[("hello.c", HELLO)]);
    succeed(driver(stock, &dir).args(["hello.c", "-o", "by-name"]));
    let mut option = std::ffi::OsString::from("--muslin-sysroot=");
    option.push(stock);
    succeed(
        driver(sysroot, &dir)
            .arg(option)
            .args(["hello.c", "-o", "by-option"]),
    );
    succeed(driver(sysroot, &dir).env("MUSLIN_SYSROOT", stock).args([
        "hello.c",
        "-o",
        "by-variable",
    ]));
    for name in ["by-name", "by-option", "by-variable"] {
        assert_eq!(succeed(&mut Command::new(dir.join(name))), "hello\n");
        let output = with(["check", name]).current_dir(&dir).output().unwrap();
        assert!(
            stdout(&output).contains("not an image of Muslin, static-pie"),
            "{}",
            stdout(&output)
        );
    }
}

#[test]
fn a_dropped_handler_is_told() {
    let Some(sysroot) = sysroot("dropped") else {
        return;
    };
    let dir = directory("dropped");
    write(&dir, &[("handler.c", HANDLER), ("asks.c", ASKS)]);
    succeed(driver(sysroot, &dir).args(["-c", "handler.c", "asks.c"]));
    succeed(
        Command::new("ar")
            .args(["rcs", "libhandler.a", "handler.o"])
            .current_dir(&dir),
    );
    let warning = |archive: &str| {
        format!(
            "muslin: warning: the handler 'answer' in {archive}(handler.o) was dropped: nothing refers to it; \
             put -Wl,--whole-archive before the archive and -Wl,--no-whole-archive after it\n"
        )
    };
    for (line, warned, answer) in [
        (&["asks.o", "handler.o"][..], None, "ours\n"),
        (
            &["asks.o", "libhandler.a"],
            Some("libhandler.a"),
            "Linux's\n",
        ),
        (
            &["asks.o", "-L.", "-lhandler", "-s"],
            Some("./libhandler.a"),
            "Linux's\n",
        ),
        (
            &[
                "asks.o",
                "-Wl,--whole-archive",
                "libhandler.a",
                "-Wl,--no-whole-archive",
                "-s",
            ],
            None,
            "ours\n",
        ),
    ] {
        let output = driver(sysroot, &dir)
            .args(line)
            .args(["-o", "asks"])
            .output()
            .unwrap();
        assert_eq!(
            stderr(&output),
            warned.map_or(String::new(), warning),
            "{line:?}"
        );
        assert_eq!(output.status.code(), Some(0), "{line:?}");
        assert_eq!(
            succeed(&mut Command::new(dir.join("asks"))),
            answer,
            "{line:?}"
        );
    }
    refuse(
        driver(sysroot, &dir)
            .args(["asks.o", "libhandler.a", "-o", "asks"])
            .env("MUSLIN_DROPPED", "error"),
        1,
        "the handler 'answer' in libhandler.a(handler.o) was dropped: nothing refers to it; \
         put -Wl,--whole-archive before the archive and -Wl,--no-whole-archive after it",
    );
    assert!(!dir.join("asks").exists());
}

#[test]
fn two_runtimes_are_one_line() {
    let Some(sysroot) = sysroot("two_runtimes") else {
        return;
    };
    let dir = directory("two-runtimes");
    write(&dir, &[("hello.c", HELLO)]);
    succeed(
        clean(Command::new("ar"))
            .arg("x")
            .arg(sysroot.join("lib/libc.a"))
            .arg("muslin-runtime.o")
            .current_dir(&dir),
    );
    fs::copy(dir.join("muslin-runtime.o"), dir.join("other.o")).unwrap();
    refuse(
        driver(sysroot, &dir).args(["hello.c", "other.o", "muslin-runtime.o"]),
        1,
        "two copies of the runtime are linked: other.o and muslin-runtime.o; link the libc.a of one sysroot only",
    );
}

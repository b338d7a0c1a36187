//! Whatever is wrong: one clear line and an exit code, never a panic.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::lab::{MUSLIN, clean, directory, muslin, refuse, stderr, stdout, succeed, with};

#[test]
fn wrong_usage_is_one_line_and_exit_code_2() {
    refuse(
        &mut with([""; 0]),
        2,
        "no subcommand given; see muslin --help",
    );
    refuse(
        &mut with(["frob"]),
        2,
        "unrecognized subcommand 'frob'; see muslin --help",
    );
    refuse(
        &mut with(["check"]),
        2,
        "the following required arguments were not provided: <IMAGE>...; see muslin --help",
    );
    refuse(
        &mut with(["run", "--bogus", "x"]),
        2,
        "unexpected argument '--bogus' found; see muslin --help",
    );
    refuse(
        &mut with(["cc", "--platform", "vax", "x.c"]),
        2,
        "unknown platform 'vax'; this version knows: linux, solo5-spt, solo5-hvt, any, xen",
    );
    refuse(
        &mut with(["cargo", "--platform=vax", "build"]),
        2,
        "unknown platform 'vax'; this version knows: linux, solo5-spt, solo5-hvt, any, xen",
    );
    refuse(
        &mut with(["cc", "--platform"]),
        2,
        "--platform has no value; see muslin cc --help",
    );
}

#[test]
fn every_subcommand_has_help_with_an_example_and_its_environment() {
    for subcommand in ["cc", "cargo", "run", "check", "syscalls", "sysroot"] {
        let output = with([subcommand, "--help"]).output().unwrap();
        let text = stdout(&output);
        assert!(output.status.success(), "{subcommand}");
        assert!(text.contains("\nExample:\n"), "{subcommand}: {text}");
        assert!(text.contains("\nEnvironment:\n"), "{subcommand}: {text}");
        assert!(
            text.lines().next().is_some_and(|line| line.len() < 100),
            "{subcommand}: {text}"
        );
    }
    assert!(stdout(&with(["--version"]).output().unwrap()).starts_with("muslin "));
}

#[test]
fn what_is_no_image_is_refused_by_name() {
    let dir = directory("wrong-files");
    fs::write(dir.join("text"), "#!/bin/sh\n").unwrap();
    fs::write(dir.join("short"), b"\x7fELF\x02\x01\x01").unwrap();
    fs::write(dir.join("empty"), b"").unwrap();
    let mut other = fs::read("/proc/self/exe").unwrap();
    other.truncate(4096);
    other[18] = 183;
    fs::write(dir.join("aarch64"), other).unwrap();
    let check = |file: &str| {
        let mut command = with(["check", file]);
        command.current_dir(&dir);
        command
    };
    let no_elf = "is not an ELF file or an archive; name an image, an object or an archive";
    refuse(&mut check("text"), 1, &format!("text {no_elf}"));
    refuse(&mut check("empty"), 1, &format!("empty {no_elf}"));
    refuse(
        &mut check("none"),
        1,
        "cannot read none: no such file or directory; check the path",
    );
    refuse(
        &mut check("."),
        1,
        ". is not a file; name an image, an object or an archive",
    );
    refuse(
        &mut check("short"),
        1,
        "cannot read short: invalid elf header size or alignment; name a whole ELF file for x86-64",
    );
    let output = check("aarch64").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output).lines().count(), 1);
    // A name with a line break in it does not make two lines.
    refuse(
        &mut check("a\nb"),
        1,
        "cannot read a\\nb: no such file or directory; check the path",
    );
}

#[test]
fn run_uses_the_exit_codes_of_shells() {
    let dir = directory("wrong-run");
    fs::write(dir.join("text"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(dir.join("text"), fs::Permissions::from_mode(0o755)).unwrap();
    let run = |file: &str| {
        let mut command = with(["run", file]);
        command.current_dir(&dir);
        command
    };
    refuse(
        &mut run("none"),
        127,
        "cannot run none: no such file or directory; check the path",
    );
    refuse(
        &mut run("text"),
        126,
        "text is not an image of Muslin; link it with muslin cc or muslin cargo",
    );
    refuse(
        &mut run("."),
        126,
        ". is not a file; name an image made with muslin cc or muslin cargo",
    );
    refuse(
        &mut run("/bin/true"),
        126,
        "/bin/true is not an image of Muslin; link it with muslin cc or muslin cargo",
    );
}

#[test]
fn a_host_program_is_no_image_but_is_described() {
    let output = with(["check", "/bin/true"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).starts_with("/bin/true: not an image of Muslin, dynamic, stripped\n"));
    assert_eq!(
        stderr(&output),
        "muslin: /bin/true is not an image of Muslin; link it with muslin cc or muslin cargo\n"
    );
}

#[test]
fn one_bad_file_does_not_hide_the_others() {
    let output = with(["check", "--json", "/nonexistent", "/bin/true"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let reports: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(reports.as_array().map(Vec::len), Some(1));
    assert_eq!(reports[0]["runtimes"], 0);
}

#[test]
fn a_missing_compiler_is_one_line() {
    let dir = directory("no-compiler");
    fs::create_dir_all(dir.join("include/bits")).unwrap();
    fs::create_dir_all(dir.join("lib")).unwrap();
    for piece in ["include/bits/alltypes.h", "lib/libc.a", "lib/crt1.o"] {
        fs::write(dir.join(piece), "").unwrap();
    }
    for line in [&["-c", "x.c"][..], &["x.c"], &["x.o", "-o", "x"]] {
        let mut command = with(["cc", "--muslin-sysroot"]);
        command
            .arg(&dir)
            .args(line)
            .env("MUSLIN_GCC", "/nonexistent/gcc");
        refuse(
            &mut command,
            1,
            "cannot start the compiler '/nonexistent/gcc': no such file or directory; \
             install gcc, or name one with MUSLIN_GCC",
        );
    }
    let mut command = with(["cc", "x.c"]);
    refuse(
        command.env("MUSLIN_GCC", "/usr/bin/clang-19"),
        1,
        "MUSLIN_GCC names /usr/bin/clang-19, which is not a gcc; name a gcc",
    );
}

#[test]
fn a_missing_sysroot_is_one_line() {
    let dir = directory("no-sysroot");
    // Away from any place where a sysroot could be beside it.
    let lonely = dir.join("bin/muslin");
    fs::create_dir_all(dir.join("bin")).unwrap();
    // Not by us: a process that another test starts meanwhile would hold the copy open for writing.
    succeed(Command::new("cp").arg(MUSLIN).arg(&lonely));
    refuse(
        clean(Command::new(&lonely)).args(["cc", "x.c"]),
        1,
        "no sysroot for platform linux beside this command; run make PLATFORM=linux, or set MUSLIN_SYSROOT",
    );
    let mut command = with(["cargo", "build"]);
    refuse(
        command.env("MUSLIN_SYSROOT", "/proc"),
        1,
        "MUSLIN_SYSROOT names /proc, which has no include/bits/alltypes.h; \
         name a directory made by make PLATFORM=linux",
    );
}

#[test]
fn what_a_static_c_toolchain_cannot_do_is_said() {
    refuse(
        &mut with(["cc", "-shared", "x.o", "-o", "x.so"]),
        1,
        "-shared: a shared library cannot be made, images are static; build static libraries \
         (configure --disable-shared, cmake -DBUILD_SHARED_LIBS=OFF, meson -Ddefault_library=static)",
    );
    for line in [&["cc", "x.cpp"][..], &["cc", "-c", "x.cpp"]] {
        refuse(
            &mut with(line),
            1,
            "C++ is not supported yet: x.cpp; build the C and Rust parts only",
        );
    }
    refuse(
        &mut with(["cc", "-x", "c++", "-"]),
        1,
        "C++ is not supported yet: -x c++; build the C and Rust parts only",
    );
    refuse(
        &mut with(["c++", "x.cc"]),
        1,
        "C++ is not supported yet: muslin c++; build the C and Rust parts only",
    );
    refuse(
        &mut with(["cc", "-m32", "x.c"]),
        1,
        "-m32: there is no 32-bit sysroot; build for x86-64",
    );
}

#[test]
fn wrong_calls_are_told_apart() {
    refuse(
        &mut with(["syscalls", "600"]),
        1,
        "call number 600 is out of range; the table holds 0 to 511",
    );
    refuse(
        &mut with(["syscalls", "opne"]),
        1,
        "no call is named 'opne'; see muslin syscalls for the names",
    );
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = muslin().arg("syscalls").stdout(writer).output().unwrap();
    assert_eq!(stderr(&output), "");
    assert_eq!(output.status.code(), Some(141));
}

#[test]
fn a_full_disk_is_one_line() {
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    refuse(
        muslin().arg("syscalls").stdout(full),
        1,
        "cannot write to standard output: no space left on device; check where the output goes",
    );
}

#[test]
fn the_table_names_calls_by_name_and_number() {
    let text = stdout(&with(["syscalls"]).output().unwrap());
    assert!(
        text.lines()
            .any(|line| line.split_whitespace().take(3).eq(["0", "read", "full"])),
        "{text}"
    );
    let output = with(["syscalls", "--json", "257", "read", "511"])
        .output()
        .unwrap();
    let calls: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(calls[0]["name"], "openat");
    assert_eq!(calls[1]["number"], 0);
    assert_eq!(
        (&calls[2]["level"], &calls[2]["errno"]),
        (&"missing".into(), &"ENOSYS".into())
    );
}

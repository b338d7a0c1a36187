//! Build systems that find out for themselves what a compiler is and what its libc has.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::lab::{clean, directory, has, succeed, sysroot, write};

const MAIN: &str = "\
#include <math.h>
#include <stdio.h>
#include \"part.h\"
int main(int argc, char **argv) { (void)argv; printf(\"%d %.0f\\n\", part(), sqrt(16.0 * argc)); return 0; }
";

/// The probes that a configure script of autoconf makes, in its order.
const CONFIGURE: &str = "\
#!/bin/sh
set -e
fail() { echo \"configure: $1\"; exit 1; }
: ${CC:?}
$CC --version >/dev/null
$CC -v 2>/dev/null
if $CC -V >/dev/null 2>&1; then fail '-V is accepted'; fi
if $CC -qversion >/dev/null 2>&1; then fail '-qversion is accepted'; fi
echo 'int main(void) { return 0; }' >conftest.c
$CC conftest.c
test -f a.out || fail 'no a.out'
./a.out || fail 'cannot run: a cross compiler?'
$CC -o conftest -g -O2 $CFLAGS $LDFLAGS conftest.c
$CC -c conftest.c
test -f conftest.o || fail 'no object'
printf '#ifndef __GNUC__\\nchoke me\\n#endif\\n' >conftest.c
$CC -c conftest.c || fail 'not GNU C'
printf '#include <limits.h>\\nSyntax error\\n' >conftest.c
$CC -E conftest.c >conftest.i || fail 'no preprocessor'
printf '#include <ac_nonexistent.h>\\n' >conftest.c
if $CC -E conftest.c >/dev/null 2>&1; then fail 'any header is there'; fi
printf 'char getppid(void);\\nint main(void) { return getppid(); }\\n' >conftest.c
$CC -o conftest conftest.c 2>/dev/null || fail 'no getppid'
printf 'char gnu_get_libc_version(void);\\nint main(void) { return gnu_get_libc_version(); }\\n' >conftest.c
if $CC -o conftest conftest.c >/dev/null 2>&1; then fail 'the host libc is linked'; fi
printf '#include <sys/epoll.h>\\n#include <linux/types.h>\\nint main(void) { return sizeof(__u32) != 4; }\\n' >conftest.c
$CC -o conftest conftest.c -lm -lpthread -lrt -ldl && ./conftest || fail 'headers and libraries'
if $CC -shared -fPIC -o conftest.so conftest.c 2>/dev/null; then fail 'shared libraries'; fi
$CC -c -o part.o part.c
ar cr libpart.a part.o
ranlib libpart.a
$CC $CFLAGS -o main main.c -L. -lpart -lm $LDFLAGS
./main
";

const PART: [(&str, &str); 3] = [
    ("part.h", "int part(void);\n"),
    (
        "part.c",
        "#include \"part.h\"\nint part(void) { return 7; }\n",
    ),
    ("main.c", MAIN),
];

#[test]
fn a_configure_script_takes_it() {
    let Some(sysroot) = sysroot("configure") else {
        return;
    };
    let dir = directory("configure");
    write(&dir, &PART);
    write(&dir, &[("configure", CONFIGURE)]);
    fs::set_permissions(dir.join("configure"), fs::Permissions::from_mode(0o755)).unwrap();
    for (cflags, ldflags) in [
        ("", ""),
        ("-fPIE", "-pie"),
        ("-O2", "-static"),
        ("-fno-pie", "-no-pie"),
    ] {
        let text = succeed(
            clean(Command::new("./configure"))
                .current_dir(&dir)
                .env("CC", sysroot.join("bin/muslin-cc"))
                .env("CFLAGS", cflags)
                .env("LDFLAGS", ldflags),
        );
        assert_eq!(text, "7 4\n", "{cflags} {ldflags}");
    }
}

#[test]
fn cmake_takes_it() {
    let Some(sysroot) = sysroot("cmake") else {
        return;
    };
    if !has("cmake", "cmake") || !has("cmake", "make") {
        return;
    }
    let dir = directory("cmake");
    let project = "\
cmake_minimum_required(VERSION 3.10)
project(hello C)
include(CheckFunctionExists)
include(CheckIncludeFile)
include(CheckCSourceRuns)
check_function_exists(getppid HAS_GETPPID)
check_function_exists(gnu_get_libc_version HAS_GLIBC)
check_include_file(sys/epoll.h HAS_EPOLL)
check_c_source_runs(\"int main(void) { return 0; }\" CAN_RUN)
if(NOT HAS_GETPPID OR HAS_GLIBC OR NOT HAS_EPOLL OR NOT CAN_RUN)
  message(FATAL_ERROR \"wrong answers\")
endif()
find_package(Threads REQUIRED)
find_library(ANL anl)
if(ANL AND CMAKE_C_IMPLICIT_LINK_DIRECTORIES MATCHES \"x86_64-linux-gnu($|;)\")
  message(FATAL_ERROR \"the host's libraries are searched: ${CMAKE_C_IMPLICIT_LINK_DIRECTORIES}\")
endif()
add_library(part part.c)
add_executable(main main.c)
target_link_libraries(main part m Threads::Threads)
";
    write(&dir, &PART);
    write(&dir, &[("CMakeLists.txt", project)]);
    for kind in ["Release", "Debug"] {
        let build = dir.join(kind);
        succeed(
            clean(Command::new("cmake"))
                .arg("-S")
                .arg(&dir)
                .arg("-B")
                .arg(&build)
                .args(["-G", "Unix Makefiles"])
                .arg(format!("-DCMAKE_BUILD_TYPE={kind}"))
                .arg(format!(
                    "-DCMAKE_C_COMPILER={}",
                    sysroot.join("bin/muslin-cc").display()
                )),
        );
        succeed(clean(Command::new("cmake")).arg("--build").arg(&build));
        assert_eq!(succeed(&mut Command::new(build.join("main"))), "7 4\n");
    }
}

#[test]
fn meson_takes_it() {
    let Some(sysroot) = sysroot("meson") else {
        return;
    };
    if !has("meson", "meson") || !has("meson", "ninja") {
        return;
    }
    let dir = directory("meson");
    let project = "\
project('hello', 'c', default_options: ['default_library=static', 'warning_level=2', 'werror=true'])
cc = meson.get_compiler('c')
assert(cc.get_id() == 'gcc')
assert(cc.has_function('getppid'))
assert(not cc.has_function('gnu_get_libc_version'))
assert(cc.has_header('sys/epoll.h'))
assert(cc.run('int main(void) { return 3; }').returncode() == 3)
assert(cc.sizeof('void *') == 8)
part = library('part', 'part.c')
main = executable('main', 'main.c', link_with: part, dependencies: [cc.find_library('m'), dependency('threads')])
test('main', main)
";
    write(&dir, &PART);
    write(&dir, &[("meson.build", project)]);
    succeed(
        clean(Command::new("meson"))
            .args(["setup", "build"])
            .current_dir(&dir)
            .env("CC", sysroot.join("bin/muslin-cc")),
    );
    succeed(
        clean(Command::new("meson"))
            .args(["compile", "-C", "build"])
            .current_dir(&dir),
    );
    succeed(
        clean(Command::new("meson"))
            .args(["test", "-C", "build"])
            .current_dir(&dir),
    );
    assert_eq!(succeed(&mut Command::new(dir.join("build/main"))), "7 4\n");
}

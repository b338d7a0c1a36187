//! Compiles an unpacked (and patched) musl as musl's own Makefile and configure do with gcc.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::archive;
use crate::error::Error;
use crate::install::names_in;
use crate::progress::Step;
use crate::tool::Toolchain;

/// The libraries that are empty: what POSIX has in them is in libc.a.
const EMPTY_LIBRARIES: [&str; 8] = [
    "m", "rt", "pthread", "crypt", "util", "xnet", "resolv", "dl",
];

/// The machine that is compiled for; musl's name of it is also its directory name.
const ARCH: &str = "x86_64";

/// Flags that every file needs.
const LANGUAGE: &str = "-std=c99 -nostdinc -ffreestanding -D_XOPEN_SOURCE=700 -fPIC -pipe";

/// Flags that are used where the compiler has them.
const WHERE_SUPPORTED: &str = "-fexcess-precision=standard -frounding-math -fno-strict-aliasing \
    -Wa,--noexecstack -fno-align-jumps -fno-align-functions -fno-align-loops -fno-align-labels \
    -fira-region=one -fira-hoist-pressure -freorder-blocks-algorithm=simple \
    -fno-prefetch-loop-arrays -fno-tree-ch -fomit-frame-pointer -fno-unwind-tables \
    -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections";

/// Where headers are looked for, in this order.
const INCLUDES: [&str; 7] = [
    "arch/x86_64",
    "arch/generic",
    "obj/src/internal",
    "src/include",
    "src/internal",
    "obj/include",
    "include",
];

/// Directories of src/ whose files are compiled for speed.
const FAST_DIRECTORIES: [&str; 3] = ["internal", "malloc", "string"];
/// The level for those, and for all others.
const FAST: &str = "-O3";
const ORDINARY: &str = "-O2";

/// Must not be turned into calls of themselves.
const MEMORY_FUNCTIONS: [&str; 4] = ["memcpy", "memmove", "memcmp", "memset"];
const MEMORY_FLAGS: &str = "-fno-tree-loop-distribute-patterns";

/// Run before there is a thread pointer, or check the stack protector itself.
const UNPROTECTED: [&str; 6] = [
    "__libc_start_main",
    "__init_tls",
    "__stack_chk_fail",
    "__set_thread_area",
    "memset",
    "memcpy",
];
const UNPROTECTED_FLAGS: &str = "-fno-stack-protector";

const CRT_FLAGS: &str = "-DCRT";

/// All flags in one text, for a cache key.
pub(crate) fn all_flags() -> String {
    [
        LANGUAGE,
        WHERE_SUPPORTED,
        FAST,
        ORDINARY,
        MEMORY_FLAGS,
        UNPROTECTED_FLAGS,
        CRT_FLAGS,
    ]
    .join(" ")
}

/// A file to compile.
struct Unit {
    /// Below the unpacked source.
    path: PathBuf,
    /// The object's file name, unlike any other: `thread_clone.o` for src/thread/x86_64/clone.s.
    object: String,
    /// What it is compiled with besides the flags of all.
    flags: String,
}

/// Compiles the crt files and libc.a into `lib`.
///
/// # Errors
/// The compiler is missing or refuses a file.
pub(crate) fn build(tree: &Path, lib: &Path, toolchain: &Toolchain) -> Result<(), Error> {
    let step = Step::begin();
    fs::create_dir_all(lib).map_err(|why| Error::io("making", lib, why))?;
    let mut libc = Vec::new();
    let mut directories = vec!["src/malloc/mallocng".to_owned()];
    for name in names_in(&tree.join("src"))? {
        directories.push(format!("src/{name}"));
    }
    for directory in &directories {
        units(tree, directory, &mut libc)?;
    }
    let mut crt = Vec::new();
    units(tree, "crt", &mut crt)?;
    eprintln!(
        "sysroot: compiling musl: {} files, about half a minute",
        libc.len() + crt.len()
    );

    let objects = tree.join("obj/made");
    fs::create_dir_all(&objects).map_err(|why| Error::io("making", &objects, why))?;
    compile(tree, &libc, &objects, toolchain)?;
    let members: Vec<String> = libc.iter().map(|unit| unit.object.clone()).collect();
    archive::append(&lib.join("libc.a"), &objects, &members)?;
    compile(tree, &crt, &objects, toolchain)?;
    for unit in &crt {
        let object = objects.join(&unit.object);
        fs::copy(&object, lib.join(&unit.object))
            .map_err(|why| Error::io("copying", &object, why))?;
    }
    for name in EMPTY_LIBRARIES {
        archive::empty(&lib.join(format!("lib{name}.a")))?;
    }
    step.done(&format!("compiled musl: {} files", libc.len() + crt.len()));
    Ok(())
}

/// Adds the units of one directory: its C files, each replaced by the file of the same stem for this
/// machine if there is one, and files that only this machine has.
fn units(tree: &Path, directory: &str, all: &mut Vec<Unit>) -> Result<(), Error> {
    let mut by_stem = BTreeMap::new();
    for (directory, extensions) in [
        (directory.to_owned(), &["c"][..]),
        (format!("{directory}/{ARCH}"), &["c", "s", "S"][..]),
    ] {
        if !tree.join(&directory).is_dir() {
            continue;
        }
        for name in names_in(&tree.join(&directory))? {
            match name.rsplit_once('.') {
                Some((stem, extension)) if extensions.contains(&extension) => {
                    by_stem.insert(stem.to_owned(), format!("{directory}/{name}"));
                }
                _ => {}
            }
        }
    }
    for (stem, path) in by_stem {
        all.push(Unit {
            flags: special_flags(&path, directory, &stem),
            object: object_name(directory, &stem),
            path: path.into(),
        });
    }
    Ok(())
}

fn object_name(directory: &str, stem: &str) -> String {
    match directory.strip_prefix("src/") {
        Some(below) => format!("{}_{stem}.o", below.replace('/', "_")),
        None => format!("{stem}.o"),
    }
}

fn special_flags(path: &str, directory: &str, stem: &str) -> String {
    let below = directory.strip_prefix("src/");
    let is_crt = below.is_none();
    let is_fast = below.is_some_and(|below| FAST_DIRECTORIES.contains(&below))
        && path == format!("{directory}/{stem}.c");
    let mut flags = vec![if is_fast { FAST } else { ORDINARY }];
    if below.is_some() && MEMORY_FUNCTIONS.contains(&stem) {
        flags.push(MEMORY_FLAGS);
    }
    if is_crt || UNPROTECTED.contains(&stem) {
        flags.push(UNPROTECTED_FLAGS);
    }
    if is_crt {
        flags.push(CRT_FLAGS);
    }
    flags.join(" ")
}

/// Compiles units, those of equal flags in parallel, to `objects`/<object name>.
fn compile(
    tree: &Path,
    units: &[Unit],
    objects: &Path,
    toolchain: &Toolchain,
) -> Result<(), Error> {
    let mut groups: BTreeMap<&str, Vec<&Unit>> = BTreeMap::new();
    for unit in units {
        groups.entry(&unit.flags).or_default().push(unit);
    }
    let failed = |why: cc::Error| Error::FailedTool {
        doing: format!("compiling musl with {}", toolchain.compiler.display()),
        said: why.to_string(),
    };
    for (flags, units) in groups {
        let mut build = compiler(tree, objects, toolchain);
        for flag in flags.split_whitespace() {
            build.flag(flag);
        }
        for unit in &units {
            build.file(tree.join(&unit.path));
        }
        let made = build.try_compile_intermediates().map_err(failed)?;
        for (made, unit) in made.iter().zip(&units) {
            fs::rename(made, objects.join(&unit.object))
                .map_err(|why| Error::io("renaming the object", made, why))?;
        }
    }
    Ok(())
}

/// A compiler with the flags of all files and nothing from cargo or the environment: `CFLAGS` is
/// meant for programs, and would come after the flags that musl must have.
fn compiler(tree: &Path, objects: &Path, toolchain: &Toolchain) -> cc::Build {
    let mut build = cc::Build::new();
    build
        .set_envs_snapshot(
            env::vars_os().filter(|(name, _)| !name.to_string_lossy().contains("CFLAGS")),
        )
        .cargo_metadata(false)
        .cargo_warnings(false)
        .cargo_debug(false)
        .no_default_flags(true)
        .inherit_rustflags(false)
        .warnings(false)
        .extra_warnings(false)
        .target("x86_64-unknown-linux-gnu")
        .host("x86_64-unknown-linux-gnu")
        .opt_level(2)
        .debug(false)
        .out_dir(objects)
        .compiler(&toolchain.compiler);
    for flag in LANGUAGE.split_whitespace() {
        build.flag(flag);
    }
    for directory in INCLUDES {
        build.include(tree.join(directory));
    }
    for flag in WHERE_SUPPORTED.split_whitespace() {
        build.flag_if_supported(flag);
    }
    build
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at once")]
mod tests {
    use super::*;

    fn tree(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        dir
    }

    #[test]
    fn a_file_for_this_machine_replaces_the_general_one() {
        let tree = tree(&[
            "src/thread/clone.c",
            "src/thread/x86_64/clone.s",
            "src/thread/x86_64/only_here.S",
            "src/thread/arm/clone.s",
            "src/thread/join.c",
            "src/thread/header.h",
        ]);
        let mut all = Vec::new();
        units(tree.path(), "src/thread", &mut all).unwrap();
        let found: Vec<_> = all
            .iter()
            .map(|unit| (unit.path.to_str().unwrap(), unit.object.as_str()))
            .collect();
        assert_eq!(
            found,
            [
                ("src/thread/x86_64/clone.s", "thread_clone.o"),
                ("src/thread/join.c", "thread_join.o"),
                ("src/thread/x86_64/only_here.S", "thread_only_here.o"),
            ]
        );
    }

    #[test]
    fn equal_stems_get_unlike_object_names() {
        assert_eq!(object_name("src/malloc", "free"), "malloc_free.o");
        assert_eq!(
            object_name("src/malloc/mallocng", "free"),
            "malloc_mallocng_free.o"
        );
        assert_eq!(object_name("crt", "crt1"), "crt1.o");
    }

    #[test]
    fn flags_follow_the_rules_of_musls_makefile() {
        let flags = |directory: &str, stem: &str| {
            special_flags(&format!("{directory}/{stem}.c"), directory, stem)
        };
        assert_eq!(flags("src/stdio", "printf"), "-O2");
        assert_eq!(flags("src/malloc", "calloc"), "-O3");
        assert_eq!(flags("src/malloc/mallocng", "malloc"), "-O2");
        assert_eq!(
            flags("src/string", "memset"),
            "-O3 -fno-tree-loop-distribute-patterns -fno-stack-protector"
        );
        assert_eq!(flags("src/env", "__init_tls"), "-O2 -fno-stack-protector");
        assert_eq!(flags("crt", "rcrt1"), "-O2 -fno-stack-protector -DCRT");
    }
}

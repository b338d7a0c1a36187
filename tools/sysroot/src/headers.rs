//! musl's generated headers, made here instead of by musl's `sed` scripts, and the installation of
//! all public headers.

use std::fs;
use std::path::Path;

use crate::error::Error;
use crate::install::{copy_tree, names_in};

/// Where generated headers go, below the unpacked source; the first two are public.
const GENERATED: &str = "obj";

/// Writes `bits/alltypes.h`, `bits/syscall.h` and the internal `version.h`.
///
/// # Errors
/// The templates are not there or the disk is full.
pub(crate) fn generate(tree: &Path, version: &str) -> Result<(), Error> {
    let read = |name: &str| {
        let path = tree.join(name);
        fs::read_to_string(&path).map_err(|why| Error::io("reading", &path, why))
    };
    let write = |name: &str, text: String| {
        let path = tree.join(GENERATED).join(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|why| Error::io("making", parent, why))?;
        }
        fs::write(&path, text).map_err(|why| Error::io("writing", &path, why))
    };
    let templates = read("arch/x86_64/bits/alltypes.h.in")? + &read("include/alltypes.h.in")?;
    write("include/bits/alltypes.h", alltypes(&templates))?;
    write(
        "include/bits/syscall.h",
        syscalls(&read("arch/x86_64/bits/syscall.h.in")?),
    )?;
    write(
        "src/internal/version.h",
        format!("#define VERSION \"{version}\"\n"),
    )
}

/// Copies the public headers to `include`.
///
/// # Errors
/// The disk is full.
pub(crate) fn install(tree: &Path, include: &Path) -> Result<(), Error> {
    for part in ["include", "arch/generic", "arch/x86_64", "obj/include"] {
        // Of the arch directories only bits/ is public; a later directory overrides an earlier one.
        let from = tree.join(part);
        if part.starts_with("arch") {
            copy_tree(&from.join("bits"), &include.join("bits"))?;
        } else {
            copy_tree(&from, include)?;
        }
    }
    for dir in [include.to_owned(), include.join("bits")] {
        for name in names_in(&dir)? {
            if name.ends_with(".in") {
                let path = dir.join(name);
                fs::remove_file(&path).map_err(|why| Error::io("deleting", &path, why))?;
            }
        }
    }
    Ok(())
}

/// Turns the `TYPEDEF`, `STRUCT` and `UNION` lines of musl's templates into definitions that are
/// made once, and only for a header that asks for them.
fn alltypes(templates: &str) -> String {
    let mut out = String::new();
    for line in templates.lines() {
        let guarded = guarded_typedef(line)
            .or_else(|| guarded_aggregate(line, "STRUCT", "struct"))
            .or_else(|| guarded_aggregate(line, "UNION", "union"));
        out.push_str(guarded.as_deref().unwrap_or(line));
        out.push('\n');
    }
    out
}

fn guarded_typedef(line: &str) -> Option<String> {
    let (kind, name) = line
        .strip_prefix("TYPEDEF ")?
        .strip_suffix(';')?
        .rsplit_once(' ')?;
    Some(guard(name, &format!("typedef {kind} {name};")))
}

fn guarded_aggregate(line: &str, word: &str, keyword: &str) -> Option<String> {
    let (name, body) = line
        .strip_prefix(word)?
        .trim_start()
        .strip_suffix(';')?
        .split_once(' ')?;
    Some(guard(
        &format!("{keyword}_{name}"),
        &format!("{keyword} {name} {body};"),
    ))
}

fn guard(name: &str, definition: &str) -> String {
    format!(
        "#if defined(__NEED_{name}) && !defined(__DEFINED_{name})\n{definition}\n#define __DEFINED_{name}\n#endif\n"
    )
}

/// The `__NR_` numbers, followed by the same under their `SYS_` names.
fn syscalls(template: &str) -> String {
    let mut out = template.to_owned();
    for line in template.lines().filter(|line| line.contains("__NR_")) {
        out.push_str(&line.replacen("__NR_", "SYS_", 1));
        out.push('\n');
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at once")]
mod tests {
    use super::*;

    #[test]
    fn typedef_is_guarded_by_its_name() {
        assert_eq!(
            alltypes("TYPEDEF unsigned _Addr size_t;\n"),
            "#if defined(__NEED_size_t) && !defined(__DEFINED_size_t)\n\
             typedef unsigned _Addr size_t;\n#define __DEFINED_size_t\n#endif\n\n"
        );
    }

    #[test]
    fn typedef_of_an_aggregate_keeps_its_body() {
        let line = "TYPEDEF struct { union { int __i[2]; } __u; } mtx_t;";
        let text = alltypes(line);
        assert!(text.contains("__NEED_mtx_t"), "{text}");
        assert!(
            text.contains("\ntypedef struct { union { int __i[2]; } __u; } mtx_t;\n"),
            "{text}"
        );
    }

    #[test]
    fn struct_and_union_are_guarded_by_their_kind() {
        let text = alltypes("STRUCT iovec { void *iov_base; size_t iov_len; };\n");
        assert!(text.contains("defined(__NEED_struct_iovec)"), "{text}");
        assert!(
            text.contains("\nstruct iovec { void *iov_base; size_t iov_len; };\n"),
            "{text}"
        );
        let text = alltypes("UNION u { int a; };\n");
        assert!(text.contains("#define __DEFINED_union_u\n"), "{text}");
    }

    #[test]
    fn other_lines_pass_unchanged() {
        let text = "#define _Addr long\n\n#ifndef __cplusplus\n#endif\n";
        assert_eq!(alltypes(text), text);
    }

    #[test]
    fn syscall_numbers_get_both_names() {
        assert_eq!(
            syscalls("#define __NR_read\t0\n/* no number */\n"),
            "#define __NR_read\t0\n/* no number */\n#define SYS_read\t0\n"
        );
    }
}

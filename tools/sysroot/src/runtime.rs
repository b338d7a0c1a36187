//! The objects of ours in libc.a: crates built for no operating system, each linked into one
//! relocatable object of which only the C symbols are visible. `muslin-runtime` is in every image,
//! `muslin-net` where the linker finds a reason for it (see `net`).

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::archive;
use crate::cache::Cache;
use crate::error::Error;
use crate::every_number;
use crate::key::Key;
use crate::manifest;
use crate::net;
use crate::progress::Step;
use crate::tool::{self, Toolchain};

/// The target without an operating system that the runtime is compiled for.
const TARGET: &str = "x86_64-unknown-none";
/// The feature whose calls go to a kernel below: the others have a library OS.
const FEATURE_LINUX: &str = "platform-linux";
/// The feature whose images declare devices.
const FEATURE_SOLO5: &str = "platform-solo5";
/// The runtime's member in libc.a.
const MEMBER: &str = "muslin-runtime.o";
/// The stream cipher without vectors: handlers touch no vector register, and it is a tenth of the size.
const FLAGS: &str = r#"--cfg=chacha20_backend="soft""#;
/// Where the toolchain keeps the sources of the standard library, if it does.
const RUST_SOURCES: &str = "lib/rustlib/src/rust";
/// The runtime's symbols that stay visible, one a line; a `*` at the end stands for any characters, a
/// `?` for a symbol that may be missing.
const EXPORTS: &str = "shim/runtime/exports.txt";
/// Files that go into the sysroot as they are.
const HEADER: &str = "shim/include/muslin.h";
const LINKER_SCRIPT: &str = "shim/muslin.ld";
/// The variable that names another directory with Xen's headers than the system's.
const XEN_INCLUDE_VARIABLE: &str = "MUSLIN_XEN_INCLUDE";
/// All that the object and the sysroot are made from.
const INPUTS: [&str; 10] = [
    "Cargo.toml",
    "Cargo.lock",
    "net-hooks",
    "shim/abi",
    "shim/runtime",
    "shim/src",
    HEADER,
    LINKER_SCRIPT,
    "syscalls",
    "platforms",
];
/// How the ABI note of Solo5 begins: the lengths of name and description, the type, the name. The
/// target is behind it.
const SOLO5_NOTE: &[u8] = b"\x06\0\0\0\x10\0\0\0ABI1Solo5\0\0\0";
/// The target "hvt" in that note.
pub(crate) const SOLO5_HVT: u32 = 1;
/// Prefixes of variables that would change what the nested cargo does; it shall build the
/// same object under `cargo build`, `muslin cargo` and by hand.
const FOREIGN_VARIABLES: [&str; 12] = [
    "BINDGEN_EXTRA_CLANG_ARGS",
    "CARGO_BUILD_",
    "CARGO_CFG_",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_FEATURE_",
    "CARGO_INCREMENTAL",
    "CARGO_PROFILE_",
    "CARGO_TARGET_",
    "RUSTC",
    "RUSTDOC",
    "RUSTFLAGS",
    "RUSTUP_TOOLCHAIN",
];

/// Adds to a cache key what the runtime in a sysroot depends on.
///
/// # Errors
/// A source cannot be read, or Rust is not installed.
pub(crate) fn add_inputs(key: &mut Key, root: &Path, toolchain: &Toolchain) -> Result<(), Error> {
    for input in INPUTS {
        key.tree(root, input)?;
    }
    key.text("flags", FLAGS);
    key.text("linker", &toolchain.linker_version);
    key.text("manifest", &manifest::source(&[]));
    key.text("no net", net::WITHOUT);
    key.text("numbers", &every_number::sources().concat());
    key.text(
        "rustc",
        &tool::output(&mut rust("rustc", root, "-vV"), "asking")?,
    );
    Ok(())
}

/// Adds to a cache key what the runtime for Xen also depends on: Xen's headers, which its build script
/// translates.
///
/// # Errors
/// They are not there, or cannot be read.
pub(crate) fn add_xen_headers(key: &mut Key, include: &Path) -> Result<(), Error> {
    let probe = include.join("xen/xen.h");
    if !probe.exists() {
        return Err(Error::Setting(format!(
            "Xen's headers are needed and {} does not exist: install libxen-dev (Debian's name) or run `make setup` in Muslin's repository, or set {XEN_INCLUDE_VARIABLE} to the directory that has xen/xen.h",
            probe.display()
        )));
    }
    key.tree(include, "xen")
}

/// The directory with Xen's headers, as the build script of crate `muslin-xen` finds it.
pub(crate) fn xen_include() -> PathBuf {
    env::var_os(XEN_INCLUDE_VARIABLE).map_or_else(|| "/usr/include".into(), PathBuf::from)
}

/// Builds the objects for one platform and puts them, the C header and the linker script into the
/// sysroot.
///
/// # Errors
/// The target is not installed, the runtime does not compile, or an export is not in it.
pub(crate) fn add(
    root: &Path,
    cache: &Cache,
    sysroot: &Path,
    feature: &str,
    solo5_target: Option<u32>,
) -> Result<(), Error> {
    let step = Step::begin();
    let scratch = cache.scratch()?;
    let runtime = Object {
        package: "muslin-runtime",
        features: &[feature],
        exports: read_list(&root.join(EXPORTS))?,
        member: MEMBER,
    };
    runtime.make(root, cache, scratch.path())?;
    net::object().make(root, cache, scratch.path())?;
    if let Some(target) = solo5_target {
        name_target(&scratch.path().join(MEMBER), target)?;
    }
    let mut members = vec![MEMBER.to_owned()];
    if feature == FEATURE_SOLO5 {
        manifest::assemble(scratch.path())?;
        members.push(manifest::MEMBER.to_owned());
    }
    if feature != FEATURE_LINUX {
        every_number::assemble(scratch.path())?;
        members.extend(every_number::MEMBERS.map(str::to_owned));
    } else {
        net::assemble_without(scratch.path())?;
        members.push(net::MEMBER_WITHOUT.to_owned());
    }
    members.push(net::MEMBER.to_owned());
    archive::append(&sysroot.join("lib/libc.a"), scratch.path(), &members)?;
    for (from, to) in [
        (HEADER, sysroot.join("include/muslin.h")),
        (LINKER_SCRIPT, sysroot.join("lib/muslin.ld")),
    ] {
        let from = root.join(from);
        fs::copy(&from, &to).map_err(|why| Error::io("copying", &from, why))?;
    }
    let size = |member| {
        let object = scratch.path().join(member);
        object.metadata().map_or(0, |data| data.len()) / 1024
    };
    step.done(&format!(
        "built the runtime object, {} KiB, and that of the network, {} KiB",
        size(MEMBER),
        size(net::MEMBER)
    ));
    Ok(())
}

/// A crate that becomes one object.
pub(crate) struct Object<'a> {
    /// The crate.
    pub(crate) package: &'static str,
    /// Its features, besides none.
    pub(crate) features: &'a [&'a str],
    /// The symbols that stay visible, as in [`EXPORTS`].
    pub(crate) exports: Vec<String>,
    /// The object's file name.
    pub(crate) member: &'static str,
}

impl Object<'_> {
    /// Puts the object into `dir`.
    fn make(&self, root: &Path, cache: &Cache, dir: &Path) -> Result<(), Error> {
        let library = self.compile(root, cache)?;
        self.link(&library, dir)
    }

    /// Compiles the crate into a static library.
    fn compile(&self, root: &Path, cache: &Cache) -> Result<PathBuf, Error> {
        let libdir = tool::output(
            rust("rustc", root, "--print=target-libdir").args(["--target", TARGET]),
            "asking",
        )?;
        if !Path::new(libdir.trim()).is_dir() {
            return Err(Error::Setting(format!(
                "Rust's target {TARGET} is not installed: run `rustup target add {TARGET}`"
            )));
        }
        // One directory for each copy of the repository, so that a change compiles only what changed.
        let mut place = Key::new("runtime-target");
        place.text("root", &root.to_string_lossy());
        let target_dir = cache.entry(&format!("runtime-target-{}", place.hex()), |_| Ok(()))?;
        let mut cargo = rust("cargo", root, "rustc");
        cargo
            .args(["--package", self.package, "--lib"])
            .args(["--crate-type", "staticlib", "--target", TARGET])
            .args(["--no-default-features", "--features"])
            .arg(self.features.join(","))
            .args(["--profile", "runtime", "--locked", "--quiet"])
            .arg("--manifest-path")
            .arg(root.join("Cargo.toml"))
            .arg("--target-dir")
            .arg(&target_dir)
            // Not those of the user's cargo configuration.
            .env("CARGO_ENCODED_RUSTFLAGS", flags(root)?);
        tool::output(&mut cargo, &format!("compiling {} with", self.package))?;
        let library = format!("lib{}.a", self.package.replace('-', "_"));
        Ok(target_dir.join(TARGET).join("runtime").join(library))
    }

    /// Links the library into one object without unused sections, debug information or LLVM's
    /// bitcode, in which only the exports are visible.
    fn link(&self, library: &Path, dir: &Path) -> Result<(), Error> {
        let mut nm = Command::new("nm");
        nm.args(["--defined-only", "--extern-only", "--format=posix"])
            .arg(library);
        let defined = tool::output(&mut nm, "reading symbols with")?;
        let symbols = matching(&defined, &self.exports, self.package)?;

        let mut ld = Command::new("ld");
        ld.current_dir(dir).args(["-r", "--gc-sections"]);
        for symbol in &symbols {
            ld.args(["-u", symbol]);
        }
        ld.args(["-o", "linked.o"]).arg(library);
        tool::output(&mut ld, "linking an object with")?;

        let list = dir.join("exports");
        fs::write(&list, symbols.join("\n")).map_err(|why| Error::io("writing", &list, why))?;
        let mut objcopy = Command::new("objcopy");
        objcopy
            .current_dir(dir)
            .args(["--strip-debug", "-R", ".llvmbc", "-R", ".llvmcmd"])
            .args(["--wildcard", "--keep-global-symbols=exports"])
            .args(["linked.o", self.member]);
        tool::output(&mut objcopy, "hiding an object's symbols with")?;
        Ok(())
    }
}

/// The compiler's flags, as Cargo takes them. Each image holds the names of the sources that can panic:
/// the toolchain's are named from its own directory, wherever that is.
fn flags(root: &Path) -> Result<String, Error> {
    let toolchain = tool::output(&mut rust("rustc", root, "--print=sysroot"), "asking")?;
    let sources = Path::new(toolchain.trim()).join(RUST_SOURCES);
    let remap = format!("--remap-path-prefix={}=", sources.display());
    Ok([FLAGS, &remap].join("\x1f"))
}

/// Changes the target in the object's ABI note of Solo5.
fn name_target(object: &Path, target: u32) -> Result<(), Error> {
    let mut bytes = fs::read(object).map_err(|why| Error::io("reading", object, why))?;
    let mut places = bytes
        .windows(SOLO5_NOTE.len())
        .enumerate()
        .filter(|(_, window)| *window == SOLO5_NOTE)
        .map(|(at, window)| at + window.len());
    let (Some(at), None) = (places.next(), places.next()) else {
        return Err(Error::Setting(
            "the runtime object has not exactly one ABI note of Solo5: see platforms/solo5/src/notes.rs"
                .to_owned(),
        ));
    };
    if let Some(place) = bytes.get_mut(at..at + 4) {
        place.copy_from_slice(&target.to_le_bytes());
    }
    fs::write(object, bytes).map_err(|why| Error::io("writing", object, why))
}

/// The symbols that the exports stand for; `defined` is what `nm` says of the library.
fn matching<'a>(
    defined: &'a str,
    exports: &[String],
    package: &str,
) -> Result<Vec<&'a str>, Error> {
    let mut symbols = Vec::new();
    for line in exports {
        let (export, is_optional) = match line.strip_suffix('?') {
            Some(name) => (name, true),
            None => (line.as_str(), false),
        };
        let before = symbols.len();
        symbols.extend(
            defined
                .lines()
                .filter_map(|line| line.split(' ').next())
                .filter(|symbol| match export.strip_suffix('*') {
                    Some(prefix) => symbol.starts_with(prefix),
                    None => *symbol == export,
                }),
        );
        if symbols.len() == before && !is_optional {
            return Err(Error::Setting(format!(
                "the exports of {package} name {export}, which it does not define"
            )));
        }
    }
    Ok(symbols)
}

/// A Rust tool in the repository, without what an outer cargo set.
fn rust(program: &str, root: &Path, first: &str) -> Command {
    let mut command = Command::new(program);
    command.current_dir(root).arg(first);
    for (name, _) in env::vars_os() {
        let text = name.to_string_lossy();
        if text == "TARGET"
            || FOREIGN_VARIABLES
                .iter()
                .any(|prefix| text.starts_with(prefix))
        {
            command.env_remove(&name);
        }
    }
    command
}

fn read_list(path: &Path) -> Result<Vec<String>, Error> {
    let text = fs::read_to_string(path).map_err(|why| Error::io("reading", path, why))?;
    Ok(list(&text).map(str::to_owned).collect())
}

/// The lines of a list without comments and blanks.
fn list(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may stop at once")]
mod tests {
    use super::*;

    #[test]
    fn lists_may_hold_comments() {
        let text = "# exports\n__muslin_boot\n\nmuslin_register # C\n";
        assert_eq!(
            list(text).collect::<Vec<_>>(),
            ["__muslin_boot", "muslin_register"]
        );
    }

    #[test]
    fn the_key_has_the_headers_of_xen_and_says_when_they_are_missing() {
        let include = tempfile::tempdir().unwrap();
        let key = || {
            let mut key = Key::new("1");
            add_xen_headers(&mut key, include.path()).map(|()| key.hex())
        };
        let error = key().err().unwrap().to_string();
        assert!(error.contains("install libxen-dev"), "{error}");
        assert!(!error.contains('\n'), "{error}");
        fs::create_dir_all(include.path().join("xen/io")).unwrap();
        fs::write(include.path().join("xen/xen.h"), "#define DOMID_SELF 1").unwrap();
        fs::write(include.path().join("xen/io/ring.h"), "").unwrap();
        let one = key().unwrap();
        assert_eq!(key().unwrap(), one);
        fs::write(include.path().join("xen/io/ring.h"), "#define SIZE 2").unwrap();
        assert_ne!(key().unwrap(), one);
    }

    #[test]
    fn exports_are_whole_names_or_prefixes() {
        let defined =
            "lib.a[x.o]:\nmuslin_register_family T 0 10\nmuslin_next T 0 1\nother T 0 1\n";
        let matching = |export: &str| matching(defined, &[export.to_owned()], "muslin-runtime");
        assert_eq!(matching("muslin_next").unwrap(), ["muslin_next"]);
        assert_eq!(
            matching("muslin_*").unwrap(),
            ["muslin_register_family", "muslin_next"]
        );
        assert!(matching("muslin_register?").unwrap().is_empty());
        assert_eq!(matching("muslin_next?").unwrap(), ["muslin_next"]);
        let error = matching("muslin_register").err().unwrap();
        assert!(error.to_string().contains("muslin_register,"), "{error}");
    }
}

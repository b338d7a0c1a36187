//! Makes the sysroot that a program linked for musl needs, so that a crate that depends on `muslin`
//! needs nothing else; for the other targets there is nothing to do.
//!
//! With the feature `abi-check` it also translates the sysroot's headers for `tests/abi.rs`.

use std::env;
use std::path::PathBuf;

use muslin_sysroot::{Flavour, Request, Sysroot};

/// The target whose programs are linked with the sysroot.
const MUSL_TARGET: &str = "x86_64-unknown-linux-musl";

fn main() {
    for path in [
        "build.rs",
        "Cargo.lock",
        "musl-patches",
        "platforms",
        "shim",
        "syscalls",
    ] {
        println!("cargo::rerun-if-changed={path}");
    }
    for variable in ["CC", "MUSLIN_CACHE", "MUSLIN_MUSL_VERSION", "MUSL_TARBALL"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    // cargo stops at such a line and shows nothing but the line.
    if let Err(error) = run() {
        println!("cargo::error={error}");
    }
}

fn run() -> Result<(), String> {
    if variable("TARGET")? == MUSL_TARGET {
        let dir = sysroot()?.dir;
        println!(
            "cargo::rustc-link-search=native={}",
            dir.join("lib").display()
        );
        println!("cargo::metadata=sysroot={}", dir.display());
        return Ok(());
    }
    #[cfg(feature = "abi-check")]
    abi::translate(&sysroot()?.dir, &out_dir()?.join("abi.rs"))?;
    Ok(())
}

fn sysroot() -> Result<Sysroot, String> {
    let request = Request {
        flavour: Flavour::Linux,
        out: out_dir()?.join("sysroot"),
    };
    muslin_sysroot::build(&request).map_err(|error| error.to_string().replace('\n', "; "))
}

fn out_dir() -> Result<PathBuf, String> {
    variable("OUT_DIR").map(PathBuf::from)
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|why| format!("{name}: {why}; cargo sets it for build.rs"))
}

/// The C headers as Rust: types, and lists of numbered names.
#[cfg(feature = "abi-check")]
mod abi {
    use std::fmt::Write as _;
    use std::fs;
    use std::path::Path;
    use std::sync::{Arc, Mutex, PoisonError};

    use bindgen::callbacks::{IntKind, ParseCallbacks};

    /// The headers that tests/abi.rs compares with.
    const HEADERS: &str = "
        #include <elf.h>
        #include <errno.h>
        #include <sys/syscall.h>
        #include <muslin.h>
    ";

    pub fn translate(sysroot: &Path, to: &Path) -> Result<(), String> {
        let macros = Macros::default();
        let bindings = bindgen::builder()
            .header_contents("abi.h", HEADERS)
            .clang_args(["--target=x86_64-linux-musl", "-nostdinc", "-isystem"])
            .clang_arg(sysroot.join("include").to_string_lossy())
            .layout_tests(false)
            .allowlist_type("muslin_.*")
            .allowlist_var("(AT|MUSLIN)_.*")
            .parse_callbacks(Box::new(macros.clone()))
            .generate()
            .map_err(|why| format!("bindgen cannot read the sysroot's headers: {why}"))?;
        let mut text = bindings.to_string();
        text.push_str(&macros.list("SYSCALLS", |name| name.starts_with("SYS_")));
        // elf.h has names with an E, too: EM_386, ELFMAG0.
        text.push_str(&macros.list("ERRNOS", |name| {
            name.starts_with('E') && !name.starts_with("ELF") && !name.contains('_')
        }));
        fs::write(to, text).map_err(|why| format!("writing {}: {why}", to.display()))
    }

    /// Collects the macros that are whole numbers.
    #[derive(Clone, Debug, Default)]
    struct Macros(Arc<Mutex<Vec<(String, i64)>>>);

    impl Macros {
        /// A constant that holds the names that are wanted, with their values.
        fn list(&self, constant: &str, is_wanted: impl Fn(&str) -> bool) -> String {
            let mut text = format!("pub const {constant}: &[(&str, i64)] = &[\n");
            for (name, value) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                if is_wanted(name) {
                    // Writing to a String cannot fail.
                    let _ = writeln!(text, "    ({name:?}, {value}),");
                }
            }
            text.push_str("];\n");
            text
        }
    }

    impl ParseCallbacks for Macros {
        fn int_macro(&self, name: &str, value: i64) -> Option<IntKind> {
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push((name.to_owned(), value));
            None
        }
    }
}

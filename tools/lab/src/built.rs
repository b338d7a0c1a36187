//! The programs of the lab, made of this tree: static, so that they run anywhere.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

const TARGET: &str = "x86_64-unknown-linux-musl";

/// The lab's own programs.
#[derive(Clone, Debug)]
pub(crate) struct Tools {
    /// The directory that they are in.
    pub(crate) directory: PathBuf,
}

impl Tools {
    pub(crate) fn muslin(&self) -> PathBuf {
        self.directory.join("muslin")
    }

    pub(crate) fn steps(&self) -> PathBuf {
        self.directory.join("muslin-lab-steps")
    }

    pub(crate) fn init(&self) -> PathBuf {
        self.directory.join("muslin-lab-init")
    }
}

/// Makes the programs, once in a process.
pub(crate) fn tools() -> Result<Tools, String> {
    static TOOLS: LazyLock<Result<Tools, String>> = LazyLock::new(make);
    TOOLS.clone()
}

fn make() -> Result<Tools, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let target_dir =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    // With these words tools/build.sh makes the command: where that was done, nothing is compiled.
    // Together with the lab's own programs its libraries would get other features.
    build(&root, &target_dir, &["muslin-sysroot", "muslin-cmd"])?;
    build(&root, &target_dir, &["muslin-lab"])?;
    Ok(Tools {
        directory: target_dir.join(TARGET).join("release"),
    })
}

fn build(root: &Path, target_dir: &Path, packages: &[&str]) -> Result<(), String> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--release", "--bins"])
        .args(["--target", TARGET, "--target-dir"])
        .arg(target_dir)
        .args(packages.iter().flat_map(|package| ["--package", package]))
        // The stock target, whatever is set here.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_BUILD_TARGET")
        .current_dir(root)
        .output()
        .map_err(|error| format!("cannot run cargo: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("the lab's programs do not compile:\n{said}"))
}

//! `muslin cargo`: cargo for the stock musl target, linked with a sysroot of Muslin.
//!
//! Everything is said through the environment: the user's own flags and configuration stay in force,
//! and cargo's aliases and plug-ins see the same.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command, Stdio};

use crate::cc::devices::{self, DEVICES_VARIABLE};
use crate::cc::network::{NETWORK_VARIABLE, Network};
use crate::cc::{WARNINGS_VARIABLE, code_of, own_option};
use crate::failure::{Failure, one_line, reason, shown};
use crate::locate::{self, Platform};
use crate::output::{complain, print};

/// The target of Rust that Muslin links: the stock one.
const TARGET: &str = "x86_64-unknown-linux-musl";

/// The variable of cargo's with what starts a program of the target.
const RUNNER_VARIABLE: &str = "CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUNNER";

/// Subcommands that compile for the target, with cargo's short names.
const BUILDING: &[&str] = &[
    "b", "bench", "build", "c", "check", "clippy", "d", "doc", "fix", "install", "nextest", "r",
    "run", "rustc", "rustdoc", "t", "test",
];

/// The text of `muslin cargo --help`.
pub const HELP: &str = "\
Run cargo for an unmodified crate and link it with a sysroot of Muslin

Usage: muslin cargo [--platform PLATFORM] [--muslin-sysroot DIR] [--net] [+TOOLCHAIN] CARGO-ARGUMENTS...

The target is x86_64-unknown-linux-musl, the stock one. The results are in a target
directory of their own, target/muslin-linux, unless CARGO_TARGET_DIR or --target-dir says
another: cargo does not see that the linker is another one.

Options:
  --platform PLATFORM   what the image is for: linux, solo5-spt, solo5-hvt, any
                        [default: linux]
  --muslin-sysroot DIR  the sysroot to use instead of the one beside this command
  --device NAME=KIND    a device that the images declare: block or net; a target directory
                        of its own, as above
  --net, --no-net       link the network stack, or leave it out, as muslin cc does; a target
                        directory of its own, as above
  --help                print this help (muslin cargo build --help prints that of cargo)

Environment:
  MUSLIN_SYSROOT    the sysroot, as --muslin-sysroot
  MUSLIN_NETWORK    'stack' is --net, and 'none' is --no-net
  MUSLIN_GCC        the compiler that links and compiles C parts [default: gcc]
  MUSLIN_DROPPED    'error' makes it an error when the linker drops a handler of a crate
  CARGO, RUSTC      the cargo and rustc to run [default: cargo, rustc]
  CC_x86_64_unknown_linux_musl, AR_x86_64_unknown_linux_musl
                    tools for C parts of crates [default: muslin-cc, ar]
  CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_RUNNER
                    what starts guests [default: muslin run]

Example:
  muslin cargo build --release
  muslin cargo run -- --some-option
";

/// Runs cargo with what follows `muslin cargo`.
pub fn run(line: Vec<OsString>) -> Result<u8, Failure> {
    if matches!(
        line.first().and_then(|word| word.to_str()),
        None | Some("--help" | "-h")
    ) {
        print(HELP)?;
        return Ok(0);
    }
    let mut platform = Platform::Linux;
    let mut sysroot_option = None;
    let mut devices = Vec::new();
    let mut network = Network::of_variable()?;
    let mut words = line.into_iter().peekable();
    while let Some(word) = words.peek() {
        if let Some(said) = Network::of_option(word) {
            network = Some(said);
            words.next();
            continue;
        }
        let Some((name, value)) = own_option(word) else {
            break;
        };
        words.next();
        let Some(value) = value.or_else(|| words.next()) else {
            return Err(Failure::usage(
                format_args!("{name} has no value"),
                "see muslin cargo --help",
            ));
        };
        match name {
            "--platform" => platform = Platform::named(&value)?,
            "--device" => devices.push(value),
            "--initrd" | "--stack" | "--solo5-abi" => {
                return Err(Failure::usage(
                    format_args!("{name} is an option of the linker"),
                    format_args!("say RUSTFLAGS='-C link-arg={name}=…'"),
                ));
            }
            _ => sysroot_option = Some(PathBuf::from(value)),
        }
    }
    let line: Vec<OsString> = words.collect();
    let devices = devices::words(&devices);
    refuse_other_target(&line)?;
    let sysroot = locate::sysroot(platform, sysroot_option.as_deref(), None)?;
    devices::parse(&devices, sysroot.platform())?;
    let driver = sysroot.driver()?;
    let builds = subcommand(&line).is_some_and(|name| BUILDING.iter().any(|known| name == *known));
    if builds {
        check_target_is_installed(&line)?;
    }

    let mut command = Command::new(program("CARGO", "cargo"));
    command
        .args(&line)
        .env("CARGO_BUILD_TARGET", TARGET)
        .env("CARGO_TARGET_X86_64_UNKNOWN_LINUX_MUSL_LINKER", &driver);
    for (name, value) in [
        ("CC_x86_64_unknown_linux_musl", driver.as_os_str()),
        // So that a C++ part ends with the driver's clear line, not with a search for musl-g++.
        ("CXX_x86_64_unknown_linux_musl", driver.as_os_str()),
        ("AR_x86_64_unknown_linux_musl", OsStr::new("ar")),
    ] {
        if env::var_os(name).is_none() {
            command.env(name, value);
        }
    }
    if matches!(sysroot.platform(), Platform::Solo5Spt | Platform::Solo5Hvt)
        && env::var_os(RUNNER_VARIABLE).is_none()
    {
        command.env(RUNNER_VARIABLE, runner()?);
    }
    if !devices.is_empty() {
        command.env(DEVICES_VARIABLE, devices.join(OsStr::new(",")));
    }
    if let Some(network) = network {
        command.env(NETWORK_VARIABLE, network.value());
    }
    if builds && let Some(dir) = target_dir(&line, platform, &devices, network) {
        command.env("CARGO_TARGET_DIR", dir);
    }
    if !builds {
        return Err(cannot_start("cargo", &command.exec()));
    }
    let warnings = Warnings::new();
    if let Some(warnings) = &warnings {
        command.env(WARNINGS_VARIABLE, &warnings.path);
    }
    let status = command
        .status()
        .map_err(|error| cannot_start("cargo", &error))?;
    if let Some(warnings) = warnings {
        warnings.show();
    }
    Ok(code_of(status))
}

/// What `cargo run` and `cargo test` start a guest with.
fn runner() -> Result<OsString, Failure> {
    let mut words = env::current_exe().unwrap_or_else(|_| PathBuf::from("muslin"));
    // Cargo splits the words by blanks, and knows no quotes.
    if words.to_string_lossy().contains(char::is_whitespace) {
        return Err(Failure::new(
            format_args!(
                "cargo cannot start guests by {}: its path has a blank",
                shown(&words)
            ),
            format_args!("set {RUNNER_VARIABLE}, or move it"),
        ));
    }
    words.as_mut_os_string().push(" run");
    Ok(words.into_os_string())
}

/// A file for the warnings of `muslin-cc`, which rustc does not show when a link succeeds.
struct Warnings {
    path: PathBuf,
}

impl Warnings {
    fn new() -> Option<Self> {
        let path = env::temp_dir().join(format!("muslin-cargo-{}.txt", process::id()));
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .ok()?;
        Some(Self { path })
    }

    fn show(self) {
        let text = fs::read_to_string(&self.path).unwrap_or_default();
        let _ = fs::remove_file(&self.path);
        for line in text.lines() {
            complain(line);
        }
    }
}

/// A program the user may name in the environment.
fn program(variable: &str, default: &str) -> OsString {
    env::var_os(variable)
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| default.into())
}

fn cannot_start(what: &str, error: &std::io::Error) -> Failure {
    Failure::new(
        format_args!("cannot start {what}: {}", reason(error)),
        "install Rust with rustup (https://rustup.rs)",
    )
}

/// The first word that is neither `+toolchain` nor an option.
fn subcommand(line: &[OsString]) -> Option<&OsStr> {
    const TAKE_A_VALUE: &[&str] = &["--color", "--config", "-C", "-Z"];
    let mut words = line.iter();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        if TAKE_A_VALUE.contains(&text.as_ref()) {
            words.next();
        } else if !text.starts_with(['-', '+']) {
            return Some(word);
        }
    }
    None
}

/// The value of `--name VALUE` or `--name=VALUE` before `--`.
fn option_value<'a>(line: &'a [OsString], name: &str) -> Option<std::borrow::Cow<'a, str>> {
    let mut words = line
        .iter()
        .map(|word| word.to_string_lossy())
        .take_while(|word| word != "--");
    while let Some(word) = words.next() {
        if word == name {
            return words.next();
        }
        if let Some(value) = word
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('='))
        {
            return Some(value.to_owned().into());
        }
    }
    None
}

fn refuse_other_target(line: &[OsString]) -> Result<(), Failure> {
    match option_value(line, "--target") {
        Some(target) if target != TARGET => Err(Failure::usage(
            format_args!("--target {}: Muslin links {TARGET} only", one_line(&target)),
            "leave --target out, or run cargo itself",
        )),
        _ => Ok(()),
    }
}

/// Without the target's std, cargo would print pages; this is one line.
fn check_target_is_installed(line: &[OsString]) -> Result<(), Failure> {
    if line
        .iter()
        .any(|word| word.to_string_lossy().contains("build-std"))
    {
        return Ok(());
    }
    let toolchain = line
        .first()
        .filter(|word| word.to_string_lossy().starts_with('+'));
    let output = Command::new(program("RUSTC", "rustc"))
        .args(toolchain)
        .args(["--print", "target-libdir", "--target", TARGET])
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| cannot_start("rustc", &error))?;
    let dir = String::from_utf8_lossy(&output.stdout);
    // A rustc that fails has said why, and cargo will end at the same place.
    if !output.status.success() || Path::new(dir.trim()).is_dir() {
        return Ok(());
    }
    let option = match toolchain {
        Some(toolchain) => format!(
            " --toolchain {}",
            one_line(&toolchain.to_string_lossy()[1..])
        ),
        None => String::new(),
    };
    Err(Failure::new(
        format_args!("the Rust target {TARGET} is not installed"),
        format_args!("run rustup target add {TARGET}{option}"),
    ))
}

/// A directory of its own inside the one that cargo would take; `None` when the user names one.
///
/// Cargo does not see that the linker makes something else of other devices and with another network,
/// so these have a directory of their own as well.
fn target_dir(
    line: &[OsString],
    platform: Platform,
    devices: &[OsString],
    network: Option<Network>,
) -> Option<PathBuf> {
    let is_named = ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"]
        .iter()
        .any(|name| env::var_os(name).is_some())
        || option_value(line, "--target-dir").is_some();
    if is_named {
        return None;
    }
    let mut command = Command::new(program("CARGO", "cargo"));
    command.args(
        line.first()
            .filter(|word| word.to_string_lossy().starts_with('+')),
    );
    command.args([
        "metadata",
        "--no-deps",
        "--offline",
        "--format-version",
        "1",
    ]);
    if let Some(manifest) = option_value(line, "--manifest-path") {
        command.args(["--manifest-path", &manifest]);
    }
    let output = command.stderr(Stdio::null()).output().ok()?;
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
    let dir = metadata.get("target_directory")?.as_str()?;
    let mut name = OsString::from(format!("muslin-{}", platform.name()));
    for device in devices {
        name.push("-");
        name.push(device);
    }
    if let Some(network) = network {
        name.push("-network-");
        name.push(network.value());
    }
    Some(Path::new(dir).join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split(' ').map(OsString::from).collect()
    }

    #[test]
    fn the_subcommand_is_found_behind_options() {
        assert_eq!(
            subcommand(&words("+nightly --color never -v test --lib")),
            Some(OsStr::new("test"))
        );
        assert_eq!(subcommand(&words("--version")), None);
    }

    #[test]
    fn another_target_is_refused_but_not_the_programs_own_option() {
        let failure = refuse_other_target(&words("build --target=wasm32-wasip1"))
            .map_or_else(|f| f.line, |()| None);
        assert_eq!(
            failure.as_deref(),
            Some(
                "--target wasm32-wasip1: Muslin links x86_64-unknown-linux-musl only; \
                 leave --target out, or run cargo itself"
            )
        );
        assert!(refuse_other_target(&words("run -- --target x")).is_ok());
        assert!(refuse_other_target(&words("build --target x86_64-unknown-linux-musl")).is_ok());
    }
}

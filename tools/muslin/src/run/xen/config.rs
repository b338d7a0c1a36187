//! The configuration of a guest, as `xl` reads it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::super::guest::{GuestArgs, MEMORY_MIB};
use super::BRIDGE;
use super::devices::{Net, disks, nets};
use crate::failure::{Failure, shown};

/// The longest command line that a paravirtualised guest gets, with its end.
const COMMAND_LINE_MAX: usize = 1024;

/// With less not even a small program runs.
const LEAST_MIB: u64 = 2;

/// How a guest is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Paravirtualised.
    Pv,
    /// In a virtual machine.
    Pvh,
}

impl Kind {
    /// As `xl` spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pv => "pv",
            Self::Pvh => "pvh",
        }
    }
}

/// What a guest gets.
#[derive(Clone, Debug)]
pub struct Config {
    kind: Kind,
    name: String,
    command_line: String,
    /// Its memory.
    pub memory_mib: u64,
    /// By name.
    disks: Vec<(String, PathBuf)>,
    /// In their order.
    pub nets: Vec<Net>,
}

impl Config {
    /// Reads the options.
    pub fn new(kind: Kind, command_line: &[u8], args: &GuestArgs) -> Result<Self, Failure> {
        if kind == Kind::Pv && command_line.len() >= COMMAND_LINE_MAX {
            return Err(Failure::usage(
                format_args!(
                    "the arguments and the environment are {} bytes, and a paravirtualised guest takes {}",
                    command_line.len(),
                    COMMAND_LINE_MAX - 1
                ),
                "give less, or --xen-type pvh",
            ));
        }
        let Ok(command_line) = String::from_utf8(command_line.to_vec()) else {
            return Err(Failure::usage(
                "xl takes arguments that are UTF-8 only",
                "give the guest others in a file: --initrd",
            ));
        };
        let memory_mib = args.mem.unwrap_or(MEMORY_MIB);
        if memory_mib == 0 {
            return Err(Failure::usage(
                "--mem 0: a guest without memory cannot be",
                format_args!("give it {LEAST_MIB} or more"),
            ));
        }
        Ok(Self {
            kind,
            name: format!("muslin-{}", std::process::id()),
            command_line,
            memory_mib,
            disks: disks(args)?,
            nets: nets(args)?,
        })
    }

    /// The text for this kernel and this initrd, and what is done when the guest ends.
    pub fn for_xl(
        &self,
        kernel: &Path,
        initrd: Option<&Path>,
        ends: &[(&str, &str)],
    ) -> Result<String, Failure> {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(text, "{name} = {value}");
        };
        line("name", &quoted(&self.name));
        line("type", &quoted(self.kind.name()));
        line("kernel", &quoted(text_of(kernel)?));
        if let Some(initrd) = initrd {
            line("ramdisk", &quoted(text_of(initrd)?));
        }
        line("cmdline", &quoted(&self.command_line));
        line("memory", &self.memory_mib.to_string());
        line("vcpus", "1");
        if !self.disks.is_empty() {
            let disks = self.disks.iter().map(disk).collect::<Result<Vec<_>, _>>()?;
            line("disk", &format!("[ {} ]", disks.join(", ")));
        }
        if !self.nets.is_empty() {
            let nets: Vec<String> = self.nets.iter().map(net).collect();
            line("vif", &format!("[ {} ]", nets.join(", ")));
        }
        for (name, value) in ends {
            line(name, &quoted(value));
        }
        Ok(text)
    }

    /// The same for the lab, and the files of its disks.
    pub fn in_lab(&self) -> Result<(Self, Vec<PathBuf>), Failure> {
        let mut config = self.clone();
        let mut files = Vec::new();
        for (_, path) in &mut config.disks {
            let file =
                fs::canonicalize(&path).map_err(|error| Failure::file("open", path, &error))?;
            files.push(file);
            *path = PathBuf::from(format!("/disks/{}", files.len()));
        }
        for net in &mut config.nets {
            BRIDGE.clone_into(&mut net.bridge);
        }
        Ok((config, files))
    }

    /// In the lab: the TAP interface that its bridge reaches. The bridge itself is a name for none.
    pub fn tap(&self) -> Result<Option<String>, Failure> {
        let mut taps: Vec<&String> = self.nets.iter().map(|net| &net.bridge).collect();
        taps.retain(|name| *name != BRIDGE);
        taps.dedup();
        match taps[..] {
            [] => Ok(None),
            [tap] => Ok(Some(tap.clone())),
            _ => Err(Failure::usage(
                format_args!(
                    "in QEMU all network devices are on one bridge, {BRIDGE}, and one TAP"
                ),
                format_args!("name one TAP, or {BRIDGE}"),
            )),
        }
    }
}

fn disk((name, path): &(String, PathBuf)) -> Result<String, Failure> {
    let place = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
    // What is behind `target=` is the path, commas and all.
    let word = format!(
        "format=raw,vdev={name},access=rw,target={}",
        text_of(&place)?
    );
    Ok(quoted(&word))
}

fn net(net: &Net) -> String {
    let mut word = String::new();
    if let Some(mac) = &net.mac {
        let _ = write!(word, "mac={mac},");
    }
    let _ = write!(word, "bridge={}", net.bridge);
    quoted(&word)
}

fn text_of(path: &Path) -> Result<&str, Failure> {
    path.to_str().ok_or_else(|| {
        Failure::usage(
            format_args!(
                "xl takes names of files that are UTF-8 only, not {}",
                shown(path)
            ),
            "give the file another name",
        )
    })
}

/// A string of the configuration's language.
fn quoted(text: &str) -> String {
    let mut word = String::from("\"");
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                word.push('\\');
                word.push(character);
            }
            character if character.is_ascii_control() => {
                let _ = write!(word, "\\x{:02x}", u32::from(character));
            }
            character => word.push(character),
        }
    }
    word.push('"');
    word
}

//! The configuration of a guest, as `xl` reads it.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::super::guest::{GuestArgs, MEMORY_MIB, devices, mac};
use super::BRIDGE;
use crate::failure::{Failure, shown};

/// The longest command line that a paravirtualised guest gets, with its end.
const COMMAND_LINE_MAX: usize = 1024;

/// Disks that there are letters for, which is also as many as there are.
const DISKS: &str = "abcdefghijklmnop";
/// How the name of a disk begins.
const DISK_PREFIX: &str = "xvd";
/// How the name of a network device begins.
const NET_PREFIX: &str = "vif";

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
    nets: Vec<Net>,
}

#[derive(Clone, Debug)]
struct Net {
    bridge: String,
    mac: Option<String>,
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
        Ok(Self {
            kind,
            name: format!("muslin-{}", std::process::id()),
            command_line,
            memory_mib: args.mem.unwrap_or(MEMORY_MIB),
            disks: disks(args)?,
            nets: nets(args)?,
        })
    }

    /// The text for this kernel and this initrd, and what is done when the guest ends.
    pub fn for_xl(&self, kernel: &Path, initrd: Option<&Path>, ends: &[(&str, &str)]) -> String {
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            let _ = writeln!(text, "{name} = {value}");
        };
        line("name", &quoted(&self.name));
        line("type", &quoted(self.kind.name()));
        line("kernel", &quoted_path(kernel));
        if let Some(initrd) = initrd {
            line("ramdisk", &quoted_path(initrd));
        }
        line("cmdline", &quoted(&self.command_line));
        line("memory", &self.memory_mib.to_string());
        line("vcpus", "1");
        if !self.disks.is_empty() {
            let disks: Vec<String> = self.disks.iter().map(disk).collect();
            line("disk", &format!("[ {} ]", disks.join(", ")));
        }
        if !self.nets.is_empty() {
            let nets: Vec<String> = self.nets.iter().map(net).collect();
            line("vif", &format!("[ {} ]", nets.join(", ")));
        }
        for (name, value) in ends {
            line(name, &quoted(value));
        }
        text
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

fn disks(args: &GuestArgs) -> Result<Vec<(String, PathBuf)>, Failure> {
    let disks = devices(&args.block, "--block NAME=FILE", |name, path| {
        Some((name.to_owned(), PathBuf::from(path)))
    })?;
    for (name, path) in &disks {
        let letter = name.strip_prefix(DISK_PREFIX).unwrap_or_default();
        if letter.len() != 1 || !DISKS.contains(letter) {
            return Err(Failure::usage(
                format_args!("--block {name}: Xen's disks are xvda to xvdp"),
                "name one of these",
            ));
        }
        fs::metadata(path).map_err(|error| Failure::file("open", path, &error))?;
        if path.as_os_str().as_bytes().contains(&b',') {
            return Err(Failure::usage(
                format_args!("--block {name}: xl takes no comma in {}", shown(path)),
                "give the file another name",
            ));
        }
    }
    Ok(disks)
}

fn nets(args: &GuestArgs) -> Result<Vec<Net>, Failure> {
    let given = devices(&args.net, "--net NAME=TAP", |name, bridge| {
        Some((name.to_owned(), bridge.to_str()?.to_owned()))
    })?;
    let mut addresses = devices(&args.net_mac, "--net-mac NAME=ADDRESS", |name, address| {
        let bytes = mac(address.to_str()?)?;
        let text = bytes.map(|byte| format!("{byte:02x}")).join(":");
        Some((name.to_owned(), text))
    })?;
    let mut nets = Vec::new();
    for (number, (name, bridge)) in given.into_iter().enumerate() {
        let expected = format!("{NET_PREFIX}{number}");
        if name != expected {
            return Err(Failure::usage(
                format_args!(
                    "--net {name}: Xen's network devices are vif0, vif1 and so on, in this order"
                ),
                format_args!("name it {expected}"),
            ));
        }
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if !bridge.bytes().all(is_plain) {
            return Err(Failure::usage(
                format_args!(
                    "--net {name}: '{}' is no interface",
                    crate::failure::one_line(&bridge)
                ),
                "name a bridge",
            ));
        }
        let place = addresses.iter().position(|(of, _)| *of == name);
        let mac = place.map(|place| addresses.swap_remove(place).1);
        nets.push(Net { bridge, mac });
    }
    match addresses.first() {
        Some((name, _)) => Err(Failure::usage(
            format_args!("an address is given for '{name}', but no bridge"),
            format_args!("give it one: --net {name}=BRIDGE"),
        )),
        None => Ok(nets),
    }
}

fn disk((name, path): &(String, PathBuf)) -> String {
    let mut word = format!("format=raw,vdev={name},access=rw,target=");
    let place = fs::canonicalize(path).unwrap_or_else(|_| path.clone());
    word.push_str(&place.to_string_lossy());
    quoted(&word)
}

fn net(net: &Net) -> String {
    let mut word = String::new();
    if let Some(mac) = &net.mac {
        let _ = write!(word, "mac={mac},");
    }
    let _ = write!(word, "bridge={}", net.bridge);
    quoted(&word)
}

fn quoted_path(path: &Path) -> String {
    quoted(&OsStr::to_string_lossy(path.as_os_str()))
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

//! What a check found, as text and as JSON.

use std::fmt::Write;
use std::path::PathBuf;

use muslin_abi::Sysno;
use muslin_runtime::support::Support;
use muslin_tender::manifest::Device;
use serde_json::{Value, json};

use crate::check::image::{Note, Sizes, Slots, XenEntries};
use crate::check::owner::Owner;
use crate::check::stray::Entry;
use crate::failure::{one_line, shown};
use crate::locate::Platform;

/// An instruction and whose it is.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The instruction.
    pub entry: Entry,
    /// Whose it is.
    pub owner: Owner,
}

/// An object file, alone or in an archive, with what it holds.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its instructions.
    pub findings: Vec<Finding>,
}

/// What a file is.
#[derive(Clone, Debug)]
pub enum Report {
    /// Something that can be run.
    Image {
        /// The file.
        path: PathBuf,
        /// Its size.
        file_bytes: u64,
        /// The runtime's notes.
        notes: Vec<Note>,
        /// How Xen enters it.
        xen: XenEntries,
        /// How it is linked.
        link_kind: &'static str,
        /// Does it have symbols?
        has_symbols: bool,
        /// Does it have debug information?
        has_debug_info: bool,
        /// Its parts in memory.
        sizes: Sizes,
        /// The devices that it declares, and does not start without.
        devices: Vec<Device>,
        /// The calls it can make.
        slots: Slots,
        /// Its instructions.
        findings: Vec<Finding>,
    },
    /// An object or an archive.
    Objects {
        /// The file.
        path: PathBuf,
        /// Those members that hold something.
        members: Vec<Member>,
        /// How many members were searched.
        members_searched: usize,
        /// How many could not be: bytecode, or no object at all.
        members_without_code: usize,
    },
}

impl Report {
    /// How many instructions are stray.
    pub fn stray(&self) -> usize {
        self.findings()
            .filter(|finding| !finding.entry.is_expected)
            .count()
    }

    /// The line for a file that cannot be right.
    pub fn wrong(&self) -> Option<String> {
        let Self::Image { path, notes, .. } = self else {
            return None;
        };
        match notes.len() {
            0 => Some(format!(
                "{} is not an image of Muslin; link it with muslin cc or muslin cargo",
                shown(path)
            )),
            1 => None,
            count => Some(format!(
                "{} holds {count} copies of the runtime; link the libc.a of one sysroot only",
                shown(path)
            )),
        }
    }

    fn findings(&self) -> impl Iterator<Item = &Finding> {
        let (own, members): (&[Finding], &[Member]) = match self {
            Self::Image { findings, .. } => (findings, &[]),
            Self::Objects { members, .. } => (&[], members),
        };
        own.iter()
            .chain(members.iter().flat_map(|member| &member.findings))
    }

    /// The report for people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        match self {
            Self::Image {
                path,
                file_bytes,
                notes,
                xen,
                link_kind,
                has_symbols,
                has_debug_info,
                sizes,
                devices,
                slots,
                findings,
            } => {
                let what = match notes.first() {
                    Some(note) => format!("image for {}", note.platform_name()),
                    None => "not an image of Muslin".to_owned(),
                };
                let symbols = match (has_debug_info, has_symbols) {
                    (true, _) => "with debug information",
                    (false, true) => "with symbols",
                    (false, false) => "stripped",
                };
                let _ = writeln!(text, "{}: {what}, {link_kind}, {symbols}", shown(path));
                let _ = writeln!(
                    text,
                    "  size    file {file_bytes}, code {}, read-only {}, data {}, bss {}",
                    sizes.code, sizes.read_only, sizes.data, sizes.bss
                );
                if let entries @ [_, ..] = &*xen_entries(*xen) {
                    let _ = writeln!(text, "  entries {}, for Xen", entries.join(" and "));
                }
                if !devices.is_empty() {
                    let devices: Vec<_> = devices
                        .iter()
                        .map(|device| format!("{} ({})", device.name, device.kind.name()))
                        .collect();
                    let _ = writeln!(text, "  devices {}", devices.join(", "));
                }
                if !notes.is_empty() {
                    let _ = writeln!(text, "  calls   {}", slots_line(slots));
                    write_levels(&mut text, slots, platform(notes));
                }
                write_findings(&mut text, findings, has_symbols);
            }
            Self::Objects {
                path,
                members,
                members_searched,
                members_without_code,
            } => {
                let _ = writeln!(text, "{}: {members_searched} objects searched", shown(path));
                if *members_without_code > 0 {
                    let _ = writeln!(
                        text,
                        "  not searched: {members_without_code} members without machine code (bytecode of a compiler, \
                         or no object)"
                    );
                }
                for member in members {
                    let expected = member
                        .findings
                        .iter()
                        .filter(|it| it.entry.is_expected)
                        .count();
                    let stray = member.findings.len() - expected;
                    let _ = writeln!(
                        text,
                        "  {}: {expected} expected, {stray} stray",
                        member.name
                    );
                }
                let expected = self.findings().count() - self.stray();
                let _ = writeln!(
                    text,
                    "  in all: {expected} expected, {} stray",
                    self.stray()
                );
            }
        }
        text
    }

    /// The report for programs.
    pub fn json(&self) -> Value {
        match self {
            Self::Image {
                path,
                file_bytes,
                notes,
                xen,
                link_kind,
                has_symbols,
                has_debug_info,
                sizes,
                devices,
                slots,
                findings,
            } => json!({
                "file": path.to_string_lossy(),
                "kind": "image",
                "platform": notes.first().map(|note| note.platform_name()),
                "abi": notes.first().map(|note| note.abi),
                "runtimes": notes.len(),
                "xen_entries": xen_entries(*xen),
                "link": link_kind,
                "has_symbols": has_symbols,
                "has_debug_info": has_debug_info,
                "bytes": {
                    "file": file_bytes,
                    "code": sizes.code,
                    "read_only": sizes.read_only,
                    "data": sizes.data,
                    "bss": sizes.bss,
                },
                "devices": devices.iter().map(|device| json!({
                    "name": device.name,
                    "kind": device.kind.name(),
                })).collect::<Vec<_>>(),
                "slots_are_sealed": slots.are_sealed,
                "slots": slots.numbers.iter().map(|&nr| slot_json(nr, platform(notes))).collect::<Vec<_>>(),
                "stray": self.stray(),
                "instructions": findings.iter().map(finding_json).collect::<Vec<_>>(),
            }),
            Self::Objects {
                path,
                members,
                members_searched,
                members_without_code,
            } => json!({
                "file": path.to_string_lossy(),
                "kind": "objects",
                "members_searched": members_searched,
                "members_without_code": members_without_code,
                "stray": self.stray(),
                "members": members.iter().map(|member| json!({
                    "name": member.name,
                    "instructions": member.findings.iter().map(finding_json).collect::<Vec<_>>(),
                })).collect::<Vec<_>>(),
            }),
        }
    }
}

/// The entries by their names.
fn xen_entries(entries: XenEntries) -> Vec<&'static str> {
    [(entries.pv, "PV"), (entries.pvh, "PVH")]
        .into_iter()
        .filter_map(|(is_there, name)| is_there.then_some(name))
        .collect()
}

fn slots_line(slots: &Slots) -> String {
    if slots.numbers.is_empty() {
        return "none: the image has no slots".to_owned();
    }
    let names: Vec<_> = slots.numbers.iter().map(|&nr| call_name(nr)).collect();
    let seal = if slots.are_sealed {
        "sealed"
    } else {
        "not sealed"
    };
    format!("{}, {seal}: {}", slots.numbers.len(), names.join(" "))
}

/// A line for each call that does not do all it does on Linux.
fn write_levels(text: &mut String, slots: &Slots, platform: Platform) {
    for &nr in &slots.numbers {
        let support = platform.support(nr);
        if support != Support::Full {
            let _ = writeln!(
                text,
                "          {} is {}: {}",
                call_name(nr),
                support.level(),
                support.note()
            );
        }
    }
}

fn slot_json(nr: Sysno, platform: Platform) -> Value {
    let support = platform.support(nr);
    json!({ "name": call_name(nr), "number": nr.0, "level": support.level(), "note": support.note() })
}

/// What the image is for, as far as this version knows it.
fn platform(notes: &[Note]) -> Platform {
    notes
        .first()
        .and_then(|note| note.platform())
        .unwrap_or(Platform::Linux)
}

fn call_name(nr: Sysno) -> String {
    match nr.name() {
        Some(name) => name.to_owned(),
        None => format!("call {}", nr.0),
    }
}

fn write_findings(text: &mut String, findings: &[Finding], has_symbols: &bool) {
    let (expected, stray): (Vec<_>, Vec<_>) = findings
        .iter()
        .partition(|finding| finding.entry.is_expected);
    for (title, list) in [("expected", &expected), ("stray", &stray)] {
        let _ = writeln!(text, "  {} raw instructions {title}", list.len());
        for finding in list {
            let _ = writeln!(text, "    {}", finding_line(finding));
        }
    }
    if !stray.is_empty() && !has_symbols {
        let _ = writeln!(
            text,
            "  The image is stripped: check one with symbols to see whose they are."
        );
    }
}

fn finding_line(finding: &Finding) -> String {
    let entry = &finding.entry;
    let function = finding
        .owner
        .function
        .as_deref()
        .unwrap_or("an unknown function");
    let mut line = format!("{:#x} {} in {function}", entry.address, entry.instruction);
    if let Some(from) = &finding.owner.from {
        let _ = write!(line, ", {from}");
    }
    if entry.may_be_data {
        line.push_str(" (perhaps data: there are bytes before it that are no instructions)");
    }
    one_line(&line)
}

fn finding_json(finding: &Finding) -> Value {
    let entry = &finding.entry;
    json!({
        "address": format!("{:#x}", entry.address),
        "instruction": entry.instruction,
        "section": entry.section,
        "symbol": entry.function.as_ref().map(|function| &function.symbol),
        "function": finding.owner.function,
        "from": finding.owner.from,
        "expected": entry.is_expected,
        "may_be_data": entry.may_be_data,
    })
}

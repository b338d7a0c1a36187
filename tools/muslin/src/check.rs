//! `muslin check`: what an image, an object or an archive is, and which raw instructions it holds.

pub mod image;
mod owner;
mod report;
pub mod stray;

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use muslin_tender::image::Image;
use object::elf;
use object::read::archive::ArchiveFile;
use object::read::elf::FileHeader;
use object::{Object, ObjectSection};

use crate::failure::{Failure, one_line, shown};
use crate::output::{complain, print};
use image::Elf;
use owner::Owners;
use report::{Finding, Member, Report};

/// The exit code when something is found that does not go through the table.
const STRAY: u8 = 3;

/// Say what an image is, and whether all its calls go through the table
#[derive(Debug, Args)]
#[command(after_help = "\
A raw `syscall` instruction outside the runtime is stray: what it asks of the kernel does not
go through the table, unless the image runs with --catch-stray. Objects and archives are
searched as well.

Exit code:
  0 only expected instructions; 3 stray ones; 1 not an image of Muslin, or another failure

Environment:
  none

Example:
  muslin check hello
  muslin check --json out/linux/lib/libc.a")]
pub struct CheckArgs {
    /// Print JSON: an array with one value an image
    #[arg(long)]
    json: bool,

    /// Images, objects or archives
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
}

/// Checks each file; a bad one does not keep the others from being checked.
pub fn run(args: CheckArgs) -> Result<u8, Failure> {
    let mut code = 0;
    let mut reports = Vec::new();
    for path in &args.images {
        let report = match read(path).and_then(|bytes| check(path, &bytes)) {
            Ok(report) => report,
            Err(failure) => {
                failure.line.iter().for_each(|line| complain(line));
                code = 1;
                continue;
            }
        };
        if !args.json {
            print(&report.text())?;
        }
        if let Some(line) = report.wrong() {
            complain(&line);
            code = 1;
        } else if report.stray() > 0 && code == 0 {
            code = STRAY;
        }
        reports.push(report.json());
    }
    if args.json {
        print(&format!("{:#}\n", serde_json::Value::Array(reports)))?;
    }
    Ok(code)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let file = fs::metadata(path).map_err(|error| Failure::file("read", path, &error))?;
    if !file.is_file() {
        return Err(Failure::new(
            format_args!("{} is not a file", shown(path)),
            "name an image, an object or an archive",
        ));
    }
    fs::read(path).map_err(|error| Failure::file("read", path, &error))
}

fn check(path: &Path, bytes: &[u8]) -> Result<Report, Failure> {
    if bytes.starts_with(b"!<arch>\n") || bytes.starts_with(b"!<thin>\n") {
        return check_archive(path, bytes);
    }
    if !bytes.starts_with(&elf::ELFMAG) {
        return Err(Failure::new(
            format_args!("{} is not an ELF file or an archive", shown(path)),
            "name an image, an object or an archive",
        ));
    }
    let elf = parse(bytes).map_err(|reason| {
        Failure::new(
            format_args!("cannot read {}: {reason}", shown(path)),
            "name a whole ELF file for x86-64",
        )
    })?;
    if elf.elf_header().e_type(elf.endian()) == elf::ET_REL {
        return Ok(Report::Objects {
            path: path.to_path_buf(),
            members: vec![member(shown(path), &elf)],
            members_searched: 1,
            members_without_code: 0,
        });
    }
    let entries = stray::entries(&elf);
    let owners = Owners::of_image(path);
    Ok(Report::Image {
        path: path.to_path_buf(),
        file_bytes: bytes.len() as u64,
        notes: image::notes(&elf),
        xen: image::xen_entries_of(&elf),
        link_kind: image::link_kind(&elf),
        has_symbols: elf.symbols().next().is_some(),
        has_debug_info: elf.section_by_name(".debug_info").is_some(),
        sizes: image::sizes(&elf),
        devices: Image::parse(bytes)
            .map(|image| image.manifest.devices)
            .unwrap_or_default(),
        slots: image::slots(&elf),
        findings: findings(&entries, &owners),
    })
}

fn parse(bytes: &[u8]) -> Result<Elf<'_>, String> {
    let elf = Elf::parse(bytes).map_err(|error| one_line(&error.to_string()).to_lowercase())?;
    if elf.elf_header().e_machine(elf.endian()) != elf::EM_X86_64 {
        return Err("it is for another processor".to_owned());
    }
    Ok(elf)
}

fn check_archive(path: &Path, bytes: &[u8]) -> Result<Report, Failure> {
    let broken = |error: object::Error| {
        Failure::new(
            format_args!(
                "cannot read {}: {}",
                shown(path),
                one_line(&error.to_string()).to_lowercase()
            ),
            "name a whole archive",
        )
    };
    let archive = ArchiveFile::parse(bytes).map_err(broken)?;
    let mut members = Vec::new();
    let mut searched = 0;
    let mut without_code = 0;
    for part in archive.members() {
        let part = part.map_err(broken)?;
        let name = String::from_utf8_lossy(part.name()).into_owned();
        let outside;
        let data = if part.is_thin() {
            let beside = path.parent().unwrap_or(Path::new("")).join(&name);
            outside = read(&beside)?;
            outside.as_slice()
        } else {
            part.data(bytes).map_err(broken)?
        };
        match parse(data) {
            Ok(elf) if has_bytecode_only(&elf) => without_code += 1,
            Ok(elf) => {
                searched += 1;
                members.push(member(one_line(&name), &elf));
            }
            Err(_) => without_code += 1,
        }
    }
    members.retain(|member| !member.findings.is_empty());
    Ok(Report::Objects {
        path: path.to_path_buf(),
        members,
        members_searched: searched,
        members_without_code: without_code,
    })
}

/// Is this an object that the compiler finishes only at link time (`-flto`)?
fn has_bytecode_only(elf: &Elf<'_>) -> bool {
    let has_bytecode = elf.sections().any(|section| {
        section
            .name()
            .is_ok_and(|name| name.starts_with(".gnu.lto_"))
    });
    has_bytecode && image::sizes(elf).code == 0
}

fn member(name: String, elf: &Elf<'_>) -> Member {
    Member {
        name,
        findings: findings(&stray::entries(elf), &Owners::of_object()),
    }
}

fn findings(entries: &[stray::Entry], owners: &Owners) -> Vec<Finding> {
    entries
        .iter()
        .map(|entry| Finding {
            owner: owners.owner(entry),
            entry: entry.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same bytes in every run: a small linear congruential generator.
    struct Bytes(u64);

    impl Bytes {
        fn next(&mut self) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            self.0 >> 33
        }
    }

    /// Any answer is right for a damaged file, as long as there is one.
    fn answers(bytes: &[u8]) -> bool {
        match check(Path::new("/nonexistent/damaged"), bytes) {
            Ok(report) => !report.text().is_empty() && report.json().is_object(),
            Err(failure) => failure.line.is_some_and(|line| !line.contains('\n')),
        }
    }

    #[test]
    fn damaged_images_never_panic() {
        // This test's own executable is an ELF file with everything in it; the first part is enough.
        let own = std::env::current_exe()
            .and_then(fs::read)
            .unwrap_or_default();
        assert!(own.starts_with(&elf::ELFMAG));
        let headers = &own[..own.len().min(64 * 1024)];
        let mut bytes = Bytes(20_261_120);
        for _ in 0..2000 {
            let mut damaged = headers.to_vec();
            for _ in 0..1 + bytes.next() % 8 {
                // Half of the damage goes into the file header and the program headers.
                let range = if bytes.next().is_multiple_of(2) {
                    1024
                } else {
                    damaged.len() as u64
                };
                let at = (bytes.next() % range) as usize;
                damaged[at] = bytes.next() as u8;
            }
            damaged.truncate(1 + (bytes.next() % headers.len() as u64) as usize);
            assert!(answers(&damaged));
        }
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut bytes = Bytes(7);
        for magic in [&b"\x7fELF\x02\x01\x01"[..], b"!<arch>\n", b"!<thin>\n", b""] {
            for _ in 0..500 {
                let mut file = magic.to_vec();
                file.extend((0..bytes.next() % 512).map(|_| bytes.next() as u8));
                assert!(answers(&file));
            }
        }
    }
}

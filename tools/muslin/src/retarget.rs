//! `muslin retarget`: makes an image of one Solo5 tender one of another.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::PossibleValuesParser;
use muslin_tender::image::target_of;
use muslin_tender::{Refusal, retarget};

use crate::check::image::runtime_notes_in;
use crate::failure::{Failure, shown};
use crate::locate::Platform;

/// Make an image for one Solo5 tender one for another; the program in it stays as it is
#[derive(Debug, Args)]
#[command(after_help = "\
Images of Muslin find out themselves who runs them; a tender looks at one word of a note,
and this changes it.

Environment:
  none

Example:
  muslin retarget hello.spt --platform solo5-hvt -o hello.hvt
  muslin retarget --abi 1 hello.spt")]
pub struct RetargetArgs {
    /// What it shall be for
    #[arg(long, required_unless_present = "abi", value_parser = PossibleValuesParser::new(
        Platform::ALL.iter().filter(|platform| platform.target().is_some()).map(|platform| platform.name())
    ))]
    platform: Option<String>,

    /// The version of Solo5's binary interface: 2 is that of Solo5 0.8 and later, 1 that before
    #[arg(long, value_name = "VERSION")]
    abi: Option<u32>,

    /// Where it goes [default: in place of IMAGE]
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,

    /// The image
    #[arg(value_name = "IMAGE")]
    image: PathBuf,
}

/// Writes the changed image.
pub fn run(args: RetargetArgs) -> Result<u8, Failure> {
    let image = &args.image;
    let mut bytes = read(image)?;
    let platform = match &args.platform {
        Some(name) => Some(Platform::named(OsStr::new(name))?),
        None => None,
    };
    change(&mut bytes, image, platform, args.abi)?;
    write(&bytes, image, args.output.as_ref().unwrap_or(image))?;
    Ok(0)
}

/// Makes an image ask for a version of Solo5's binary interface.
pub fn set_abi(image: &Path, version: u32) -> Result<(), Failure> {
    let mut bytes = read(image)?;
    change(&mut bytes, image, None, Some(version))?;
    write(&bytes, image, image)
}

fn read(image: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(image).map_err(|error| Failure::file("read", image, &error))
}

/// Changes the image in memory. Its path is for messages.
pub fn change(
    bytes: &mut [u8],
    image: &Path,
    platform: Option<Platform>,
    abi: Option<u32>,
) -> Result<(), Failure> {
    if target_of(bytes).is_none() {
        return Err(Failure::new(
            format_args!("{} is not an image for Solo5", shown(image)),
            "link it with --platform solo5-spt or solo5-hvt",
        ));
    }
    if platform.is_some() && runtime_notes_in(bytes) == 0 {
        return Err(Failure::new(
            format_args!(
                "{} is not an image of Muslin: it runs under one tender",
                shown(image)
            ),
            "link it with muslin cc or muslin cargo",
        ));
    }
    retarget(bytes, platform.and_then(Platform::target), abi).map_err(|Refusal { what, remedy }| {
        Failure::new(format_args!("{}: {what}", shown(image)), remedy)
    })
}

/// Writes beside the old file and renames: an image that runs is not written to.
fn write(bytes: &[u8], like: &Path, path: &Path) -> Result<(), Failure> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let written = || {
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        file.write_all(bytes)?;
        file.as_file()
            .set_permissions(fs::metadata(like)?.permissions())?;
        file.persist(path)?;
        Ok(())
    };
    written().map_err(|error| Failure::file("write", path, &error))
}

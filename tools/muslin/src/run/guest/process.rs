//! A guest's image as a process of Linux: the options of guests reach it by its environment.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::Command;

use muslin_tender::image::Image;
use muslin_tender::manifest::Kind;

use super::super::network::Network;
use super::{
    DIRECTORY_VARIABLE, GuestArgs, HOST_NAME_VARIABLE, devices, directory, refused, variables,
};
use crate::archive::Archive;
use crate::check::image::runtime_notes_in;
use crate::failure::{Failure, shown};

/// The variables that the image reads: its memory in MiB, and the file of its root directory.
const MEMORY_VARIABLE: &str = "MUSLIN_MEM";
const INITRD_VARIABLE: &str = "MUSLIN_INITRD";
/// How the variable begins that names the file of a block device.
const BLOCK_VARIABLE: &str = "MUSLIN_BLOCK_";

/// What starts the process, and the archive and the network that must be there meanwhile.
pub fn command(
    mut command: Command,
    image: &Path,
    bytes: &[u8],
    args: &GuestArgs,
) -> Result<(Command, Option<Archive>, Network), Failure> {
    if runtime_notes_in(bytes) == 0 {
        return Err(Failure::new(
            format_args!("{} is not an image of Muslin: no process", shown(image)),
            "run it without --platform",
        ));
    }
    if let Some(option) = args.for_tender() {
        return Err(Failure::usage(
            format_args!("{option}: a process has no tender"),
            "leave it out, or --platform linux",
        ));
    }
    let manifest = Image::parse(bytes)
        .map_err(|refusal| refused(image, &refusal))?
        .manifest;
    let blocks = devices(&args.block, "--block NAME=FILE", |name, path| {
        Some((name.to_owned(), path.to_owned()))
    })?;
    for (name, _) in &blocks {
        let mut declared = manifest.devices.iter();
        if !declared.any(|device| device.kind == Kind::Block && device.name == *name) {
            return Err(Failure::usage(
                format_args!("{} declares no block device '{name}'", shown(image)),
                "leave out its --block, or declare it when linking",
            ));
        }
    }
    let network = Network::open(image, args, |net| {
        let mut declared = manifest.devices.iter();
        if !declared.any(|device| device.kind == Kind::Net && device.name == net.name) {
            return Err(Failure::usage(
                format_args!("{} declares no net device '{}'", shown(image), net.name),
                "leave out its --net, or declare it when linking",
            ));
        }
        Ok(())
    })?;
    let initrd = args.initrd.as_deref().map(Archive::new).transpose()?;
    directory::check(args.cwd.as_deref(), initrd.as_ref(), bytes)?;
    command.env_clear().envs(variables(args)?);
    network.tell_process(&mut command);
    for (name, path) in &blocks {
        command.env(format!("{BLOCK_VARIABLE}{name}"), path);
    }
    let memory = args.mem.map(|mib| OsString::from(mib.to_string()));
    for (name, value) in [
        (MEMORY_VARIABLE, memory.as_deref()),
        (DIRECTORY_VARIABLE, args.cwd.as_deref()),
        (HOST_NAME_VARIABLE, args.hostname.as_deref()),
        (
            INITRD_VARIABLE,
            initrd.as_ref().map(|archive| archive.path().as_os_str()),
        ),
    ] {
        if let Some(value) = value {
            command.env(OsStr::new(name), value);
        }
    }
    Ok((command, initrd, network))
}

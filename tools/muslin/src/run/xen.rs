//! Guests of Xen: by `xl` where there is a Xen, else in a real one in QEMU.

mod config;
mod devices;
mod end;
mod here;
mod lab;
mod least;
mod signals;
mod typed;

use std::fs;
use std::path::Path;

use clap::Args;
use clap::builder::PossibleValuesParser;
use muslin_lab::xen::BRIDGE;

use super::cannot_run;
use super::guest::{GuestArgs, directory, words_of};
use crate::archive::Archive;
use crate::check::image::{XenEntries, xen_entries};
use crate::failure::{Failure, shown};
use crate::output::print;
use config::{Config, Kind};

/// What only guests of Xen get.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Options for guests of Xen")]
pub struct XenArgs {
    /// Print the configuration for xl, and run nothing
    #[arg(long)]
    pub(super) print_config: bool,

    /// The entry of the image: paravirtualised, or in a virtual machine [default: pv if it has that]
    #[arg(long, value_name = "TYPE", value_parser = PossibleValuesParser::new(["pv", "pvh"]))]
    pub(super) xen_type: Option<String>,
}

impl XenArgs {
    /// The first option that is given.
    pub fn given(&self) -> Option<&'static str> {
        let given = [
            (self.print_config, "--print-config"),
            (self.xen_type.is_some(), "--xen-type"),
        ];
        given.iter().find(|(is_given, _)| *is_given).map(|it| it.1)
    }
}

/// The entries by which Xen starts this image, if there are any.
pub fn entries(bytes: &[u8]) -> Option<XenEntries> {
    let entries = xen_entries(bytes);
    (entries.pv || entries.pvh).then_some(entries)
}

/// Runs an image, or prints its configuration.
pub fn run(
    image: &Path,
    bytes: &[u8],
    entries: XenEntries,
    arguments: &[std::ffi::OsString],
    args: &GuestArgs,
    xen: &XenArgs,
) -> Result<u8, Failure> {
    if let Some(option) = args.for_tender_of_solo5() {
        return Err(Failure::usage(
            format_args!("{option} is not for images for Xen as {} is", shown(image)),
            "leave it out",
        ));
    }
    let kind = kind(image, entries, xen)?;
    let command_line = words_of(image, bytes, arguments, args)?;
    let config = Config::new(kind, &command_line, args)?;
    let initrd = args.initrd.as_deref().map(Archive::new).transpose()?;
    directory::check(args.cwd.as_deref(), initrd.as_ref(), bytes)?;
    let kernel = fs::canonicalize(image).map_err(|error| cannot_run(image, &error))?;
    if let Some(initrd) = &initrd
        && initrd.is_made()
        && xen.print_config
    {
        return Err(Failure::usage(
            format_args!("xl takes an archive, and --initrd names a directory"),
            "make one: tar -cf root.tar -C DIRECTORY .",
        ));
    }
    let initrd = initrd.as_ref().map(Archive::path);
    let archive_bytes = initrd.and_then(|path| Some(fs::metadata(path).ok()?.len()));
    least::check(image, bytes, kind, archive_bytes, config.memory_mib)?;
    if xen.print_config {
        print(&config.for_xl(&kernel, initrd, END_BY_ITSELF)?)?;
        return Ok(0);
    }
    if here::has_xen() {
        config.nets.iter().try_for_each(devices::check_bridge)?;
        here::run(image, &config.for_xl(&kernel, initrd, KEPT_AT_END)?)
    } else {
        lab::run(image, bytes, initrd, &config)
    }
}

/// What happens to a guest that has ended: who wrote a configuration by hand has it go.
const END_BY_ITSELF: &[(&str, &str)] = &[("on_poweroff", "destroy"), ("on_crash", "destroy")];
/// Whoever waits for it asks first why it ended.
const KEPT_AT_END: &[(&str, &str)] = &[
    ("on_poweroff", "preserve"),
    ("on_reboot", "preserve"),
    ("on_crash", "preserve"),
];

fn kind(image: &Path, entries: XenEntries, xen: &XenArgs) -> Result<Kind, Failure> {
    let (kind, has) = match xen.xen_type.as_deref() {
        Some("pvh") => (Kind::Pvh, entries.pvh),
        Some(_) => (Kind::Pv, entries.pv),
        None if entries.pv => (Kind::Pv, true),
        None => (Kind::Pvh, true),
    };
    if has {
        return Ok(kind);
    }
    Err(Failure::usage(
        format_args!("{} has no entry for {}", shown(image), kind.name()),
        "give --xen-type the other one",
    ))
}

//! Starting a guest: what the image and the options say, checked, and then the tender it asks for.

use std::path::PathBuf;

use crate::boot_info::check_command_line;
use crate::cable::Traffic;
use crate::devices::{BlockFile, Opened, attach};
use crate::image::{Image, Target};
use crate::initrd::Initrd;
use crate::manifest::Manifest;
use crate::net::{NetAddress, NetLayers, NetTap};
use crate::refusal::Refusal;
use crate::report::Report;
use crate::wait_set::WaitSet;
use crate::watchdog::Patience;
use crate::{guest, hvt};

/// Bytes between the end of the image and the top of memory that a guest has at least: its stack
/// may be there.
const ROOM_BYTES_MIN: u64 = 0x1000;

/// What a guest gets.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Guest memory in MiB, counted from address 0. On hvt a multiple of 2.
    pub memory_mib: u64,
    /// Files for the block devices that the image declares.
    pub blocks: Vec<BlockFile>,
    /// Interfaces for its network devices.
    pub nets: Vec<NetTap>,
    /// Addresses for these.
    pub addresses: Vec<NetAddress>,
    /// What is done to their frames on the way.
    pub layers: NetLayers,
    /// An archive that lies behind the guest's memory and is named on its command line. For images
    /// of Muslin alone.
    pub initrd: Option<PathBuf>,
    /// The guest's command line, at most [`COMMAND_LINE_BYTES_MAX`](crate::COMMAND_LINE_BYTES_MAX)
    /// with a zero at its end.
    pub command_line: Vec<u8>,
    /// How long a thread may keep the processor from others before somebody is told.
    pub patience: Option<Patience>,
}

/// How a guest ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Its exit status. If it did not exit: on spt, 128 and the signal's number; on hvt 1.
    pub status: u8,
    /// What happened, if it did not exit, or exited by a fault.
    pub report: Option<Report>,
    /// What went over those network devices that are not tap interfaces themselves.
    pub traffic: Vec<Traffic>,
}

/// What both tenders need.
pub(crate) struct Launch<'image> {
    pub(crate) image: &'image Image<'image>,
    /// The guest's memory, less what lies behind it.
    pub(crate) memory_bytes: u64,
    /// All of it.
    pub(crate) all_bytes: u64,
    pub(crate) initrd: Option<Initrd>,
    /// As the guest gets it.
    pub(crate) manifest: Manifest,
    pub(crate) opened: Opened,
    pub(crate) wait_set: WaitSet,
    pub(crate) command_line: Vec<u8>,
    pub(crate) patience: Option<Patience>,
}

/// Runs an image to its end in a child process. Its output goes to the caller's standard output.
///
/// The guest does not outlive the calling thread.
///
/// # Errors
/// The guest was not started: the image or the options are wrong, or the system refuses.
pub fn run(bytes: &[u8], options: &Options) -> Result<Outcome, Refusal> {
    let image = Image::parse(bytes)?;
    let launch = launch(&image, options)?;
    let mut outcome = match image.target {
        Target::Hvt => hvt::run(&launch),
        _ => guest::run(&launch),
    }?;
    outcome.traffic = launch.opened.beside.traffic();
    Ok(outcome)
}

/// The instructions that a guest of hvt executes from its entry to its first arrival at an address.
/// It runs in this process, without a filter of system calls: for images that one has made oneself.
///
/// # Errors
/// As [`run`]; or it is for spt, or never comes there.
pub fn steps(bytes: &[u8], options: &Options, to: u64) -> Result<u64, Refusal> {
    let image = Image::parse(bytes)?;
    if image.target != Target::Hvt {
        return Err(Refusal::new(
            "only instructions of guests of solo5-hvt are counted here",
            "retarget the image",
        ));
    }
    hvt::steps(&launch(&image, options)?, to)
}

/// What the image and the options say, checked.
fn launch<'image>(
    image: &'image Image<'image>,
    options: &Options,
) -> Result<Launch<'image>, Refusal> {
    let initrd = options.initrd.as_deref().map(Initrd::open).transpose()?;
    let initrd_bytes = initrd.as_ref().map_or(0, Initrd::mapped_bytes);
    let all_bytes = all_bytes(options.memory_mib, image, initrd_bytes)?;
    let memory_bytes = all_bytes - initrd_bytes;
    let mut command_line = Vec::new();
    if let Some(initrd) = &initrd {
        command_line = initrd.word(memory_bytes);
    }
    command_line.extend_from_slice(&options.command_line);
    check_command_line(&command_line)?;
    let mut manifest = image.manifest.clone();
    let opened = attach(
        &mut manifest,
        &options.blocks,
        &options.nets,
        &options.addresses,
        &options.layers,
        image.target == Target::Spt,
    )?;
    Ok(Launch {
        image,
        memory_bytes,
        all_bytes,
        initrd,
        wait_set: WaitSet::new(&manifest, &opened)?,
        manifest,
        opened,
        command_line,
        patience: options.patience,
    })
}

/// All memory, which has room for the image and the archive.
fn all_bytes(memory_mib: u64, image: &Image<'_>, initrd_bytes: u64) -> Result<u64, Refusal> {
    let is_machine = image.target == Target::Hvt;
    let step_mib = if is_machine { hvt::MEMORY_STEP_MIB } else { 1 };
    let needed_mib = (image.end() + ROOM_BYTES_MIN)
        .saturating_add(initrd_bytes)
        .div_ceil(1 << 20)
        .next_multiple_of(step_mib);
    if memory_mib < needed_mib {
        let (what, verb) = match initrd_bytes {
            0 => ("the image", "does"),
            _ => ("the image and the initrd", "do"),
        };
        return Err(Refusal::new(
            format_args!("{what} {verb} not fit into {memory_mib} MiB of memory"),
            format_args!("give it at least --mem {needed_mib}"),
        ));
    }
    if is_machine && memory_mib > hvt::MEMORY_MIB_MAX {
        return Err(Refusal::new(
            format_args!(
                "{memory_mib} MiB is more than the {} MiB that a guest of solo5-hvt can have",
                hvt::MEMORY_MIB_MAX
            ),
            "give a smaller --mem",
        ));
    }
    if !memory_mib.is_multiple_of(step_mib) {
        return Err(Refusal::new(
            format_args!(
                "a guest of solo5-hvt has a multiple of {step_mib} MiB of memory, not {memory_mib}"
            ),
            format_args!("give it --mem {}", memory_mib.next_multiple_of(step_mib)),
        ));
    }
    memory_mib.checked_mul(1 << 20).ok_or_else(|| {
        Refusal::new(
            format_args!("{memory_mib} MiB is more memory than there are addresses"),
            "give a smaller --mem",
        )
    })
}

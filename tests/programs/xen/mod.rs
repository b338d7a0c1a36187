//! Programs as guests of Xen below `xl`, in the lab; dom0 is their peer.

mod alone;
mod disks;
mod faults;
mod hostile;
mod http;
mod servers;
mod vsock;

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use libtest_mimic::Trial;
use muslin_lab::xen::{Console, Job, Lab};
use tempfile::NamedTempFile;

use crate::built::repository;
use crate::failure::{Failure, Step};

pub use alone::{Group, Outcomes, outcomes};

/// Far more than any job needs, even on a busy machine.
const TIME_MAX: Duration = Duration::from_secs(900);

/// Which entry of an image is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Entry {
    /// Paravirtualised.
    Pv,
    /// In a virtual machine.
    Pvh,
}

impl Entry {
    /// The word of `muslin` and `xl`.
    pub fn name(self) -> &'static str {
        match self {
            Entry::Pv => "pv",
            Entry::Pvh => "pvh",
        }
    }
}

/// The tests, but for those of programs that need nobody.
pub fn trials() -> Vec<Trial> {
    let mut all = servers::trials();
    all.extend(http::trials());
    all.extend(disks::trials());
    all.extend(faults::trials());
    all.extend(hostile::trials());
    all.extend(vsock::trials());
    all
}

/// A guest that a job starts: `guest NAME.cfg`.
pub struct Guest<'a> {
    pub name: &'a str,
    pub entry: Entry,
    /// The directory with the image, and its name there.
    pub images: &'a Path,
    pub image: &'a str,
    /// Options of `muslin run`: memory, devices and the environment.
    pub options: &'a [&'a str],
    pub arguments: &'a [&'a str],
    /// The file of the job that is its root directory.
    pub initrd: Option<&'a str>,
    /// Disks of dom0's, as `xl` has them.
    pub disks: &'a str,
}

/// Adds a guest to a job: its image, and the configuration that `muslin` makes.
pub fn add(job: &mut Job, guest: &Guest<'_>) -> Step<()> {
    let kernel = format!("{}.image", guest.image);
    if !job.files.iter().any(|(name, _)| *name == kernel) {
        job.files.push((kernel.clone(), stripped(guest)?));
    }
    let initrd = guest.initrd.map(|name| copy(job, name)).transpose()?;
    let output = Command::new(repository().join("out/bin/muslin"))
        .args(["run", "--print-config", "--xen-type", guest.entry.name()])
        .args(
            initrd
                .iter()
                .flat_map(|file| [Path::new("--initrd"), file.path()]),
        )
        .args(guest.options)
        .arg(format!("./{}", guest.image))
        .args(guest.arguments)
        .current_dir(guest.images)
        .output()
        .map_err(|why| Failure::new(format_args!("running muslin: {why}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format_args!("muslin: {said}")));
    }
    // What differs there: where files are, and that it is looked at when it has ended.
    let text = String::from_utf8_lossy(&output.stdout);
    let mut config = format!("name = \"{}\"\nkernel = \"{kernel}\"\n", guest.name);
    for line in text.lines() {
        if !["name ", "kernel ", "ramdisk ", "on_"]
            .iter()
            .any(|it| line.starts_with(it))
        {
            config += &format!("{line}\n");
        }
    }
    if let Some(initrd) = guest.initrd {
        config += &format!("ramdisk = \"{initrd}\"\n");
    }
    if !guest.disks.is_empty() {
        config += &format!("disk = [ {} ]\n", guest.disks);
    }
    config += "on_poweroff = \"preserve\"\non_crash = \"preserve\"\n";
    let name = format!("{}.cfg", guest.name);
    job.files.push((name, config.into_bytes()));
    Ok(())
}

/// One of a job's files, for `muslin` to look at.
fn copy(job: &Job, name: &str) -> Step<NamedTempFile> {
    let file = NamedTempFile::new().map_err(|why| Failure::new(format_args!("{why}")))?;
    let Some((_, bytes)) = job.files.iter().find(|(its, _)| its == name) else {
        return Err(Failure::new(format_args!("the job has no {name}")));
    };
    fs::write(&file, bytes).map_err(|why| Failure::io("writing", file.path(), &why))?;
    Ok(file)
}

/// An image without symbols, which would be the larger part of what dom0 has to hold.
fn stripped(guest: &Guest<'_>) -> Step<Vec<u8>> {
    let file = NamedTempFile::new().map_err(|why| Failure::new(format_args!("{why}")))?;
    let path = guest.images.join(guest.image);
    let output = Command::new("strip")
        .arg("-o")
        .args([file.path(), &path])
        .output()
        .map_err(|why| Failure::new(format_args!("running strip: {why}")))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Failure::new(format_args!("strip: {said}")));
    }
    fs::read(file.path()).map_err(|why| Failure::io("reading", file.path(), &why))
}

/// Runs a job; what its script said.
pub fn run(mut job: Job) -> Step<Vec<u8>> {
    let lab = Lab::find().map_err(Failure::skip)?;
    job.limit = Some(TIME_MAX);
    let mut said = Vec::new();
    let done = lab.run_for_output(&job, &mut said).map_err(Failure::new)?;
    if done.status != Some(0) {
        return Err(Failure::new(format_args!(
            "the job ended with {:?}; it said\n{}\n{}",
            done.status,
            String::from_utf8_lossy(&said),
            done.log
        )));
    }
    Ok(said)
}

/// What a guest wrote to its console, and its exit status.
pub fn ended(console: &[u8]) -> (String, Option<u8>) {
    let mut text = Vec::new();
    let mut reader = Console::default();
    reader.take(console, &mut |bytes| text.extend_from_slice(bytes));
    let status = reader.end(&mut |bytes| text.extend_from_slice(bytes));
    (String::from_utf8_lossy(&text).into_owned(), status)
}

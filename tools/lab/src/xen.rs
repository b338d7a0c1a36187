//! The Xen lab: a real Xen in QEMU, on machines that have none.
//!
//! [`Lab::run`] starts guests by `xl` below a Linux that is dom0. That Linux is booted once and kept as
//! it then was; each run goes on from there. [`Lab::run_as_dom0`] takes an image for dom0 itself, which
//! starts in a second and has no devices.

mod dom0;
mod files;
mod last_line;
mod line;
mod machine;
mod quick;
mod snapshot;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use files::Files;

pub use last_line::Console;
pub use quick::{Alone, Mode, Outcome};

/// MiB of memory that the guests of one run can have together.
pub const GUESTS_MIB_MAX: u64 = 768;

/// Runs a guest from a dom0; how it is called is in its head.
pub const GUEST_SCRIPT: &str = include_str!("xen/dom0/guest");

/// The bridge of dom0, and its address there.
pub const BRIDGE: &str = "br0";
/// See [`BRIDGE`].
pub const BRIDGE_ADDRESS: &str = "10.0.0.1/24";

/// A place with what the lab is made of.
#[derive(Clone, Debug)]
pub struct Lab {
    files: Files,
}

/// A job for dom0.
#[derive(Clone, Debug, Default)]
pub struct Job {
    /// A script for the shell, which runs in a directory with the files. What it reads and writes is
    /// the input and the output of the run.
    pub script: String,
    /// Files for it: each name, and its content.
    pub files: Vec<(String, Vec<u8>)>,
    /// Disks: in dom0 they are /disks/1, /disks/2 and so on.
    pub disks: Vec<PathBuf>,
    /// The TAP interface here that dom0's bridge reaches.
    pub tap: Option<String>,
    /// When it is ended, behind the machine's start.
    pub limit: Option<Duration>,
    /// More words for QEMU.
    pub emulator: Vec<OsString>,
    /// By what it is ended earlier.
    pub stop: Stop,
}

/// Says that nobody wants a job any more.
#[derive(Clone, Debug, Default)]
pub struct Stop(Arc<AtomicBool>);

impl Stop {
    /// From now on.
    pub fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Was it said?
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// What a job came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// The exit status of its script; `None` if the machine ended, or was ended, without one.
    pub status: Option<i32>,
    /// What Xen said, for who looks for a reason.
    pub log: String,
}

/// What is done with output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// More is wanted.
    More,
    /// The job is done, whatever the script still does.
    Enough,
}

impl Lab {
    /// Finds what the lab is made of.
    ///
    /// # Errors
    /// What is missing, in one line.
    pub fn find() -> Result<Self, String> {
        crate::machine::is_there()?;
        Ok(Self {
            files: Files::find()?,
        })
    }

    /// Runs a job. `hear` gets its output piece by piece; what comes from `input` goes to it.
    ///
    /// # Errors
    /// The lab itself failed; in words.
    pub fn run(
        &self,
        job: &Job,
        input: Option<Box<dyn std::io::Read + Send>>,
        hear: &mut dyn FnMut(&[u8]) -> Heard,
    ) -> Result<Done, String> {
        let snapshot = snapshot::ready(&self.files, &job.stop)?;
        line::run(&snapshot, job, input, hear)
    }

    /// Runs a job that is given nothing, and keeps its output; also what came of it when the lab failed.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_for_output(&self, job: &Job, output: &mut Vec<u8>) -> Result<Done, String> {
        self.run(job, None, &mut |bytes| {
            output.extend_from_slice(bytes);
            Heard::More
        })
    }

    /// Runs an image as dom0.
    ///
    /// # Errors
    /// The lab itself failed; in words.
    pub fn run_as_dom0(&self, alone: &Alone<'_>) -> Result<Outcome, String> {
        quick::run(&self.files, alone)
    }
}

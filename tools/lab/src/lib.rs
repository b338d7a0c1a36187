//! The lab: a place where guests of virtual machines run, whatever this machine is.
//!
//! A [`Batch`] is files and commands. [`Lab::find`] decides where they run: here, if a guest tried out
//! on this machine's KVM runs; else under a real Linux kernel in QEMU, whose emulated processor has
//! what KVM needs. There, one start runs all commands of a batch.
//!
//! Guests of Xen have a lab of their own: [`xen`].
//!
//! The `muslin` of a lab is a static one, made of this tree.

mod archive;
mod batch;
mod built;
mod kernel;
mod machine;
mod record;
mod runner;
pub mod xen;

use std::path::PathBuf;

pub use batch::{Batch, Ending, Job, Outcome};
pub use runner::run_all;

/// Where the commands of a batch run.
#[derive(Clone, Debug)]
pub struct Lab {
    place: Place,
    /// What was found, for people: one line.
    pub about: String,
}

#[derive(Clone, Debug)]
enum Place {
    Here,
    Qemu(PathBuf),
}

/// The variable that makes every lab one in QEMU.
const ALWAYS_QEMU: &str = "MUSLIN_LAB_QEMU";

impl Lab {
    /// Finds out where guests run, by trying.
    ///
    /// # Errors
    /// Nowhere; what is missing, in one line.
    pub fn find() -> Result<Self, String> {
        let tried = if std::env::var_os(ALWAYS_QEMU).is_some() {
            Err(format!("{ALWAYS_QEMU} is set"))
        } else {
            muslin_tender::hvt::probe()
                .map_err(|refusal| format!("this machine's KVM is of no use ({})", refusal.what))
        };
        let why = match tried {
            Ok(()) => {
                return Ok(Self {
                    place: Place::Here,
                    about: "hvt guests run on this machine's KVM".to_owned(),
                });
            }
            Err(why) => why,
        };
        let missing = |what: String| format!("no place for hvt guests: {why}, and {what}");
        machine::is_there().map_err(&missing)?;
        let kernel = kernel::find().map_err(&missing)?;
        Ok(Self {
            about: format!("hvt guests run in QEMU: {why}"),
            place: Place::Qemu(kernel),
        })
    }

    /// Runs the commands one after the other; their outcomes in the same order.
    ///
    /// # Errors
    /// The lab itself failed; in words.
    pub fn run(&self, batch: &Batch) -> Result<Vec<Outcome>, String> {
        let tools = built::tools()?;
        match &self.place {
            Place::Here => runner::run_here(batch, &tools),
            Place::Qemu(kernel) => machine::run(batch, &tools, kernel),
        }
    }
}

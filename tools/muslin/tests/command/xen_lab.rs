//! What the tests with guests of Xen share: the lab, programs for its guests and for dom0, and jobs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use muslin_lab::xen::{Done, Job, Lab};

use crate::lab::{directory, driver, skip, succeed, write, xen};

/// Far more than a job's guests take, even on a busy machine.
const LIMIT: Duration = Duration::from_secs(300);

/// One of a job's files: its name, and its content.
pub type File = (String, Vec<u8>);

/// The lab and the sysroot, for one test.
pub struct XenLab {
    lab: Lab,
    sysroot: &'static Path,
    /// The test's own directory.
    pub dir: PathBuf,
}

impl XenLab {
    /// `None` after saying why not.
    pub fn find(test: &str) -> Option<Self> {
        let lab = match Lab::find() {
            Ok(lab) => lab,
            Err(why) => {
                skip(test, &why);
                return None;
            }
        };
        let sysroot = xen(test)?;
        let dir = directory(test);
        Some(Self { lab, sysroot, dir })
    }

    /// A program for guests, of this text.
    pub fn for_guests(&self, name: &str, text: &str, words: &[&str]) -> File {
        self.compiled(driver(self.sysroot, &self.dir), name, text, words)
    }

    /// A program for dom0.
    pub fn for_dom0(&self, name: &str, text: &str, libraries: &[&str]) -> File {
        let mut gcc = Command::new("gcc");
        gcc.current_dir(&self.dir);
        self.compiled(gcc, name, text, libraries)
    }

    fn compiled(&self, mut compiler: Command, name: &str, text: &str, words: &[&str]) -> File {
        let source = format!("{name}.c");
        let header = ("xen_vsock.h", include_str!("xen_vsock.h"));
        write(&self.dir, &[(&source, text), header]);
        succeed(compiler.args(["-O2", &source, "-o", name]).args(words));
        self.file(name)
    }

    /// One of the directory's files.
    pub fn file(&self, name: &str) -> File {
        (name.to_owned(), fs::read(self.dir.join(name)).unwrap())
    }

    /// Runs a job: what it said, and what became of the machine.
    pub fn run(&self, script: String, files: Vec<File>, disks: Vec<PathBuf>) -> (String, Done) {
        let job = Job {
            script,
            files,
            disks,
            limit: Some(LIMIT),
            ..Job::default()
        };
        let mut said = Vec::new();
        let done = self.lab.run_for_output(&job, &mut said).unwrap();
        (String::from_utf8_lossy(&said).into_owned(), done)
    }
}

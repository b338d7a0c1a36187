//! The machine in which Xen and the Linux of dom0 run, and what it is told.

use std::ffi::OsString;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::GUESTS_MIB_MAX;
use super::files::Files;
use crate::machine::QEMU;

/// MiB of dom0.
const DOM0_MIB: u64 = 256;
/// MiB of Xen itself.
const XEN_MIB: u64 = 128;

/// What Xen is told.
///
/// QEMU 7.2 falls short of a processor in two things. A return to a program reads its stack as the kernel would:
/// SMAP would forbid that. And `xsave` does not tell that the registers are still another guest's: so they are
/// changed with the guest, not when it first asks for them.
pub(super) const OPTIONS: &str =
    "console=com1 com1=115200,8n1 smap=0 spec-ctrl=eager-fpu guest_loglvl=all";

/// Of what QEMU complains where nothing is behind dom0's network device, as it is meant.
const NOTHING_OUTSIDE: &str = "hub 0 is not connected to host network";

/// A directory for what belongs to one start of the machine.
pub(super) struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub(super) fn new() -> Result<Self, String> {
        let dir = tempfile::Builder::new().prefix("muslin-xen-").tempdir();
        Ok(Self {
            dir: dir.map_err(failed)?,
        })
    }

    /// The socket that is dom0's second serial line.
    pub(super) fn line(&self) -> std::path::PathBuf {
        self.file("line")
    }

    /// A file of the machine.
    pub(super) fn file(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    /// What Xen, dom0 and QEMU said.
    pub(super) fn log(&self) -> String {
        let [complaints, said] = ["complaints", "log"]
            .map(|name| fs::read(self.file(name)).unwrap_or_default())
            .map(|bytes| String::from_utf8_lossy(&bytes).replace('\r', ""));
        let real = complaints.split_inclusive('\n');
        let real = real.filter(|line| !line.contains(NOTHING_OUTSIDE));
        real.collect::<String>() + &said
    }
}

/// The words that a machine must be given alike when it is kept and when it goes on.
pub(super) fn words(files: &Files, first_files: &Path) -> Result<Vec<OsString>, String> {
    let total_mib = DOM0_MIB + XEN_MIB + GUESTS_MIB_MAX;
    let linux = files.linux()?;
    let no_commas = |path: &Path| match path.to_string_lossy() {
        name if name.contains(',') => Err(format!(
            "QEMU takes no comma in {}: set MUSLIN_CACHE",
            path.display()
        )),
        name => Ok(name.into_owned()),
    };
    let modules = format!(
        "{} console=hvc0 rdinit=/init quiet,{}",
        no_commas(&linux)?,
        no_commas(first_files)?
    );
    let mut words: Vec<OsString> = [
        "-accel",
        "tcg",
        "-cpu",
        "max",
        "-nodefaults",
        "-display",
        "none",
    ]
    .into_iter()
    .chain(["-no-reboot", "-device", "pvscsi,id=disks", "-m"])
    .map(OsString::from)
    .collect();
    words.push(format!("{total_mib}").into());
    words.push("-kernel".into());
    words.push(files.xen().into());
    words.push("-append".into());
    words.push(format!("{OPTIONS} dom0_mem={DOM0_MIB}M,max:{DOM0_MIB}M dom0_max_vcpus=1").into());
    words.push("-initrd".into());
    words.push(modules.into());
    Ok(words)
}

/// QEMU, which ends when who started it does, however that ends.
pub(super) fn emulator() -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", QEMU]);
    command
}

/// Starts it with these words and more.
pub(super) fn start(place: &Place, words: &[OsString], more: &[OsString]) -> Result<Child, String> {
    let line = format!("unix:{},server=on,wait=off", place.line().display());
    let log = format!("file:{}", place.file("log").display());
    emulator()
        .args(words)
        .args(["-serial", &log, "-serial", &line])
        .args(more)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(File::create(place.file("complaints")).map_err(failed)?)
        .spawn()
        .map_err(|error| format!("cannot run {QEMU}: {error}"))
}

/// The words of a network device of dom0's; without an interface nothing is behind it.
pub(super) fn network(tap: Option<&str>) -> [OsString; 4] {
    let backend = match tap {
        Some(tap) => format!("tap,id=outside,ifname={tap},script=no,downscript=no"),
        None => "hubport,id=outside,hubid=0".to_owned(),
    };
    [
        "-netdev".into(),
        backend.into(),
        "-device".into(),
        "e1000,netdev=outside,romfile=".into(),
    ]
}

pub(super) fn failed(error: std::io::Error) -> String {
    format!("cannot lay out the lab: {error}")
}

//! dom0 as it was when it had started: made once, kept in the cache.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::files::{Files, names_in};
use super::line::{READY, connect};
use super::machine::{self, Place, failed};
use super::{Stop, dom0, line};
use crate::machine::QEMU;

/// Longer than a start takes on the busiest machine.
const START_MAX: Duration = Duration::from_secs(180);

/// What is said to who wants it no more.
const NOT_WANTED: &str = "the machine is not wanted any more";

/// How the names of what is kept begin.
const PREFIX: &str = "kept-";

/// What is kept goes when it has been there for so long: until then somebody may go on from it.
const AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// A machine that goes on.
pub(super) struct Snapshot {
    /// The words that it was made with.
    pub(super) words: Vec<OsString>,
    /// Those that make it go on.
    pub(super) incoming: OsString,
}

/// The snapshot of this QEMU and these files; it is made if it is not there.
pub(super) fn ready(files: &Files, stop: &Stop) -> Result<Snapshot, String> {
    let archive = dom0::archive(files)?;
    let name = format!("{PREFIX}{}.cpio", hash(&[&archive]));
    let first_files = files.dir.join(name);
    let words = machine::words(files, &first_files)?;
    let dir = files
        .dir
        .join(format!("{PREFIX}{}", key(&archive, &words)?));
    let state = dir.join("state");
    // One process makes it, others wait.
    let lock = File::create(files.dir.join("lock")).map_err(failed)?;
    while let Err(error) = lock.try_lock() {
        match error {
            TryLockError::WouldBlock if !stop.is_set() => thread::sleep(line::STEP),
            TryLockError::WouldBlock => return Err(NOT_WANTED.to_owned()),
            TryLockError::Error(error) => return Err(failed(error)),
        }
    }
    if !state.is_file() || !first_files.is_file() {
        let scratch = tempfile::tempdir_in(&files.dir).map_err(failed)?;
        fs::write(&first_files, &archive).map_err(failed)?;
        make(&words, &scratch.path().join("state"), stop)?;
        remove_old(&files.dir);
        // Half of one may be left.
        let _ = fs::remove_dir_all(&dir);
        fs::rename(scratch.keep(), &dir).map_err(failed)?;
    }
    Ok(Snapshot {
        words,
        incoming: from_file(&state),
    })
}

/// Removes what was kept for long enough. What cannot be removed stays.
fn remove_old(dir: &Path) {
    let is_old = |path: &Path| {
        let made = fs::metadata(path).and_then(|file| file.modified()).ok();
        made.and_then(|made| made.elapsed().ok())
            .is_some_and(|age| age > AGE_MAX)
    };
    for name in names_in(dir) {
        let path = dir.join(&name);
        if name.starts_with(PREFIX) && is_old(&path) {
            let _ = match path.is_dir() {
                true => fs::remove_dir_all(&path),
                false => fs::remove_file(&path),
            };
        }
    }
}

/// Equal keys mean that one machine can go on as the other.
fn key(archive: &[u8], words: &[OsString]) -> Result<String, String> {
    let version = Command::new(QEMU)
        .arg("--version")
        .output()
        .map_err(|error| format!("cannot run {QEMU}: {error}"))?;
    let words = words.iter().map(|word| word.as_encoded_bytes());
    let parts: Vec<&[u8]> = [archive, &version.stdout]
        .into_iter()
        .chain(words)
        .collect();
    Ok(hash(&parts))
}

/// A name for these bytes.
fn hash(parts: &[&[u8]]) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    let bytes = hash.finalize();
    bytes[..8]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn make(words: &[OsString], state: &Path, stop: &Stop) -> Result<(), String> {
    let place = Place::new()?;
    let mut more = vec!["-monitor".into(), "stdio".into()];
    more.extend(machine::network(None));
    let mut machine = machine::start(&place, words, &more)?;
    let made = keep(&mut machine, &place, state, stop);
    let _ = machine.kill();
    let _ = machine.wait();
    made.map_err(|why| format!("{why}; its last words:\n{}", line::last_lines(&place.log())))
}

/// Waits until dom0 is up, and writes the machine's state.
fn keep(machine: &mut Child, place: &Place, state: &Path, stop: &Stop) -> Result<(), String> {
    let deadline = Instant::now() + START_MAX;
    let mut line = connect(place, machine, deadline)?;
    if !line.wait_for(READY, deadline, stop) {
        if stop.is_set() {
            return Err(NOT_WANTED.to_owned());
        }
        return Err("dom0 did not come up".to_owned());
    }
    let mut monitor = machine.stdin.take().ok_or("QEMU has no monitor")?;
    // It goes on from where it was as soon as it is read.
    let tell = "migrate_set_parameter max-bandwidth 64G\n";
    let command = format!("{tell}migrate \"exec:cat > {}\"\nquit\n", quoted(state)?);
    monitor.write_all(command.as_bytes()).map_err(failed)?;
    while machine.try_wait().map_err(failed)?.is_none() {
        if Instant::now() > deadline {
            return Err("the machine's state was not written".to_owned());
        }
        thread::sleep(line::STEP);
    }
    match fs::metadata(state) {
        Ok(file) if file.len() > 0 => Ok(()),
        _ => Err("the machine's state was not written".to_owned()),
    }
}

fn from_file(state: &Path) -> OsString {
    let mut word = OsString::from("exec:cat < '");
    word.push(state);
    word.push("'");
    word
}

/// A path in single quotes, in a string of the monitor.
fn quoted(path: &Path) -> Result<String, String> {
    match path.to_str() {
        Some(name) if !name.contains(['\'', '"', '\\', '\n']) => Ok(format!("'{name}'")),
        _ => Err(format!(
            "QEMU takes no such name as {}: set MUSLIN_CACHE",
            path.display()
        )),
    }
}

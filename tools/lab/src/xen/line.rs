//! What is said on dom0's second serial line.
//!
//! dom0 says [`READY`] again and again until it is told a word that nobody else knows, the time, and how
//! many disks it has. It repeats the word, and when it is told to go the job has the line; at the end comes the word again, and a status.

use std::collections::hash_map::RandomState;
use std::ffi::OsString;
use std::fs;
use std::hash::{BuildHasher, Hasher};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::machine::{self, Place, failed};
use super::snapshot::Snapshot;
use super::{Done, Heard, Job, Stop};
use crate::archive::Archive;

/// What dom0 says when it is up.
pub(super) const READY: &[u8] = b"ready\n";

/// How often the machine is looked at.
pub(super) const STEP: Duration = Duration::from_millis(10);

/// How long a machine may take to go on.
const RESUME_MAX: Duration = Duration::from_secs(60);

/// How long dom0, which has just said that it is up, may take to repeat a word.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// How many machines are tried.
const TRIES: usize = 4;

/// Lines of a log that are shown when something went wrong.
const LINES: usize = 15;

/// The line, and what was heard of it but not used.
pub(super) struct Line {
    stream: UnixStream,
    heard: Vec<u8>,
}

/// Waits for the machine to make its end of the line.
pub(super) fn connect(
    place: &Place,
    machine: &mut Child,
    deadline: Instant,
) -> Result<Line, String> {
    loop {
        if let Ok(stream) = UnixStream::connect(place.line()) {
            stream.set_read_timeout(Some(STEP)).map_err(failed)?;
            return Ok(Line {
                stream,
                heard: Vec::new(),
            });
        }
        if machine.try_wait().map_err(failed)?.is_some() {
            return Err("QEMU ended at once".to_owned());
        }
        if Instant::now() > deadline {
            return Err("QEMU did not start".to_owned());
        }
        thread::sleep(STEP);
    }
}

impl Line {
    /// Takes everything up to this text and the text itself; `false` if it did not come.
    pub(super) fn wait_for(&mut self, text: &[u8], deadline: Instant, stop: &Stop) -> bool {
        loop {
            if let Some(at) = place_of(text, &self.heard) {
                self.heard.drain(..at + text.len());
                return true;
            }
            if Instant::now() > deadline || stop.is_set() || !self.hear() {
                return false;
            }
        }
    }

    /// Hears more, or nothing for a moment; `false` if nothing will ever come.
    fn hear(&mut self) -> bool {
        let mut bytes = [0; 4096];
        match self.stream.read(&mut bytes) {
            Ok(0) => false,
            Ok(count) => {
                self.heard.extend_from_slice(&bytes[..count]);
                true
            }
            Err(error) => matches!(
                error.kind(),
                ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted
            ),
        }
    }
}

/// Runs a job in a machine that goes on.
pub(super) fn run(
    snapshot: &Snapshot,
    job: &Job,
    mut input: Option<Box<dyn Read + Send>>,
    hear: &mut dyn FnMut(&[u8]) -> Heard,
) -> Result<Done, String> {
    let place = Place::new()?;
    let first = place.file("job");
    fs::write(&first, archive(job)).map_err(failed)?;
    let mut more: Vec<OsString> = vec!["-incoming".into(), snapshot.incoming.clone()];
    more.extend(["-monitor".into(), "none".into()]);
    more.extend(machine::network(job.tap.as_deref()));
    more.extend(job.emulator.iter().cloned());
    for (number, disk) in [&first].into_iter().chain(&job.disks).enumerate() {
        let name = disk.to_string_lossy().replace(',', ",,");
        more.push("-drive".into());
        more.push(format!("if=none,format=raw,id=disk{number},file={name}").into());
        more.push("-device".into());
        more.push(format!("scsi-hd,bus=disks.0,scsi-id={number},drive=disk{number}").into());
    }
    // An emulated serial line can lose an interrupt: then nothing was begun, and another machine is tried.
    for _ in 0..TRIES {
        let mut machine = machine::start(&place, &snapshot.words, &more)?;
        let line = wake(&mut machine, &place, job);
        let status = line.and_then(|line| talk(line, job, input.take(), hear));
        let _ = machine.kill();
        let _ = machine.wait();
        let log = place.log();
        let _ = fs::remove_file(place.line());
        match status {
            Ok(status) => return Ok(Done { status, log }),
            Err(Trouble::Asleep) if job.stop.is_set() => return Ok(Done { status: None, log }),
            Err(Trouble::Asleep) => {}
            Err(Trouble::Other(why)) => {
                return Err(format!("{why}; its last words:\n{}", last_lines(&log)));
            }
        }
    }
    Err("dom0 did not go on".to_owned())
}

/// What went wrong.
enum Trouble {
    /// dom0 did not take the job.
    Asleep,
    /// In words.
    Other(String),
}

impl From<String> for Trouble {
    fn from(why: String) -> Self {
        Self::Other(why)
    }
}

/// Waits for dom0, and makes it begin.
fn wake(machine: &mut Child, place: &Place, job: &Job) -> Result<(Line, String), Trouble> {
    let resumed = Instant::now() + RESUME_MAX;
    let mut line = connect(place, machine, resumed)?;
    if !line.wait_for(READY, resumed, &job.stop) {
        return Err(Trouble::Asleep);
    }
    let word = format!("{:016x}", RandomState::new().build_hasher().finish());
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let disks = job.disks.len() + 1;
    let words = format!("{word} {now} {disks}\n");
    line.stream.write_all(words.as_bytes()).map_err(failed)?;
    let answered = Instant::now() + ANSWER_MAX;
    if !line.wait_for(format!("{word}\n").as_bytes(), answered, &job.stop) {
        return Err(Trouble::Asleep);
    }
    line.stream.write_all(b"go\n").map_err(failed)?;
    Ok((line, word))
}

fn talk(
    (mut line, word): (Line, String),
    job: &Job,
    input: Option<Box<dyn Read + Send>>,
    hear: &mut dyn FnMut(&[u8]) -> Heard,
) -> Result<Option<i32>, Trouble> {
    if let Some(mut input) = input {
        let mut to = line.stream.try_clone().map_err(failed)?;
        // Ends with its input, or when the machine is gone.
        thread::spawn(move || std::io::copy(&mut input, &mut to));
    }
    let deadline = job.limit.map(|limit| Instant::now() + limit);
    let end = format!("\n{word} ");
    loop {
        let said = place_of(end.as_bytes(), &line.heard);
        // What may be the beginning of the end is kept back.
        let keep = match said {
            Some(_) => 0,
            None => beginning_of(end.as_bytes(), &line.heard),
        };
        let until = said.unwrap_or(line.heard.len() - keep);
        if until > 0 && hear(&line.heard[..until]) == Heard::Enough {
            return Ok(None);
        }
        line.heard.drain(..until);
        if said.is_some() && line.heard.ends_with(b"\n") && line.heard.len() > end.len() {
            let status = String::from_utf8_lossy(&line.heard[end.len()..]);
            return Ok(status.trim().parse().ok());
        }
        if job.stop.is_set() {
            return Ok(None);
        }
        if deadline.is_some_and(|deadline| Instant::now() > deadline) {
            return Err("the job took too long".to_owned().into());
        }
        if !line.hear() {
            return Ok(None);
        }
    }
}

/// The job as the first disk: whole sectors.
fn archive(job: &Job) -> Vec<u8> {
    let mut archive = Archive::default();
    archive.file("run", job.script.as_bytes());
    for (name, content) in &job.files {
        archive.file(name, content);
    }
    let mut bytes = archive.finish();
    bytes.resize(bytes.len().next_multiple_of(4096), 0);
    bytes
}

/// The last lines of a log.
pub(super) fn last_lines(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}

fn place_of(text: &[u8], all: &[u8]) -> Option<usize> {
    all.windows(text.len()).position(|window| window == text)
}

/// How many bytes at the end of `all` are a beginning of `text`.
fn beginning_of(text: &[u8], all: &[u8]) -> usize {
    (1..text.len())
        .rev()
        .find(|&len| all.ends_with(&text[..len]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_the_beginning_of_the_end_is_known() {
        assert_eq!(beginning_of(b"\nword ", b"text"), 0);
        assert_eq!(beginning_of(b"\nword ", b"text\n"), 1);
        assert_eq!(beginning_of(b"\nword ", b"text\n\nwor"), 4);
        assert_eq!(beginning_of(b"\nword ", b"word "), 0);
        assert_eq!(place_of(b"\nword ", b"text\nword 0\n"), Some(4));
        assert_eq!(place_of(b"\nword ", b"word"), None);
    }
}

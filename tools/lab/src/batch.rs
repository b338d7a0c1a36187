//! Files and commands that go to the lab, and what comes back.

use std::path::PathBuf;
use std::time::Duration;

use crate::record::{Reader, Writer};

/// Files and commands.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Files for the commands: each name, which is relative to the directory that they run in, and
    /// the file here.
    pub files: Vec<(String, PathBuf)>,
    /// The commands. `muslin` and `muslin-lab-steps` are in their PATH.
    pub jobs: Vec<Job>,
}

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// The program and its arguments.
    pub words: Vec<String>,
    /// What it reads.
    pub input: Vec<u8>,
    /// When it is ended.
    pub limit: Duration,
}

/// What a command came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// How it ended.
    pub ending: Ending,
    /// What it wrote.
    pub output: Vec<u8>,
    /// What it complained of.
    pub complaints: Vec<u8>,
    /// How long it took there.
    pub took: Duration,
}

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By exit.
    Status(i32),
    /// By a signal.
    Signal(i32),
    /// It was ended for taking too long.
    TooLong,
    /// It was not started.
    NotStarted,
}

impl Job {
    /// A command without input, which may take so long.
    pub fn new(words: &[&str], limit: Duration) -> Self {
        Self {
            words: words.iter().map(|word| (*word).to_owned()).collect(),
            input: Vec::new(),
            limit,
        }
    }

    pub(crate) fn write(&self, to: &mut Writer) {
        to.number(self.words.len() as u64);
        for word in &self.words {
            to.bytes(word.as_bytes());
        }
        to.bytes(&self.input);
        to.number(self.limit.as_millis() as u64);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Option<Self> {
        let count = from.number()?;
        let words = (0..count)
            .map(|_| String::from_utf8(from.bytes()?.to_vec()).ok())
            .collect::<Option<_>>()?;
        Some(Self {
            words,
            input: from.bytes()?.to_vec(),
            limit: Duration::from_millis(from.number()?),
        })
    }
}

impl Outcome {
    pub(crate) fn write(&self, to: &mut Writer) {
        let (kind, value) = match self.ending {
            Ending::Status(status) => (0, status),
            Ending::Signal(signal) => (1, signal),
            Ending::TooLong => (2, 0),
            Ending::NotStarted => (3, 0),
        };
        to.number(kind);
        to.number(value as u64);
        to.bytes(&self.output);
        to.bytes(&self.complaints);
        to.number(self.took.as_millis() as u64);
    }

    pub(crate) fn read(from: &mut Reader<'_>) -> Option<Self> {
        let kind = from.number()?;
        let value = from.number()? as i32;
        let ending = match kind {
            0 => Ending::Status(value),
            1 => Ending::Signal(value),
            2 => Ending::TooLong,
            3 => Ending::NotStarted,
            _ => return None,
        };
        Some(Self {
            ending,
            output: from.bytes()?.to_vec(),
            complaints: from.bytes()?.to_vec(),
            took: Duration::from_millis(from.number()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let job = Job {
            words: vec!["muslin".to_owned(), String::new(), "ä".to_owned()],
            input: vec![0, 255],
            limit: Duration::from_secs(3),
        };
        let outcome = Outcome {
            ending: Ending::Signal(9),
            output: b"out".to_vec(),
            complaints: Vec::new(),
            took: Duration::from_millis(12),
        };
        let mut to = Writer::default();
        job.write(&mut to);
        outcome.write(&mut to);
        let mut from = Reader(&to.0);
        assert_eq!(Job::read(&mut from), Some(job));
        assert_eq!(Outcome::read(&mut from), Some(outcome));
        assert_eq!(Outcome::read(&mut from), None);
    }
}

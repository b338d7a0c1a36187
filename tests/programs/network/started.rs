//! Commands that run beside the test, with all that they say.

use std::fs::File;
use std::io::{Seek, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::FileExt;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::failure::{Failure, Step};

/// How long something that is to happen soon may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A command that runs; it ends with its test.
pub struct Started {
    child: Child,
    what: String,
    output: File,
    complaints: File,
}

/// What a command said, and how it ended.
pub struct Said {
    what: String,
    /// On its output.
    pub output: String,
    /// On its second stream.
    pub complaints: String,
    /// Its exit status; none if a signal ended it.
    pub status: Option<i32>,
}

impl Said {
    /// The output, if it came to a good end.
    pub fn fine(self) -> Step<String> {
        if self.status == Some(0) {
            return Ok(self.output);
        }
        Err(self.failure("it did not come to a good end"))
    }

    /// What is wrong with it.
    pub fn failure(&self, what: &str) -> Failure {
        Failure::new(format_args!(
            "{what}: {}\nstatus {:?}\n{}{}",
            self.what, self.status, self.output, self.complaints
        ))
    }
}

impl Started {
    /// Starts a command. What it says goes to files, so that it never waits for the test.
    pub fn new(command: Command) -> Step<Started> {
        Self::with_input(command, b"")
    }

    /// The same for one that reads this and its end.
    pub fn with_input(mut command: Command, input: &[u8]) -> Step<Started> {
        let what = format!("{command:?}");
        let failed = |why| Failure::new(format_args!("starting {what}: {why}"));
        let (output, complaints) = (tempfile::tempfile(), tempfile::tempfile());
        let (output, complaints) = (output.map_err(failed)?, complaints.map_err(failed)?);
        let mut words = tempfile::tempfile().map_err(failed)?;
        words
            .write_all(input)
            .and_then(|()| words.rewind())
            .map_err(failed)?;
        let child = command
            .stdin(words)
            .stdout(output.try_clone().map_err(failed)?)
            .stderr(complaints.try_clone().map_err(failed)?)
            .spawn()
            .map_err(failed)?;
        Ok(Started {
            child,
            what,
            output,
            complaints,
        })
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Step<Said> {
        let status = self
            .child
            .wait()
            .map_err(|why| Failure::new(format_args!("waiting for {}: {why}", self.what)))?;
        self.said(status.code())
    }

    /// Waits for its end. It cannot come to a good one without the other, so that may not end before.
    pub fn finish_beside(mut self, other: &mut Started) -> Step<Said> {
        while let Ok(None) = self.child.try_wait() {
            if let Ok(Some(status)) = other.child.try_wait() {
                // Who talks to a machine that is gone waits for ever: nobody tells it.
                let said = other.said(status.code())?;
                return Err(said.failure(&format!("it ended before {}", self.what)));
            }
            thread::sleep(Duration::from_millis(20));
        }
        self.finish()
    }

    /// Tells it to end, and waits for that.
    pub fn end(mut self) -> Step<Said> {
        self.signal();
        self.finish()
    }

    /// Waits until something is so.
    pub fn until(&mut self, what: &str, mut is_so: impl FnMut(&Said) -> bool) -> Step<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let ended = !matches!(self.child.try_wait(), Ok(None));
            let said = self.said(None)?;
            if is_so(&said) {
                return Ok(());
            }
            if ended || Instant::now() > deadline {
                return Err(said.failure(&format!("waited in vain until {what}; ended: {ended}")));
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until it listens.
    pub fn until_it_listens(&mut self, address: SocketAddr) -> Step<()> {
        self.until(&format!("{address} answers"), |_| {
            TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
        })
    }

    /// What it said so far.
    pub fn said(&self, status: Option<i32>) -> Step<Said> {
        let what = self.what.clone();
        let read = |file: &File| {
            // The command writes on where the file stands; so that is left alone.
            let mut bytes = vec![0; file.metadata()?.len() as usize];
            file.read_exact_at(&mut bytes, 0)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let failed =
            |why: std::io::Error| Failure::new(format_args!("reading what {what} said: {why}"));
        Ok(Said {
            output: read(&self.output).map_err(failed)?,
            complaints: read(&self.complaints).map_err(failed)?,
            what: what.clone(),
            status,
        })
    }

    fn signal(&mut self) {
        if let (Ok(None), Ok(id)) = (self.child.try_wait(), i32::try_from(self.child.id())) {
            // The process is `timeout`, which hands the signal on.
            let _ = Pid::from_raw(id).map(|id| kill_process(id, Signal::TERM));
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        self.signal();
        let _ = self.child.wait();
    }
}

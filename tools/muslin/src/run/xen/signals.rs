//! Signals that end this command, which takes its guest away first.

use std::fs;
use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// The signals.
const ALL: [i32; 3] = [SIGHUP, SIGINT, SIGTERM];

/// Takes signals from now on.
pub struct Listener {
    signals: Signals,
}

impl Listener {
    /// Those that are not ignored, as in the background of a script.
    pub fn new() -> io::Result<Self> {
        let ignored = ignored();
        let taken = ALL
            .into_iter()
            .filter(|signal| ignored >> (signal - 1) & 1 == 0);
        Ok(Self {
            signals: Signals::new(taken)?,
        })
    }

    /// Does work, and `tell`s of each signal that comes meanwhile, or came before; the first of them.
    pub fn beside<T>(
        mut self,
        tell: impl Fn() + Send,
        work: impl FnOnce() -> T,
    ) -> (T, Option<i32>) {
        let handle = self.signals.handle();
        thread::scope(|scope| {
            let listener = scope.spawn(move || {
                let mut first = None;
                for signal in self.signals.forever() {
                    first.get_or_insert(signal);
                    tell();
                }
                first
            });
            let done = work();
            handle.close();
            (done, listener.join().ok().flatten())
        })
    }
}

/// The signals that this process ignores, each a bit.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| u64::from_str_radix(line.strip_prefix("SigIgn:")?.trim(), 16).ok())
        .unwrap_or(0)
}

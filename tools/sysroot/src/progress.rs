//! One line on stderr for each step that takes time.

use std::time::Instant;

/// A step under way.
pub(crate) struct Step {
    started: Instant,
}

impl Step {
    /// Starts the clock.
    pub(crate) fn begin() -> Step {
        Step {
            started: Instant::now(),
        }
    }

    /// Says what was done and how long it took.
    pub(crate) fn done(self, what: &str) {
        eprintln!(
            "sysroot: {what} ({:.1} s)",
            self.started.elapsed().as_secs_f64()
        );
    }
}

//! What a thread has of signals to itself.

/// What a thread blocks, what waits to be delivered to it, and where.
#[derive(Debug, Default)]
pub struct ThreadSignals {}

impl ThreadSignals {
    /// Those of a new thread.
    pub const fn new() -> Self {
        Self {}
    }
}

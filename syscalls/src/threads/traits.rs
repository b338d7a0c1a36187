//! What a program says about a thread: its name and its importance, which are kept and told. Only locks
//! with priority inheritance go by the priority: threads take turns, and each ends where it waits.

/// Bytes of a name, with its final 0.
pub const COMM_BYTES: usize = 16;

const SCHED_OTHER: i32 = 0;

/// What is said about a thread.
#[derive(Clone, Copy, Debug)]
pub struct Traits {
    /// The name; 0 behind it. That of the first thread is the program's, and not kept here.
    pub comm: [u8; COMM_BYTES],
    /// `SCHED_*`.
    pub policy: i32,
    /// 0, or of the policies of real time 1 to 99.
    pub priority: i32,
    /// Threads that it begins do not have the same policy, priority and nice value.
    pub is_reset_on_fork: bool,
    /// -20 to 19.
    pub nice: i32,
}

impl Default for Traits {
    fn default() -> Self {
        Self::new()
    }
}

impl Traits {
    /// Those of a thread of which nothing was said.
    pub const fn new() -> Self {
        Self {
            comm: [0; COMM_BYTES],
            policy: SCHED_OTHER,
            priority: 0,
            is_reset_on_fork: false,
            nice: 0,
        }
    }

    /// Those of a thread that this one begins.
    #[must_use]
    pub fn of_child(&self) -> Self {
        if !self.is_reset_on_fork {
            return *self;
        }
        Self {
            comm: self.comm,
            nice: match self.policy {
                SCHED_OTHER => self.nice.max(0),
                _ => 0,
            },
            ..Self::new()
        }
    }
}

//! What platforms do not have yet, by the programs that show it.
//!
//! A program whose gap lets it run to an end is run, and must differ from native: who closes the gap
//! takes its line away. One that cannot mean anything without what is missing is skipped.

/// Something that a platform does not have.
#[derive(Debug)]
pub struct Gap {
    /// What is missing.
    pub missing: &'static str,
    /// Are the programs run all the same?
    pub is_run: bool,
    /// The programs that need it, with blanks between them.
    pub programs: &'static str,
}

impl Gap {
    /// The gap that a program falls into.
    pub fn of<'a>(gaps: &'a [Gap], program: &str) -> Option<&'a Gap> {
        gaps.iter()
            .find(|gap| gap.programs.split_whitespace().any(|name| name == program))
    }
}

/// The gaps of the library OS, whatever it runs on.
pub const LIBRARY_OS: &[Gap] = &[
    Gap {
        missing: "processes",
        is_run: false,
        programs: "ancillary cancellation_points clone conditions exec exits fork fork_in_threads locks \
            locks_of_threads memory_faults_end mutexes newer_calls pipes robust_mutex \
            shared_memory signal_defaults signal_of_child signal_restart spawn tracing vfork waiting",
    },
    Gap {
        missing: "exec",
        is_run: true,
        programs: "bad_addresses",
    },
    Gap {
        missing: "calls that few programs make: personality, ioprio_get, clock_adjtime, semtimedop",
        is_run: true,
        programs: "rare_calls",
    },
    Gap {
        missing: "fork, and on spt addresses without memory and code in new memory",
        is_run: true,
        programs: "memory_maps",
    },
    Gap {
        missing: "pseudo terminals",
        is_run: true,
        programs: "terminal",
    },
    Gap {
        missing: "message queues",
        is_run: true,
        programs: "message_queues",
    },
    Gap {
        missing: "a file as the standard input: on Xen the console's is a stream, elsewhere there is none",
        is_run: true,
        programs: "standard_streams",
    },
];

//! Where each program runs: one column of the table each. A further platform is a further line in
//! [`ALL`] and, when its images are neither processes nor guests, a further [`Kind`].

use muslin_lab::xen::Mode;
use muslin_sysroot::Flavour;

use crate::gaps::{Gap, LIBRARY_OS};
use crate::program::Program;

/// A world that the programs are compiled for and run in.
#[derive(Debug)]
pub struct Platform {
    /// The column's title, and the name in `skip-on` lines.
    pub name: &'static str,
    /// The sysroot its images are linked with.
    pub flavour: Flavour,
    /// What its processes have in their environment beyond the fixed part; `{work}` stands for a
    /// directory of the run.
    pub environment: &'static [(&'static str, &'static str)],
    /// What its images are to the machine.
    pub kind: Kind,
    /// What it does not have yet.
    pub gaps: &'static [Gap],
    /// What the image says at its start when this machine cannot run it.
    pub cannot_run: Option<&'static str>,
}

/// What an image is to the machine that it runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A program like any other.
    Process,
    /// A program like any other, with a file system of its own.
    OwnFiles,
    /// A guest of the built-in tender, with a file system of its own.
    Guest,
    /// A guest of a virtual machine, which runs in the lab.
    Machine,
    /// The first guest of a real Xen in the lab: a machine for each program.
    Xen(Mode),
    /// A guest of a real Xen that a dom0 starts.
    BelowXl(Mode),
}

/// All platforms. The first is the one whose answers are right, if its programs are content.
pub const ALL: &[Platform] = &[
    Platform {
        name: "native",
        flavour: Flavour::Stock,
        environment: &[],
        kind: Kind::Process,
        gaps: &[],
        cannot_run: None,
    },
    Platform {
        name: "linux",
        flavour: Flavour::Linux,
        environment: &[],
        kind: Kind::Process,
        gaps: &[],
        cannot_run: None,
    },
    // Every slot holds the counting code here, which makes the calls from outside musl's own window
    // for cancellation points, as handlers do.
    Platform {
        name: "linux-counted",
        flavour: Flavour::Linux,
        environment: &[("MUSLIN_COUNT", "{work}/counts")],
        kind: Kind::Process,
        gaps: &[],
        cannot_run: None,
    },
    Platform {
        name: "linux-catch-stray",
        flavour: Flavour::Linux,
        environment: &[("MUSLIN_CATCH_STRAY", "1")],
        kind: Kind::Process,
        gaps: &[],
        cannot_run: Some("this kernel cannot catch stray system calls"),
    },
    Platform {
        name: "solo5-spt",
        flavour: Flavour::Solo5Spt,
        environment: &[],
        kind: Kind::Guest,
        gaps: LIBRARY_OS,
        cannot_run: None,
    },
    Platform {
        name: "solo5-hvt",
        flavour: Flavour::Solo5Hvt,
        environment: &[],
        kind: Kind::Machine,
        gaps: LIBRARY_OS,
        cannot_run: None,
    },
    // The same images as the tenders', started by Linux.
    Platform {
        name: "any-linux",
        flavour: Flavour::Any,
        environment: &[("MUSLIN_CWD", "/tmp"), ("MUSLIN_MEM", "1024")],
        kind: Kind::OwnFiles,
        gaps: LIBRARY_OS,
        cannot_run: None,
    },
];

/// Guests of Xen. Each program takes seconds there, so each is a test of its own, and most of them run only
/// when they are asked for.
pub const XEN: &[Platform] = &[
    Platform {
        name: "xen-pv",
        flavour: Flavour::Xen,
        environment: &[],
        kind: Kind::Xen(Mode::Pv),
        gaps: LIBRARY_OS,
        cannot_run: None,
    },
    Platform {
        name: "xen-pvh",
        flavour: Flavour::Xen,
        environment: &[],
        kind: Kind::Xen(Mode::Pvh),
        gaps: LIBRARY_OS,
        cannot_run: None,
    },
    Platform {
        name: "xl-pv",
        flavour: Flavour::Xen,
        environment: &[],
        kind: Kind::BelowXl(Mode::Pv),
        gaps: LIBRARY_OS,
        cannot_run: None,
    },
    Platform {
        name: "xl-pvh",
        flavour: Flavour::Xen,
        environment: &[],
        kind: Kind::BelowXl(Mode::Pvh),
        gaps: LIBRARY_OS,
        cannot_run: None,
    },
];

/// Programs that always run in Xen: memory, faults, threads, signals, files, time.
pub const ALWAYS_IN_XEN: &[&str] = &[
    "environment",
    "fault_signals",
    "files_by_seed",
    "memory_protection",
    "raw_calls",
    "red_zone",
    "red_zone_faults",
    "sleeps",
    "threads",
];

impl Platform {
    /// Whether a program can be run here: nothing is missing for it, and no gap hangs or breaks it.
    pub fn takes(&self, program: &Program) -> bool {
        program.skip_on.iter().all(|(on, _)| on != self.name)
            && Gap::of(self.gaps, &program.name).is_none_or(|gap| gap.is_run)
    }

    /// Whether a program always runs here, and not only when it is asked for.
    pub fn always_runs(&self, program: &str) -> bool {
        let always: &[&[&str]] = match self.kind {
            Kind::BelowXl(Mode::Pv) => &[ALWAYS_BELOW_XL, ALWAYS_IN_PV],
            Kind::BelowXl(Mode::Pvh) => &[ALWAYS_BELOW_XL],
            _ => &[ALWAYS_IN_XEN],
        };
        always.iter().any(|programs| programs.contains(&program))
    }
}

/// Those that always run in guests that a dom0 starts.
pub const ALWAYS_BELOW_XL: &[&str] = &[
    "clocks",
    "environment",
    "fault_signals",
    "files_by_seed",
    "red_zone_faults",
    "sleeps",
    "threads",
];

/// Those that do in paravirtualised ones besides: the end of the console's input, stacks, waits, timers, sockets.
pub const ALWAYS_IN_PV: &[&str] = &[
    "descriptors",
    "memory_protection",
    "poll_select",
    "posix_timers",
    "raw_calls",
    "red_zone",
    "signal_stack",
    "stack_overflow",
    "standard_streams",
    "stdio",
    "tcp",
    "udp",
];

//! Where each program runs: one column of the table each. A further platform is a further line in
//! [`ALL`] and, when its images are not plain processes, a further kind of run.

use muslin_sysroot::Flavour;

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
    /// What the image says at its start when this machine cannot run it.
    pub cannot_run: Option<&'static str>,
}

/// All platforms. The first is the one whose answers are right, if its programs are content.
pub const ALL: &[Platform] = &[
    Platform {
        name: "native",
        flavour: Flavour::Stock,
        environment: &[],
        cannot_run: None,
    },
    Platform {
        name: "linux",
        flavour: Flavour::Linux,
        environment: &[],
        cannot_run: None,
    },
    // Every slot holds the counting code here, which makes the calls from outside musl's own window
    // for cancellation points, as handlers do.
    Platform {
        name: "linux-counted",
        flavour: Flavour::Linux,
        environment: &[("MUSLIN_COUNT", "{work}/counts")],
        cannot_run: None,
    },
    Platform {
        name: "linux-catch-stray",
        flavour: Flavour::Linux,
        environment: &[("MUSLIN_CATCH_STRAY", "1")],
        cannot_run: Some("this kernel cannot catch stray system calls"),
    },
];

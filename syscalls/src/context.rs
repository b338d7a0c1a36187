//! What a handler is given: the platform below and the one process above.

use muslin_abi::Errno;
use muslin_platform::Platform;

use crate::files::Files;
use crate::gap::ReportFn;
use crate::memory::{AddressSpace, Pages};
use crate::process::Identity;
use crate::random::Random;
use crate::signals::Signals;
use crate::sockets::Sockets;
use crate::threads::{Attention, Machine, Scheduler, Thread, Threads};
use crate::time::MaybeTimers;

/// What a handler is given.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The world underneath.
    pub platform: &'a dyn Platform,
    /// The program.
    pub process: &'a Process,
}

/// The one process of a machine without a kernel below.
///
/// Lock order: `files`, then `memory`, then the kernel's heap, then [`Pages`].
pub struct Process {
    /// What is mapped where.
    pub memory: AddressSpace,
    /// Descriptors, the working directory and the file systems.
    pub files: Files,
    /// Actions and masks.
    pub signals: Signals,
    /// The generator behind `getrandom` and `/dev/urandom`.
    pub random: Random,
    /// Names, numbers and limits.
    pub identity: Identity,
    /// The threads.
    pub threads: Threads,
    /// The sockets within the machine.
    pub sockets: Sockets,
    /// The timers that send signals, if the program has made one.
    pub timers: MaybeTimers,
    /// Says what the program asked for in vain.
    pub report_gap: ReportFn,
}

/// What a process starts from.
#[derive(Clone, Copy)]
pub struct Setup {
    /// The pages of the platform's memory. The kernel's heap takes from the same.
    pub pages: &'static Pages,
    /// What was said about the program.
    pub given: Given,
    /// Who runs, and the first who does.
    pub scheduler: &'static Scheduler,
    /// The first thread of this scheduler.
    pub first_thread: &'static Thread,
    /// What is done at the end of calls.
    pub attention: &'static Attention,
    /// What threads that do not run need kept.
    pub machine: Machine,
    /// Makes an address the thread pointer: `arch_prctl(ARCH_SET_FS)`.
    pub set_thread_pointer: fn(usize) -> Result<(), Errno>,
    /// Says what the program asked for in vain.
    pub report_gap: ReportFn,
}

/// What whoever started the machine says about the program, besides arguments and environment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Given {
    /// A tar archive that becomes the root directory.
    pub initrd: Option<&'static [u8]>,
    /// The directory to start in; the root if nobody says.
    pub working_directory: Option<&'static [u8]>,
    /// The machine's name.
    pub host_name: Option<&'static [u8]>,
    /// The program's name as it was called.
    pub program: &'static [u8],
    /// The arguments behind the name, each with its final 0.
    pub arguments: &'static [u8],
    /// The environment, each variable with its final 0; settings of the library OS may be among them.
    pub environment: &'static [u8],
}

impl Process {
    /// A process without any mapping but the platform's boot stack. Whoever calls it names the
    /// image's segments by [`AddressSpace::add_image`].
    pub fn new(platform: &'static dyn Platform, setup: &Setup) -> Self {
        Self {
            memory: AddressSpace::new(platform, setup.pages),
            files: Files::new(platform, setup.given),
            signals: Signals::new(),
            random: Random::new(),
            identity: Identity::new(platform, &setup.given),
            threads: Threads::new(setup),
            sockets: Sockets::new(),
            timers: MaybeTimers::new(),
            report_gap: setup.report_gap,
        }
    }
}

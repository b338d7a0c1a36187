//! The texts of `/proc` and `/sys` that programs look for.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::context::Context;
use crate::memory::Kind;
use crate::process::{PID, RELEASE, SYSTEM, VERSION, without_zeros};
use crate::threads::Thread;
use crate::time::process_cpu_ns;
use crate::user_mem::UserBufMut;

/// A text that is made when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// Always the same.
    Fixed(&'static str),
    /// Memory: all, how much is free, and who has the rest.
    Meminfo,
    /// Seconds since the start.
    Uptime,
    /// Times of the processor, and the time of the start.
    Stat,
    /// The system's name and version.
    Version,
    /// The version alone.
    Release,
    /// The machine's name.
    HostName,
    /// A random number as a UUID, another one each time.
    Uuid,
    /// The same, but one number from the start to the end.
    BootId,
    /// The arguments.
    CommandLine,
    /// The environment at the start.
    Environment,
    /// The program's name.
    Comm,
    /// What is mapped where.
    Maps,
    /// What there is to know of the process, for people.
    Status,
    /// The same for programs.
    OwnStat,
    /// How much is mapped, in pages.
    Statm,
}

/// Files by their directories.
type Files = &'static [(&'static str, &'static [(&'static str, Report)])];

impl Report {
    /// All of them.
    pub const ALL: Files = &[
        (
            "proc",
            &[
                ("meminfo", Self::Meminfo),
                ("cpuinfo", Self::Fixed("processor\t: 0\n\n")),
                ("filesystems", Self::Fixed("nodev\ttmpfs\n")),
                ("uptime", Self::Uptime),
                ("stat", Self::Stat),
                ("version", Self::Version),
                ("loadavg", Self::Fixed("0.00 0.00 0.00 1/1 1\n")),
            ],
        ),
        (
            "proc/1",
            &[
                ("mounts", Self::Fixed("none / tmpfs rw 0 0\n")),
                ("cmdline", Self::CommandLine),
                ("environ", Self::Environment),
                ("comm", Self::Comm),
                ("maps", Self::Maps),
                ("status", Self::Status),
                ("stat", Self::OwnStat),
                ("statm", Self::Statm),
            ],
        ),
        (
            "proc/sys/kernel",
            &[
                ("hostname", Self::HostName),
                ("osrelease", Self::Release),
                ("ostype", Self::Fixed("Linux\n")),
                ("pid_max", Self::Fixed("32768\n")),
            ],
        ),
        (
            "proc/sys/kernel/random",
            &[("uuid", Self::Uuid), ("boot_id", Self::BootId)],
        ),
        ("proc/sys/vm", &[("overcommit_memory", Self::Fixed("2\n"))]),
        (
            "sys/devices/system/cpu",
            &[
                ("online", Self::Fixed("0\n")),
                ("possible", Self::Fixed("0\n")),
                ("present", Self::Fixed("0\n")),
            ],
        ),
    ];

    /// The text as of now.
    pub fn text(self, context: &Context<'_>) -> Vec<u8> {
        let process = context.process;
        let text = match self {
            Self::Fixed(text) => return text.as_bytes().to_vec(),
            Self::CommandLine => return process.files.command_line(),
            Self::Environment => return process.files.environment(),
            Self::Maps => return maps(context),
            Self::Comm => return line(process.identity.comm()),
            Self::HostName => return line(process.identity.host_name()),
            Self::Meminfo => {
                let usage = process.memory.usage();
                let kib = |bytes: usize| bytes / 1024;
                format!(
                    "MemTotal:       {:8} kB\n\
                     MemFree:        {free:8} kB\n\
                     MemAvailable:   {free:8} kB\n\
                     Cached:         {:8} kB\n\
                     SwapTotal:      {:8} kB\n\
                     SwapFree:       {:8} kB\n\
                     AnonPages:      {:8} kB\n\
                     Slab:           {:8} kB\n\
                     PageTables:     {:8} kB\n",
                    kib(usage.total),
                    kib(usage.files),
                    0,
                    0,
                    kib(usage.program),
                    kib(usage.kernel),
                    kib(usage.tables),
                    free = kib(usage.free),
                )
            }
            Self::Uptime => {
                let hundredths = context.platform.clock().monotonic_ns() / TICK_NS;
                let (seconds, hundredths) = (hundredths / 100, hundredths % 100);
                format!("{seconds}.{hundredths:02} 0.00\n")
            }
            Self::Stat => {
                let age_ns = process.identity.age_ns(context.platform);
                let start_ns = context.platform.clock().realtime_ns() - age_ns as i64;
                let start = start_ns / 1_000_000_000;
                let ticks = process_cpu_ns(context) / TICK_NS;
                let idle = process.threads.idle_ns() / TICK_NS;
                format!(
                    "cpu  {ticks} 0 0 {idle} 0 0 0 0 0 0\ncpu0 {ticks} 0 0 {idle} 0 0 0 0 0 0\n\
                     btime {start}\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n"
                )
            }
            Self::Version => format!("{SYSTEM} version {RELEASE} {VERSION}\n"),
            Self::Release => format!("{RELEASE}\n"),
            Self::Uuid => uuid(context),
            Self::BootId => process.files.boot_id.call_once(|| uuid(context)).clone(),
            Self::Status => status(context, first_thread(context)),
            Self::OwnStat => stat(context, first_thread(context), process_cpu_ns(context)),
            Self::Statm => {
                let pages = process.memory.mapped_bytes() / context.platform.memory().page_bytes();
                format!("{pages} {pages} 0 0 0 {pages} 0\n")
            }
        };
        text.into_bytes()
    }
}

/// A hundredth of a second, the unit of processor times.
const TICK_NS: u64 = 10_000_000;

fn line(mut text: Vec<u8>) -> Vec<u8> {
    text.push(b'\n');
    text
}

fn uuid(context: &Context<'_>) -> String {
    let mut bytes = [0; 16];
    let mut buffer = UserBufMut::from_slice(&mut bytes);
    // Without random bytes it is a bad number, and the console has said why.
    let _ = context.process.random.fill(context.platform, &mut buffer);
    // Version 4, variant 1 of RFC 9562.
    let number = u128::from_be_bytes(bytes);
    let number = number & !(0xf << 76 | 0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    let part = |from: u32, digits: u32| (number >> from) as u64 & ((1 << (4 * digits)) - 1);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}\n",
        part(96, 8),
        part(80, 4),
        part(64, 4),
        part(48, 4),
        part(0, 12)
    )
}

/// The first thread, by whose number and name the process goes.
fn first_thread(context: &Context<'_>) -> &'static Thread {
    let threads = &context.process.threads;
    threads.find(PID).unwrap_or_else(|| threads.current())
}

/// The letter of a thread's state, and the word.
fn state_of(thread: &'static Thread) -> (char, &'static str) {
    match thread.waiting() {
        Some(_) => ('S', "sleeping"),
        None => ('R', "running"),
    }
}

/// What there is to know of a thread, for people.
pub fn status(context: &Context<'_>, thread: &'static Thread) -> String {
    let process = context.process;
    let comm = without_zeros(&process.identity.comm_of(thread));
    let name = String::from_utf8_lossy(&comm);
    let (tid, (letter, state)) = (thread.tid(), state_of(thread));
    let (users, groups) = process.identity.numbers();
    let mapped_kib = process.memory.mapped_bytes() / 1024;
    let [user, effective_user, saved_user] = users;
    let [group, effective_group, saved_group] = groups;
    format!(
        "Name:\t{name}\nUmask:\t{:04o}\nState:\t{letter} ({state})\nTgid:\t{PID}\nPid:\t{tid}\nPPid:\t0\n\
         TracerPid:\t0\nUid:\t{user}\t{effective_user}\t{saved_user}\t{effective_user}\n\
         Gid:\t{group}\t{effective_group}\t{saved_group}\t{effective_group}\n\
         VmPeak:\t{:8} kB\nVmSize:\t{mapped_kib:8} kB\nVmRSS:\t{mapped_kib:8} kB\nThreads:\t{}\n",
        process.files.umask(),
        process.memory.usage().peak / 1024,
        process.threads.count(),
    )
}

/// The same for programs.
pub fn stat(context: &Context<'_>, thread: &'static Thread, cpu_ns: u64) -> String {
    let process = context.process;
    let comm = without_zeros(&process.identity.comm_of(thread));
    let name = String::from_utf8_lossy(&comm);
    let (tid, (letter, _)) = (thread.tid(), state_of(thread));
    let ticks = cpu_ns / TICK_NS;
    let traits = *thread.traits.lock();
    let nice = traits.nice;
    let priority = match traits.priority {
        0 => 20 + nice,
        priority => -1 - priority,
    };
    let threads = process.threads.count();
    let bytes = process.memory.mapped_bytes();
    let pages = bytes / context.platform.memory().page_bytes();
    // Fields 4 to 52 of proc_pid_stat(5): parent, group, session, no terminal, flags and faults;
    // times; priority, nice, threads; the start; sizes; what is not said.
    format!(
        "{tid} ({name}) {letter} 0 {PID} {PID} 0 -1 0 0 0 0 0 {ticks} 0 0 0 {priority} {nice} \
         {threads} 0 0 {bytes} {pages} \
         18446744073709551615{}\n",
        " 0".repeat(27)
    )
}

fn maps(context: &Context<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    let image = context.process.files.executable();
    for (addresses, protection, kind) in context.process.memory.regions() {
        let bit = |is_set: bool, letter: char| if is_set { letter } else { '-' };
        let name = match kind {
            Kind::Image => &image[..],
            Kind::Stack => b"[stack]",
            Kind::Break => b"[heap]",
            _ => b"",
        };
        let line = format!(
            "{:08x}-{:08x} {}{}{}p 00000000 00:00 0 ",
            addresses.start,
            addresses.end,
            bit(protection.read, 'r'),
            bit(protection.write, 'w'),
            bit(protection.execute, 'x'),
        );
        text.extend_from_slice(line.as_bytes());
        text.extend_from_slice(name);
        text.push(b'\n');
    }
    text
}

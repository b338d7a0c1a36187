//! The texts of `/proc` that programs look for.

use alloc::format;
use alloc::vec::Vec;

use crate::context::Context;
use crate::memory::Kind;

/// A text that is made when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Report {
    /// Memory: all, and how much is free.
    Meminfo,
    /// The one processor.
    Cpuinfo,
    /// Kinds of file systems.
    Filesystems,
    /// Seconds since the start.
    Uptime,
    /// The file system.
    Mounts,
    /// The arguments.
    CommandLine,
    /// What is mapped where.
    Maps,
}

impl Report {
    /// Those of `/proc` itself.
    pub const ALL: &[(&str, Self)] = &[
        ("meminfo", Self::Meminfo),
        ("cpuinfo", Self::Cpuinfo),
        ("filesystems", Self::Filesystems),
        ("uptime", Self::Uptime),
    ];

    /// Those of `/proc/self`.
    pub const ALL_OF_SELF: &[(&str, Self)] = &[
        ("mounts", Self::Mounts),
        ("cmdline", Self::CommandLine),
        ("maps", Self::Maps),
    ];

    /// The text as of now.
    pub fn text(self, context: &Context<'_>) -> Vec<u8> {
        match self {
            Self::Meminfo => {
                let usage = context.process.memory.usage();
                let (total, free) = (usage.total / 1024, usage.free / 1024);
                format!(
                    "MemTotal:       {total:8} kB\n\
                     MemFree:        {free:8} kB\n\
                     MemAvailable:   {free:8} kB\n\
                     SwapTotal:             0 kB\n\
                     SwapFree:              0 kB\n"
                )
                .into_bytes()
            }
            Self::Cpuinfo => b"processor\t: 0\n\n".to_vec(),
            Self::Filesystems => b"nodev\ttmpfs\n".to_vec(),
            Self::Uptime => {
                let hundredths = context.platform.clock().monotonic_ns() / 10_000_000;
                let (seconds, hundredths) = (hundredths / 100, hundredths % 100);
                format!("{seconds}.{hundredths:02} 0.00\n").into_bytes()
            }
            Self::Mounts => b"none / tmpfs rw 0 0\n".to_vec(),
            Self::CommandLine => context.process.files.command_line(),
            Self::Maps => maps(context),
        }
    }
}

fn maps(context: &Context<'_>) -> Vec<u8> {
    let mut text = Vec::new();
    for (addresses, protection, kind) in context.process.memory.regions() {
        let bit = |is_set: bool, letter: char| if is_set { letter } else { '-' };
        let name = match kind {
            Kind::Stack => " [stack]",
            Kind::Break => " [heap]",
            _ => "",
        };
        let line = format!(
            "{:08x}-{:08x} {}{}{}p 00000000 00:00 0{name}\n",
            addresses.start,
            addresses.end,
            bit(protection.read, 'r'),
            bit(protection.write, 'w'),
            bit(protection.execute, 'x'),
        );
        text.extend_from_slice(line.as_bytes());
    }
    text
}

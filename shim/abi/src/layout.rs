//! Structures as the kernel lays them out on x86_64, and how they travel to and from the program's
//! memory: as bytes, field after field, so that no unsafe code is needed.
//!
//! Source: the kernel's uapi headers, `bits/*.h` of musl, and the man page of each call.

/// Plain old data: a type with a fixed size in which every pattern of bytes is a value.
pub trait Pod: Copy {
    /// Size in bytes.
    const BYTES: usize;
    /// The value of `bytes`, which are [`BYTES`](Pod::BYTES) long; missing ones count as 0.
    fn from_bytes(bytes: &[u8]) -> Self;
    /// Puts the value into `bytes`, as much as fits.
    fn to_bytes(&self, bytes: &mut [u8]);
}

macro_rules! numbers {
    ($($number:ident)*) => {
        $(impl Pod for $number {
            const BYTES: usize = size_of::<Self>();

            // A copy of a length that is known is a load or a store; any other is a call of memcpy.
            fn from_bytes(bytes: &[u8]) -> Self {
                if let Some(own) = bytes.first_chunk() {
                    return Self::from_le_bytes(*own);
                }
                let mut own = [0; size_of::<Self>()];
                own[..bytes.len()].copy_from_slice(bytes);
                Self::from_le_bytes(own)
            }

            fn to_bytes(&self, bytes: &mut [u8]) {
                let own = self.to_le_bytes();
                if let Some(place) = bytes.first_chunk_mut() {
                    *place = own;
                    return;
                }
                bytes.copy_from_slice(&own[..bytes.len()]);
            }
        })*
    };
}

numbers!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize);

impl<T: Pod, const N: usize> Pod for [T; N] {
    const BYTES: usize = T::BYTES * N;

    fn from_bytes(bytes: &[u8]) -> Self {
        core::array::from_fn(|i| T::from_bytes(bytes.get(i * T::BYTES..).unwrap_or(&[])))
    }

    fn to_bytes(&self, bytes: &mut [u8]) {
        for (element, place) in self.iter().zip(bytes.chunks_mut(T::BYTES)) {
            element.to_bytes(place);
        }
    }
}

/// Declares structures without gaps: what C pads has a field of its own. The compiler checks it.
macro_rules! structs {
    ($(
        $(#[$about:meta])*
        $name:ident { $($(#[$field_about:meta])* $field:ident: $type:ty,)* }
    )*) => {
        $(
            $(#[$about])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            #[repr(C)]
            pub struct $name { $($(#[$field_about])* pub $field: $type,)* }

            const _: () = assert!(size_of::<$name>() == <$name as Pod>::BYTES, "a gap");

            impl Default for $name {
                fn default() -> Self {
                    Self::from_bytes(&[])
                }
            }

            impl Pod for $name {
                const BYTES: usize = 0 $(+ <$type as Pod>::BYTES)*;

                fn from_bytes(bytes: &[u8]) -> Self {
                    Self {
                        $($field: <$type as Pod>::from_bytes(
                            bytes.get(core::mem::offset_of!(Self, $field)..).unwrap_or(&[]),
                        ),)*
                    }
                }

                fn to_bytes(&self, bytes: &mut [u8]) {
                    $(if let Some(place) = bytes.get_mut(core::mem::offset_of!(Self, $field)..) {
                        self.$field.to_bytes(place);
                    })*
                }
            }
        )*
    };
}

structs! {
    /// `struct timespec`.
    Timespec {
        /// Whole seconds.
        tv_sec: i64,
        /// Nanoseconds, 0 to 999,999,999.
        tv_nsec: i64,
    }
    /// `struct timeval`.
    Timeval {
        /// Whole seconds.
        tv_sec: i64,
        /// Microseconds, 0 to 999,999.
        tv_usec: i64,
    }
    /// `struct itimerspec`.
    Itimerspec {
        /// How often; 0 is once.
        it_interval: Timespec,
        /// When first; 0 is never.
        it_value: Timespec,
    }
    /// `struct sched_attr`, as it was first.
    SchedAttr {
        /// Bytes.
        size: u32,
        /// `SCHED_*`.
        sched_policy: u32,
        /// `SCHED_FLAG_*`.
        sched_flags: u64,
        /// -20 to 19.
        sched_nice: i32,
        /// 0, or 1 to 99.
        sched_priority: u32,
        /// Of `SCHED_DEADLINE`.
        sched_runtime: u64,
        /// Of `SCHED_DEADLINE`.
        sched_deadline: u64,
        /// Of `SCHED_DEADLINE`.
        sched_period: u64,
    }
    /// `struct itimerval`.
    Itimerval {
        /// How often; 0 is once.
        it_interval: Timeval,
        /// When first; 0 is never.
        it_value: Timeval,
    }
    /// `struct sigevent`, without what the C library keeps for itself.
    Sigevent {
        /// Passed on with the signal.
        sigev_value: u64,
        /// The signal.
        sigev_signo: i32,
        /// `SIGEV_*`.
        sigev_notify: i32,
        /// The thread that is told.
        sigev_tid: i32,
        /// Unused.
        pad: [i32; 11],
    }
    /// `struct timezone`.
    Timezone {
        /// Minutes west of Greenwich.
        tz_minuteswest: i32,
        /// Kind of summer time.
        tz_dsttime: i32,
    }
    /// `struct tms`.
    Tms {
        /// Ticks of the process.
        tms_utime: i64,
        /// Ticks of the kernel for it.
        tms_stime: i64,
        /// Ticks of its children.
        tms_cutime: i64,
        /// Ticks of the kernel for them.
        tms_cstime: i64,
    }
    /// `struct iovec`.
    Iovec {
        /// Address of the first byte.
        iov_base: usize,
        /// Bytes.
        iov_len: usize,
    }
    /// `struct msghdr`, as the kernel has it.
    Msghdr {
        /// Address of a socket's address.
        msg_name: usize,
        /// Its bytes.
        msg_namelen: i32,
        /// Nothing.
        pad: u32,
        /// Address of the pieces.
        msg_iov: usize,
        /// How many.
        msg_iovlen: usize,
        /// Address of what travels beside the bytes.
        msg_control: usize,
        /// Its bytes.
        msg_controllen: usize,
        /// `MSG_*` of what was received.
        msg_flags: u32,
        /// Nothing.
        end: u32,
    }
    /// `struct mmsghdr`.
    Mmsghdr {
        /// The message.
        msg_hdr: Msghdr,
        /// Bytes sent or received.
        msg_len: u32,
        /// Nothing.
        pad: u32,
    }
    /// `struct cmsghdr`, as the kernel has it.
    Cmsghdr {
        /// Bytes with this header.
        cmsg_len: usize,
        /// `SOL_*`.
        cmsg_level: i32,
        /// `SCM_*`.
        cmsg_type: i32,
    }
    /// `struct ucred`.
    Ucred {
        /// The process.
        pid: i32,
        /// The user.
        uid: u32,
        /// The group.
        gid: u32,
    }
    /// `struct linger`.
    Linger {
        /// Whether `close` lingers.
        l_onoff: i32,
        /// For how many seconds.
        l_linger: i32,
    }
    /// `struct rlimit`.
    Rlimit {
        /// The limit that holds.
        rlim_cur: u64,
        /// How far it can be raised.
        rlim_max: u64,
    }
    /// `struct new_utsname`.
    Utsname {
        /// "Linux".
        sysname: [u8; 65],
        /// The machine's name.
        nodename: [u8; 65],
        /// The kernel's version.
        release: [u8; 65],
        /// How it was built.
        version: [u8; 65],
        /// "x86_64".
        machine: [u8; 65],
        /// NIS domain.
        domainname: [u8; 65],
    }
    /// `struct sysinfo`.
    Sysinfo {
        /// Seconds since boot.
        uptime: i64,
        /// Load averages over 1, 5 and 15 minutes, in 65536ths.
        loads: [u64; 3],
        /// Memory in `mem_unit`s.
        totalram: u64,
        /// Free memory.
        freeram: u64,
        /// Shared memory.
        sharedram: u64,
        /// Buffers.
        bufferram: u64,
        /// Swap space.
        totalswap: u64,
        /// Free swap space.
        freeswap: u64,
        /// Processes.
        procs: u16,
        /// Padding.
        pad: u16,
        /// Padding that C puts here.
        pad_long: u32,
        /// High memory.
        totalhigh: u64,
        /// Free high memory.
        freehigh: u64,
        /// Bytes in a unit.
        mem_unit: u32,
        /// Padding at the end.
        pad_end: u32,
    }
    /// `struct rusage`.
    Rusage {
        /// Time of the process.
        ru_utime: Timeval,
        /// Time of the kernel for it.
        ru_stime: Timeval,
        /// Most memory in use, in KiB.
        ru_maxrss: i64,
        /// Unused.
        ru_ixrss: i64,
        /// Unused.
        ru_idrss: i64,
        /// Unused.
        ru_isrss: i64,
        /// Page faults without reading.
        ru_minflt: i64,
        /// Page faults with reading.
        ru_majflt: i64,
        /// Unused.
        ru_nswap: i64,
        /// Reads of a disk.
        ru_inblock: i64,
        /// Writes to a disk.
        ru_oublock: i64,
        /// Unused.
        ru_msgsnd: i64,
        /// Unused.
        ru_msgrcv: i64,
        /// Unused.
        ru_nsignals: i64,
        /// Switches while waiting.
        ru_nvcsw: i64,
        /// Switches while running.
        ru_nivcsw: i64,
    }
    /// `struct sigaction` of the kernel.
    Sigaction {
        /// `SIG_DFL`, `SIG_IGN` or the address of a function.
        handler: usize,
        /// `SA_*`.
        flags: u64,
        /// The address of a function that calls `rt_sigreturn`.
        restorer: usize,
        /// Signals that are blocked meanwhile.
        mask: u64,
    }
    /// `stack_t`.
    SignalStack {
        /// Lowest address.
        ss_sp: usize,
        /// `SS_*`.
        ss_flags: i32,
        /// Padding that C puts here.
        pad: u32,
        /// Bytes.
        ss_size: usize,
    }
}

structs! {
    /// `struct signalfd_siginfo`.
    SignalfdSiginfo {
        /// The signal.
        ssi_signo: u32,
        /// Unused.
        ssi_errno: i32,
        /// `SI_*` and its like.
        ssi_code: i32,
        /// Who sent it.
        ssi_pid: u32,
        /// Whose that is.
        ssi_uid: u32,
        /// The file of SIGIO.
        ssi_fd: i32,
        /// The timer.
        ssi_tid: u32,
        /// What happened to the file.
        ssi_band: u32,
        /// How often the timer came besides.
        ssi_overrun: u32,
        /// The trap.
        ssi_trapno: u32,
        /// How a child ended.
        ssi_status: i32,
        /// The value that came with it, as a number.
        ssi_int: i32,
        /// The same as an address.
        ssi_ptr: u64,
        /// A child's time.
        ssi_utime: u64,
        /// The kernel's time for it.
        ssi_stime: u64,
        /// Where a fault was.
        ssi_addr: u64,
        /// How exact that is.
        ssi_addr_lsb: u16,
        /// Padding.
        pad: u16,
        /// The system call.
        ssi_syscall: i32,
        /// Where it was made.
        ssi_call_addr: u64,
        /// The architecture.
        ssi_arch: u32,
        /// Unused.
        unused: [u8; 28],
    }
    /// `siginfo_t`, without the words behind it that say nothing.
    Siginfo {
        /// The signal.
        si_signo: i32,
        /// Unused.
        si_errno: i32,
        /// `SI_*` and its like: who sent it.
        si_code: i32,
        /// Padding.
        pad: u32,
        /// What `si_code` says.
        fields: [u64; 4],
    }
}

structs! {
    /// `struct stat`.
    Stat {
        /// The file system.
        st_dev: u64,
        /// The file's number in it.
        st_ino: u64,
        /// Names that the file has.
        st_nlink: u64,
        /// `S_IF*` and permissions.
        st_mode: u32,
        /// The owner.
        st_uid: u32,
        /// The owner's group.
        st_gid: u32,
        /// Padding.
        pad: u32,
        /// Which device the file is.
        st_rdev: u64,
        /// Size in bytes.
        st_size: i64,
        /// A good size for reads and writes.
        st_blksize: i64,
        /// Space taken, in units of 512 bytes.
        st_blocks: i64,
        /// Last read.
        st_atim: Timespec,
        /// Last change of the content.
        st_mtim: Timespec,
        /// Last change of anything.
        st_ctim: Timespec,
        /// Unused.
        unused: [i64; 3],
    }
    /// `struct statx_timestamp`.
    StatxTime {
        /// Whole seconds.
        tv_sec: i64,
        /// Nanoseconds, 0 to 999,999,999.
        tv_nsec: u32,
        /// Padding.
        pad: u32,
    }
    /// `struct statx`.
    Statx {
        /// Which fields are filled in.
        stx_mask: u32,
        /// A good size for reads and writes.
        stx_blksize: u32,
        /// `STATX_ATTR_*`.
        stx_attributes: u64,
        /// Names that the file has.
        stx_nlink: u32,
        /// The owner.
        stx_uid: u32,
        /// The owner's group.
        stx_gid: u32,
        /// `S_IF*` and permissions.
        stx_mode: u16,
        /// Padding.
        pad: u16,
        /// The file's number.
        stx_ino: u64,
        /// Size in bytes.
        stx_size: u64,
        /// Space taken, in units of 512 bytes.
        stx_blocks: u64,
        /// Which attributes are known.
        stx_attributes_mask: u64,
        /// Last read.
        stx_atime: StatxTime,
        /// Made.
        stx_btime: StatxTime,
        /// Last change of anything.
        stx_ctime: StatxTime,
        /// Last change of the content.
        stx_mtime: StatxTime,
        /// Which device the file is: the major number.
        stx_rdev_major: u32,
        /// The minor number.
        stx_rdev_minor: u32,
        /// The file system: the major number.
        stx_dev_major: u32,
        /// The minor number.
        stx_dev_minor: u32,
        /// The mount.
        stx_mnt_id: u64,
        /// For direct reads and writes, and unused.
        spare: [u64; 13],
    }
    /// `struct statfs`.
    Statfs {
        /// The kind of file system.
        f_type: i64,
        /// Bytes in a block.
        f_bsize: i64,
        /// Blocks.
        f_blocks: u64,
        /// Free blocks.
        f_bfree: u64,
        /// Free blocks for programs.
        f_bavail: u64,
        /// Files.
        f_files: u64,
        /// Free files.
        f_ffree: u64,
        /// The file system's number.
        f_fsid: [i32; 2],
        /// Longest name.
        f_namelen: i64,
        /// Bytes in a fragment.
        f_frsize: i64,
        /// `ST_*`.
        f_flags: i64,
        /// Unused.
        f_spare: [i64; 4],
    }
    /// `struct pollfd`.
    Pollfd {
        /// The descriptor.
        fd: i32,
        /// What is asked for.
        events: u16,
        /// What holds.
        revents: u16,
    }
    /// `struct flock`.
    Flock {
        /// `F_RDLCK`, `F_WRLCK` or `F_UNLCK`.
        l_type: i16,
        /// What `l_start` counts from.
        l_whence: i16,
        /// Padding that C puts here.
        pad: u32,
        /// The first byte.
        l_start: i64,
        /// Bytes; 0 is up to the end.
        l_len: i64,
        /// Who holds it.
        l_pid: i32,
        /// Padding at the end.
        pad_end: u32,
    }
    /// `struct open_how`.
    OpenHow {
        /// `O_*`.
        flags: u64,
        /// Permissions of a new file.
        mode: u64,
        /// `RESOLVE_*`.
        resolve: u64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_the_way_through_bytes() {
        let rusage = Rusage {
            ru_utime: Timeval {
                tv_sec: -1,
                tv_usec: 2,
            },
            ru_nivcsw: 7,
            ..Rusage::default()
        };
        let mut bytes = [0xaa; Rusage::BYTES];
        rusage.to_bytes(&mut bytes);
        assert_eq!(bytes[..8], [0xff; 8]);
        assert_eq!(bytes[8], 2);
        assert_eq!(Rusage::from_bytes(&bytes), rusage);

        let mut name = Utsname::default();
        name.machine[..6].copy_from_slice(b"x86_64");
        let mut bytes = [1; Utsname::BYTES];
        name.to_bytes(&mut bytes);
        assert_eq!(bytes[4 * 65..4 * 65 + 7], *b"x86_64\0");
        assert_eq!(Utsname::from_bytes(&bytes), name);
    }

    #[test]
    fn short_bytes_are_no_panic() {
        assert_eq!(
            Timespec::from_bytes(&[5]),
            Timespec {
                tv_sec: 5,
                tv_nsec: 0
            }
        );
        let mut bytes = [0; 9];
        Timespec {
            tv_sec: 1,
            tv_nsec: 2,
        }
        .to_bytes(&mut bytes);
        assert_eq!(bytes, [1, 0, 0, 0, 0, 0, 0, 0, 2]);
    }

    #[test]
    fn sizes_are_those_of_the_kernel() {
        assert_eq!(Utsname::BYTES, 390);
        assert_eq!(Sysinfo::BYTES, 112);
        assert_eq!(Rusage::BYTES, 144);
        assert_eq!(Sigaction::BYTES, 32);
        assert_eq!(SignalStack::BYTES, 24);
        assert_eq!(Siginfo::BYTES, 48);
        assert_eq!(Stat::BYTES, 144);
        assert_eq!(Statx::BYTES, 256);
        assert_eq!(Statfs::BYTES, 120);
        assert_eq!(Pollfd::BYTES, 8);
        assert_eq!(Msghdr::BYTES, 56);
        assert_eq!(Mmsghdr::BYTES, 64);
        assert_eq!(Cmsghdr::BYTES, 16);
        assert_eq!(Ucred::BYTES, 12);
        assert_eq!(Flock::BYTES, 32);
        assert_eq!(SignalfdSiginfo::BYTES, 128);
        assert_eq!(Itimerspec::BYTES, 32);
        assert_eq!(Itimerval::BYTES, 32);
        assert_eq!(Sigevent::BYTES, 64);
        assert_eq!(SchedAttr::BYTES, 48);
    }
}

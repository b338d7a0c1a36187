//! THE list: one line a call, with the code that answers it on Linux and how well, then the same
//! for bare platforms.
//!
//! A line makes three things: the symbol `__muslin_sys_<nr>`, which slots start with; a line of
//! `muslin syscalls`; and a row of the docs. A number that is not here cannot be named by a slot.
//! For a bare platform a line also makes the adapter between the slot and the handler, in a section
//! of its own: what no live slot names is left out of the image.

use muslin_abi::{Errno, Sysno};

use crate::support::Line;
use crate::support::Support::{self, Full, Missing, Partial};

macro_rules! syscall_table {
    ($($name:ident = $module:ident::$code:ident, $support:expr
        => $($bare:ident)::+ $(, $bare_support:expr)?;)*) => {
        /// All calls that musl can make, in ascending order.
        pub const TABLE: &[Line] = &[$(Line {
            nr: Sysno::$name,
            name: stringify!($name),
            handler: stringify!($module::$code),
            support: $support,
            bare_handler: stringify!($($bare)::+),
            bare_support: bare_support!($($bare_support)?),
        },)*];

        #[cfg(all(target_os = "none", feature = "platform-linux"))]
        mod symbols {
            use muslin_abi::Sysno;
            $(core::arch::global_asm!(
                ".globl __muslin_sys_{nr}",
                ".set __muslin_sys_{nr}, {code}",
                nr = const Sysno::$name.0,
                code = sym muslin_linux::$module::$code,
            );)*
        }

        /// The codes of slots on a bare platform.
        #[cfg(all(target_os = "none", feature = "bare"))]
        pub mod symbols {
            use muslin_abi::Sysno;
            $(bare_symbol!($name, $($bare)::+);)*

            /// The code of a number that a program makes by `syscall()`: the linker cannot see which
            /// numbers those are, so all that is answered stands here. It is in an image only if
            /// `syscall()` is.
            pub fn by_number(nr: usize) -> Option<muslin_arch::code::Code> {
                let nr = Sysno(u32::try_from(nr).ok()?);
                $(bare_code!(nr, $name, $($bare)::+);)*
                None
            }
        }
    };
}

/// How well a bare platform supports a call: what the line says, or not at all.
macro_rules! bare_support {
    () => {
        Missing(Errno::ENOSYS, "not there yet")
    };
    ($support:expr) => {
        $support
    };
}

/// A line of `by_number`.
#[cfg(all(target_os = "none", feature = "bare"))]
macro_rules! bare_code {
    ($nr:ident, $name:ident, missing) => {};
    ($nr:ident, $name:ident, $module:ident::$function:ident) => {
        if $nr == Sysno::$name {
            return Some($name::code);
        }
    };
}

/// The code of a slot on a bare platform.
#[cfg(all(target_os = "none", feature = "bare"))]
macro_rules! bare_symbol {
    ($name:ident, missing) => {
        core::arch::global_asm!(
            ".globl __muslin_sys_{nr}",
            ".set __muslin_sys_{nr}, {code}",
            nr = const Sysno::$name.0,
            code = sym crate::missing::missing,
        );
    };
    // Its code answers most questions itself, and hands the others to the handler.
    (clock_gettime, $module:ident::$function:ident) => {
        use crate::clock as clock_gettime;
        bare_code_symbol!(clock_gettime);
    };
    ($name:ident, $module:ident::$function:ident) => {
        mod $name {
            /// The code of this call's slot: the shared answer, with the handler in rax. There are many of
            /// these, so they are no longer than that.
            ///
            /// # Safety
            /// As any code of a slot: the call is the program's own.
            #[unsafe(naked)]
            pub unsafe extern "C" fn code(
                _: usize,
                _: usize,
                _: usize,
                _: usize,
                _: usize,
                _: usize,
                _: usize,
            ) -> isize {
                core::arch::naked_asm!(
                    "lea rax, [rip + {handler}]",
                    "jmp {answer}",
                    handler = sym muslin_syscalls::$module::$function,
                    answer = sym crate::answer::answer_stub,
                )
            }
        }
        bare_code_symbol!($name);
    };
}

/// The name by which slots know a code.
#[cfg(all(target_os = "none", feature = "bare"))]
macro_rules! bare_code_symbol {
    ($name:ident) => {
        core::arch::global_asm!(
            ".globl __muslin_sys_{nr}",
            ".set __muslin_sys_{nr}, {code}",
            nr = const Sysno::$name.0,
            code = sym $name::code,
        );
    };
}

/// The line of a call.
pub fn line(nr: Sysno) -> Option<&'static Line> {
    TABLE.iter().find(|line| line.nr == nr)
}

/// What a number without a line answers.
pub const UNKNOWN: Support = Support::Missing(Errno::ENOSYS, "no such call is known");

syscall_table! {
    read = passthrough::__muslin_passthrough, Full => files::sys_read, Partial("a buffer that is bad anywhere is EFAULT, even if less would have been read");
    write = passthrough::__muslin_passthrough, Full => files::sys_write, Full;
    open = passthrough::__muslin_passthrough, Full => files::sys_open, Partial("permissions are kept and said, and never stand in the way: there is one user, root");
    close = passthrough::__muslin_passthrough, Full => files::sys_close, Full;
    stat = passthrough::__muslin_passthrough, Full => files::sys_stat, Full;
    fstat = passthrough::__muslin_passthrough, Full => files::sys_fstat, Full;
    lstat = passthrough::__muslin_passthrough, Full => files::sys_lstat, Full;
    poll = passthrough::__muslin_passthrough, Full => files::sys_poll, Full;
    lseek = passthrough::__muslin_passthrough, Full => files::sys_lseek, Full;
    mmap = passthrough::__muslin_passthrough, Full => memory::sys_mmap, Partial("memory is never promised twice: what is mapped is there or set aside, and what is not there is ENOMEM. A private mapping of a file does not see later writes to the file; pages beyond the end of a file read as zeros and take memory, where Linux raises SIGBUS. On spt all shared mappings of a page of a file are at one address, and one that cannot be there is ENODEV. Huge pages are EINVAL");
    mprotect = passthrough::__muslin_passthrough, Full => memory::sys_mprotect, Partial("where the platform cannot protect pages, only calls respect it");
    munmap = passthrough::__muslin_passthrough, Full => memory::sys_munmap, Full;
    brk = passthrough::__muslin_passthrough, Full => memory::sys_brk, Full;
    rt_sigaction = passthrough::__muslin_passthrough, Full => signals::sys_rt_sigaction, Partial("functions run at the end of calls, and at faults where the host leaves those to the guest (hvt): a loop without calls is not interrupted");
    rt_sigprocmask = passthrough::__muslin_passthrough, Full => signals::sys_rt_sigprocmask, Full;
    rt_sigreturn = passthrough::__muslin_passthrough, Partial("the kernel returns from signal handlers into it directly: no handler can be registered") => missing;
    ioctl = passthrough::__muslin_passthrough, Full => files::sys_ioctl, Partial("nothing is a terminal, the console neither: ENOTTY");
    pread64 = passthrough::__muslin_passthrough, Full => files::sys_pread64, Full;
    pwrite64 = passthrough::__muslin_passthrough, Full => files::sys_pwrite64, Full;
    readv = passthrough::__muslin_passthrough, Full => files::sys_readv, Full;
    writev = passthrough::__muslin_passthrough, Full => files::sys_writev, Full;
    access = passthrough::__muslin_passthrough, Full => files::sys_access, Full;
    pipe = passthrough::__muslin_passthrough, Full => files::sys_pipe, Full;
    select = passthrough::__muslin_passthrough, Full => files::sys_select, Full;
    sched_yield = passthrough::__muslin_passthrough, Full => process::sys_sched_yield, Full;
    mremap = passthrough::__muslin_passthrough, Full => memory::sys_mremap, Partial("MREMAP_DONTUNMAP is EINVAL, and so is an old size of 0; a shared mapping of a file does not get longer, and does not move on spt: ENOMEM");
    msync = passthrough::__muslin_passthrough, Full => memory::sys_msync, Full;
    mincore = passthrough::__muslin_passthrough, Full => memory::sys_mincore, Full;
    madvise = passthrough::__muslin_passthrough, Full => memory::sys_madvise, Partial("MADV_DONTNEED leaves mappings of files as they are");
    shmget = passthrough::__muslin_passthrough, Full => missing;
    shmat = passthrough::__muslin_passthrough, Full => missing;
    shmctl = passthrough::__muslin_passthrough, Full => missing;
    dup = passthrough::__muslin_passthrough, Full => files::sys_dup, Full;
    dup2 = passthrough::__muslin_passthrough, Full => files::sys_dup2, Full;
    pause = passthrough::__muslin_passthrough, Full => signals::sys_pause, Partial("where all threads would wait for ever, the program ends with a report and status 134");
    nanosleep = passthrough::__muslin_passthrough, Full => time::sys_nanosleep, Full;
    getitimer = passthrough::__muslin_passthrough, Full => time::sys_getitimer, Full;
    alarm = passthrough::__muslin_passthrough, Full => time::sys_alarm, Full;
    setitimer = passthrough::__muslin_passthrough, Full => time::sys_setitimer, Partial("signals come at the end of a call; ITIMER_VIRTUAL counts all processor time, as ITIMER_PROF does");
    getpid = passthrough::__muslin_passthrough, Full => process::sys_getpid, Full;
    sendfile = passthrough::__muslin_passthrough, Full => files::sys_sendfile, Full;
    socket = passthrough::__muslin_passthrough, Full => sockets::sys_socket, Partial("within the machine: AF_UNIX; AF_INET, AF_INET6 and netlink are the network stack's in front, AF_VSOCK is there on Xen by muslin cc --vsock, other families EAFNOSUPPORT");
    connect = passthrough::__muslin_passthrough, Full => sockets::sys_connect, Full;
    accept = passthrough::__muslin_passthrough, Full => sockets::sys_accept, Full;
    sendto = passthrough::__muslin_passthrough, Full => sockets::sys_sendto, Partial("MSG_OOB is EOPNOTSUPP");
    recvfrom = passthrough::__muslin_passthrough, Full => sockets::sys_recvfrom, Partial("MSG_OOB is EOPNOTSUPP; MSG_PEEK always begins at the front");
    sendmsg = passthrough::__muslin_passthrough, Full => sockets::sys_sendmsg, Partial("MSG_OOB is EOPNOTSUPP");
    recvmsg = passthrough::__muslin_passthrough, Full => sockets::sys_recvmsg, Partial("MSG_OOB is EOPNOTSUPP; MSG_PEEK always begins at the front");
    shutdown = passthrough::__muslin_passthrough, Full => sockets::sys_shutdown, Full;
    bind = passthrough::__muslin_passthrough, Full => sockets::sys_bind, Full;
    listen = passthrough::__muslin_passthrough, Full => sockets::sys_listen, Full;
    getsockname = passthrough::__muslin_passthrough, Full => sockets::sys_getsockname, Full;
    getpeername = passthrough::__muslin_passthrough, Full => sockets::sys_getpeername, Full;
    socketpair = passthrough::__muslin_passthrough, Full => sockets::sys_socketpair, Partial("within the machine: AF_UNIX; other families are EAFNOSUPPORT");
    setsockopt = passthrough::__muslin_passthrough, Full => sockets::sys_setsockopt, Partial("nothing filters or stamps messages: options for that are ENOPROTOOPT");
    getsockopt = passthrough::__muslin_passthrough, Full => sockets::sys_getsockopt, Partial("nothing filters or stamps messages: options for that are ENOPROTOOPT");
    clone = passthrough::__muslin_passthrough, Full => threads::sys_clone, Partial("only threads begin: what shares memory, files, directories and signal actions; all else is ENOSYS");
    fork = passthrough::__muslin_passthrough, Full => missing;
    vfork = passthrough::__muslin_passthrough, Partial("once a handler is registered for it, the child gets a copy of the memory, as by fork") => missing;
    execve = passthrough::__muslin_passthrough, Full => missing;
    exit = passthrough::__muslin_passthrough, Full => process::sys_exit, Full;
    wait4 = passthrough::__muslin_passthrough, Full => process::sys_wait4, Full;
    kill = passthrough::__muslin_passthrough, Full => signals::sys_kill, Partial("-1 reaches the caller. Signals that stop a program do nothing: nobody could continue it");
    uname = passthrough::__muslin_passthrough, Full => process::sys_uname, Full;
    semget = passthrough::__muslin_passthrough, Full => missing;
    semop = passthrough::__muslin_passthrough, Full => missing;
    semctl = passthrough::__muslin_passthrough, Full => missing;
    shmdt = passthrough::__muslin_passthrough, Full => missing;
    msgget = passthrough::__muslin_passthrough, Full => missing;
    msgsnd = passthrough::__muslin_passthrough, Full => missing;
    msgrcv = passthrough::__muslin_passthrough, Full => missing;
    msgctl = passthrough::__muslin_passthrough, Full => missing;
    fcntl = passthrough::__muslin_passthrough, Full => files::sys_fcntl, Partial("leases and notices are EINVAL");
    flock = passthrough::__muslin_passthrough, Full => files::sys_flock, Full;
    fsync = passthrough::__muslin_passthrough, Full => files::sys_fsync, Partial("files live in memory; what is written to a block device is as durable as the host makes it, since Solo5 has no call that flushes");
    fdatasync = passthrough::__muslin_passthrough, Full => files::sys_fdatasync, Partial("files live in memory; what is written to a block device is as durable as the host makes it, since Solo5 has no call that flushes");
    truncate = passthrough::__muslin_passthrough, Full => files::sys_truncate, Full;
    ftruncate = passthrough::__muslin_passthrough, Full => files::sys_ftruncate, Full;
    getdents = passthrough::__muslin_passthrough, Full => files::sys_getdents, Full;
    getcwd = passthrough::__muslin_passthrough, Full => files::sys_getcwd, Full;
    chdir = passthrough::__muslin_passthrough, Full => files::sys_chdir, Full;
    fchdir = passthrough::__muslin_passthrough, Full => files::sys_fchdir, Full;
    rename = passthrough::__muslin_passthrough, Full => files::sys_rename, Full;
    mkdir = passthrough::__muslin_passthrough, Full => files::sys_mkdir, Full;
    rmdir = passthrough::__muslin_passthrough, Full => files::sys_rmdir, Full;
    creat = passthrough::__muslin_passthrough, Full => files::sys_creat, Partial("permissions are kept and said, and never stand in the way: there is one user, root");
    link = passthrough::__muslin_passthrough, Full => files::sys_link, Full;
    unlink = passthrough::__muslin_passthrough, Full => files::sys_unlink, Full;
    symlink = passthrough::__muslin_passthrough, Full => files::sys_symlink, Full;
    readlink = passthrough::__muslin_passthrough, Full => files::sys_readlink, Full;
    chmod = passthrough::__muslin_passthrough, Full => files::sys_chmod, Full;
    fchmod = passthrough::__muslin_passthrough, Full => files::sys_fchmod, Full;
    chown = passthrough::__muslin_passthrough, Full => files::sys_chown, Full;
    fchown = passthrough::__muslin_passthrough, Full => files::sys_fchown, Full;
    lchown = passthrough::__muslin_passthrough, Full => files::sys_lchown, Full;
    umask = passthrough::__muslin_passthrough, Full => files::sys_umask, Full;
    gettimeofday = passthrough::__muslin_passthrough, Full => time::sys_gettimeofday, Full;
    getrlimit = passthrough::__muslin_passthrough, Full => process::sys_getrlimit, Full;
    getrusage = passthrough::__muslin_passthrough, Full => process::sys_getrusage, Partial("all processor time is the program's own; faults, switches and transfers are not counted");
    sysinfo = passthrough::__muslin_passthrough, Full => process::sys_sysinfo, Partial("load averages are 0");
    times = passthrough::__muslin_passthrough, Full => time::sys_times, Partial("all time since the start is the program's");
    ptrace = passthrough::__muslin_passthrough, Full => missing;
    getuid = passthrough::__muslin_passthrough, Full => process::sys_getuid, Full;
    syslog = passthrough::__muslin_passthrough, Full => missing;
    getgid = passthrough::__muslin_passthrough, Full => process::sys_getgid, Full;
    setuid = passthrough::__muslin_passthrough, Full => process::sys_setuid, Partial("the number is kept; files are open to every user");
    setgid = passthrough::__muslin_passthrough, Full => process::sys_setgid, Partial("the number is kept; files are open to every group");
    geteuid = passthrough::__muslin_passthrough, Full => process::sys_geteuid, Full;
    getegid = passthrough::__muslin_passthrough, Full => process::sys_getegid, Full;
    setpgid = passthrough::__muslin_passthrough, Full => process::sys_setpgid, Full;
    getppid = passthrough::__muslin_passthrough, Full => process::sys_getppid, Full;
    getpgrp = passthrough::__muslin_passthrough, Full => process::sys_getpgrp, Full;
    setsid = passthrough::__muslin_passthrough, Full => process::sys_setsid, Full;
    setreuid = passthrough::__muslin_passthrough, Full => process::sys_setreuid, Partial("the numbers are kept; files are open to every user");
    setregid = passthrough::__muslin_passthrough, Full => process::sys_setregid, Partial("the numbers are kept; files are open to every group");
    getgroups = passthrough::__muslin_passthrough, Full => process::sys_getgroups, Full;
    setgroups = passthrough::__muslin_passthrough, Full => process::sys_setgroups, Full;
    setresuid = passthrough::__muslin_passthrough, Full => process::sys_setresuid, Partial("the numbers are kept; files are open to every user");
    getresuid = passthrough::__muslin_passthrough, Full => process::sys_getresuid, Full;
    setresgid = passthrough::__muslin_passthrough, Full => process::sys_setresgid, Partial("the numbers are kept; files are open to every group");
    getresgid = passthrough::__muslin_passthrough, Full => process::sys_getresgid, Full;
    getpgid = passthrough::__muslin_passthrough, Full => process::sys_getpgid, Full;
    setfsuid = passthrough::__muslin_passthrough, Full => process::sys_setfsuid, Partial("gives the effective number and keeps none: files are open to every user");
    setfsgid = passthrough::__muslin_passthrough, Full => process::sys_setfsgid, Partial("gives the effective number and keeps none: files are open to every user");
    getsid = passthrough::__muslin_passthrough, Full => process::sys_getsid, Full;
    capget = passthrough::__muslin_passthrough, Full => missing;
    capset = passthrough::__muslin_passthrough, Full => missing;
    rt_sigpending = passthrough::__muslin_passthrough, Full => signals::sys_rt_sigpending, Full;
    rt_sigtimedwait = passthrough::__muslin_passthrough, Full => signals::sys_rt_sigtimedwait, Partial("where all threads would wait for ever, the program ends with a report and status 134");
    rt_sigqueueinfo = passthrough::__muslin_passthrough, Full => signals::sys_rt_sigqueueinfo, Full;
    rt_sigsuspend = passthrough::__muslin_passthrough, Full => signals::sys_rt_sigsuspend, Partial("where all threads would wait for ever, the program ends with a report and status 134");
    sigaltstack = passthrough::__muslin_passthrough, Full => signals::sys_sigaltstack, Full;
    utime = passthrough::__muslin_passthrough, Full => files::sys_utime, Full;
    mknod = passthrough::__muslin_passthrough, Full => files::sys_mknod, Partial("a device that is not one of /dev cannot be opened");
    uselib = passthrough::__muslin_passthrough, Full => missing;
    personality = passthrough::__muslin_passthrough, Full => missing;
    ustat = passthrough::__muslin_passthrough, Full => missing;
    statfs = passthrough::__muslin_passthrough, Full => files::sys_statfs, Full;
    fstatfs = passthrough::__muslin_passthrough, Full => files::sys_fstatfs, Full;
    sysfs = passthrough::__muslin_passthrough, Full => missing;
    getpriority = passthrough::__muslin_passthrough, Full => process::sys_getpriority, Full;
    setpriority = passthrough::__muslin_passthrough, Full => process::sys_setpriority, Partial("the value is kept and changes nothing");
    sched_setparam = passthrough::__muslin_passthrough, Full => process::sys_sched_setparam, Full;
    sched_getparam = passthrough::__muslin_passthrough, Full => process::sys_sched_getparam, Full;
    sched_setscheduler = passthrough::__muslin_passthrough, Full => process::sys_sched_setscheduler, Partial("policies and priorities are kept and told; threads take turns whatever they say");
    sched_getscheduler = passthrough::__muslin_passthrough, Full => process::sys_sched_getscheduler, Full;
    sched_get_priority_max = passthrough::__muslin_passthrough, Full => process::sys_sched_get_priority_max, Full;
    sched_get_priority_min = passthrough::__muslin_passthrough, Full => process::sys_sched_get_priority_min, Full;
    sched_rr_get_interval = passthrough::__muslin_passthrough, Full => process::sys_sched_rr_get_interval, Full;
    mlock = passthrough::__muslin_passthrough, Full => memory::sys_mlock, Full;
    munlock = passthrough::__muslin_passthrough, Full => memory::sys_munlock, Full;
    mlockall = passthrough::__muslin_passthrough, Full => memory::sys_mlockall, Full;
    munlockall = passthrough::__muslin_passthrough, Full => memory::sys_munlockall, Full;
    vhangup = passthrough::__muslin_passthrough, Full => missing;
    modify_ldt = passthrough::__muslin_passthrough, Full => missing;
    pivot_root = passthrough::__muslin_passthrough, Full => missing;
    _sysctl = passthrough::__muslin_passthrough, Full => missing;
    prctl = passthrough::__muslin_passthrough, Full => process::sys_prctl, Partial("only PR_{SET,GET}_{NAME,DUMPABLE,PDEATHSIG,NO_NEW_PRIVS}; any other option is EINVAL");
    arch_prctl = passthrough::__muslin_passthrough, Full => threads::sys_arch_prctl, Partial("the GS base cannot be set");
    adjtimex = passthrough::__muslin_passthrough, Full => missing;
    setrlimit = passthrough::__muslin_passthrough, Full => process::sys_setrlimit, Partial("only the number of descriptors and the size of files are enforced. Nobody may raise a hard limit");
    chroot = passthrough::__muslin_passthrough, Full => missing;
    sync = passthrough::__muslin_passthrough, Full => files::sys_sync, Full;
    acct = passthrough::__muslin_passthrough, Full => missing;
    settimeofday = passthrough::__muslin_passthrough, Full => missing;
    mount = passthrough::__muslin_passthrough, Full => missing;
    umount2 = passthrough::__muslin_passthrough, Full => missing;
    swapon = passthrough::__muslin_passthrough, Full => missing;
    swapoff = passthrough::__muslin_passthrough, Full => missing;
    reboot = passthrough::__muslin_passthrough, Full => missing;
    sethostname = passthrough::__muslin_passthrough, Full => process::sys_sethostname, Full;
    setdomainname = passthrough::__muslin_passthrough, Full => process::sys_setdomainname, Full;
    iopl = passthrough::__muslin_passthrough, Full => missing;
    ioperm = passthrough::__muslin_passthrough, Full => missing;
    create_module = passthrough::__muslin_passthrough, Full => missing;
    init_module = passthrough::__muslin_passthrough, Full => missing;
    delete_module = passthrough::__muslin_passthrough, Full => missing;
    get_kernel_syms = passthrough::__muslin_passthrough, Full => missing;
    query_module = passthrough::__muslin_passthrough, Full => missing;
    quotactl = passthrough::__muslin_passthrough, Full => missing;
    nfsservctl = passthrough::__muslin_passthrough, Full => missing;
    getpmsg = passthrough::__muslin_passthrough, Full => missing;
    putpmsg = passthrough::__muslin_passthrough, Full => missing;
    afs_syscall = passthrough::__muslin_passthrough, Full => missing;
    tuxcall = passthrough::__muslin_passthrough, Full => missing;
    security = passthrough::__muslin_passthrough, Full => missing;
    gettid = passthrough::__muslin_passthrough, Full => threads::sys_gettid, Full;
    readahead = passthrough::__muslin_passthrough, Full => files::sys_readahead, Full;
    setxattr = passthrough::__muslin_passthrough, Full => files::sys_setxattr, Partial("names of user., trusted. and security. alone; access lists are EOPNOTSUPP");
    lsetxattr = passthrough::__muslin_passthrough, Full => files::sys_lsetxattr, Partial("names of user., trusted. and security. alone; access lists are EOPNOTSUPP");
    fsetxattr = passthrough::__muslin_passthrough, Full => files::sys_fsetxattr, Partial("names of user., trusted. and security. alone; access lists are EOPNOTSUPP");
    getxattr = passthrough::__muslin_passthrough, Full => files::sys_getxattr, Partial("names of user., trusted. and security. alone; access lists are EOPNOTSUPP");
    lgetxattr = passthrough::__muslin_passthrough, Full => files::sys_lgetxattr, Partial("names of user., trusted. and security. alone; access lists are EOPNOTSUPP");
    fgetxattr = passthrough::__muslin_passthrough, Full => files::sys_fgetxattr, Partial("names of user., trusted. and security. alone; access lists are EOPNOTSUPP");
    listxattr = passthrough::__muslin_passthrough, Full => files::sys_listxattr, Partial("names of user., trusted. and security. alone; access lists are EOPNOTSUPP");
    llistxattr = passthrough::__muslin_passthrough, Full => files::sys_llistxattr, Partial("names of user., trusted. and security. alone; access lists are EOPNOTSUPP");
    flistxattr = passthrough::__muslin_passthrough, Full => files::sys_flistxattr, Partial("names of user., trusted. and security. alone; access lists are EOPNOTSUPP");
    removexattr = passthrough::__muslin_passthrough, Full => files::sys_removexattr, Partial("names of user., trusted. and security. alone; access lists are EOPNOTSUPP");
    lremovexattr = passthrough::__muslin_passthrough, Full => files::sys_lremovexattr, Partial("names of user., trusted. and security. alone; access lists are EOPNOTSUPP");
    fremovexattr = passthrough::__muslin_passthrough, Full => files::sys_fremovexattr, Partial("names of user., trusted. and security. alone; access lists are EOPNOTSUPP");
    tkill = passthrough::__muslin_passthrough, Full => signals::sys_tkill, Partial("signals that stop a program do nothing");
    time = passthrough::__muslin_passthrough, Full => time::sys_time, Full;
    futex = passthrough::__muslin_passthrough, Full => threads::sys_futex, Partial("where all threads would wait for ever, the program ends with a report and status 134. Two mappings of one word are two words");
    sched_setaffinity = passthrough::__muslin_passthrough, Full => process::sys_sched_setaffinity, Full;
    sched_getaffinity = passthrough::__muslin_passthrough, Full => process::sys_sched_getaffinity, Full;
    set_thread_area = passthrough::__muslin_passthrough, Full => missing;
    io_setup = passthrough::__muslin_passthrough, Full => missing;
    io_destroy = passthrough::__muslin_passthrough, Full => missing;
    io_getevents = passthrough::__muslin_passthrough, Full => missing;
    io_submit = passthrough::__muslin_passthrough, Full => missing;
    io_cancel = passthrough::__muslin_passthrough, Full => missing;
    get_thread_area = passthrough::__muslin_passthrough, Full => missing;
    lookup_dcookie = passthrough::__muslin_passthrough, Full => missing;
    epoll_create = passthrough::__muslin_passthrough, Full => files::sys_epoll_create, Full;
    epoll_ctl_old = passthrough::__muslin_passthrough, Full => missing;
    epoll_wait_old = passthrough::__muslin_passthrough, Full => missing;
    remap_file_pages = passthrough::__muslin_passthrough, Full => missing;
    getdents64 = passthrough::__muslin_passthrough, Full => files::sys_getdents64, Full;
    set_tid_address = passthrough::__muslin_passthrough, Full => threads::sys_set_tid_address, Full;
    restart_syscall = passthrough::__muslin_passthrough, Full => signals::sys_restart_syscall, Full;
    semtimedop = passthrough::__muslin_passthrough, Full => missing;
    fadvise64 = passthrough::__muslin_passthrough, Full => files::sys_fadvise64, Full;
    timer_create = passthrough::__muslin_passthrough, Full => time::sys_timer_create, Partial("signals come at the end of a call; ITIMER_VIRTUAL counts all processor time, as ITIMER_PROF does");
    timer_settime = passthrough::__muslin_passthrough, Full => time::sys_timer_settime, Full;
    timer_gettime = passthrough::__muslin_passthrough, Full => time::sys_timer_gettime, Full;
    timer_getoverrun = passthrough::__muslin_passthrough, Full => time::sys_timer_getoverrun, Full;
    timer_delete = passthrough::__muslin_passthrough, Full => time::sys_timer_delete, Full;
    clock_settime = passthrough::__muslin_passthrough, Full => time::sys_clock_settime, Partial("nobody may set the wall clock: EPERM");
    clock_gettime = vdso::__muslin_clock_gettime, Full => time::sys_clock_gettime, Partial("the clocks of processor time count all time in which a thread could run. The TAI clock is the wall clock. Coarse clocks are exact");
    clock_getres = passthrough::__muslin_passthrough, Full => time::sys_clock_getres, Full;
    clock_nanosleep = passthrough::__muslin_passthrough, Full => time::sys_clock_nanosleep, Partial("if the wall clock is set while something sleeps by it, it wakes as if it had not been");
    exit_group = passthrough::__muslin_passthrough, Full => process::sys_exit_group, Full;
    epoll_wait = passthrough::__muslin_passthrough, Full => files::sys_epoll_wait, Full;
    epoll_ctl = passthrough::__muslin_passthrough, Full => files::sys_epoll_ctl, Full;
    tgkill = passthrough::__muslin_passthrough, Full => signals::sys_tgkill, Partial("signals that stop a program do nothing");
    utimes = passthrough::__muslin_passthrough, Full => files::sys_utimes, Full;
    vserver = passthrough::__muslin_passthrough, Full => missing;
    mbind = passthrough::__muslin_passthrough, Full => missing;
    set_mempolicy = passthrough::__muslin_passthrough, Full => missing;
    get_mempolicy = passthrough::__muslin_passthrough, Full => missing;
    mq_open = passthrough::__muslin_passthrough, Full => missing;
    mq_unlink = passthrough::__muslin_passthrough, Full => missing;
    mq_timedsend = passthrough::__muslin_passthrough, Full => missing;
    mq_timedreceive = passthrough::__muslin_passthrough, Full => missing;
    mq_notify = passthrough::__muslin_passthrough, Full => missing;
    mq_getsetattr = passthrough::__muslin_passthrough, Full => missing;
    kexec_load = passthrough::__muslin_passthrough, Full => missing;
    waitid = passthrough::__muslin_passthrough, Full => process::sys_waitid, Full;
    add_key = passthrough::__muslin_passthrough, Full => missing;
    request_key = passthrough::__muslin_passthrough, Full => missing;
    keyctl = passthrough::__muslin_passthrough, Full => missing;
    ioprio_set = passthrough::__muslin_passthrough, Full => missing;
    ioprio_get = passthrough::__muslin_passthrough, Full => missing;
    inotify_init = passthrough::__muslin_passthrough, Full => files::sys_inotify_init, Full;
    inotify_add_watch = passthrough::__muslin_passthrough, Full => files::sys_inotify_add_watch, Partial("of a file with several names calls by path tell the directory of the last one; fifos, sockets and devices tell of being opened and closed, not of being read and written");
    inotify_rm_watch = passthrough::__muslin_passthrough, Full => files::sys_inotify_rm_watch, Full;
    migrate_pages = passthrough::__muslin_passthrough, Full => missing;
    openat = passthrough::__muslin_passthrough, Full => files::sys_openat, Partial("permissions are kept and said, and never stand in the way: there is one user, root");
    mkdirat = passthrough::__muslin_passthrough, Full => files::sys_mkdirat, Full;
    mknodat = passthrough::__muslin_passthrough, Full => files::sys_mknodat, Partial("a device that is not one of /dev cannot be opened");
    fchownat = passthrough::__muslin_passthrough, Full => files::sys_fchownat, Full;
    futimesat = passthrough::__muslin_passthrough, Full => files::sys_futimesat, Full;
    newfstatat = passthrough::__muslin_passthrough, Full => files::sys_newfstatat, Full;
    unlinkat = passthrough::__muslin_passthrough, Full => files::sys_unlinkat, Full;
    renameat = passthrough::__muslin_passthrough, Full => files::sys_renameat, Full;
    linkat = passthrough::__muslin_passthrough, Full => files::sys_linkat, Full;
    symlinkat = passthrough::__muslin_passthrough, Full => files::sys_symlinkat, Full;
    readlinkat = passthrough::__muslin_passthrough, Full => files::sys_readlinkat, Full;
    fchmodat = passthrough::__muslin_passthrough, Full => files::sys_fchmodat, Full;
    faccessat = passthrough::__muslin_passthrough, Full => files::sys_faccessat, Full;
    pselect6 = passthrough::__muslin_passthrough, Full => files::sys_pselect6, Full;
    ppoll = passthrough::__muslin_passthrough, Full => files::sys_ppoll, Full;
    unshare = passthrough::__muslin_passthrough, Full => missing;
    set_robust_list = passthrough::__muslin_passthrough, Full => threads::sys_set_robust_list, Full;
    get_robust_list = passthrough::__muslin_passthrough, Full => threads::sys_get_robust_list, Full;
    splice = passthrough::__muslin_passthrough, Full => files::sys_splice, Full;
    tee = passthrough::__muslin_passthrough, Full => files::sys_tee, Full;
    sync_file_range = passthrough::__muslin_passthrough, Full => files::sys_sync_file_range, Full;
    vmsplice = passthrough::__muslin_passthrough, Full => files::sys_vmsplice, Full;
    move_pages = passthrough::__muslin_passthrough, Full => missing;
    utimensat = passthrough::__muslin_passthrough, Full => files::sys_utimensat, Full;
    epoll_pwait = passthrough::__muslin_passthrough, Full => files::sys_epoll_pwait, Full;
    signalfd = passthrough::__muslin_passthrough, Full => files::sys_signalfd, Full;
    timerfd_create = passthrough::__muslin_passthrough, Full => files::sys_timerfd_create, Full;
    eventfd = passthrough::__muslin_passthrough, Full => files::sys_eventfd, Full;
    fallocate = passthrough::__muslin_passthrough, Full => files::sys_fallocate, Full;
    timerfd_settime = passthrough::__muslin_passthrough, Full => files::sys_timerfd_settime, Full;
    timerfd_gettime = passthrough::__muslin_passthrough, Full => files::sys_timerfd_gettime, Full;
    accept4 = passthrough::__muslin_passthrough, Full => sockets::sys_accept4, Full;
    signalfd4 = passthrough::__muslin_passthrough, Full => files::sys_signalfd4, Full;
    eventfd2 = passthrough::__muslin_passthrough, Full => files::sys_eventfd2, Full;
    epoll_create1 = passthrough::__muslin_passthrough, Full => files::sys_epoll_create1, Full;
    dup3 = passthrough::__muslin_passthrough, Full => files::sys_dup3, Full;
    pipe2 = passthrough::__muslin_passthrough, Full => files::sys_pipe2, Full;
    inotify_init1 = passthrough::__muslin_passthrough, Full => files::sys_inotify_init1, Full;
    preadv = passthrough::__muslin_passthrough, Full => files::sys_preadv, Full;
    pwritev = passthrough::__muslin_passthrough, Full => files::sys_pwritev, Full;
    rt_tgsigqueueinfo = passthrough::__muslin_passthrough, Full => signals::sys_rt_tgsigqueueinfo, Full;
    perf_event_open = passthrough::__muslin_passthrough, Full => missing;
    recvmmsg = passthrough::__muslin_passthrough, Full => sockets::sys_recvmmsg, Partial("MSG_OOB is EOPNOTSUPP; MSG_PEEK always begins at the front");
    fanotify_init = passthrough::__muslin_passthrough, Full => missing;
    fanotify_mark = passthrough::__muslin_passthrough, Full => missing;
    prlimit64 = passthrough::__muslin_passthrough, Full => process::sys_prlimit64, Partial("only the number of descriptors and the size of files are enforced. Nobody may raise a hard limit");
    name_to_handle_at = passthrough::__muslin_passthrough, Full => missing;
    open_by_handle_at = passthrough::__muslin_passthrough, Full => missing;
    clock_adjtime = passthrough::__muslin_passthrough, Full => missing;
    syncfs = passthrough::__muslin_passthrough, Full => files::sys_syncfs, Full;
    sendmmsg = passthrough::__muslin_passthrough, Full => sockets::sys_sendmmsg, Partial("MSG_OOB is EOPNOTSUPP");
    setns = passthrough::__muslin_passthrough, Full => missing;
    getcpu = vdso::__muslin_getcpu, Full => process::sys_getcpu, Full;
    process_vm_readv = passthrough::__muslin_passthrough, Full => missing;
    process_vm_writev = passthrough::__muslin_passthrough, Full => missing;
    kcmp = passthrough::__muslin_passthrough, Full => missing;
    finit_module = passthrough::__muslin_passthrough, Full => missing;
    sched_setattr = passthrough::__muslin_passthrough, Full => process::sys_sched_setattr, Partial("policies and priorities are kept and told; threads take turns whatever they say. SCHED_DEADLINE is EINVAL");
    sched_getattr = passthrough::__muslin_passthrough, Full => process::sys_sched_getattr, Full;
    renameat2 = passthrough::__muslin_passthrough, Full => files::sys_renameat2, Full;
    seccomp = passthrough::__muslin_passthrough, Full => missing;
    getrandom = passthrough::__muslin_passthrough, Full => random::sys_getrandom, Full;
    memfd_create = passthrough::__muslin_passthrough, Full => files::sys_memfd_create, Partial("cannot be sealed; huge pages are EINVAL");
    kexec_file_load = passthrough::__muslin_passthrough, Full => missing;
    bpf = passthrough::__muslin_passthrough, Full => missing;
    execveat = passthrough::__muslin_passthrough, Full => missing;
    userfaultfd = passthrough::__muslin_passthrough, Full => missing;
    membarrier = passthrough::__muslin_passthrough, Full => threads::sys_membarrier, Full;
    mlock2 = passthrough::__muslin_passthrough, Full => memory::sys_mlock2, Full;
    copy_file_range = passthrough::__muslin_passthrough, Full => files::sys_copy_file_range, Full;
    preadv2 = passthrough::__muslin_passthrough, Full => files::sys_preadv2, Full;
    pwritev2 = passthrough::__muslin_passthrough, Full => files::sys_pwritev2, Full;
    pkey_mprotect = passthrough::__muslin_passthrough, Full => missing;
    pkey_alloc = passthrough::__muslin_passthrough, Full => missing;
    pkey_free = passthrough::__muslin_passthrough, Full => missing;
    statx = passthrough::__muslin_passthrough, Full => files::sys_statx, Full;
    io_pgetevents = passthrough::__muslin_passthrough, Full => missing;
    rseq = passthrough::__muslin_passthrough, Full => missing;
    uretprobe = passthrough::__muslin_passthrough, Full => missing;
    uprobe = passthrough::__muslin_passthrough, Full => missing;
    pidfd_send_signal = passthrough::__muslin_passthrough, Full => missing;
    io_uring_setup = passthrough::__muslin_passthrough, Partial("what is submitted through a ring is not seen by handlers") => missing;
    io_uring_enter = passthrough::__muslin_passthrough, Partial("what is submitted through a ring is not seen by handlers") => missing;
    io_uring_register = passthrough::__muslin_passthrough, Full => missing;
    open_tree = passthrough::__muslin_passthrough, Full => missing;
    move_mount = passthrough::__muslin_passthrough, Full => missing;
    fsopen = passthrough::__muslin_passthrough, Full => missing;
    fsconfig = passthrough::__muslin_passthrough, Full => missing;
    fsmount = passthrough::__muslin_passthrough, Full => missing;
    fspick = passthrough::__muslin_passthrough, Full => missing;
    pidfd_open = passthrough::__muslin_passthrough, Full => missing;
    clone3 = passthrough::__muslin_passthrough, Full => missing;
    close_range = passthrough::__muslin_passthrough, Full => files::sys_close_range, Full;
    openat2 = passthrough::__muslin_passthrough, Full => files::sys_openat2, Partial("permissions are kept and said, and never stand in the way: there is one user, root; RESOLVE_ flags are EAGAIN");
    pidfd_getfd = passthrough::__muslin_passthrough, Full => missing;
    faccessat2 = passthrough::__muslin_passthrough, Full => files::sys_faccessat2, Full;
    process_madvise = passthrough::__muslin_passthrough, Full => missing;
    epoll_pwait2 = passthrough::__muslin_passthrough, Full => files::sys_epoll_pwait2, Full;
    mount_setattr = passthrough::__muslin_passthrough, Full => missing;
    quotactl_fd = passthrough::__muslin_passthrough, Full => missing;
    landlock_create_ruleset = passthrough::__muslin_passthrough, Full => missing;
    landlock_add_rule = passthrough::__muslin_passthrough, Full => missing;
    landlock_restrict_self = passthrough::__muslin_passthrough, Full => missing;
    memfd_secret = passthrough::__muslin_passthrough, Full => missing;
    process_mrelease = passthrough::__muslin_passthrough, Full => missing;
    futex_waitv = passthrough::__muslin_passthrough, Full => missing;
    set_mempolicy_home_node = passthrough::__muslin_passthrough, Full => missing;
    cachestat = passthrough::__muslin_passthrough, Full => missing;
    fchmodat2 = passthrough::__muslin_passthrough, Full => files::sys_fchmodat2, Full;
    map_shadow_stack = passthrough::__muslin_passthrough, Full => missing;
    futex_wake = passthrough::__muslin_passthrough, Full => missing;
    futex_wait = passthrough::__muslin_passthrough, Full => missing;
    futex_requeue = passthrough::__muslin_passthrough, Full => missing;
    statmount = passthrough::__muslin_passthrough, Full => missing;
    listmount = passthrough::__muslin_passthrough, Full => missing;
    lsm_get_self_attr = passthrough::__muslin_passthrough, Full => missing;
    lsm_set_self_attr = passthrough::__muslin_passthrough, Full => missing;
    lsm_list_modules = passthrough::__muslin_passthrough, Full => missing;
    mseal = passthrough::__muslin_passthrough, Full => missing;
    setxattrat = passthrough::__muslin_passthrough, Full => missing;
    getxattrat = passthrough::__muslin_passthrough, Full => missing;
    listxattrat = passthrough::__muslin_passthrough, Full => missing;
    removexattrat = passthrough::__muslin_passthrough, Full => missing;
    open_tree_attr = passthrough::__muslin_passthrough, Full => missing;
    file_getattr = passthrough::__muslin_passthrough, Full => missing;
    file_setattr = passthrough::__muslin_passthrough, Full => missing;
    listns = passthrough::__muslin_passthrough, Full => missing;
}

#[cfg(test)]
mod tests {
    use super::*;
    use muslin_abi::SYSNOS;

    #[test]
    fn every_known_number_has_one_line() {
        let lines = TABLE.iter().map(|line| (line.nr, line.name));
        assert!(lines.eq(SYSNOS.iter().copied()));
    }
}

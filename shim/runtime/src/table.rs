//! THE list: one line a call, with the code that answers it on Linux and how well.
//!
//! A line makes three things: the symbol `__muslin_sys_<nr>`, which slots start with; a line of
//! `muslin syscalls`; and a row of the docs. A number that is not here cannot be named by a slot.

use muslin_abi::{Errno, Sysno};

use crate::support::Line;
use crate::support::Support::{self, Full, Partial};

macro_rules! syscall_table {
    ($($name:ident = $module:ident::$code:ident, $support:expr;)*) => {
        /// All calls that musl can make, in ascending order.
        pub const TABLE: &[Line] = &[$(Line {
            nr: Sysno::$name,
            name: stringify!($name),
            handler: stringify!($module::$code),
            support: $support,
        },)*];

        #[cfg(target_os = "none")]
        mod symbols {
            use muslin_abi::Sysno;
            $(core::arch::global_asm!(
                ".globl __muslin_sys_{nr}",
                ".set __muslin_sys_{nr}, {code}",
                nr = const Sysno::$name.0,
                code = sym muslin_linux::$module::$code,
            );)*
        }
    };
}

/// The line of a call.
pub fn line(nr: Sysno) -> Option<&'static Line> {
    TABLE.iter().find(|line| line.nr == nr)
}

/// What a number without a line answers.
pub const UNKNOWN: Support = Support::Missing(Errno::ENOSYS, "no such call is known");

syscall_table! {
    read = passthrough::__muslin_passthrough, Full;
    write = passthrough::__muslin_passthrough, Full;
    open = passthrough::__muslin_passthrough, Full;
    close = passthrough::__muslin_passthrough, Full;
    stat = passthrough::__muslin_passthrough, Full;
    fstat = passthrough::__muslin_passthrough, Full;
    lstat = passthrough::__muslin_passthrough, Full;
    poll = passthrough::__muslin_passthrough, Full;
    lseek = passthrough::__muslin_passthrough, Full;
    mmap = passthrough::__muslin_passthrough, Full;
    mprotect = passthrough::__muslin_passthrough, Full;
    munmap = passthrough::__muslin_passthrough, Full;
    brk = passthrough::__muslin_passthrough, Full;
    rt_sigaction = passthrough::__muslin_passthrough, Full;
    rt_sigprocmask = passthrough::__muslin_passthrough, Full;
    rt_sigreturn = passthrough::__muslin_passthrough, Partial("the kernel returns from signal handlers into it directly: no handler can be registered");
    ioctl = passthrough::__muslin_passthrough, Full;
    pread64 = passthrough::__muslin_passthrough, Full;
    pwrite64 = passthrough::__muslin_passthrough, Full;
    readv = passthrough::__muslin_passthrough, Full;
    writev = passthrough::__muslin_passthrough, Full;
    access = passthrough::__muslin_passthrough, Full;
    pipe = passthrough::__muslin_passthrough, Full;
    select = passthrough::__muslin_passthrough, Full;
    sched_yield = passthrough::__muslin_passthrough, Full;
    mremap = passthrough::__muslin_passthrough, Full;
    msync = passthrough::__muslin_passthrough, Full;
    mincore = passthrough::__muslin_passthrough, Full;
    madvise = passthrough::__muslin_passthrough, Full;
    shmget = passthrough::__muslin_passthrough, Full;
    shmat = passthrough::__muslin_passthrough, Full;
    shmctl = passthrough::__muslin_passthrough, Full;
    dup = passthrough::__muslin_passthrough, Full;
    dup2 = passthrough::__muslin_passthrough, Full;
    pause = passthrough::__muslin_passthrough, Full;
    nanosleep = passthrough::__muslin_passthrough, Full;
    getitimer = passthrough::__muslin_passthrough, Full;
    alarm = passthrough::__muslin_passthrough, Full;
    setitimer = passthrough::__muslin_passthrough, Full;
    getpid = passthrough::__muslin_passthrough, Full;
    sendfile = passthrough::__muslin_passthrough, Full;
    socket = passthrough::__muslin_passthrough, Full;
    connect = passthrough::__muslin_passthrough, Full;
    accept = passthrough::__muslin_passthrough, Full;
    sendto = passthrough::__muslin_passthrough, Full;
    recvfrom = passthrough::__muslin_passthrough, Full;
    sendmsg = passthrough::__muslin_passthrough, Full;
    recvmsg = passthrough::__muslin_passthrough, Full;
    shutdown = passthrough::__muslin_passthrough, Full;
    bind = passthrough::__muslin_passthrough, Full;
    listen = passthrough::__muslin_passthrough, Full;
    getsockname = passthrough::__muslin_passthrough, Full;
    getpeername = passthrough::__muslin_passthrough, Full;
    socketpair = passthrough::__muslin_passthrough, Full;
    setsockopt = passthrough::__muslin_passthrough, Full;
    getsockopt = passthrough::__muslin_passthrough, Full;
    clone = passthrough::__muslin_passthrough, Full;
    fork = passthrough::__muslin_passthrough, Full;
    vfork = passthrough::__muslin_passthrough, Partial("once a handler is registered for it, the child gets a copy of the memory, as by fork");
    execve = passthrough::__muslin_passthrough, Full;
    exit = passthrough::__muslin_passthrough, Full;
    wait4 = passthrough::__muslin_passthrough, Full;
    kill = passthrough::__muslin_passthrough, Full;
    uname = passthrough::__muslin_passthrough, Full;
    semget = passthrough::__muslin_passthrough, Full;
    semop = passthrough::__muslin_passthrough, Full;
    semctl = passthrough::__muslin_passthrough, Full;
    shmdt = passthrough::__muslin_passthrough, Full;
    msgget = passthrough::__muslin_passthrough, Full;
    msgsnd = passthrough::__muslin_passthrough, Full;
    msgrcv = passthrough::__muslin_passthrough, Full;
    msgctl = passthrough::__muslin_passthrough, Full;
    fcntl = passthrough::__muslin_passthrough, Full;
    flock = passthrough::__muslin_passthrough, Full;
    fsync = passthrough::__muslin_passthrough, Full;
    fdatasync = passthrough::__muslin_passthrough, Full;
    truncate = passthrough::__muslin_passthrough, Full;
    ftruncate = passthrough::__muslin_passthrough, Full;
    getdents = passthrough::__muslin_passthrough, Full;
    getcwd = passthrough::__muslin_passthrough, Full;
    chdir = passthrough::__muslin_passthrough, Full;
    fchdir = passthrough::__muslin_passthrough, Full;
    rename = passthrough::__muslin_passthrough, Full;
    mkdir = passthrough::__muslin_passthrough, Full;
    rmdir = passthrough::__muslin_passthrough, Full;
    creat = passthrough::__muslin_passthrough, Full;
    link = passthrough::__muslin_passthrough, Full;
    unlink = passthrough::__muslin_passthrough, Full;
    symlink = passthrough::__muslin_passthrough, Full;
    readlink = passthrough::__muslin_passthrough, Full;
    chmod = passthrough::__muslin_passthrough, Full;
    fchmod = passthrough::__muslin_passthrough, Full;
    chown = passthrough::__muslin_passthrough, Full;
    fchown = passthrough::__muslin_passthrough, Full;
    lchown = passthrough::__muslin_passthrough, Full;
    umask = passthrough::__muslin_passthrough, Full;
    gettimeofday = passthrough::__muslin_passthrough, Full;
    getrlimit = passthrough::__muslin_passthrough, Full;
    getrusage = passthrough::__muslin_passthrough, Full;
    sysinfo = passthrough::__muslin_passthrough, Full;
    times = passthrough::__muslin_passthrough, Full;
    ptrace = passthrough::__muslin_passthrough, Full;
    getuid = passthrough::__muslin_passthrough, Full;
    syslog = passthrough::__muslin_passthrough, Full;
    getgid = passthrough::__muslin_passthrough, Full;
    setuid = passthrough::__muslin_passthrough, Full;
    setgid = passthrough::__muslin_passthrough, Full;
    geteuid = passthrough::__muslin_passthrough, Full;
    getegid = passthrough::__muslin_passthrough, Full;
    setpgid = passthrough::__muslin_passthrough, Full;
    getppid = passthrough::__muslin_passthrough, Full;
    getpgrp = passthrough::__muslin_passthrough, Full;
    setsid = passthrough::__muslin_passthrough, Full;
    setreuid = passthrough::__muslin_passthrough, Full;
    setregid = passthrough::__muslin_passthrough, Full;
    getgroups = passthrough::__muslin_passthrough, Full;
    setgroups = passthrough::__muslin_passthrough, Full;
    setresuid = passthrough::__muslin_passthrough, Full;
    getresuid = passthrough::__muslin_passthrough, Full;
    setresgid = passthrough::__muslin_passthrough, Full;
    getresgid = passthrough::__muslin_passthrough, Full;
    getpgid = passthrough::__muslin_passthrough, Full;
    setfsuid = passthrough::__muslin_passthrough, Full;
    setfsgid = passthrough::__muslin_passthrough, Full;
    getsid = passthrough::__muslin_passthrough, Full;
    capget = passthrough::__muslin_passthrough, Full;
    capset = passthrough::__muslin_passthrough, Full;
    rt_sigpending = passthrough::__muslin_passthrough, Full;
    rt_sigtimedwait = passthrough::__muslin_passthrough, Full;
    rt_sigqueueinfo = passthrough::__muslin_passthrough, Full;
    rt_sigsuspend = passthrough::__muslin_passthrough, Full;
    sigaltstack = passthrough::__muslin_passthrough, Full;
    utime = passthrough::__muslin_passthrough, Full;
    mknod = passthrough::__muslin_passthrough, Full;
    uselib = passthrough::__muslin_passthrough, Full;
    personality = passthrough::__muslin_passthrough, Full;
    ustat = passthrough::__muslin_passthrough, Full;
    statfs = passthrough::__muslin_passthrough, Full;
    fstatfs = passthrough::__muslin_passthrough, Full;
    sysfs = passthrough::__muslin_passthrough, Full;
    getpriority = passthrough::__muslin_passthrough, Full;
    setpriority = passthrough::__muslin_passthrough, Full;
    sched_setparam = passthrough::__muslin_passthrough, Full;
    sched_getparam = passthrough::__muslin_passthrough, Full;
    sched_setscheduler = passthrough::__muslin_passthrough, Full;
    sched_getscheduler = passthrough::__muslin_passthrough, Full;
    sched_get_priority_max = passthrough::__muslin_passthrough, Full;
    sched_get_priority_min = passthrough::__muslin_passthrough, Full;
    sched_rr_get_interval = passthrough::__muslin_passthrough, Full;
    mlock = passthrough::__muslin_passthrough, Full;
    munlock = passthrough::__muslin_passthrough, Full;
    mlockall = passthrough::__muslin_passthrough, Full;
    munlockall = passthrough::__muslin_passthrough, Full;
    vhangup = passthrough::__muslin_passthrough, Full;
    modify_ldt = passthrough::__muslin_passthrough, Full;
    pivot_root = passthrough::__muslin_passthrough, Full;
    _sysctl = passthrough::__muslin_passthrough, Full;
    prctl = passthrough::__muslin_passthrough, Full;
    arch_prctl = passthrough::__muslin_passthrough, Full;
    adjtimex = passthrough::__muslin_passthrough, Full;
    setrlimit = passthrough::__muslin_passthrough, Full;
    chroot = passthrough::__muslin_passthrough, Full;
    sync = passthrough::__muslin_passthrough, Full;
    acct = passthrough::__muslin_passthrough, Full;
    settimeofday = passthrough::__muslin_passthrough, Full;
    mount = passthrough::__muslin_passthrough, Full;
    umount2 = passthrough::__muslin_passthrough, Full;
    swapon = passthrough::__muslin_passthrough, Full;
    swapoff = passthrough::__muslin_passthrough, Full;
    reboot = passthrough::__muslin_passthrough, Full;
    sethostname = passthrough::__muslin_passthrough, Full;
    setdomainname = passthrough::__muslin_passthrough, Full;
    iopl = passthrough::__muslin_passthrough, Full;
    ioperm = passthrough::__muslin_passthrough, Full;
    create_module = passthrough::__muslin_passthrough, Full;
    init_module = passthrough::__muslin_passthrough, Full;
    delete_module = passthrough::__muslin_passthrough, Full;
    get_kernel_syms = passthrough::__muslin_passthrough, Full;
    query_module = passthrough::__muslin_passthrough, Full;
    quotactl = passthrough::__muslin_passthrough, Full;
    nfsservctl = passthrough::__muslin_passthrough, Full;
    getpmsg = passthrough::__muslin_passthrough, Full;
    putpmsg = passthrough::__muslin_passthrough, Full;
    afs_syscall = passthrough::__muslin_passthrough, Full;
    tuxcall = passthrough::__muslin_passthrough, Full;
    security = passthrough::__muslin_passthrough, Full;
    gettid = passthrough::__muslin_passthrough, Full;
    readahead = passthrough::__muslin_passthrough, Full;
    setxattr = passthrough::__muslin_passthrough, Full;
    lsetxattr = passthrough::__muslin_passthrough, Full;
    fsetxattr = passthrough::__muslin_passthrough, Full;
    getxattr = passthrough::__muslin_passthrough, Full;
    lgetxattr = passthrough::__muslin_passthrough, Full;
    fgetxattr = passthrough::__muslin_passthrough, Full;
    listxattr = passthrough::__muslin_passthrough, Full;
    llistxattr = passthrough::__muslin_passthrough, Full;
    flistxattr = passthrough::__muslin_passthrough, Full;
    removexattr = passthrough::__muslin_passthrough, Full;
    lremovexattr = passthrough::__muslin_passthrough, Full;
    fremovexattr = passthrough::__muslin_passthrough, Full;
    tkill = passthrough::__muslin_passthrough, Full;
    time = passthrough::__muslin_passthrough, Full;
    futex = passthrough::__muslin_passthrough, Full;
    sched_setaffinity = passthrough::__muslin_passthrough, Full;
    sched_getaffinity = passthrough::__muslin_passthrough, Full;
    set_thread_area = passthrough::__muslin_passthrough, Full;
    io_setup = passthrough::__muslin_passthrough, Full;
    io_destroy = passthrough::__muslin_passthrough, Full;
    io_getevents = passthrough::__muslin_passthrough, Full;
    io_submit = passthrough::__muslin_passthrough, Full;
    io_cancel = passthrough::__muslin_passthrough, Full;
    get_thread_area = passthrough::__muslin_passthrough, Full;
    lookup_dcookie = passthrough::__muslin_passthrough, Full;
    epoll_create = passthrough::__muslin_passthrough, Full;
    epoll_ctl_old = passthrough::__muslin_passthrough, Full;
    epoll_wait_old = passthrough::__muslin_passthrough, Full;
    remap_file_pages = passthrough::__muslin_passthrough, Full;
    getdents64 = passthrough::__muslin_passthrough, Full;
    set_tid_address = passthrough::__muslin_passthrough, Full;
    restart_syscall = passthrough::__muslin_passthrough, Full;
    semtimedop = passthrough::__muslin_passthrough, Full;
    fadvise64 = passthrough::__muslin_passthrough, Full;
    timer_create = passthrough::__muslin_passthrough, Full;
    timer_settime = passthrough::__muslin_passthrough, Full;
    timer_gettime = passthrough::__muslin_passthrough, Full;
    timer_getoverrun = passthrough::__muslin_passthrough, Full;
    timer_delete = passthrough::__muslin_passthrough, Full;
    clock_settime = passthrough::__muslin_passthrough, Full;
    clock_gettime = vdso::__muslin_clock_gettime, Full;
    clock_getres = passthrough::__muslin_passthrough, Full;
    clock_nanosleep = passthrough::__muslin_passthrough, Full;
    exit_group = passthrough::__muslin_passthrough, Full;
    epoll_wait = passthrough::__muslin_passthrough, Full;
    epoll_ctl = passthrough::__muslin_passthrough, Full;
    tgkill = passthrough::__muslin_passthrough, Full;
    utimes = passthrough::__muslin_passthrough, Full;
    vserver = passthrough::__muslin_passthrough, Full;
    mbind = passthrough::__muslin_passthrough, Full;
    set_mempolicy = passthrough::__muslin_passthrough, Full;
    get_mempolicy = passthrough::__muslin_passthrough, Full;
    mq_open = passthrough::__muslin_passthrough, Full;
    mq_unlink = passthrough::__muslin_passthrough, Full;
    mq_timedsend = passthrough::__muslin_passthrough, Full;
    mq_timedreceive = passthrough::__muslin_passthrough, Full;
    mq_notify = passthrough::__muslin_passthrough, Full;
    mq_getsetattr = passthrough::__muslin_passthrough, Full;
    kexec_load = passthrough::__muslin_passthrough, Full;
    waitid = passthrough::__muslin_passthrough, Full;
    add_key = passthrough::__muslin_passthrough, Full;
    request_key = passthrough::__muslin_passthrough, Full;
    keyctl = passthrough::__muslin_passthrough, Full;
    ioprio_set = passthrough::__muslin_passthrough, Full;
    ioprio_get = passthrough::__muslin_passthrough, Full;
    inotify_init = passthrough::__muslin_passthrough, Full;
    inotify_add_watch = passthrough::__muslin_passthrough, Full;
    inotify_rm_watch = passthrough::__muslin_passthrough, Full;
    migrate_pages = passthrough::__muslin_passthrough, Full;
    openat = passthrough::__muslin_passthrough, Full;
    mkdirat = passthrough::__muslin_passthrough, Full;
    mknodat = passthrough::__muslin_passthrough, Full;
    fchownat = passthrough::__muslin_passthrough, Full;
    futimesat = passthrough::__muslin_passthrough, Full;
    newfstatat = passthrough::__muslin_passthrough, Full;
    unlinkat = passthrough::__muslin_passthrough, Full;
    renameat = passthrough::__muslin_passthrough, Full;
    linkat = passthrough::__muslin_passthrough, Full;
    symlinkat = passthrough::__muslin_passthrough, Full;
    readlinkat = passthrough::__muslin_passthrough, Full;
    fchmodat = passthrough::__muslin_passthrough, Full;
    faccessat = passthrough::__muslin_passthrough, Full;
    pselect6 = passthrough::__muslin_passthrough, Full;
    ppoll = passthrough::__muslin_passthrough, Full;
    unshare = passthrough::__muslin_passthrough, Full;
    set_robust_list = passthrough::__muslin_passthrough, Full;
    get_robust_list = passthrough::__muslin_passthrough, Full;
    splice = passthrough::__muslin_passthrough, Full;
    tee = passthrough::__muslin_passthrough, Full;
    sync_file_range = passthrough::__muslin_passthrough, Full;
    vmsplice = passthrough::__muslin_passthrough, Full;
    move_pages = passthrough::__muslin_passthrough, Full;
    utimensat = passthrough::__muslin_passthrough, Full;
    epoll_pwait = passthrough::__muslin_passthrough, Full;
    signalfd = passthrough::__muslin_passthrough, Full;
    timerfd_create = passthrough::__muslin_passthrough, Full;
    eventfd = passthrough::__muslin_passthrough, Full;
    fallocate = passthrough::__muslin_passthrough, Full;
    timerfd_settime = passthrough::__muslin_passthrough, Full;
    timerfd_gettime = passthrough::__muslin_passthrough, Full;
    accept4 = passthrough::__muslin_passthrough, Full;
    signalfd4 = passthrough::__muslin_passthrough, Full;
    eventfd2 = passthrough::__muslin_passthrough, Full;
    epoll_create1 = passthrough::__muslin_passthrough, Full;
    dup3 = passthrough::__muslin_passthrough, Full;
    pipe2 = passthrough::__muslin_passthrough, Full;
    inotify_init1 = passthrough::__muslin_passthrough, Full;
    preadv = passthrough::__muslin_passthrough, Full;
    pwritev = passthrough::__muslin_passthrough, Full;
    rt_tgsigqueueinfo = passthrough::__muslin_passthrough, Full;
    perf_event_open = passthrough::__muslin_passthrough, Full;
    recvmmsg = passthrough::__muslin_passthrough, Full;
    fanotify_init = passthrough::__muslin_passthrough, Full;
    fanotify_mark = passthrough::__muslin_passthrough, Full;
    prlimit64 = passthrough::__muslin_passthrough, Full;
    name_to_handle_at = passthrough::__muslin_passthrough, Full;
    open_by_handle_at = passthrough::__muslin_passthrough, Full;
    clock_adjtime = passthrough::__muslin_passthrough, Full;
    syncfs = passthrough::__muslin_passthrough, Full;
    sendmmsg = passthrough::__muslin_passthrough, Full;
    setns = passthrough::__muslin_passthrough, Full;
    getcpu = vdso::__muslin_getcpu, Full;
    process_vm_readv = passthrough::__muslin_passthrough, Full;
    process_vm_writev = passthrough::__muslin_passthrough, Full;
    kcmp = passthrough::__muslin_passthrough, Full;
    finit_module = passthrough::__muslin_passthrough, Full;
    sched_setattr = passthrough::__muslin_passthrough, Full;
    sched_getattr = passthrough::__muslin_passthrough, Full;
    renameat2 = passthrough::__muslin_passthrough, Full;
    seccomp = passthrough::__muslin_passthrough, Full;
    getrandom = passthrough::__muslin_passthrough, Full;
    memfd_create = passthrough::__muslin_passthrough, Full;
    kexec_file_load = passthrough::__muslin_passthrough, Full;
    bpf = passthrough::__muslin_passthrough, Full;
    execveat = passthrough::__muslin_passthrough, Full;
    userfaultfd = passthrough::__muslin_passthrough, Full;
    membarrier = passthrough::__muslin_passthrough, Full;
    mlock2 = passthrough::__muslin_passthrough, Full;
    copy_file_range = passthrough::__muslin_passthrough, Full;
    preadv2 = passthrough::__muslin_passthrough, Full;
    pwritev2 = passthrough::__muslin_passthrough, Full;
    pkey_mprotect = passthrough::__muslin_passthrough, Full;
    pkey_alloc = passthrough::__muslin_passthrough, Full;
    pkey_free = passthrough::__muslin_passthrough, Full;
    statx = passthrough::__muslin_passthrough, Full;
    io_pgetevents = passthrough::__muslin_passthrough, Full;
    rseq = passthrough::__muslin_passthrough, Full;
    uretprobe = passthrough::__muslin_passthrough, Full;
    uprobe = passthrough::__muslin_passthrough, Full;
    pidfd_send_signal = passthrough::__muslin_passthrough, Full;
    io_uring_setup = passthrough::__muslin_passthrough, Partial("what is submitted through a ring is not seen by handlers");
    io_uring_enter = passthrough::__muslin_passthrough, Partial("what is submitted through a ring is not seen by handlers");
    io_uring_register = passthrough::__muslin_passthrough, Full;
    open_tree = passthrough::__muslin_passthrough, Full;
    move_mount = passthrough::__muslin_passthrough, Full;
    fsopen = passthrough::__muslin_passthrough, Full;
    fsconfig = passthrough::__muslin_passthrough, Full;
    fsmount = passthrough::__muslin_passthrough, Full;
    fspick = passthrough::__muslin_passthrough, Full;
    pidfd_open = passthrough::__muslin_passthrough, Full;
    clone3 = passthrough::__muslin_passthrough, Full;
    close_range = passthrough::__muslin_passthrough, Full;
    openat2 = passthrough::__muslin_passthrough, Full;
    pidfd_getfd = passthrough::__muslin_passthrough, Full;
    faccessat2 = passthrough::__muslin_passthrough, Full;
    process_madvise = passthrough::__muslin_passthrough, Full;
    epoll_pwait2 = passthrough::__muslin_passthrough, Full;
    mount_setattr = passthrough::__muslin_passthrough, Full;
    quotactl_fd = passthrough::__muslin_passthrough, Full;
    landlock_create_ruleset = passthrough::__muslin_passthrough, Full;
    landlock_add_rule = passthrough::__muslin_passthrough, Full;
    landlock_restrict_self = passthrough::__muslin_passthrough, Full;
    memfd_secret = passthrough::__muslin_passthrough, Full;
    process_mrelease = passthrough::__muslin_passthrough, Full;
    futex_waitv = passthrough::__muslin_passthrough, Full;
    set_mempolicy_home_node = passthrough::__muslin_passthrough, Full;
    cachestat = passthrough::__muslin_passthrough, Full;
    fchmodat2 = passthrough::__muslin_passthrough, Full;
    map_shadow_stack = passthrough::__muslin_passthrough, Full;
    futex_wake = passthrough::__muslin_passthrough, Full;
    futex_wait = passthrough::__muslin_passthrough, Full;
    futex_requeue = passthrough::__muslin_passthrough, Full;
    statmount = passthrough::__muslin_passthrough, Full;
    listmount = passthrough::__muslin_passthrough, Full;
    lsm_get_self_attr = passthrough::__muslin_passthrough, Full;
    lsm_set_self_attr = passthrough::__muslin_passthrough, Full;
    lsm_list_modules = passthrough::__muslin_passthrough, Full;
    mseal = passthrough::__muslin_passthrough, Full;
    setxattrat = passthrough::__muslin_passthrough, Full;
    getxattrat = passthrough::__muslin_passthrough, Full;
    listxattrat = passthrough::__muslin_passthrough, Full;
    removexattrat = passthrough::__muslin_passthrough, Full;
    open_tree_attr = passthrough::__muslin_passthrough, Full;
    file_getattr = passthrough::__muslin_passthrough, Full;
    file_setattr = passthrough::__muslin_passthrough, Full;
    listns = passthrough::__muslin_passthrough, Full;
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

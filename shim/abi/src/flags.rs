//! Flags and small numbers of the file calls, as Linux spells them for x86_64.
//!
//! Source: `arch/generic/bits/fcntl.h`, `include/fcntl.h`, `include/sys/stat.h`, `include/poll.h`,
//! `include/sys/socket.h` of musl.

macro_rules! numbers {
    ($($kind:ty { $($name:ident = $number:literal,)* })*) => {
        $($(
            #[doc = concat!("`", stringify!($name), "`.")]
            pub const $name: $kind = $number;
        )*)*
    };
}

numbers! {
    // open
    u32 {
        O_RDONLY = 0o0,
        O_WRONLY = 0o1,
        O_RDWR = 0o2,
        O_ACCMODE = 0o3,
        O_CREAT = 0o100,
        O_EXCL = 0o200,
        O_NOCTTY = 0o400,
        O_TRUNC = 0o1000,
        O_APPEND = 0o2000,
        O_NONBLOCK = 0o4000,
        O_DSYNC = 0o10000,
        O_ASYNC = 0o20000,
        O_DIRECT = 0o40000,
        O_LARGEFILE = 0o100000,
        O_DIRECTORY = 0o200000,
        O_NOFOLLOW = 0o400000,
        O_NOATIME = 0o1000000,
        O_CLOEXEC = 0o2000000,
        O_SYNC = 0o4010000,
        O_PATH = 0o10000000,
        O_TMPFILE = 0o20200000,
    }
    // the *at calls
    i32 {
        AT_FDCWD = -100,
    }
    u32 {
        AT_SYMLINK_NOFOLLOW = 0x100,
        AT_REMOVEDIR = 0x200,
        AT_EACCESS = 0x200,
        AT_SYMLINK_FOLLOW = 0x400,
        AT_NO_AUTOMOUNT = 0x800,
        AT_EMPTY_PATH = 0x1000,
        AT_STATX_SYNC_TYPE = 0x6000,
        RENAME_NOREPLACE = 1,
        RENAME_EXCHANGE = 2,
        RENAME_WHITEOUT = 4,
    }
    // the mode of a file
    u32 {
        S_IFMT = 0o170000,
        S_IFIFO = 0o010000,
        S_IFCHR = 0o020000,
        S_IFDIR = 0o040000,
        S_IFBLK = 0o060000,
        S_IFREG = 0o100000,
        S_IFLNK = 0o120000,
        S_IFSOCK = 0o140000,
    }
    // access
    u32 {
        X_OK = 1,
        W_OK = 2,
        R_OK = 4,
    }
    // fcntl
    i32 {
        F_DUPFD = 0,
        F_GETFD = 1,
        F_SETFD = 2,
        F_GETFL = 3,
        F_SETFL = 4,
        F_GETLK = 5,
        F_SETLK = 6,
        F_SETLKW = 7,
        F_SETOWN = 8,
        F_GETOWN = 9,
        F_SETSIG = 10,
        F_GETSIG = 11,
        F_OFD_GETLK = 36,
        F_OFD_SETLK = 37,
        F_OFD_SETLKW = 38,
        F_DUPFD_CLOEXEC = 1030,
        F_SETPIPE_SZ = 1031,
        F_GETPIPE_SZ = 1032,
    }
    i16 {
        F_RDLCK = 0,
        F_WRLCK = 1,
        F_UNLCK = 2,
    }
    u32 {
        FD_CLOEXEC = 1,
        LOCK_SH = 1,
        LOCK_EX = 2,
        LOCK_NB = 4,
        LOCK_UN = 8,
        CLOSE_RANGE_UNSHARE = 2,
        CLOSE_RANGE_CLOEXEC = 4,
    }
    // lseek
    u32 {
        SEEK_SET = 0,
        SEEK_CUR = 1,
        SEEK_END = 2,
        SEEK_DATA = 3,
        SEEK_HOLE = 4,
    }
    // fallocate
    u32 {
        FALLOC_FL_KEEP_SIZE = 1,
        FALLOC_FL_PUNCH_HOLE = 2,
        FALLOC_FL_ZERO_RANGE = 0x10,
    }
    // preadv2 and pwritev2
    u32 {
        RWF_HIPRI = 1,
        RWF_DSYNC = 2,
        RWF_SYNC = 4,
        RWF_NOWAIT = 8,
        RWF_APPEND = 0x10,
    }
    // setxattr
    u32 {
        XATTR_CREATE = 1,
        XATTR_REPLACE = 2,
    }
    // memfd_create
    u32 {
        MFD_CLOEXEC = 1,
        MFD_ALLOW_SEALING = 2,
        MFD_NOEXEC_SEAL = 8,
        MFD_EXEC = 0x10,
    }
    // ioctl
    u32 {
        TCGETS = 0x5401,
        TIOCOUTQ = 0x5411,
        TIOCGWINSZ = 0x5413,
        FIONREAD = 0x541b,
        FIONBIO = 0x5421,
        FIONCLEX = 0x5450,
        FIOCLEX = 0x5451,
        SIOCATMARK = 0x8905,
        BLKROGET = 0x125e,
        BLKGETSIZE = 0x1260,
        BLKFLSBUF = 0x1261,
        BLKSSZGET = 0x1268,
        BLKDISCARD = 0x1277,
        BLKIOMIN = 0x1278,
        BLKPBSZGET = 0x127b,
        BLKBSZGET = 0x8008_1270,
        BLKGETSIZE64 = 0x8008_1272,
    }
    // poll
    u16 {
        POLLIN = 0x1,
        POLLPRI = 0x2,
        POLLOUT = 0x4,
        POLLERR = 0x8,
        POLLHUP = 0x10,
        POLLNVAL = 0x20,
        POLLRDNORM = 0x40,
        POLLRDBAND = 0x80,
        POLLWRNORM = 0x100,
        POLLWRBAND = 0x200,
        POLLRDHUP = 0x2000,
    }
    // socket and accept4
    u16 {
        AF_UNSPEC = 0,
        AF_UNIX = 1,
        AF_INET = 2,
        AF_INET6 = 10,
        AF_NETLINK = 16,
    }
    i32 {
        IPPROTO_IP = 0,
        IPPROTO_ICMP = 1,
        IPPROTO_TCP = 6,
        IPPROTO_UDP = 17,
        IPPROTO_IPV6 = 41,
        IPPROTO_ICMPV6 = 58,
        IPPROTO_RAW = 255,
    }
    u32 {
        SOCK_STREAM = 1,
        SOCK_DGRAM = 2,
        SOCK_RAW = 3,
        SOCK_SEQPACKET = 5,
        SOCK_NONBLOCK = 0o4000,
        SOCK_CLOEXEC = 0o2000000,
    }
    // shutdown
    i32 {
        SHUT_RD = 0,
        SHUT_WR = 1,
        SHUT_RDWR = 2,
    }
    // sendmsg and recvmsg
    u32 {
        MSG_OOB = 0x1,
        MSG_PEEK = 0x2,
        MSG_CTRUNC = 0x8,
        MSG_TRUNC = 0x20,
        MSG_DONTROUTE = 0x4,
        MSG_DONTWAIT = 0x40,
        MSG_WAITALL = 0x100,
        MSG_ERRQUEUE = 0x2000,
        MSG_NOSIGNAL = 0x4000,
        MSG_MORE = 0x8000,
        MSG_WAITFORONE = 0x10000,
        MSG_CMSG_CLOEXEC = 0x4000_0000,
    }
    i32 {
        SCM_RIGHTS = 1,
        SCM_CREDENTIALS = 2,
    }
    // setsockopt
    i32 {
        SOL_SOCKET = 1,
        SO_DEBUG = 1,
        SO_REUSEADDR = 2,
        SO_TYPE = 3,
        SO_ERROR = 4,
        SO_DONTROUTE = 5,
        SO_BROADCAST = 6,
        SO_SNDBUF = 7,
        SO_RCVBUF = 8,
        SO_KEEPALIVE = 9,
        SO_OOBINLINE = 10,
        SO_NO_CHECK = 11,
        SO_PRIORITY = 12,
        SO_LINGER = 13,
        SO_REUSEPORT = 15,
        SO_PASSCRED = 16,
        SO_PEERCRED = 17,
        SO_RCVLOWAT = 18,
        SO_SNDLOWAT = 19,
        SO_RCVTIMEO = 20,
        SO_SNDTIMEO = 21,
        SO_PEERNAME = 28,
        SO_TIMESTAMP = 29,
        SO_ACCEPTCONN = 30,
        SO_SNDBUFFORCE = 32,
        SO_RCVBUFFORCE = 33,
        SO_PASSSEC = 34,
        SO_TIMESTAMPNS = 35,
        SO_MARK = 36,
        SO_TIMESTAMPING = 37,
        SO_PROTOCOL = 38,
        SO_DOMAIN = 39,
        SO_RXQ_OVFL = 40,
        SO_PEEK_OFF = 42,
        SO_COOKIE = 57,
        SO_RCVTIMEO_NEW = 66,
        SO_SNDTIMEO_NEW = 67,
    }
    // options of IPv4, IPv6, TCP and UDP
    i32 {
        SO_BINDTODEVICE = 25,
        SO_INCOMING_CPU = 49,
        IP_TOS = 1,
        IP_TTL = 2,
        IP_RECVOPTS = 6,
        IP_PKTINFO = 8,
        IP_MTU_DISCOVER = 10,
        IP_RECVERR = 11,
        IP_RECVTTL = 12,
        IP_RECVTOS = 13,
        IP_MTU = 14,
        IP_FREEBIND = 15,
        IP_BIND_ADDRESS_NO_PORT = 24,
        IP_MULTICAST_IF = 32,
        IP_MULTICAST_TTL = 33,
        IP_MULTICAST_LOOP = 34,
        IP_ADD_MEMBERSHIP = 35,
        IP_DROP_MEMBERSHIP = 36,
        IP_MULTICAST_ALL = 49,
        SOL_RAW = 255,
        ICMP_FILTER = 1,
        ICMPV6_FILTER = 1,
        IPV6_CHECKSUM = 7,
        IPV6_UNICAST_HOPS = 16,
        IPV6_MULTICAST_IF = 17,
        IPV6_MULTICAST_HOPS = 18,
        IPV6_MULTICAST_LOOP = 19,
        IPV6_ADD_MEMBERSHIP = 20,
        IPV6_DROP_MEMBERSHIP = 21,
        IPV6_MTU_DISCOVER = 23,
        IPV6_MTU = 24,
        IPV6_RECVERR = 25,
        IPV6_V6ONLY = 26,
        IPV6_RECVPKTINFO = 49,
        IPV6_PKTINFO = 50,
        IPV6_RECVHOPLIMIT = 51,
        IPV6_HOPLIMIT = 52,
        IPV6_RECVTCLASS = 66,
        IPV6_TCLASS = 67,
        TCP_NODELAY = 1,
        TCP_MAXSEG = 2,
        TCP_CORK = 3,
        TCP_KEEPIDLE = 4,
        TCP_KEEPINTVL = 5,
        TCP_KEEPCNT = 6,
        TCP_SYNCNT = 7,
        TCP_LINGER2 = 8,
        TCP_DEFER_ACCEPT = 9,
        TCP_WINDOW_CLAMP = 10,
        TCP_INFO = 11,
        TCP_QUICKACK = 12,
        TCP_CONGESTION = 13,
        TCP_USER_TIMEOUT = 18,
        TCP_FASTOPEN = 23,
        TCP_NOTSENT_LOWAT = 25,
        UDP_CORK = 1,
        UDP_SEGMENT = 103,
    }
    // ioctls of interfaces
    u32 {
        SIOCGIFNAME = 0x8910,
        SIOCGIFCONF = 0x8912,
        SIOCGIFFLAGS = 0x8913,
        SIOCGIFADDR = 0x8915,
        SIOCGIFBRDADDR = 0x8919,
        SIOCGIFNETMASK = 0x891b,
        SIOCGIFMETRIC = 0x891d,
        SIOCGIFMTU = 0x8921,
        SIOCGIFHWADDR = 0x8927,
        SIOCGIFINDEX = 0x8933,
        SIOCGIFTXQLEN = 0x8942,
    }
    // inotify
    u32 {
        IN_ACCESS = 0x1,
        IN_MODIFY = 0x2,
        IN_ATTRIB = 0x4,
        IN_CLOSE_WRITE = 0x8,
        IN_CLOSE_NOWRITE = 0x10,
        IN_OPEN = 0x20,
        IN_MOVED_FROM = 0x40,
        IN_MOVED_TO = 0x80,
        IN_CREATE = 0x100,
        IN_DELETE = 0x200,
        IN_DELETE_SELF = 0x400,
        IN_MOVE_SELF = 0x800,
        IN_ALL_EVENTS = 0xfff,
        IN_Q_OVERFLOW = 0x4000,
        IN_IGNORED = 0x8000,
        IN_ONLYDIR = 0x100_0000,
        IN_DONT_FOLLOW = 0x200_0000,
        IN_EXCL_UNLINK = 0x400_0000,
        IN_MASK_CREATE = 0x1000_0000,
        IN_MASK_ADD = 0x2000_0000,
        IN_ISDIR = 0x4000_0000,
        IN_ONESHOT = 0x8000_0000,
    }
    // utimensat
    i64 {
        UTIME_NOW = 0x3fffffff,
        UTIME_OMIT = 0x3ffffffe,
    }
    // directory entries
    u8 {
        DT_FIFO = 1,
        DT_CHR = 2,
        DT_DIR = 4,
        DT_BLK = 6,
        DT_REG = 8,
        DT_LNK = 10,
        DT_SOCK = 12,
    }
}

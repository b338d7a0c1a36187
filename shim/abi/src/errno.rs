//! Error numbers, as Linux spells them.
//!
//! Source: `arch/generic/bits/errno.h` of musl; errno(3).

use core::num::NonZeroUsize;

use crate::names::{self, Run};

/// What went wrong with a call: a number from 1 to 4095.
///
/// A newtype over the number, not an enum, so that an errno of a host that is not in this list
/// passes through unharmed. It takes a word, so that `Result<usize, Errno>` travels in two registers: in
/// memory, with a smaller one beside the value, each copy of it made the processor wait.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct Errno(NonZeroUsize);

/// The largest errno: results from `-ERRNO_MAX` to -1 are errors, all others are values.
pub const ERRNO_MAX: u16 = 4095;

macro_rules! errnos {
    ($($name:ident = $number:literal,)*) => {
        impl Errno {
            $(
                #[doc = concat!("`", stringify!($name), "`, number ", stringify!($number), ".")]
                pub const $name: Self = match NonZeroUsize::new($number) {
                    Some(number) => Self(number),
                    None => panic!("no errno is zero"),
                };
            )*
        }

        /// All known error numbers with their names.
        pub const ERRNOS: &[(Errno, &str)] = &[$((Errno::$name, stringify!($name)),)*];

        const NUMBERS: &[u16] = &[$($number,)*];
        const NAMES: &str = concat!($(stringify!($name), " "),*);
    };
}

impl Errno {
    /// Another name of `EAGAIN`.
    pub const EWOULDBLOCK: Self = Self::EAGAIN;
    /// Another name of `EDEADLK`.
    pub const EDEADLOCK: Self = Self::EDEADLK;
    /// Another name of `EOPNOTSUPP`.
    pub const ENOTSUP: Self = Self::EOPNOTSUPP;

    /// The wait of this call was ended by a signal: it is made again, or answers `EINTR`. Inside the
    /// library OS only, as in a kernel; no program sees it.
    pub const RESTART: Self = match NonZeroUsize::new(512) {
        Some(number) => Self(number),
        None => panic!("no errno is zero"),
    };

    /// The same, but it is made again whatever function the signal runs.
    pub const RESTART_ALWAYS: Self = match NonZeroUsize::new(513) {
        Some(number) => Self(number),
        None => panic!("no errno is zero"),
    };

    /// The errno with this number: `None` unless 1..=4095.
    pub const fn from_raw(number: i32) -> Option<Self> {
        if number < 1 || number > ERRNO_MAX as i32 {
            return None;
        }
        match NonZeroUsize::new(number as usize) {
            Some(number) => Some(Self(number)),
            None => None,
        }
    }

    /// The number, 1..=4095.
    pub const fn raw(self) -> i32 {
        self.0.get() as i32
    }

    /// The name in errno.h, if it has one.
    pub fn name(self) -> Option<&'static str> {
        static RUNS: [Run; names::count(NUMBERS)] = names::runs(NUMBERS);
        names::name(&RUNS, NAMES, self.0.get())
    }
}

impl core::fmt::Debug for Errno {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "errno {}", self.raw()),
        }
    }
}

impl core::fmt::Display for Errno {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Debug::fmt(self, f)
    }
}

impl core::error::Error for Errno {}

errnos! {
    EPERM = 1,
    ENOENT = 2,
    ESRCH = 3,
    EINTR = 4,
    EIO = 5,
    ENXIO = 6,
    E2BIG = 7,
    ENOEXEC = 8,
    EBADF = 9,
    ECHILD = 10,
    EAGAIN = 11,
    ENOMEM = 12,
    EACCES = 13,
    EFAULT = 14,
    ENOTBLK = 15,
    EBUSY = 16,
    EEXIST = 17,
    EXDEV = 18,
    ENODEV = 19,
    ENOTDIR = 20,
    EISDIR = 21,
    EINVAL = 22,
    ENFILE = 23,
    EMFILE = 24,
    ENOTTY = 25,
    ETXTBSY = 26,
    EFBIG = 27,
    ENOSPC = 28,
    ESPIPE = 29,
    EROFS = 30,
    EMLINK = 31,
    EPIPE = 32,
    EDOM = 33,
    ERANGE = 34,
    EDEADLK = 35,
    ENAMETOOLONG = 36,
    ENOLCK = 37,
    ENOSYS = 38,
    ENOTEMPTY = 39,
    ELOOP = 40,
    ENOMSG = 42,
    EIDRM = 43,
    ECHRNG = 44,
    EL2NSYNC = 45,
    EL3HLT = 46,
    EL3RST = 47,
    ELNRNG = 48,
    EUNATCH = 49,
    ENOCSI = 50,
    EL2HLT = 51,
    EBADE = 52,
    EBADR = 53,
    EXFULL = 54,
    ENOANO = 55,
    EBADRQC = 56,
    EBADSLT = 57,
    EBFONT = 59,
    ENOSTR = 60,
    ENODATA = 61,
    ETIME = 62,
    ENOSR = 63,
    ENONET = 64,
    ENOPKG = 65,
    EREMOTE = 66,
    ENOLINK = 67,
    EADV = 68,
    ESRMNT = 69,
    ECOMM = 70,
    EPROTO = 71,
    EMULTIHOP = 72,
    EDOTDOT = 73,
    EBADMSG = 74,
    EOVERFLOW = 75,
    ENOTUNIQ = 76,
    EBADFD = 77,
    EREMCHG = 78,
    ELIBACC = 79,
    ELIBBAD = 80,
    ELIBSCN = 81,
    ELIBMAX = 82,
    ELIBEXEC = 83,
    EILSEQ = 84,
    ERESTART = 85,
    ESTRPIPE = 86,
    EUSERS = 87,
    ENOTSOCK = 88,
    EDESTADDRREQ = 89,
    EMSGSIZE = 90,
    EPROTOTYPE = 91,
    ENOPROTOOPT = 92,
    EPROTONOSUPPORT = 93,
    ESOCKTNOSUPPORT = 94,
    EOPNOTSUPP = 95,
    EPFNOSUPPORT = 96,
    EAFNOSUPPORT = 97,
    EADDRINUSE = 98,
    EADDRNOTAVAIL = 99,
    ENETDOWN = 100,
    ENETUNREACH = 101,
    ENETRESET = 102,
    ECONNABORTED = 103,
    ECONNRESET = 104,
    ENOBUFS = 105,
    EISCONN = 106,
    ENOTCONN = 107,
    ESHUTDOWN = 108,
    ETOOMANYREFS = 109,
    ETIMEDOUT = 110,
    ECONNREFUSED = 111,
    EHOSTDOWN = 112,
    EHOSTUNREACH = 113,
    EALREADY = 114,
    EINPROGRESS = 115,
    ESTALE = 116,
    EUCLEAN = 117,
    ENOTNAM = 118,
    ENAVAIL = 119,
    EISNAM = 120,
    EREMOTEIO = 121,
    EDQUOT = 122,
    ENOMEDIUM = 123,
    EMEDIUMTYPE = 124,
    ECANCELED = 125,
    ENOKEY = 126,
    EKEYEXPIRED = 127,
    EKEYREVOKED = 128,
    EKEYREJECTED = 129,
    EOWNERDEAD = 130,
    ENOTRECOVERABLE = 131,
    ERFKILL = 132,
    EHWPOISON = 133,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_1_to_4095_are_errnos() {
        assert_eq!(Errno::from_raw(0), None);
        assert_eq!(Errno::from_raw(-2), None);
        assert_eq!(Errno::from_raw(4096), None);
        assert_eq!(Errno::from_raw(2), Some(Errno::ENOENT));
        assert_eq!(Errno::from_raw(4095).map(Errno::raw), Some(4095));
    }

    #[test]
    fn each_errno_has_its_name() {
        assert!(
            ERRNOS
                .windows(2)
                .all(|pair| pair[0].0.raw() < pair[1].0.raw())
        );
        for &(errno, name) in ERRNOS {
            assert_eq!(errno.name(), Some(name));
        }
        let without = [41, 58, 134].map(|number| Errno::from_raw(number).and_then(Errno::name));
        assert_eq!(without, [None; 3]);
    }

    #[test]
    fn an_unknown_errno_passes_through() {
        let host = Errno::from_raw(3999);
        assert_eq!(host.map(Errno::raw), Some(3999));
        assert_eq!(host.and_then(Errno::name), None);
    }
}

//! What Linux would do and the library OS cannot. The call answers an errno, as it would on a Linux
//! that was built without it, and the console says once what is missing: few programs tell.

use muslin_abi::Sysno;
use muslin_platform::Platform;

use crate::context::Context;

/// Says, once for each call, that the program asked for what is missing. The text ends the line.
pub type ReportFn = fn(&dyn Platform, Sysno, &str);

/// See [`gap!`].
#[cold]
pub fn report(context: &Context<'_>, call: Sysno, text: &str) {
    (context.process.report_gap)(context.platform, call, text);
}

/// Reports what a call would need, and is the errno that it answers. Only for what Linux has: where
/// Linux would answer that errno as well, there is nothing to say.
macro_rules! gap {
    ($context:expr, $call:expr, $what:literal, $errno:ident) => {{
        let text = concat!(
            " for ",
            $what,
            ", which this platform does not have: ",
            stringify!($errno)
        );
        $crate::gap::report($context, $call, text);
        muslin_abi::Errno::$errno
    }};
}

pub(crate) use gap;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use muslin_abi::{Errno, SyscallArgs, SyscallResult};

    use crate::context::Context;
    use crate::files::{sys_fcntl, sys_getxattr, sys_memfd_create};
    use crate::memory::{sys_mmap, sys_mremap};
    use crate::process::sys_prctl;
    use crate::testing::World;
    use crate::threads::{sys_arch_prctl, sys_futex};
    use crate::time::sys_clock_settime;

    type Handler = fn(&Context<'_>, &SyscallArgs) -> SyscallResult;

    #[test]
    fn what_linux_has_and_this_does_not_is_reported() {
        let world = World::new();
        let name = world.text("x");
        let lists = world.text("system.posix_acl_access");
        let time = world.value(&[1_usize, 0]);
        let fd = world.call(sys_memfd_create, [name, 0]).unwrap();
        let (root, word) = (world.text("/"), world.room(8));
        let cases: [(Handler, [usize; 5], &str, Errno); 8] = [
            (
                sys_mmap,
                [0, 4096, 3, 0x4_0022, 0],
                "mmap for huge pages",
                Errno::EINVAL,
            ),
            (
                sys_mremap,
                [word, 4096, 4096, 5, 0],
                "mremap for MREMAP_DONTUNMAP",
                Errno::EINVAL,
            ),
            (
                sys_memfd_create,
                [name, 4, 0, 0, 0],
                "memfd_create for huge pages",
                Errno::EINVAL,
            ),
            (
                sys_fcntl,
                [fd, 1024, 0, 0, 0],
                "fcntl for leases",
                Errno::EINVAL,
            ),
            (
                sys_fcntl,
                [fd, 1033, 1, 0, 0],
                "fcntl for seals",
                Errno::EINVAL,
            ),
            (
                sys_getxattr,
                [root, lists, 0, 0, 0],
                "getxattr for access lists",
                Errno::EOPNOTSUPP,
            ),
            (
                sys_prctl,
                [22, 1, 0, 0, 0],
                "prctl for another option",
                Errno::EINVAL,
            ),
            (
                sys_clock_settime,
                [0, time, 0, 0, 0],
                "clock_settime for setting the clock",
                Errno::EPERM,
            ),
        ];
        for (handler, words, said, errno) in cases {
            assert_eq!(world.call(handler, words), Err(errno), "{said}");
            let output = std::string::String::from_utf8(world.sim.take_output()).unwrap();
            let line = std::format!("{said}, which this platform does not have: {errno:?}\n");
            assert_eq!(output, line);
        }
    }

    #[test]
    fn what_linux_refuses_as_well_is_not_reported() {
        let world = World::new();
        let word = world.room(8);
        let cases: [(Handler, [usize; 4], Errno); 5] = [
            (sys_mmap, [0, 4096, 3, 0], Errno::EINVAL),
            (sys_mremap, [word, 4096, 4096, 8], Errno::EINVAL),
            (sys_prctl, [99, 0, 0, 0], Errno::EINVAL),
            (sys_futex, [word, 99, 0, 0], Errno::ENOSYS),
            (sys_arch_prctl, [0x1fff, 0, 0, 0], Errno::EINVAL),
        ];
        for (handler, words, errno) in cases {
            assert_eq!(world.call(handler, words), Err(errno));
            assert_eq!(world.sim.take_output(), b"");
        }
    }
}

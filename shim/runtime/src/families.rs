//! Families and paths for C: see `muslin.h`.

use core::ffi::c_char;

use muslin_abi::Sysno;
use muslin_abi::handler::Call;
use muslin_syscalls::family;
use muslin_syscalls::paths::{AT_FDCWD, paths_of};

macro_rules! families {
    ($($name:ident = $family:ident;)*) => {
        $(
            #[unsafe(no_mangle)]
            #[allow(non_upper_case_globals, reason = "a C name")]
            static $name: [isize; family::$family.len() + 1] = family::for_c(family::$family);
        )*
    };
}

families! {
    muslin_opens = OPENS;
    muslin_closes = CLOSES;
    muslin_reads = READS;
    muslin_writes = WRITES;
    muslin_stats = STATS;
    muslin_paths = PATHS;
    muslin_processes = PROCESSES;
    muslin_sockets = SOCKETS;
    muslin_memory = MEMORY;
    muslin_sleeps = SLEEPS;
}

/// The `which`-th path of a call, or null; see `muslin.h`.
///
/// # Safety
/// `call` came to a handler; `dirfd` is null or writable.
#[unsafe(no_mangle)]
unsafe extern "C" fn muslin_path(call: *const Call, which: i32, dirfd: *mut i32) -> *const c_char {
    // SAFETY: as the caller promises.
    let call = unsafe { &*call };
    let paths = u32::try_from(call.nr).map_or(&[][..], |nr| paths_of(Sysno(nr)));
    let argument = usize::try_from(which).ok().and_then(|i| paths.get(i));
    let Some(argument) = argument else {
        return core::ptr::null();
    };
    // SAFETY: as the caller promises.
    if let Some(dirfd) = unsafe { dirfd.as_mut() } {
        *dirfd = argument.dirfd.map_or(AT_FDCWD, |at| call.args[at] as i32);
    }
    call.args[argument.path] as *const c_char
}

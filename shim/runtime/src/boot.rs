//! The first code of a process: musl calls it before its own start and before the first call.

use core::sync::atomic::{AtomicUsize, Ordering};

use muslin_linux::auxv::{AT_HWCAP2, AT_SECURE, AT_SYSINFO_EHDR, Auxv, HWCAP2_FSGSBASE};
use muslin_linux::{stray, vdso};

use crate::console;
use crate::counting;
use crate::dispatch;
use crate::entry;
use crate::preinit;
use crate::raw;
use crate::seal;

/// Where the environment starts, for what runs later.
static ENVIRONMENT: AtomicUsize = AtomicUsize::new(0);

/// The environment as the kernel laid it out.
pub fn environment_start() -> *const *const u8 {
    ENVIRONMENT.load(Ordering::Relaxed) as *const *const u8
}

/// The value of the environment variable `name`: the address of a C string.
pub fn environment(name: &str) -> Option<*const u8> {
    let mut at = environment_start();
    loop {
        // SAFETY: the environment is a list of C strings that ends with a null.
        let entry = unsafe { *at };
        if entry.is_null() {
            return None;
        }
        // SAFETY: reads up to the first byte that differs, which is at most the final zero.
        let matches = name
            .bytes()
            .chain([b'='])
            .enumerate()
            .all(|(i, byte)| unsafe { *entry.add(i) } == byte);
        if matches {
            // SAFETY: the name and the sign are there.
            return Some(unsafe { entry.add(name.len() + 1) });
        }
        // SAFETY: not past the null.
        at = unsafe { at.add(1) };
    }
}

/// Whether the variable is set to anything but 0 or nothing.
fn is_asked_for(name: &str) -> bool {
    // SAFETY: the first byte of a C string.
    environment(name).is_some_and(|value| !matches!(unsafe { *value }, 0 | b'0'))
}

/// Starts the runtime.
///
/// # Safety
/// musl calls it once, first of all, with the environment as the kernel laid it out.
#[unsafe(no_mangle)]
unsafe extern "C" fn __muslin_boot(envp: *const *const u8) {
    // SAFETY: as the caller promises.
    let auxv = unsafe { Auxv::behind(envp) };
    raw::set_wrfsbase(auxv.get(AT_HWCAP2) & HWCAP2_FSGSBASE != 0);
    entry::begin_without_thread();
    vdso::set_header(auxv.get(AT_SYSINFO_EHDR));
    ENVIRONMENT.store(envp as usize, Ordering::Relaxed);
    let is_secure = auxv.get(AT_SECURE) != 0;

    if !is_secure && let Some(path) = environment(muslin_abi::counters::ENVIRONMENT) {
        // SAFETY: a C string of the environment; no other thread yet.
        unsafe { counting::turn_on(path) };
        if counting::is_on() {
            dispatch::count_all();
        }
    }
    if !is_secure && is_asked_for(stray::ENVIRONMENT) {
        catch_stray();
    }
    preinit::run();
    seal::seal();
}

/// Sends stray `syscall` instructions through the table from here on.
fn catch_stray() {
    for (nr, code) in stray::CODES {
        dispatch::set_code(nr.0 as usize, dispatch::address(code));
    }
    if stray::arm(dispatch::__muslin_dispatch).is_err() {
        // Not `refuse`: every image would hold what puts a line together.
        console::print(
            b"muslin: this kernel cannot catch stray system calls (it needs Linux 5.11 or newer with Syscall User Dispatch); run without MUSLIN_CATCH_STRAY\n",
        );
        raw::exit(1);
    }
}

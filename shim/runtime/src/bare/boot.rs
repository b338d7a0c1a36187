//! The first code of an image: musl calls it before its own start and before the first call.
//!
//! In a guest it runs twice. The first time the stack is what the tender left, without arguments:
//! the stack that Linux would have laid out is built and the image entered again at its start
//! (`start`). The second time, and at once where Linux entered the image, the machine is a process as
//! musl knows it.

use core::sync::atomic::{AtomicBool, Ordering};

use crate::dispatch;
use crate::entry;
use crate::preinit;
use crate::process;
use crate::seal;
use crate::start;

static IS_LAID_OUT: AtomicBool = AtomicBool::new(false);

/// Starts the runtime.
///
/// # Safety
/// musl calls it first of all. The first time the image was just entered by its tender or by Linux;
/// the second time its stack is as `start` laid it out.
#[unsafe(no_mangle)]
unsafe extern "C" fn __muslin_boot(envp: *mut *const u8) {
    if !IS_LAID_OUT.swap(true, Ordering::Relaxed) {
        // SAFETY: as the caller promises.
        unsafe { start::find_host(envp) };
    }
    entry::begin_without_thread();
    start::clear_first_stack();
    process::begin();
    dispatch::fill_numbers();
    preinit::run();
    seal::seal();
}

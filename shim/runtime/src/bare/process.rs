//! The one process, and the codes of numbers without a slot.

use core::arch::global_asm;
use core::ops::Range;

use crate::below::host::host;
use crate::below::{self, PAGE_BYTES};
use muslin_abi::{Errno, Sysno};
use muslin_arch::code::Code;
use muslin_platform::{Platform, Protection};
use muslin_syscalls::context::{Context, Process, Setup};
use muslin_syscalls::memory::{Kind, Owner, Pages, Place};
use muslin_syscalls::threads::{Scheduler, Thread};
use spin::Once;

use crate::answer;
use crate::given::given;
use crate::kernel_heap;
use crate::missing::{missing, report};
use crate::raw;
use crate::start;
use crate::table::symbols::by_number;

static PAGES: Once<Pages> = Once::new();
static PROCESS: Once<Process> = Once::new();
/// Made once, as each call looks at it.
static CONTEXT: Once<Context<'static>> = Once::new();
static SCHEDULER: Scheduler = Scheduler::new(&FIRST_THREAD, &answer::ATTENTION);
static FIRST_THREAD: Thread = Thread::first(&SCHEDULER);

/// Makes the process. Once, at boot.
pub fn begin() {
    // SAFETY: the platform has this memory for the library OS alone, and this is the first time.
    let pages =
        PAGES.call_once(|| unsafe { Pages::new(host().memory()) }.reclaiming(kernel_heap::trim));
    let process = PROCESS.call_once(|| {
        Process::new(
            host(),
            &Setup {
                pages,
                given: given(),
                scheduler: &SCHEDULER,
                first_thread: &FIRST_THREAD,
                attention: &answer::ATTENTION,
                machine: answer::MACHINE,
                set_thread_pointer,
                report_gap,
            },
        )
    });
    for (segment, protection) in start::segments() {
        process.memory.add_image(segment, protection);
    }
    CONTEXT.call_once(|| Context {
        platform: host(),
        process,
    });
    if let Some(outside) = below::outside::outside() {
        process.threads.listen(outside);
    }
    // Where memory comes on first touch, the first thread's calls may be made on such memory, too: on the
    // alternate stack of a signal, for one.
    if host().memory().paging().is_some()
        && let Some(stack) = take_pages(answer::KERNEL_STACK_BYTES, Owner::Kernel)
    {
        answer::answer_on(stack as usize + answer::KERNEL_STACK_BYTES);
    }
}

/// `arch_prctl(ARCH_SET_FS)`.
fn set_thread_pointer(block: usize) -> Result<(), Errno> {
    // SAFETY: the program says so; a wrong block is its own fault, as on Linux.
    unsafe { raw::set_thread_pointer(block as *mut u8) };
    Ok(())
}

/// Reports what a call would need, with where the program made it.
fn report_gap(_: &dyn Platform, call: Sysno, text: &str) {
    report(call.0, answer::caller(), text);
}

/// What handlers are given, once the process is made.
pub fn context() -> Option<&'static Context<'static>> {
    CONTEXT.get()
}

const NOTHING: Protection = Protection {
    read: false,
    write: false,
    execute: false,
};

const READ_WRITE: Protection = Protection {
    read: true,
    write: true,
    execute: false,
};

/// Puts memory behind an address that was touched. `false`: the program may not touch it.
pub fn fault(address: usize, is_write: bool) -> bool {
    PROCESS.get().is_some_and(|process| {
        let memory = &process.memory;
        memory.fault(address, is_write, answer::is_inside())
    })
}

/// Whether an address is mapped, and behind the end of the file that is mapped there.
pub fn is_behind_file(address: usize) -> bool {
    PROCESS
        .get()
        .is_some_and(|process| process.memory.is_behind_file(address))
}

/// Maps zeroed memory as the program would.
pub fn map(len_bytes: usize) -> Option<*mut u8> {
    let memory = &PROCESS.get()?.memory;
    let start = memory
        .map(Place::Hint(0), len_bytes, READ_WRITE, Kind::Anonymous)
        .ok()?;
    Some(start as *mut u8)
}

/// Makes whole pages of the image readable, and writable or not. `false`: the host cannot.
pub fn protect_image(pages: Range<usize>, is_writable: bool) -> bool {
    let protection = Protection {
        write: is_writable,
        ..READ_WRITE
    };
    let Some(process) = PROCESS.get() else {
        return false;
    };
    let (start, len_bytes) = (pages.start, pages.len());
    // The map has it as well, so that a call does not write there for the program.
    host().memory().protect(pages, protection).is_ok()
        && process.memory.protect(start, len_bytes, protection).is_ok()
}

/// Makes pages of [`map`] a guard, where the host can.
pub fn forbid(start: usize, len_bytes: usize) {
    if let Some(process) = PROCESS.get() {
        // A guard that cannot be is none.
        let _ = process.memory.protect(start, len_bytes, NOTHING);
    }
}

/// Undoes [`map`].
pub fn unmap(start: usize, len_bytes: usize) {
    if let Some(process) = PROCESS.get() {
        // It was mapped, so nothing but a full heap can keep it.
        let _ = process.memory.unmap(start, len_bytes);
    }
}

/// Takes whole pages for the runtime's heap, with whatever they hold.
pub fn take_pages(len_bytes: usize, owner: Owner) -> Option<*mut u8> {
    let start = PAGES
        .get()?
        .allocate(len_bytes.div_ceil(PAGE_BYTES), owner)
        .ok()?;
    Some(start as *mut u8)
}

/// Gives pages back.
pub fn give_pages(start: usize, len_bytes: usize, owner: Owner) {
    if let Some(pages) = PAGES.get() {
        pages.free(start..start + len_bytes.next_multiple_of(PAGE_BYTES), owner);
    }
}

// A member of libc.a, which `muslin cc` takes where numbers may come that no slot names; 0 without it.
global_asm!(
    r#"
    .pushsection .rodata.__muslin_number_without_slot_place,"a",@progbits
    .balign 8
__muslin_number_without_slot_place:
    .weak __muslin_number_without_slot
    .quad __muslin_number_without_slot
    .popsection
    "#
);

unsafe extern "C" {
    static __muslin_number_without_slot_place: Option<Code>;
}

/// The code of a number without a slot that the linker kept.
///
/// # Safety
/// As any code of a slot.
#[unsafe(export_name = "__muslin_passthrough")]
pub unsafe extern "C" fn without_slot(
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
    nr: usize,
) -> isize {
    // SAFETY: the linker fills it in: a code's address, or 0.
    let code = unsafe { __muslin_number_without_slot_place }.unwrap_or(missing);
    // SAFETY: the call is the program's own.
    unsafe { code(a, b, c, d, e, f, nr) }
}

/// The code of every number that is answered at all. That member names it, and with it all handlers.
///
/// # Safety
/// As any code of a slot.
#[unsafe(export_name = "__muslin_by_number")]
unsafe extern "C" fn answer_by_number(
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
    nr: usize,
) -> isize {
    let code = by_number(nr).unwrap_or(missing);
    // SAFETY: the call is the program's own.
    unsafe { code(a, b, c, d, e, f, nr) }
}

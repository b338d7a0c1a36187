//! The one door to Xen.
//!
//! A paravirtualised guest goes through it by `syscall`, one in a virtual machine by the processor's
//! own instruction for that. What the numbers mean is in `abi`.

use core::arch::naked_asm;
use core::sync::atomic::{AtomicUsize, Ordering};

use muslin_abi::Errno;

use crate::abi::{
    __HYPERVISOR_event_channel_op, __HYPERVISOR_grant_table_op, __HYPERVISOR_sched_op,
    EVTCHNOP_send, SCHEDOP_yield, evtchn_send,
};

/// The code that enters Xen; [`by_syscall`] until somebody knows better.
static WAY: AtomicUsize = AtomicUsize::new(0);

/// How Xen is entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From a paravirtualised guest.
    Syscall,
    /// From a virtual machine on Intel's processors.
    Vmcall,
    /// From a virtual machine on AMD's.
    Vmmcall,
}

/// Says how Xen is entered. Once, before the first hypercall.
pub fn choose(way: Way) {
    let code = match way {
        Way::Syscall => by_syscall as *const (),
        Way::Vmcall => by_vmcall as *const (),
        Way::Vmmcall => by_vmmcall as *const (),
    };
    WAY.store(code as usize, Ordering::Relaxed);
}

/// Enters Xen with rax and the arguments in place. Where the program runs as the guest's program, this
/// `syscall` comes to the guest's kernel (`pv`), which knows it by its place and hands it on.
#[unsafe(naked)]
#[cfg_attr(target_os = "none", unsafe(link_section = "muslin_text"))]
pub(crate) unsafe extern "C" fn by_syscall() {
    naked_asm!("syscall", "ret")
}

/// The bytes of that instruction.
pub(crate) const SYSCALL_BYTES: usize = 2;

#[unsafe(naked)]
unsafe extern "C" fn by_vmcall() {
    naked_asm!("vmcall", "ret")
}

#[unsafe(naked)]
unsafe extern "C" fn by_vmmcall() {
    naked_asm!("vmmcall", "ret")
}

/// Puts the arguments where Xen looks for them.
#[unsafe(naked)]
unsafe extern "C" fn enter(_: usize, _: usize, _: usize, _: usize, _: usize, _: usize) -> isize {
    naked_asm!(
        "mov r10, rcx",
        "mov eax, r9d",
        "jmp [rip + {way}]",
        way = sym WAY,
    )
}

/// Makes a hypercall; what Xen answers, a negative number for an error.
///
/// # Safety
/// The arguments are what this hypercall takes, and the program can live with what it does.
pub unsafe fn call(nr: usize, arguments: [usize; 5]) -> isize {
    let [a, b, c, d, e] = arguments;
    // SAFETY: as the caller promises.
    unsafe { enter(a, b, c, d, e, nr) }
}

/// As [`call`], with the answer as a result. Xen's numbers for errors are Linux's.
///
/// # Errors
/// What Xen says.
///
/// # Safety
/// As [`call`].
pub unsafe fn ask(nr: usize, arguments: [usize; 5]) -> Result<usize, Errno> {
    // SAFETY: as the caller promises.
    let answer = unsafe { call(nr, arguments) };
    usize::try_from(answer).map_err(|_| {
        let number = i32::try_from(-answer).ok();
        number.and_then(Errno::from_raw).unwrap_or(Errno::EIO)
    })
}

/// An operation of event channels, whose answer is in its argument.
///
/// # Errors
/// What Xen says.
///
/// # Safety
/// `T` is what the operation takes (`abi`).
pub unsafe fn event_channel<T>(operation: usize, argument: &mut T) -> Result<(), Errno> {
    let arguments = [operation, &raw mut *argument as usize, 0, 0, 0];
    // SAFETY: as the caller promises.
    unsafe { ask(__HYPERVISOR_event_channel_op, arguments) }.map(|_| ())
}

/// An operation of grant tables for each of `arguments`; each holds its own answer.
///
/// # Errors
/// What Xen says.
///
/// # Safety
/// `T` is what the operation takes, and the program can live with what it does.
pub unsafe fn grant_table<T>(operation: usize, arguments: &mut [T]) -> Result<(), Errno> {
    let words = [
        operation,
        arguments.as_mut_ptr() as usize,
        arguments.len(),
        0,
        0,
    ];
    // SAFETY: as the caller promises.
    unsafe { ask(__HYPERVISOR_grant_table_op, words) }.map(|_| ())
}

/// Tells the other side of a channel that there is something to do.
///
/// # Errors
/// `EINVAL`: there is no such channel.
pub fn notify(port: u32) -> Result<(), Errno> {
    // SAFETY: the argument is the operation's.
    unsafe { event_channel(EVTCHNOP_send, &mut evtchn_send { port }) }
}

/// Gives the processor to others for a moment.
pub fn give_way() {
    // SAFETY: it has no arguments.
    unsafe { call(__HYPERVISOR_sched_op, [SCHEDOP_yield, 0, 0, 0, 0]) };
}

//! What a function is told about its signal, by who sent it.
//!
//! Source: sigaction(2), man-pages 6.9; Linux `include/uapi/asm-generic/siginfo.h`.

use muslin_abi::layout::Siginfo;

use crate::process::PID;

/// Sent by `kill`.
const SI_USER: i32 = 0;
/// Sent by the kernel.
pub(super) const SI_KERNEL: i32 = 0x80;
/// Sent by a timer.
pub(super) const SI_TIMER: i32 = -2;
/// Sent by `tkill` and `tgkill`.
pub(super) const SI_TKILL: i32 = -6;

/// Bytes of what a function sees.
pub(super) const SIGINFO_BYTES: usize = 128;

/// What is told.
pub(super) fn siginfo(si_signo: i32, si_code: i32, fields: [u64; 4]) -> Siginfo {
    Siginfo {
        si_signo,
        si_errno: 0,
        si_code,
        pad: 0,
        fields,
    }
}

/// A signal that a thread of the program sends to the process. The user is root.
pub fn by_user(signal: i32) -> Siginfo {
    siginfo(signal, SI_USER, [PID as u64, 0, 0, 0])
}

/// A signal that a thread sends to a thread.
pub fn by_thread(signal: i32) -> Siginfo {
    siginfo(signal, SI_TKILL, [PID as u64, 0, 0, 0])
}

/// A signal that nobody sent: `alarm`, for one.
pub fn by_kernel(signal: i32) -> Siginfo {
    siginfo(signal, SI_KERNEL, [0; 4])
}

/// The signal of a timer, with the value that the program gave, and which of the timer's settings it is
/// for.
pub fn by_timer(signal: i32, timer: i32, value: u64, setting: i32) -> Siginfo {
    let [timer, setting] = [timer, setting].map(|number| u64::from(number as u32));
    siginfo(signal, SI_TIMER, [timer, value, setting, 0])
}

/// The signal of a fault at an address.
pub fn by_fault(signal: i32, code: i32, address: usize) -> Siginfo {
    siginfo(signal, code, [address as u64, 0, 0, 0])
}

/// The timer that sent it, if one did.
pub fn timer_of(info: &Siginfo) -> Option<i32> {
    (info.si_code == SI_TIMER).then_some(info.fields[0] as i32)
}

/// Which setting of the timer it is for.
pub fn setting_of(info: &Siginfo) -> i32 {
    info.fields[2] as i32
}

/// Says how often the timer was due besides, in place of the setting, which is for nobody else.
pub fn set_overrun(info: &mut Siginfo, overrun: i32) {
    info.fields[0] = info.fields[0] & 0xffff_ffff | u64::from(overrun as u32) << 32;
    info.fields[2] = 0;
}

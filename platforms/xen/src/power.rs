//! The end of the guest: its status in the console's last line, as Xen knows a reason only.

use crate::abi::{
    __HYPERVISOR_sched_op, SCHEDOP_shutdown, SHUTDOWN_crash, SHUTDOWN_poweroff, SHUTDOWN_reboot,
    sched_shutdown,
};
use crate::console;
use crate::hypercall::call;
use crate::outside;

/// How the last line begins; the status is behind it.
const LAST_LINE: &[u8] = b"muslin: exit status ";

/// Ends the guest, for good or, if that was asked for, to start again. `is_broken`: by a fault, not by itself. A machine's first guest makes the machine
/// start again: whoever runs it in an emulator has it end there.
pub fn end(status: i32, is_broken: bool, is_first: bool) -> ! {
    let status = status as u8;
    let digits = [status / 100, status / 10 % 10, status % 10].map(|digit| b'0' + digit);
    let skipped = match status {
        0..10 => 2,
        10..100 => 1,
        _ => 0,
    };
    for text in [LAST_LINE, &digits[skipped..], b"\n"] {
        console::write(text);
    }
    console::drain();
    let shutdown = sched_shutdown {
        reason: match (is_first, is_broken) {
            (true, _) => SHUTDOWN_reboot,
            (false, true) => SHUTDOWN_crash,
            (false, false) if outside::is_restart() => SHUTDOWN_reboot,
            (false, false) => SHUTDOWN_poweroff,
        },
    };
    let arguments = [SCHEDOP_shutdown, &raw const shutdown as usize, 0, 0, 0];
    loop {
        // SAFETY: the argument is the operation's.
        unsafe { call(__HYPERVISOR_sched_op, arguments) };
    }
}

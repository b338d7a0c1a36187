//! Interrupts what a thread waits for, again and again.

use std::mem::MaybeUninit;
use std::ptr;
use std::time::Duration;

use libc::{c_int, c_long};

/// Ends the waiting calls of the thread that made it, in periods, as long as it lives.
pub(crate) struct Alarm(libc::timer_t);

extern "C" fn nothing(_: c_int) {}

impl Alarm {
    /// Begins. `None`: the system has no timer for it.
    pub(crate) fn new(period: Duration) -> Option<Self> {
        let signal = libc::SIGRTMIN() + 4;
        let time = libc::timespec {
            tv_sec: period.as_secs().try_into().ok()?,
            tv_nsec: c_long::from(period.subsec_nanos()),
        };
        let setting = libc::itimerspec {
            it_interval: time,
            it_value: time,
        };
        // SAFETY: structures of our own, for which all zeros is a value. The function does nothing, and
        // nobody else uses this signal; without SA_RESTART calls that wait end by it.
        unsafe {
            let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
            action.sa_sigaction = nothing as *const () as usize;
            if libc::sigaction(signal, &raw const action, ptr::null_mut()) != 0 {
                return None;
            }
            let mut event = MaybeUninit::<libc::sigevent>::zeroed().assume_init();
            event.sigev_notify = libc::SIGEV_THREAD_ID;
            event.sigev_signo = signal;
            event.sigev_notify_thread_id = libc::gettid();
            let mut timer = ptr::null_mut();
            if libc::timer_create(libc::CLOCK_MONOTONIC, &raw mut event, &raw mut timer) != 0 {
                return None;
            }
            let alarm = Self(timer);
            let is_set = libc::timer_settime(timer, 0, &raw const setting, ptr::null_mut()) == 0;
            is_set.then_some(alarm)
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        // SAFETY: the timer is ours.
        unsafe { libc::timer_delete(self.0) };
    }
}

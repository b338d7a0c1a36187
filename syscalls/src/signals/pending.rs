//! Signals that wait to be taken: of the plain ones each once, of the real-time ones as many as were
//! sent, in that order.

use alloc::vec::Vec;

use muslin_abi::Errno;
use muslin_abi::layout::Siginfo;

use super::siginfo::{SI_TKILL, siginfo, timer_of};
use super::{SIGRTMIN, bit};

/// The most that wait in one place.
const PENDING_MAX: usize = 4096;

/// Signals that wait.
pub struct Pending {
    /// Which; bit n is signal n + 1.
    set: u64,
    /// What is known of them: the highest signal first, of equal ones the latest first. A plain signal
    /// may be missing here.
    queue: Vec<Siginfo>,
}

impl Pending {
    /// None.
    pub const fn new() -> Self {
        Self {
            set: 0,
            queue: Vec::new(),
        }
    }

    /// Which signals wait.
    pub fn set(&self) -> u64 {
        self.set
    }

    /// Adds one. A plain signal that waits already is not added, and a timer's
    /// takes the place of the one before.
    ///
    /// # Errors
    /// `EAGAIN` too many wait, and somebody must know that this one was lost.
    pub fn add(&mut self, info: &Siginfo) -> Result<(), Errno> {
        let signal = info.si_signo;
        if self.set & bit(signal) != 0 {
            let timer = timer_of(info);
            let is_same = |other: &&mut Siginfo| {
                other.si_signo == signal && timer_of(other) == timer && timer.is_some()
            };
            if let Some(other) = self.queue.iter_mut().find(is_same) {
                // Of one that was set anew only the new one counts.
                *other = *info;
                return Ok(());
            }
            if signal < SIGRTMIN && timer.is_none() {
                return Ok(());
            }
        }
        if self.queue.len() < PENDING_MAX && self.queue.try_reserve(1).is_ok() {
            let place = self.queue.partition_point(|other| other.si_signo > signal);
            self.queue.insert(place, *info);
        } else if signal >= SIGRTMIN && info.si_code < 0 && info.si_code != SI_TKILL {
            return Err(Errno::EAGAIN);
        }
        self.set |= bit(signal);
        Ok(())
    }

    /// Takes the lowest signal of `among`, of equal ones the first.
    pub fn take(&mut self, among: u64) -> Option<Siginfo> {
        let ready = self.set & among;
        if ready == 0 {
            return None;
        }
        let signal = ready.trailing_zeros() as i32 + 1;
        let behind = self.queue.partition_point(|info| info.si_signo >= signal);
        let is_it =
            |place: &usize| self.queue.get(*place).map(|info| info.si_signo) == Some(signal);
        let info = match behind.checked_sub(1).filter(is_it) {
            Some(place) => self.queue.remove(place),
            None => siginfo(signal, 0, [0; 4]),
        };
        let next = behind.wrapping_sub(2);
        if self.queue.get(next).map(|info| info.si_signo) != Some(signal) {
            self.set &= !bit(signal);
        }
        Some(info)
    }

    /// Forgets signals.
    pub fn forget(&mut self, signals: u64) {
        if self.set & signals != 0 {
            self.set &= !signals;
            self.queue.retain(|info| bit(info.si_signo) & signals == 0);
        }
    }
}

impl Default for Pending {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::super::siginfo::{by_timer, by_user, setting_of};
    use super::*;

    const SI_QUEUE: i32 = -1;

    fn queued(signal: i32, value: u64) -> Siginfo {
        Siginfo {
            si_signo: signal,
            si_code: SI_QUEUE,
            fields: [0, value, 0, 0],
            ..Siginfo::default()
        }
    }

    #[test]
    fn the_lowest_comes_first_and_equal_ones_in_order() {
        let mut pending = Pending::new();
        for (signal, value) in [
            (40, 1),
            (35, 2),
            (10, 3),
            (40, 4),
            (10, 5),
            (35, 6),
            (40, 7),
        ] {
            pending.add(&queued(signal, value)).unwrap();
        }
        assert_eq!(pending.set(), bit(10) | bit(35) | bit(40));
        assert!(pending.take(bit(11)).is_none());
        let mut taken = Vec::new();
        while let Some(info) = pending.take(u64::MAX) {
            taken.push((info.si_signo, info.fields[1]));
        }
        assert_eq!(
            taken,
            [(10, 3), (35, 2), (35, 6), (40, 1), (40, 4), (40, 7)]
        );
        assert_eq!(pending.set(), 0);
    }

    #[test]
    fn some_are_taken_and_forgotten_from_between() {
        let mut pending = Pending::new();
        for signal in [10, 12, 35, 35, 36] {
            pending.add(&queued(signal, signal as u64)).unwrap();
        }
        assert_eq!(pending.take(bit(12) | bit(35)).unwrap().si_signo, 12);
        assert_eq!(pending.take(bit(12) | bit(35)).unwrap().si_signo, 35);
        assert_eq!(pending.set(), bit(10) | bit(35) | bit(36));
        pending.forget(bit(35) | bit(10));
        assert_eq!(pending.set(), bit(36));
        assert_eq!(pending.take(u64::MAX).unwrap().fields[1], 36);
    }

    #[test]
    fn too_many_are_refused_and_plain_ones_still_come() {
        let mut pending = Pending::new();
        for _ in 0..PENDING_MAX {
            pending.add(&queued(35, 0)).unwrap();
        }
        assert_eq!(pending.add(&queued(36, 0)), Err(Errno::EAGAIN));
        assert_eq!(pending.add(&by_user(36)), Ok(()));
        assert_eq!(pending.add(&by_user(10)), Ok(()));
        assert_eq!(pending.take(u64::MAX).unwrap().si_signo, 10);
        assert_eq!(pending.take(bit(36)).unwrap().si_signo, 36);
        assert_eq!(pending.set(), bit(35));
    }

    #[test]
    fn a_timers_signals_are_one_and_the_last() {
        let mut pending = Pending::new();
        pending.add(&by_user(14)).unwrap();
        for setting in 1..=3 {
            pending.add(&by_timer(14, 1, 77, setting)).unwrap();
            pending.add(&by_timer(40, 2, 78, setting)).unwrap();
            pending.add(&by_timer(40, 3, 79, setting)).unwrap();
        }
        assert_eq!(timer_of(&pending.take(u64::MAX).unwrap()), None);
        let first = pending.take(u64::MAX).unwrap();
        assert_eq!((timer_of(&first), setting_of(&first)), (Some(1), 3));
        assert_eq!(first.fields[1], 77);
        let second = pending.take(u64::MAX).unwrap();
        assert_eq!((timer_of(&second), setting_of(&second)), (Some(2), 3));
        assert_eq!(timer_of(&pending.take(u64::MAX).unwrap()), Some(3));
        assert_eq!(pending.set(), 0);
    }
}

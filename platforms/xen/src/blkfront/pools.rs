//! The pages of transfers. Disks of one guest's back ends share them, as one transfer is under way at a time; back
//! ends of other guests have others: what is granted to one, another must not see, nor take away.

use core::sync::atomic::{AtomicBool, Ordering};

use muslin_abi::Errno;

use super::DISKS_MAX;
use crate::shared::Page;
use crate::turn::Turn;

/// Pages of a transfer.
pub const POOL: usize = 32;

type Transfer = [Page; POOL];

/// The pages that the back ends of one guest use.
#[derive(Clone, Copy, Debug)]
pub struct Pool {
    /// The pages.
    pub pages: &'static Transfer,
    is_lost: &'static AtomicBool,
}

impl Pool {
    /// A back end that was given up still has some of them: nobody may use them.
    pub fn lose(&self) {
        self.is_lost.store(true, Ordering::Relaxed);
    }

    /// See [`lose`](Self::lose).
    pub fn is_lost(&self) -> bool {
        self.is_lost.load(Ordering::Relaxed)
    }
}

/// Those of all guests. There are as many places as disks, and a guest's disks share one.
#[derive(Debug)]
pub struct Pools {
    pages: Turn<[Option<(u16, &'static Transfer)>; DISKS_MAX]>,
    are_lost: [AtomicBool; DISKS_MAX],
}

impl Pools {
    /// Nobody uses any.
    pub const fn new() -> Self {
        Self {
            pages: Turn::new([None; DISKS_MAX]),
            are_lost: [const { AtomicBool::new(false) }; DISKS_MAX],
        }
    }

    /// Those of a guest.
    ///
    /// # Errors
    /// `ENOMEM`.
    pub fn of(&'static self, domain: u16) -> Result<Pool, Errno> {
        let places = self.pages.get().iter_mut().zip(&self.are_lost);
        for (place, is_lost) in places {
            let pages = match *place {
                Some((whose, pages)) if whose == domain => pages,
                Some(_) => continue,
                None => Page::several()?,
            };
            *place = Some((domain, pages));
            return Ok(Pool { pages, is_lost });
        }
        Err(Errno::ENOMEM)
    }
}

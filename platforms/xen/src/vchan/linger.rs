//! Pages of channels that are closed here, and that other guests have not let go of. Each costs a grant and
//! memory, so a guest that keeps too many gets no more channels until it lets go; others do.

use alloc::vec::Vec;

use muslin_abi::Errno;

use super::memory::Lent;
use crate::turn::Turn;

/// Pages that one guest may keep: those of sixteen channels of the usual length.
const PAGES_MAX: usize = 144;

/// What another guest may not have let go of.
pub trait Kept {
    /// Takes back what can be; how many pages are still kept.
    fn take_back(&mut self) -> usize;
}

/// All that is kept, with the guests.
#[derive(Debug)]
pub struct Linger<T> {
    all: Vec<(u16, T)>,
}

impl<T: Kept> Linger<T> {
    /// Nothing.
    pub const fn new() -> Self {
        Self { all: Vec::new() }
    }

    /// Keeps what a guest has not let go of. Without memory for that it is lost.
    pub fn keep(&mut self, domain: u16, pages: T) {
        if self.all.try_reserve(1).is_ok() {
            self.all.push((domain, pages));
        }
    }

    /// Takes back what can be.
    pub fn settle(&mut self) {
        self.all.retain_mut(|(_, pages)| pages.take_back() > 0);
    }

    /// May this guest get more?
    ///
    /// # Errors
    /// `ENOBUFS`: first it has to let go of what it keeps.
    pub fn check(&mut self, domain: u16) -> Result<(), Errno> {
        let mut count = 0;
        for (_, pages) in self.all.iter_mut().filter(|(whose, _)| *whose == domain) {
            count += pages.take_back();
        }
        match count < PAGES_MAX {
            true => Ok(()),
            false => Err(Errno::ENOBUFS),
        }
    }
}

/// That of this guest's channels.
pub static LINGER: Turn<Linger<Lent>> = Turn::new(Linger::new());

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::rc::Rc;
    use std::vec::Vec;

    use super::*;
    use crate::hostile::Numbers;

    /// How many pages of each channel a guest has, which are its to say.
    type Held = Rc<RefCell<Vec<usize>>>;

    struct Pages(Held, usize);

    impl Kept for Pages {
        fn take_back(&mut self) -> usize {
            self.0.borrow()[self.1]
        }
    }

    #[test]
    fn a_guest_that_keeps_pages_gets_no_more_and_others_do() {
        for seed in 1..200 {
            let mut numbers = Numbers::new(seed);
            let mut linger = Linger::new();
            let held = Held::default();
            let mut given = 0;
            // It joins whatever it is offered, and lets go of nothing, or of little.
            while linger.check(7).is_ok() {
                let pages = numbers.below(40) as usize + 1;
                held.borrow_mut().push(pages);
                linger.keep(7, Pages(held.clone(), given));
                given += 1;
                if numbers.below(4) == 0 {
                    let which = numbers.below(given as u64) as usize;
                    held.borrow_mut()[which] /= 2;
                }
                linger.settle();
                assert!(held.borrow().iter().sum::<usize>() < PAGES_MAX + 40);
                assert!(given < 1000, "it got channel after channel");
            }
            assert_eq!(linger.check(7), Err(Errno::ENOBUFS));
            assert_eq!(linger.check(8), Ok(()));
            // It lets go of one after the other: then it may have as many again.
            for which in 0..given {
                held.borrow_mut()[which] = 0;
            }
            assert_eq!(linger.check(7), Ok(()));
            linger.settle();
            assert!(linger.all.is_empty());
        }
    }
}

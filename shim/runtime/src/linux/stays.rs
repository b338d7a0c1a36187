//! Who stays in a wait or a look of those that others have to know of: the count is right, too, where frames are left by
//! a jump and threads end in the middle (`siglongjmp` out of a function of a signal, `pthread_cancel`).
//!
//! Each who stays notes its thread and its place on the stack; musl tells of jumps and of ends of threads. Of more than
//! there are places, the others are only counted: such a count may stay too high, which callers bear.

use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use muslin_arch::{stack, thread_pointer};

/// Threads that wait for something of the network that others have to move.
pub static FOLLOWERS: Stays = Stays::new();
/// Threads that look at what the kernel shows, or wait for it.
pub static LOOKERS: Stays = Stays::new();

/// As many are noted.
const PLACES: usize = 32;

/// One who stays.
struct Place {
    /// The thread pointer; [`FREE`] or [`TAKEN`].
    thread: AtomicUsize,
    /// Its stack pointer, about.
    stack: AtomicUsize,
}

const FREE: usize = 0;
/// It will be somebody's.
const TAKEN: usize = 1;

/// Who stays somewhere.
pub struct Stays {
    count: AtomicU32,
    places: [Place; PLACES],
}

/// The calling thread leaves the frames for which `is_left` holds.
pub fn leave_frames(is_left: impl Fn(usize) -> bool) {
    let me = thread_pointer::read() as usize;
    for stays in [&FOLLOWERS, &LOOKERS] {
        if stays.are_any() {
            let mine = stays.places.iter().filter(|place| {
                place.thread.load(Ordering::Relaxed) == me
                    && is_left(place.stack.load(Ordering::Relaxed))
            });
            mine.for_each(|place| stays.leave(place, me));
        }
    }
}

impl Stays {
    const fn new() -> Self {
        Self {
            count: AtomicU32::new(0),
            places: [const {
                Place {
                    thread: AtomicUsize::new(FREE),
                    stack: AtomicUsize::new(0),
                }
            }; PLACES],
        }
    }

    /// Whether anybody stays.
    pub fn are_any(&self) -> bool {
        self.count.load(Ordering::SeqCst) != 0
    }

    /// Stays for as long as `work` takes.
    pub fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        let me = thread_pointer::read() as usize;
        self.count.fetch_add(1, Ordering::SeqCst);
        let place = self.places.iter().find(|place| {
            let order = Ordering::Relaxed;
            let taken = place.thread.compare_exchange(FREE, TAKEN, order, order);
            taken.is_ok()
        });
        if let Some(place) = place {
            place.stack.store(stack::pointer(), Ordering::Relaxed);
            place.thread.store(me, Ordering::Relaxed);
        }
        let result = work();
        match place {
            Some(place) => self.leave(place, me),
            None => self.count_down(),
        }
        result
    }

    /// Somebody stays who never goes.
    pub fn stay_for_ever(&self) {
        self.count.fetch_add(1, Ordering::SeqCst);
    }

    /// A function of a signal may have been before.
    fn leave(&self, place: &Place, me: usize) {
        let order = Ordering::Relaxed;
        let left = place.thread.compare_exchange(me, FREE, order, order);
        if left.is_ok() {
            self.count_down();
        }
    }

    fn count_down(&self) {
        self.count.fetch_sub(1, Ordering::SeqCst);
    }
}

//! A thread of the program that waits moves frames meanwhile, as long as no other waits for something of the
//! network: then a frame wakes one thread, not the service's and behind it the program's.
//!
//! It sleeps by `ppoll` for what it waits for and for the devices (see `lead_waits`). The service's thread stands by
//! (see `service`): it sees to what comes while the program does something else.

use core::ptr;
use core::sync::atomic::{AtomicI32, AtomicPtr, AtomicUsize, Ordering};

use muslin_abi::flags::POLLIN;
use muslin_abi::handler::Call;
use muslin_abi::{Errno, Sysno};
use muslin_arch::thread_pointer;

use crate::chain;
use crate::ending;
use crate::fd_table::{self, File, World};
use crate::kernel;
use crate::mirror::looking;
use crate::net_device;
use crate::raw;
use crate::service::{self, Pollfd};
use crate::stays::FOLLOWERS;

/// The thread pointer of the thread that moves frames where it waits; 0: none does.
static LEADER: AtomicUsize = AtomicUsize::new(0);
/// The file that the leader sleeps for.
static WANTED: AtomicPtr<File> = AtomicPtr::new(ptr::null_mut());
/// An eventfd that ends its sleep.
static KICK: AtomicI32 = AtomicI32::new(-1);

/// For how many descriptors of the program's a leader sleeps at most: they lie on its stack.
pub const DESCRIPTORS_MAX: usize = 24;
const PLACES: usize = DESCRIPTORS_MAX + 1 + net_device::COUNT_MAX;

/// A place in `ppoll`'s list for nothing.
pub const NOTHING: Pollfd = Pollfd {
    fd: -1,
    events: POLLIN,
    revents: 0,
};

/// The service begins: `kick` is an eventfd.
pub fn begin(kick: i32) {
    KICK.store(kick, Ordering::Relaxed);
}

/// Waits for something of the network that others have to move.
pub fn follow<T>(wait: impl FnOnce() -> T) -> T {
    FOLLOWERS.during(|| {
        if LEADER.load(Ordering::SeqCst) == 0 {
            service::attend();
        }
        wait()
    })
}

/// Whether somebody waits for what others have to move.
pub fn has_followers() -> bool {
    FOLLOWERS.are_any()
}

/// Waits as the thread that moves frames. `None`: others have to.
pub fn lead<T>(wait: impl FnOnce() -> T) -> Option<T> {
    let may_lead =
        service::has_devices() && fd_table::world(false) == World::Own && !has_followers();
    if !may_lead || !take() {
        return None;
    }
    let result = wait();
    let _other = LEADER.compare_exchange(me(), 0, Ordering::SeqCst, Ordering::SeqCst);
    if has_followers() {
        service::attend();
    }
    ending::stay();
    Some(result)
}

fn me() -> usize {
    thread_pointer::read() as usize
}

/// Becomes the leader, if there is none. Who left its wait by a jump still is it, and so is who waits in a function
/// of a signal that interrupted its wait: that wait takes the lead
/// again afterwards, or does not.
pub fn take() -> bool {
    let taken = LEADER.compare_exchange(0, me(), Ordering::SeqCst, Ordering::SeqCst);
    taken.is_ok() || taken == Err(me())
}

/// Something has happened to a file: wakes a leader that sleeps for it.
pub fn wake(file: &File) {
    let file = ptr::from_ref(file).cast_mut();
    if WANTED.load(Ordering::SeqCst) != file {
        return;
    }
    let none = ptr::null_mut();
    let was = WANTED.compare_exchange(file, none, Ordering::SeqCst, Ordering::SeqCst);
    if was.is_ok() {
        let one = 1u64;
        let kick = KICK.load(Ordering::Relaxed) as usize;
        // SAFETY: the number is alive.
        unsafe { raw::call(Sysno::write, [kick, &raw const one as usize, 8, 0, 0, 0]) };
    }
}

/// What a leader sleeps for beside the devices.
pub struct Sleep<'a> {
    /// The program's call: the sleep can be cancelled as that can.
    pub call: Option<&'a Call>,
    /// Descriptors, [`DESCRIPTORS_MAX`] at most.
    pub descriptors: &'a [Pollfd],
    /// A file, and how often something had happened to it.
    pub file: Option<(&'a File, u32)>,
    /// When it is over.
    pub ends_at_ns: u64,
    /// The signal mask meanwhile, and its length; a null pointer leaves it as it is.
    pub mask: [usize; 2],
}

impl Sleep<'_> {
    /// Sleeps until one of these, or a device, is ready, or the time has come; then moves frames. Whether the time has
    /// come.
    ///
    /// # Errors
    /// `EINTR`, and what else `ppoll` answers.
    pub fn round(&self) -> Result<bool, Errno> {
        let mut places = [NOTHING; PLACES];
        for (place, descriptor) in places.iter_mut().zip(self.descriptors) {
            *place = *descriptor;
        }
        let others = [KICK.load(Ordering::Relaxed)].into_iter();
        let others = others.chain(net_device::descriptors());
        let mut own = places.iter_mut().skip(self.descriptors.len());
        for (place, fd) in own.by_ref().zip(others) {
            place.fd = fd;
        }
        if let Some((file, seen)) = self.file {
            WANTED.store(ptr::from_ref(file).cast_mut(), Ordering::SeqCst);
            if file.happened.load(Ordering::SeqCst) != seen {
                WANTED.store(ptr::null_mut(), Ordering::SeqCst);
                return Ok(false);
            }
        }
        let slept = self.sleep(&mut places);
        if self.file.is_some() {
            WANTED.store(ptr::null_mut(), Ordering::SeqCst);
        }
        slept?;
        let mut own = places.iter().skip(self.descriptors.len());
        if own.next().is_some_and(|kick| kick.revents != 0) {
            service::drain(KICK.load(Ordering::Relaxed));
        }
        let now_ns = kernel::now_ns();
        if own.any(|device| device.revents != 0) || service::deadline_ns() <= now_ns {
            service::run_here();
        }
        Ok(self.ends_at_ns <= now_ns)
    }

    fn sleep(&self, places: &mut [Pollfd; PLACES]) -> Result<(), Errno> {
        let until_ns = self.ends_at_ns.min(service::deadline_ns());
        let rest_ns = until_ns.saturating_sub(kernel::now_ns());
        let time = [rest_ns / 1_000_000_000, rest_ns % 1_000_000_000];
        let timeout = if until_ns == u64::MAX {
            0
        } else {
            &raw const time as usize
        };
        let [mask, mask_bytes] = self.mask;
        let count = self.descriptors.len() + 1 + net_device::COUNT_MAX;
        let args = [
            places.as_mut_ptr() as usize,
            count,
            timeout,
            mask,
            mask_bytes,
            0,
        ];
        // SAFETY: the structures are alive; the mask is the program's.
        let wait = || unsafe { chain::wait(self.call, Sysno::ppoll, &args) };
        let raw = if self.descriptors.is_empty() {
            wait()
        } else {
            looking(wait)
        };
        muslin_abi::args::from_raw(raw).map(|_| ())
    }
}

//! What a guest waits for: a timer, and its network devices.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::event::epoll;
use rustix::io::Errno;
use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};

use crate::devices::Opened;
use crate::manifest::{Attached, Manifest};
use crate::refusal::{Refusal, words};

/// What the timer's readiness is called in the set: `SPT_INTERNAL_TIMERFD`. A device's is called by
/// its handle.
pub(crate) const TIMER_NAME: u64 = 0xffff_fffe;

/// An epoll set and the timer in it.
#[derive(Debug)]
pub(crate) struct WaitSet {
    pub(crate) epoll: OwnedFd,
    pub(crate) timer: OwnedFd,
}

impl WaitSet {
    pub(crate) fn new(manifest: &Manifest, opened: &Opened) -> Result<Self, Refusal> {
        Self::make(manifest, opened).map_err(|error| {
            let reason = words(&io::Error::from(error));
            Refusal::new(
                format_args!("cannot make what the guest waits with: {reason}"),
                "see what this system allows",
            )
        })
    }

    fn make(manifest: &Manifest, opened: &Opened) -> Result<Self, Errno> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        let add = |fd: &dyn AsFd, name| {
            epoll::add(
                &epoll,
                fd.as_fd(),
                epoll::EventData::new_u64(name),
                epoll::EventFlags::IN,
            )
        };
        add(&timer, TIMER_NAME)?;
        for (handle, attached) in manifest.attached() {
            if let (Attached::Net(_), Some(file)) = (attached, opened.file(attached)) {
                add(file, handle)?;
            }
        }
        Ok(Self { epoll, timer })
    }

    pub(crate) fn epoll_fd(&self) -> i32 {
        self.epoll.as_raw_fd()
    }

    pub(crate) fn timer_fd(&self) -> i32 {
        self.timer.as_raw_fd()
    }
}

//! What the gateway waits for.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

const EVENTS_AT_ONCE: usize = 64;
const NS_PER_SECOND: u64 = 1_000_000_000;

/// Whose descriptor it is. The numbers are those of the rooms they belong to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// The guest.
    Guest,
    /// The end of it all.
    End,
    /// A stream of the host.
    Stream(u64),
    /// A conversation of messages.
    Messages(u64),
    /// A published port.
    Published(u64),
}

impl Source {
    const KINDS: u64 = 5;

    fn word(self) -> u64 {
        match self {
            Self::Guest => 0,
            Self::End => 1,
            Self::Stream(number) => number * Self::KINDS + 2,
            Self::Messages(number) => number * Self::KINDS + 3,
            Self::Published(number) => number * Self::KINDS + 4,
        }
    }

    fn of(word: u64) -> Self {
        let number = word / Self::KINDS;
        match word % Self::KINDS {
            0 => Self::Guest,
            1 => Self::End,
            2 => Self::Stream(number),
            3 => Self::Messages(number),
            _ => Self::Published(number),
        }
    }
}

/// Something that happened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Event {
    pub source: Source,
    pub can_read: bool,
    pub can_write: bool,
}

/// A set of descriptors.
pub(crate) struct Poller {
    epoll: OwnedFd,
}

impl Poller {
    pub fn new() -> Result<Self, Errno> {
        Ok(Self {
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
        })
    }

    /// Waits for something to read, again and again.
    pub fn add_reader(&self, fd: impl AsFd, source: Source) -> Result<(), Errno> {
        self.add(fd, source, epoll::EventFlags::IN)
    }

    /// Tells when it can be read and when it can be written, once each time that this changes.
    pub fn add_changes(&self, fd: impl AsFd, source: Source) -> Result<(), Errno> {
        use epoll::EventFlags as Flags;
        self.add(
            fd,
            source,
            Flags::IN | Flags::OUT | Flags::RDHUP | Flags::ET,
        )
    }

    fn add(&self, fd: impl AsFd, source: Source, flags: epoll::EventFlags) -> Result<(), Errno> {
        let data = epoll::EventData::new_u64(source.word());
        epoll::add(&self.epoll, fd, data, flags)
    }

    /// Waits at most so long.
    pub fn wait(&self, timeout_ns: Option<u64>) -> Vec<Event> {
        use epoll::EventFlags as Flags;
        let timeout = timeout_ns.map(|ns| Timespec {
            tv_sec: (ns / NS_PER_SECOND) as i64,
            tv_nsec: (ns % NS_PER_SECOND) as i64,
        });
        let both = Flags::ERR | Flags::HUP;
        let event = |&epoll::Event { flags, data }: &epoll::Event| Event {
            source: Source::of(data.u64()),
            can_read: flags.intersects(Flags::IN | Flags::RDHUP | both),
            can_write: flags.intersects(Flags::OUT | both),
        };
        let mut room = [const { MaybeUninit::uninit() }; EVENTS_AT_ONCE];
        match epoll::wait(&self.epoll, &mut room, timeout.as_ref()) {
            Ok((events, _)) => events.iter().map(event).collect(),
            // An interruption is an end of waiting like others.
            Err(_) => Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_names_its_source() {
        for number in [0, 1, 77, u64::from(u32::MAX)] {
            for source in [
                Source::Guest,
                Source::End,
                Source::Stream(number),
                Source::Messages(number),
                Source::Published(number),
            ] {
                assert_eq!(Source::of(source.word()), source);
            }
        }
    }
}

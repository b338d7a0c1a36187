//! What is at the far end of a cable: an interface, a link, or a socket that was inherited.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use muslin_net_layers::Delivery;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, read, write};
use rustix::net::{SocketType, getpeername, sockopt::socket_type};

use crate::link::{Link, Problem};
use crate::tap::{self, Tap};

/// The longest packet in bytes, where no interface says it.
const MTU_BYTES: u16 = 1500;

/// Who takes frames and gives them.
#[derive(Debug)]
pub(crate) enum Wire {
    Tap(Tap),
    /// A socket; `None` if the other end has hung up.
    Socket(Option<OwnedFd>),
    Link(Link),
}

/// What there was to read.
pub(crate) enum Received {
    /// A frame of so many bytes.
    Frame(usize),
    Nothing,
    /// The other end has hung up.
    HungUp,
}

impl Wire {
    /// Opens what an option names, and says how long a packet may be. A TAP gives frames with something in
    /// front, if that is wanted.
    pub(crate) fn open(
        interface: &str,
        wants_offload: bool,
    ) -> Result<(Self, u16), (String, String)> {
        let in_words = |problem: Problem| (problem.what, problem.remedy.to_owned());
        if let Some(path) = interface.strip_prefix("link:") {
            let link = Link::open(Path::new(path)).map_err(in_words)?;
            return Ok((Self::Link(link), MTU_BYTES));
        }
        if let Some(number) = interface.strip_prefix("fd:") {
            let socket = inherited(number).map_err(in_words)?;
            return Ok((Self::Socket(Some(socket)), MTU_BYTES));
        }
        let tap = tap::open(interface, wants_offload)
            .map_err(|problem| (problem.what(), problem.remedy(interface)))?;
        let mtu_bytes = tap.mtu;
        Ok((Self::Tap(tap), mtu_bytes))
    }

    /// What is to be waited for.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Tap(tap) => Some(tap.fd.as_fd()),
            Self::Socket(fd) => fd.as_ref().map(AsFd::as_fd),
            Self::Link(link) => link.fd(),
        }
    }

    /// Reads a frame.
    pub(crate) fn receive(&mut self, frame: &mut [u8]) -> Received {
        match self.peer().map(|fd| receive(fd, frame)) {
            Some(Received::HungUp) => {
                match self {
                    Self::Tap(_) => {}
                    Self::Socket(fd) => *fd = None,
                    Self::Link(link) => link.hung_up(),
                }
                Received::Nothing
            }
            Some(received) => received,
            None => Received::Nothing,
        }
    }

    /// Writes a frame. Where nobody is, it is lost.
    pub(crate) fn send(&mut self, frame: &[u8]) -> Delivery {
        self.peer().map_or(Delivery::Lost, |fd| send(fd, frame))
    }

    fn peer(&mut self) -> Option<BorrowedFd<'_>> {
        match self {
            Self::Link(link) => link.peer(),
            Self::Tap(_) | Self::Socket(_) => self.fd(),
        }
    }
}

/// Reads a frame of a descriptor that does not wait.
pub(crate) fn receive(fd: BorrowedFd<'_>, frame: &mut [u8]) -> Received {
    match read(fd, frame) {
        Ok(0) if has_hung_up(fd) => Received::HungUp,
        Ok(len) => Received::Frame(len),
        Err(Errno::CONNRESET) => Received::HungUp,
        Err(_) => Received::Nothing,
    }
}

/// Writes a frame to a descriptor that does not wait.
pub(crate) fn send(fd: BorrowedFd<'_>, frame: &[u8]) -> Delivery {
    match write(fd, frame) {
        Ok(_) => Delivery::Done,
        Err(Errno::AGAIN | Errno::INTR) => Delivery::Later,
        Err(_) => Delivery::Lost,
    }
}

/// A frame without bytes is not the end.
fn has_hung_up(fd: BorrowedFd<'_>) -> bool {
    let mut asked = [PollFd::new(&fd, PollFlags::empty())];
    let at_once = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let _ = poll(&mut asked, Some(&at_once));
    let [asked] = asked;
    asked.revents().contains(PollFlags::HUP)
}

/// A connected socket of packets that this process was started with.
fn inherited(number: &str) -> Result<OwnedFd, Problem> {
    let problem = |what: &str| Problem {
        what: what.to_owned(),
        remedy: "give a connected socket of packets, as socketpair makes it with SOCK_SEQPACKET or SOCK_DGRAM",
    };
    if number.parse::<u32>().is_err() {
        return Err(problem("that is not the number of a descriptor"));
    }
    let fd = tap::duplicate(number).map_err(|it| problem(&it.what()))?;
    match socket_type(&fd) {
        Ok(SocketType::SEQPACKET | SocketType::DGRAM) => {}
        Ok(_) => return Err(problem("that socket keeps no borders between frames")),
        Err(_) => return Err(problem("that descriptor is not a socket")),
    }
    if getpeername(&fd).is_err() {
        return Err(problem("that socket is not connected"));
    }
    fcntl_getfl(&fd)
        .and_then(|flags| fcntl_setfl(&fd, flags | OFlags::NONBLOCK))
        .map_err(|_| problem("that socket cannot be made not to wait"))?;
    Ok(fd)
}

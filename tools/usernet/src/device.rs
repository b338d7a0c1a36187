//! The gateway's end of the socket over which a guest's frames come and go.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use muslin_abi::Errno;
use muslin_net_stack::Link;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::net::{MAC, MTU_BYTES};
use crate::router;

const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// So many frames that the stack does not get are taken at once: a guest may ask for routers without end.
const OTHERS_AT_ONCE: usize = 16;

/// The socket of packets whose other end the guest has.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    pub fd: Arc<OwnedFd>,
    /// Nobody is at the other end any more.
    has_hung_up: Arc<AtomicBool>,
}

impl Guest {
    pub fn new(fd: OwnedFd) -> Self {
        Self {
            fd: Arc::new(fd),
            has_hung_up: Arc::new(AtomicBool::new(false)),
        }
    }

    pub fn has_hung_up(&self) -> bool {
        self.has_hung_up.load(Ordering::Relaxed)
    }

    /// Tells it of the router. One that hears nothing asks.
    pub fn advertise(&self) {
        let _ = send(&*self.fd, &router::advertisement(), SendFlags::NOSIGNAL);
    }

    fn hang_up(&self) {
        self.has_hung_up.store(true, Ordering::Relaxed);
    }

    /// A frame without bytes is not the end.
    fn is_at_end(&self) -> bool {
        let mut asked = [PollFd::new(&*self.fd, PollFlags::empty())];
        let _ = poll(&mut asked, Some(&AT_ONCE));
        let [asked] = asked;
        asked.revents().contains(PollFlags::HUP)
    }
}

impl Link for Guest {
    fn name(&self) -> &str {
        "guest"
    }

    fn mac(&self) -> [u8; 6] {
        MAC
    }

    fn mtu_bytes(&self) -> u16 {
        MTU_BYTES
    }

    fn receive(&mut self, frame: &mut [u8]) -> Result<usize, Errno> {
        for _ in 0..OTHERS_AT_ONCE {
            match recv(&*self.fd, &mut *frame, RecvFlags::empty()) {
                Ok((_, 0)) if self.is_at_end() => self.hang_up(),
                Ok((_, len)) if router::is_question(&frame[..len.min(frame.len())]) => {
                    self.advertise();
                    continue;
                }
                Ok((_, len)) => return Ok(len),
                // Of what it had not read when it ended; what it sent before is still there.
                Err(io::Errno::INTR | io::Errno::CONNRESET) => continue,
                Err(io::Errno::AGAIN) => {}
                Err(_) => self.hang_up(),
            }
            break;
        }
        Err(Errno::EAGAIN)
    }

    fn send(&mut self, frame: &[u8]) -> Result<(), Errno> {
        match send(&*self.fd, frame, SendFlags::NOSIGNAL) {
            Ok(_) => Ok(()),
            Err(io::Errno::AGAIN | io::Errno::INTR) => Err(Errno::EAGAIN),
            Err(_) => Err(Errno::EIO),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    #[test]
    fn a_guest_that_asks_without_end_does_not_keep_others_waiting() {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let kind = SocketType::SEQPACKET;
        let Ok((near, far)) = socketpair(AddressFamily::UNIX, kind, flags, None) else {
            panic!("no sockets");
        };
        let mut guest = Guest::new(far);
        let mut question = [0; 70];
        (question[12], question[13]) = (0x86, 0xdd);
        (question[20], question[54]) = (58, 133);
        assert!(router::is_question(&question));
        for _ in 0..2 * OTHERS_AT_ONCE {
            assert_eq!(
                send(&near, &question, SendFlags::NOSIGNAL),
                Ok(question.len())
            );
        }
        assert_eq!(send(&near, b"a frame", SendFlags::NOSIGNAL), Ok(7));
        let mut frame = [0; 2000];
        for _ in 0..2 {
            // Others have their turn, and the rest is still there.
            assert_eq!(guest.receive(&mut frame), Err(Errno::EAGAIN));
        }
        assert_eq!(guest.receive(&mut frame), Ok(7));
    }
}

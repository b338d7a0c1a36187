//! A link between two guests, or a guest and any program: a socket in the file system. Who comes first
//! listens, who comes second connects; no privilege is needed.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept_with, bind, connect, listen,
    socket_with,
};

use crate::refusal::words;

/// How often and how long somebody is waited for who settles his own end.
const LOCK_TRIES: u32 = 200;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Why there is no link: what is wrong, and what to do.
pub(crate) struct Problem {
    pub(crate) what: String,
    pub(crate) remedy: &'static str,
}

/// One end of a link.
#[derive(Debug)]
pub(crate) struct Link {
    path: PathBuf,
    end: End,
}

#[derive(Debug)]
enum End {
    /// The first: the other may come, go, and come again.
    Listener {
        listener: OwnedFd,
        peer: Option<OwnedFd>,
    },
    /// The second.
    Peer(OwnedFd),
    /// The first has gone, and nothing stands in its place.
    Gone,
}

impl Link {
    pub(crate) fn open(path: &Path) -> Result<Self, Problem> {
        Ok(Self {
            path: path.to_owned(),
            end: settle(path)?,
        })
    }

    /// What is to be waited for.
    pub(crate) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.end {
            End::Listener { listener, peer } => Some(peer.as_ref().unwrap_or(listener).as_fd()),
            End::Peer(peer) => Some(peer.as_fd()),
            End::Gone => None,
        }
    }

    /// The other end, if it is there.
    pub(crate) fn peer(&mut self) -> Option<BorrowedFd<'_>> {
        match &mut self.end {
            End::Listener { listener, peer } => {
                if peer.is_none() {
                    *peer = accept_with(listener, flags()).ok();
                }
                peer.as_ref().map(AsFd::as_fd)
            }
            End::Peer(peer) => Some(OwnedFd::as_fd(peer)),
            End::Gone => None,
        }
    }

    /// The other end has hung up. The one that is left is the first of the next two.
    pub(crate) fn hung_up(&mut self) {
        match &mut self.end {
            End::Listener { peer, .. } => *peer = None,
            End::Peer(_) | End::Gone => self.end = settle(&self.path).unwrap_or(End::Gone),
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if let End::Listener { .. } = self.end {
            let _ = fs::remove_file(&self.path);
        }
    }
}

const fn flags() -> SocketFlags {
    SocketFlags::NONBLOCK.union(SocketFlags::CLOEXEC)
}

/// Connects to who is there, or is there.
fn settle(path: &Path) -> Result<End, Problem> {
    let failed = |error: Errno| Problem {
        what: words(&io::Error::from(error)),
        remedy: "give a path in a folder of yours, where there is no file",
    };
    let address = SocketAddrUnix::new(path).map_err(|_| Problem {
        what: "its path is too long for a socket".to_owned(),
        remedy: "give one of at most 107 bytes",
    })?;
    let socket = || socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, flags(), None);
    // Two that come at once settle one after the other.
    let _folder = locked_folder(path)?;
    let end = socket().map_err(failed)?;
    match connect(&end, &address) {
        Ok(()) => return Ok(End::Peer(end)),
        Err(Errno::NOENT) => {}
        Err(Errno::CONNREFUSED) if is_socket(path) => {
            fs::remove_file(path).map_err(|error| Problem {
                what: format!(
                    "cannot remove the socket that was left there: {}",
                    words(&error)
                ),
                remedy: "remove it, or give another path",
            })?;
        }
        Err(Errno::CONNREFUSED) => {
            return Err(Problem {
                what: "that file is not a socket".to_owned(),
                remedy: "give a path where there is no file",
            });
        }
        Err(Errno::AGAIN) => {
            return Err(Problem {
                what: "it has two ends, and others wait for one".to_owned(),
                remedy: "give another path",
            });
        }
        Err(Errno::PROTOTYPE) => {
            return Err(Problem {
                what: "the program at that socket does not take packets (SOCK_SEQPACKET)"
                    .to_owned(),
                remedy: "give another path",
            });
        }
        Err(error) => return Err(failed(error)),
    }
    let listener = socket().map_err(failed)?;
    bind(&listener, &address).map_err(failed)?;
    listen(&listener, 0).map_err(failed)?;
    Ok(End::Listener {
        listener,
        peer: None,
    })
}

fn is_socket(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket())
}

/// The folder, in which nobody else of us does anything as long as it is open.
fn locked_folder(path: &Path) -> Result<File, Problem> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let folder = File::open(folder).map_err(|error| Problem {
        what: format!("its folder: {}", words(&error)),
        remedy: "give a path in a folder that is there",
    })?;
    for _ in 0..LOCK_TRIES {
        match folder.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            // Not every file system has locks.
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(folder),
        }
    }
    Err(Problem {
        what: "another program has locked its folder".to_owned(),
        remedy: "give a path in a folder of yours",
    })
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test ends where it fails"
)]
mod tests {
    use std::os::unix::net::UnixListener;

    use muslin_net_layers::Delivery;

    use super::*;
    use crate::wire::{Received, Wire};

    fn open(path: &Path) -> Link {
        Link::open(path).unwrap_or_else(|problem| panic!("{}", problem.what))
    }

    fn refused(path: &Path) -> String {
        Link::open(path).err().map(|it| it.what).unwrap()
    }

    /// What arrives at an end now.
    fn arrives(wire: &mut Wire) -> Option<Vec<u8>> {
        let mut frame = [0; 100];
        match wire.receive(&mut frame) {
            Received::Frame(len) => Some(frame[..len].to_vec()),
            Received::Nothing | Received::HungUp => None,
        }
    }

    #[test]
    fn frames_keep_their_borders_and_an_empty_one_is_not_the_end() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("link");
        let mut first = Wire::Link(open(&path));
        assert_eq!(first.send(b"nobody hears it"), Delivery::Lost);
        let mut second = Wire::Link(open(&path));
        for frame in [&b"one"[..], b"", b"three"] {
            assert_eq!(second.send(frame), Delivery::Done);
        }
        for frame in [&b"one"[..], b"", b"three"] {
            assert_eq!(arrives(&mut first).as_deref(), Some(frame));
        }
        assert_eq!(arrives(&mut first), None);
        assert_eq!(first.send(b"back"), Delivery::Done);
        assert_eq!(arrives(&mut second).as_deref(), Some(&b"back"[..]));
    }

    #[test]
    fn who_takes_nothing_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("link");
        let mut first = Wire::Link(open(&path));
        let mut second = Wire::Link(open(&path));
        while second.send(&[7; 100]) == Delivery::Done {}
        assert_eq!(second.send(&[7; 100]), Delivery::Later);
        while arrives(&mut first).is_some() {}
        assert_eq!(second.send(&[7; 100]), Delivery::Done);
    }

    #[test]
    fn who_is_left_is_the_first_of_the_next_two() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("link");
        let first = open(&path);
        let mut second = Wire::Link(open(&path));
        drop(first);
        assert_eq!(arrives(&mut second), None);
        assert!(path.exists());
        let mut third = Wire::Link(open(&path));
        assert_eq!(third.send(b"hello"), Delivery::Done);
        assert_eq!(arrives(&mut second).as_deref(), Some(&b"hello"[..]));
        // And when the one that connected goes, the next may come.
        drop(third);
        assert_eq!(arrives(&mut second), None);
        let mut fourth = Wire::Link(open(&path));
        assert_eq!(fourth.send(b"again"), Delivery::Done);
        assert_eq!(arrives(&mut second).as_deref(), Some(&b"again"[..]));
        drop(second);
        assert!(!path.exists());
    }

    #[test]
    fn what_is_no_end_of_a_link_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("stream");
        let _listener = UnixListener::bind(&path).unwrap();
        assert!(refused(&path).contains("SOCK_SEQPACKET"));
        let path = dir.path().join("file");
        fs::write(&path, "text").unwrap();
        assert_eq!(refused(&path), "that file is not a socket");
        assert_eq!(fs::read(&path).unwrap(), b"text");
        let long = dir.path().join("x".repeat(120));
        assert_eq!(refused(&long), "its path is too long for a socket");
    }

    #[test]
    fn a_link_has_two_ends() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("link");
        let mut first = open(&path);
        let _second = open(&path);
        assert!(first.peer().is_some());
        // One may wait, the next is told.
        let _third = open(&path);
        assert_eq!(refused(&path), "it has two ends, and others wait for one");
    }
}

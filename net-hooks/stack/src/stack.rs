//! The one trait between the socket calls and a stack.

use alloc::vec::Vec;
use core::net::{IpAddr, SocketAddr};

use muslin_abi::Errno;

use crate::network::{Address, Automatic, LinkInfo, Neighbour, Route};
use crate::options::{Options, Setting};

/// Names a socket of a stack. A name is not given again soon: one that was closed answers `EBADF`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SocketId {
    /// Its place.
    pub index: u32,
    /// Which of the sockets that had this place.
    pub generation: u32,
}

/// Which addresses a socket has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Family {
    /// `AF_INET`
    V4,
    /// `AF_INET6`; IPv4 too, as mapped addresses, unless [`Setting::V6Only`].
    V6,
}

/// What a socket carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// TCP.
    Stream,
    /// UDP.
    Datagram,
    /// ICMP echo requests, and the answers to them (`SOCK_DGRAM` with `IPPROTO_ICMP`).
    Echo,
    /// All packets of a protocol of IP; those of IPv4 with their header (`SOCK_RAW`). A stack need not have any.
    Raw(u8),
}

/// Where, and how, a datagram goes. The default is the peer, and what is set on the socket.
#[derive(Clone, Copy, Debug, Default)]
pub struct SendTo {
    /// Whom to. `None`: the peer. A stream ignores it.
    pub to: Option<SocketAddr>,
    /// From which address of ours (`IP_PKTINFO`); `None`: the socket's, or as the routes say.
    pub from: Option<IpAddr>,
    /// Over which link; 0 lets the routes choose.
    pub link: u32,
    /// The hop limit of this datagram.
    pub hop_limit: Option<u8>,
    /// The traffic class of this datagram.
    pub traffic_class: Option<u8>,
    /// The bytes are many datagrams, of so many bytes each but for the last (`UDP_SEGMENT`); `None` and 0: they are one.
    pub segment_bytes: Option<u16>,
}

/// How to receive.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReceiveHow {
    /// What is received stays in the queue (`MSG_PEEK`).
    pub peek: bool,
}

/// What was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Bytes put into the pieces. 0 from a stream: the peer sends no more.
    pub bytes: usize,
    /// The length of the whole datagram; more than `bytes`: it was cut. As `bytes` for a stream.
    pub full_length: usize,
    /// Who sent it. A stream's peer.
    pub from: SocketAddr,
    /// The address that it was sent to.
    pub to: IpAddr,
    /// The link that it came over.
    pub link: u32,
    /// The hop limit it had left.
    pub hop_limit: u8,
    /// Its traffic class.
    pub traffic_class: u8,
    /// When it came. Of a stream: 0.
    pub at_ns: u64,
}

/// What is known of a message that did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What it means to the sender.
    pub errno: Errno,
    /// ICMP for IPv6 told it, and not that for IPv4.
    pub is_v6: bool,
    /// Type of ICMP's message.
    pub kind: u8,
    /// Code of ICMP's message.
    pub code: u8,
    /// The size that would have fitted, where that was the problem.
    pub info: u32,
    /// Whom the message was for.
    pub destination: SocketAddr,
    /// ICMP's message: who sent it (with port 0), to which address of ours, and as its content what it quotes of the message.
    pub received: Received,
}

/// Which directions to shut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shutdown {
    /// `SHUT_RD`
    Read,
    /// `SHUT_WR`
    Write,
    /// `SHUT_RDWR`
    Both,
}

/// Where a TCP connection is in its life; the numbers are Linux's (`/proc/net/tcp`, `TCP_INFO`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, reason = "the names are those of RFC 9293")]
#[repr(u8)]
pub enum State {
    Established = 1,
    SynSent = 2,
    SynReceived = 3,
    FinWait1 = 4,
    FinWait2 = 5,
    TimeWait = 6,
    Close = 7,
    CloseWait = 8,
    LastAck = 9,
    Listen = 10,
    Closing = 11,
}

/// What is told of one socket (`TCP_INFO`, `/proc/net/tcp`, `FIONREAD`, `SIOCOUTQ`).
#[derive(Clone, Copy, Debug)]
pub struct ConnectionInfo {
    /// Of a datagram socket: established when it has a peer, else close.
    pub state: State,
    /// A stream: bytes that can be received. A listener: connections that can be accepted.
    /// Datagrams: the length of the next one.
    pub receive_queue: usize,
    /// A stream: bytes that the peer has not acknowledged. A listener: its backlog.
    pub send_queue: usize,
    /// The largest segment.
    pub max_segment_bytes: u16,
}

/// A network stack: sockets, and what moves their packets. Nothing here waits: a call that would
/// have to answers `EAGAIN` (`EINPROGRESS` for a connect), and [`Stack::take_changed`] names the
/// socket when it is worth another try.
///
/// Errnos are those that Linux gives. Every call on a socket answers `EBADF` for a name that is
/// not, or no longer, a socket's.
///
/// Addresses: a V4 socket takes and gives IPv4 addresses only. A V6 socket takes and gives IPv6
/// addresses only; IPv4 is written as `::ffff:a.b.c.d`. An address of the other family is
/// `EAFNOSUPPORT`.
pub trait Stack {
    /// Tells the time: nanoseconds from any fixed point, never going back. Before other calls,
    /// so that what they send and arm is on time.
    fn set_time(&mut self, now_ns: u64);

    /// Moves frames and runs what is due. Answers when it has to be called again at the latest
    /// (`u64::MAX`: when a link has a frame).
    fn poll(&mut self, now_ns: u64) -> u64;

    /// When [`Stack::poll`] has to be called at the latest. Any call may bring it nearer.
    fn deadline(&self) -> u64;

    /// The next socket whose readiness may have changed. Each is named once, however much changed.
    fn take_changed(&mut self) -> Option<SocketId>;

    /// Makes a socket.
    ///
    /// # Errors
    /// `ENOBUFS` there are too many · `EPROTONOSUPPORT` it has none of this kind.
    fn socket(&mut self, family: Family, kind: Kind) -> Result<SocketId, Errno>;

    /// Gives a socket its local address. Port 0: a free one.
    ///
    /// # Errors
    /// `EINVAL` it has one · `EADDRINUSE` · `EADDRNOTAVAIL` no such address here ·
    /// `EAFNOSUPPORT`.
    fn bind(&mut self, id: SocketId, local: SocketAddr) -> Result<(), Errno>;

    /// Begins to take connections, or changes the backlog. Without an address it gets a free port.
    ///
    /// # Errors
    /// `EOPNOTSUPP` not a stream · `EINVAL` connected · `EADDRINUSE`.
    fn listen(&mut self, id: SocketId, backlog: usize) -> Result<(), Errno>;

    /// The oldest connection that waits at a listener, and its peer.
    ///
    /// # Errors
    /// `EAGAIN` none · `EINVAL` not listening · `EOPNOTSUPP` not a stream.
    fn accept(&mut self, id: SocketId) -> Result<(SocketId, SocketAddr), Errno>;

    /// Puts back a connection that [`Stack::accept`] gave, as there is no descriptor for it: it is the
    /// oldest again, whether or not there would be room for one more. If the listener has gone, it is closed.
    fn put_back(&mut self, listener: SocketId, connection: SocketId);

    /// A stream: begins to connect. Datagrams: sets the peer.
    ///
    /// # Errors
    /// `EINPROGRESS` begun: readiness tells the end, [`Stack::take_error`] how it ended ·
    /// `EALREADY` not yet ended · `EISCONN` · `ENETUNREACH` no route · `EADDRNOTAVAIL` no port is
    /// free · `EACCES` a broadcast address, and it is not allowed · `ECONNREFUSED`, `ETIMEDOUT`, …
    /// the attempt failed, and this is the first call since · `ECONNABORTED` it failed, and
    /// that was told.
    fn connect(&mut self, id: SocketId, peer: SocketAddr) -> Result<(), Errno>;

    /// Forgets the peer (`connect` with `AF_UNSPEC`). A stream is reset.
    fn disconnect(&mut self, id: SocketId) -> Result<(), Errno>;

    /// Takes bytes of a stream, as many as there is room for, or one datagram. `more`: more will
    /// follow at once, so a small segment may wait (`MSG_MORE`).
    ///
    /// # Errors
    /// `EAGAIN` no room · `EPIPE` this direction is shut (the signal is the caller's) · `ENOTCONN`
    /// · `EDESTADDRREQ` no peer and no `to` · `EMSGSIZE` · `EACCES` a broadcast address, and it is
    /// not allowed · `ENETUNREACH` · `EINVAL` · an error that came in before (then it is
    /// taken).
    fn send(
        &mut self,
        id: SocketId,
        pieces: &[&[u8]],
        to: &SendTo,
        more: bool,
    ) -> Result<usize, Errno>;

    /// Gives bytes of a stream, or one datagram.
    ///
    /// # Errors
    /// `EAGAIN` nothing is there · `ENOTCONN` · an error that came in before (then it is taken).
    fn receive(
        &mut self,
        id: SocketId,
        pieces: &mut [&mut [u8]],
        how: ReceiveHow,
    ) -> Result<Received, Errno>;

    /// Tells of a message that did not arrive, after [`Setting::TellFailures`]. Each is told once; a stack need not keep any.
    ///
    /// # Errors
    /// `EAGAIN` there is none.
    fn receive_failure(
        &mut self,
        id: SocketId,
        pieces: &mut [&mut [u8]],
    ) -> Result<Failure, Errno> {
        let _ = (id, pieces);
        Err(Errno::EAGAIN)
    }

    /// Shuts one direction, or both.
    ///
    /// # Errors
    /// `ENOTCONN`.
    fn shutdown(&mut self, id: SocketId, how: Shutdown) -> Result<(), Errno>;

    /// The descriptor is gone. A stream goes on until its bytes and its end are with the peer,
    /// unless bytes were left unread, or [`Setting::Linger`] is 0: then it is reset. The name is no
    /// longer valid. (A close that lingers is the caller's: shut, wait until the send queue is
    /// empty, close.)
    fn close(&mut self, id: SocketId);

    /// The local address; unspecified with port 0 before it has one.
    fn local(&self, id: SocketId) -> Result<SocketAddr, Errno>;

    /// The peer.
    ///
    /// # Errors
    /// `ENOTCONN`.
    fn peer(&self, id: SocketId) -> Result<SocketAddr, Errno>;

    /// Sets an option.
    ///
    /// # Errors
    /// `EINVAL` a value out of range · `ENOPROTOOPT` not for this kind · `EADDRINUSE` a group that
    /// was joined · `EADDRNOTAVAIL` one that was not · `ENODEV` no such link.
    fn set(&mut self, id: SocketId, setting: Setting) -> Result<(), Errno>;

    /// All that is set.
    fn options(&self, id: SocketId) -> Result<Options, Errno>;

    /// `POLL*` bits, as Linux computes them. A name that is no socket's: `POLLNVAL`.
    fn readiness(&self, id: SocketId) -> u16;

    /// The error that waits (`SO_ERROR`); it is told once.
    fn take_error(&mut self, id: SocketId) -> Result<Option<Errno>, Errno>;

    /// Numbers of one socket.
    fn info(&self, id: SocketId) -> Result<ConnectionInfo, Errno>;

    /// Tells all sockets, for `/proc/net/tcp` and its like: there may be more than there is memory for a list.
    /// A connection in TIME_WAIT has none.
    fn each_socket(&self, tell: &mut dyn FnMut(SocketId, Family, Kind));

    /// What is left to do of connections that were closed: bytes, and ends, that their peers have not
    /// acknowledged.
    fn unfinished(&self) -> usize;

    /// Whether a stream that was closed has still to bring its bytes, or its end, to its peer.
    fn is_unfinished(&self, id: SocketId) -> bool;

    /// The links, in the order of their numbers.
    fn links(&self) -> Vec<LinkInfo>;

    /// Sets what a link finds out for itself.
    ///
    /// # Errors
    /// `ENODEV`.
    fn set_automatic(&mut self, link: u32, automatic: Automatic) -> Result<(), Errno>;

    /// The addresses of all links.
    fn addresses(&self) -> Vec<Address>;

    /// Gives a link an address, and the route to its network.
    ///
    /// # Errors
    /// `ENODEV` · `EEXIST` · `EINVAL` not an address of a host, or a prefix that is too long.
    fn add_address(&mut self, address: Address) -> Result<(), Errno>;

    /// Takes an address away. Its connections end.
    ///
    /// # Errors
    /// `EADDRNOTAVAIL`.
    fn remove_address(&mut self, link: u32, address: IpAddr) -> Result<(), Errno>;

    /// The routes, in no order. Those of the addresses are among them.
    fn routes(&self) -> Vec<Route>;

    /// Adds a route.
    ///
    /// # Errors
    /// `ENODEV` · `EEXIST` · `EINVAL` · `ENETUNREACH` its gateway is on no link.
    fn add_route(&mut self, route: Route) -> Result<(), Errno>;

    /// Removes a route.
    ///
    /// # Errors
    /// `ESRCH`.
    fn remove_route(&mut self, route: Route) -> Result<(), Errno>;

    /// The neighbours whose hardware address is known.
    fn neighbours(&self) -> Vec<Neighbour>;

    /// Name servers that were learnt, in the order of preference.
    fn name_servers(&self) -> Vec<IpAddr>;
}

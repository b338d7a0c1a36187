//! getsockopt, setsockopt.

use alloc::vec::Vec;

use muslin_abi::flags::*;
use muslin_abi::layout::{Linger, Pod, Timeval, Ucred};
use muslin_abi::time::{limit_ns, timeval_of_limit};
use muslin_abi::{Errno, SyscallArgs, SyscallResult, Sysno};

use super::address::bytes_of;
use super::endpoint::{Endpoint, Kind, Phase};
use super::socket::end_of;
use crate::context::Context;
use crate::gap::gap;
use crate::user_mem::{self, UserBufMut};

/// One more than the greatest option that Linux knows.
const OPTIONS: i32 = 85;
/// What may be on its way at first.
const BUFFER_BYTES: usize = 212_992;
/// The most that a program may ask for; it gets twice as much.
const BUFFER_BYTES_MAX: u32 = 4 << 20;
/// The least that it gets.
const SEND_BYTES_MIN: usize = 4608;
const RECEIVE_BYTES_MIN: usize = 2304;

/// Switches that are kept and given back: none of them changes anything within one machine.
const SWITCHES: &[i32] = &[
    SO_DEBUG,
    SO_REUSEADDR,
    SO_DONTROUTE,
    SO_BROADCAST,
    SO_KEEPALIVE,
    SO_OOBINLINE,
    SO_NO_CHECK,
    SO_PASSSEC,
    SO_RXQ_OVFL,
];
/// Numbers that are kept likewise.
const NUMBERS: &[i32] = &[SO_PRIORITY, SO_MARK];

/// Whom nobody was connected with.
const NOBODY: Ucred = Ucred {
    pid: 0,
    uid: u32::MAX,
    gid: u32::MAX,
};

/// What a program has set.
pub struct Options {
    /// `SO_SNDBUF`: what may be on its way, as Linux counts.
    pub send_bytes: usize,
    receive_bytes: usize,
    /// `SO_RCVLOWAT`: what a read of a stream waits for.
    pub receive_least_bytes: usize,
    /// `SO_RCVTIMEO`; none is for ever.
    pub receive_timeout_ns: Option<u64>,
    /// `SO_SNDTIMEO`.
    pub send_timeout_ns: Option<u64>,
    /// `SO_PASSCRED`: messages say who sent them.
    pub passes_credentials: bool,
    /// `SO_PEEK_OFF`: where a look at what has come begins. Below 0: always at the front.
    peek_offset: i32,
    linger: Linger,
    /// Those that are only kept, by their numbers.
    kept: Vec<(i32, i32)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            send_bytes: BUFFER_BYTES,
            receive_bytes: BUFFER_BYTES,
            receive_least_bytes: 1,
            receive_timeout_ns: None,
            send_timeout_ns: None,
            passes_credentials: false,
            peek_offset: -1,
            linger: Linger::default(),
            kept: Vec::new(),
        }
    }
}

impl Options {
    /// Those of a new connection of this listener.
    pub fn inherited(&self) -> Self {
        Self {
            passes_credentials: self.passes_credentials,
            ..Self::default()
        }
    }

    /// Where a look begins.
    pub fn peek_offset(&self) -> usize {
        self.peek_offset.max(0) as usize
    }

    /// So many bytes have been looked at: the next look goes on behind them.
    pub fn looked_at(&mut self, count: usize) {
        if self.peek_offset >= 0 {
            self.peek_offset = self.peek_offset.saturating_add_unsigned(count as u32);
        }
    }

    /// So many bytes are gone from the front.
    pub fn received(&mut self, count: usize) {
        if self.peek_offset >= 0 {
            self.peek_offset = self
                .peek_offset
                .saturating_sub_unsigned(count as u32)
                .max(0);
        }
    }

    fn keep(&mut self, option: i32, value: i32) {
        self.kept.retain(|&(kept, _)| kept != option);
        self.kept.push((option, value));
    }

    fn kept(&self, option: i32) -> i32 {
        let kept = self.kept.iter().find(|&&(kept, _)| kept == option);
        kept.map_or(0, |&(_, value)| value)
    }
}

/// `setsockopt(sockfd, level, optname, optval, optlen)` — sets an option.
///
/// # Errors
/// `EBADF` · `ENOTSOCK` · `EOPNOTSUPP` another level than `SOL_SOCKET` · `ENOPROTOOPT` no such option ·
/// `EINVAL` too short · `EDOM` a wrong time · `EFAULT`.
/// # Differs from Linux
/// Nothing filters or stamps messages: options for that are `ENOPROTOOPT`.
/// # Source
/// setsockopt(2), socket(7), unix(7)
pub fn sys_setsockopt(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let file = context.process.files.file(args.fd(0))?;
    let end = end_of(&file)?;
    let (level, option) = (args.int(1), args.int(2));
    let len = usize::try_from(args.int(4)).map_err(|_| Errno::EINVAL)?;
    if level != SOL_SOCKET {
        return Err(Errno::EOPNOTSUPP);
    }
    if len < i32::BYTES {
        return Err(Errno::EINVAL);
    }
    let number: i32 = user_mem::read(context, args.addr(3))?;
    match option {
        SO_RCVTIMEO | SO_SNDTIMEO | SO_RCVTIMEO_NEW | SO_SNDTIMEO_NEW => {
            let timeout_ns = timeout_ns(context, args.addr(3), len)?;
            let mut state = end.state();
            match option {
                SO_RCVTIMEO | SO_RCVTIMEO_NEW => state.options.receive_timeout_ns = timeout_ns,
                _ => state.options.send_timeout_ns = timeout_ns,
            }
        }
        SO_LINGER => {
            if len < Linger::BYTES {
                return Err(Errno::EINVAL);
            }
            let linger = user_mem::read(context, args.addr(3))?;
            end.state().options.linger = linger;
        }
        SO_PASSCRED => end.state().options.passes_credentials = number != 0,
        SO_PEEK_OFF => end.state().options.peek_offset = number,
        SO_SNDBUF | SO_SNDBUFFORCE => {
            end.state().options.send_bytes = doubled(number).max(SEND_BYTES_MIN);
            end.queue.wake(crate::files::Readiness::WRITABLE);
        }
        SO_RCVBUF | SO_RCVBUFFORCE => {
            end.state().options.receive_bytes = doubled(number).max(RECEIVE_BYTES_MIN);
        }
        SO_RCVLOWAT => {
            let least = if number < 0 { i32::MAX } else { number.max(1) };
            end.state().options.receive_least_bytes = least as usize;
        }
        SO_REUSEPORT => {
            return if number == 0 {
                Ok(0)
            } else {
                Err(Errno::EOPNOTSUPP)
            };
        }
        _ if SWITCHES.contains(&option) => {
            end.state().options.keep(option, i32::from(number != 0));
        }
        _ if NUMBERS.contains(&option) => end.state().options.keep(option, number),
        _ => return Err(unknown(context, option, Sysno::setsockopt)),
    }
    Ok(0)
}

/// `getsockopt(sockfd, level, optname, optval, optlen)` — what an option is.
///
/// # Errors
/// As [`sys_setsockopt`].
/// # Differs from Linux
/// As [`sys_setsockopt`].
/// # Source
/// getsockopt(2), socket(7), unix(7)
pub fn sys_getsockopt(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let file = context.process.files.file(args.fd(0))?;
    let end = end_of(&file)?;
    let (level, option) = (args.int(1), args.int(2));
    if level != SOL_SOCKET {
        return Err(Errno::EOPNOTSUPP);
    }
    let room: i32 = user_mem::read(context, args.addr(4))?;
    let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
    let value = value_of(context, end, option)?;
    let len = value.len().min(room);
    UserBufMut::new(context, args.addr(3), len)?.copy_in(0, &value[..len]);
    user_mem::write(context, args.addr(4), &(len as i32))?;
    Ok(0)
}

/// The bytes of an option's value.
fn value_of(context: &Context<'_>, end: &Endpoint, option: i32) -> Result<Vec<u8>, Errno> {
    if option == SO_PEERNAME {
        let peer = end.peer().ok_or(Errno::ENOTCONN)?;
        return Ok(bytes_of(peer.name().as_deref()));
    }
    let mut state = end.state();
    let number = match option {
        SO_TYPE => match end.kind {
            Kind::Stream => SOCK_STREAM as i32,
            Kind::Datagram => SOCK_DGRAM as i32,
            Kind::Packets => SOCK_SEQPACKET as i32,
        },
        SO_DOMAIN => i32::from(AF_UNIX),
        SO_PROTOCOL | SO_REUSEPORT => 0,
        SO_ERROR => state.take_error().map_or_else(|errno| errno.raw(), |()| 0),
        SO_ACCEPTCONN => i32::from(state.phase == Phase::Listening),
        SO_SNDBUF => state.options.send_bytes as i32,
        SO_RCVBUF => state.options.receive_bytes as i32,
        SO_PASSCRED => i32::from(state.options.passes_credentials),
        SO_RCVLOWAT => state.options.receive_least_bytes as i32,
        SO_PEEK_OFF => state.options.peek_offset,
        SO_SNDLOWAT => 1,
        SO_PEERCRED => return Ok(bytes_of_value(&state.peer_credentials.unwrap_or(NOBODY))),
        SO_LINGER => return Ok(bytes_of_value(&state.options.linger)),
        SO_RCVTIMEO | SO_RCVTIMEO_NEW => return Ok(timeval(state.options.receive_timeout_ns)),
        SO_SNDTIMEO | SO_SNDTIMEO_NEW => return Ok(timeval(state.options.send_timeout_ns)),
        SO_COOKIE => {
            let cookie = core::ptr::from_ref(end).addr() as u64;
            return Ok(bytes_of_value(&cookie));
        }
        _ if SWITCHES.contains(&option) || NUMBERS.contains(&option) => state.options.kept(option),
        _ => {
            drop(state);
            return Err(unknown(context, option, Sysno::getsockopt));
        }
    };
    Ok(bytes_of_value(&number))
}

/// An option that is not there: Linux has some of them.
fn unknown(context: &Context<'_>, option: i32, call: Sysno) -> Errno {
    match option {
        SO_TIMESTAMP | SO_TIMESTAMPNS | SO_TIMESTAMPING => {
            gap!(context, call, "times of messages", ENOPROTOOPT)
        }
        // Those that Linux can only read, or only set, are here with those that it does not know.
        SO_TYPE..=SO_ERROR | SO_PEERCRED | SO_SNDLOWAT | SO_PEERNAME => Errno::ENOPROTOOPT,
        SO_ACCEPTCONN..=SO_RCVBUFFORCE | SO_PROTOCOL | SO_DOMAIN => Errno::ENOPROTOOPT,
        1..OPTIONS => gap!(context, call, "an option of sockets", ENOPROTOOPT),
        _ => Errno::ENOPROTOOPT,
    }
}

fn bytes_of_value<T: Pod>(value: &T) -> Vec<u8> {
    let mut bytes = alloc::vec![0; T::BYTES];
    value.to_bytes(&mut bytes);
    bytes
}

/// A buffer's size as Linux keeps it: it counts its own structures in.
fn doubled(asked: i32) -> usize {
    (asked as u32).min(BUFFER_BYTES_MAX) as usize * 2
}

/// A time of the program: 0 is for ever, a negative one no wait at all.
fn timeout_ns(context: &Context<'_>, address: usize, len: usize) -> Result<Option<u64>, Errno> {
    if len < Timeval::BYTES {
        return Err(Errno::EINVAL);
    }
    limit_ns(&user_mem::read(context, address)?)
}

fn timeval(timeout_ns: Option<u64>) -> Vec<u8> {
    bytes_of_value(&timeval_of_limit(timeout_ns))
}

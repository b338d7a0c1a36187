//! sendto, sendmsg, sendmmsg.

use alloc::vec::Vec;

use muslin_abi::layout::{Mmsghdr, Msghdr, Pod};
use muslin_abi::{Errno, SyscallArgs, SyscallResult, Sysno};

use super::pieces::Pieces;
use super::send::{Sending, has_peer_for_packets};
use super::socket::end_of;
use super::wait::Patience;
use super::{address, control};
use crate::context::Context;
use crate::files::file::File;
use crate::user_mem::{self, IOV_MAX, RW_BYTES_MAX};

/// The longest address that is looked at.
const ADDRESS_BYTES_MAX: i32 = 128;
/// Messages that one call sends or receives.
pub const MESSAGES_MAX: usize = 1024;

/// `sendto(sockfd, buf, len, flags, dest_addr, addrlen)` — sends a message.
///
/// Returns bytes sent. May wait: for room.
///
/// # Errors
/// `EBADF` · `ENOTSOCK` · `ENOTCONN` no peer and no address · `EISCONN` `EOPNOTSUPP` an address for a
/// stream · `EPIPE` (of a stream with `SIGPIPE`, unless `MSG_NOSIGNAL`) nobody will receive ·
/// `ECONNREFUSED` the receiver is gone · `ECONNRESET` the peer was closed with bytes unread · `EAGAIN`
/// no room, and `O_NONBLOCK`, `MSG_DONTWAIT` or `SO_SNDTIMEO` · `EMSGSIZE` too long for a message ·
/// `EPERM` the receiver has another peer · `ENOBUFS` · `EFAULT`.
/// # Differs from Linux
/// `MSG_OOB` is `EOPNOTSUPP`.
/// # Source
/// send(2), unix(7)
pub fn sys_sendto(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let file = context.process.files.file(args.fd(0))?;
    let end = end_of(&file)?;
    let to = match args.addr(4) {
        0 => None,
        place => Some(address::read(context, place, args.int(5))?),
    };
    let flags = args.int(3) as u32;
    let sending = Sending {
        end,
        source: &Pieces(&[(args.addr(1), args.size(2).min(RW_BYTES_MAX))]),
        to: to.filter(|bytes| !bytes.is_empty()),
        files: Vec::new(),
        credentials: None,
        flags,
        patience: Patience::to_send(context, &file, end, flags),
        call: Sysno::sendto,
    };
    sending.send(context)
}

/// `sendmsg(sockfd, msg, flags)` — sends a message of pieces, with open files and credentials.
///
/// # Errors
/// `EMSGSIZE` more than 1024 pieces · as [`control::read`] and [`sys_sendto`].
/// # Source
/// sendmsg(2), unix(7)
pub fn sys_sendmsg(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let file = context.process.files.file(args.fd(0))?;
    end_of(&file)?;
    let header = user_mem::read(context, args.addr(1))?;
    send(context, &file, &header, args.int(2) as u32, Sysno::sendmsg)
}

/// `sendmmsg(sockfd, msgvec, vlen, flags)` — sends messages one after another.
///
/// Returns how many were sent: an error is told only if it is the first's.
///
/// # Errors
/// As [`sys_sendmsg`].
/// # Source
/// sendmmsg(2)
pub fn sys_sendmmsg(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let file = context.process.files.file(args.fd(0))?;
    end_of(&file)?;
    let count = (args.int(2) as u32 as usize).min(MESSAGES_MAX);
    let mut done = 0;
    while done < count {
        let place = args.addr(1).wrapping_add(done * Mmsghdr::BYTES);
        let sent = user_mem::read::<Msghdr>(context, place)
            .and_then(|header| {
                let flags = args.int(3) as u32;
                send(context, &file, &header, flags, Sysno::sendmmsg)
            })
            .and_then(|len| {
                user_mem::write(context, place.wrapping_add(Msghdr::BYTES), &(len as u32))
            });
        match sent {
            Ok(()) => done += 1,
            Err(_) if done > 0 => break,
            Err(errno) => return Err(errno),
        }
    }
    Ok(done)
}

fn send(
    context: &Context<'_>,
    file: &File,
    header: &Msghdr,
    flags: u32,
    call: Sysno,
) -> SyscallResult {
    let end = end_of(file)?;
    let pieces = pieces_of(context, header)?;
    let len = name_len(header)?;
    let to = match header.msg_name {
        0 => Vec::new(),
        place => address::read(context, place, len)?,
    };
    has_peer_for_packets(end)?;
    let control = control::read(context, header.msg_control, header.msg_controllen)?;
    let sending = Sending {
        end,
        source: &Pieces(&pieces),
        to: (!to.is_empty()).then_some(to),
        files: control.files,
        credentials: control.credentials,
        flags,
        patience: Patience::to_send(context, file, end, flags),
        call,
    };
    sending.send(context)
}

/// The pieces of a message.
///
/// # Errors
/// `EMSGSIZE` too many · `EINVAL` a negative length · `EFAULT`.
pub fn pieces_of(context: &Context<'_>, header: &Msghdr) -> Result<Vec<(usize, usize)>, Errno> {
    if header.msg_iovlen > IOV_MAX {
        return Err(Errno::EMSGSIZE);
    }
    user_mem::iovecs(context, header.msg_iov, header.msg_iovlen)
}

/// How long the address of a message is.
///
/// # Errors
/// `EINVAL` negative.
pub fn name_len(header: &Msghdr) -> Result<i32, Errno> {
    if header.msg_name != 0 && header.msg_namelen < 0 {
        return Err(Errno::EINVAL);
    }
    Ok(header.msg_namelen.min(ADDRESS_BYTES_MAX))
}

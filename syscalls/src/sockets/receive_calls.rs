//! recvfrom, recvmsg, recvmmsg.

use core::mem::offset_of;

use muslin_abi::flags::*;
use muslin_abi::layout::{Mmsghdr, Msghdr, Pod};
use muslin_abi::{Errno, SyscallArgs, SyscallResult, Sysno};

use super::pieces::Pieces;
use super::receive::Receiving;
use super::send_calls::{MESSAGES_MAX, name_len, pieces_of};
use super::socket::end_of;
use super::wait::Patience;
use super::{address, control};
use crate::context::Context;
use crate::files::file::File;
use crate::time::{duration_ns, timespec_of_duration};
use crate::user_mem::{self, RW_BYTES_MAX};

/// `recvfrom(sockfd, buf, len, flags, src_addr, addrlen)` — receives a message, or what has come of a
/// stream.
///
/// Returns bytes received; with `MSG_TRUNC` the length of the whole message; 0 is the end. May wait.
///
/// # Errors
/// `EBADF` · `ENOTSOCK` · `EINVAL` `ENOTCONN` it has no peer and needs one · `EAGAIN` nothing there, and
/// `O_NONBLOCK`, `MSG_DONTWAIT` or `SO_RCVTIMEO` · `ECONNRESET` the peer was closed with bytes unread ·
/// `EFAULT`.
/// # Differs from Linux
/// `MSG_OOB` is `EOPNOTSUPP`.
/// # Source
/// recv(2), unix(7)
pub fn sys_recvfrom(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let file = context.process.files.file(args.fd(0))?;
    let end = end_of(&file)?;
    let flags = args.int(3) as u32;
    let receiving = Receiving {
        end,
        target: &mut Pieces(&[(args.addr(1), args.size(2).min(RW_BYTES_MAX))]),
        flags,
        patience: Patience::to_receive(context, &file, end, flags),
        call: Sysno::recvfrom,
    };
    let (len, received) = receiving.receive(context)?;
    if args.addr(4) != 0 {
        let from = received.from.unwrap_or_default();
        address::write(context, &from, args.addr(4), args.addr(5))?;
    }
    Ok(len)
}

/// `recvmsg(sockfd, msg, flags)` — receives into pieces, with open files and credentials.
///
/// # Errors
/// `EMSGSIZE` more than 1024 pieces · as [`sys_recvfrom`].
/// # Source
/// recvmsg(2), unix(7)
pub fn sys_recvmsg(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let file = context.process.files.file(args.fd(0))?;
    end_of(&file)?;
    receive(
        context,
        &file,
        args.addr(1),
        args.int(2) as u32,
        Sysno::recvmsg,
    )
}

/// `recvmmsg(sockfd, msgvec, vlen, flags, timeout)` — receives messages one after another.
///
/// - `flags`: with `MSG_WAITFORONE` only the first is waited for.   - `timeout`: looked at after each
///   message; the time left is written back.
///
/// Returns how many were received: an error is told only if it is the first's.
///
/// # Errors
/// `EINVAL` a wrong time · as [`sys_recvmsg`].
/// # Source
/// recvmmsg(2)
pub fn sys_recvmmsg(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let file = context.process.files.file(args.fd(0))?;
    end_of(&file)?;
    let clock = context.platform.clock();
    let deadline_ns = match args.addr(4) {
        0 => None,
        place => {
            let ns = duration_ns(&user_mem::read(context, place)?)?;
            Some(clock.monotonic_ns().saturating_add(ns))
        }
    };
    let count = (args.int(2) as u32 as usize).min(MESSAGES_MAX);
    let mut flags = args.int(3) as u32;
    let mut done = 0;
    while done < count {
        let place = args.addr(1).wrapping_add(done * Mmsghdr::BYTES);
        let received = receive(
            context,
            &file,
            place,
            flags & !MSG_WAITFORONE,
            Sysno::recvmmsg,
        )
        .and_then(|len| {
            let len_place = place.wrapping_add(offset_of!(Mmsghdr, msg_len));
            user_mem::write(context, len_place, &(len as u32))
        });
        match received {
            Ok(()) => done += 1,
            Err(_) if done > 0 => break,
            Err(errno) => return Err(errno),
        }
        if flags & MSG_WAITFORONE != 0 {
            flags |= MSG_DONTWAIT;
        }
        if let Some(deadline_ns) = deadline_ns {
            let left_ns = deadline_ns.saturating_sub(clock.monotonic_ns());
            user_mem::write(context, args.addr(4), &timespec_of_duration(left_ns))?;
            if left_ns == 0 {
                break;
            }
        }
    }
    Ok(done)
}

fn receive(
    context: &Context<'_>,
    file: &File,
    place: usize,
    flags: u32,
    call: Sysno,
) -> Result<usize, Errno> {
    let end = end_of(file)?;
    let header: Msghdr = user_mem::read(context, place)?;
    name_len(&header)?;
    let pieces = pieces_of(context, &header)?;
    let receiving = Receiving {
        end,
        target: &mut Pieces(&pieces),
        flags,
        patience: Patience::to_receive(context, file, end, flags),
        call,
    };
    let (len, mut received) = receiving.receive(context)?;
    let mut told = received.flags | flags & MSG_CMSG_CLOEXEC;
    if header.msg_name != 0 {
        let from = received.from.take().unwrap_or_default();
        let len_place = place.wrapping_add(offset_of!(Msghdr, msg_namelen));
        address::write(context, &from, header.msg_name, len_place)?;
    }
    let room = (header.msg_control, header.msg_controllen);
    let (used, flags) = control::write(context, received, room, flags & MSG_CMSG_CLOEXEC != 0);
    told |= flags;
    let put = |field: usize| place.wrapping_add(field);
    user_mem::write(context, put(offset_of!(Msghdr, msg_flags)), &told)?;
    user_mem::write(context, put(offset_of!(Msghdr, msg_controllen)), &used)?;
    Ok(len)
}

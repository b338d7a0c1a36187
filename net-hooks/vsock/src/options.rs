//! setsockopt, getsockopt.

use alloc::vec::Vec;

use muslin::{Context, Errno, SyscallArgs, SyscallResult, user};
use muslin_abi::flags::*;
use muslin_abi::layout::{Pod, Timeval};
use muslin_abi::time::{limit_ns, timeval_of_limit};

use crate::address::AF_VSOCK;
use crate::entry::{Entry, Role};
use crate::socket;
use crate::sockets;

/// The level of the family's own options, and these: how many bytes a connection holds each way, at least
/// and at most; how long connecting takes at most.
const LEVEL: i32 = AF_VSOCK as i32;
const BUFFER_SIZE: i32 = 0;
const BUFFER_MIN: i32 = 1;
const BUFFER_MAX: i32 = 2;
const CONNECT_TIMEOUT: i32 = 6;
const CONNECT_TIMEOUT_NEW: i32 = 8;
/// More bytes than these options have are not looked at.
const VALUE_BYTES_MAX: usize = 16;

/// `setsockopt(sockfd, level, optname, optval, optlen)`
///
/// # Errors
/// `EBADF` `ENOTSOCK` · `ENOPROTOOPT` no such option · `EINVAL` too short · `EDOM` a wrong time · `EFAULT`.
/// # Differs from Linux
/// A listener's `SO_VM_SOCKETS_BUFFER_SIZE` counts for both ends of its connections, if it is set before
/// `listen`.
pub fn setsockopt(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(socket) = socket::of(args.fd(0)) else {
        return context.next(args);
    };
    let (level, option) = (args.int(1), args.int(2));
    let len = usize::try_from(args.int(4)).map_err(|_| Errno::EINVAL)?;
    let mut value = [0; VALUE_BYTES_MAX];
    let value = &mut value[..len.min(VALUE_BYTES_MAX)];
    user::read_bytes(args.addr(3), value)?;
    sockets::with_one(socket.id, |entry, _| set(entry, level, option, value))?;
    Ok(0)
}

/// `getsockopt(sockfd, level, optname, optval, optlen)`
///
/// # Errors
/// `EBADF` `ENOTSOCK` · `ENOPROTOOPT` no such option · `EINVAL` negative room · `EFAULT`.
pub fn getsockopt(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let Some(socket) = socket::of(args.fd(0)) else {
        return context.next(args);
    };
    let (level, option) = (args.int(1), args.int(2));
    let room: i32 = user::read(args.addr(4))?;
    let room = usize::try_from(room).map_err(|_| Errno::EINVAL)?;
    let value = sockets::with_one(socket.id, |entry, _| value_of(entry, level, option))?;
    let len = value.len().min(room);
    user::write_bytes(args.addr(3), value.get(..len).unwrap_or_default())?;
    user::write(args.addr(4), &(len as i32))?;
    Ok(0)
}

fn taken<T: Pod>(value: &[u8]) -> Result<T, Errno> {
    let bytes = value.get(..T::BYTES).ok_or(Errno::EINVAL)?;
    Ok(T::from_bytes(bytes))
}

fn set(entry: &mut Entry, level: i32, option: i32, value: &[u8]) -> Result<(), Errno> {
    let settings = &mut entry.settings;
    let [size, min, max] = &mut settings.buffer_bytes;
    match (level, option) {
        (SOL_SOCKET, SO_RCVTIMEO | SO_RCVTIMEO_NEW) => {
            settings.receive_timeout_ns = limit_ns(&taken::<Timeval>(value)?)?;
        }
        (SOL_SOCKET, SO_SNDTIMEO | SO_SNDTIMEO_NEW) => {
            settings.send_timeout_ns = limit_ns(&taken::<Timeval>(value)?)?;
        }
        // There is nothing that they would change.
        (SOL_SOCKET, SO_REUSEADDR | SO_KEEPALIVE | SO_SNDBUF | SO_RCVBUF) => {
            taken::<i32>(value)?;
        }
        (LEVEL, BUFFER_SIZE) => *size = taken::<u64>(value)?.clamp(*min, *max),
        (LEVEL, BUFFER_MIN) => {
            *min = taken::<u64>(value)?.min(*max);
            *size = (*size).max(*min);
        }
        (LEVEL, BUFFER_MAX) => {
            *max = taken::<u64>(value)?.max(*min);
            *size = (*size).min(*max);
        }
        (LEVEL, CONNECT_TIMEOUT | CONNECT_TIMEOUT_NEW) => {
            let limit = limit_ns(&taken::<Timeval>(value)?)?;
            settings.connect_timeout_ns = limit.unwrap_or(u64::MAX);
        }
        _ => return Err(Errno::ENOPROTOOPT),
    }
    Ok(())
}

fn bytes_of<T: Pod>(value: T) -> Vec<u8> {
    let mut bytes = alloc::vec![0; T::BYTES];
    value.to_bytes(&mut bytes);
    bytes
}

fn value_of(entry: &mut Entry, level: i32, option: i32) -> Result<Vec<u8>, Errno> {
    let settings = &entry.settings;
    let [size, min, max] = settings.buffer_bytes;
    let number = match (level, option) {
        (SOL_SOCKET, SO_TYPE) => SOCK_STREAM as i32,
        (SOL_SOCKET, SO_DOMAIN) => LEVEL,
        (SOL_SOCKET, SO_PROTOCOL | SO_REUSEADDR | SO_KEEPALIVE) => 0,
        (SOL_SOCKET, SO_ACCEPTCONN) => i32::from(matches!(entry.role, Role::Listening { .. })),
        (SOL_SOCKET, SO_ERROR) => entry.take_error().err().map_or(0, Errno::raw),
        (SOL_SOCKET, SO_SNDBUF | SO_RCVBUF) => size as i32,
        (SOL_SOCKET, SO_RCVTIMEO | SO_RCVTIMEO_NEW) => {
            return Ok(bytes_of(timeval_of_limit(settings.receive_timeout_ns)));
        }
        (SOL_SOCKET, SO_SNDTIMEO | SO_SNDTIMEO_NEW) => {
            return Ok(bytes_of(timeval_of_limit(settings.send_timeout_ns)));
        }
        (LEVEL, BUFFER_SIZE) => return Ok(bytes_of(size)),
        (LEVEL, BUFFER_MIN) => return Ok(bytes_of(min)),
        (LEVEL, BUFFER_MAX) => return Ok(bytes_of(max)),
        (LEVEL, CONNECT_TIMEOUT | CONNECT_TIMEOUT_NEW) => {
            return Ok(bytes_of(timeval_of_limit(Some(
                settings.connect_timeout_ns,
            ))));
        }
        _ => return Err(Errno::ENOPROTOOPT),
    };
    Ok(bytes_of(number))
}

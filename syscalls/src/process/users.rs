//! Users and groups: numbers that are kept, while files are open to every user.

use alloc::vec::Vec;

use muslin_abi::{Errno, SyscallArgs, SyscallResult};

use crate::context::Context;
use crate::user_mem::{self, UserBuf};

/// `getuid()` — the real user.
///
/// # Errors
/// None.
pub fn sys_getuid(context: &Context<'_>, _args: &SyscallArgs) -> SyscallResult {
    Ok(context.process.identity.state().lock().users[0] as usize)
}

/// `geteuid()` — the effective user.
///
/// # Errors
/// None.
pub fn sys_geteuid(context: &Context<'_>, _args: &SyscallArgs) -> SyscallResult {
    Ok(context.process.identity.state().lock().users[1] as usize)
}

/// `getgid()` — the real group.
///
/// # Errors
/// None.
pub fn sys_getgid(context: &Context<'_>, _args: &SyscallArgs) -> SyscallResult {
    Ok(context.process.identity.state().lock().groups[0] as usize)
}

/// `getegid()` — the effective group.
///
/// # Errors
/// None.
pub fn sys_getegid(context: &Context<'_>, _args: &SyscallArgs) -> SyscallResult {
    Ok(context.process.identity.state().lock().groups[1] as usize)
}

/// `getresuid(ruid, euid, suid)` — the three users.
///
/// # Errors
/// `EFAULT` a bad address.
pub fn sys_getresuid(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let users = context.process.identity.state().lock().users;
    write_three(context, args, users)
}

/// `getresgid(rgid, egid, sgid)` — the three groups.
///
/// # Errors
/// `EFAULT` a bad address.
pub fn sys_getresgid(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let groups = context.process.identity.state().lock().groups;
    write_three(context, args, groups)
}

/// `setuid(uid)` — becomes a user; user 0 changes all three numbers.
///
/// # Errors
/// `EINVAL` -1 · `EPERM` not user 0, and not a number of its own.
/// # Differs from Linux
/// The number is kept; files are open to every user.
pub fn sys_setuid(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let state = &mut *context.process.identity.state().lock();
    let is_root = state.users[1] == 0;
    set_one(&mut state.users, args.int(0) as u32, is_root)
}

/// `setgid(gid)` — becomes a group; user 0 changes all three numbers.
///
/// # Errors
/// `EINVAL` -1 · `EPERM` not user 0, and not a number of its own.
/// # Differs from Linux
/// The number is kept; files are open to every group.
pub fn sys_setgid(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let state = &mut *context.process.identity.state().lock();
    let is_root = state.users[1] == 0;
    set_one(&mut state.groups, args.int(0) as u32, is_root)
}

/// `setresuid(ruid, euid, suid)` — changes the three users; -1 leaves one.
///
/// # Errors
/// `EPERM` not user 0, and not a number of its own.
/// # Differs from Linux
/// The numbers are kept; files are open to every user.
pub fn sys_setresuid(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let state = &mut *context.process.identity.state().lock();
    let is_root = state.users[1] == 0;
    set_three(&mut state.users, args, is_root)
}

/// `setresgid(rgid, egid, sgid)` — changes the three groups; -1 leaves one.
///
/// # Errors
/// `EPERM` not user 0, and not a number of its own.
/// # Differs from Linux
/// The numbers are kept; files are open to every group.
pub fn sys_setresgid(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let state = &mut *context.process.identity.state().lock();
    let is_root = state.users[1] == 0;
    set_three(&mut state.groups, args, is_root)
}

/// `setreuid(ruid, euid)` — changes the real and the effective user; -1 leaves one. The saved user
/// becomes the effective one, unless both stay as they are.
///
/// # Errors
/// `EPERM` not user 0, and not a number of its own.
/// # Differs from Linux
/// The numbers are kept; files are open to every user.
pub fn sys_setreuid(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let state = &mut *context.process.identity.state().lock();
    let is_root = state.users[1] == 0;
    set_two(&mut state.users, args, is_root)
}

/// `setregid(rgid, egid)` — changes the real and the effective group; -1 leaves one. The saved
/// group becomes the effective one, unless both stay as they are.
///
/// # Errors
/// `EPERM` not user 0, and not a number of its own.
/// # Differs from Linux
/// The numbers are kept; files are open to every group.
pub fn sys_setregid(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let state = &mut *context.process.identity.state().lock();
    let is_root = state.users[1] == 0;
    set_two(&mut state.groups, args, is_root)
}

/// `setfsuid(fsuid)` — the user that files are opened as: the effective one.
///
/// # Errors
/// None.
/// # Differs from Linux
/// The number is not kept: files are open to every user.
/// # Source
/// setfsuid(2)
pub fn sys_setfsuid(context: &Context<'_>, _args: &SyscallArgs) -> SyscallResult {
    Ok(context.process.identity.state().lock().users[1] as usize)
}

/// `setfsgid(fsgid)` — the group that files are opened as: the effective one.
///
/// # Errors
/// None.
/// # Differs from Linux
/// As [`sys_setfsuid`].
pub fn sys_setfsgid(context: &Context<'_>, _args: &SyscallArgs) -> SyscallResult {
    Ok(context.process.identity.state().lock().groups[1] as usize)
}

/// `getgroups(size, list)` — the supplementary groups; their number.
///
/// # Errors
/// `EINVAL` negative size, or too small · `EFAULT` bad `list`.
pub fn sys_getgroups(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let groups = context
        .process
        .identity
        .state()
        .lock()
        .supplementary
        .clone();
    let size = usize::try_from(args.int(0)).map_err(|_| Errno::EINVAL)?;
    if size > 0 {
        if groups.len() > size {
            return Err(Errno::EINVAL);
        }
        for (i, group) in groups.iter().enumerate() {
            user_mem::write(context, args.addr(1).wrapping_add(4 * i), group)?;
        }
    }
    Ok(groups.len())
}

/// `setgroups(size, list)` — changes the supplementary groups.
///
/// # Errors
/// `EPERM` not user 0 · `EINVAL` more than 65536 · `EFAULT` bad `list` · `ENOMEM`.
pub fn sys_setgroups(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let size = args.int(0) as u32 as usize;
    if context.process.identity.state().lock().users[1] != 0 {
        return Err(Errno::EPERM);
    }
    if size > 65536 {
        return Err(Errno::EINVAL);
    }
    let bytes = UserBuf::new(context, args.addr(1), size * 4)?.to_vec()?;
    let mut groups = Vec::new();
    groups.try_reserve_exact(size).map_err(|_| Errno::ENOMEM)?;
    groups.extend(
        bytes
            .chunks_exact(4)
            .map(<u32 as muslin_abi::layout::Pod>::from_bytes),
    );
    context.process.identity.state().lock().supplementary = groups;
    Ok(0)
}

fn write_three(context: &Context<'_>, args: &SyscallArgs, numbers: [u32; 3]) -> SyscallResult {
    for (i, number) in numbers.iter().enumerate() {
        user_mem::write(context, args.addr(i), number)?;
    }
    Ok(0)
}

fn set_one(numbers: &mut [u32; 3], number: u32, is_root: bool) -> SyscallResult {
    if number == u32::MAX {
        return Err(Errno::EINVAL);
    }
    if is_root {
        *numbers = [number; 3];
    } else if number == numbers[0] || number == numbers[2] {
        numbers[1] = number;
    } else {
        return Err(Errno::EPERM);
    }
    Ok(0)
}

fn set_two(numbers: &mut [u32; 3], args: &SyscallArgs, is_root: bool) -> SyscallResult {
    let [real, effective] = [0, 1].map(|i| args.int(i) as u32);
    let is_allowed = |number, own: &[u32]| number == u32::MAX || is_root || own.contains(&number);
    if !is_allowed(real, &numbers[..2]) || !is_allowed(effective, &*numbers) {
        return Err(Errno::EPERM);
    }
    let old_real = numbers[0];
    if real != u32::MAX {
        numbers[0] = real;
    }
    if effective != u32::MAX {
        numbers[1] = effective;
    }
    if real != u32::MAX || (effective != u32::MAX && effective != old_real) {
        numbers[2] = numbers[1];
    }
    Ok(0)
}

fn set_three(numbers: &mut [u32; 3], args: &SyscallArgs, is_root: bool) -> SyscallResult {
    let wanted = [0, 1, 2].map(|i| args.int(i) as u32);
    let is_allowed = |number| number == u32::MAX || is_root || numbers.contains(&number);
    if !wanted.into_iter().all(is_allowed) {
        return Err(Errno::EPERM);
    }
    for (number, wanted) in numbers.iter_mut().zip(wanted) {
        if wanted != u32::MAX {
            *number = wanted;
        }
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::World;

    #[test]
    fn users_change_as_on_linux() {
        let world = World::new();
        let room = world.room(12);
        assert_eq!(
            world.call(sys_setresuid, [usize::MAX, 7, usize::MAX]),
            Ok(0)
        );
        assert_eq!(world.call(sys_getuid, []), Ok(0));
        assert_eq!(world.call(sys_geteuid, []), Ok(7));
        assert_eq!(world.call(sys_setuid, [8]), Err(Errno::EPERM));
        assert_eq!(world.call(sys_setuid, [0]), Ok(0));
        assert_eq!(world.call(sys_setuid, [8]), Ok(0));
        assert_eq!(world.call(sys_setuid, [0]), Err(Errno::EPERM));
        assert_eq!(world.call(sys_getresuid, [room, room + 4, room + 8]), Ok(0));
        assert_eq!(world.get_value::<[u32; 3]>(room), [8, 8, 8]);
        assert_eq!(world.call(sys_setgroups, [0, 0]), Err(Errno::EPERM));
    }

    #[test]
    fn users_change_in_pairs() {
        let world = World::new();
        let room = world.room(12);
        let users = || {
            assert_eq!(world.call(sys_getresuid, [room, room + 4, room + 8]), Ok(0));
            world.get_value::<[u32; 3]>(room)
        };
        assert_eq!(world.call(sys_setreuid, [usize::MAX, usize::MAX]), Ok(0));
        assert_eq!(users(), [0, 0, 0]);
        assert_eq!(world.call(sys_setreuid, [5, 6]), Ok(0));
        assert_eq!(users(), [5, 6, 6]);
        assert_eq!(world.call(sys_setreuid, [usize::MAX, 5]), Ok(0));
        assert_eq!(users(), [5, 5, 6]);
        assert_eq!(world.call(sys_setreuid, [6, usize::MAX]), Err(Errno::EPERM));
        assert_eq!(world.call(sys_setreuid, [usize::MAX, 6]), Ok(0));
        assert_eq!(users(), [5, 6, 6]);
    }

    #[test]
    fn groups_are_kept() {
        let world = World::new();
        let list = world.value(&[5u32, 6]);
        assert_eq!(world.call(sys_setgroups, [2, list]), Ok(0));
        let room = world.room(8);
        assert_eq!(world.call(sys_getgroups, [0, 0]), Ok(2));
        assert_eq!(world.call(sys_getgroups, [1, room]), Err(Errno::EINVAL));
        assert_eq!(world.call(sys_getgroups, [2, room]), Ok(2));
        assert_eq!(world.get_value::<[u32; 2]>(room), [5, 6]);
    }
}

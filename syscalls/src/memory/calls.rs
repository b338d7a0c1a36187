//! The calls that change the address space.

use alloc::vec::Vec;
use core::ops::Range;

use muslin_abi::{Errno, SyscallArgs, SyscallResult, Sysno};
use muslin_platform::Protection;

use super::kinds::{Kind, MoveFlags, Place, READ_WRITE};
use super::map::AddressSpace;
use super::pages::Owner;
use super::shared::SharedPage;
use crate::context::Context;
use crate::files::content::Content;
use crate::gap::gap;
use crate::lock::Mutex;
use crate::user_mem::UserBufMut;

const PROT_READ: u32 = 1;
const PROT_WRITE: u32 = 2;
const PROT_EXEC: u32 = 4;

const MAP_SHARED: u32 = 1;
const MAP_PRIVATE: u32 = 2;
const MAP_SHARED_VALIDATE: u32 = 3;
const MAP_TYPE: u32 = 0xf;
const MAP_FIXED: u32 = 0x10;
const MAP_ANONYMOUS: u32 = 0x20;
const MAP_NORESERVE: u32 = 0x4000;
const MAP_HUGETLB: u32 = 0x4_0000;
const MAP_FIXED_NOREPLACE: u32 = 0x10_0000;

const MREMAP_MAYMOVE: u32 = 1;
const MREMAP_FIXED: u32 = 2;
const MREMAP_DONTUNMAP: u32 = 4;

const MADV_DONTNEED: i32 = 4;
/// Advice that is followed by doing nothing: readahead, huge pages, merging, dumps, forks, ageing.
const MADV_HARMLESS: &[i32] = &[
    0, 1, 2, 3, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
];

const MS_ASYNC: u32 = 1;
const MS_INVALIDATE: u32 = 2;
const MS_SYNC: u32 = 4;

/// As many as a program can have on x86-64.
const ADDRESSES_BYTES: usize = 1 << 47;

const MLOCK_ONFAULT: u32 = 1;
const MCL_CURRENT: u32 = 1;
const MCL_FUTURE: u32 = 2;
const MCL_ONFAULT: u32 = 4;

/// `mmap(addr, length, prot, flags, fd, offset)` — maps memory or a file.
///
/// A mapping that is granted can be written to its end: its memory is there, or promised where the
/// platform gives it when it is touched. `MAP_NORESERVE` asks for no promise. A shared mapping of a
/// file shows the file's own pages: other mappings, `read` and `write` see the same. A private one is
/// read in. `MAP_GROWSDOWN`, `MAP_LOCKED`, `MAP_POPULATE`, `MAP_STACK` and the like need nothing
/// done.
///
/// # Errors
/// `EINVAL` no length, no kind, an offset that is not a page's, or huge pages · `ENOMEM` no room ·
/// `EEXIST` for `MAP_FIXED_NOREPLACE` · `EACCES` executable memory where the platform has none, or
/// a file that is not open for reading, or not for writing if shared pages shall be written · `EBADF`
/// not a descriptor · `ENODEV` a file that cannot be mapped · `EOVERFLOW` behind the last offset.
/// # Differs from Linux
/// Memory is never promised twice: `ENOMEM` comes from here and not from a later touch. A private
/// mapping does not see later writes to the file, nor what it has behind its end later. Where addresses
/// are memory (spt), pages behind the end of a file read as zeros instead of raising `SIGBUS`, and take
/// memory; elsewhere calls that are given such an address find zeros. Huge pages are `EINVAL`. Where
/// addresses are memory, all shared mappings of a page of a file are at one address: that of the first;
/// what cannot be there is `ENODEV`.
/// # Source
/// mmap(2), man-pages 6.9
pub fn sys_mmap(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let mapped = map(context, args);
    if mapped == Err(Errno::ENOMEM) {
        let report = &context.process.memory.report;
        report.refused(context, "mmap", args.size(1));
    }
    mapped
}

fn map(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let memory = &context.process.memory;
    let (address, len_bytes) = (args.addr(0), args.size(1));
    let protection = protection_of(args.int(2) as u32);
    let flags = args.int(3) as u32;
    let offset_bytes = args.size(5);
    if !offset_bytes.is_multiple_of(memory.page_bytes()) {
        return Err(Errno::EINVAL);
    }
    let is_shared = match flags & MAP_TYPE {
        MAP_PRIVATE => false,
        MAP_SHARED | MAP_SHARED_VALIDATE => true,
        _ => return Err(Errno::EINVAL),
    };
    if flags & MAP_HUGETLB != 0 {
        return Err(gap!(context, Sysno::mmap, "huge pages", EINVAL));
    }
    let place = if flags & MAP_FIXED_NOREPLACE != 0 {
        Place::Free(address)
    } else if flags & MAP_FIXED != 0 {
        Place::Replace(address)
    } else {
        Place::Hint(address)
    };
    if flags & MAP_ANONYMOUS != 0 {
        let kind = if flags & MAP_NORESERVE != 0 {
            Kind::Sparse
        } else {
            Kind::Anonymous
        };
        let mapped = memory.map(place, len_bytes, protection, kind);
        if mapped == Err(Errno::EACCES) {
            gap!(context, Sysno::mmap, "executable memory", EACCES);
        }
        return mapped;
    }

    let file = context.process.files.file(args.fd(4))?;
    // What is longer finds no room, wherever it begins.
    if (1..=ADDRESSES_BYTES).contains(&len_bytes) {
        let len_bytes = len_bytes.next_multiple_of(memory.page_bytes());
        if offset_bytes > isize::MAX as usize - len_bytes {
            return Err(Errno::EOVERFLOW);
        }
    }
    if !file.can_read() || (is_shared && protection.write && !file.can_write()) {
        return Err(Errno::EACCES);
    }
    if !file.ops.has_places() {
        return Err(Errno::ENODEV);
    }
    if is_shared {
        let count = len_bytes.div_ceil(memory.page_bytes()) as u64;
        let first = (offset_bytes / memory.page_bytes()) as u64;
        let pages = first..first + count;
        let can_write = file.can_write();
        if let Some(mapped) = file
            .ops
            .map_shared(memory, place, pages, protection, can_write)
        {
            if mapped == Err(Errno::ENODEV) {
                gap!(
                    context,
                    Sysno::mmap,
                    "a page of a file at two addresses",
                    ENODEV
                );
            }
            return mapped;
        }
    }
    if is_shared && protection.write {
        return Err(gap!(context, Sysno::mmap, "writes to such a file", ENODEV));
    }
    let start = memory.map(place, len_bytes, READ_WRITE, Kind::File)?;
    let page_bytes = memory.page_bytes();
    let read_in = || {
        for done in (0..len_bytes).step_by(page_bytes) {
            let mut got = 0;
            memory.fill_page(start + done, |page| {
                let offset_bytes = (offset_bytes + done) as u64;
                got = file
                    .ops
                    .read_at(context, offset_bytes, &mut UserBufMut::from_slice(page))?;
                Ok(())
            })?;
            if got < page_bytes {
                let end = start + done + got.next_multiple_of(page_bytes);
                let rest = (start + len_bytes).saturating_sub(end);
                if memory.is_translated() && rest > 0 {
                    memory.map(Place::Replace(end), rest, READ_WRITE, Kind::BehindFile)?;
                }
                break;
            }
        }
        memory.protect(start, len_bytes, protection)
    };
    if let Err(errno) = read_in() {
        memory.unmap(start, len_bytes)?;
        return Err(errno);
    }
    Ok(start)
}

/// Shows pages of a file, which are the file's own: whoever maps or reads them sees the same.
///
/// # Errors
/// As [`sys_mmap`].
pub(crate) fn map_shared(
    memory: &AddressSpace,
    place: Place,
    content: &Mutex<Content>,
    file_pages: Range<u64>,
    protection: Protection,
    can_write: bool,
) -> SyscallResult {
    let page_bytes = memory.page_bytes();
    let count = (file_pages.end - file_pages.start) as usize;
    if count == 0 {
        return Err(Errno::EINVAL);
    }
    let pages = memory.pages();
    let (total, free) = pages.count();
    if count > total {
        return Err(Errno::ENOMEM);
    }
    if memory.is_translated() {
        // Asked before, since what was made is the file's and stays.
        if content.lock().count_own(file_pages.clone()) > free {
            return Err(Errno::ENOMEM);
        }
        let mut take = || {
            memory.has_room_for_kernel()?;
            let page = pages.allocate(1, Owner::Files)?;
            Ok(SharedPage::new(pages, page))
        };
        let shared = content.lock().share(file_pages, false, &mut take)?;
        return memory.map_shared(place, protection, can_write, shared);
    }

    // Where addresses are memory, a page of a file has one address: that of its first mapping.
    if let Some(run) = content.lock().shared_run(file_pages.clone()) {
        let start = run.first().map_or(0, |page| page.0);
        let is_there = match place {
            Place::Hint(_) => true,
            Place::Replace(wanted) | Place::Free(wanted) => wanted == start,
        };
        if is_there {
            return memory.adopt_shared(protection, can_write, run);
        }
    }
    if content.lock().is_mapped(file_pages.clone()) {
        return Err(Errno::ENODEV);
    }
    let len_bytes = count * page_bytes;
    let start = memory.map(place, len_bytes, READ_WRITE, Kind::File)?;
    memory.give_to_files(start, len_bytes)?;
    let mut places = Vec::new();
    let has_room = places.try_reserve(count).is_ok();
    for address in (start..start + len_bytes).step_by(page_bytes) {
        if !has_room || memory.has_room_for_kernel().is_err() {
            pages.free(address..start + len_bytes, Owner::Files);
            return Err(Errno::ENOMEM);
        }
        places.push(SharedPage::new(pages, address));
    }
    let mut places = places.into_iter();
    let mut take = || places.next().ok_or(Errno::ENOMEM);
    let shared = content.lock().share(file_pages, true, &mut take)?;
    memory.adopt_shared(protection, can_write, shared)
}

/// `munmap(addr, length)` — unmaps pages. What is not mapped is no error.
///
/// # Errors
/// `EINVAL` `addr` is not a page's, or no length · `ENOMEM` no memory to note the change.
/// # Source
/// munmap(2), man-pages 6.9
pub fn sys_munmap(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    context
        .process
        .memory
        .unmap(args.addr(0), args.size(1))
        .map(|()| 0)
}

/// `mprotect(addr, len, prot)` — says what may be done with pages.
///
/// # Errors
/// `EINVAL` `addr` is not a page's, or unknown bits · `ENOMEM` not all of it is mapped · `EACCES`
/// executable memory where the platform has none.
/// # Differs from Linux
/// Where the platform cannot protect pages, only calls respect it.
/// # Source
/// mprotect(2), man-pages 6.9
pub fn sys_mprotect(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let prot = args.int(2) as u32;
    if prot & !(PROT_READ | PROT_WRITE | PROT_EXEC) != 0 {
        return Err(Errno::EINVAL);
    }
    let protection = protection_of(prot);
    let memory = &context.process.memory;
    let protected = memory.protect(args.addr(0), args.size(1), protection);
    if protected == Err(Errno::EACCES) && protection.execute {
        gap!(context, Sysno::mprotect, "executable memory", EACCES);
    }
    protected.map(|()| 0)
}

/// `mremap(old_address, old_size, new_size, flags, new_address)` — makes a mapping longer or
/// shorter, or moves it. Returns its address.
///
/// # Errors
/// `EINVAL` unknown flags, sizes of 0, or ranges that overlap · `EFAULT` the old range is not one
/// mapping · `ENOMEM` no room.
/// # Differs from Linux
/// `MREMAP_DONTUNMAP` is `EINVAL`, and so is an old size of 0. A shared mapping of a file does not get
/// longer, and does not move on spt: `ENOMEM`.
/// # Source
/// mremap(2), man-pages 6.9
pub fn sys_mremap(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let flags = match args.int(3) as u32 {
        0 => MoveFlags::Stay,
        MREMAP_MAYMOVE => MoveFlags::MayMove,
        flags if flags == MREMAP_MAYMOVE | MREMAP_FIXED => MoveFlags::To(args.addr(4)),
        flags if flags & !MREMAP_FIXED == MREMAP_MAYMOVE | MREMAP_DONTUNMAP => {
            return Err(gap!(context, Sysno::mremap, "MREMAP_DONTUNMAP", EINVAL));
        }
        _ => return Err(Errno::EINVAL),
    };
    let memory = &context.process.memory;
    let (old_bytes, new_bytes) = (args.size(1), args.size(2));
    let moved = memory.remap(args.addr(0), old_bytes, new_bytes, flags);
    let lacks_room = moved == Err(Errno::ENOMEM) && flags != MoveFlags::Stay;
    let is_other = !memory.is_translated() || new_bytes > old_bytes;
    if lacks_room && is_other && memory.is_of_file(args.addr(0)) {
        gap!(
            context,
            Sysno::mremap,
            "another shape of a shared mapping",
            ENOMEM
        );
    } else if lacks_room {
        // It would have moved: to new memory, or to new addresses.
        let wanted = if memory.is_translated() {
            new_bytes.saturating_sub(old_bytes)
        } else {
            new_bytes
        };
        memory.report.refused(context, "mremap", wanted);
    }
    moved
}

/// `brk(addr)` — moves the end of the break. Returns where it is then; never an error.
///
/// # Source
/// brk(2), man-pages 6.9: the raw call
pub fn sys_brk(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    Ok(context.process.memory.set_break(args.addr(0)))
}

/// `madvise(addr, length, advice)` — says what memory will be needed.
///
/// `MADV_DONTNEED` makes anonymous memory read as zeros. The other advice may be ignored, and is.
///
/// # Errors
/// `EINVAL` `addr` is not a page's, or unknown advice · `ENOMEM` not all of it is mapped.
/// # Differs from Linux
/// `MADV_DONTNEED` leaves mappings of files as they are.
/// # Source
/// madvise(2), man-pages 6.9
pub fn sys_madvise(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let memory = &context.process.memory;
    let advice = args.int(2);
    if advice == MADV_DONTNEED {
        return memory.discard(args.addr(0), args.size(1)).map(|()| 0);
    }
    if !MADV_HARMLESS.contains(&advice) {
        return Err(Errno::EINVAL);
    }
    mapped_pages(context, args.addr(0), args.size(1)).map(|_| 0)
}

/// `mincore(addr, length, vec)` — says which pages are in memory: all that are mapped.
///
/// # Errors
/// `EINVAL` `addr` is not a page's · `ENOMEM` not all of it is mapped · `EFAULT` bad `vec`.
/// # Source
/// mincore(2), man-pages 6.9
pub fn sys_mincore(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let pages = mapped_pages(context, args.addr(0), args.size(1))?;
    let count = pages.len() / context.process.memory.page_bytes();
    UserBufMut::new(context, args.addr(2), count)?.fill(0, count, 1);
    Ok(0)
}

/// `msync(addr, length, flags)` — writes mappings of files back: they are the files' own pages.
///
/// # Errors
/// `EINVAL` `addr` is not a page's, or wrong flags · `ENOMEM` not all of it is mapped.
/// # Source
/// msync(2), man-pages 6.9
pub fn sys_msync(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let flags = args.int(2) as u32;
    let both = MS_ASYNC | MS_SYNC;
    if flags & !(both | MS_INVALIDATE) != 0 || flags & both == both {
        return Err(Errno::EINVAL);
    }
    mapped_pages(context, args.addr(0), args.size(1)).map(|_| 0)
}

/// `mlock(addr, len)` — keeps pages in memory: all are.
///
/// # Errors
/// `ENOMEM` not all of it is mapped.
/// # Source
/// mlock(2), man-pages 6.9
pub fn sys_mlock(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let page_bytes = context.process.memory.page_bytes();
    let start = args.addr(0) / page_bytes * page_bytes;
    let end = args
        .addr(0)
        .checked_add(args.size(1))
        .ok_or(Errno::EINVAL)?;
    mapped_pages(context, start, end - start).map(|_| 0)
}

/// `mlock2(addr, len, flags)` — see [`sys_mlock`].
///
/// # Errors
/// `EINVAL` unknown flags · `ENOMEM` not all of it is mapped.
pub fn sys_mlock2(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    if args.int(2) as u32 & !MLOCK_ONFAULT != 0 {
        return Err(Errno::EINVAL);
    }
    sys_mlock(context, args)
}

/// `munlock(addr, len)` — allows pages to be paged out: none ever is.
///
/// # Errors
/// `ENOMEM` not all of it is mapped.
pub fn sys_munlock(context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    sys_mlock(context, args)
}

/// `mlockall(flags)` — keeps all pages in memory: all are.
///
/// # Errors
/// `EINVAL` wrong flags.
pub fn sys_mlockall(_context: &Context<'_>, args: &SyscallArgs) -> SyscallResult {
    let flags = args.int(0) as u32;
    let is_known = flags & !(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
    if is_known && flags & (MCL_CURRENT | MCL_FUTURE) != 0 {
        Ok(0)
    } else {
        Err(Errno::EINVAL)
    }
}

/// `munlockall()` — see [`sys_munlock`]. Never an error.
///
/// # Errors
/// None.
pub fn sys_munlockall(_context: &Context<'_>, _args: &SyscallArgs) -> SyscallResult {
    Ok(0)
}

/// Bits that are not known are ignored, as `mmap` does on Linux. What may be written may be read,
/// as on x86_64.
fn protection_of(prot: u32) -> Protection {
    Protection {
        read: prot & (PROT_READ | PROT_WRITE | PROT_EXEC) != 0,
        write: prot & PROT_WRITE != 0,
        execute: prot & PROT_EXEC != 0,
    }
}

/// Whole pages, all of them mapped.
fn mapped_pages(
    context: &Context<'_>,
    start: usize,
    len_bytes: usize,
) -> Result<Range<usize>, Errno> {
    let memory = &context.process.memory;
    if !start.is_multiple_of(memory.page_bytes()) {
        return Err(Errno::EINVAL);
    }
    let end = start
        .checked_add(len_bytes)
        .and_then(|end| end.checked_next_multiple_of(memory.page_bytes()))
        .ok_or(Errno::ENOMEM)?;
    if memory.is_mapped(start..end) {
        Ok(start..end)
    } else {
        Err(Errno::ENOMEM)
    }
}

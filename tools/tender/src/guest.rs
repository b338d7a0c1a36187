//! The process of a guest for spt: made, filled, sandboxed, entered.

use std::arch::asm;
use std::ffi::c_void;
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::{ptr, slice};

use rustix::io::Errno;
use rustix::mm::{
    MapFlags, MprotectFlags, MremapFlags, ProtFlags, mmap, mmap_anonymous, mprotect, mremap_fixed,
};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use seccompiler::{BpfProgram, apply_filter};

use crate::boot_info::{BOOT_INFO_ADDRESS, BootInfo, MEMORY_BASE};
use crate::filter;
use crate::image::{Image, PAGE_BYTES, Segment};
use crate::initrd::Initrd;
use crate::launch::{Launch, Outcome};
use crate::refusal::{Refusal, words};
use crate::report::Report;
use crate::trace::{self, Watch};
use crate::watchdog::Watchdog;

/// Fewer bytes are copied sooner than their pages are moved.
const MOVED_BYTES_MIN: u64 = 8 * PAGE_BYTES;

/// Whether the processor and the kernel allow the instruction `wrfsbase`.
fn may_write_thread_pointer() -> bool {
    /// Source: Linux `arch/x86/include/uapi/asm/hwcap2.h`.
    const HWCAP2_FSGSBASE: u64 = 1 << 1;
    // SAFETY: reads what the kernel said at the start.
    let features = unsafe { libc::getauxval(libc::AT_HWCAP2) };
    features & HWCAP2_FSGSBASE != 0
}

/// Runs an image for spt.
pub(crate) fn run(launch: &Launch<'_>) -> Result<Outcome, Refusal> {
    let image = launch.image;
    let memory_bytes = launch.memory_bytes;
    let (epoll_fd, timer_fd) = (launch.wait_set.epoll_fd(), launch.wait_set.timer_fd());
    let filter = filter::program(&launch.manifest, epoll_fd, timer_fd)
        .map_err(|error| refused("make the filter of calls", &io::Error::other(error)))?;
    let boot_info = BootInfo {
        memory_bytes,
        image_end: image.end(),
        manifest: launch.manifest.to_bytes(),
        command_line: launch.command_line.clone(),
        epoll_fd,
        timer_fd,
        may_write_thread_pointer: may_write_thread_pointer(),
    };
    let plan = Plan {
        image,
        memory_bytes,
        initrd: launch.initrd.as_ref(),
        boot_info: boot_info.to_bytes(),
        filter,
    };

    let pipe = |error: rustix::io::Errno| refused("make a pipe", &error.into());
    let (mut reader, mut writer) = pipe_with(PipeFlags::CLOEXEC)
        .map(|(reader, writer)| (io::PipeReader::from(reader), io::PipeWriter::from(writer)))
        .map_err(pipe)?;
    let beside = &launch.opened.beside;
    let held = beside
        .hold_signals()
        .map_err(|error| refused("hold signals back for the guest", &error))?;
    let parent = rustix::process::getpid();
    // SAFETY: the child goes on in this thread alone. It allocates, which the C library allows after
    // fork, and takes no lock of this program; it ends in the guest or in _exit.
    let pid = unsafe { libc::fork() };
    if pid < 0 {
        return Err(refused("make a process", &io::Error::last_os_error()));
    }
    if pid == 0 {
        let problem = if getppid() == Some(parent) {
            enter(&plan)
        } else {
            "the tender is gone".to_owned()
        };
        // The parent knows this line from the guest's own exit: no guest can write to the pipe.
        let _ = writer.write_all(problem.as_bytes());
        // SAFETY: always safe; nothing of the parent's is flushed twice.
        unsafe { libc::_exit(1) };
    }
    drop(writer);
    let watch = launch.patience.map(|patience| Watch {
        watchdog: Watchdog::new(&image.segments, patience.time),
        tell: Box::new(move |stuck, registers| {
            (patience.tell)(&Report::of_stuck(stuck, registers, launch));
        }),
    });
    let end = beside
        .run(held, pid, || trace::follow(pid, watch))
        .map_err(|error| refused("carry the guest's frames", &error))?
        .map_err(|error| refused("wait for the guest", &error))?;
    launch.opened.leave(&launch.manifest);
    let mut problem = String::new();
    let _ = reader.read_to_string(&mut problem);
    if !problem.is_empty() {
        return Err(Refusal::new(problem, "see --mem for the guest's memory"));
    }
    Ok(match end {
        trace::End::Exited(status) => Outcome {
            status,
            report: None,
            traffic: Vec::new(),
        },
        trace::End::Signalled(signal, fault) => Outcome {
            status: 128 + (signal & 0x7f) as u8,
            report: Some(Report::new(signal, fault.as_deref(), image, memory_bytes)),
            traffic: Vec::new(),
        },
    })
}

/// What the child does, decided before it is made.
struct Plan<'image> {
    image: &'image Image<'image>,
    memory_bytes: u64,
    initrd: Option<&'image Initrd>,
    boot_info: Vec<u8>,
    filter: BpfProgram,
}

pub(crate) fn refused(what: &str, error: &io::Error) -> Refusal {
    Refusal::new(
        format_args!("cannot {what}: {}", words(error)),
        "see what this system allows",
    )
}

/// Becomes the guest. Comes back only with the reason why not.
fn enter(plan: &Plan<'_>) -> String {
    if let Err(problem) = prepare(plan) {
        return problem;
    }
    trace::ask_to_be_followed();
    if let Err(error) = apply_filter(&plan.filter) {
        return format!("cannot give up system calls: {error}");
    }
    // From here on no call but the guest's: nothing is dropped, nothing is allocated.
    //
    // SAFETY: the image is loaded, its entry is in an executable segment, and the top of memory is
    // writable. This process has nothing left to do but to be the guest.
    unsafe { jump(plan.image.entry, plan.memory_bytes - 8) }
}

fn prepare(plan: &Plan<'_>) -> Result<(), String> {
    set_parent_process_death_signal(Some(Signal::KILL)).map_err(|error| {
        format!(
            "cannot tie the guest to the tender: {}",
            words(&error.into())
        )
    })?;
    drop_habits()?;
    let memory_bytes = plan.memory_bytes;
    // SAFETY: fresh pages that replace nothing.
    let mapped = unsafe {
        mmap_anonymous(
            at(MEMORY_BASE),
            (memory_bytes - MEMORY_BASE) as usize,
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE,
        )
    };
    match mapped {
        Ok(address) if address == at(MEMORY_BASE) => {}
        // A kernel older than the flag.
        Ok(_) => return Err("guest memory is in use by the tender itself".to_owned()),
        Err(error) => {
            let mib = memory_bytes >> 20;
            let reason = match error {
                Errno::EXIST => "the tender itself is in the way".to_owned(),
                error => words(&error.into()),
            };
            return Err(format!("cannot get {mib} MiB of guest memory: {reason}"));
        }
    }
    if let Some(initrd) = plan.initrd {
        map_initrd(initrd, memory_bytes)?;
    }
    // SAFETY: the addresses are below the image, and the boot info is shorter than what is there.
    unsafe { load(BOOT_INFO_ADDRESS, &plan.boot_info) };
    for segment in &plan.image.segments {
        // SAFETY: `Image::parse` checked that the segment's bytes fit into its pages, and
        // `memory_bytes` that these are guest memory, above the boot info. The child looks at no
        // bytes of the image again.
        unsafe { fill(segment) }?;
        protect(segment)?;
    }
    Ok(())
}

/// Puts the archive behind the guest's memory: pages of the file, to be read.
fn map_initrd(initrd: &Initrd, address: u64) -> Result<(), String> {
    if initrd.len_bytes == 0 {
        return Ok(());
    }
    // SAFETY: fresh pages that replace nothing.
    let mapped = unsafe {
        mmap(
            at(address),
            initrd.mapped_bytes() as usize,
            ProtFlags::READ,
            MapFlags::PRIVATE | MapFlags::FIXED_NOREPLACE,
            &initrd.file,
            0,
        )
    };
    match mapped {
        Ok(place) if place == at(address) => Ok(()),
        Ok(_) => Err("the place of the initrd is in use by the tender itself".to_owned()),
        Err(error) => Err(format!("cannot map the initrd: {}", words(&error.into()))),
    }
}

/// Drops what a process inherits and a guest must not have.
pub(crate) fn drop_habits() -> Result<(), String> {
    // SAFETY: neither call has to do with memory. The first only asks.
    let persona = unsafe { libc::personality(0xffff_ffff) };
    if persona & libc::READ_IMPLIES_EXEC != 0 {
        // SAFETY: as above; all readable memory would be executable.
        let done = unsafe { libc::personality((persona & !libc::READ_IMPLIES_EXEC) as u64) };
        if done < 0 {
            return Err("this process would make all memory executable".to_owned());
        }
    }
    // Rust handles faults and ignores a closed pipe. What the tender's caller ignores the guest ignores.
    for signal in [libc::SIGPIPE, libc::SIGSEGV, libc::SIGBUS] {
        // SAFETY: a default action is no code.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
    }
    // SAFETY: the set is ours, and empty.
    unsafe {
        let mut none = MaybeUninit::<libc::sigset_t>::zeroed();
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), ptr::null_mut());
    }
    Ok(())
}

/// Puts a segment's bytes where they belong. Whole pages that nobody writes to are moved out of the
/// image's bytes, if these lie as in the file: a page that is moved here, and that the parent keeps,
/// is one page, not two.
///
/// # Safety
/// The segment's pages are mapped, writable, and nobody else's; its bytes are not used again.
unsafe fn fill(segment: &Segment<'_>) -> Result<(), String> {
    let (start, bytes) = (segment.address, segment.bytes);
    let end = start + bytes.len() as u64;
    let pages = start.next_multiple_of(PAGE_BYTES)..end & !(PAGE_BYTES - 1);
    let is_aligned = (bytes.as_ptr().addr() as u64).abs_diff(start) % PAGE_BYTES == 0;
    let is_worth_it = pages.end >= pages.start + MOVED_BYTES_MIN;
    if segment.can_write || !is_aligned || !is_worth_it {
        // SAFETY: by the caller's promise.
        unsafe { load(start, bytes) };
        return Ok(());
    }
    let (head, rest) = bytes.split_at((pages.start - start) as usize);
    let (whole, tail) = rest.split_at((pages.end - pages.start) as usize);
    // SAFETY: by the caller's promise; what moves are whole pages of the image's bytes alone.
    unsafe {
        load(start, head);
        mremap_fixed(
            whole.as_ptr().cast_mut().cast(),
            whole.len(),
            whole.len(),
            MremapFlags::MAYMOVE,
            at(pages.start),
        )
        .map_err(|error| format!("cannot load the image: {}", words(&error.into())))?;
        load(pages.end, tail);
    }
    Ok(())
}

/// # Safety
/// The pages are mapped, writable, and nobody else's.
unsafe fn load(address: u64, bytes: &[u8]) {
    // SAFETY: by the caller's promise.
    let target = unsafe { slice::from_raw_parts_mut(at(address).cast::<u8>(), bytes.len()) };
    target.copy_from_slice(bytes);
}

fn protect(segment: &Segment<'_>) -> Result<(), String> {
    if segment.can_read && segment.can_write {
        // As it is.
        return Ok(());
    }
    let mut flags = MprotectFlags::empty();
    flags.set(MprotectFlags::READ, segment.can_read);
    flags.set(MprotectFlags::WRITE, segment.can_write);
    flags.set(MprotectFlags::EXEC, segment.can_execute);
    let pages = &segment.pages;
    // SAFETY: the pages are the segment's own, in guest memory.
    unsafe { mprotect(at(pages.start), (pages.end - pages.start) as usize, flags) }.map_err(
        |error| {
            format!(
                "cannot protect the image's segment at {:#x}: {error}",
                segment.address
            )
        },
    )
}

fn at(address: u64) -> *mut c_void {
    ptr::with_exposed_provenance_mut(address as usize)
}

/// Jumps into the guest as the stock tender does: boot info in rdi, nothing of the tender elsewhere.
///
/// # Safety
/// There is code at `entry` and memory below `stack`; this process is not needed any more.
unsafe fn jump(entry: u64, stack: u64) -> ! {
    // SAFETY: by the caller's promise.
    unsafe {
        asm!(
            "mov rsp, rsi",
            "xor ebx, ebx",
            "xor ecx, ecx",
            "xor edx, edx",
            "xor esi, esi",
            "xor ebp, ebp",
            "xor r8d, r8d",
            "xor r9d, r9d",
            "xor r10d, r10d",
            "xor r11d, r11d",
            "xor r12d, r12d",
            "xor r13d, r13d",
            "xor r14d, r14d",
            "xor r15d, r15d",
            "cld",
            "jmp rax",
            in("rax") entry,
            in("rsi") stack,
            in("rdi") BOOT_INFO_ADDRESS,
            options(noreturn)
        )
    }
}

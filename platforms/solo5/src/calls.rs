//! The calls of the host's kernel that the spt tender's filter allows. Any other ends a guest with
//! SIGSYS, so their numbers stand here; `linux_process` adds those that only a process makes.
//!
//! Source: Solo5 0.12.1 `tenders/spt/spt_core.c`.

use core::arch::asm;
use core::sync::atomic::{AtomicU64, Ordering};

use muslin_arch::thread_pointer;

const WRITE: usize = 1;
const PREAD64: usize = 17;
const PWRITE64: usize = 18;
const ARCH_PRCTL: usize = 158;
const CLOCK_GETTIME: usize = 228;
const EXIT_GROUP: usize = 231;
const EPOLL_PWAIT: usize = 281;
const TIMERFD_SETTIME: usize = 286;

/// The one descriptor that a guest may write to without a device.
pub const STDOUT: usize = 1;
const ARCH_SET_FS: usize = 0x1002;
const TFD_TIMER_ABSTIME: usize = 1;

/// Clocks that may be asked for.
#[derive(Clone, Copy)]
pub enum ClockId {
    Realtime = 0,
    Monotonic = 1,
}

/// Makes a call; its value or a negative errno.
///
/// # Safety
/// In a guest the call is on the tender's list; its arguments point to what it reads and writes.
// The section that tells the runtime's own instructions from stray ones.
#[inline(never)]
#[cfg_attr(target_os = "none", unsafe(link_section = "muslin_text"))]
pub unsafe fn call(nr: usize, args: [usize; 6]) -> isize {
    let raw;
    // SAFETY: the kernel changes rax, rcx, r11 and what the arguments point to.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") nr => raw,
            in("rdi") args[0],
            in("rsi") args[1],
            in("rdx") args[2],
            in("r10") args[3],
            in("r8") args[4],
            in("r9") args[5],
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    raw
}

/// Writes to a descriptor; the number of bytes taken, or a negative errno.
pub fn write(fd: usize, bytes: &[u8]) -> isize {
    let args = [fd, bytes.as_ptr() as usize, bytes.len(), 0, 0, 0];
    // SAFETY: the kernel reads a slice that is alive.
    unsafe { call(WRITE, args) }
}

/// Reads a sector of a block device; the number of bytes read, or a negative errno.
pub fn read_sector(fd: i32, offset_bytes: u64, sector: &mut [u8]) -> isize {
    let (start, len_bytes) = (sector.as_mut_ptr() as usize, sector.len());
    let args = [fd as usize, start, len_bytes, offset_bytes as usize, 0, 0];
    // SAFETY: the kernel writes a slice that is ours alone.
    unsafe { call(PREAD64, args) }
}

/// Writes a sector; the number of bytes written, or a negative errno.
pub fn write_sector(fd: i32, offset_bytes: u64, sector: &[u8]) -> isize {
    let (start, len_bytes) = (sector.as_ptr() as usize, sector.len());
    let args = [fd as usize, start, len_bytes, offset_bytes as usize, 0, 0];
    // SAFETY: the kernel reads a slice that is alive.
    unsafe { call(PWRITE64, args) }
}

/// Ends the guest.
pub fn exit(status: i32) -> ! {
    loop {
        // SAFETY: nothing comes after it.
        unsafe { call(EXIT_GROUP, [status as usize, 0, 0, 0, 0, 0]) };
    }
}

/// Seconds and nanoseconds of a clock.
pub fn clock(id: ClockId) -> [i64; 2] {
    let mut time = [0i64; 2];
    let args = [id as usize, &raw mut time as usize, 0, 0, 0, 0];
    // SAFETY: the kernel writes two words, which are alive.
    unsafe { call(CLOCK_GETTIME, args) };
    time
}

/// Sets the base of segment FS.
///
/// # Safety
/// `block` stays valid for as long as it is the thread pointer.
pub unsafe fn set_thread_pointer(block: *mut u8) {
    // SAFETY: as the caller promises.
    unsafe {
        if !thread_pointer::try_write(block) {
            call(ARCH_PRCTL, [ARCH_SET_FS, block as usize, 0, 0, 0, 0]);
        }
    }
}

/// What the timer was armed for last; 0 if it is not.
static ARMED_NS: AtomicU64 = AtomicU64::new(0);

/// Waits until a device is ready or the monotonic clock says `deadline_ns`; a point in the past is over at
/// once.
pub fn wait_until(epoll_fd: i32, timer_fd: i32, deadline_ns: Option<u64>) {
    // A timer that has fired stays ready until it is set again, so one that nobody waits for is not left.
    let deadline_ns = deadline_ns.map_or(0, |at_ns| at_ns.max(1));
    if ARMED_NS.swap(deadline_ns, Ordering::Relaxed) != deadline_ns {
        set_timer(timer_fd, deadline_ns);
    }
    wait(epoll_fd);
}

/// Arms the timer for a point of the monotonic clock; 0 disarms it.
fn set_timer(timer_fd: i32, deadline_ns: u64) {
    const SECOND_NS: u64 = 1_000_000_000;
    let (seconds, ns) = (deadline_ns / SECOND_NS, deadline_ns % SECOND_NS);
    let setting = [0, 0, seconds, ns];
    let args = [
        timer_fd as usize,
        TFD_TIMER_ABSTIME,
        &raw const setting as usize,
        0,
        0,
        0,
    ];
    // SAFETY: the kernel reads four words, which are alive.
    unsafe { call(TIMERFD_SETTIME, args) };
}

/// `struct epoll_event` on x86_64.
#[derive(Clone, Copy)]
#[repr(C, packed)]
pub struct Event {
    events: u32,
    data: u64,
}

impl Event {
    /// Something can be read.
    #[cfg(target_os = "none")]
    pub const fn readable() -> Self {
        const EPOLLIN: u32 = 1;
        Self {
            events: EPOLLIN,
            data: 0,
        }
    }
}

/// Waits until a device or the timer is ready.
fn wait(epoll_fd: i32) {
    let mut event = Event { events: 0, data: 0 };
    let for_ever = usize::MAX;
    let args = [
        epoll_fd as usize,
        &raw mut event as usize,
        1,
        for_ever,
        0,
        0,
    ];
    // SAFETY: the kernel writes one event, which is alive.
    unsafe { call(EPOLL_PWAIT, args) };
}

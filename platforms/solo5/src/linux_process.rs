//! The platform of an image that Linux runs as an ordinary process: the same library OS, with
//! gdb, perf and valgrind at hand.
//!
//! The process keeps its arguments, environment and stack. Memory is one mapping behind the image,
//! of [`MEMORY_VARIABLE`] MiB, which costs nothing until it is touched. Pages can be protected and
//! given back; standard input can be read. Files are the library OS's own: none of Linux's is seen.
//!
//! Source: the man pages of the calls below; the stack's layout: Linux `fs/exec.c`, `fs/binfmt_elf.c`.

use core::ffi::{CStr, c_char};
use core::ops::Range;
use core::sync::atomic::{AtomicI32, AtomicUsize, Ordering};

use muslin_abi::Errno;
#[cfg(target_os = "none")]
use muslin_abi::Sysno;
use muslin_abi::args::from_raw;
use muslin_arch::thread_pointer;
use muslin_platform::{
    BlockDevice, Clock, Console, Entropy, Memory, Platform, Power, Protection, Wait,
};

use crate::block::BLOCKS;
use crate::host_clock::HostClock;
use crate::{PAGE_BYTES, calls};
use muslin_arch::host::Host;
use muslin_arch::places::Places;

const READ: usize = 0;
pub const OPEN: usize = 2;
const CLOSE: usize = 3;
pub const LSEEK: usize = 8;
const MMAP: usize = 9;
const MPROTECT: usize = 10;
const MADVISE: usize = 28;
const CLOCK_NANOSLEEP: usize = 230;
const PRLIMIT64: usize = 302;
const GETRANDOM: usize = 318;

const STDIN: usize = 0;
pub const O_RDONLY: usize = 0;
pub const SEEK_END: usize = 2;
const STDERR: usize = 2;
const PROT_READ: usize = 1;
const PROT_WRITE: usize = 2;
const PROT_EXEC: usize = 4;
const MAP_PRIVATE: usize = 2;
const MAP_ANONYMOUS: usize = 0x20;
const MAP_NORESERVE: usize = 0x4000;
const MAP_FIXED_NOREPLACE: usize = 0x10_0000;
const MADV_DONTNEED: usize = 4;
const CLOCK_MONOTONIC: usize = 1;
const TIMER_ABSTIME: usize = 1;
const RLIMIT_STACK: usize = 3;
#[cfg(target_os = "none")]
const EPOLL_CTL_ADD: usize = 1;
#[cfg(target_os = "none")]
const O_CLOEXEC: usize = 0o2_000_000;

const AT_NULL: usize = 0;
const AT_IGNORE: usize = 1;
const AT_UID: usize = 11;
const AT_EGID: usize = 14;
const AT_HWCAP2: usize = 26;
const AT_EXECFN: usize = 31;
const AT_SYSINFO_EHDR: usize = 33;
/// Bit of AT_HWCAP2: `wrfsbase` is allowed. Source: Linux `arch/x86/include/uapi/asm/hwcap2.h`.
const HWCAP2_FSGSBASE: usize = 1 << 1;

/// The variable that says how much memory the library OS gets, in MiB.
pub const MEMORY_VARIABLE: &[u8] = b"MUSLIN_MEM=";
/// The variable that names the file of the tar archive which becomes the root directory.
pub const INITRD_VARIABLE: &[u8] = b"MUSLIN_INITRD=";
/// As much as the tenders give.
const MEMORY_MIB: usize = 512;
/// More than any machine has, and less than addresses can say.
const MEMORY_MIB_MAX: usize = 1 << 24;
const TOO_MUCH: &[u8] =
    b"muslin: Linux does not give that much memory: set MUSLIN_MEM to fewer MiB\n";
/// What counts of a stack without a limit.
const STACK_BYTES_MAX: usize = 1 << 30;
/// Bytes between the file's name and the end of the stack.
const BEHIND_FILE_NAME_BYTES: usize = 8;

/// The process as a platform.
#[derive(Debug)]
pub struct LinuxProcess {
    places: Places,
    clock: HostClock,
    /// The archive's address and its length in bytes; 0 if there is none.
    initrd: [AtomicUsize; 2],
    /// What waiting for devices and for the timer goes through, and the timer; -1 while there is no device.
    devices: [AtomicI32; 2],
    /// The environment, as the kernel laid it out.
    environment: AtomicUsize,
}

/// The one platform of the process.
pub static LINUX_PROCESS: LinuxProcess = LinuxProcess {
    places: Places::new(),
    clock: HostClock::new(),
    initrd: [const { AtomicUsize::new(0) }; 2],
    devices: [const { AtomicI32::new(-1) }; 2],
    environment: AtomicUsize::new(0),
};

impl LinuxProcess {
    /// Maps memory, and makes the auxiliary vector say what the library OS says.
    ///
    /// # Safety
    /// This is a process that was just entered; `environment` is as the kernel laid it out.
    pub unsafe fn start(&self, image: Range<usize>, environment: *mut *const u8) {
        self.environment
            .store(environment as usize, Ordering::Relaxed);
        let mut memory_mib = MEMORY_MIB;
        let mut at = environment;
        // SAFETY: C strings up to a null, as the caller promises.
        while let Some(variable) = unsafe { text(*at) } {
            if let Some(value) = variable.strip_prefix(MEMORY_VARIABLE) {
                memory_mib = number(value).unwrap_or_else(|line| self.refuse(line));
            }
            if let Some(path) = variable.strip_prefix(INITRD_VARIABLE) {
                let Ok(words) = map_file(path) else {
                    self.refuse(b"muslin: the file that MUSLIN_INITRD names cannot be read\n");
                };
                for (place, word) in self.initrd.iter().zip(words) {
                    place.store(word, Ordering::Relaxed);
                }
            }
            // SAFETY: not past the null.
            at = unsafe { at.add(1) };
        }
        // SAFETY: the vector lies behind the null.
        let file_name = unsafe { hide_host(at.add(1).cast()) };
        // SAFETY: a C string of the stack, if it is there.
        let name_end = unsafe { text(file_name) }.map_or(environment as usize, |name| {
            name.as_ptr_range().end as usize + 1 + BEHIND_FILE_NAME_BYTES
        });
        let stack_end = name_end.next_multiple_of(PAGE_BYTES);
        let stack_start = stack_end.saturating_sub(stack_limit_bytes());

        let start = image.end.next_multiple_of(PAGE_BYTES);
        let memory = map(start, memory_mib << 20).unwrap_or_else(|_| self.refuse(TOO_MUCH));
        self.places.set(memory, stack_start..stack_end);
        // SAFETY: as the caller promises; this is the start.
        #[cfg(target_os = "none")]
        unsafe {
            crate::process_blocks::take(environment);
        }
    }

    /// The environment.
    #[cfg(target_os = "none")]
    pub fn environment(&self) -> *const *const u8 {
        self.environment.load(Ordering::Relaxed) as *const *const u8
    }

    /// From now on waits end when one of `devices` is ready, too.
    ///
    /// # Errors
    /// What Linux says.
    #[cfg(target_os = "none")]
    pub fn wait_for(&self, device: i32) -> Result<(), Errno> {
        use crate::net::call;
        let [epoll, timer] = &self.devices;
        let add = |epoll_fd: i32, fd: i32| {
            let event = calls::Event::readable();
            let args = [
                epoll_fd as usize,
                EPOLL_CTL_ADD,
                fd as usize,
                &raw const event as usize,
                0,
                0,
            ];
            // SAFETY: the kernel reads one event, which is alive.
            from_raw(unsafe { call(Sysno::epoll_ctl, args) })
        };
        let mut epoll_fd = epoll.load(Ordering::Relaxed);
        if epoll_fd < 0 {
            // SAFETY: these make descriptors.
            let made = unsafe {
                [
                    call(Sysno::epoll_create1, [O_CLOEXEC, 0, 0, 0, 0, 0]),
                    call(
                        Sysno::timerfd_create,
                        [CLOCK_MONOTONIC, O_CLOEXEC, 0, 0, 0, 0],
                    ),
                ]
            };
            let [made_epoll, made_timer] = made.map(from_raw);
            let timer_fd = made_timer? as i32;
            epoll_fd = made_epoll? as i32;
            add(epoll_fd, timer_fd)?;
            timer.store(timer_fd, Ordering::Relaxed);
            epoll.store(epoll_fd, Ordering::Relaxed);
        }
        add(epoll_fd, device).map(|_| ())
    }

    /// Says why the process cannot start, and ends it.
    pub fn refuse(&self, line: &[u8]) -> ! {
        self.write_error(line);
        calls::exit(1)
    }
}

/// # Safety
/// `start` is null or a C string that stays as it is.
pub unsafe fn text(start: *const u8) -> Option<&'static [u8]> {
    // SAFETY: as the caller promises.
    (!start.is_null()).then(|| unsafe { CStr::from_ptr(start.cast::<c_char>()) }.to_bytes())
}

/// A number of MiB that makes sense, or what is wrong with it.
fn number(digits: &[u8]) -> Result<usize, &'static [u8]> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err(b"muslin: MUSLIN_MEM is not a number of MiB\n");
    }
    let mib = digits.iter().fold(0_usize, |mib, digit| {
        mib.saturating_mul(10)
            .saturating_add(usize::from(digit - b'0'))
    });
    match mib {
        0 => Err(b"muslin: MUSLIN_MEM is 0: set it to more MiB\n"),
        1..=MEMORY_MIB_MAX => Ok(mib),
        _ => Err(TOO_MUCH),
    }
}

/// Takes the vDSO out of the auxiliary vector, whose clocks are not the library OS's, and makes the
/// user root, as the library OS says; the address of the file's name.
///
/// # Safety
/// `entry` is the auxiliary vector as the kernel laid it out.
unsafe fn hide_host(mut entry: *mut [usize; 2]) -> *const u8 {
    let mut file_name = core::ptr::null();
    loop {
        // SAFETY: an entry of the vector, not past its last.
        let [kind, value] = unsafe { &mut *entry };
        match *kind {
            AT_NULL => return file_name,
            AT_SYSINFO_EHDR => *kind = AT_IGNORE,
            AT_UID..=AT_EGID => *value = 0,
            AT_EXECFN => file_name = *value as *const u8,
            AT_HWCAP2 if *value & HWCAP2_FSGSBASE != 0 => thread_pointer::allow_write(),
            _ => {}
        }
        // SAFETY: not past the last.
        entry = unsafe { entry.add(1) };
    }
}

/// How far the stack may grow.
fn stack_limit_bytes() -> usize {
    let mut limit = [0usize; 2];
    let args = [0, RLIMIT_STACK, 0, &raw mut limit as usize, 0, 0];
    // SAFETY: the kernel writes two words, which are alive.
    unsafe { calls::call(PRLIMIT64, args) };
    limit[0].clamp(PAGE_BYTES, STACK_BYTES_MAX)
}

/// Maps zeroed memory at `start`, or elsewhere where that is taken.
fn map(start: usize, len_bytes: usize) -> Result<Range<usize>, Errno> {
    let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    let at = |start, flags| {
        let args = [
            start,
            len_bytes,
            PROT_READ | PROT_WRITE,
            flags,
            usize::MAX,
            0,
        ];
        // SAFETY: makes a new mapping, and replaces none.
        from_raw(unsafe { calls::call(MMAP, args) })
    };
    let start = at(start, flags | MAP_FIXED_NOREPLACE).or_else(|_| at(0, flags))?;
    Ok(start..start + len_bytes)
}

/// Maps a file for reading; its address and its length in bytes. `path` ends with a zero behind its
/// last byte.
fn map_file(path: &[u8]) -> Result<[usize; 2], Errno> {
    // SAFETY: the calls read the path, and make a new mapping.
    unsafe {
        let args = [path.as_ptr() as usize, O_RDONLY, 0, 0, 0, 0];
        let fd = from_raw(calls::call(OPEN, args))?;
        let len_bytes = from_raw(calls::call(LSEEK, [fd, 0, SEEK_END, 0, 0, 0]));
        let address = len_bytes.and_then(|len_bytes| {
            let args = [0, len_bytes, PROT_READ, MAP_PRIVATE, fd, 0];
            from_raw(calls::call(MMAP, args))
        });
        calls::call(CLOSE, [fd, 0, 0, 0, 0, 0]);
        Ok([address?, len_bytes?])
    }
}

impl Host for LinuxProcess {
    unsafe fn set_thread_pointer(&self, block: *mut u8) {
        // SAFETY: as the caller promises.
        unsafe { calls::set_thread_pointer(block) };
    }

    fn initrd(&self) -> Option<&'static [u8]> {
        let [start, len_bytes] = self
            .initrd
            .each_ref()
            .map(|word| word.load(Ordering::Relaxed));
        // SAFETY: mapped for as long as the process is there, and nobody writes to it.
        (start != 0).then(|| unsafe { core::slice::from_raw_parts(start as *const u8, len_bytes) })
    }
}

impl Platform for LinuxProcess {
    fn name(&self) -> &'static str {
        "solo5-process"
    }
    muslin_platform::own_parts!(memory: Memory, wait: Wait, entropy: Entropy, console: Console, power: Power);
    fn clock(&self) -> &dyn Clock {
        &self.clock
    }
    fn block(&self, index: usize) -> Option<(&str, &dyn BlockDevice)> {
        BLOCKS.get(index)
    }
}

impl Memory for LinuxProcess {
    fn range(&self) -> Range<usize> {
        self.places.memory()
    }
    fn page_bytes(&self) -> usize {
        PAGE_BYTES
    }
    fn protect(&self, pages: Range<usize>, protection: Protection) -> Result<(), Errno> {
        let bits = [
            (protection.read, PROT_READ),
            (protection.write, PROT_WRITE),
            (protection.execute, PROT_EXEC),
        ];
        let bits = bits
            .iter()
            .filter(|bit| bit.0)
            .fold(0, |all, bit| all | bit.1);
        let args = [pages.start, pages.len(), bits, 0, 0, 0];
        // SAFETY: the library OS answers for what its pages are.
        from_raw(unsafe { calls::call(MPROTECT, args) }).map(|_| ())
    }
    fn discard(&self, pages: Range<usize>) -> Result<(), Errno> {
        let args = [pages.start, pages.len(), MADV_DONTNEED, 0, 0, 0];
        // SAFETY: the library OS does not need what is in them.
        from_raw(unsafe { calls::call(MADVISE, args) }).map(|_| ())
    }
    fn stack(&self) -> Range<usize> {
        self.places.stack()
    }
}

impl Wait for LinuxProcess {
    fn wait_until(&self, deadline_ns: Option<u64>) {
        let [epoll_fd, timer_fd] = self.devices.each_ref().map(|fd| fd.load(Ordering::Relaxed));
        if epoll_fd >= 0 {
            return calls::wait_until(epoll_fd, timer_fd, deadline_ns);
        }
        let deadline_ns = deadline_ns.unwrap_or(i64::MAX as u64);
        let deadline = [deadline_ns / 1_000_000_000, deadline_ns % 1_000_000_000];
        let args = [
            CLOCK_MONOTONIC,
            TIMER_ABSTIME,
            &raw const deadline as usize,
            0,
            0,
            0,
        ];
        // SAFETY: the kernel reads two words, which are alive.
        unsafe { calls::call(CLOCK_NANOSLEEP, args) };
    }
}

impl Entropy for LinuxProcess {
    fn fill(&self, mut bytes: &mut [u8]) -> Result<(), Errno> {
        while !bytes.is_empty() {
            let args = [bytes.as_mut_ptr() as usize, bytes.len(), 0, 0, 0, 0];
            // SAFETY: the kernel writes to a slice that is alive.
            match from_raw(unsafe { calls::call(GETRANDOM, args) }) {
                Ok(len_bytes) => bytes = &mut bytes[len_bytes..],
                Err(Errno::EINTR) => {}
                Err(_) => {
                    self.write_error(b"muslin: Linux gives no random bytes\n");
                    return Err(Errno::EIO);
                }
            }
        }
        Ok(())
    }
}

impl Console for LinuxProcess {
    fn write(&self, bytes: &[u8]) -> usize {
        usize::try_from(calls::write(calls::STDOUT, bytes)).unwrap_or(0)
    }
    fn write_error(&self, bytes: &[u8]) -> usize {
        usize::try_from(calls::write(STDERR, bytes)).unwrap_or(0)
    }
    fn read(&self, bytes: &mut [u8]) -> usize {
        let args = [STDIN, bytes.as_mut_ptr() as usize, bytes.len(), 0, 0, 0];
        // SAFETY: the kernel writes to a slice that is alive.
        from_raw(unsafe { calls::call(READ, args) }).unwrap_or(0)
    }
}

impl Power for LinuxProcess {
    fn exit(&self, status: i32) -> ! {
        calls::exit(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_auxiliary_vector_says_what_the_library_os_says() {
        let name = c"program";
        let mut vector = [
            [AT_SYSINFO_EHDR, 0x7000],
            [AT_UID, 1000],
            [AT_EGID, 1000],
            [AT_EXECFN, name.as_ptr() as usize],
            [AT_NULL, 0],
        ];
        // SAFETY: a vector of our own.
        let file_name = unsafe { hide_host(vector.as_mut_ptr()) };
        assert_eq!(file_name, name.as_ptr().cast());
        assert_eq!(
            vector[..3],
            [[AT_IGNORE, 0x7000], [AT_UID, 0], [AT_EGID, 0]]
        );
    }

    #[test]
    fn memory_is_a_number_of_mib() {
        assert_eq!(number(b"64"), Ok(64));
        for (wrong, line) in [
            (&b""[..], "is not a number"),
            (b"-1", "is not a number"),
            (b"64M", "is not a number"),
            (b"\xff", "is not a number"),
            (b"0", "is 0: set it to more MiB"),
            (b"16777217", "set MUSLIN_MEM to fewer MiB"),
            (b"99999999999999999999", "set MUSLIN_MEM to fewer MiB"),
        ] {
            let said = number(wrong).err().unwrap_or_default();
            let says = |part: &[u8]| part == line.as_bytes();
            assert!(said.windows(line.len()).any(says), "{line}");
        }
    }
}

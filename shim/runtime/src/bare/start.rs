//! The stack that Linux would have laid out: arguments, environment, auxiliary vector.

use core::arch::naked_asm;
use core::ffi::CStr;
use core::ops::Range;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::below::PAGE_BYTES;
use crate::below::host::{self, host};
use muslin_abi::setting::Setting;
use muslin_arch::host::Entered;
use muslin_arch::stack;
use muslin_platform::Protection;

use crate::command_line::{Words, value_of_option};
use crate::console;
use crate::traps;

unsafe extern "C" {
    static __ehdr_start: [u8; 64];
    static _end: u8;
}

/// Size of an ELF program header in bytes.
const PHDR_BYTES: usize = 56;
/// The least stack that an image can run with.
const STACK_BYTES_MIN: usize = 64 * 1024;
/// The least memory behind the image.
const MEMORY_BYTES_MIN: usize = 64 * 1024;
/// The longest command line in bytes, with its final zero.
const COMMAND_LINE_MAX: usize = 8192;
/// What the program is called if nobody says.
pub const PROGRAM: &[u8] = b"guest";

const AT_NULL: usize = 0;
const AT_PHDR: usize = 3;
const AT_PHENT: usize = 4;
const AT_PHNUM: usize = 5;
const AT_PAGESZ: usize = 6;
const AT_ENTRY: usize = 9;
const AT_UID: usize = 11;
const AT_EUID: usize = 12;
const AT_GID: usize = 13;
const AT_EGID: usize = 14;
const AT_CLKTCK: usize = 17;
const AT_SECURE: usize = 23;
const AT_RANDOM: usize = 25;
const AT_EXECFN: usize = 31;
/// Ticks a second of times(2).
const CLOCK_TICKS: usize = 100;

/// Fields of the image's own ELF header.
pub struct Header;

impl Header {
    fn word(at: usize) -> usize {
        // SAFETY: inside the ELF header, which the first segment maps.
        unsafe {
            (&raw const __ehdr_start)
                .cast::<u8>()
                .add(at)
                .cast::<usize>()
                .read_unaligned()
        }
    }

    /// Where the image starts.
    pub fn start() -> usize {
        &raw const __ehdr_start as usize
    }

    /// Where the program headers are, and how many.
    pub fn program_headers() -> (usize, usize) {
        (
            Self::start() + Self::word(32),
            Self::word(56) as u16 as usize,
        )
    }

    fn entry() -> usize {
        Self::word(24)
    }
}

const PT_LOAD: u32 = 1;
const PF_X: u32 = 1;
const PF_W: u32 = 2;
const PF_R: u32 = 4;

/// The image's segments as whole pages, with what the tender lets be done with them.
pub fn segments() -> impl Iterator<Item = (Range<usize>, Protection)> {
    let (headers, count) = Header::program_headers();
    (0..count).filter_map(move |i| {
        // SAFETY: inside the program headers, which the first segment maps.
        let word = |at: usize| unsafe { ((headers + i * PHDR_BYTES + at) as *const usize).read() };
        let (kind, flags) = (word(0) as u32, (word(0) >> 32) as u32);
        let (start, len_bytes) = (word(16), word(40));
        let pages = start & !(PAGE_BYTES - 1)..(start + len_bytes).next_multiple_of(PAGE_BYTES);
        let protection = Protection {
            read: flags & PF_R != 0,
            write: flags & PF_W != 0,
            execute: flags & PF_X != 0,
        };
        (kind == PT_LOAD && len_bytes != 0).then_some((pages, protection))
    })
}

/// Where the image ends, with its zeroed data.
pub fn image_end() -> usize {
    &raw const _end as usize
}

/// The lowest address that the tender's stack was used down to; 0 if there was none.
static FIRST_STACK: AtomicUsize = AtomicUsize::new(0);

/// The words of the command line: an address, a length in bytes, and that of the environment. They
/// stay where they are, above the stack.
static WORDS: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];

/// The words of the command line.
pub fn words() -> Words<'static> {
    let [start, len_bytes, environment_bytes] =
        [0, 1, 2].map(|at| WORDS[at].load(Ordering::Relaxed));
    if start == 0 {
        return Words::of_parts(&[], 0);
    }
    // SAFETY: `lay_out` wrote them there, and no program runs yet that could change its arguments.
    let text = unsafe { core::slice::from_raw_parts(start as *const u8, len_bytes) };
    Words::of_parts(text, environment_bytes)
}

/// The value of an option: `--ipv4=value` before the program's arguments, or `MUSLIN_IPV4=value` in the
/// environment.
pub fn option(name: &[u8]) -> Option<&'static CStr> {
    let value = |word: &'static [u8]| {
        let value = value_of_option(word, name)?;
        // SAFETY: every word ends with a zero behind its last byte.
        Some(unsafe { CStr::from_ptr(value.as_ptr().cast()) })
    };
    let Some(environment) = process_environment() else {
        return words().options().find_map(value);
    };
    // SAFETY: pointers to C strings up to a null, which ends the list.
    let variables = (0..).map_while(|i| unsafe { (*environment.add(i)).as_ref() });
    // SAFETY: a C string of the environment.
    let mut words = variables.map(|word| unsafe { CStr::from_ptr(ptr::from_ref(word).cast()) });
    words.find_map(|word| value(word.to_bytes()))
}

/// Where the environment of a process is; 0 in a guest.
static ENVIRONMENT: AtomicUsize = AtomicUsize::new(0);

/// The environment as Linux laid it out, if it did.
pub fn process_environment() -> Option<*const *const u8> {
    let start = ENVIRONMENT.load(Ordering::Relaxed);
    (start != 0).then_some(start as *const *const u8)
}

/// The bytes that a tender put behind the guest's memory. `None` if they cannot be there.
pub fn behind_memory(addresses: &Range<usize>) -> Option<&'static [u8]> {
    let is_behind = addresses.start >= host().memory().range().end;
    if is_behind {
        host().show(addresses.clone());
    }
    // SAFETY: the tender says so, and nobody writes there: it is not the library OS's memory.
    is_behind.then(|| unsafe {
        core::slice::from_raw_parts(addresses.start as *const u8, addresses.len())
    })
}

/// Bytes below the stack pointer that the frames above it may have used before.
const FIRST_STACK_SLACK_BYTES: usize = 4 * 1024;

/// Finds the host. Comes back in a process; in a guest, lays out the stack below the image and enters
/// the image again at its start.
///
/// # Safety
/// The image was just entered, with `environment` if Linux did it.
pub unsafe fn find_host(environment: *mut *const u8) {
    // SAFETY: as the caller promises.
    let entered = unsafe {
        host::enter(
            Header::start()..image_end(),
            &mut segments(),
            traps::ABOVE,
            environment,
        )
    };
    let (memory, stack) = (host().memory().range(), host().memory().stack());
    if stack.end < stack.start + STACK_BYTES_MIN {
        console::refuse(&[
            b"muslin: no room for a stack below the image: link it without an address of your own, or higher",
        ]);
    }
    if memory.end < memory.start + MEMORY_BYTES_MIN {
        console::refuse(&[
            b"muslin: too little memory: give the guest more (--mem), or the process (MUSLIN_MEM)",
        ]);
    }
    let Entered::AsGuest(command_line) = entered else {
        ENVIRONMENT.store(environment as usize, Ordering::Relaxed);
        return;
    };
    FIRST_STACK.store(
        stack::pointer().saturating_sub(FIRST_STACK_SLACK_BYTES),
        Ordering::Relaxed,
    );
    // SAFETY: as the caller promises; the stack is unused.
    let pointer = unsafe { lay_out(command_line, stack.end) };
    // SAFETY: the stack is as the image's start expects it.
    unsafe { jump(Header::entry(), pointer) }
}

/// Clears what the tender's own stack left in memory that is the library OS's from here on.
pub fn clear_first_stack() {
    let first_stack = FIRST_STACK.load(Ordering::Relaxed);
    let memory = host().memory().range();
    let start = first_stack.max(memory.start);
    // Not a host's own stack below all of it.
    if first_stack >= memory.start && start < memory.end {
        // SAFETY: nothing uses that stack any more, and nobody has the memory yet.
        unsafe { core::ptr::write_bytes(start as *mut u8, 0, memory.end - start) };
    }
}

/// Writes words upwards.
struct Writer(*mut usize);

impl Writer {
    /// # Safety
    /// There is room for another word.
    unsafe fn put(&mut self, word: usize) {
        // SAFETY: as the caller promises.
        unsafe {
            self.0.write(word);
            self.0 = self.0.add(1);
        }
    }
}

/// Lays out everything below `top`; the stack pointer to start with.
///
/// # Safety
/// The stack below `top` is unused.
unsafe fn lay_out(command_line: &CStr, top: usize) -> usize {
    let line = command_line.to_bytes();
    let line = line.get(..COMMAND_LINE_MAX).unwrap_or(line);
    let text_at = top - (line.len() + 1);
    // SAFETY: at the top of the unused stack.
    let text = unsafe { core::slice::from_raw_parts_mut(text_at as *mut u8, line.len() + 1) };
    let Ok(words) = Words::split(line, text) else {
        console::refuse(&[b"muslin: the command line ends inside a quotation: ", line]);
    };
    let (split, environment_bytes) = words.parts();
    for (place, value) in WORDS.iter().zip([text_at, split.len(), environment_bytes]) {
        place.store(value, Ordering::Relaxed);
    }
    let name = words.settings().get(Setting::Program).unwrap_or(PROGRAM);
    let name_at = text_at - (name.len() + 1);
    // SAFETY: below what was written last.
    unsafe {
        core::ptr::copy_nonoverlapping(name.as_ptr(), name_at as *mut u8, name.len());
        ((name_at + name.len()) as *mut u8).write(0);
    }
    let random_at = name_at - 16;
    // SAFETY: below what was written last.
    let random = unsafe { core::slice::from_raw_parts_mut(random_at as *mut u8, 16) };
    if host().entropy().fill(random).is_err() {
        // The console says why.
        console::refuse(&[b"muslin: the program cannot start without random bytes"]);
    }

    let (headers, header_count) = Header::program_headers();
    let vector = [
        [AT_PHDR, headers],
        [AT_PHENT, PHDR_BYTES],
        [AT_PHNUM, header_count],
        [AT_PAGESZ, PAGE_BYTES],
        [AT_ENTRY, Header::entry()],
        [AT_UID, 0],
        [AT_EUID, 0],
        [AT_GID, 0],
        [AT_EGID, 0],
        [AT_CLKTCK, CLOCK_TICKS],
        [AT_SECURE, 0],
        [AT_RANDOM, random_at],
        [AT_EXECFN, name_at],
        [AT_NULL, 0],
    ];
    let argument_count = 1 + words.arguments().count();
    let word_count =
        1 + argument_count + 1 + words.environment().count() + 1 + vector.as_flattened().len();
    let start = (random_at - word_count * size_of::<usize>()) & !15;
    let mut writer = Writer(start as *mut usize);
    // SAFETY: as many words as were counted.
    unsafe {
        writer.put(argument_count);
        writer.put(name_at);
        for word in words.arguments() {
            writer.put(word.as_ptr() as usize);
        }
        writer.put(0);
        for word in words.environment() {
            writer.put(word.as_ptr() as usize);
        }
        writer.put(0);
        for &word in vector.as_flattened() {
            writer.put(word);
        }
    }
    start
}

/// Jumps to `entry` with the stack pointer at `pointer`, as the kernel starts a process.
///
/// # Safety
/// The stack is laid out as for a process.
#[unsafe(naked)]
unsafe extern "C" fn jump(entry: usize, pointer: usize) -> ! {
    naked_asm!("mov rsp, rsi", "xor edx, edx", "jmp rdi")
}

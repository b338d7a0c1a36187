//! What whoever started the image says for the library OS: by the command line of a guest, by the
//! arguments and the environment of a process.

use core::arch::global_asm;
use core::ffi::{CStr, c_char};

use crate::below::host::host;
use muslin_abi::setting::Setting;
use muslin_syscalls::context::Given;

use crate::command_line::initrd_range;
use crate::start;

// What `muslin cc --initrd` puts into an image. Both are 0 in an image without.
global_asm!(
    r#"
    .pushsection .rodata.__muslin_initrd,"a",@progbits
    .balign 8
__muslin_initrd:
    .weak __muslin_initrd_start, __muslin_initrd_end
    .quad __muslin_initrd_start, __muslin_initrd_end
    .popsection
    "#
);

unsafe extern "C" {
    static __muslin_initrd: [usize; 2];
}

/// What is said.
pub fn given() -> Given {
    let given = match start::process_environment() {
        Some(environment) => of_process(environment),
        None => of_guest(),
    };
    Given {
        // What was given at the start comes before the image's own.
        initrd: given.initrd.or_else(initrd),
        ..given
    }
}

fn of_guest() -> Given {
    let words = start::words();
    let settings = words.settings();
    Given {
        initrd: settings
            .get(Setting::Initrd)
            .and_then(|text| start::behind_memory(&initrd_range(text)?))
            .or_else(|| host().initrd()),
        working_directory: settings.get(Setting::WorkingDirectory),
        host_name: settings.get(Setting::HostName),
        program: settings.get(Setting::Program).unwrap_or(start::PROGRAM),
        arguments: words.argument_text(),
        environment: words.assignment_text(),
    }
}

/// What Linux has laid out around the environment's list of pointers.
fn of_process(environment: *const *const u8) -> Given {
    // SAFETY: text of the stack; no program runs yet that could change it.
    let text = |start: *const u8| unsafe { CStr::from_ptr(start.cast::<c_char>()) }.to_bytes();
    // SAFETY: pointers up to a null, which ends the list.
    let variables = || (0..).map_while(|i| unsafe { (*environment.add(i)).as_ref() });
    let setting = |setting: Setting| {
        variables().find_map(|variable| text(variable).strip_prefix(setting.prefix()))
    };
    // Before the environment: the arguments' number, their pointers, a null.
    let before = |words: usize| environment.wrapping_sub(1 + words);
    // SAFETY: no pointer is as small as a number of arguments, so this ends at the number.
    let count = (0..).find(|&count| unsafe { *before(count + 1) } as usize == count);
    let count = count.unwrap_or(0);
    // SAFETY: a pointer of the list.
    let argument = |i: usize| unsafe { *before(count - i) };
    let texts = |first: *const u8, last: *const u8| {
        let len_bytes = text(last).as_ptr_range().end as usize + 1 - first as usize;
        // SAFETY: arguments, and likewise variables, lie one behind the other.
        unsafe { core::slice::from_raw_parts(first, len_bytes) }
    };
    Given {
        initrd: host().initrd(),
        working_directory: setting(Setting::WorkingDirectory),
        host_name: setting(Setting::HostName),
        program: match count {
            0 => start::PROGRAM,
            _ => text(argument(0)),
        },
        arguments: match count {
            0 | 1 => &[],
            _ => texts(argument(1), argument(count - 1)),
        },
        environment: match variables().last() {
            // SAFETY: the list has at least this one.
            Some(last) => texts(unsafe { *environment }, last),
            None => &[],
        },
    }
}

/// The archive that the image carries.
fn initrd() -> Option<&'static [u8]> {
    // SAFETY: two words, which the linker fills in.
    let [start, end] = unsafe { __muslin_initrd };
    // SAFETY: the linker bounds a section by these symbols; nobody writes to it.
    (start != 0).then(|| unsafe { core::slice::from_raw_parts(start as *const u8, end - start) })
}
